//! The YAML of a configuration file: that of `envoyproxy/ratelimit`, and what Weir adds to it.

use std::path::Path;

use serde::Deserialize;
use serde_saphyr::{Options, Spanned};

use crate::error::Error;

/// Deepest nesting of a file: 30 levels of descriptors.
const MAX_DEPTH: usize = 64;

/// A file. `all_or_nothing`, `time_zone` and `response_headers` are Weir's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) domain: Spanned<String>,
    #[serde(default)]
    pub(super) descriptors: Vec<Descriptor>,
    #[serde(default)]
    pub(super) all_or_nothing: bool,
    pub(super) time_zone: Option<Spanned<String>>,
    pub(super) response_headers: Option<ResponseHeaders>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Descriptor {
    pub(super) key: Spanned<String>,
    #[serde(default)]
    pub(super) value: String,
    pub(super) rate_limit: Option<Spanned<RateLimit>>,
    #[serde(default)]
    pub(super) descriptors: Vec<Descriptor>,
    #[serde(default)]
    pub(super) shadow_mode: bool,
    #[serde(default)]
    pub(super) quota_mode: bool,
    #[serde(default)]
    pub(super) detailed_metric: bool,
    #[serde(default)]
    pub(super) value_to_metric: bool,
    #[serde(default)]
    pub(super) share_threshold: bool,
}

/// A limit. `algorithm`, `calendar`, `time_zone` and `soft_limit` are Weir's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RateLimit {
    pub(super) unit: Option<Spanned<String>>,
    pub(super) unit_multiplier: Option<Spanned<u32>>,
    pub(super) requests_per_unit: Option<Spanned<u64>>,
    #[serde(default)]
    pub(super) unlimited: bool,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) replaces: Vec<Replaced>,
    pub(super) algorithm: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) calendar: bool,
    pub(super) time_zone: Option<Spanned<String>>,
    pub(super) soft_limit: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Replaced {
    pub(super) name: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResponseHeaders {
    pub(super) limit: Option<Spanned<String>>,
    pub(super) remaining: Option<Spanned<String>>,
    pub(super) reset: Option<Spanned<String>>,
    pub(super) soft_limit: Option<Spanned<String>>,
}

/// Reads a file.
///
/// # Errors
/// [`Error::Config`].
pub(super) fn read(path: &Path, text: &str) -> Result<File, Error> {
    let mut options = Options::default();
    options.with_snippet = false;
    if let Some(budget) = &mut options.budget {
        budget.max_depth = MAX_DEPTH;
        budget.flow_nesting_limit = MAX_DEPTH;
    }
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let message = error.without_snippet().to_string();
        // The place is told on its own.
        let reason =
            message.rsplit_once(" at line ").map_or(message.as_str(), |(reason, _)| reason).to_owned();
        let line = error.location().map(|place| place.line());
        Error::Config { file: path.to_owned(), line, field: String::new(), reason }
    })
}
