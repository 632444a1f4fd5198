//! Which files a path given with `-f` stands for.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Extensions of manifests within folders.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// A manifest file, and what changes when its content does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ManifestFile {
    /// Path through which it was found.
    pub(crate) path: PathBuf,
    stamp: Stamp,
}

/// Identity and times of a file as the file system tells them: equal stamps mean equal content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// What a path stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    /// The manifests, in the order of their paths.
    pub(crate) files: Vec<ManifestFile>,
    /// The folders walked through, for watching.
    pub(crate) folders: Vec<PathBuf>,
}

/// Lists the manifests of `root`: the file itself, or `*.yaml`, `*.yml` and `*.json` at any depth. Symbolic links are
/// followed, for so are mounted ConfigMaps made; what has a name that starts with a dot is skipped, for the same
/// reason.
///
/// # Errors
/// When `root` does not exist or cannot be read. What vanishes or is unreadable below it is left out.
pub(crate) fn list(root: &Path) -> io::Result<Listing> {
    let metadata = std::fs::metadata(root)?;
    let mut listing = Listing::default();
    if metadata.is_dir() {
        let mut visited = BTreeSet::new();
        // Only the root's own errors count; a folder below may be on its way out.
        std::fs::read_dir(root)?;
        walk(root, &metadata, &mut visited, &mut listing);
    } else {
        listing.files.push(ManifestFile { path: root.to_owned(), stamp: Stamp::of(&metadata) });
    }
    listing.files.sort();
    Ok(listing)
}

fn walk(folder: &Path, metadata: &Metadata, visited: &mut BTreeSet<(u64, u64)>, listing: &mut Listing) {
    // A folder reached twice, over a link into its own parents for example, is walked once.
    if !visited.insert((metadata.dev(), metadata.ino())) {
        return;
    }
    listing.folders.push(folder.to_owned());
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b".")) {
            continue;
        }
        let Ok(metadata) = std::fs::metadata(&path) else { continue };
        if metadata.is_dir() {
            walk(&path, &metadata, visited, listing);
        } else if metadata.is_file() && is_manifest(&path) {
            listing.files.push(ManifestFile { path, stamp: Stamp::of(&metadata) });
        }
    }
}

fn is_manifest(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| EXTENSIONS.contains(&extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(root: &Path) -> Vec<String> {
        let files = list(root).unwrap().files;
        files.iter().map(|f| f.path.strip_prefix(root).unwrap().display().to_string()).collect()
    }

    #[test]
    fn folders_are_walked_in_order_and_hidden_names_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("sub/.hidden")).unwrap();
        for name in
            ["b.yml", "a.yaml", "c.json", "d.txt", ".e.yaml", "sub/f.yaml", "sub/.hidden/g.yaml", "b.yaml~"]
        {
            std::fs::write(root.join(name), "").unwrap();
        }
        assert_eq!(names(root), ["a.yaml", "b.yml", "c.json", "sub/f.yaml"]);
        assert_eq!(list(&root.join("d.txt")).unwrap().files.len(), 1, "a file that is named is read");
        assert!(list(&root.join("missing")).is_err());
    }

    #[test]
    fn links_are_followed_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        // The layout of a mounted ConfigMap.
        std::fs::create_dir(root.join("..2026")).unwrap();
        std::fs::write(root.join("..2026/a.yaml"), "").unwrap();
        std::os::unix::fs::symlink("..2026", root.join("..data")).unwrap();
        std::os::unix::fs::symlink("..data/a.yaml", root.join("a.yaml")).unwrap();
        std::os::unix::fs::symlink(".", root.join("loop")).unwrap();
        std::os::unix::fs::symlink("nowhere", root.join("dangling.yaml")).unwrap();
        assert_eq!(names(root), ["a.yaml"]);
        let before = list(root).unwrap();
        std::fs::create_dir(root.join("..2027")).unwrap();
        std::fs::write(root.join("..2027/a.yaml"), "x").unwrap();
        std::os::unix::fs::symlink("..2027", root.join("..new")).unwrap();
        std::fs::rename(root.join("..new"), root.join("..data")).unwrap();
        assert_ne!(list(root).unwrap().files, before.files);
    }
}
