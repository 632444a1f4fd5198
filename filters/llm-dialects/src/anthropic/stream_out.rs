//! The events of a stream as they are written.

use serde::Serialize;

use super::citations::OutCitation;
use super::out::{self, Block as OutBlock};

/// `message_start`.
#[derive(Serialize)]
pub(super) struct MessageStart<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) message: out::Response<'a>,
}

/// `content_block_start`.
#[derive(Serialize)]
pub(super) struct BlockStart<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) index: u32,
    pub(super) content_block: OutBlock<'a>,
}

/// `content_block_delta`.
#[derive(Serialize)]
pub(super) struct BlockDelta<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) index: u32,
    pub(super) delta: OutDelta<'a>,
}

/// The fields of every delta of a block.
#[derive(Default, Serialize)]
pub(super) struct OutDelta<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thinking: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signature: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) partial_json: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) citation: Option<OutCitation<'a>>,
}

/// `content_block_stop`.
#[derive(Serialize)]
pub(super) struct BlockStop {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) index: u32,
}

/// `message_delta`.
#[derive(Serialize)]
pub(super) struct MessageDelta<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) delta: Stop<'a>,
    pub(super) usage: out::Usage,
}

/// Why the message ended.
#[derive(Serialize)]
pub(super) struct Stop<'a> {
    pub(super) stop_reason: &'static str,
    pub(super) stop_sequence: Option<&'a str>,
}

/// An event without fields: `ping`, `message_stop`.
#[derive(Serialize)]
pub(super) struct Bare {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
}
