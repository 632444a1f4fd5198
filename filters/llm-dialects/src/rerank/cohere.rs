//! Cohere's rerank API. <https://docs.cohere.com/reference/rerank>, <https://docs.cohere.com/v1/reference/rerank>

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Client, Document, Facts, Ranked, Request, Response};
use crate::Error;
use crate::hub::{ApiError, ErrorKind, Usage};
use crate::json::{Str, is_object, read_answer, to_json};

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    model: Option<Str<'a>>,
    #[serde(borrow)]
    query: Option<Str<'a>>,
    #[serde(borrow)]
    documents: Option<Vec<&'a RawValue>>,
    top_n: Option<u64>,
    return_documents: Option<bool>,
    max_tokens_per_doc: Option<u64>,
    max_chunks_per_doc: Option<u64>,
    #[serde(borrow)]
    rank_fields: Option<Vec<Str<'a>>>,
}

pub(super) fn decode_request(body: &[u8]) -> Result<Request<'_>, Error> {
    if !is_object(body) {
        return Err(Error::client("", "the body must be a JSON object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let wire: Body<'_> = serde_path_to_error::deserialize(&mut deserializer).map_err(|located| {
        let path = located.path().to_string();
        Error::client(if path == "." { String::new() } else { path }, located.inner().to_string())
    })?;
    deserializer.end().map_err(|error| Error::client("", format!("the body is not valid JSON: {error}")))?;
    let required = |text: Option<Str<'_>>, name: &str| {
        if text.is_some_and(|Str(text)| !text.is_empty()) {
            return Ok(());
        }
        Err(Error::client(name, "is required and must not be empty"))
    };
    required(wire.model.clone(), "model")?;
    required(wire.query.clone(), "query")?;
    let mut documents = Vec::new();
    for (i, raw) in wire.documents.unwrap_or_default().into_iter().enumerate() {
        documents.push(document(raw).ok_or_else(|| {
            Error::client(format!("documents[{i}]"), "must be a string or an object with a field `text`")
        })?);
    }
    if documents.is_empty() {
        return Err(Error::client("documents", "must hold at least one document"));
    }
    if wire.top_n == Some(0) {
        return Err(Error::client("top_n", "must be at least 1"));
    }
    Ok(Request {
        model: wire.model.unwrap_or_default().0,
        query: wire.query.unwrap_or_default().0,
        documents,
        top_n: wire.top_n,
        return_documents: wire.return_documents == Some(true),
        max_tokens_per_doc: wire.max_tokens_per_doc,
        max_chunks_per_doc: wire.max_chunks_per_doc,
        rank_fields: wire.rank_fields.unwrap_or_default().into_iter().map(|Str(field)| field).collect(),
    })
}

/// A document, which is a string or an object.
fn document(raw: &RawValue) -> Option<Document<'_>> {
    match raw.get().as_bytes().first()? {
        b'"' => serde_json::from_str::<Str<'_>>(raw.get()).ok().map(|text| Document::Text(text.0)),
        b'{' => Some(Document::Object(Cow::Borrowed(raw))),
        _ => None,
    }
}

#[derive(Serialize)]
struct OutBody<'r> {
    model: &'r str,
    query: &'r str,
    documents: Vec<OutDocument<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_n: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    return_documents: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens_per_doc: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_chunks_per_doc: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    rank_fields: &'r [Cow<'r, str>],
}

#[derive(Serialize)]
#[serde(untagged)]
enum OutDocument<'r> {
    Text(Cow<'r, str>),
    Object(&'r RawValue),
}

pub(super) fn encode_v1(request: &Request<'_>, model: &str) -> Vec<u8> {
    let documents = request
        .documents
        .iter()
        .map(|document| match document {
            Document::Text(text) => OutDocument::Text(Cow::Borrowed(text)),
            Document::Object(json) => OutDocument::Object(json),
        })
        .collect();
    to_json(&OutBody {
        model,
        query: &request.query,
        documents,
        top_n: request.top_n,
        return_documents: request.return_documents.then_some(true),
        max_tokens_per_doc: None,
        max_chunks_per_doc: request.max_chunks_per_doc,
        rank_fields: &request.rank_fields,
    })
}

pub(super) fn encode_v2(request: &Request<'_>, model: &str) -> Vec<u8> {
    to_json(&OutBody {
        model,
        query: &request.query,
        documents: request
            .documents
            .iter()
            .map(|document| OutDocument::Text(document.text(&request.rank_fields)))
            .collect(),
        top_n: request.top_n,
        return_documents: None,
        max_tokens_per_doc: request.max_tokens_per_doc,
        max_chunks_per_doc: None,
        rank_fields: &[],
    })
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    id: Option<Str<'a>>,
    #[serde(borrow)]
    results: Option<Vec<Hit<'a>>>,
    meta: Option<Meta>,
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Hit<'a> {
    index: Option<usize>,
    relevance_score: Option<f64>,
    #[serde(borrow)]
    document: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Meta {
    billed_units: Option<Tokens>,
    tokens: Option<Tokens>,
}

/// Counts; Cohere writes them with a fraction (`1.0`). Imitators have `total_tokens`, in `usage`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Tokens {
    search_units: Option<f64>,
    input_tokens: Option<f64>,
    output_tokens: Option<f64>,
    total_tokens: Option<f64>,
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // `as` stays within bounds.
fn whole(count: Option<f64>) -> Option<u64> {
    count.filter(|count| *count >= 0.0).map(|count| count as u64)
}

fn read_facts(meta: Option<Meta>, usage: Option<Tokens>) -> Facts {
    let Meta { billed_units, tokens } = meta.unwrap_or_default();
    let search_units = billed_units.as_ref().and_then(|billed| whole(billed.search_units));
    // What was processed, else what is billed.
    let usage = [tokens, billed_units, usage].into_iter().flatten().find_map(|tokens| {
        let input = whole(tokens.input_tokens).or(whole(tokens.total_tokens))?;
        let output = whole(tokens.output_tokens).unwrap_or(0);
        Some(Usage { input_uncached: input, output, ..Usage::default() })
    });
    Facts { search_units, usage }
}

pub(super) fn decode_response(body: &[u8]) -> Result<Response<'_>, Error> {
    let answer: Answer<'_> = read_answer(body)?;
    let Some(found) = answer.results else {
        return Err(Error::upstream("it has no `results`"));
    };
    let mut results = Vec::with_capacity(found.len());
    for result in found {
        let (Some(index), Some(score)) = (result.index, result.relevance_score) else {
            return Err(Error::upstream("one of its results has no index or no score"));
        };
        results.push(Ranked { index, score, document: result.document.and_then(document) });
    }
    Ok(Response { id: answer.id.map(|Str(id)| id), results, facts: read_facts(answer.meta, answer.usage) })
}

pub(super) fn facts(body: &[u8]) -> Result<Facts, Error> {
    #[derive(Deserialize)]
    struct Counted {
        meta: Option<Meta>,
        usage: Option<Tokens>,
    }
    let counted: Counted = read_answer(body)?;
    Ok(read_facts(counted.meta, counted.usage))
}

#[derive(Serialize)]
struct OutAnswer<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'r str>,
    results: Vec<OutResult<'r>>,
    meta: OutMeta,
}

#[derive(Serialize)]
struct OutResult<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<OutReturned<'r>>,
    index: usize,
    relevance_score: f64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum OutReturned<'r> {
    Text { text: &'r str },
    Object(&'r RawValue),
}

#[derive(Serialize)]
struct OutMeta {
    api_version: OutVersion,
    #[serde(skip_serializing_if = "Option::is_none")]
    billed_units: Option<OutBilled>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<OutTokens>,
}

#[derive(Serialize)]
struct OutVersion {
    version: &'static str,
}

#[derive(Serialize)]
struct OutBilled {
    search_units: u64,
}

#[derive(Serialize)]
struct OutTokens {
    input_tokens: u64,
    output_tokens: u64,
}

pub(super) fn encode_response(client: Client, response: &Response<'_>, return_documents: bool) -> Vec<u8> {
    let results = response
        .results
        .iter()
        .map(|result| OutResult {
            document: result.document.as_ref().filter(|_| return_documents).map(|document| match document {
                Document::Text(text) => OutReturned::Text { text },
                Document::Object(json) => OutReturned::Object(json),
            }),
            index: result.index,
            relevance_score: result.score,
        })
        .collect();
    let version = match client {
        Client::CohereV1 => "1",
        Client::CohereV2 => "2",
    };
    to_json(&OutAnswer {
        id: response.id.as_deref(),
        results,
        meta: OutMeta {
            api_version: OutVersion { version },
            billed_units: response.facts.search_units.map(|search_units| OutBilled { search_units }),
            tokens: response
                .facts
                .usage
                .map(|usage| OutTokens { input_tokens: usage.input_total(), output_tokens: usage.output }),
        },
    })
}

#[derive(Deserialize)]
struct ErrorBody<'a> {
    #[serde(borrow)]
    message: Option<Str<'a>>,
}

fn error_message(body: &[u8]) -> Option<Cow<'_, str>> {
    if !is_object(body) {
        return None;
    }
    let body: ErrorBody<'_> = serde_json::from_slice(body).ok()?;
    body.message.map(|Str(message)| message).filter(|message| !message.trim_start().starts_with('<'))
}

/// Decodes an error of Cohere (`{"message": …}`). Never fails: any other body gives an error made from the status
/// alone, and is not repeated.
pub fn decode_error(status: u16, body: &[u8]) -> ApiError {
    let status = if (400..=599).contains(&status) { status } else { 502 };
    let message = error_message(body).map_or_else(
        || format!("The provider answered with status {status} and said no more."),
        Cow::into_owned,
    );
    ApiError { status, kind: ErrorKind::from_status(status), code: None, param: None, message }
}

/// Whether `body` is an error of Cohere, so that it may pass untouched.
pub fn is_error_body(body: &[u8]) -> bool {
    error_message(body).is_some()
}

/// Encodes an error for a client of this format.
pub fn encode_error(error: &ApiError) -> Vec<u8> {
    #[derive(Serialize)]
    struct Out<'r> {
        message: &'r str,
    }
    to_json(&Out { message: &error.message })
}
