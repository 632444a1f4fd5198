//! Conversations: turns, and the pieces they are made of.

use std::borrow::Cow;

use super::RawJson;

/// A prompt-cache breakpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheMark<'a> {
    /// Time to live as the provider writes it (`5m`, `1h`); `None` is the provider's default.
    pub ttl: Option<Cow<'a, str>>,
}

/// Who speaks in a turn. Instructions in the middle of a conversation keep their place as
/// [`Role::System`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A system or developer message that comes after the first turn.
    System,
    /// The user; also carries tool results.
    User,
    /// The model.
    Assistant,
}

/// One turn of the conversation.
#[derive(Debug, Clone)]
pub struct Turn<'a> {
    /// Who speaks.
    pub role: Role,
    /// Participant name (OpenAI `name`).
    pub name: Option<Cow<'a, str>>,
    /// What is said.
    pub content: Vec<Content<'a>>,
}

/// A piece of a turn, with its prompt-cache mark.
#[derive(Debug, Clone)]
pub struct Content<'a> {
    /// The piece.
    pub part: Part<'a>,
    /// A prompt-cache mark behind this piece.
    pub cache: Option<CacheMark<'a>>,
}

impl<'a> From<Part<'a>> for Content<'a> {
    fn from(part: Part<'a>) -> Self {
        Self { part, cache: None }
    }
}

/// What a piece of a turn is.
#[derive(Debug, Clone)]
pub enum Part<'a> {
    /// Plain text.
    Text(Cow<'a, str>),
    /// A refusal by the model (OpenAI `refusal`).
    Refusal(Cow<'a, str>),
    /// An image; `detail` is OpenAI's `low|high|auto`.
    Image {
        /// Where the image is.
        source: Source<'a>,
        /// OpenAI's resolution hint.
        detail: Option<Cow<'a, str>>,
    },
    /// A document such as a PDF.
    Document {
        /// Where the document is.
        source: Source<'a>,
        /// File name or title.
        name: Option<Cow<'a, str>>,
    },
    /// Audio input.
    Audio {
        /// Base64 data.
        data: Cow<'a, str>,
        /// `wav`, `mp3`.
        format: Cow<'a, str>,
    },
    /// Reasoning with the provider's signature over it; replayed only to the dialect that signed it.
    Thinking {
        /// The reasoning text (may be empty when the provider withholds it).
        text: Cow<'a, str>,
        /// The provider's signature, marked with who signed (see [`crate::signature`]); `None` when the source
        /// dialect has none.
        signature: Option<Cow<'a, str>>,
    },
    /// Reasoning the provider encrypted; opaque. Only Anthropic's models make it.
    RedactedThinking(Cow<'a, str>),
    /// Where the text part before it is taken from. Answers only; requests drop citations.
    Citation(Citation<'a>),
    /// The model calls a tool.
    ToolCall(ToolCall<'a>),
    /// The answer of a tool.
    ToolResult(ToolResult<'a>),
    /// A block only the source dialect knows, verbatim; `kind` is its `type`. Encoders of other dialects
    /// refuse or drop it by their listed rules.
    Foreign {
        /// The block's `type`.
        kind: Cow<'a, str>,
        /// The block.
        json: RawJson<'a>,
    },
}

/// Where binary content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source<'a> {
    /// A URL of any scheme but `data:`.
    Url(Cow<'a, str>),
    /// Base64 bytes with their media type.
    Base64 {
        /// Such as `image/png`.
        media_type: Cow<'a, str>,
        /// The base64 text, not decoded.
        data: Cow<'a, str>,
    },
    /// Plain text content (documents).
    Text(Cow<'a, str>),
    /// The id of a file uploaded to the provider.
    File(Cow<'a, str>),
}

/// A tool call by the model.
#[derive(Debug, Clone)]
pub struct ToolCall<'a> {
    /// The call's id, which results refer to.
    pub id: Cow<'a, str>,
    /// The tool's name.
    pub name: Cow<'a, str>,
    /// The arguments.
    pub arguments: Arguments<'a>,
    /// The provider's signature over the call, marked with who signed (see [`crate::signature`]). Gemini signs
    /// calls; dialects without a field for it carry it inside the id (`tool_ids`).
    pub signature: Option<Cow<'a, str>>,
}

/// A source the model cites.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Citation<'a> {
    /// Address of the source, where it has one.
    pub url: Option<Cow<'a, str>>,
    /// Title of the source.
    pub title: Option<Cow<'a, str>>,
    /// The words of the source that are cited.
    pub cited_text: Option<Cow<'a, str>>,
    /// Where in the answer's text part the citation applies, in characters: start (inclusive), end (exclusive).
    pub range: Option<(u64, u64)>,
    /// Which document of the request is cited, counted from 0.
    pub document: Option<u64>,
}

impl Citation<'_> {
    /// The citation with text of its own, to be kept longer than the event it came in.
    pub fn owned(&self) -> Citation<'static> {
        let own = |text: &Option<Cow<'_, str>>| text.as_deref().map(|text| Cow::Owned(text.to_owned()));
        Citation {
            url: own(&self.url),
            title: own(&self.title),
            cited_text: own(&self.cited_text),
            range: self.range,
            document: self.document,
        }
    }
}

/// Arguments of a tool call. OpenAI carries them as a string which the model may have got wrong, so
/// they are not always JSON.
#[derive(Debug, Clone)]
pub enum Arguments<'a> {
    /// A JSON object.
    Json(RawJson<'a>),
    /// Text that is not a JSON object: what the model really wrote.
    Invalid(Cow<'a, str>),
}

/// The answer of a tool.
#[derive(Debug, Clone)]
pub struct ToolResult<'a> {
    /// Id of the call answered.
    pub call_id: Cow<'a, str>,
    /// Text, images and documents; may be empty.
    pub content: Vec<Content<'a>>,
    /// The tool failed.
    pub is_error: bool,
}
