//! What is said where: the texts of a body.

use std::borrow::Cow;

use filter_config::Scope;

/// A text in a request, an answer or a stream event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot<'a> {
    /// Which part of the conversation it is, as guards name them.
    pub scope: Scope,
    /// Who says it.
    pub role: Role,
    /// The message it belongs to, counted from 0: in requests in the order of the conversation, a system prompt that
    /// stands apart being a message of its own before the others; in answers the choice or candidate. The slots of a
    /// message, in order, make up its content.
    pub message: u32,
    /// The text it is a part of.
    pub thread: Thread,
    /// The content block or part it stands in, within its message. Deltas and snapshots of one block have the same.
    pub block: u32,
    /// How the text is written.
    pub form: Form,
    /// In stream events: it repeats text that came in earlier events of the same block. Joining the texts of a thread
    /// leaves it out. It is as visible as the first, so what was masked there must be masked here.
    pub snapshot: bool,
    /// The text, escapes undone; for [`Form::JsonValue`] the JSON as it is written.
    pub text: Cow<'a, str>,
}

impl Slot<'_> {
    pub(crate) fn into_owned(self) -> Slot<'static> {
        let Self { scope, role, message, thread, block, form, snapshot, text } = self;
        Slot { scope, role, message, thread, block, form, snapshot, text: Cow::Owned(text.into_owned()) }
    }
}

/// Who says a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// System and developer messages.
    System,
    /// Users.
    User,
    /// Models.
    Assistant,
    /// Tools.
    Tool,
}

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// Plain text.
    Text,
    /// A string that holds JSON, or a piece of JSON in streams: the arguments of a tool call. It may be broken JSON.
    JsonText,
    /// A JSON value that stands in the body itself: the arguments or the result of a tool call.
    JsonValue,
}

/// Names one text of a body or stream. Slots of equal thread are its pieces, in order, and what is looked for may
/// begin in one and end in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thread {
    /// The message, as in [`Slot::message`].
    pub message: u32,
    /// Which of its texts.
    pub kind: ThreadKind,
    /// Which one of several of that kind, such as a tool call. The numbers mean nothing but equality.
    pub part: u32,
}

/// Kinds of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ThreadKind {
    /// What is said: all text blocks of a message, or of an answer, whatever stands between them. SDKs and clients of
    /// other dialects join them to one text.
    Text,
    /// A refusal that has a field of its own.
    Refusal,
    /// What the model thinks: all of a message or answer. Where a body has it in several fields at once
    /// (`reasoning_content` and `thinking_blocks`), each of them is a thread.
    Reasoning,
    /// The words of spoken audio.
    Transcript,
    /// The arguments of one tool call.
    ToolInput,
    /// The result of one tool call.
    ToolOutput,
    /// One document, search result or input to embed.
    Document,
    /// What one block of unknown kind says.
    Other,
}

impl ThreadKind {
    /// The one that is first in order.
    pub(crate) const FIRST: Self = Self::Text;

    /// Whether blocks of a message are joined to one thread.
    pub(crate) fn is_joined(self) -> bool {
        matches!(self, Self::Text | Self::Refusal | Self::Reasoning | Self::Transcript)
    }
}

/// What the slots of some values have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    pub(crate) scope: Scope,
    pub(crate) role: Role,
    pub(crate) thread: Thread,
    pub(crate) block: u32,
    pub(crate) snapshot: bool,
}

impl At {
    /// What somebody says in a message.
    pub(crate) fn says(role: Role, message: u32) -> Self {
        let scope = match role {
            Role::System => Scope::SystemPrompt,
            Role::User | Role::Assistant => Scope::Messages,
            Role::Tool => Scope::ToolOutput,
        };
        let kind = if role == Role::Tool { ThreadKind::ToolOutput } else { ThreadKind::Text };
        let thread = Thread { message, kind, part: 0 };
        Self { scope, role, thread, block: 0, snapshot: false }
    }

    /// The same message, another of its texts.
    pub(crate) fn thread(self, kind: ThreadKind, part: u32) -> Self {
        Self { thread: Thread { kind, part, ..self.thread }, ..self }
    }

    pub(crate) fn block(self, block: u32) -> Self {
        Self { block, ..self }
    }

    pub(crate) fn snapshot(self, snapshot: bool) -> Self {
        Self { snapshot, ..self }
    }

    /// What the model thinks in this message.
    pub(crate) fn thinks(self, part: u32) -> Self {
        Self { scope: Scope::Reasoning, role: Role::Assistant, ..self.thread(ThreadKind::Reasoning, part) }
    }

    /// The arguments of a call in this message.
    pub(crate) fn calls(self, part: u32) -> Self {
        Self { scope: Scope::ToolInput, role: Role::Assistant, ..self.thread(ThreadKind::ToolInput, part) }
    }

    /// The result of a call in this message.
    pub(crate) fn returns(self, part: u32) -> Self {
        Self { scope: Scope::ToolOutput, role: Role::Tool, ..self.thread(ThreadKind::ToolOutput, part) }
    }

    /// A document in this message: of a tool's result it is a part.
    pub(crate) fn document(self, part: u32) -> Self {
        if self.thread.kind == ThreadKind::ToolOutput {
            self
        } else {
            self.thread(ThreadKind::Document, part)
        }
    }

    /// A block of unknown kind in this message.
    pub(crate) fn other(self, part: u32) -> Self {
        if self.thread.kind == ThreadKind::ToolOutput { self } else { self.thread(ThreadKind::Other, part) }
    }
}
