//! Counting the tokens of a request that is not sent.
//!
//! A count request wraps a chat request, so it goes over the chat [`hub`]: [`open`] takes the chat body
//! out of its wrapping, [`encode_request`] wraps another one, and the answer is one number. Where the provider counts
//! nothing, [`texts`] hands every text that matters to a tokeniser and [`Extras`] says what else there is.
//!
//! | format | request | answer |
//! |---|---|---|
//! | Anthropic `messages/count_tokens` | a messages body without `max_tokens` | `{"input_tokens": n}` |
//! | Gemini `countTokens` | `contents`, or `generateContentRequest` | `{"totalTokens": n}` |
//! | Vertex AI `countTokens` | the members of `generateContent` side by side | `{"totalTokens": n}` |
//! | Bedrock `CountTokens` | `input.converse`, or `input.invokeModel.body` | `{"inputTokens": n}` |

mod texts;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

pub use texts::{Extras, texts};

use crate::hub;
use crate::json::{Str, is_object, members};
use crate::{Dialect, Error, anthropic};

/// A format of count requests, of clients and of providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Anthropic `POST /v1/messages/count_tokens`.
    /// <https://platform.claude.com/docs/en/api/messages-count-tokens>
    Anthropic,
    /// Gemini `models/{model}:countTokens`. <https://ai.google.dev/api/tokens>
    Gemini,
    /// Vertex AI `publishers/google/models/{model}:countTokens`.
    /// <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/count-tokens>
    Vertex,
    /// Bedrock `POST /model/{modelId}/count-tokens`.
    /// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html>
    Bedrock,
}

impl Format {
    /// The chat dialect whose requests this format wraps, and whose errors go with it.
    pub fn dialect(self) -> Dialect {
        match self {
            Self::Anthropic => Dialect::AnthropicMessages,
            Self::Gemini | Self::Vertex => Dialect::GeminiGenerate,
            Self::Bedrock => Dialect::BedrockConverse,
        }
    }
}

/// The chat body inside a count request.
#[derive(Debug)]
pub struct Counted<'a> {
    /// The dialect of `body`: for Bedrock's `invokeModel` it is that of Anthropic's models.
    pub dialect: Dialect,
    /// The body.
    pub body: Cow<'a, [u8]>,
}

impl Counted<'_> {
    /// Decodes the chat request. `model` is empty where the path names it.
    ///
    /// # Errors
    /// [`Error::ClientSent`] with the JSON path, inside the chat body, of what is wrong.
    pub fn request(&self) -> Result<hub::Request<'_>, Error> {
        match self.dialect {
            Dialect::AnthropicMessages => {
                let mut request = anthropic::decode_count_request(&self.body)?;
                crate::tool_ids::split_request(&mut request);
                Ok(request)
            }
            dialect => dialect.decode_request(&self.body),
        }
    }
}

/// Takes the chat body out of a client's count request.
///
/// # Errors
/// [`Error::ClientSent`] with the JSON path of what is wrong; [`Error::Unsupported`] for `invokeModel` bodies of
/// other models than Anthropic's.
pub fn open(format: Format, body: &[u8]) -> Result<Counted<'_>, Error> {
    if !is_object(body) {
        return Err(Error::client("", "the body must be a JSON object"));
    }
    let invalid =
        |error: serde_json::Error| Error::client("", format!("the body is not as expected: {error}"));
    match format {
        Format::Anthropic => Ok(Counted { dialect: format.dialect(), body: Cow::Borrowed(body) }),
        Format::Gemini | Format::Vertex => {
            #[derive(Deserialize)]
            struct Body<'a> {
                #[serde(borrow, rename = "generateContentRequest", alias = "generate_content_request")]
                whole: Option<&'a RawValue>,
            }
            let wrapped: Body<'_> = serde_json::from_slice(body).map_err(invalid)?;
            let body = wrapped.whole.map_or(body, |whole| whole.get().as_bytes());
            Ok(Counted { dialect: format.dialect(), body: Cow::Borrowed(body) })
        }
        Format::Bedrock => {
            let wrapped: BedrockBody<'_> = serde_json::from_slice(body).map_err(invalid)?;
            match wrapped.input {
                Some(BedrockInput { converse: Some(converse), .. }) => {
                    Ok(Counted { dialect: format.dialect(), body: Cow::Borrowed(converse.get().as_bytes()) })
                }
                Some(BedrockInput { invoke: Some(Invoke { body: Some(body) }), .. }) => invoked(&body.0),
                _ => Err(Error::client("input", "must hold `converse` or `invokeModel` with a `body`")),
            }
        }
    }
}

#[derive(Deserialize)]
struct BedrockBody<'a> {
    #[serde(borrow)]
    input: Option<BedrockInput<'a>>,
}

#[derive(Deserialize)]
struct BedrockInput<'a> {
    #[serde(borrow)]
    converse: Option<&'a RawValue>,
    #[serde(borrow, rename = "invokeModel")]
    invoke: Option<Invoke<'a>>,
}

#[derive(Deserialize)]
struct Invoke<'a> {
    #[serde(borrow)]
    body: Option<Str<'a>>,
}

/// The body of `invokeModel`, a blob and therefore base64. Only the models of Anthropic have it counted.
fn invoked(body: &str) -> Result<Counted<'static>, Error> {
    let at = "input.invokeModel.body";
    let body = STANDARD.decode(body).map_err(|_| Error::client(at, "must be base64"))?;
    if !is_object(&body) {
        return Err(Error::client(at, "must be a JSON object in base64"));
    }
    #[derive(Deserialize)]
    struct Versioned<'a> {
        #[serde(borrow)]
        anthropic_version: Option<Str<'a>>,
    }
    let versioned =
        serde_json::from_slice::<Versioned<'_>>(&body).ok().and_then(|body| body.anthropic_version);
    if versioned.is_none() {
        return Err(Error::unsupported(
            at,
            "only bodies of Anthropic's models can be translated: send `converse` instead",
        ));
    }
    Ok(Counted { dialect: Dialect::AnthropicMessages, body: Cow::Owned(body) })
}

/// Members of a Vertex AI count request; the API refuses others.
const VERTEX_MEMBERS: [&str; 4] = ["contents", "systemInstruction", "tools", "generationConfig"];

/// Members of `input.converse`; the API refuses others.
const CONVERSE_MEMBERS: [&str; 4] = ["messages", "system", "toolConfig", "additionalModelRequestFields"];

/// Encodes a count request for a provider; `request.model` is the provider's. What does not bear on the number of
/// input tokens (sampling, limits, stop sequences, streaming) is taken out of `request`, and tools get names the
/// provider takes.
///
/// # Errors
/// As the `encode_request` of the chat dialect.
pub fn encode_request(format: Format, request: &mut hub::Request<'_>) -> Result<Vec<u8>, Error> {
    strip(request);
    if format == Format::Anthropic {
        crate::tool_names::ToolNames::replace(request, format.dialect());
        return anthropic::encode_count_request(request);
    }
    let (chat, _) = format.dialect().encode_request(request)?;
    let chat = std::str::from_utf8(&chat).map_err(|_| Error::unsupported("", "the request is no UTF-8"))?;
    let members = members(chat);
    let keep = |names: &'static [&'static str]| {
        members
            .iter()
            .filter(move |(name, _)| names.contains(&name.as_ref()))
            .map(|(name, json)| (name.as_ref(), *json))
    };
    Ok(match format {
        Format::Anthropic | Format::Vertex => object(keep(&VERTEX_MEMBERS)).into_bytes(),
        Format::Gemini => {
            // The wrapped request names its model once more, in full.
            let name = if request.model.starts_with("models/") {
                request.model.to_string()
            } else {
                format!("models/{}", request.model)
            };
            let model = serde_json::value::to_raw_value(&name).ok();
            let model = model.as_deref().map(|json| ("model", json));
            let others = members
                .iter()
                .map(|(name, json)| (name.as_ref(), *json))
                .filter(|(name, _)| *name != "model");
            format!(r#"{{"generateContentRequest":{}}}"#, object(model.into_iter().chain(others)))
                .into_bytes()
        }
        Format::Bedrock => {
            format!(r#"{{"input":{{"converse":{}}}}}"#, object(keep(&CONVERSE_MEMBERS))).into_bytes()
        }
    })
}

/// A JSON object of these members, whose names need no escapes.
fn object<'a>(members: impl Iterator<Item = (&'a str, &'a RawValue)>) -> String {
    let mut object = String::from("{");
    for (name, json) in members {
        if object.len() > 1 {
            object.push(',');
        }
        object.push('"');
        object.push_str(name);
        object.push_str("\":");
        object.push_str(json.get());
    }
    object.push('}');
    object
}

/// Takes out what does not bear on the number of input tokens, and would only be refused.
fn strip(request: &mut hub::Request<'_>) {
    request.max_output_tokens = None;
    request.temperature = None;
    request.top_p = None;
    request.top_k = None;
    request.seed = None;
    request.frequency_penalty = None;
    request.presence_penalty = None;
    request.logit_bias = None;
    request.logprobs = None;
    request.top_logprobs = None;
    request.n = None;
    request.stop.clear();
    request.stream = None;
    request.user = None;
    request.metadata = None;
    request.service_tier = None;
}

/// Reads the number of input tokens out of a provider's answer.
///
/// # Errors
/// [`Error::UpstreamSent`]
pub fn decode_response(format: Format, body: &[u8]) -> Result<u64, Error> {
    #[derive(Deserialize)]
    struct Answer {
        input_tokens: Option<u64>,
        #[serde(rename = "totalTokens")]
        total_tokens: Option<u64>,
        #[serde(rename = "inputTokens")]
        bedrock: Option<u64>,
    }
    if !is_object(body) {
        return Err(Error::upstream("it is not a JSON object"));
    }
    let answer: Answer =
        serde_json::from_slice(body).map_err(|_| Error::upstream("it is no count of tokens"))?;
    let count = match format {
        Format::Anthropic => answer.input_tokens,
        // Protobuf JSON leaves out zeros.
        Format::Gemini | Format::Vertex => Some(answer.total_tokens.unwrap_or(0)),
        Format::Bedrock => answer.bedrock,
    };
    count.ok_or_else(|| Error::upstream("it holds no count of tokens"))
}

/// Encodes the answer for a client. Gemini's breakdown by modality (`promptTokensDetails`) is left out: other
/// providers do not make one.
pub fn encode_response(format: Format, tokens: u64) -> Vec<u8> {
    let name = match format {
        Format::Anthropic => "input_tokens",
        Format::Gemini | Format::Vertex => "totalTokens",
        Format::Bedrock => "inputTokens",
    };
    format!(r#"{{"{name}":{tokens}}}"#).into_bytes()
}

#[cfg(test)]
mod tests;
