//! The catalogue of prices, and what was last good in it.

use std::path::{Path, PathBuf};

use price_catalogue::Catalogue;
use serde_json::Value;

use crate::error::Error;

/// The file given with `--prices`.
#[derive(Debug)]
pub(super) struct PriceFile {
    path: PathBuf,
    prices: Value,
}

impl PriceFile {
    /// Reads the file.
    ///
    /// # Errors
    /// [`Error::Prices`].
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        match read(path) {
            Ok(prices) => Ok(Self { path: path.to_owned(), prices }),
            Err(reason) => Err(Error::Prices { path: path.to_owned(), reason }),
        }
    }

    /// Reads the file again. What is wrong with it, when what was read before stays.
    pub(super) fn reload(&mut self) -> Option<String> {
        match read(&self.path) {
            Ok(prices) => {
                self.prices = prices;
                None
            }
            Err(problem) => Some(problem),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The catalogue, as the filters take it.
    pub(super) fn prices(&self) -> &Value {
        &self.prices
    }
}

fn read(path: &Path) -> Result<Value, String> {
    let json = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    Catalogue::parse(&json).map_err(|error| error.to_string())?;
    serde_json::from_slice(&json).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_catalogue_leaves_the_last_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prices.json");
        assert!(matches!(PriceFile::open(&path), Err(Error::Prices { .. })));
        let good = r#"{"providers":{"openai":{"models":{"m":{"rates":{"input":"1","output":"2"}}}}}}"#;
        std::fs::write(&path, good).unwrap();
        let mut file = PriceFile::open(&path).unwrap();
        let before = file.prices().clone();
        std::fs::write(&path, r#"{"provider":{}}"#).unwrap();
        assert!(file.reload().unwrap().contains("provider"));
        assert_eq!(*file.prices(), before);
        std::fs::write(&path, good.replace("\"2\"", "\"3\"")).unwrap();
        assert_eq!(file.reload(), None);
        assert_ne!(*file.prices(), before);
    }
}
