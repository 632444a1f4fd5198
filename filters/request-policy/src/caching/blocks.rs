//! Content blocks and where among them a mark can stand.

use std::borrow::Cow;

use llm_dialects::edit::{Array, Object, Text};

/// Anthropic's mark: the value of `cache_control`.
pub(super) const CACHE_CONTROL: &str = "{\"type\":\"ephemeral\"}";

/// Bedrock's mark: a block of its own.
pub(super) const CACHE_POINT: &str = "{\"cachePoint\":{\"type\":\"default\"}}";

/// Whose marks are placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Anthropic,
    Bedrock,
}

/// The content of a message or a system prompt.
pub(super) enum Blocks<'a> {
    /// Anthropic's short form: a text, as JSON writes it.
    Text(&'a str),
    List(Style, Array<'a>),
}

impl<'a> Blocks<'a> {
    /// The blocks of `content`, `None` when it has another form.
    pub(super) fn parse(style: Style, content: &'a str) -> Option<Self> {
        if style == Style::Anthropic && content.starts_with('"') {
            return Some(Self::Text(content));
        }
        Array::parse(content).ok().map(|list| Self::List(style, list))
    }

    /// How many words all texts have.
    pub(super) fn words(&self) -> u64 {
        let words = |literal: &str| {
            let text: String = serde_json::from_str(literal).unwrap_or_default();
            u64::try_from(text.split_whitespace().count()).unwrap_or(u64::MAX)
        };
        match self {
            Self::Text(literal) => words(literal),
            Self::List(_, list) => list
                .elements()
                .iter()
                .filter_map(|block| Some(words(&Object::parse_str(block).ok()?.get("text")?.to_str())))
                .sum(),
        }
    }

    /// The content with a mark behind its last block that can carry one. `None` when there is no such block, or a mark
    /// stands there or behind it.
    pub(super) fn mark(self) -> Option<Text<'a>> {
        let (style, mut list) = match self {
            Self::Text(literal) => {
                let pieces =
                    ["[{\"type\":\"text\",\"text\":", literal, ",\"cache_control\":", CACHE_CONTROL, "}]"];
                return (!is_blank(literal)).then(|| Text::joined(pieces.map(Cow::Borrowed)));
            }
            Self::List(style, list) => (style, list),
        };
        for (index, block) in list.elements().to_vec().into_iter().enumerate().rev() {
            let mut block = Object::parse_str(block).ok()?;
            if has_mark(&block) {
                return None;
            }
            if !can_carry(style, &block) {
                continue;
            }
            match style {
                Style::Anthropic => {
                    block.set("cache_control", Text::verbatim(CACHE_CONTROL));
                    list.set(index, block.into_text());
                }
                Style::Bedrock => list.insert(index + 1, Text::verbatim(CACHE_POINT)),
            }
            return Some(list.into_text());
        }
        None
    }
}

/// Whether a block or tool is marked, or is a mark.
pub(super) fn has_mark(block: &Object<'_>) -> bool {
    let set = |key| block.get(key).is_some_and(|mark| mark.to_str() != "null");
    set("cache_control") || set("cachePoint")
}

/// Whether a mark can stand on or behind a block: not on thinking, not on empty text.
fn can_carry(style: Style, block: &Object<'_>) -> bool {
    let thinks = match style {
        Style::Anthropic => block.get("type").is_none_or(|kind| {
            // Names are plain ASCII; one written with escapes is not recognised, so it is not marked either.
            let kind = kind.to_str();
            kind.contains("thinking") || kind.contains('\\')
        }),
        Style::Bedrock => block.has("reasoningContent"),
    };
    !thinks && !block.get("text").is_some_and(|text| is_blank(&text.to_str()))
}

/// Whether a JSON string holds nothing but white space. What is no string counts as blank.
fn is_blank(literal: &str) -> bool {
    serde_json::from_str::<String>(literal).map_or(true, |text| text.trim().is_empty())
}
