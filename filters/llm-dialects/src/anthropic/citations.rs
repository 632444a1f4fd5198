//! Citations of text blocks.
//! <https://platform.claude.com/docs/en/build-with-claude/citations>
//!
//! This API cites a place in a source, for a whole text block; the hub knows the source, its words, and the place in
//! the answer. So places in sources are left out on the way in, and on the way out a citation counts for the whole
//! text block it follows. Only sources with an address can be told to clients (`web_search_result_location`): the
//! other kinds need places in a source of the request.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::lenient::Field;
use crate::hub;

/// The fields of every kind of citation.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Citation<'a> {
    #[serde(borrow)]
    cited_text: Field<'a>,
    /// Of a document.
    #[serde(borrow)]
    document_title: Field<'a>,
    document_index: Option<u64>,
    /// Of a web page or a search result.
    #[serde(borrow)]
    title: Field<'a>,
    #[serde(borrow)]
    url: Field<'a>,
    /// Of a search result, which names it as it likes.
    #[serde(borrow)]
    source: Field<'a>,
}

impl<'a> From<Citation<'a>> for hub::Citation<'a> {
    fn from(citation: Citation<'a>) -> Self {
        let is_address =
            |source: &Cow<'_, str>| source.starts_with("https://") || source.starts_with("http://");
        let source = citation.source.into_string();
        let (url, named) = match source {
            Some(source) if is_address(&source) => (Some(source), None),
            source => (None, source),
        };
        Self {
            url: citation.url.into_string().or(url),
            title: citation.title.into_string().or(citation.document_title.into_string()).or(named),
            cited_text: citation.cited_text.into_string(),
            range: None,
            document: citation.document_index,
        }
    }
}

/// A citation as it stands in a `citations_delta`; one that cannot be read is none, and not worth losing the answer.
pub(super) fn citation(json: &RawValue) -> Option<hub::Citation<'_>> {
    serde_json::from_str::<Citation<'_>>(json.get()).ok().map(hub::Citation::from)
}

/// `citations` of a text block. Documents of requests have an object of this name.
pub(super) fn citations(json: Option<&RawValue>) -> Vec<hub::Citation<'_>> {
    let read = json.and_then(|json| serde_json::from_str::<Vec<Citation<'_>>>(json.get()).ok());
    read.unwrap_or_default().into_iter().map(hub::Citation::from).collect()
}

/// A citation as it is written.
#[derive(Serialize)]
pub(super) struct OutCitation<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    cited_text: &'a str,
    url: &'a str,
    title: Option<&'a str>,
    /// Lets Anthropic's search tool find the place again; nobody else has one.
    encrypted_index: &'static str,
}

impl<'a> OutCitation<'a> {
    /// `None` for a source without an address.
    pub(super) fn new(citation: &'a hub::Citation<'_>) -> Option<Self> {
        Some(Self {
            kind: "web_search_result_location",
            cited_text: citation.cited_text.as_deref().unwrap_or_default(),
            url: citation.url.as_deref()?,
            title: citation.title.as_deref(),
            encrypted_index: "",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read() {
        let json = r#"[
            {"type":"char_location","cited_text":"a","document_index":1,"document_title":"D","start_char_index":0,"end_char_index":1,"file_id":null},
            {"type":"web_search_result_location","cited_text":"b","url":"https://w","title":"W","encrypted_index":"e"},
            {"type":"search_result_location","cited_text":"c","source":"https://s","title":null,"search_result_index":0,"start_block_index":0,"end_block_index":1},
            {"type":"search_result_location","cited_text":"d","source":"wiki/page","title":null,"search_result_index":0}
        ]"#;
        let json: &RawValue = serde_json::from_str(json).unwrap();
        let of = |url: Option<&'static str>, title: Option<&'static str>, text: &'static str, document| {
            hub::Citation {
                url: url.map(Cow::Borrowed),
                title: title.map(Cow::Borrowed),
                cited_text: Some(text.into()),
                range: None,
                document,
            }
        };
        assert_eq!(
            citations(Some(json)),
            [
                of(None, Some("D"), "a", Some(1)),
                of(Some("https://w"), Some("W"), "b", None),
                of(Some("https://s"), None, "c", None),
                of(None, Some("wiki/page"), "d", None),
            ]
        );
    }

    #[test]
    fn what_is_no_citation_is_none() {
        for json in [r#"{"enabled":true}"#, "null", "[1]", r#"[{"document_index":"x"}]"#] {
            assert_eq!(citations(serde_json::from_str(json).ok()), [], "{json}");
        }
    }
}
