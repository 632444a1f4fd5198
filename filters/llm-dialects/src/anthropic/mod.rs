//! Anthropic messages (`POST /v1/messages`), API version 2023-06-01.
//! <https://platform.claude.com/docs/en/api/messages>
//!
//! The modules, in the order of an exchange: a request is decoded ([`decode_request`]) or encoded
//! ([`encode_request`], which lists what is carried, approximated, dropped and refused); the answer comes
//! whole ([`decode_response`], [`encode_response`]) or as a stream ([`StreamDecoder`], [`StreamEncoder`]); or
//! it is an error ([`decode_error`], [`encode_error`]).

mod citations;
mod decode_content;
mod decode_request;
mod encode_messages;
mod encode_request;
pub(crate) mod encode_thinking;
mod error;
mod lenient;
pub(crate) mod models;
mod out;
mod request_wire;
mod response;
mod stream_decoder;
mod stream_encoder;
mod stream_out;
mod wire;

use serde_json::value::RawValue;

use crate::json::{self, Str};

pub(crate) use decode_request::decode_count_request;
pub use decode_request::decode_request;
pub(crate) use encode_request::encode_count_request;
pub use encode_request::{DEFAULT_MAX_TOKENS, encode_request};
pub use error::{decode_error, encode_error, error_status, is_error_body};
pub use response::{decode_response, encode_response};
pub use stream_decoder::StreamDecoder;
pub use stream_encoder::StreamEncoder;
pub(crate) use wire::Usage;

/// Block types the API has and the hub has no word for, besides results of server tools (`*_tool_result`).
const BLOCKS: [&str; 10] = [
    "browser_state",
    "compaction",
    "container_upload",
    "document",
    "image",
    "mcp_tool_use",
    "search_result",
    "server_tool_use",
    "tool_reference",
    "web_fetch_result",
];

/// Tool types that Anthropic defines, without the date at their end.
const TOOLS: [&str; 10] = [
    "advisor",
    "bash",
    "code_execution",
    "computer",
    "memory",
    "text_editor",
    "tool_search_tool_bm25",
    "tool_search_tool_regex",
    "web_fetch",
    "web_search",
];

/// Whether a content block of type `kind` is one of this API's, so that it may be sent verbatim. Other dialects have
/// blocks called the same in another shape, such as an image of Bedrock that holds an error; this API's say their type.
fn is_anthropic_block(kind: &str, json: &RawValue) -> bool {
    let typed = || {
        let members = json::members(json.get());
        let of = members.iter().find(|(name, _)| name == "type").map(|(_, of)| of.get());
        of.and_then(|of| serde_json::from_str::<Str<'_>>(of).ok()).is_some_and(|Str(of)| of == kind)
    };
    (BLOCKS.contains(&kind) || kind.ends_with("_tool_result")) && typed()
}

/// Whether a tool of type `kind` is one of this API's (`web_search_20250305`), so that it may be sent
/// verbatim. Other dialects have tools of similar names (`web_search_preview_2025_03_11`), hence the care.
fn is_anthropic_tool(kind: &str) -> bool {
    let dated = |(name, date): (&str, &str)| {
        date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit()) && TOOLS.contains(&name)
    };
    matches!(kind, "mcp_toolset" | "tool_search_tool_bm25" | "tool_search_tool_regex")
        || kind.rsplit_once('_').is_some_and(dated)
}

/// Whether `text` is what the API calls empty.
fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}
