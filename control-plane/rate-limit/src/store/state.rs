//! The file in which the memory store outlives its process.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::MemoryStore;
use super::memory::{Contents, Entry};
use crate::cell::{Algorithm, Cell};
use crate::charge::{Key, Record};
use crate::clock::Millis;
use crate::error::Error;

/// Version of the format.
const VERSION: u32 = 1;

/// A file with the counters of a [`MemoryStore`].
///
/// It is written beside itself and then renamed, so it is always whole. It holds digests and fingerprints, no values of
/// descriptors.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    /// Version of the store that the file holds.
    written: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    version: u32,
    counters: Vec<SavedCounter>,
    requests: Vec<SavedRequest>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedCounter {
    key: String,
    algorithm: String,
    limit: u64,
    descriptor: String,
    #[serde(flatten)]
    cell: Cell,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedRequest {
    key: String,
    expires: Millis,
    #[serde(flatten)]
    record: Record,
}

impl StateFile {
    /// Reads the file at `path`, if there is one, into `store`.
    ///
    /// # Errors
    /// [`Error::State`] when it cannot be read, is not whole or is from another version: starting with empty counters
    /// would give every budget out a second time.
    pub fn open(path: &Path, store: &MemoryStore) -> Result<Self, Error> {
        let wrong = |reason: String| Error::State { path: path.to_owned(), reason };
        match std::fs::read(path) {
            Ok(bytes) => {
                let saved: Saved = serde_json::from_slice(&bytes)
                    .map_err(|error| wrong(format!("{error}; move it away to start with nothing spent")))?;
                if saved.version != VERSION {
                    return Err(wrong(format!(
                        "it has format {}, this program reads {VERSION}; move it away to start with nothing spent",
                        saved.version
                    )));
                }
                store.restore(
                    contents(saved)
                        .ok_or_else(|| wrong("it names no counters of this program".to_owned()))?,
                );
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(wrong(error.to_string())),
        }
        Ok(Self { path: path.to_owned(), written: None })
    }

    /// Writes the file if the store has changed since the last time. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// [`Error::State`]; the file is as it was then.
    pub fn write(&mut self, store: &MemoryStore, now: Millis) -> Result<(), Error> {
        let version = store.version();
        if self.written == Some(version) {
            return Ok(());
        }
        let saved = saved(store.contents(now));
        let folder = match self.path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let write = || -> std::io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            let mut buffered = std::io::BufWriter::new(&mut file);
            serde_json::to_writer(&mut buffered, &saved)?;
            buffered.flush()?;
            drop(buffered);
            file.as_file().sync_all()?;
            file.persist(&self.path).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|error| Error::State { path: self.path.clone(), reason: error.to_string() })?;
        self.written = Some(version);
        Ok(())
    }
}

fn saved(contents: Contents) -> Saved {
    let counters = contents.counters.into_iter().map(|(key, entry)| SavedCounter {
        key: key.hex(),
        algorithm: entry.algorithm.name().to_owned(),
        limit: entry.limit,
        descriptor: entry.label.to_string(),
        cell: entry.cell,
    });
    let requests = contents.requests.into_iter();
    let requests = requests.map(|(expires, key, record)| SavedRequest { key: key.hex(), expires, record });
    Saved { version: VERSION, counters: counters.collect(), requests: requests.collect() }
}

fn contents(saved: Saved) -> Option<Contents> {
    let counters = saved.counters.into_iter().map(|counter| {
        let all = [Algorithm::FixedWindow, Algorithm::SlidingWindow, Algorithm::TokenBucket];
        let entry = Entry {
            cell: counter.cell,
            algorithm: all.into_iter().find(|one| one.name() == counter.algorithm)?,
            limit: counter.limit,
            label: Arc::from(counter.descriptor),
        };
        Some((Key::from_hex(&counter.key)?, entry))
    });
    let requests = saved.requests.into_iter();
    let requests =
        requests.map(|request| Some((request.expires, Key::from_hex(&request.key)?, request.record)));
    Some(Contents { counters: counters.collect::<Option<_>>()?, requests: requests.collect::<Option<_>>()? })
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::charge::{Batch, Charge, Kind};
    use crate::store::Store;
    use crate::window::{Unit, Window};

    fn batch(name: &str, unit: Unit, algorithm: Algorithm) -> Batch {
        let charge = Charge {
            key: Key::of([name]),
            kind: Kind::Admit,
            hits: 3,
            limit: 10,
            enforced: true,
            algorithm,
            window: Window { start: 0, end: unit.millis() },
            once: Some(Key::beside(Key::of([name]), [name, "request"])),
            counterpart: None,
            label: name.into(),
        };
        Batch { now: 5, all_or_nothing: true, domain: Key::of(["d"]), charges: vec![charge] }
    }

    #[test]
    fn counters_and_requests_outlive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let store = MemoryStore::new(100);
        let mut file = StateFile::open(&path, &store).unwrap();
        let batches = [
            batch("month", Unit::Month, Algorithm::FixedWindow),
            batch("day", Unit::Day, Algorithm::TokenBucket),
            batch("second", Unit::Second, Algorithm::FixedWindow),
        ];
        for batch in &batches {
            store.carry_out(batch).now_or_never().unwrap().unwrap();
        }
        file.write(&store, 6).unwrap();

        let store = MemoryStore::new(100);
        StateFile::open(&path, &store).unwrap();
        let counters = store.counters(6, 10).now_or_never().unwrap().unwrap();
        let spent: Vec<_> =
            counters.iter().map(|counter| (counter.descriptor.as_str(), counter.spent)).collect();
        // A request that is known may be refunded, so what it was charged to must be there, however short the window.
        assert_eq!(spent, [("day", 3), ("month", 3), ("second", 3)]);
        let again = store.carry_out(&batches[0]).now_or_never().unwrap().unwrap()[0];
        assert!(again.repeated, "a request charged before the restart is not charged again");
        assert_eq!(again.after, 3);
    }

    #[test]
    fn nothing_is_written_without_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let store = MemoryStore::new(100);
        let mut file = StateFile::open(&path, &store).unwrap();
        file.write(&store, 0).unwrap();
        std::fs::remove_file(&path).unwrap();
        file.write(&store, 0).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_broken_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        for text in ["", "{\"version\":1,\"counters\":[", "{\"version\":2,\"counters\":[],\"requests\":[]}"] {
            std::fs::write(&path, text).unwrap();
            let error = StateFile::open(&path, &MemoryStore::new(100)).unwrap_err();
            assert!(error.to_string().contains("move it away"), "{error}");
        }
    }
}
