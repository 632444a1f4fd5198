//! Bedrock agent runtime `Rerank`.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html>

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Document, Facts, Ranked, Request, Response};
use crate::Error;
use crate::json::{Str, read_answer, to_json};

/// Sources the API takes in one request.
const MAX_SOURCES: usize = 1000;

/// The ARN of a foundation model in a region, which the API wants for a name; ARNs stay as they are.
pub fn model_arn<'a>(region: &str, model: &'a str) -> Cow<'a, str> {
    if model.starts_with("arn:") {
        return Cow::Borrowed(model);
    }
    let partition = match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    Cow::Owned(format!("arn:{partition}:bedrock:{region}::foundation-model/{model}"))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'r> {
    queries: [Query<'r>; 1],
    sources: Vec<Source<'r>>,
    reranking_configuration: Configuration<'r>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Query<'r> {
    #[serde(rename = "type")]
    kind: &'static str,
    text_query: Text<'r>,
}

#[derive(Serialize)]
struct Text<'r> {
    text: Cow<'r, str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Source<'r> {
    #[serde(rename = "type")]
    kind: &'static str,
    inline_document_source: Inline<'r>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Inline<'r> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_document: Option<Text<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    json_document: Option<&'r RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Configuration<'r> {
    #[serde(rename = "type")]
    kind: &'static str,
    bedrock_reranking_configuration: Model<'r>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Model<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    number_of_results: Option<u64>,
    model_configuration: ModelConfiguration<'r>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ModelConfiguration<'r> {
    model_arn: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_model_request_fields: Option<Additional>,
}

/// Cohere's own words, in Cohere's spelling.
#[derive(Serialize)]
struct Additional {
    max_tokens_per_doc: u64,
}

pub(super) fn encode_request(request: &Request<'_>, model_arn: &str) -> Result<Vec<u8>, Error> {
    if request.documents.len() > MAX_SOURCES {
        return Err(Error::unsupported(
            "documents",
            format!("Bedrock ranks at most {MAX_SOURCES} documents: send several requests"),
        ));
    }
    let source = |document| Source { kind: "INLINE", inline_document_source: inline(document, request) };
    let documents = u64::try_from(request.documents.len()).unwrap_or(u64::MAX);
    Ok(to_json(&Body {
        queries: [Query { kind: "TEXT", text_query: Text { text: Cow::Borrowed(&request.query) } }],
        sources: request.documents.iter().map(source).collect(),
        reranking_configuration: Configuration {
            kind: "BEDROCK_RERANKING_MODEL",
            bedrock_reranking_configuration: Model {
                // The API refuses to return more results than there are sources.
                number_of_results: request.top_n.map(|top_n| top_n.min(documents)),
                model_configuration: ModelConfiguration {
                    model_arn,
                    additional_model_request_fields: request
                        .max_tokens_per_doc
                        .filter(|_| model_arn.contains("cohere."))
                        .map(|max_tokens_per_doc| Additional { max_tokens_per_doc }),
                },
            },
        },
    }))
}

fn inline<'r>(document: &'r Document<'r>, request: &Request<'_>) -> Inline<'r> {
    match document {
        Document::Object(json) if request.rank_fields.is_empty() => {
            Inline { kind: "JSON", text_document: None, json_document: Some(json) }
        }
        document => Inline {
            kind: "TEXT",
            text_document: Some(Text { text: document.text(&request.rank_fields) }),
            json_document: None,
        },
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    results: Option<Vec<Hit<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hit<'a> {
    index: Option<usize>,
    relevance_score: Option<f64>,
    #[serde(borrow)]
    document: Option<Found<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found<'a> {
    #[serde(borrow)]
    text_document: Option<FoundText<'a>>,
    #[serde(borrow)]
    json_document: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct FoundText<'a> {
    #[serde(borrow)]
    text: Option<Str<'a>>,
}

pub(super) fn decode_response(body: &[u8]) -> Result<Response<'_>, Error> {
    let answer: Answer<'_> = read_answer(body)?;
    let Some(found) = answer.results else {
        return Err(Error::upstream("it has no `results`"));
    };
    let mut results = Vec::with_capacity(found.len());
    for hit in found {
        let (Some(index), Some(score)) = (hit.index, hit.relevance_score) else {
            return Err(Error::upstream("one of its results has no index or no score"));
        };
        let document = hit.document.and_then(|found| {
            let text = found.text_document.and_then(|document| document.text);
            text.map(|Str(text)| Document::Text(text))
                .or(found.json_document.map(|json| Document::Object(Cow::Borrowed(json))))
        });
        results.push(Ranked { index, score, document });
    }
    Ok(Response { id: None, results, facts: Facts::default() })
}
