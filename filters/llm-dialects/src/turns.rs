//! What Anthropic, Bedrock and Gemini have in common that take a conversation in a shape of their own: where its pieces
//! are, what belongs to whose turn, and instructions in the middle.

use crate::Error;
use crate::hub::{CacheMark, Part, Role, Turn};

/// Where a piece of the conversation is. Turns are counted without leading system messages.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    turn: usize,
    content: usize,
    nested: Option<usize>,
}

impl Place {
    /// A piece of a turn.
    pub(crate) fn new(turn: usize, content: usize) -> Self {
        Self { turn, content, nested: None }
    }

    /// A piece of the tool result that is here.
    pub(crate) fn inside(self, piece: usize) -> Self {
        Self { nested: Some(piece), ..self }
    }

    /// Its JSON path.
    fn path(self) -> String {
        let Self { turn, content, nested } = self;
        match nested {
            None => format!("messages[{turn}].content[{content}]"),
            Some(nested) => format!("messages[{turn}].content[{content}].content[{nested}]"),
        }
    }

    /// The client may not send this here.
    pub(crate) fn client(self, message: &str) -> Error {
        Error::client(self.path(), message)
    }

    /// The provider does not take this.
    pub(crate) fn unsupported(self, message: impl Into<String>) -> Error {
        Error::unsupported(self.path(), message)
    }

    /// The result of a tool in an assistant's turn.
    pub(crate) fn result_from_assistant(self) -> Error {
        self.client("is the result of a tool, which an assistant message cannot hold")
    }

    /// What only an assistant says in another's turn.
    pub(crate) fn not_from_assistant(self) -> Error {
        self.client("can only be in an assistant message")
    }

    /// Content of a type that `provider` does not know.
    pub(crate) fn foreign(self, provider: &str, kind: &str) -> Error {
        self.unsupported(format!("{provider} has no content of type `{kind}`: remove it"))
    }
}

/// The texts of turns with the system role, which come after the request's own instructions, with their cache marks.
///
/// # Errors
/// [`Error::Unsupported`] for other content, which `provider` takes nowhere among its instructions.
pub(crate) fn later_instructions<'a>(
    turns: &'a [Turn<'a>],
    provider: &str,
) -> Result<Vec<(&'a str, Option<&'a CacheMark<'a>>)>, Error> {
    let mut texts = Vec::new();
    for (i, turn) in turns.iter().enumerate().filter(|(_, turn)| turn.role == Role::System) {
        for (j, content) in turn.content.iter().enumerate() {
            let Part::Text(text) = &content.part else {
                return Err(Place::new(i, j).unsupported(format!(
                    "{provider} takes text only as instructions: move this content to a user message"
                )));
            };
            texts.push((text.as_ref(), content.cache.as_ref()));
        }
    }
    Ok(texts)
}
