//! Reranking: which documents answer a query best.
//!
//! Clients speak Cohere's format, v1 or v2 ([`Client`]); providers Cohere's, that of Bedrock's agent runtime or that
//! of Vertex AI's ranking API ([`Provider`]). Where [`Provider::speaks`] the client's format, the caller passes the
//! body on and reads only its [`facts`].
//!
//! | in the request | Cohere v1 | Cohere v2 | Bedrock | Vertex AI |
//! |---|---|---|---|---|
//! | documents, texts | yes | yes | `textDocument` | `content` |
//! | documents, objects | yes | as text | `jsonDocument` | `title` and `text` by name, others as text |
//! | `rank_fields` | yes | as text | as text | as text |
//! | `top_n` | yes | yes | `numberOfResults` | `topN` |
//! | `return_documents` | yes | dropped | always there | `ignoreRecordDetailsInResponse` |
//! | `max_tokens_per_doc` | dropped | yes | models of Cohere | dropped |
//! | `max_chunks_per_doc` | yes | dropped | dropped | dropped |
//!
//! "As text" is one line `field: value` per field, as Cohere advises for v2; the field `text` alone is its value.
//! Where a provider returns no documents, [`Response::fill_documents`] takes them from the request.

mod bedrock;
mod cohere;
mod vertex;

use std::borrow::Cow;

use serde_json::value::RawValue;

pub use bedrock::model_arn;
pub use cohere::{decode_error, encode_error, is_error_body};

use crate::Error;
use crate::hub::{RawJson, Usage};
use crate::json::{Str, is_object, members};

/// A format clients may ask in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Client {
    /// Cohere `POST /v1/rerank`.
    CohereV1,
    /// Cohere `POST /v2/rerank`.
    CohereV2,
}

/// A format providers are asked in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Cohere `POST /v1/rerank`, and those who imitate it (Jina, Voyage, vLLM).
    CohereV1,
    /// Cohere `POST /v2/rerank`.
    CohereV2,
    /// Bedrock agent runtime `POST /rerank`.
    Bedrock,
    /// Vertex AI `rankingConfigs/default_ranking_config:rank` of Discovery Engine.
    Vertex,
}

impl Provider {
    /// Whether the client's bodies are this provider's, so that they need no translation.
    pub fn speaks(self, client: Client) -> bool {
        matches!((self, client), (Self::CohereV1, Client::CohereV1) | (Self::CohereV2, Client::CohereV2))
    }
}

/// What is to be ranked.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The model asked for.
    pub model: Cow<'a, str>,
    /// What is looked for.
    pub query: Cow<'a, str>,
    /// The documents; at least one.
    pub documents: Vec<Document<'a>>,
    /// How many results to return; `None` is all.
    pub top_n: Option<u64>,
    /// Return the documents with the results.
    pub return_documents: bool,
    /// Tokens of a document that count (v2).
    pub max_tokens_per_doc: Option<u64>,
    /// Chunks of a document that count (v1).
    pub max_chunks_per_doc: Option<u64>,
    /// The fields of object documents that count, in order; empty is the provider's default.
    pub rank_fields: Vec<Cow<'a, str>>,
}

/// A document.
#[derive(Debug, Clone)]
pub enum Document<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// A JSON object.
    Object(RawJson<'a>),
}

/// The results, best first.
#[derive(Debug, Clone)]
pub struct Response<'a> {
    /// The provider's id of the answer, where it has one.
    pub id: Option<Cow<'a, str>>,
    /// The results, best first.
    pub results: Vec<Ranked<'a>>,
    /// What the provider counted.
    pub facts: Facts,
}

/// One result.
#[derive(Debug, Clone)]
pub struct Ranked<'a> {
    /// Place of the document in the request, from 0.
    pub index: usize,
    /// How well it answers, in the provider's scale (0..=1 at all of them).
    pub score: f64,
    /// The document, where the provider returns it.
    pub document: Option<Document<'a>>,
}

/// What accounting needs to know of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// Cohere's billing unit: one query with up to 100 documents.
    pub search_units: Option<u64>,
    /// Tokens, where the provider counts them.
    pub usage: Option<Usage>,
}

/// Decodes a client's request.
///
/// # Errors
/// [`Error::ClientSent`] with the JSON path of what is wrong.
pub fn decode_request(_client: Client, body: &[u8]) -> Result<Request<'_>, Error> {
    // Both versions are read alike: SDKs and proxies mix their fields.
    cohere::decode_request(body)
}

/// Encodes a request for `model` of the provider. For Bedrock that is the model's ARN, see [`model_arn`].
///
/// # Errors
/// [`Error::Unsupported`] when the provider takes fewer documents.
pub fn encode_request(provider: Provider, request: &Request<'_>, model: &str) -> Result<Vec<u8>, Error> {
    match provider {
        Provider::CohereV1 => Ok(cohere::encode_v1(request, model)),
        Provider::CohereV2 => Ok(cohere::encode_v2(request, model)),
        Provider::Bedrock => bedrock::encode_request(request, model),
        Provider::Vertex => vertex::encode_request(request, model),
    }
}

/// Decodes an answer with a 2xx status.
///
/// # Errors
/// [`Error::UpstreamSent`]
pub fn decode_response(provider: Provider, body: &[u8]) -> Result<Response<'_>, Error> {
    if !is_object(body) {
        return Err(Error::upstream("it is not a JSON object"));
    }
    match provider {
        Provider::CohereV1 | Provider::CohereV2 => cohere::decode_response(body),
        Provider::Bedrock => bedrock::decode_response(body),
        Provider::Vertex => vertex::decode_response(body),
    }
}

/// Encodes an answer for a client. Documents are written if they are there and the client asked for them
/// (`return_documents`), in v1 always as objects, where a text is `{"text": …}`.
pub fn encode_response(client: Client, response: &Response<'_>, return_documents: bool) -> Vec<u8> {
    cohere::encode_response(client, response, return_documents)
}

/// Reads what an answer says about its cost. Bedrock and Vertex AI say nothing.
///
/// # Errors
/// [`Error::UpstreamSent`] when the body is no JSON object.
pub fn facts(provider: Provider, body: &[u8]) -> Result<Facts, Error> {
    if !is_object(body) {
        return Err(Error::upstream("it is not a JSON object"));
    }
    match provider {
        Provider::CohereV1 | Provider::CohereV2 => cohere::facts(body),
        Provider::Bedrock | Provider::Vertex => Ok(Facts::default()),
    }
}

impl<'a> Response<'a> {
    /// Puts the request's documents into results that came without.
    pub fn fill_documents(&mut self, documents: &[Document<'a>]) {
        for result in &mut self.results {
            if result.document.is_none() {
                result.document = documents.get(result.index).cloned();
            }
        }
    }
}

impl Document<'_> {
    /// The document as one text. `fields` says which fields of an object count; empty is all.
    fn text(&self, fields: &[Cow<'_, str>]) -> Cow<'_, str> {
        let json = match self {
            Self::Text(text) => return Cow::Borrowed(text),
            Self::Object(json) => json,
        };
        let all = members(json.get());
        let chosen: Vec<&(Cow<'_, str>, &RawValue)> = if fields.is_empty() {
            all.iter().collect()
        } else {
            fields.iter().filter_map(|field| all.iter().find(|(name, _)| name == field)).collect()
        };
        if let [(name, value)] = chosen.as_slice()
            && name == "text"
        {
            return Cow::Owned(plain(value).into_owned());
        }
        let lines: Vec<String> =
            chosen.into_iter().map(|(name, value)| format!("{name}: {}", plain(value))).collect();
        Cow::Owned(lines.join("\n"))
    }
}

/// A value as text: a string without its quotes, anything else as JSON.
fn plain(value: &RawValue) -> Cow<'_, str> {
    serde_json::from_str::<Str<'_>>(value.get()).map_or(Cow::Borrowed(value.get()), |text| text.0)
}

#[cfg(test)]
mod tests;
