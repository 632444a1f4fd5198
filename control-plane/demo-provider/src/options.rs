//! What a caller can set, and what can be wrong with it.

use std::time::Duration;

/// Largest [`Options::reply_bytes`] and [`Options::chunks`]: the whole reply is built in memory for each request.
pub const MAX_REPLY_BYTES: usize = 16 * 1024 * 1024;

/// How the demo provider answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The models it serves.
    pub models: Models,
    /// Pause before each content chunk of a stream. 15 ms by default, which reads like a model typing; zero for
    /// benchmarks. Whole (not streamed) replies are never delayed.
    pub chunk_delay: Duration,
    /// Cut the text of a streamed reply into exactly this many chunks, all of nearly the same size, padding the text
    /// if it has fewer characters than this. `None`: one chunk per word. A reply that `max_tokens` or a stop sequence cuts
    /// to fewer characters than this has one chunk per character.
    pub chunks: Option<usize>,
    /// Make the text of every reply this many bytes long, by padding or cutting it before `max_tokens` and stop
    /// sequences apply; longer only if [`Options::chunks`] needs more characters. `None`: as long as the reply
    /// naturally is. At most 16 MiB.
    pub reply_bytes: Option<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            models: Models::Open(vec!["weir-demo".into()]),
            chunk_delay: Duration::from_millis(15),
            chunks: None,
            reply_bytes: None,
        }
    }
}

/// The models that the demo provider serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Models {
    /// `GET /v1/models` lists these, and a request may name any model at all.
    Open(Vec<String>),
    /// Only these exist; a request for another is answered 404.
    Closed(Vec<String>),
}

impl Models {
    /// The names that `GET /v1/models` lists, in order.
    pub fn listed(&self) -> &[String] {
        match self {
            Self::Open(names) | Self::Closed(names) => names,
        }
    }

    /// Whether a request for `model` is served.
    pub fn serves(&self, model: &str) -> bool {
        matches!(self, Self::Open(_)) || self.listed().iter().any(|name| name == model)
    }
}

/// Why the demo provider cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// [`Options::chunks`] is zero.
    #[error("demo provider: `chunks` is 0; set it to at least 1, or leave it out for one chunk per word")]
    NoChunks,
    /// [`Options::reply_bytes`] or [`Options::chunks`] asks for a reply that is too large.
    #[error("demo provider: a reply of {asked} bytes was asked for; the limit is {limit}")]
    ReplyTooLarge {
        /// Bytes asked for.
        asked: usize,
        /// Most bytes allowed.
        limit: usize,
    },
    /// [`Options::models`] is a closed list with nothing in it, so every request would fail.
    #[error("demo provider: the closed list of models is empty; name a model, or use an open list")]
    NoModels,
}

impl Options {
    /// Checks the values that the types do not rule out.
    ///
    /// # Errors
    /// One of the variants of [`Error`].
    pub fn check(&self) -> Result<(), Error> {
        if self.chunks == Some(0) {
            return Err(Error::NoChunks);
        }
        let asked = self.reply_bytes.max(self.chunks).unwrap_or(0);
        if asked > MAX_REPLY_BYTES {
            return Err(Error::ReplyTooLarge { asked, limit: MAX_REPLY_BYTES });
        }
        if self.models == Models::Closed(Vec::new()) {
            return Err(Error::NoModels);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_cannot_work_are_refused() {
        let with = |change: fn(&mut Options)| {
            let mut options = Options::default();
            change(&mut options);
            options.check()
        };
        assert_eq!(with(|_| ()), Ok(()));
        assert_eq!(with(|o| o.chunks = Some(0)), Err(Error::NoChunks));
        assert_eq!(with(|o| o.models = Models::Closed(vec![])), Err(Error::NoModels));
        let too_large = Error::ReplyTooLarge { asked: MAX_REPLY_BYTES + 1, limit: MAX_REPLY_BYTES };
        assert_eq!(with(|o| o.reply_bytes = Some(MAX_REPLY_BYTES + 1)), Err(too_large.clone()));
        assert_eq!(with(|o| o.chunks = Some(MAX_REPLY_BYTES + 1)), Err(too_large));
    }

    #[test]
    fn an_open_list_serves_any_model_and_a_closed_one_only_its_own() {
        assert!(Models::Open(vec!["a".into()]).serves("b"));
        let closed = Models::Closed(vec!["a".into()]);
        assert!(closed.serves("a") && !closed.serves("b"));
    }
}
