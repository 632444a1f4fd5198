//! What Converse puts on the wire, as the decoders read it. Blocks are unions: objects with one of several members.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::hub;
use crate::json::Str;

/// The members of a content block the hub has words for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a content block")]
pub(super) struct Block<'a> {
    #[serde(borrow)]
    pub(super) text: Option<Str<'a>>,
    /// Of tool results only.
    #[serde(borrow)]
    pub(super) json: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) image: Option<Image<'a>>,
    #[serde(borrow)]
    pub(super) document: Option<Document<'a>>,
    #[serde(borrow)]
    pub(super) audio: Option<Audio<'a>>,
    #[serde(borrow)]
    pub(super) tool_use: Option<ToolUse<'a>>,
    #[serde(borrow)]
    pub(super) tool_result: Option<ToolResult<'a>>,
    #[serde(borrow)]
    pub(super) guard_content: Option<GuardContent<'a>>,
    #[serde(borrow)]
    pub(super) cache_point: Option<CachePoint<'a>>,
    #[serde(borrow)]
    pub(super) reasoning_content: Option<Reasoning<'a>>,
    #[serde(borrow)]
    pub(super) citations_content: Option<CitationsContent<'a>>,
}

/// An image.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Image<'a> {
    #[serde(borrow)]
    pub(super) format: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) source: Option<Source<'a>>,
}

/// A document.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Document<'a> {
    #[serde(borrow)]
    pub(super) format: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) source: Option<Source<'a>>,
}

/// Audio.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Audio<'a> {
    #[serde(borrow)]
    pub(super) format: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) source: Option<Source<'a>>,
}

/// Where binary content is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Source<'a> {
    /// Base64.
    #[serde(borrow)]
    pub(super) bytes: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) s3_location: Option<S3Location<'a>>,
    #[serde(borrow)]
    pub(super) text: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) content: Option<Vec<Text<'a>>>,
}

/// A place in S3.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct S3Location<'a> {
    #[serde(borrow)]
    pub(super) uri: Option<Str<'a>>,
}

/// An object with text.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object with text")]
pub(super) struct Text<'a> {
    #[serde(borrow)]
    pub(super) text: Option<Str<'a>>,
}

/// A call of a tool.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct ToolUse<'a> {
    #[serde(borrow)]
    pub(super) tool_use_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    /// `server_tool_use` for tools run by the provider.
    #[serde(rename = "type")]
    pub(super) kind: Option<IgnoredAny>,
}

/// The answer of a tool.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct ToolResult<'a> {
    #[serde(borrow)]
    pub(super) tool_use_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) content: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    pub(super) status: Option<Str<'a>>,
    /// For results of tools run by the provider.
    #[serde(rename = "type")]
    pub(super) kind: Option<IgnoredAny>,
}

/// Content a guardrail looks at.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct GuardContent<'a> {
    #[serde(borrow)]
    pub(super) text: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) image: Option<Image<'a>>,
}

/// A prompt-cache breakpoint.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct CachePoint<'a> {
    #[serde(borrow)]
    pub(super) ttl: Option<Str<'a>>,
}

impl<'a> From<CachePoint<'a>> for hub::CacheMark<'a> {
    fn from(point: CachePoint<'a>) -> Self {
        Self { ttl: point.ttl.map(|Str(ttl)| ttl) }
    }
}

/// Reasoning.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Reasoning<'a> {
    #[serde(borrow)]
    pub(super) reasoning_text: Option<ReasoningText<'a>>,
    /// Base64.
    #[serde(borrow)]
    pub(super) redacted_content: Option<Str<'a>>,
}

/// Reasoning one can read.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct ReasoningText<'a> {
    #[serde(borrow)]
    pub(super) text: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) signature: Option<Str<'a>>,
}

/// Text with its sources.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct CitationsContent<'a> {
    #[serde(borrow)]
    pub(super) content: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    pub(super) citations: Option<Vec<Citation<'a>>>,
}

/// A source; also the delta of a stream.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Citation<'a> {
    #[serde(borrow)]
    title: Option<Str<'a>>,
    #[serde(borrow)]
    source: Option<Str<'a>>,
    #[serde(borrow)]
    source_content: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    location: Option<Location<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Location<'a> {
    #[serde(borrow)]
    web: Option<WebLocation<'a>>,
    document_char: Option<DocumentLocation>,
    document_page: Option<DocumentLocation>,
    document_chunk: Option<DocumentLocation>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
struct WebLocation<'a> {
    #[serde(borrow)]
    url: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct DocumentLocation {
    document_index: Option<u64>,
}

impl<'a> From<Citation<'a>> for hub::Citation<'a> {
    fn from(citation: Citation<'a>) -> Self {
        let (url, document) = match citation.location {
            Some(location) => {
                let document = [location.document_char, location.document_page, location.document_chunk];
                let document = document.into_iter().flatten().find_map(|place| place.document_index);
                (location.web.and_then(|web| web.url), document)
            }
            None => (None, None),
        };
        // The `source` of a search result is its address more often than not.
        let source = citation.source.filter(|Str(source)| source.contains("://"));
        Self {
            url: url.or(source).map(|Str(url)| url),
            title: citation.title.map(|Str(title)| title),
            cited_text: citation.source_content.and_then(joined),
            range: None,
            document,
        }
    }
}

/// The text of all, one after another; `None` if there is none.
pub(super) fn joined(texts: Vec<Text<'_>>) -> Option<Cow<'_, str>> {
    let mut texts = texts.into_iter().filter_map(|text| text.text).map(|Str(text)| text);
    let first = texts.next()?;
    Some(texts.fold(first, |all, text| Cow::Owned(all.into_owned() + &text)))
}

/// `usage` of an answer and of the `metadata` event.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "an object")]
pub(super) struct Usage<'a> {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_write_input_tokens: Option<u64>,
    #[serde(borrow)]
    cache_details: Option<Vec<CacheDetail<'a>>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct CacheDetail<'a> {
    #[serde(borrow)]
    ttl: Option<Str<'a>>,
    input_tokens: Option<u64>,
}

impl From<Usage<'_>> for hub::Usage {
    fn from(usage: Usage<'_>) -> Self {
        let cache_write = usage.cache_write_input_tokens.unwrap_or_default();
        let hour = usage.cache_details.unwrap_or_default().into_iter();
        let hour = hour.filter(|detail| detail.ttl.as_ref().is_some_and(|Str(ttl)| ttl == "1h"));
        let hour = hour.filter_map(|detail| detail.input_tokens).fold(0, u64::saturating_add);
        Self {
            // Cached tokens are not among them.
            input_uncached: usage.input_tokens.unwrap_or_default(),
            cache_read: usage.cache_read_input_tokens.unwrap_or_default(),
            cache_write,
            cache_write_1h: hour.min(cache_write),
            output: usage.output_tokens.unwrap_or_default(),
            ..Self::default()
        }
    }
}

/// The part of `trace` that tells which model a prompt router chose.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Trace<'a> {
    #[serde(borrow)]
    prompt_router: Option<PromptRouter<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PromptRouter<'a> {
    #[serde(borrow)]
    invoked_model_id: Option<Str<'a>>,
}

impl<'a> Trace<'a> {
    /// The model a prompt router chose.
    pub(super) fn model(self) -> Option<Cow<'a, str>> {
        self.prompt_router?.invoked_model_id.map(|Str(model)| model)
    }
}

/// The part of `additionalModelResponseFields` that tells the stop sequence that matched, if it was asked for.
pub(super) fn stop_sequence(fields: Option<&RawValue>) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Fields<'a> {
        #[serde(borrow)]
        stop_sequence: Option<Str<'a>>,
    }

    // These fields are the model's own: whatever they are, the answer itself is readable.
    let fields: Fields<'_> = serde_json::from_str(fields?.get()).ok()?;
    fields.stop_sequence.map(|Str(stop)| stop)
}

/// The type of `serviceTier`.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct ServiceTier<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Str<'a>>,
}
