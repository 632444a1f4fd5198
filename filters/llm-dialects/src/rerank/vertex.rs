//! Vertex AI's ranking API.
//! <https://cloud.google.com/generative-ai-app-builder/docs/reference/rest/v1/projects.locations.rankingConfigs/rank>

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Document, Facts, Ranked, Request, Response, plain};
use crate::Error;
use crate::json::{Str, members, read_answer, to_json};

/// Records the API takes in one request.
const MAX_RECORDS: usize = 200;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'r> {
    model: &'r str,
    query: &'r str,
    records: Vec<Record<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_n: Option<u64>,
    ignore_record_details_in_response: bool,
}

#[derive(Serialize)]
struct Record<'r> {
    /// The place of the document in the request: results are told by it.
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<Cow<'r, str>>,
    content: Cow<'r, str>,
}

pub(super) fn encode_request(request: &Request<'_>, model: &str) -> Result<Vec<u8>, Error> {
    if request.documents.len() > MAX_RECORDS {
        return Err(Error::unsupported(
            "documents",
            format!("Vertex AI ranks at most {MAX_RECORDS} documents: send several requests"),
        ));
    }
    let records = request.documents.iter().enumerate().map(|(i, document)| {
        let (title, content) = title_and_content(document, request);
        Record { id: i.to_string(), title, content }
    });
    Ok(to_json(&Body {
        model,
        query: &request.query,
        records: records.collect(),
        top_n: request.top_n,
        ignore_record_details_in_response: !request.return_documents,
    }))
}

/// An object with `title` and `text` says what is what; of others, the fields are lines of the content.
fn title_and_content<'r>(
    document: &'r Document<'r>,
    request: &Request<'_>,
) -> (Option<Cow<'r, str>>, Cow<'r, str>) {
    if let Document::Object(json) = document
        && request.rank_fields.is_empty()
    {
        let members = members(json.get());
        let text_of =
            |name: &str| members.iter().find(|(found, _)| found == name).map(|(_, value)| plain(value));
        if let (Some(title), Some(text), 2) = (text_of("title"), text_of("text"), members.len()) {
            return (Some(title), text);
        }
    }
    (None, document.text(&request.rank_fields))
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    records: Option<Vec<Hit<'a>>>,
}

#[derive(Deserialize)]
struct Hit<'a> {
    #[serde(borrow)]
    id: Option<Str<'a>>,
    score: Option<f64>,
    #[serde(borrow)]
    content: Option<Str<'a>>,
}

pub(super) fn decode_response(body: &[u8]) -> Result<Response<'_>, Error> {
    let answer: Answer<'_> = read_answer(body)?;
    let Some(found) = answer.records else {
        return Err(Error::upstream("it has no `records`"));
    };
    let mut results = Vec::with_capacity(found.len());
    for hit in found {
        let index = hit.id.and_then(|Str(id)| id.parse().ok());
        let index = index.ok_or_else(|| Error::upstream("one of its records has not the id it was given"))?;
        results.push(Ranked {
            index,
            // Protobuf JSON leaves out zeros.
            score: hit.score.unwrap_or(0.0),
            document: hit.content.map(|Str(text)| Document::Text(text)),
        });
    }
    Ok(Response { id: None, results, facts: Facts::default() })
}
