//! OpenAI embeddings. <https://platform.openai.com/docs/api-reference/embeddings>

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::vector::Written;
use super::{Encoding, Input, Request, Response, Task, Text, Vector, client_body};
use crate::Error;
use crate::json::{Str, read_answer, to_json};

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    model: Option<Str<'a>>,
    #[serde(borrow)]
    input: Option<Inputs<'a>>,
    dimensions: Option<u64>,
    #[serde(borrow)]
    encoding_format: Option<Str<'a>>,
    #[serde(borrow)]
    user: Option<Str<'a>>,
    #[serde(borrow)]
    input_type: Option<Str<'a>>,
}

/// `input`: a string, strings, token ids, or lists of token ids.
struct Inputs<'a>(Input<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Inputs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InputVisitor).map(Self)
    }
}

const FORMS: &str = "a string, an array of strings, or token ids";

struct InputVisitor;

impl<'de> Visitor<'de> for InputVisitor {
    type Value = Input<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORMS)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Input::Texts(vec![Text { text: Cow::Borrowed(text), title: None }]))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Input::Texts(vec![Text { text: Cow::Owned(text.to_owned()), title: None }]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        use serde::de::Error as _;

        // The first element says what the others are.
        let mut input = match seq.next_element::<Element<'de>>()? {
            None => return Ok(Input::Texts(Vec::new())),
            Some(Element::Text(text)) => Input::Texts(vec![Text { text, title: None }]),
            Some(Element::Token(token)) => Input::Tokens(vec![vec![token]]),
            Some(Element::Tokens(tokens)) => {
                let mut lists = vec![tokens];
                while let Some(tokens) = seq.next_element()? {
                    lists.push(tokens);
                }
                return Ok(Input::Tokens(lists));
            }
        };
        while let Some(element) = seq.next_element::<Element<'de>>()? {
            match (&mut input, element) {
                (Input::Texts(texts), Element::Text(text)) => texts.push(Text { text, title: None }),
                (Input::Tokens(lists), Element::Token(token)) => {
                    lists.iter_mut().for_each(|list| list.push(token))
                }
                _ => return Err(A::Error::custom("must not mix texts and token ids")),
            }
        }
        Ok(input)
    }
}

enum Element<'a> {
    Text(Cow<'a, str>),
    Token(u64),
    Tokens(Vec<u64>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Element<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ElementVisitor)
    }
}

struct ElementVisitor;

impl<'de> Visitor<'de> for ElementVisitor {
    type Value = Element<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or token ids")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Element::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Element::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, token: u64) -> Result<Self::Value, E> {
        Ok(Element::Token(token))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut tokens = Vec::new();
        while let Some(token) = seq.next_element()? {
            tokens.push(token);
        }
        Ok(Element::Tokens(tokens))
    }
}

pub(super) fn decode_request(body: &[u8]) -> Result<Request<'_>, Error> {
    let body: Body<'_> = client_body(body)?;
    let model = body.model.unwrap_or_default().0;
    if model.trim().is_empty() {
        return Err(Error::client("model", "you must provide a model parameter"));
    }
    let input = match body.input {
        None => return Err(Error::client("input", format!("is required: send {FORMS}"))),
        Some(Inputs(input)) => input,
    };
    if matches!(&input, Input::Texts(texts) if texts.is_empty()) {
        return Err(Error::client("input", "must hold at least one text"));
    }
    if body.dimensions == Some(0) {
        return Err(Error::client("dimensions", "must be at least 1"));
    }
    let encoding = match body.encoding_format.as_ref().map(|Str(format)| format.as_ref()) {
        None | Some("float") => Encoding::Float,
        Some("base64") => Encoding::Base64,
        Some(_) => return Err(Error::client("encoding_format", "must be `float` or `base64`")),
    };
    Ok(Request {
        model,
        input,
        dimensions: body.dimensions,
        encoding,
        task: body.input_type.map(|Str(kind)| task(&kind)).transpose()?,
        user: body.user.map(|Str(user)| user),
    })
}

/// `input_type`, which compatible providers added, each in other words.
fn task(kind: &str) -> Result<Task, Error> {
    Ok(match kind {
        "search_query" | "query" => Task::Query,
        "search_document" | "passage" | "document" => Task::Document,
        "classification" => Task::Classification,
        "clustering" => Task::Clustering,
        _ => match Task::of_gemini(kind) {
            Some(task) => task,
            None => {
                return Err(Error::client(
                    "input_type",
                    "must be `search_query`, `search_document`, `classification` or `clustering`",
                ));
            }
        },
    })
}

#[derive(Serialize)]
struct OutBody<'r> {
    model: &'r str,
    input: OutInput<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u64>,
    encoding_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'r str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum OutInput<'r> {
    Text(&'r str),
    Texts(Vec<&'r str>),
    Tokens(&'r [Vec<u64>]),
}

pub(super) fn encode_request(request: &Request<'_>, model: &str) -> Vec<u8> {
    let input = match &request.input {
        Input::Texts(texts) => match texts.as_slice() {
            [only] => OutInput::Text(&only.text),
            texts => OutInput::Texts(texts.iter().map(|text| text.text.as_ref()).collect()),
        },
        Input::Tokens(lists) => OutInput::Tokens(lists),
    };
    to_json(&OutBody {
        model,
        input,
        dimensions: request.dimensions,
        encoding_format: "float",
        user: request.user.as_deref(),
    })
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    model: Option<Str<'a>>,
    #[serde(borrow)]
    data: Option<Vec<Datum<'a>>>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Datum<'a> {
    index: Option<u64>,
    #[serde(borrow)]
    embedding: Option<Vector<'a>>,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: Option<u64>,
    total_tokens: Option<u64>,
}

impl Usage {
    fn input_tokens(self) -> Option<u64> {
        self.prompt_tokens.or(self.total_tokens)
    }
}

pub(super) fn decode_response(body: &[u8]) -> Result<Response<'_>, Error> {
    let answer: Answer<'_> = read_answer(body)?;
    let mut data = answer.data.unwrap_or_default();
    // Stable, so that members without an index keep their order.
    data.sort_by_key(|datum| datum.index);
    let vectors = data
        .into_iter()
        .map(|datum| datum.embedding.ok_or_else(|| Error::upstream("one of its data has no embedding")))
        .collect::<Result<_, _>>()?;
    Ok(Response {
        model: answer.model.map(|Str(model)| model),
        vectors,
        input_tokens: answer.usage.and_then(Usage::input_tokens),
    })
}

pub(super) fn facts(body: &[u8]) -> Result<(Option<String>, Option<u64>), Error> {
    #[derive(Deserialize)]
    struct Facts<'a> {
        #[serde(borrow)]
        model: Option<Str<'a>>,
        usage: Option<Usage>,
    }
    let facts: Facts<'_> = read_answer(body)?;
    Ok((facts.model.map(|Str(model)| model.into_owned()), facts.usage.and_then(Usage::input_tokens)))
}

#[derive(Serialize)]
struct OutAnswer<'r> {
    object: &'static str,
    data: Vec<OutDatum<'r>>,
    model: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<OutUsage>,
}

#[derive(Serialize)]
struct OutDatum<'r> {
    object: &'static str,
    index: usize,
    embedding: Written<'r>,
}

#[derive(Serialize)]
struct OutUsage {
    prompt_tokens: u64,
    total_tokens: u64,
}

pub(super) fn encode_response(
    response: &Response<'_>,
    model: &str,
    encoding: Encoding,
) -> Result<Vec<u8>, Error> {
    let mut data = Vec::with_capacity(response.vectors.len());
    for (index, vector) in response.vectors.iter().enumerate() {
        data.push(OutDatum { object: "embedding", index, embedding: vector.written(encoding)? });
    }
    Ok(to_json(&OutAnswer {
        object: "list",
        data,
        model: response.model.as_deref().unwrap_or(model),
        usage: response.input_tokens.map(|tokens| OutUsage { prompt_tokens: tokens, total_tokens: tokens }),
    }))
}
