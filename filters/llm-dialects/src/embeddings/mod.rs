//! Embeddings: texts to vectors.
//!
//! A small hub of its own: [`Request`] and [`Response`] are what every format says in its own words. Clients speak
//! the formats of [`Client`], providers those of [`Provider`]; where [`Provider::speaks`] the client's format, the
//! caller passes the body on and reads only its [`facts`].
//!
//! | in the request | OpenAI | Gemini | Vertex `:predict` | Titan v1 | Titan v2 | Cohere on Bedrock | Nova |
//! |---|---|---|---|---|---|---|---|
//! | several inputs | yes | `batchEmbedContents` | `instances` | refused | refused | `texts` | refused |
//! | token ids | yes | refused | refused | refused | refused | refused | refused |
//! | dimensions | yes | yes | yes | only 1536 | yes | `output_dimension` | `embeddingDimension` |
//! | task | dropped | `taskType` | `task_type` | dropped | dropped | `input_type` | `embeddingPurpose` |
//! | title | dropped | yes | yes | dropped | dropped | dropped | dropped |
//! | user | yes | dropped | dropped | dropped | dropped | dropped | dropped |
//!
//! Inputs too long for the model are an error of the provider everywhere (Vertex AI cuts them by itself unless it is
//! told not to, so it is told). Vectors are kept as the JSON they came in, and become numbers only where base64 is
//! on either side: OpenAI's own SDK asks for base64 unless told otherwise.

mod bedrock;
mod gemini;
mod openai;
mod vector;
mod vertex;

use std::borrow::Cow;

use serde::Deserialize;

pub use vector::Vector;

use crate::Error;
use crate::hub::Usage;
use crate::inspect::AnswerFacts;
use crate::json::is_object;

/// A format clients may ask in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Client {
    /// OpenAI `POST /v1/embeddings`.
    OpenAi,
    /// Gemini `models/{model}:embedContent`: one input.
    GeminiEmbed,
    /// Gemini `models/{model}:batchEmbedContents`.
    GeminiBatch,
}

/// A format providers are asked in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// OpenAI `POST /v1/embeddings`, and those who imitate it.
    OpenAi,
    /// Gemini `models/{model}:embedContent`: one input.
    GeminiEmbed,
    /// Gemini `models/{model}:batchEmbedContents`.
    GeminiBatch,
    /// Vertex AI `publishers/google/models/{model}:predict`.
    VertexPredict,
    /// Bedrock `InvokeModel` of Titan Text Embeddings v1 (`amazon.titan-embed-text-v1`).
    TitanV1,
    /// Bedrock `InvokeModel` of Titan Text Embeddings v2 (`amazon.titan-embed-text-v2:0`).
    TitanV2,
    /// Bedrock `InvokeModel` of Cohere Embed v3 and v4.
    CohereBedrock,
    /// Bedrock `InvokeModel` of Nova Multimodal Embeddings, texts only.
    NovaBedrock,
}

impl Provider {
    /// The format of a Bedrock model id, inference profile id or ARN; `None` for models that are not known to embed
    /// texts.
    pub fn of_bedrock_model(model: &str) -> Option<Self> {
        let known = [
            ("titan-embed-text-v1", Self::TitanV1),
            ("titan-embed-g1-text", Self::TitanV1),
            ("titan-embed-text-v2", Self::TitanV2),
            ("cohere.embed-", Self::CohereBedrock),
            ("nova-2-multimodal-embeddings", Self::NovaBedrock),
        ];
        known.into_iter().find(|(name, _)| model.contains(name)).map(|(_, provider)| provider)
    }

    /// Whether the client's bodies are this provider's, so that they need no translation.
    pub fn speaks(self, client: Client) -> bool {
        matches!(
            (self, client),
            (Self::OpenAi, Client::OpenAi)
                | (Self::GeminiEmbed, Client::GeminiEmbed)
                | (Self::GeminiBatch, Client::GeminiBatch)
        )
    }
}

/// What is to be embedded, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// The model asked for; empty where the path names it.
    pub model: Cow<'a, str>,
    /// The inputs; at least one.
    pub input: Input<'a>,
    /// Length of the vectors; `None` is the model's own.
    pub dimensions: Option<u64>,
    /// How the client wants the numbers written.
    pub encoding: Encoding,
    /// What the vectors are for.
    pub task: Option<Task>,
    /// An end-user identifier.
    pub user: Option<Cow<'a, str>>,
}

/// The inputs of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input<'a> {
    /// Texts.
    Texts(Vec<Text<'a>>),
    /// Token ids of the provider's tokeniser, one list per input.
    Tokens(Vec<Vec<u64>>),
}

/// One text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text<'a> {
    /// The text.
    pub text: Cow<'a, str>,
    /// Title of the document it is from (Gemini, Vertex AI).
    pub title: Option<Cow<'a, str>>,
}

/// How numbers are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    /// As a JSON array.
    #[default]
    Float,
    /// Little-endian 32-bit floats in base64 (OpenAI `encoding_format: base64`).
    Base64,
}

/// What vectors are for. Gemini's words, which are the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// To search with.
    Query,
    /// To be searched.
    Document,
    /// To compare texts.
    Similarity,
    /// To sort into classes.
    Classification,
    /// To find groups.
    Clustering,
    /// Questions to search answers for.
    QuestionAnswering,
    /// Claims to search evidence for.
    FactVerification,
    /// To search code with.
    CodeQuery,
}

/// The vectors, in the order of the inputs.
#[derive(Debug, Clone)]
pub struct Response<'a> {
    /// The model that answered, where the provider says.
    pub model: Option<Cow<'a, str>>,
    /// One vector for each input.
    pub vectors: Vec<Vector<'a>>,
    /// Input tokens. Cohere and Nova on Bedrock say them only in the header `x-amzn-bedrock-input-token-count`,
    /// older Gemini models not at all: the caller may fill them in before it encodes.
    pub input_tokens: Option<u64>,
}

/// Decodes a client's request.
///
/// Read beyond OpenAI's reference: `input_type` in Cohere's, NVIDIA's or Gemini's words.
///
/// # Errors
/// [`Error::ClientSent`] with the JSON path of what is wrong; [`Error::Unsupported`] for content that is no text, and
/// for batches whose members differ in task or dimensions.
pub fn decode_request(client: Client, body: &[u8]) -> Result<Request<'_>, Error> {
    match client {
        Client::OpenAi => openai::decode_request(body),
        Client::GeminiEmbed => gemini::decode_request(body),
        Client::GeminiBatch => gemini::decode_batch(body),
    }
}

/// Encodes a request for `model` of the provider. Vectors are always asked for as plain numbers.
///
/// # Errors
/// [`Error::Unsupported`] with the JSON path of what the provider cannot do; see the table of this module.
pub fn encode_request(provider: Provider, request: &Request<'_>, model: &str) -> Result<Vec<u8>, Error> {
    match provider {
        Provider::OpenAi => Ok(openai::encode_request(request, model)),
        Provider::GeminiEmbed => gemini::encode_request(request),
        Provider::GeminiBatch => gemini::encode_batch(request, model),
        Provider::VertexPredict => vertex::encode_request(request),
        Provider::TitanV1 => bedrock::encode_titan_v1(request),
        Provider::TitanV2 => bedrock::encode_titan_v2(request),
        Provider::CohereBedrock => bedrock::encode_cohere(request),
        Provider::NovaBedrock => bedrock::encode_nova(request),
    }
}

/// Decodes an answer with a 2xx status.
///
/// # Errors
/// [`Error::UpstreamSent`] when it is no answer of this format, or has no vector at all.
pub fn decode_response(provider: Provider, body: &[u8]) -> Result<Response<'_>, Error> {
    if !is_object(body) {
        return Err(Error::upstream("it is not a JSON object"));
    }
    let response = match provider {
        Provider::OpenAi => openai::decode_response(body),
        Provider::GeminiEmbed => gemini::decode_response(body),
        Provider::GeminiBatch => gemini::decode_batch_response(body),
        Provider::VertexPredict => vertex::decode_response(body),
        Provider::TitanV1 | Provider::TitanV2 => bedrock::decode_titan(body),
        Provider::CohereBedrock => bedrock::decode_cohere(body),
        Provider::NovaBedrock => bedrock::decode_nova(body),
    }?;
    if response.vectors.is_empty() {
        return Err(Error::upstream("it holds no embeddings"));
    }
    Ok(response)
}

/// Encodes an answer for a client. `model` stands in where the provider does not name the model; `encoding` is that
/// of the request (Gemini's clients know only plain numbers). Usage nobody knows is left out.
///
/// # Errors
/// [`Error::UpstreamSent`] when a vector has to be rewritten and holds something else than numbers, and when there is
/// not exactly one for a client that asked for one.
pub fn encode_response(
    client: Client,
    response: &Response<'_>,
    model: &str,
    encoding: Encoding,
) -> Result<Vec<u8>, Error> {
    match client {
        Client::OpenAi => openai::encode_response(response, model, encoding),
        Client::GeminiEmbed => gemini::encode_response(response),
        Client::GeminiBatch => gemini::encode_batch_response(response),
    }
}

/// Reads model and usage of an answer.
///
/// # Errors
/// [`Error::UpstreamSent`] when the body is no JSON object.
pub fn facts(provider: Provider, body: &[u8]) -> Result<AnswerFacts, Error> {
    if !is_object(body) {
        return Err(Error::upstream("it is not a JSON object"));
    }
    let (model, input_tokens) = match provider {
        Provider::OpenAi => openai::facts(body),
        Provider::GeminiEmbed | Provider::GeminiBatch => gemini::facts(body),
        Provider::VertexPredict => vertex::facts(body),
        Provider::TitanV1 | Provider::TitanV2 => bedrock::titan_facts(body),
        Provider::CohereBedrock | Provider::NovaBedrock => Ok((None, None)),
    }?;
    let usage = input_tokens.map(|input_uncached| Usage { input_uncached, ..Usage::default() });
    Ok(AnswerFacts { model, usage })
}

impl<'a> Request<'a> {
    /// The texts, for formats that take no token ids.
    fn texts(&self, provider: &str) -> Result<&[Text<'a>], Error> {
        match &self.input {
            Input::Texts(texts) => Ok(texts),
            Input::Tokens(_) => Err(Error::unsupported(
                "input",
                format!("{provider} takes no token ids, which belong to one tokeniser: send texts"),
            )),
        }
    }

    /// The only text, for formats that take one.
    fn only_text(&self, provider: &str) -> Result<&Text<'a>, Error> {
        match self.texts(provider)? {
            [text] => Ok(text),
            texts => Err(Error::unsupported(
                "input",
                format!(
                    "{provider} embeds one input per request and got {}: send one request for each",
                    texts.len()
                ),
            )),
        }
    }
}

/// Reads a client's body.
fn client_body<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Error> {
    if !is_object(body) {
        return Err(Error::client("", "the body must be a JSON object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut deserializer).map_err(|located| {
        let path = located.path().to_string();
        let field = if path == "." { String::new() } else { path };
        Error::client(field, located.inner().to_string())
    })?;
    deserializer.end().map_err(|error| Error::client("", format!("the body is not valid JSON: {error}")))?;
    Ok(read)
}

#[cfg(test)]
mod tests;
