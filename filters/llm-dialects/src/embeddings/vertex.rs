//! Vertex AI text embeddings by `:predict`.
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api>

use serde::{Deserialize, Serialize};

use super::{Request, Response, Task, Vector};
use crate::Error;
use crate::json::{read_answer, to_json};

#[derive(Serialize)]
struct Body<'r> {
    instances: Vec<Instance<'r>>,
    parameters: Parameters,
}

#[derive(Serialize)]
struct Instance<'r> {
    content: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'r str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u64>,
    /// The API cuts long texts unless told otherwise; clients of other formats expect an error.
    auto_truncate: bool,
}

pub(super) fn encode_request(request: &Request<'_>) -> Result<Vec<u8>, Error> {
    let task_type = request.task.map(Task::gemini_name);
    let instances = request
        .texts("Vertex AI")?
        .iter()
        .map(|text| Instance { content: &text.text, task_type, title: text.title.as_deref() })
        .collect();
    let parameters = Parameters { output_dimensionality: request.dimensions, auto_truncate: false };
    Ok(to_json(&Body { instances, parameters }))
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    predictions: Option<Vec<Prediction<'a>>>,
}

#[derive(Deserialize)]
struct Prediction<'a> {
    #[serde(borrow)]
    embeddings: Option<Embeddings<'a>>,
}

#[derive(Deserialize)]
struct Embeddings<'a> {
    #[serde(borrow)]
    values: Option<Vector<'a>>,
    statistics: Option<Statistics>,
}

#[derive(Deserialize)]
struct Statistics {
    /// A protobuf `Value`, so a number that may be written with a fraction.
    token_count: Option<f64>,
}

impl Statistics {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // `as` stays within bounds.
    fn tokens(&self) -> Option<u64> {
        self.token_count.filter(|count| *count >= 0.0).map(|count| count as u64)
    }
}

pub(super) fn decode_response(body: &[u8]) -> Result<Response<'_>, Error> {
    let answer: Answer<'_> = read_answer(body)?;
    let mut vectors = Vec::new();
    let mut input_tokens = None;
    for prediction in answer.predictions.unwrap_or_default() {
        let found =
            prediction.embeddings.and_then(|found| found.values.map(|values| (values, found.statistics)));
        let (values, statistics) =
            found.ok_or_else(|| Error::upstream("one of its predictions has no embeddings"))?;
        vectors.push(values);
        add(&mut input_tokens, statistics);
    }
    Ok(Response { model: None, vectors, input_tokens })
}

fn add(total: &mut Option<u64>, statistics: Option<Statistics>) {
    if let Some(tokens) = statistics.and_then(|statistics| statistics.tokens()) {
        *total = Some(total.unwrap_or(0).saturating_add(tokens));
    }
}

pub(super) fn facts(body: &[u8]) -> Result<(Option<String>, Option<u64>), Error> {
    #[derive(Deserialize)]
    struct Facts {
        predictions: Option<Vec<Prediction>>,
    }
    #[derive(Deserialize)]
    struct Prediction {
        embeddings: Option<Embeddings>,
    }
    #[derive(Deserialize)]
    struct Embeddings {
        statistics: Option<Statistics>,
    }
    let facts: Facts = read_answer(body)?;
    let mut tokens = None;
    for embeddings in facts.predictions.unwrap_or_default().into_iter().filter_map(|found| found.embeddings) {
        add(&mut tokens, embeddings.statistics);
    }
    Ok((None, tokens))
}
