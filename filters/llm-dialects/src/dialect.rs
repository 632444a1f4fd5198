//! The dialects by name, and dispatch over them.

use std::fmt;

use crate::hub::{ApiError, Request, Response, StreamEvent};
use crate::{Error, anthropic, openai_chat};

/// A wire format for chat requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI chat completions (`/v1/chat/completions`).
    OpenaiChat,
    /// Anthropic messages (`/v1/messages`).
    AnthropicMessages,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 2] = [Self::OpenaiChat, Self::AnthropicMessages];

    /// The name used in configuration, logs and docs.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenaiChat => "openai_chat",
            Self::AnthropicMessages => "anthropic_messages",
        }
    }

    /// The dialect called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name)
    }

    /// Decodes a request body.
    ///
    /// # Errors
    /// [`Error::ClientSent`] with the JSON path of what is wrong.
    pub fn decode_request(self, body: &[u8]) -> Result<Request<'_>, Error> {
        match self {
            Self::OpenaiChat => openai_chat::decode_request(body),
            Self::AnthropicMessages => anthropic::decode_request(body),
        }
    }

    /// Encodes a request body.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when this dialect cannot express the request.
    pub fn encode_request(self, request: &Request<'_>) -> Result<Vec<u8>, Error> {
        match self {
            Self::OpenaiChat => openai_chat::encode_request(request),
            Self::AnthropicMessages => anthropic::encode_request(request),
        }
    }

    /// Decodes a whole (not streamed) answer with a 2xx status.
    ///
    /// # Errors
    /// [`Error::UpstreamSent`]
    pub fn decode_response(self, body: &[u8]) -> Result<Response<'_>, Error> {
        match self {
            Self::OpenaiChat => openai_chat::decode_response(body),
            Self::AnthropicMessages => anthropic::decode_response(body),
        }
    }

    /// Encodes a whole answer. `now` (seconds since 1970) stands in where the source has no time.
    pub fn encode_response(self, response: &Response<'_>, now: u64) -> Vec<u8> {
        match self {
            Self::OpenaiChat => openai_chat::encode_response(response, now),
            Self::AnthropicMessages => anthropic::encode_response(response),
        }
    }

    /// Decodes an answer with an error status. Never fails: a body that is not this dialect's error
    /// (HTML, empty, other JSON) gives an error made from the status alone, and never repeats that body.
    pub fn decode_error(self, status: u16, body: &[u8]) -> ApiError {
        match self {
            Self::OpenaiChat => openai_chat::decode_error(status, body),
            Self::AnthropicMessages => anthropic::decode_error(status, body),
        }
    }

    /// Whether `body` already is an error of this dialect, so that it may pass untouched.
    pub fn is_error_body(self, body: &[u8]) -> bool {
        match self {
            Self::OpenaiChat => openai_chat::is_error_body(body),
            Self::AnthropicMessages => anthropic::is_error_body(body),
        }
    }

    /// Encodes an error body (JSON).
    pub fn encode_error(self, error: &ApiError) -> Vec<u8> {
        match self {
            Self::OpenaiChat => openai_chat::encode_error(error),
            Self::AnthropicMessages => anthropic::encode_error(error),
        }
    }

    /// The HTTP status this dialect uses for `error`: some dialects have statuses of their own
    /// (Anthropic's 529), which clients of others know by another number.
    pub fn error_status(self, error: &ApiError) -> u16 {
        match self {
            Self::OpenaiChat => openai_chat::error_status(error),
            Self::AnthropicMessages => anthropic::error_status(error),
        }
    }

    /// A decoder for one streamed answer.
    pub fn stream_decoder(self) -> StreamDecoder {
        match self {
            Self::OpenaiChat => StreamDecoder::OpenaiChat(openai_chat::StreamDecoder::default()),
            Self::AnthropicMessages => StreamDecoder::AnthropicMessages(anthropic::StreamDecoder::default()),
        }
    }

    /// An encoder for one streamed answer. `now` as in [`Self::encode_response`]; `include_usage` says
    /// whether the client asked for usage (only OpenAI clients can say no).
    pub fn stream_encoder(self, now: u64, include_usage: bool) -> StreamEncoder {
        match self {
            Self::OpenaiChat => {
                StreamEncoder::OpenaiChat(openai_chat::StreamEncoder::new(now, include_usage))
            }
            Self::AnthropicMessages => StreamEncoder::AnthropicMessages(anthropic::StreamEncoder::default()),
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Turns SSE events of one dialect into hub events.
///
/// Drive it with `event` for each SSE event in order, then `finish` once when the body has ended. After
/// an error or an [`StreamEvent::Error`], feed it nothing more.
#[derive(Debug)]
pub enum StreamDecoder {
    /// OpenAI chat completion chunks.
    OpenaiChat(openai_chat::StreamDecoder),
    /// Anthropic message events.
    AnthropicMessages(anthropic::StreamDecoder),
}

impl StreamDecoder {
    /// Decodes one SSE event (`name` is its `event:` field) and hands the hub events to `sink`.
    ///
    /// # Errors
    /// [`Error::UpstreamSent`] when the event is not of this dialect.
    pub fn event(
        &mut self,
        name: Option<&[u8]>,
        data: &[u8],
        sink: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<(), Error> {
        match self {
            Self::OpenaiChat(decoder) => decoder.event(name, data, sink),
            Self::AnthropicMessages(decoder) => decoder.event(name, data, sink),
        }
    }

    /// The body has ended.
    ///
    /// # Errors
    /// [`Error::UpstreamSent`] when the answer was cut short.
    pub fn finish(&mut self, sink: &mut dyn FnMut(StreamEvent<'_>)) -> Result<(), Error> {
        match self {
            Self::OpenaiChat(decoder) => decoder.finish(sink),
            Self::AnthropicMessages(decoder) => decoder.finish(sink),
        }
    }
}

/// Turns hub events into SSE bytes of one dialect.
#[derive(Debug)]
pub enum StreamEncoder {
    /// OpenAI chat completion chunks.
    OpenaiChat(openai_chat::StreamEncoder),
    /// Anthropic message events.
    AnthropicMessages(anthropic::StreamEncoder),
}

impl StreamEncoder {
    /// Appends the SSE bytes for `event` to `out`.
    pub fn event(&mut self, event: &StreamEvent<'_>, out: &mut Vec<u8>) {
        match self {
            Self::OpenaiChat(encoder) => encoder.event(event, out),
            Self::AnthropicMessages(encoder) => encoder.event(event, out),
        }
    }
}
