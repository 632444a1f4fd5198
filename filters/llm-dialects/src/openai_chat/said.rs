//! What the model says: `message` of a whole answer, `delta` of a chunk. Both have the same fields, and providers take
//! the same liberties with them.

use std::borrow::Cow;

use serde::Deserialize;

use super::annotations::Annotation;
use super::wire::{Scalar, TextOr, ThinkingBlock};
use crate::json::{Str, non_empty};

/// A message, or a piece of one.
#[derive(Debug, Deserialize)]
pub(super) struct Said<'a> {
    #[serde(borrow)]
    content: Option<TextOr<'a, Vec<Piece<'a>>>>,
    #[serde(borrow)]
    refusal: Option<Str<'a>>,
    #[serde(borrow)]
    reasoning_content: Option<Str<'a>>,
    #[serde(borrow)]
    reasoning: Option<Scalar<'a>>,
    #[serde(borrow)]
    thinking_blocks: Option<Vec<ThinkingBlock<'a>>>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
    #[serde(borrow)]
    annotations: Option<Vec<Annotation<'a>>>,
}

/// A tool call, or a fragment of one.
#[derive(Debug, Deserialize)]
pub(super) struct Call<'a> {
    /// Its number, in streams.
    pub(super) index: Option<u64>,
    #[serde(borrow)]
    id: Option<Str<'a>>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
}

#[derive(Debug, Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    arguments: Option<Str<'a>>,
}

/// The parts of a [`Call`] that are there and not empty.
pub(super) struct CallParts<'a> {
    pub(super) id: Option<Cow<'a, str>>,
    pub(super) name: Option<Cow<'a, str>>,
    pub(super) arguments: Option<Cow<'a, str>>,
}

impl<'a> Call<'a> {
    pub(super) fn parts(self) -> CallParts<'a> {
        let (name, arguments) =
            self.function.map_or((None, None), |function| (function.name, function.arguments));
        CallParts { id: non_empty(self.id), name: non_empty(name), arguments: non_empty(arguments) }
    }
}

/// A member of `content` in its array form, which Mistral's reasoning models answer in.
#[derive(Debug, Deserialize)]
struct Piece<'a> {
    #[serde(borrow)]
    text: Option<Str<'a>>,
    /// Reasoning, itself in pieces (Mistral).
    #[serde(borrow)]
    thinking: Option<TextOr<'a, Vec<Thought<'a>>>>,
}

#[derive(Debug, Deserialize)]
struct Thought<'a> {
    #[serde(borrow)]
    text: Option<Str<'a>>,
}

/// A member of [`Words::content`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Word<'a> {
    Text(Cow<'a, str>),
    Thinking(Cow<'a, str>),
}

/// Everything that is said, without what is empty.
pub(super) struct Words<'a> {
    /// Reasoning as text: `reasoning_content`, else `reasoning`.
    pub(super) reasoning: Option<Cow<'a, str>>,
    pub(super) thinking_blocks: Vec<ThinkingBlock<'a>>,
    pub(super) content: Vec<Word<'a>>,
    pub(super) refusal: Option<Cow<'a, str>>,
    pub(super) annotations: Vec<Annotation<'a>>,
    pub(super) calls: Vec<Call<'a>>,
}

impl<'a> Said<'a> {
    pub(super) fn words(self) -> Words<'a> {
        let content = match self.content {
            None => Vec::new(),
            Some(TextOr::Text(text)) => non_empty(Some(text)).map(Word::Text).into_iter().collect(),
            Some(TextOr::Other(pieces)) => pieces.into_iter().flat_map(Piece::words).collect(),
        };
        Words {
            reasoning: non_empty(self.reasoning_content)
                .or_else(|| self.reasoning.and_then(Scalar::into_text)),
            thinking_blocks: self.thinking_blocks.unwrap_or_default(),
            content,
            refusal: non_empty(self.refusal),
            annotations: self.annotations.unwrap_or_default(),
            calls: self.tool_calls.unwrap_or_default(),
        }
    }
}

impl<'a> Piece<'a> {
    fn words(self) -> Vec<Word<'a>> {
        let mut words = Vec::with_capacity(1);
        match self.thinking {
            None => {}
            Some(TextOr::Text(text)) => words.extend(non_empty(Some(text)).map(Word::Thinking)),
            Some(TextOr::Other(thoughts)) => {
                words.extend(
                    thoughts.into_iter().filter_map(|thought| non_empty(thought.text)).map(Word::Thinking),
                );
            }
        }
        words.extend(non_empty(self.text).map(Word::Text));
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(json: &str) -> Vec<Word<'_>> {
        serde_json::from_str::<Said<'_>>(json).unwrap().words().content
    }

    #[test]
    fn content_in_each_of_its_forms() {
        assert_eq!(content(r#"{"content":null}"#), []);
        assert_eq!(content(r#"{"content":""}"#), []);
        assert_eq!(content(r#"{"content":"a"}"#), [Word::Text("a".into())]);
        assert_eq!(
            content(
                r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"h"}],"closed":true},{"type":"text","text":"a"},{"type":"reference","reference_ids":[1]}]}"#
            ),
            [Word::Thinking("h".into()), Word::Text("a".into())]
        );
    }
}
