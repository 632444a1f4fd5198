//! The dialects by name, and dispatch over them.

use std::fmt;

use crate::hub::{ApiError, Request, Response, StreamEvent};
use crate::tool_ids;
use crate::tool_names::ToolNames;
use crate::{Error, anthropic, bedrock, gemini, openai_chat, openai_responses};

/// A wire format for chat requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI chat completions (`/v1/chat/completions`).
    OpenaiChat,
    /// OpenAI responses (`/v1/responses`).
    OpenaiResponses,
    /// Anthropic messages (`/v1/messages`).
    AnthropicMessages,
    /// Gemini `generateContent` and `streamGenerateContent`; model and streaming are in the path.
    GeminiGenerate,
    /// Amazon Bedrock `Converse` and `ConverseStream`; model and streaming are in the path.
    BedrockConverse,
}

/// How a dialect frames its streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Server-Sent Events.
    Sse,
    /// AWS event stream messages.
    AwsEventStream,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 5] = [
        Self::OpenaiChat,
        Self::OpenaiResponses,
        Self::AnthropicMessages,
        Self::GeminiGenerate,
        Self::BedrockConverse,
    ];

    /// The name used in configuration, logs and docs.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenaiChat => "openai_chat",
            Self::OpenaiResponses => "openai_responses",
            Self::AnthropicMessages => "anthropic_messages",
            Self::GeminiGenerate => "gemini_generate_content",
            Self::BedrockConverse => "bedrock_converse",
        }
    }

    /// The dialect called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name)
    }

    /// Whether requests name the model, and whether they want a stream, in the path instead of the body.
    pub fn addresses_in_path(self) -> bool {
        matches!(self, Self::GeminiGenerate | Self::BedrockConverse)
    }

    /// How its streams are framed.
    pub fn framing(self) -> Framing {
        match self {
            Self::BedrockConverse => Framing::AwsEventStream,
            _ => Framing::Sse,
        }
    }

    /// `content-type` of its streams.
    pub fn stream_content_type(self) -> &'static str {
        match self.framing() {
            Framing::Sse => "text/event-stream; charset=utf-8",
            Framing::AwsEventStream => "application/vnd.amazon.eventstream",
        }
    }

    /// Decodes a request body. Where [`Self::addresses_in_path`], `model` is empty and `stream` unset.
    ///
    /// # Errors
    /// [`Error::ClientSent`] with the JSON path of what is wrong.
    pub fn decode_request(self, body: &[u8]) -> Result<Request<'_>, Error> {
        let mut request = match self {
            Self::OpenaiChat => openai_chat::decode_request(body),
            Self::OpenaiResponses => openai_responses::decode_request(body),
            Self::AnthropicMessages => anthropic::decode_request(body),
            Self::GeminiGenerate => return gemini::decode_request(body),
            Self::BedrockConverse => bedrock::decode_request(body),
        }?;
        tool_ids::split_request(&mut request);
        Ok(request)
    }

    /// Encodes a request body, after giving tools names that this dialect takes. The names replaced are to be
    /// restored in the answer.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when this dialect cannot express the request.
    pub fn encode_request(self, request: &mut Request<'_>) -> Result<(Vec<u8>, ToolNames), Error> {
        let names = ToolNames::replace(request, self);
        let body = match self {
            Self::OpenaiChat => openai_chat::encode_request(request),
            Self::OpenaiResponses => openai_responses::encode_request(request),
            Self::AnthropicMessages => anthropic::encode_request(request),
            Self::GeminiGenerate => gemini::encode_request(request),
            Self::BedrockConverse => bedrock::encode_request(request),
        }?;
        Ok((body, names))
    }

    /// Decodes a whole (not streamed) answer with a 2xx status.
    ///
    /// # Errors
    /// [`Error::UpstreamSent`]
    pub fn decode_response(self, body: &[u8]) -> Result<Response<'_>, Error> {
        match self {
            Self::OpenaiChat => openai_chat::decode_response(body),
            Self::OpenaiResponses => openai_responses::decode_response(body),
            Self::AnthropicMessages => anthropic::decode_response(body),
            Self::GeminiGenerate => gemini::decode_response(body),
            Self::BedrockConverse => bedrock::decode_response(body),
        }
    }

    /// Encodes a whole answer. `now` (seconds since 1970) stands in where the source has no time.
    pub fn encode_response(self, response: &Response<'_>, now: u64) -> Vec<u8> {
        let joined = if self == Self::GeminiGenerate { None } else { tool_ids::join_response(response) };
        let response = joined.as_ref().unwrap_or(response);
        match self {
            Self::OpenaiChat => openai_chat::encode_response(response, now),
            Self::OpenaiResponses => openai_responses::encode_response(response, now),
            Self::AnthropicMessages => anthropic::encode_response(response),
            Self::GeminiGenerate => gemini::encode_response(response, now),
            Self::BedrockConverse => bedrock::encode_response(response, now),
        }
    }

    /// Decodes an answer with an error status. Never fails: a body that is not this dialect's error
    /// (HTML, empty, other JSON) gives an error made from the status alone, and never repeats that body.
    pub fn decode_error(self, status: u16, body: &[u8]) -> ApiError {
        match self {
            Self::OpenaiChat => openai_chat::decode_error(status, body),
            Self::OpenaiResponses => openai_responses::decode_error(status, body),
            Self::AnthropicMessages => anthropic::decode_error(status, body),
            Self::GeminiGenerate => gemini::decode_error(status, body),
            Self::BedrockConverse => bedrock::decode_error(status, body),
        }
    }

    /// Whether `body` already is an error of this dialect, so that it may pass untouched.
    pub fn is_error_body(self, body: &[u8]) -> bool {
        match self {
            Self::OpenaiChat => openai_chat::is_error_body(body),
            Self::OpenaiResponses => openai_responses::is_error_body(body),
            Self::AnthropicMessages => anthropic::is_error_body(body),
            Self::GeminiGenerate => gemini::is_error_body(body),
            Self::BedrockConverse => bedrock::is_error_body(body),
        }
    }

    /// Encodes an error body (JSON).
    pub fn encode_error(self, error: &ApiError) -> Vec<u8> {
        match self {
            Self::OpenaiChat => openai_chat::encode_error(error),
            Self::OpenaiResponses => openai_responses::encode_error(error),
            Self::AnthropicMessages => anthropic::encode_error(error),
            Self::GeminiGenerate => gemini::encode_error(error),
            Self::BedrockConverse => bedrock::encode_error(error),
        }
    }

    /// The HTTP status this dialect uses for `error`: some dialects have statuses of their own
    /// (Anthropic's 529), which clients of others know by another number.
    pub fn error_status(self, error: &ApiError) -> u16 {
        match self {
            Self::OpenaiChat => openai_chat::error_status(error),
            Self::OpenaiResponses => openai_responses::error_status(error),
            Self::AnthropicMessages => anthropic::error_status(error),
            Self::GeminiGenerate => gemini::error_status(error),
            Self::BedrockConverse => bedrock::error_status(error),
        }
    }

    /// A decoder for one streamed answer.
    pub fn stream_decoder(self) -> StreamDecoder {
        match self {
            Self::OpenaiChat => StreamDecoder::OpenaiChat(openai_chat::StreamDecoder::default()),
            Self::OpenaiResponses => {
                StreamDecoder::OpenaiResponses(openai_responses::StreamDecoder::default())
            }
            Self::AnthropicMessages => StreamDecoder::AnthropicMessages(anthropic::StreamDecoder::default()),
            Self::GeminiGenerate => StreamDecoder::GeminiGenerate(gemini::StreamDecoder::default()),
            Self::BedrockConverse => StreamDecoder::BedrockConverse(bedrock::StreamDecoder::default()),
        }
    }

    /// An encoder for one streamed answer. `now` as in [`Self::encode_response`]; `include_usage` says
    /// whether the client asked for usage (only OpenAI clients can say no).
    pub fn stream_encoder(self, now: u64, include_usage: bool) -> StreamEncoder {
        match self {
            Self::OpenaiChat => {
                StreamEncoder::OpenaiChat(openai_chat::StreamEncoder::new(now, include_usage))
            }
            Self::OpenaiResponses => {
                StreamEncoder::OpenaiResponses(openai_responses::StreamEncoder::new(now))
            }
            Self::AnthropicMessages => StreamEncoder::AnthropicMessages(anthropic::StreamEncoder::default()),
            Self::GeminiGenerate => StreamEncoder::GeminiGenerate(gemini::StreamEncoder::new(now)),
            Self::BedrockConverse => StreamEncoder::BedrockConverse(bedrock::StreamEncoder::new(now)),
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Turns the events of one dialect's stream into hub events.
///
/// Drive it with `event` for each SSE event, or AWS event stream message (`name` is then its `:event-type` or
/// `:exception-type`), in order, then `finish` once when the body has ended. After
/// an error or an [`StreamEvent::Error`], feed it nothing more.
#[derive(Debug)]
pub enum StreamDecoder {
    /// OpenAI chat completion chunks.
    OpenaiChat(openai_chat::StreamDecoder),
    /// Anthropic message events.
    AnthropicMessages(anthropic::StreamDecoder),
    /// OpenAI response events.
    OpenaiResponses(openai_responses::StreamDecoder),
    /// Gemini response chunks.
    GeminiGenerate(gemini::StreamDecoder),
    /// Bedrock Converse stream messages.
    BedrockConverse(bedrock::StreamDecoder),
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
            Self::OpenaiResponses(decoder) => decoder.event(name, data, sink),
            Self::AnthropicMessages(decoder) => decoder.event(name, data, sink),
            Self::GeminiGenerate(decoder) => decoder.event(name, data, sink),
            Self::BedrockConverse(decoder) => decoder.event(name, data, sink),
        }
    }

    /// The body has ended.
    ///
    /// # Errors
    /// [`Error::UpstreamSent`] when the answer was cut short.
    pub fn finish(&mut self, sink: &mut dyn FnMut(StreamEvent<'_>)) -> Result<(), Error> {
        match self {
            Self::OpenaiChat(decoder) => decoder.finish(sink),
            Self::OpenaiResponses(decoder) => decoder.finish(sink),
            Self::AnthropicMessages(decoder) => decoder.finish(sink),
            Self::GeminiGenerate(decoder) => decoder.finish(sink),
            Self::BedrockConverse(decoder) => decoder.finish(sink),
        }
    }
}

/// Turns hub events into the bytes of one dialect's stream.
#[derive(Debug)]
pub enum StreamEncoder {
    /// OpenAI chat completion chunks.
    OpenaiChat(openai_chat::StreamEncoder),
    /// Anthropic message events.
    AnthropicMessages(anthropic::StreamEncoder),
    /// OpenAI response events.
    OpenaiResponses(openai_responses::StreamEncoder),
    /// Gemini response chunks.
    GeminiGenerate(gemini::StreamEncoder),
    /// Bedrock Converse stream messages.
    BedrockConverse(bedrock::StreamEncoder),
}

impl StreamEncoder {
    /// Goes on behind `events` events that passed untouched: some dialects number them.
    pub fn behind(&mut self, events: u64) {
        if let Self::OpenaiResponses(encoder) = self {
            encoder.behind(events);
        }
    }

    /// Appends the bytes for `event` to `out`.
    pub fn event(&mut self, event: &StreamEvent<'_>, out: &mut Vec<u8>) {
        let joined = if matches!(self, Self::GeminiGenerate(_)) { None } else { tool_ids::join_event(event) };
        let event = joined.as_ref().unwrap_or(event);
        match self {
            Self::OpenaiChat(encoder) => encoder.event(event, out),
            Self::OpenaiResponses(encoder) => encoder.event(event, out),
            Self::AnthropicMessages(encoder) => encoder.event(event, out),
            Self::GeminiGenerate(encoder) => encoder.event(event, out),
            Self::BedrockConverse(encoder) => encoder.event(event, out),
        }
    }
}
