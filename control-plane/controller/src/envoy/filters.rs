//! Finding the filters that Envoy loads.

use std::path::{Path, PathBuf};

use translate::Runtime;

use crate::cli::{FilterArgs, RuntimeName};
use crate::error::Error;

/// Finds the build of the filters that `args` asks for: in the named folder, else beside this executable, else in
/// `dist` of the working directory.
///
/// # Errors
/// [`Error::FiltersNotFound`].
pub(crate) fn find_filters(args: &FilterArgs) -> Result<Runtime, Error> {
    let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned));
    let folders = match &args.filters {
        Some(folder) => vec![folder.clone()],
        None => beside.into_iter().chain([PathBuf::from("dist")]).collect(),
    };
    let file = file_name(args.runtime);
    let found = folders.iter().map(|folder| folder.join(file)).find(|path| path.is_file());
    // Envoy has its own idea of the working directory's meaning: give it a full path.
    match found.and_then(|path| std::path::absolute(path).ok()) {
        Some(path) => Ok(runtime(args.runtime, path)),
        None => {
            let looked =
                folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
            Err(Error::FiltersNotFound { file, looked })
        }
    }
}

/// The settings for a build of the filters at `path`.
fn runtime(name: RuntimeName, path: PathBuf) -> Runtime {
    match name {
        RuntimeName::Wasm => Runtime::Wasm { module: path },
        RuntimeName::Native => Runtime::Native { library: path },
    }
}

/// What the build is called within its folder.
fn file_name(name: RuntimeName) -> &'static str {
    match name {
        RuntimeName::Wasm => "weir.wasm",
        RuntimeName::Native => "libweir.so",
    }
}

/// The settings for a build that need not exist, for commands that look at objects only.
pub(crate) fn nominal(name: RuntimeName) -> Runtime {
    runtime(name, PathBuf::from(file_name(name)))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    #[test]
    fn the_named_folder_is_the_only_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut args = FilterArgs {
            runtime: RuntimeName::Native,
            filters: Some(folder.path().to_owned()),
            bind: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        };
        let missing = find_filters(&args).unwrap_err().to_string();
        assert!(missing.contains("libweir.so") && missing.contains("make build"), "{missing}");
        std::fs::write(folder.path().join("libweir.so"), "").unwrap();
        assert_eq!(find_filters(&args), Ok(Runtime::Native { library: folder.path().join("libweir.so") }));
        args.runtime = RuntimeName::Wasm;
        assert!(find_filters(&args).is_err());
    }
}
