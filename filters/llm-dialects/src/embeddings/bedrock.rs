//! Bodies of Bedrock's `InvokeModel` for the embedding models it offers.
//!
//! * Titan: <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html>
//! * Cohere: <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html>
//! * Nova: <https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html>

use serde::{Deserialize, Serialize};

use super::{Request, Response, Task, Vector};
use crate::Error;
use crate::json::{read_answer, to_json};

/// The only length Titan v1 makes.
const TITAN_V1_DIMENSIONS: u64 = 1536;

/// Texts Cohere takes in one request.
const COHERE_MAX_TEXTS: usize = 96;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Titan<'r> {
    input_text: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u64>,
}

pub(super) fn encode_titan_v1(request: &Request<'_>) -> Result<Vec<u8>, Error> {
    let input_text = &request.only_text("Titan")?.text;
    if request.dimensions.is_some_and(|dimensions| dimensions != TITAN_V1_DIMENSIONS) {
        return Err(Error::unsupported(
            "dimensions",
            "Titan Text Embeddings v1 makes vectors of 1536 numbers only: leave it out, or use v2",
        ));
    }
    Ok(to_json(&Titan { input_text, dimensions: None }))
}

pub(super) fn encode_titan_v2(request: &Request<'_>) -> Result<Vec<u8>, Error> {
    let input_text = &request.only_text("Titan")?.text;
    // Normalised unless told otherwise, as OpenAI's vectors are.
    Ok(to_json(&Titan { input_text, dimensions: request.dimensions }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TitanAnswer<'a> {
    #[serde(borrow)]
    embedding: Option<Vector<'a>>,
    input_text_token_count: Option<u64>,
}

pub(super) fn decode_titan(body: &[u8]) -> Result<Response<'_>, Error> {
    let answer: TitanAnswer<'_> = read_answer(body)?;
    Ok(Response {
        model: None,
        vectors: answer.embedding.into_iter().collect(),
        input_tokens: answer.input_text_token_count,
    })
}

pub(super) fn titan_facts(body: &[u8]) -> Result<(Option<String>, Option<u64>), Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Facts {
        input_text_token_count: Option<u64>,
    }
    let facts: Facts = read_answer(body)?;
    Ok((None, facts.input_text_token_count))
}

#[derive(Serialize)]
struct Cohere<'r> {
    texts: Vec<&'r str>,
    input_type: &'static str,
    /// Long texts are an error, as at OpenAI.
    truncate: &'static str,
    embedding_types: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<u64>,
}

pub(super) fn encode_cohere(request: &Request<'_>) -> Result<Vec<u8>, Error> {
    let texts = request.texts("Cohere")?;
    if texts.len() > COHERE_MAX_TEXTS {
        return Err(Error::unsupported(
            "input",
            format!(
                "Cohere embeds {COHERE_MAX_TEXTS} inputs per request and got {}: send several requests",
                texts.len()
            ),
        ));
    }
    Ok(to_json(&Cohere {
        texts: texts.iter().map(|text| text.text.as_ref()).collect(),
        // The field is required. Who does not say fills an index, mostly.
        input_type: match request.task {
            None | Some(Task::Document) => "search_document",
            Some(Task::Query | Task::QuestionAnswering | Task::FactVerification | Task::CodeQuery) => {
                "search_query"
            }
            Some(Task::Classification) => "classification",
            Some(Task::Clustering | Task::Similarity) => "clustering",
        },
        truncate: "NONE",
        embedding_types: ["float"],
        output_dimension: request.dimensions,
    }))
}

/// `embeddings` is an array of vectors, or an object of such arrays when types were asked for.
pub(super) fn decode_cohere(body: &[u8]) -> Result<Response<'_>, Error> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        embeddings: Option<&'a serde_json::value::RawValue>,
    }
    #[derive(Deserialize)]
    struct ByType<'a> {
        #[serde(borrow)]
        float: Option<Vec<Vector<'a>>>,
    }
    let answer: Answer<'_> = read_answer(body)?;
    let vectors = match answer.embeddings.map(serde_json::value::RawValue::get) {
        None => Vec::new(),
        Some(json) if json.starts_with('{') => {
            read_answer::<ByType<'_>>(json.as_bytes())?.float.unwrap_or_default()
        }
        Some(json) => read_answer(json.as_bytes())?,
    };
    Ok(Response { model: None, vectors, input_tokens: None })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Nova<'r> {
    task_type: &'static str,
    single_embedding_params: NovaParams<'r>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NovaParams<'r> {
    embedding_purpose: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding_dimension: Option<u64>,
    text: NovaText<'r>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NovaText<'r> {
    truncation_mode: &'static str,
    value: &'r str,
}

pub(super) fn encode_nova(request: &Request<'_>) -> Result<Vec<u8>, Error> {
    let value = &request.only_text("Nova")?.text;
    Ok(to_json(&Nova {
        task_type: "SINGLE_EMBEDDING",
        single_embedding_params: NovaParams {
            embedding_purpose: match request.task {
                None | Some(Task::Document) => "GENERIC_INDEX",
                Some(Task::Query | Task::QuestionAnswering | Task::FactVerification | Task::CodeQuery) => {
                    "GENERIC_RETRIEVAL"
                }
                Some(Task::Classification) => "CLASSIFICATION",
                Some(Task::Clustering | Task::Similarity) => "CLUSTERING",
            },
            embedding_dimension: request.dimensions,
            text: NovaText { truncation_mode: "NONE", value },
        },
    }))
}

pub(super) fn decode_nova(body: &[u8]) -> Result<Response<'_>, Error> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        embeddings: Option<Vec<Embedding<'a>>>,
    }
    #[derive(Deserialize)]
    struct Embedding<'a> {
        #[serde(borrow)]
        embedding: Option<Vector<'a>>,
    }
    let answer: Answer<'_> = read_answer(body)?;
    let vectors = answer
        .embeddings
        .unwrap_or_default()
        .into_iter()
        .map(|found| found.embedding.ok_or_else(|| Error::upstream("one of its embeddings has no vector")))
        .collect::<Result<_, _>>()?;
    Ok(Response { model: None, vectors, input_tokens: None })
}
