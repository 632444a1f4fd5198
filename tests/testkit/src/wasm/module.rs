//! Compiled modules.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use wasmtime::Engine;

use crate::error::Error;

static ENGINE: OnceLock<Engine> = OnceLock::new();
static COMPILED: OnceLock<Mutex<HashMap<(PathBuf, SystemTime), Module>>> = OnceLock::new();

fn engine() -> &'static Engine {
    ENGINE.get_or_init(Engine::default)
}

/// Something a module imports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    /// Name of the import's module; `env` for proxy-wasm, `wasi_snapshot_preview1` for WASI.
    pub module: String,
    /// Name inside that module.
    pub name: String,
}

impl Import {
    /// True for the hostcalls of proxy-wasm, the only thing a Weir module may import.
    pub fn is_proxy_wasm(&self) -> bool {
        self.module == "env" && self.name.starts_with("proxy_")
    }
}

/// A compiled module. Cheap to clone; start as many VMs from it as needed.
#[derive(Debug, Clone)]
pub struct Module(wasmtime::Module);

impl Module {
    /// Reads and compiles a module file. Within a process a file is compiled once, as long as its modification time
    /// stays the same.
    ///
    /// # Errors
    /// [`Error::ModuleUnreadable`], [`Error::ModuleInvalid`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let unreadable = |error: std::io::Error| Error::ModuleUnreadable {
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        let changed = path.metadata().and_then(|metadata| metadata.modified()).map_err(unreadable)?;
        let key = (path.canonicalize().map_err(unreadable)?, changed);
        // Held while compiling, so that tests running in parallel do not compile the same file twice.
        let mut compiled = COMPILED
            .get_or_init(|| Mutex::new(HashMap::new()))
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = compiled.get(&key) {
            return Ok(module.clone());
        }
        let bytes = std::fs::read(path).map_err(unreadable)?;
        let module = Self::from_bytes(&path.display().to_string(), &bytes)?;
        compiled.insert(key, module.clone());
        Ok(module)
    }

    /// Compiles a module from its binary form. `name` appears in errors.
    ///
    /// # Errors
    /// [`Error::ModuleInvalid`].
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self, Error> {
        wasmtime::Module::from_binary(engine(), bytes)
            .map(Self)
            .map_err(|error| Error::ModuleInvalid { path: name.to_owned(), reason: format!("{error:#}") })
    }

    /// Everything the module imports, sorted.
    pub fn imports(&self) -> Vec<Import> {
        let mut imports: Vec<Import> = self
            .0
            .imports()
            .map(|import| Import { module: import.module().to_owned(), name: import.name().to_owned() })
            .collect();
        imports.sort();
        imports
    }

    /// Names of everything the module exports, sorted.
    pub fn exports(&self) -> Vec<String> {
        let mut exports: Vec<String> = self.0.exports().map(|export| export.name().to_owned()).collect();
        exports.sort();
        exports
    }

    pub(super) fn compiled(&self) -> &wasmtime::Module {
        &self.0
    }

    pub(super) fn engine() -> &'static Engine {
        engine()
    }
}
