//! The module's memory as hostcalls use it.

use wasmtime::{Caller, Extern, Memory};

use super::abi::{Status, decode_pairs};
use super::host::Host;
use crate::message::Headers;

/// Why a hostcall did not succeed.
pub(super) enum Fault {
    /// Returned to the module.
    Status(Status),
    /// The module's allocator trapped while the host asked it for memory.
    Trap(wasmtime::Error),
}

impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

pub(super) type Answer = Result<(), Fault>;

/// A hostcall in progress.
pub(super) struct Guest<'a> {
    caller: Caller<'a, Host>,
}

impl<'a> Guest<'a> {
    pub(super) fn new(caller: Caller<'a, Host>) -> Self {
        Self { caller }
    }

    pub(super) fn host(&mut self) -> &mut Host {
        self.caller.data_mut()
    }

    fn memory(&mut self) -> Result<Memory, Fault> {
        match self.caller.get_export("memory") {
            Some(Extern::Memory(memory)) => Ok(memory),
            _ => Err(Status::InvalidMemoryAccess.into()),
        }
    }

    /// Copies `size` bytes at `address` out of the module.
    pub(super) fn read(&mut self, address: u32, size: u32) -> Result<Vec<u8>, Fault> {
        if size == 0 {
            return Ok(Vec::new());
        }
        let memory = self.memory()?;
        let start = address as usize;
        let end = start.checked_add(size as usize).ok_or(Status::InvalidMemoryAccess)?;
        let bytes = memory.data(&self.caller).get(start..end).ok_or(Status::InvalidMemoryAccess)?;
        Ok(bytes.to_vec())
    }

    /// Like [`Self::read`], as text with invalid UTF-8 replaced.
    pub(super) fn text(&mut self, address: u32, size: u32) -> Result<String, Fault> {
        Ok(String::from_utf8_lossy(&self.read(address, size)?).into_owned())
    }

    /// Reads an encoded header list.
    pub(super) fn pairs(&mut self, address: u32, size: u32) -> Result<Headers, Fault> {
        let bytes = self.read(address, size)?;
        Ok(decode_pairs(&bytes).ok_or(Status::BadArgument)?)
    }

    pub(super) fn write(&mut self, address: u32, bytes: &[u8]) -> Answer {
        let memory = self.memory()?;
        memory
            .write(&mut self.caller, address as usize, bytes)
            .map_err(|_| Fault::Status(Status::InvalidMemoryAccess))
    }

    pub(super) fn write_u32(&mut self, address: u32, value: u32) -> Answer {
        self.write(address, &value.to_le_bytes())
    }

    pub(super) fn write_u64(&mut self, address: u32, value: u64) -> Answer {
        self.write(address, &value.to_le_bytes())
    }

    /// Returns bytes to the module: into memory from its own allocator, whose address and size go to the two places
    /// given. Nothing is allocated for an empty value; its address is 0.
    pub(super) fn give(&mut self, bytes: &[u8], address_to: u32, size_to: u32) -> Answer {
        let address = if bytes.is_empty() { 0 } else { self.allocate(bytes.len() as u32)? };
        if !bytes.is_empty() {
            self.write(address, bytes)?;
        }
        self.write_u32(address_to, address)?;
        self.write_u32(size_to, bytes.len() as u32)
    }

    /// The SDK exports its allocator as `malloc` on wasm32-unknown-unknown and as `proxy_on_memory_allocate` elsewhere.
    fn allocate(&mut self, size: u32) -> Result<u32, Fault> {
        let allocator = ["proxy_on_memory_allocate", "malloc"]
            .iter()
            .find_map(|name| self.caller.get_export(name).and_then(Extern::into_func))
            .ok_or(Status::InternalFailure)?;
        let allocator =
            allocator.typed::<u32, u32>(&self.caller).map_err(|_| Fault::Status(Status::InternalFailure))?;
        match allocator.call(&mut self.caller, size).map_err(Fault::Trap)? {
            0 => Err(Status::InvalidMemoryAccess.into()),
            address => Ok(address),
        }
    }
}
