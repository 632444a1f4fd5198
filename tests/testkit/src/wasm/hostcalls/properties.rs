//! Properties, filter state and shared data.

use crate::wasm::abi::Status;
use crate::wasm::guest::{Answer, Guest};

pub(super) fn get(guest: &mut Guest<'_>, path: u32, path_size: u32, data_to: u32, size_to: u32) -> Answer {
    let path = guest.text(path, path_size)?;
    let value = guest.host().property(&path).ok_or(Status::NotFound)?;
    guest.give(&value, data_to, size_to)
}

/// Every path is written as filter state of the exchange, whatever it looks like; there is none in the root context.
pub(super) fn set(guest: &mut Guest<'_>, path: u32, path_size: u32, value: u32, value_size: u32) -> Answer {
    let path = guest.text(path, path_size)?;
    let value = guest.read(value, value_size)?;
    let stream = guest.host().stream().ok_or(Status::NotFound)?;
    stream.exchange.set_filter_state(&path, &value);
    if path.contains('\0') {
        stream.note(format!("set_property({path:?}) with a nested path only creates filter state"));
    }
    Ok(())
}

pub(super) fn get_shared(
    guest: &mut Guest<'_>,
    key: u32,
    key_size: u32,
    data_to: u32,
    size_to: u32,
    cas_to: u32,
) -> Answer {
    let key = guest.read(key, key_size)?;
    let (value, cas) = guest.host().shared.get(&key).cloned().ok_or(Status::NotFound)?;
    guest.give(&value, data_to, size_to)?;
    guest.write_u32(cas_to, cas)
}

/// `cas` 0 writes unconditionally; otherwise the entry must still have the number it was read with.
pub(super) fn set_shared(
    guest: &mut Guest<'_>,
    key: u32,
    key_size: u32,
    value: u32,
    value_size: u32,
    cas: u32,
) -> Answer {
    let key = guest.read(key, key_size)?;
    let value = guest.read(value, value_size)?;
    let shared = &mut guest.host().shared;
    let now = shared.get(&key).map(|(_, cas)| *cas);
    // An entry that does not exist yet is created whatever the number says, as in proxy-wasm-cpp-host.
    if let Some(now) = now
        && cas != 0
        && cas != now
    {
        return Err(Status::CasMismatch.into());
    }
    shared.insert(key, (value, now.unwrap_or(0).wrapping_add(1).max(1)));
    Ok(())
}
