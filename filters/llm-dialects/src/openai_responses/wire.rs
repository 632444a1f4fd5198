//! Reading the JSON of requests and answers, and writing it.
//!
//! Lists of items and parts are kept as bytes and read one by one: an item of a type the hub has no word for can then
//! be kept verbatim, and an error knows where it is.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Error;
use crate::hub::{Citation, TokenLogprob};
use crate::json::{Str, non_empty};

/// Where something is in the `input` of a request, for error paths.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    /// Index of the item.
    pub(super) item: usize,
    /// A list in it, and an index there.
    pub(super) list: Option<(&'static str, usize)>,
}

impl At {
    /// An item.
    pub(super) fn item(item: usize) -> Self {
        Self { item, list: None }
    }

    /// A member of a list in the item.
    pub(super) fn member(self, list: &'static str, index: usize) -> Self {
        Self { list: Some((list, index)), ..self }
    }

    /// The path of a field; an empty name is the place itself.
    pub(super) fn field(self, name: &str) -> String {
        let mut path = format!("input[{}]", self.item);
        if let Some((list, index)) = self.list {
            path.push_str(&format!(".{list}[{index}]"));
        }
        if !name.is_empty() {
            path.push('.');
            path.push_str(name);
        }
        path
    }
}

/// Reads an object; `path` says where it is, given the path inside it.
pub(super) fn object<'a, T: Deserialize<'a>>(
    json: &'a RawValue,
    path: impl Fn(&str) -> String,
) -> Result<T, Error> {
    let text = json.get();
    // serde would read an array into a struct, field by field.
    if !text.starts_with('{') {
        return Err(Error::client(path(""), "must be an object"));
    }
    serde_json::from_str(text).map_err(|error| {
        let deserializer = &mut serde_json::Deserializer::from_str(text);
        let located = serde_path_to_error::deserialize::<_, T>(deserializer).err();
        let inner = located.map(|located| located.path().to_string()).filter(|inner| inner != ".");
        Error::client(path(inner.as_deref().unwrap_or_default()), reason(&error))
    })
}

/// What is wrong, without the place in a fragment nobody sees.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason).to_owned()
}

/// A string or a list of values, which this API often takes in the same place.
#[derive(Debug)]
pub(super) enum TextOrList<'a> {
    /// The string.
    Text(Cow<'a, str>),
    /// The members, as bytes.
    List(Vec<&'a RawValue>),
}

impl<'a> TextOrList<'a> {
    /// Reads either; `None` when it is something else.
    pub(super) fn read(json: &'a RawValue) -> Option<Self> {
        match json.get().as_bytes().first()? {
            b'"' => serde_json::from_str::<Str<'a>>(json.get()).ok().map(|Str(text)| Self::Text(text)),
            b'[' => list(json).map(Self::List),
            _ => None,
        }
    }
}

/// The members of an array; `None` when it is something else.
pub(super) fn list(json: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(json.get()).ok()
}

/// An item of an input or an output, with the fields of every type the hub knows.
#[derive(Debug, Deserialize)]
pub(super) struct Item<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) role: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) summary: Option<Vec<Piece<'a>>>,
    #[serde(borrow)]
    pub(super) encrypted_content: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) call_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) arguments: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) output: Option<&'a RawValue>,
}

/// A part of a message, a summary or an output, with the fields of every type.
#[derive(Debug, Deserialize)]
pub(super) struct Piece<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) text: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) refusal: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) annotations: Option<Vec<Annotation<'a>>>,
    #[serde(borrow)]
    pub(super) logprobs: Option<Vec<Logprob<'a>>>,
    #[serde(borrow)]
    pub(super) image_url: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) detail: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) file_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) file_url: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) file_data: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) filename: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) input_audio: Option<InputAudio<'a>>,
    #[serde(borrow)]
    pub(super) prompt_cache_breakpoint: Option<CacheBreakpoint<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct InputAudio<'a> {
    #[serde(borrow)]
    pub(super) data: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) format: Option<Str<'a>>,
}

/// The end of a prompt prefix to be cached.
#[derive(Debug, Deserialize)]
pub(super) struct CacheBreakpoint<'a> {
    /// `30m`, `12h`.
    #[serde(borrow)]
    pub(super) ttl: Option<Str<'a>>,
}

/// A citation of any type.
#[derive(Debug, Deserialize)]
pub(super) struct Annotation<'a> {
    #[serde(borrow)]
    url: Option<Str<'a>>,
    #[serde(borrow)]
    title: Option<Str<'a>>,
    #[serde(borrow)]
    filename: Option<Str<'a>>,
    start_index: Option<u64>,
    end_index: Option<u64>,
}

impl<'a> Annotation<'a> {
    /// The hub's citation; `None` for one that names no source.
    pub(super) fn into_citation(self) -> Option<Citation<'a>> {
        let (url, title) = (non_empty(self.url), non_empty(self.title).or_else(|| non_empty(self.filename)));
        (url.is_some() || title.is_some()).then(|| Citation {
            url,
            title,
            range: self.start_index.zip(self.end_index),
            ..Citation::default()
        })
    }
}

/// How likely a token was.
#[derive(Debug, Deserialize)]
pub(super) struct Logprob<'a> {
    #[serde(borrow, default)]
    token: Str<'a>,
    #[serde(default)]
    logprob: Option<f64>,
    bytes: Option<Vec<u8>>,
    #[serde(borrow)]
    top_logprobs: Option<Vec<Logprob<'a>>>,
}

impl<'a> From<Logprob<'a>> for TokenLogprob<'a> {
    fn from(logprob: Logprob<'a>) -> Self {
        let top = logprob.top_logprobs.unwrap_or_default();
        Self {
            token: logprob.token.0,
            logprob: logprob.logprob.unwrap_or(f64::MIN),
            bytes: logprob.bytes,
            top: top.into_iter().map(|top| Self { top: Vec::new(), ..Self::from(top) }).collect(),
        }
    }
}

/// Joins pieces of text, each a paragraph of its own. A single piece stays borrowed.
pub(super) fn paragraphs<'a>(pieces: impl Iterator<Item = Cow<'a, str>>) -> Cow<'a, str> {
    let mut joined: Option<Cow<'a, str>> = None;
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        match &mut joined {
            None => joined = Some(piece),
            Some(joined) => {
                let joined = joined.to_mut();
                joined.push_str("\n\n");
                joined.push_str(&piece);
            }
        }
    }
    joined.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_where() {
        let json: &RawValue = serde_json::from_str(r#"{"summary":[{"text":5}]}"#).unwrap();
        let at = At::item(2);
        let error = object::<Item<'_>>(json, |field| at.field(field)).unwrap_err();
        assert!(
            matches!(&error, Error::ClientSent { field, message }
            if field == "input[2].summary[0].text" && !message.contains("line")),
            "{error}"
        );
        assert_eq!(at.member("content", 1).field("text"), "input[2].content[1].text");
    }

    #[test]
    fn paragraphs_stay_borrowed_when_alone() {
        let join = |pieces: &[&'static str]| paragraphs(pieces.iter().map(|piece| Cow::Borrowed(*piece)));
        assert!(matches!(join(&["", "a"]), Cow::Borrowed("a")));
        assert_eq!(join(&["a", "b"]), "a\n\nb");
    }
}
