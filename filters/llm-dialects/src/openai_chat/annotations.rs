//! `annotations`: where an answer is taken from.
//! <https://platform.openai.com/docs/guides/tools-web-search?api-mode=chat>
//!
//! An annotation names a span of the message's whole text, in characters; a citation of the hub a span of one text
//! part, or all of it. Only sources with an address have an annotation: those that do not are left out.

use serde::{Deserialize, Serialize};

use super::wire::Scalar;
use crate::hub::Citation;
use crate::json::Str;

/// An annotation as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct Annotation<'a> {
    #[serde(borrow)]
    url_citation: Option<UrlCitation<'a>>,
}

#[derive(Debug, Deserialize)]
struct UrlCitation<'a> {
    #[serde(borrow)]
    url: Option<Str<'a>>,
    #[serde(borrow)]
    title: Option<Str<'a>>,
    /// What the source says (OpenRouter).
    #[serde(borrow)]
    content: Option<Str<'a>>,
    #[serde(borrow)]
    start_index: Option<Scalar<'a>>,
    #[serde(borrow)]
    end_index: Option<Scalar<'a>>,
}

impl<'a> Annotation<'a> {
    /// The citation; `None` for other kinds of annotations. `part` is where the text part begins in the message, in
    /// characters. A span that begins before, or holds nothing (OpenRouter sends zeros), is not told.
    pub(super) fn citation(self, part: u64) -> Option<Citation<'a>> {
        let found = self.url_citation?;
        let span = found
            .start_index
            .as_ref()
            .and_then(Scalar::number)
            .zip(found.end_index.as_ref().and_then(Scalar::number));
        let range = span
            .filter(|(start, end)| start < end)
            .and_then(|(start, end)| start.checked_sub(part).zip(end.checked_sub(part)));
        Some(Citation {
            url: Some(found.url?.0),
            title: found.title.map(|Str(title)| title),
            cited_text: found.content.map(|Str(text)| text).filter(|text| !text.is_empty()),
            range,
            document: None,
        })
    }
}

/// An annotation as it is written.
#[derive(Debug, Serialize)]
pub(super) struct OutAnnotation<'r> {
    #[serde(rename = "type")]
    kind: &'static str,
    url_citation: OutUrlCitation<'r>,
}

#[derive(Debug, Serialize)]
struct OutUrlCitation<'r> {
    start_index: u64,
    end_index: u64,
    title: &'r str,
    url: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'r str>,
}

impl<'r> OutAnnotation<'r> {
    /// The annotation of a citation in a text part that stands at `part` in the message, start and end in
    /// characters; `None` for a source without an address.
    pub(super) fn new(citation: &'r Citation<'_>, part: (u64, u64)) -> Option<Self> {
        let (start_index, end_index) = match citation.range {
            Some((start, end)) => (part.0.saturating_add(start), part.0.saturating_add(end)),
            None => part,
        };
        Some(Self {
            kind: "url_citation",
            url_citation: OutUrlCitation {
                start_index,
                end_index,
                title: citation.title.as_deref().unwrap_or_default(),
                url: citation.url.as_deref()?,
                content: citation.cited_text.as_deref(),
            },
        })
    }
}

/// The length of a text in characters, as `start_index` and `end_index` count.
pub(super) fn characters(text: &str) -> u64 {
    u64::try_from(text.chars().count()).unwrap_or(u64::MAX)
}
