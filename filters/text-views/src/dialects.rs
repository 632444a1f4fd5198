//! Which reader an endpoint's bodies take.

mod bedrock;
mod bedrock_stream;
mod chat;
mod chat_stream;
mod detect;
mod foreign;
mod gemini;
mod messages;
mod messages_stream;
mod other_endpoints;
mod responses;
mod responses_stream;
mod unknown;

use filter_config::Endpoint;

use crate::collect::Collector;
use crate::json::{Fault, Value};
use crate::stream::State;

/// Which way a body goes: requests hold signatures that providers check, answers what only clients read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Request,
    Answer,
}

/// What bodies of an endpoint hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    Texts,
    /// Vectors, counts, pictures.
    Nothing,
    /// Text perhaps; the reason why it cannot be seen.
    Unreadable(&'static str),
}

const NOT_READ: Holds = Holds::Unreadable("this endpoint passes through");
const PROVIDERS_ONLY: Holds = Holds::Unreadable("no client speaks this dialect");
const NO_STREAM: Holds = Holds::Unreadable("this endpoint has no streams");

/// What requests to an endpoint hold.
pub(crate) fn of_request(endpoint: Endpoint) -> Holds {
    match endpoint {
        Endpoint::OpenaiModels | Endpoint::OpenaiRealtime | Endpoint::Passthrough => NOT_READ,
        Endpoint::VertexEmbeddings
        | Endpoint::BedrockEmbeddings
        | Endpoint::BedrockRerank
        | Endpoint::VertexRank => PROVIDERS_ONLY,
        Endpoint::OpenaiChat
        | Endpoint::OpenaiResponses
        | Endpoint::AnthropicMessages
        | Endpoint::GeminiGenerateContent
        | Endpoint::GeminiStreamGenerateContent
        | Endpoint::BedrockConverse
        | Endpoint::BedrockConverseStream
        | Endpoint::OpenaiEmbeddings
        | Endpoint::GeminiEmbedContent
        | Endpoint::GeminiBatchEmbedContents
        | Endpoint::CohereRerank
        | Endpoint::AnthropicCountTokens
        | Endpoint::GeminiCountTokens
        | Endpoint::BedrockCountTokens
        | Endpoint::OpenaiCompletions
        | Endpoint::OpenaiImages
        | Endpoint::OpenaiAudio
        | Endpoint::Detect => Holds::Texts,
    }
}

/// What whole answers of an endpoint hold.
pub(crate) fn of_answer(endpoint: Endpoint) -> Holds {
    match endpoint {
        Endpoint::OpenaiEmbeddings
        | Endpoint::GeminiEmbedContent
        | Endpoint::GeminiBatchEmbedContents
        | Endpoint::AnthropicCountTokens
        | Endpoint::GeminiCountTokens
        | Endpoint::BedrockCountTokens => Holds::Nothing,
        other => of_request(other),
    }
}

/// What stream events of an endpoint hold.
pub(crate) fn of_event(endpoint: Endpoint) -> Holds {
    match (endpoint, of_answer(endpoint)) {
        (Endpoint::OpenaiImages, _) => Holds::Nothing,
        (Endpoint::CohereRerank, _) | (_, Holds::Nothing) => NO_STREAM,
        (_, holds) => holds,
    }
}

/// The texts of a request, if [`of_request`] says that there are some.
pub(crate) fn request<'a>(
    endpoint: Endpoint,
    root: Value<'_, 'a>,
    found: &mut Collector<'a>,
) -> Result<(), Fault> {
    let root = root.object()?;
    of_endpoint(endpoint, root, found)?;
    foreign::request(root, found)
}

fn of_endpoint<'a>(endpoint: Endpoint, root: Value<'_, 'a>, found: &mut Collector<'a>) -> Result<(), Fault> {
    match endpoint {
        Endpoint::OpenaiChat => chat::request(root, found),
        Endpoint::OpenaiResponses => responses::request(root, found),
        Endpoint::AnthropicMessages | Endpoint::AnthropicCountTokens => messages::request(root, found),
        Endpoint::GeminiGenerateContent | Endpoint::GeminiStreamGenerateContent => {
            gemini::request(root, found)
        }
        Endpoint::GeminiCountTokens => gemini::count_tokens(root, found),
        Endpoint::GeminiEmbedContent => gemini::embed(root, 0, found),
        Endpoint::GeminiBatchEmbedContents => gemini::batch_embed(root, found),
        Endpoint::BedrockConverse | Endpoint::BedrockConverseStream => bedrock::request(root, found),
        Endpoint::BedrockCountTokens => bedrock::count_tokens(root, found),
        Endpoint::OpenaiEmbeddings => other_endpoints::embeddings(root, found),
        Endpoint::CohereRerank => other_endpoints::rerank(root, found),
        Endpoint::OpenaiCompletions => other_endpoints::completions(root, found),
        Endpoint::OpenaiImages => other_endpoints::images(root, found),
        Endpoint::OpenaiAudio => other_endpoints::speech(root, found),
        Endpoint::Detect => match detect::request(root) {
            Some(endpoint) => of_endpoint(endpoint, root, found),
            None => Err(root.opaque(detect::UNKNOWN)),
        },
        _ => Ok(()),
    }
}

/// The texts of a whole answer, if [`of_answer`] says that there are some.
pub(crate) fn answer<'a>(
    endpoint: Endpoint,
    root: Value<'_, 'a>,
    found: &mut Collector<'a>,
) -> Result<(), Fault> {
    match endpoint {
        Endpoint::OpenaiChat => chat::answer(root, found),
        Endpoint::OpenaiResponses => responses::answer(root, found),
        Endpoint::AnthropicMessages => messages::answer(root, found),
        // The REST API streams a list of answers unless it is asked for Server-Sent Events.
        Endpoint::GeminiGenerateContent | Endpoint::GeminiStreamGenerateContent => {
            gemini::answers(root, found)
        }
        Endpoint::BedrockConverse | Endpoint::BedrockConverseStream => bedrock::answer(root, found),
        Endpoint::CohereRerank => other_endpoints::ranked(root, found),
        Endpoint::OpenaiCompletions => other_endpoints::completed(root, found).map(|_| ()),
        Endpoint::OpenaiImages => other_endpoints::revised(root, found),
        Endpoint::OpenaiAudio => other_endpoints::transcribed(root, found),
        Endpoint::Detect => match detect::answer(root) {
            Some(endpoint) => answer(endpoint, root, found),
            None => Err(root.opaque(detect::UNKNOWN)),
        },
        _ => Ok(()),
    }
}

/// The texts of a stream event, if [`of_event`] says that there are some, and what ends with it.
pub(crate) fn event<'a>(
    endpoint: Endpoint,
    name: &str,
    root: Value<'_, 'a>,
    state: &mut State,
    found: &mut Collector<'a>,
) -> Result<(), Fault> {
    match endpoint {
        Endpoint::OpenaiChat => chat_stream::event(root, state, found),
        Endpoint::OpenaiResponses => responses_stream::event(name, root, state, found),
        Endpoint::AnthropicMessages => messages_stream::event(name, root, state, found),
        Endpoint::GeminiGenerateContent | Endpoint::GeminiStreamGenerateContent => {
            gemini::event(root, state, found)
        }
        Endpoint::BedrockConverse | Endpoint::BedrockConverseStream => {
            bedrock_stream::event(name, root, state, found)
        }
        Endpoint::OpenaiCompletions => other_endpoints::completion_event(root, state, found),
        Endpoint::OpenaiAudio => other_endpoints::audio_event(root, state, found),
        Endpoint::Detect => match detect::event(name, root) {
            Some(endpoint) => event(endpoint, name, root, state, found),
            None => Err(root.opaque(detect::UNKNOWN)),
        },
        _ => Ok(()),
    }
}

/// `index` as the number of a message or block.
fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
