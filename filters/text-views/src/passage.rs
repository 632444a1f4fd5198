//! Passages of reasoning: what one signature is over, in answers and streams.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use llm_dialects::Dialect;

use crate::json::Span;

/// Reasoning with one signature: a content block, an item, or the pieces up to the one that brings the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Passage {
    /// The message: choice or candidate.
    message: u32,
    /// Which of the lists that hold reasoning, each with signatures of its own.
    list: u32,
    number: u32,
}

impl Passage {
    /// That of block or item `number` of a message.
    pub(crate) fn of_block(message: u32, number: u32) -> Self {
        Self { message, list: 0, number }
    }
}

/// Numbers the passages of dialects in which only their signatures set them apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Passages(BTreeMap<(u32, u32), u32>);

impl Passages {
    /// The one that is being said.
    pub(crate) fn current(&self, message: u32, list: u32) -> Passage {
        Passage { message, list, number: self.0.get(&(message, list)).copied().unwrap_or(0) }
    }

    /// What follows is another one.
    pub(crate) fn end(&mut self, message: u32, list: u32) {
        let number = self.0.entry((message, list)).or_default();
        *number = number.saturating_add(1);
    }

    /// How many messages and lists have had a signature.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// A signature over a passage.
#[derive(Debug)]
pub(crate) struct Signature<'a> {
    pub(crate) span: Span,
    /// As clients of `dialect` get it.
    pub(crate) text: Cow<'a, str>,
    pub(crate) dialect: Dialect,
    pub(crate) passage: Passage,
}

impl Signature<'_> {
    pub(crate) fn into_owned(self) -> Signature<'static> {
        let Self { span, text, dialect, passage } = self;
        Signature { span, text: Cow::Owned(text.into_owned()), dialect, passage }
    }
}

/// The reasoning of one stream whose text has been changed, for signatures that come in later events. Places only, no
/// text.
#[derive(Debug, Clone, Default)]
pub struct ChangedReasoning(pub(crate) BTreeSet<Passage>);
