//! Sources: `groundingMetadata` and `citationMetadata` ↔ citations.
//! <https://ai.google.dev/api/generate-content#GroundingMetadata>
//!
//! The API counts places in an answer in bytes, the hub in characters.

use std::borrow::Cow;

use serde::Deserialize;

use super::out::{GroundingChunk, GroundingMetadata, GroundingSupport, Segment};
use super::wire::Int;
use crate::hub::Citation;
use crate::json::Str;

/// `groundingMetadata`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Grounding<'a> {
    #[serde(borrow)]
    grounding_chunks: Option<Vec<Chunk<'a>>>,
    #[serde(borrow)]
    grounding_supports: Option<Vec<Support<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk<'a> {
    #[serde(borrow)]
    web: Option<Place<'a>>,
    #[serde(borrow)]
    retrieved_context: Option<Place<'a>>,
    #[serde(borrow)]
    maps: Option<Place<'a>>,
}

#[derive(Debug, Deserialize)]
struct Place<'a> {
    #[serde(borrow)]
    uri: Option<Str<'a>>,
    #[serde(borrow)]
    title: Option<Str<'a>>,
    #[serde(borrow)]
    text: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Support<'a> {
    #[serde(borrow)]
    segment: Option<Words<'a>>,
    grounding_chunk_indices: Option<Vec<Int>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Words<'a> {
    part_index: Option<Int>,
    start_index: Option<Int>,
    end_index: Option<Int>,
    #[serde(borrow)]
    text: Option<Str<'a>>,
}

/// `citationMetadata`; the Gemini API and Vertex AI name its field differently.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Citations<'a> {
    #[serde(borrow, alias = "citations")]
    citation_sources: Option<Vec<Source<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source<'a> {
    start_index: Option<Int>,
    end_index: Option<Int>,
    #[serde(borrow)]
    uri: Option<Str<'a>>,
    #[serde(borrow)]
    title: Option<Str<'a>>,
}

/// A citation whose place is not known in characters yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found<'a> {
    /// Which part of the content.
    pub(super) part: usize,
    bytes: Option<(usize, usize)>,
    words: Option<Cow<'a, str>>,
    citation: Citation<'a>,
}

impl<'a> Found<'a> {
    /// The citation, placed in the text it belongs to.
    pub(super) fn place(self, text: &str) -> Citation<'a> {
        let Self { bytes, words, mut citation, .. } = self;
        let bytes = match (bytes, words) {
            (Some((start, end)), Some(words)) if text.get(start..end) != Some(words.as_ref()) => {
                text.find(words.as_ref()).map(|start| (start, start + words.len()))
            }
            (bytes, _) => bytes,
        };
        citation.range = bytes.and_then(|(start, end)| {
            let before = text.get(..start)?.chars().count();
            let cited = text.get(start..end)?.chars().count();
            Some((u64::try_from(before).ok()?, u64::try_from(before + cited).ok()?))
        });
        citation
    }
}

/// Every source an answer names, with the words it supports where they are told.
pub(super) fn found<'a>(
    grounding: Option<Grounding<'a>>,
    citations: Option<Citations<'a>>,
) -> Vec<Found<'a>> {
    let mut all = Vec::new();
    if let Some(grounding) = grounding {
        let sources: Vec<Citation<'a>> =
            grounding.grounding_chunks.unwrap_or_default().into_iter().filter_map(source).collect();
        let supports = grounding.grounding_supports.unwrap_or_default();
        if supports.is_empty() {
            let unplaced = |citation| Found { part: 0, bytes: None, words: None, citation };
            all.extend(sources.iter().cloned().map(unplaced));
        }
        for support in supports {
            let place = |index: Option<Int>| index.map_or(0, |index| usize::try_from(index.0).unwrap_or(0));
            let segment = support.segment.as_ref();
            for index in support.grounding_chunk_indices.iter().flatten() {
                let Some(citation) = sources.get(place(Some(*index))) else { continue };
                all.push(Found {
                    part: segment.map_or(0, |words| place(words.part_index)),
                    bytes: segment.map(|words| (place(words.start_index), place(words.end_index))),
                    words: segment.and_then(|words| words.text.clone()).map(|Str(text)| text),
                    citation: citation.clone(),
                });
            }
        }
    }
    for source in citations.and_then(|citations| citations.citation_sources).unwrap_or_default() {
        let place = |index: Option<Int>| index.and_then(|index| usize::try_from(index.0).ok());
        let citation = Citation {
            url: source.uri.map(|Str(uri)| uri),
            title: source.title.map(|Str(title)| title),
            ..Citation::default()
        };
        let bytes = place(source.end_index).map(|end| (place(source.start_index).unwrap_or(0), end));
        if citation != Citation::default() {
            all.push(Found { part: 0, bytes, words: None, citation });
        }
    }
    all
}

/// A source; every chunk gives one, as supports count chunks.
fn source(chunk: Chunk<'_>) -> Option<Citation<'_>> {
    let place = chunk.web.or(chunk.retrieved_context).or(chunk.maps);
    let Some(place) = place else { return Some(Citation::default()) };
    Some(Citation {
        url: place.uri.map(|Str(uri)| uri),
        title: place.title.map(|Str(title)| title),
        cited_text: place.text.map(|Str(text)| text),
        ..Citation::default()
    })
}

/// Adds a citation of `text`, which begins `base` bytes into part `part` (or into the answer, for streams).
pub(super) fn add<'a>(
    grounding: &mut GroundingMetadata<'a>,
    citation: Citation<'a>,
    text: &str,
    base: usize,
    part: Option<usize>,
) {
    let chunk = match citation.url {
        Some(uri) => GroundingChunk::Web { uri, title: citation.title },
        None => GroundingChunk::RetrievedContext { title: citation.title, text: citation.cited_text },
    };
    let known = grounding.grounding_chunks.iter().position(|known| *known == chunk);
    let index = known.unwrap_or_else(|| {
        grounding.grounding_chunks.push(chunk);
        grounding.grounding_chunks.len() - 1
    });
    let (start, end) = match citation.range {
        None => (0, text.len()),
        Some((start, end)) => (byte(text, start), byte(text, end.max(start))),
    };
    grounding.grounding_supports.push(GroundingSupport {
        segment: Segment {
            part_index: part.filter(|&part| part > 0),
            start_index: base + start,
            end_index: base + end,
            text: text.get(start..end).unwrap_or_default().to_owned(),
        },
        grounding_chunk_indices: [index],
    });
}

/// The byte at which the character with this index begins; the end for those behind it.
fn byte(text: &str, character: u64) -> usize {
    let nth = usize::try_from(character).unwrap_or(usize::MAX);
    text.char_indices().nth(nth).map_or(text.len(), |(byte, _)| byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Vec<Found<'_>> {
        found(Some(serde_json::from_str(json).unwrap()), None)
    }

    #[test]
    fn bytes_become_characters_and_back() {
        let text = "Größe: 3 m. Ende.";
        let all = read(
            r#"{"groundingChunks":[{"web":{"uri":"https://a","title":"A"}},{}],
                "groundingSupports":[{"segment":{"startIndex":9,"endIndex":13,"text":"3 m."},"groundingChunkIndices":[0,7]}]}"#,
        );
        let placed: Vec<_> = all.into_iter().map(|found| found.place(text)).collect();
        assert_eq!(placed.len(), 1);
        assert_eq!(placed[0].range, Some((7, 11)));
        let mut grounding = GroundingMetadata::default();
        add(&mut grounding, placed[0].clone(), text, 0, Some(0));
        let segment = &grounding.grounding_supports[0].segment;
        assert_eq!((segment.start_index, segment.end_index, segment.text.as_str()), (9, 13, "3 m."));
    }

    #[test]
    fn places_that_are_none_do_not_count() {
        let text = "äb";
        for (start, end) in [(1, 2), (0, 99), (3, 2)] {
            let json = format!(
                r#"{{"groundingChunks":[{{"web":{{"uri":"u"}}}}],"groundingSupports":[{{"segment":{{"startIndex":{start},"endIndex":{end}}},"groundingChunkIndices":[0]}}]}}"#
            );
            let placed: Vec<_> = read(&json).into_iter().map(|found| found.place(text)).collect();
            assert_eq!(placed[0].range, None);
            assert_eq!(placed[0].url.as_deref(), Some("u"));
        }
    }
}
