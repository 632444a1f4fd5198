//! The model in the middle: one request, one response, one stream of events that every dialect can
//! be decoded into and encoded from.
//!
//! Text is borrowed from the body wherever the JSON needs no unescaping ([`Cow`]), so that a 20 MB
//! image is not copied on its way through. JSON that the gateway has no opinion about (tool schemas,
//! tool arguments, structured-output schemas) is kept as the bytes it came in ([`RawJson`]).
//!
//! The hub types do not serialise: dialects do. What a dialect cannot express is dropped or refused by
//! the rules listed in the docs of its `encode_request`.

mod conversation;
mod error;
mod request;
mod response;
mod stream;

use std::borrow::Cow;

use serde_json::value::RawValue;

pub use conversation::{
    Arguments, CacheMark, Citation, Content, Part, Role, Source, ToolCall, ToolResult, Turn,
};
pub use error::{ApiError, ErrorKind};
pub use request::{Effort, OutputFormat, Request, StreamOptions, Text, Thinking, Tool, ToolChoice};
pub use response::{Response, StopReason, TokenLogprob, Usage};
pub use stream::{Block, Delta, StreamEvent};

/// A JSON value kept verbatim.
pub type RawJson<'a> = Cow<'a, RawValue>;
