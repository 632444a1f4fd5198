//! What a phase answers, for the adapter to perform.

use std::borrow::Cow;

/// Answer of a headers phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadersFlow {
    /// Go on; the body of this direction is treated as the mode says.
    Continue(BodyMode),
    /// Answer the client with this; the exchange is over.
    Reply(LocalReply),
}

/// What happens to the body of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyMode {
    /// It passes untouched and unseen.
    Skip,
    /// It passes chunk by chunk, each shown to the exchange first.
    Chunks,
    /// Headers and body are held until the body is complete.
    Whole {
        /// Most bytes that may be held.
        limit: usize,
    },
}

/// Answer of a body phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyFlow {
    /// The bytes go on as they are.
    Keep,
    /// These bytes go on instead (possibly none).
    Replace(Vec<u8>),
    /// In [`BodyMode::Chunks`] of a response: it ends behind these bytes, although the upstream goes on, which is told to
    /// stop. What still comes of it is shown, and dropped whatever the answer.
    End {
        /// The last bytes.
        last: Vec<u8>,
        /// The filter is on a cluster. Envoy lets only filters of the listener end a response early: the `llm` filter of
        /// the request does it.
        on_cluster: bool,
    },
    /// Answer the client with this (request direction only); the exchange is over.
    Reply(LocalReply),
    /// In [`BodyMode::Whole`]: keep holding headers and body, ask a service, and say what it answered in
    /// [`Phases::answered`](crate::Phases::answered).
    Call(Callout),
}

/// State key that says that a response was ended with [`BodyFlow::End`].
pub const OVER_STATE: &str = "weir.over";

/// A question to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callout {
    /// Envoy's cluster.
    pub cluster: String,
    /// Headers, with `:method`, `:path` and `:authority`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How long the answer may take, in milliseconds.
    pub timeout_ms: u32,
}

/// What a service answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallAnswer {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Which way bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From the client to the provider.
    Request,
    /// From the provider to the client.
    Response,
}

/// Answer when a held response grew past its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overflow {
    /// Let headers and everything held go on, and treat the rest as [`BodyMode::Skip`].
    Release,
    /// Send these bytes as the whole body and drop what the upstream still sends.
    Replace(Vec<u8>),
}

/// An answer made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalReply {
    /// HTTP status.
    pub status: u16,
    /// Headers beside `content-length`, lower-case names.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// For Envoy's `%RESPONSE_CODE_DETAILS%`: a word without spaces, such as `weir_bad_request`.
    pub details: &'static str,
}
