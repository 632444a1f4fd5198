//! The limits, as compiled from configuration files.

mod build;
mod file;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cell::Algorithm;
use crate::error::Error;
use crate::matching::Level;
use crate::window::{Unit, Windows};

/// Largest number of hits a limit may allow and a call may add, so that sums stay exact in every store.
pub const MOST_HITS: u64 = 1 << 53;

/// All limits, by domain.
#[derive(Debug, Default, PartialEq)]
pub struct Config {
    domains: HashMap<String, Domain>,
}

/// The limits of one domain: what one configuration file says.
#[derive(Debug, PartialEq)]
pub struct Domain {
    /// Whether a call is charged only if none of its limits is exceeded.
    pub all_or_nothing: bool,
    /// Headers for responses, if wanted.
    pub headers: Option<HeaderNames>,
    /// What matches the first entry of a descriptor.
    pub(crate) level: Level,
}

/// The names of the headers that tell what is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderNames {
    /// Of the header with the limit.
    pub limit: String,
    /// Of the header with what remains of it.
    pub remaining: String,
    /// Of the header with the seconds until it is reset.
    pub reset: String,
    /// Of the header that is `true` once a soft limit is passed.
    pub soft_limit: String,
}

/// What applies to a descriptor.
#[derive(Debug, PartialEq)]
pub struct Rule {
    /// Its place in the file, such as `message_type_marketing.to_number`: the label of its metrics.
    pub id: String,
    /// The limit; `None` where there is none by intent (`unlimited`).
    pub limit: Option<Limit>,
    /// Noted only, never enforced.
    pub shadow: bool,
    /// Noted only, and told to Envoy as dynamic metadata.
    pub quota: bool,
    /// Name that other rules refer to and that answers carry.
    pub name: String,
    /// Names of the rules that do not apply where this one does.
    pub replaces: Vec<String>,
    /// Whether metrics tell the values of requests apart.
    pub detailed_metric: bool,
}

/// A limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// Hits that a window may hold.
    pub hits: u64,
    /// Unit of the window.
    pub unit: Unit,
    /// Units in a window.
    pub multiplier: u32,
    /// The windows.
    pub windows: Windows,
    /// How hits are counted.
    pub algorithm: Algorithm,
    /// Percentage of `hits` at which to warn.
    pub soft_percent: Option<u8>,
}

impl Limit {
    /// A limit in a window counted from 1970.
    pub fn plain(hits: u64, unit: Unit, multiplier: u32) -> Self {
        let millis = unit.millis().saturating_mul(i64::from(multiplier.max(1)));
        let windows = Windows::Fixed { millis };
        Self { hits, unit, multiplier, windows, algorithm: Algorithm::FixedWindow, soft_percent: None }
    }

    /// Hits at which a warning is due.
    pub(crate) fn soft_hits(&self) -> Option<u64> {
        let percent = u128::from(self.soft_percent?);
        u64::try_from((u128::from(self.hits) * percent).div_ceil(100)).ok()
    }
}

impl Config {
    /// Reads the file at `path`, or every `*.yaml`, `*.yml` and `*.json` of the folder there (not of folders below it,
    /// and none whose name starts with a dot).
    ///
    /// # Errors
    /// [`Error::Unreadable`] and [`Error::Config`], the first that is found.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let unreadable = |path: &Path, reason: String| Error::Unreadable { path: path.to_owned(), reason };
        let io = |path: &Path| {
            let path = path.to_owned();
            move |error: std::io::Error| unreadable(&path, error.to_string())
        };
        let mut files = Vec::new();
        if std::fs::metadata(path).map_err(io(path))?.is_dir() {
            for entry in std::fs::read_dir(path).map_err(io(path))? {
                let file = entry.map_err(io(path))?.path();
                let hidden = file.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
                let extension = file.extension().and_then(|extension| extension.to_str());
                if !hidden && file.is_file() && matches!(extension, Some("yaml" | "yml" | "json")) {
                    files.push(file);
                }
            }
            files.sort();
            if files.is_empty() {
                return Err(unreadable(path, "no *.yaml, *.yml or *.json in this folder".to_owned()));
            }
        } else {
            files.push(path.to_owned());
        }
        let mut texts = Vec::with_capacity(files.len());
        for file in files {
            let text = std::fs::read_to_string(&file).map_err(io(&file))?;
            texts.push((file, text));
        }
        Self::parse(&texts)
    }

    /// Reads the texts of files.
    ///
    /// # Errors
    /// [`Error::Config`], the first that is found.
    pub fn parse(files: &[(PathBuf, String)]) -> Result<Self, Error> {
        let mut domains: HashMap<String, Domain> = HashMap::new();
        let mut places: HashMap<String, &Path> = HashMap::new();
        for (path, text) in files {
            let (name, domain) = build::domain(path, &file::read(path, text)?)?;
            if let Some(other) = places.insert(name.value.clone(), path) {
                return Err(Error::Config {
                    file: path.clone(),
                    line: Some(name.referenced.line()),
                    field: "domain".to_owned(),
                    reason: format!(
                        "{:?} is in {} already; a domain is one file",
                        name.value,
                        other.display()
                    ),
                });
            }
            domains.insert(name.value, domain);
        }
        Ok(Self { domains })
    }

    /// The limits of a domain.
    pub fn domain(&self, name: &str) -> Option<&Domain> {
        self.domains.get(name)
    }

    /// The names of the domains, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.domains.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }
}

/// A rule as it is shared.
pub(crate) type SharedRule = Arc<Rule>;

#[cfg(test)]
mod tests;
