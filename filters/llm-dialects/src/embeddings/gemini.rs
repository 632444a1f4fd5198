//! Gemini `embedContent` and `batchEmbedContents`. <https://ai.google.dev/api/embeddings>

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::vector::Written;
use super::{Encoding, Input, Request, Response, Task, Text, Vector, client_body};
use crate::Error;
use crate::json::{Str, read_answer, to_json};

impl Task {
    /// The task called `name` in `taskType`.
    pub(super) fn of_gemini(name: &str) -> Option<Self> {
        Some(match name {
            "RETRIEVAL_QUERY" => Self::Query,
            "RETRIEVAL_DOCUMENT" => Self::Document,
            "SEMANTIC_SIMILARITY" => Self::Similarity,
            "CLASSIFICATION" => Self::Classification,
            "CLUSTERING" => Self::Clustering,
            "QUESTION_ANSWERING" => Self::QuestionAnswering,
            "FACT_VERIFICATION" => Self::FactVerification,
            "CODE_RETRIEVAL_QUERY" => Self::CodeQuery,
            _ => return None,
        })
    }

    /// Its name in `taskType`, at Gemini and Vertex AI.
    pub(super) fn gemini_name(self) -> &'static str {
        match self {
            Self::Query => "RETRIEVAL_QUERY",
            Self::Document => "RETRIEVAL_DOCUMENT",
            Self::Similarity => "SEMANTIC_SIMILARITY",
            Self::Classification => "CLASSIFICATION",
            Self::Clustering => "CLUSTERING",
            Self::QuestionAnswering => "QUESTION_ANSWERING",
            Self::FactVerification => "FACT_VERIFICATION",
            Self::CodeQuery => "CODE_RETRIEVAL_QUERY",
        }
    }
}

/// A request, alone or in a batch. Settings stand beside the content, or in `embedContentConfig`, which replaces
/// them; protobuf JSON takes both spellings of a name.
#[derive(Deserialize)]
struct Embed<'a> {
    #[serde(borrow)]
    content: Option<Content<'a>>,
    #[serde(borrow, alias = "task_type", rename = "taskType")]
    task_type: Option<Str<'a>>,
    #[serde(borrow)]
    title: Option<Str<'a>>,
    #[serde(alias = "output_dimensionality", rename = "outputDimensionality")]
    output_dimensionality: Option<u64>,
    #[serde(borrow, alias = "embed_content_config", rename = "embedContentConfig")]
    config: Option<Config<'a>>,
}

#[derive(Deserialize)]
struct Config<'a> {
    #[serde(borrow, alias = "task_type", rename = "taskType")]
    task_type: Option<Str<'a>>,
    #[serde(borrow)]
    title: Option<Str<'a>>,
    #[serde(alias = "output_dimensionality", rename = "outputDimensionality")]
    output_dimensionality: Option<u64>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    parts: Option<Vec<Part<'a>>>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow)]
    text: Option<Str<'a>>,
    #[serde(borrow, alias = "inline_data", rename = "inlineData")]
    inline_data: Option<&'a RawValue>,
    #[serde(borrow, alias = "file_data", rename = "fileData")]
    file_data: Option<&'a RawValue>,
}

/// What one request says.
struct Decoded<'a> {
    text: Text<'a>,
    task: Option<Task>,
    dimensions: Option<u64>,
}

fn embed<'a>(embed: Embed<'a>, at: impl Fn(&str) -> String) -> Result<Decoded<'a>, Error> {
    let parts = embed.content.and_then(|content| content.parts).unwrap_or_default();
    let mut text: Option<Cow<'a, str>> = None;
    for (i, part) in parts.into_iter().enumerate() {
        if part.inline_data.is_some() || part.file_data.is_some() {
            return Err(Error::unsupported(
                at(&format!("content.parts[{i}]")),
                "the provider of this model embeds texts only: remove the file",
            ));
        }
        let Some(Str(more)) = part.text else { continue };
        match &mut text {
            None => text = Some(more),
            Some(text) => {
                let text = text.to_mut();
                text.push('\n');
                text.push_str(&more);
            }
        }
    }
    let Some(text) = text else {
        return Err(Error::client(at("content.parts"), "must hold at least one part with a `text`"));
    };
    let (task_type, title, dimensions) = match embed.config {
        Some(config) => (
            config.task_type.or(embed.task_type),
            config.title.or(embed.title),
            config.output_dimensionality.or(embed.output_dimensionality),
        ),
        None => (embed.task_type, embed.title, embed.output_dimensionality),
    };
    let task = match task_type.as_ref().map(|Str(name)| name.as_ref()) {
        None | Some("TASK_TYPE_UNSPECIFIED") => None,
        Some(name) => Some(
            Task::of_gemini(name)
                .ok_or_else(|| Error::client(at("taskType"), "is not a task type of the API"))?,
        ),
    };
    if dimensions == Some(0) {
        return Err(Error::client(at("outputDimensionality"), "must be at least 1"));
    }
    let title = title.map(|Str(title)| title).filter(|title| !title.is_empty());
    Ok(Decoded { text: Text { text, title }, task, dimensions })
}

pub(super) fn decode_request(body: &[u8]) -> Result<Request<'_>, Error> {
    let Decoded { text, task, dimensions } = embed(client_body(body)?, str::to_owned)?;
    Ok(Request {
        model: Cow::Borrowed(""),
        input: Input::Texts(vec![text]),
        dimensions,
        encoding: Encoding::Float,
        task,
        user: None,
    })
}

pub(super) fn decode_batch(body: &[u8]) -> Result<Request<'_>, Error> {
    #[derive(Deserialize)]
    struct Batch<'a> {
        #[serde(borrow)]
        requests: Option<Vec<Embed<'a>>>,
    }
    let batch: Batch<'_> = client_body(body)?;
    let mut texts = Vec::new();
    let mut common = None;
    for (i, request) in batch.requests.unwrap_or_default().into_iter().enumerate() {
        let at = |name: &str| format!("requests[{i}].{name}");
        let Decoded { text, task, dimensions } = embed(request, at)?;
        let (first_task, first_dimensions) = *common.get_or_insert((task, dimensions));
        let differs = |name| {
            Error::unsupported(
                at(name),
                "the provider of this model takes one for the whole batch: make it the same, or send several requests",
            )
        };
        if task != first_task {
            return Err(differs("taskType"));
        }
        if dimensions != first_dimensions {
            return Err(differs("outputDimensionality"));
        }
        texts.push(text);
    }
    let Some((task, dimensions)) = common else {
        return Err(Error::client("requests", "must hold at least one request"));
    };
    Ok(Request {
        model: Cow::Borrowed(""),
        input: Input::Texts(texts),
        dimensions,
        encoding: Encoding::Float,
        task,
        user: None,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutEmbed<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'r str>,
    content: OutContent<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u64>,
}

#[derive(Serialize)]
struct OutContent<'r> {
    parts: [OutPart<'r>; 1],
}

#[derive(Serialize)]
struct OutPart<'r> {
    text: &'r str,
}

impl<'r> OutEmbed<'r> {
    fn new(request: &Request<'_>, text: &'r Text<'_>, model: Option<&'r str>) -> Self {
        Self {
            model,
            content: OutContent { parts: [OutPart { text: &text.text }] },
            task_type: request.task.map(Task::gemini_name),
            title: text.title.as_deref(),
            output_dimensionality: request.dimensions,
        }
    }
}

const NAME: &str = "Gemini";

pub(super) fn encode_request(request: &Request<'_>) -> Result<Vec<u8>, Error> {
    Ok(to_json(&OutEmbed::new(request, request.only_text("Gemini's embedContent")?, None)))
}

pub(super) fn encode_batch(request: &Request<'_>, model: &str) -> Result<Vec<u8>, Error> {
    #[derive(Serialize)]
    struct OutBatch<'r> {
        requests: Vec<OutEmbed<'r>>,
    }
    // Every member names the model once more, in full.
    let model = if model.starts_with("models/") { model.to_owned() } else { format!("models/{model}") };
    let texts = request.texts(NAME)?;
    let requests = texts.iter().map(|text| OutEmbed::new(request, text, Some(&model))).collect();
    Ok(to_json(&OutBatch { requests }))
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    embedding: Option<Embedding<'a>>,
    #[serde(rename = "usageMetadata")]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct BatchAnswer<'a> {
    #[serde(borrow)]
    embeddings: Option<Vec<Embedding<'a>>>,
    #[serde(rename = "usageMetadata")]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Embedding<'a> {
    #[serde(borrow)]
    values: Option<Vector<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    prompt_token_count: Option<u64>,
    total_token_count: Option<u64>,
}

impl Usage {
    fn input_tokens(self) -> Option<u64> {
        self.prompt_token_count.or(self.total_token_count)
    }
}

fn values(embedding: Embedding<'_>) -> Result<Vector<'_>, Error> {
    embedding.values.ok_or_else(|| Error::upstream("one of its embeddings has no values"))
}

pub(super) fn decode_response(body: &[u8]) -> Result<Response<'_>, Error> {
    let answer: Answer<'_> = read_answer(body)?;
    Ok(Response {
        model: None,
        vectors: answer.embedding.into_iter().map(values).collect::<Result<_, _>>()?,
        input_tokens: answer.usage.and_then(Usage::input_tokens),
    })
}

pub(super) fn decode_batch_response(body: &[u8]) -> Result<Response<'_>, Error> {
    let answer: BatchAnswer<'_> = read_answer(body)?;
    let embeddings = answer.embeddings.unwrap_or_default();
    Ok(Response {
        model: None,
        vectors: embeddings.into_iter().map(values).collect::<Result<_, _>>()?,
        input_tokens: answer.usage.and_then(Usage::input_tokens),
    })
}

pub(super) fn facts(body: &[u8]) -> Result<(Option<String>, Option<u64>), Error> {
    #[derive(Deserialize)]
    struct Facts {
        #[serde(rename = "usageMetadata")]
        usage: Option<Usage>,
    }
    let facts: Facts = read_answer(body)?;
    Ok((None, facts.usage.and_then(Usage::input_tokens)))
}

#[derive(Serialize)]
struct OutEmbedding<'r> {
    values: Written<'r>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutUsage {
    prompt_token_count: u64,
    total_token_count: u64,
}

fn out_usage(response: &Response<'_>) -> Option<OutUsage> {
    response.input_tokens.map(|tokens| OutUsage { prompt_token_count: tokens, total_token_count: tokens })
}

pub(super) fn encode_response(response: &Response<'_>) -> Result<Vec<u8>, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Out<'r> {
        embedding: OutEmbedding<'r>,
        #[serde(skip_serializing_if = "Option::is_none")]
        usage_metadata: Option<OutUsage>,
    }
    let [vector] = response.vectors.as_slice() else {
        return Err(Error::upstream(format!("it holds {} embeddings for one input", response.vectors.len())));
    };
    let embedding = OutEmbedding { values: vector.written(Encoding::Float)? };
    Ok(to_json(&Out { embedding, usage_metadata: out_usage(response) }))
}

pub(super) fn encode_batch_response(response: &Response<'_>) -> Result<Vec<u8>, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Out<'r> {
        embeddings: Vec<OutEmbedding<'r>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        usage_metadata: Option<OutUsage>,
    }
    let mut embeddings = Vec::with_capacity(response.vectors.len());
    for vector in &response.vectors {
        embeddings.push(OutEmbedding { values: vector.written(Encoding::Float)? });
    }
    Ok(to_json(&Out { embeddings, usage_metadata: out_usage(response) }))
}
