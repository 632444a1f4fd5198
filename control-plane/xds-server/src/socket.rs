//! A Unix domain socket that only this user's processes can connect to.

use std::{
    fs,
    io::ErrorKind,
    os::unix::{
        fs::{DirBuilderExt, FileTypeExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use tokio::net::UnixListener;

use crate::Error;

/// A listening Unix domain socket with mode 0600 in a directory with mode 0700; the file is removed on drop.
#[derive(Debug)]
pub struct UnixSocket {
    pub(crate) listener: UnixListener,
    file: SocketFile,
}

/// Removes the file on drop.
#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

impl UnixSocket {
    /// Listens on `path`. Its directory is created if it does not exist; a socket file that a dead process left behind
    /// is replaced. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::OpenDirectory`] if other users can enter the directory, [`Error::InUse`] if somebody is listening
    /// there or the path is not a socket, [`Error::Listen`] for everything else, e.g. a path of over 107 bytes.
    pub fn bind(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let listen = |e: std::io::Error| Error::Listen { path: path.clone(), reason: e.to_string() };
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(listen)?;
        // Checked before binding: between bind and chmod the socket has whatever mode the umask gives it.
        let mode = fs::metadata(directory).map_err(listen)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(Error::OpenDirectory { path: directory.to_owned(), mode });
        }
        remove_stale(&path)?;
        let listener = UnixListener::bind(&path).map_err(listen)?;
        let file = SocketFile(path.clone());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(listen)?;
        Ok(Self { listener, file })
    }

    /// Where it listens: what goes into `pipe.path` of Envoy's bootstrap.
    pub fn path(&self) -> &Path {
        &self.file.0
    }

    pub(crate) fn into_parts(self) -> (UnixListener, SocketFile) {
        (self.listener, self.file)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::debug!(path = %self.0.display(), %error, "socket file was not removed");
        }
    }
}

/// Removes a socket file nobody listens on.
fn remove_stale(path: &Path) -> Result<(), Error> {
    let in_use = |reason: &str| Error::InUse { path: path.to_owned(), reason: reason.to_owned() };
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::Listen { path: path.to_owned(), reason: e.to_string() }),
        Ok(found) if !found.file_type().is_socket() => return Err(in_use("it is not a socket")),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(in_use("another process is listening on it")),
        Err(e) if e.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|e| Error::Listen { path: path.to_owned(), reason: e.to_string() })
        }
        Err(e) => Err(Error::Listen { path: path.to_owned(), reason: e.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn only_the_owner_gets_in_and_the_file_goes_away() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run/xds.sock");
        let socket = UnixSocket::bind(&path).unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert!(matches!(UnixSocket::bind(&path), Err(Error::InUse { .. })));
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_but_nothing_else_is() {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let path = directory.path().join("xds.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(UnixSocket::bind(&path).unwrap());
        fs::write(&path, "precious").unwrap();
        assert!(matches!(UnixSocket::bind(&path), Err(Error::InUse { .. })));
        assert!(path.exists());
    }

    #[tokio::test]
    async fn a_directory_open_to_others_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let refused = UnixSocket::bind(directory.path().join("xds.sock")).unwrap_err();
        assert_eq!(refused, Error::OpenDirectory { path: directory.path().to_owned(), mode: 0o755 });
    }
}
