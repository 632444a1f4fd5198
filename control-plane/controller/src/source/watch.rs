//! Noticing that files changed.
//!
//! The truth is a comparison of names, identities and times of all files. The kernel's notifications only say when to
//! look: without them (too many watches, network file systems, a swapped link somewhere above) the regular look still
//! finds the change within a second.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, timeout};

use super::files::{self, ManifestFile};

/// How often to look without being told.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long files must stay the same before they count as written.
const SETTLE: Duration = Duration::from_millis(100);

/// Longest wait for files that never stay the same.
const SETTLE_AT_MOST: Duration = Duration::from_millis(600);

/// Watches paths; [`changed`](Self::changed) tells of changes.
#[derive(Debug)]
pub(crate) struct Watch {
    changes: mpsc::Receiver<()>,
}

/// All manifests of all roots; `None` for a root that cannot be read.
type Picture = Vec<Option<Vec<ManifestFile>>>;

impl Watch {
    /// Starts to watch; what changes from now on is told. Must be called within a tokio runtime.
    pub(crate) fn start(roots: &[PathBuf]) -> Self {
        let (sender, changes) = mpsc::channel(1);
        let mut observer = Observer::new(roots.to_vec());
        // Taken before the caller reads the files, so that no change falls between.
        let seen = observer.look();
        tokio::spawn(observe(observer, seen, sender));
        Self { changes }
    }

    /// Waits for the next change. Changes during the wait for a reader count as one.
    pub(crate) async fn changed(&mut self) -> Option<()> {
        self.changes.recv().await
    }
}

async fn observe(mut observer: Observer, mut seen: Picture, changes: mpsc::Sender<()>) {
    let woken = observer.woken.clone();
    loop {
        // Elapsed or told: look either way.
        let _ = timeout(LOOK_EVERY, woken.notified()).await;
        let Some(mut now) = look(&mut observer).await else { return };
        if now == seen {
            continue;
        }
        let began = Instant::now();
        while began.elapsed() < SETTLE_AT_MOST {
            sleep(SETTLE).await;
            let Some(next) = look(&mut observer).await else { return };
            let settled = next == now;
            now = next;
            if settled {
                break;
            }
        }
        seen = now;
        // A full channel holds a change that has not been read yet: it covers this one too.
        if let Err(mpsc::error::TrySendError::Closed(())) = changes.try_send(()) {
            return;
        }
    }
}

/// Looks at the files off the async threads: a slow disk must not hold up anything else.
async fn look(observer: &mut Observer) -> Option<Picture> {
    let mut moved = std::mem::take(observer);
    let (back, picture) = tokio::task::spawn_blocking(move || {
        let picture = moved.look();
        (moved, picture)
    })
    .await
    .ok()?;
    *observer = back;
    Some(picture)
}

/// Looks at files, and keeps the kernel's watches on the folders they are in.
#[derive(Default)]
struct Observer {
    roots: Vec<PathBuf>,
    woken: std::sync::Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
    watched: Vec<PathBuf>,
}

impl Observer {
    fn new(roots: Vec<PathBuf>) -> Self {
        let woken = std::sync::Arc::new(Notify::new());
        let wake = woken.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // Looking at files is an access too: reacting to that would never end.
            if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
                wake.notify_one();
            }
        });
        let watcher = watcher
            .inspect_err(
                |error| tracing::debug!(%error, "no notifications about files: looking regularly instead"),
            )
            .ok();
        Self { roots, woken, watcher, watched: Vec::new() }
    }

    fn look(&mut self) -> Picture {
        let mut folders = Vec::new();
        let mut picture = Picture::new();
        for root in &self.roots {
            // The parent tells when the root itself is replaced.
            folders.push(parent(root));
            picture.push(files::list(root).ok().map(|listing| {
                folders.extend(listing.folders);
                listing.files
            }));
        }
        folders.sort();
        folders.dedup();
        if let Some(watcher) = &mut self.watcher
            && folders != self.watched
        {
            for folder in folders.iter().filter(|folder| !self.watched.contains(folder)) {
                if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                    tracing::debug!(folder = %folder.display(), %error, "not watched: looking regularly instead");
                }
            }
            for gone in self.watched.iter().filter(|folder| !folders.contains(folder)) {
                // A deleted folder has lost its watch already.
                let _ = watcher.unwatch(gone);
            }
            self.watched = folders;
        }
        picture
    }
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        Some(_) => PathBuf::from("."),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told(watch: &mut Watch) {
        timeout(Duration::from_secs(20), watch.changed()).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn edits_additions_replacements_and_deletions_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("conf");
        std::fs::create_dir(&root).unwrap();
        let file = root.join("a.yaml");
        std::fs::write(&file, "1").unwrap();
        let mut watch = Watch::start(std::slice::from_ref(&root));
        std::fs::write(&file, "22").unwrap();
        told(&mut watch).await;
        std::fs::create_dir(root.join("sub")).unwrap();
        std::fs::write(root.join("sub/b.yaml"), "1").unwrap();
        told(&mut watch).await;
        // As editors do it.
        std::fs::write(root.join(".a.yaml.swp"), "33").unwrap();
        std::fs::rename(root.join(".a.yaml.swp"), &file).unwrap();
        told(&mut watch).await;
        std::fs::remove_file(&file).unwrap();
        told(&mut watch).await;
        // A root that is replaced as a whole.
        std::fs::create_dir(folder.path().join("next")).unwrap();
        std::fs::write(folder.path().join("next/a.yaml"), "1").unwrap();
        std::fs::rename(&root, folder.path().join("last")).unwrap();
        std::fs::rename(folder.path().join("next"), &root).unwrap();
        told(&mut watch).await;
    }
}
