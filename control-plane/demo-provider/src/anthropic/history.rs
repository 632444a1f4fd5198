//! The `messages` of a request: what Anthropic checks, and what the reply is about.

use serde_json::Value;

use super::errors::{Rejection, Version};
use super::thinking::{Mode, sign};
use crate::json::{is_identifier, list, present, text};
use crate::reply::LastTurn;
use crate::tokens;

/// A checked conversation.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) user_text: String,
    pub(crate) images: usize,
    pub(crate) last: LastTurn,
    /// Demo tokens of all messages.
    pub(crate) tokens: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    User,
    Assistant,
    System,
}

/// A content block, with its path in the request.
struct Block<'a> {
    path: String,
    kind: Kind<'a>,
}

enum Kind<'a> {
    Text(&'a str),
    Image,
    /// Documents and other attachments.
    Attachment,
    ToolUse {
        id: &'a str,
        tokens: u64,
    },
    ToolResult {
        id: &'a str,
        text: String,
        attachments: u64,
    },
    Thinking,
    /// What the provider itself put into an earlier turn, such as a web search.
    Server,
}

/// Consecutive messages of one role: Anthropic treats them as one turn.
struct Turn<'a> {
    /// Place of the turn's first message.
    at: usize,
    role: Role,
    blocks: Vec<Block<'a>>,
}

/// Reads and checks `messages`.
pub(crate) fn read(body: &Value, thinking: Mode, version: Version) -> Result<History, Rejection> {
    let turns = turns(body, version)?;
    let mut history = History { user_text: String::new(), images: 0, last: LastTurn::Assistant, tokens: 0 };
    // Ids of the tool uses of the turn before.
    let mut open: Vec<&str> = Vec::new();
    let mut opened_at = 0;
    for turn in &turns {
        history.tokens += turn.blocks.iter().map(|block| block.kind.tokens()).sum::<u64>();
        match turn.role {
            // An instruction between turns: neither answers a tool use nor is it answered.
            Role::System => {}
            Role::User => {
                check_results(turn, &mut open, opened_at)?;
                read_user(turn, &mut history);
            }
            Role::Assistant => {
                unanswered(&open, opened_at)?;
                open = turn.blocks.iter().filter_map(|block| block.kind.tool_use()).collect();
                opened_at = turn.at;
                history.last = LastTurn::Assistant;
            }
        }
    }
    unanswered(&open, opened_at)?;
    if matches!(thinking, Mode::Enabled(_)) && history.last != LastTurn::User {
        starts_with_thinking(&turns)?;
    }
    Ok(history)
}

/// With a thinking budget, an assistant turn that is still going on (its tools have just run, or it is to be
/// continued) must start with its thinking.
fn starts_with_thinking(turns: &[Turn<'_>]) -> Result<(), Rejection> {
    let current = turns.iter().rfind(|turn| turn.role == Role::Assistant);
    match current.and_then(|turn| turn.blocks.first()) {
        Some(Block { kind: Kind::Thinking, .. }) | None => Ok(()),
        Some(block) => Err(Rejection::invalid(format!(
            "{}: while `thinking` is on, the final assistant message must start with its thinking block, \
             passed back unchanged",
            block.path
        ))),
    }
}

fn read_user(turn: &Turn<'_>, history: &mut History) {
    let mut results = Vec::new();
    let mut texts = Vec::new();
    history.images = 0;
    for block in &turn.blocks {
        match &block.kind {
            Kind::ToolResult { text, .. } => results.push(text.clone()),
            Kind::Text(text) => texts.push(*text),
            Kind::Image => history.images += 1,
            _ => {}
        }
    }
    if results.is_empty() {
        history.user_text = texts.join("\n");
        history.last = LastTurn::User;
    } else {
        history.last = LastTurn::ToolResults(results);
    }
}

/// Reads the messages and joins consecutive ones of the same role.
fn turns(body: &Value, version: Version) -> Result<Vec<Turn<'_>>, Rejection> {
    let messages = match body.get("messages") {
        None => return Err(Rejection::invalid("messages: this field is required")),
        Some(Value::Array(messages)) if !messages.is_empty() => messages,
        Some(_) => return Err(Rejection::invalid("messages: must be a list with at least one message")),
    };
    let mut turns: Vec<Turn<'_>> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let role = match text(message, "role") {
            Some("user") => Role::User,
            Some("assistant") => Role::Assistant,
            // The SDK's types allow later system messages; the first prompt has its own parameter.
            Some("system") if at > 0 => Role::System,
            Some("system") => {
                let problem =
                    "messages.0.role: the first message cannot be 'system'; use the `system` parameter";
                return Err(Rejection::invalid(problem));
            }
            _ => {
                let problem = format!("messages.{at}.role: must be 'user' or 'assistant'");
                return Err(Rejection::invalid(problem));
            }
        };
        let blocks = blocks(message, role, at, version)?;
        let may_be_empty = role == Role::Assistant && at + 1 == messages.len();
        if blocks.is_empty() && !may_be_empty {
            let problem = format!("messages.{at}: only the final assistant message may have empty content");
            return Err(Rejection::invalid(problem));
        }
        match turns.last_mut() {
            Some(turn) if turn.role == role => turn.blocks.extend(blocks),
            _ => turns.push(Turn { at, role, blocks }),
        }
    }
    Ok(turns)
}

fn blocks(message: &Value, role: Role, at: usize, version: Version) -> Result<Vec<Block<'_>>, Rejection> {
    match message.get("content") {
        Some(Value::String(text)) if text.is_empty() => Ok(Vec::new()),
        Some(Value::String(text)) => {
            Ok(vec![Block { path: format!("messages.{at}.content"), kind: Kind::Text(text) }])
        }
        Some(Value::Array(blocks)) => blocks
            .iter()
            .enumerate()
            .map(|(index, block)| {
                let path = format!("messages.{at}.content.{index}");
                if version == Version::Of2026 {
                    check_2026(block, role, &path)?;
                }
                let kind = kind(block, role, &path)?;
                Ok(Block { path, kind })
            })
            .collect(),
        Some(_) => {
            Err(Rejection::invalid(format!("messages.{at}.content: must be a string or a list of blocks")))
        }
        None => Err(Rejection::invalid(format!("messages.{at}.content: this field is required"))),
    }
}

/// What API version 2026-10-21 refuses and the one before took
/// (<https://platform.claude.com/docs/en/api/migration-2026-10-21>).
fn check_2026(block: &Value, role: Role, path: &str) -> Result<(), Rejection> {
    let refused =
        |problem: &str| Err(Rejection::invalid(format!("{path}.{problem} since API version 2026-10-21")));
    if role == Role::Assistant && text(block, "type") == Some("document") {
        return refused("type: a document cannot be in an assistant message");
    }
    let is_cited = |block: &Value| !list(block, "citations").is_empty();
    if role == Role::User && (is_cited(block) || list(block, "content").iter().any(is_cited)) {
        return refused("citations: not taken from users");
    }
    Ok(())
}

/// Reads one block, if its type is one that the role can send.
fn kind<'a>(block: &'a Value, role: Role, path: &str) -> Result<Kind<'a>, Rejection> {
    let refused = |problem: &str| Err(Rejection::invalid(format!("{path}{problem}")));
    let Some(name) = text(block, "type") else {
        return refused(".type: this field is required");
    };
    match (name, role) {
        ("text", _) => match text(block, "text") {
            Some("") => refused(".text: text blocks must not be empty"),
            Some(text) => Ok(Kind::Text(text)),
            None => refused(".text: this field is required"),
        },
        ("image", Role::User) => image(block, path),
        ("document", Role::User | Role::Assistant) => Ok(Kind::Attachment),
        ("search_result" | "container_upload", Role::User) => Ok(Kind::Attachment),
        ("tool_result", Role::User) => tool_result(block, path),
        ("tool_use", Role::Assistant) => tool_use(block, path),
        ("thinking", Role::Assistant) => match (text(block, "thinking"), text(block, "signature")) {
            (Some(thinking), Some(signature)) if signature == sign(thinking) => Ok(Kind::Thinking),
            (Some(_), Some(_)) => refused(
                ".signature: this is not the demo provider's signature of this thinking; pass thinking blocks back \
                 unchanged, and only to the provider they came from",
            ),
            _ => refused(": a thinking block needs `thinking` and `signature`"),
        },
        ("redacted_thinking", Role::Assistant) => Ok(Kind::Thinking),
        ("server_tool_use", Role::Assistant) => Ok(Kind::Server),
        (name, Role::Assistant) if name.ends_with("_tool_result") => Ok(Kind::Server),
        (name, _) => refused(&format!(".type: a message of this role cannot have a block of type '{name}'")),
    }
}

/// <https://docs.anthropic.com/en/docs/build-with-claude/vision>
fn image<'a>(block: &Value, path: &str) -> Result<Kind<'a>, Rejection> {
    let source = block.get("source").unwrap_or(&Value::Null);
    let has = |name: &str| text(source, name).is_some_and(|value| !value.is_empty());
    let valid = match text(source, "type") {
        Some("base64") => {
            has("data")
                && matches!(
                    text(source, "media_type"),
                    Some("image/jpeg" | "image/png" | "image/gif" | "image/webp")
                )
        }
        Some("url") => has("url"),
        Some("file") => has("file_id"),
        _ => false,
    };
    if valid {
        return Ok(Kind::Image);
    }
    Err(Rejection::invalid(format!(
        "{path}.source: must be base64 data of a JPEG, PNG, GIF or WebP image, a URL or a file id"
    )))
}

fn tool_use<'a>(block: &'a Value, path: &str) -> Result<Kind<'a>, Rejection> {
    let id = text(block, "id").unwrap_or_default();
    if !is_identifier(id, usize::MAX) {
        let problem = format!("{path}.tool_use.id: must be letters, digits, '_' and '-'");
        return Err(Rejection::invalid(problem));
    }
    let name = text(block, "name")
        .ok_or_else(|| Rejection::invalid(format!("{path}.tool_use.name: this field is required")))?;
    match block.get("input") {
        Some(input @ Value::Object(_)) => {
            Ok(Kind::ToolUse { id, tokens: tokens::count(name) + tokens::count(&input.to_string()) })
        }
        _ => Err(Rejection::invalid(format!("{path}.tool_use.input: must be an object"))),
    }
}

fn tool_result<'a>(block: &'a Value, path: &str) -> Result<Kind<'a>, Rejection> {
    let id = text(block, "tool_use_id").ok_or_else(|| {
        Rejection::invalid(format!("{path}.tool_result.tool_use_id: this field is required"))
    })?;
    let (text, attachments) = match present(block, "content") {
        None => (String::new(), 0),
        Some(Value::String(text)) => (text.clone(), 0),
        Some(Value::Array(parts)) => {
            let texts: Vec<&str> = parts
                .iter()
                .filter(|part| text(part, "type") == Some("text"))
                .filter_map(|part| text(part, "text"))
                .collect();
            (texts.join("\n"), (parts.len() - texts.len()) as u64)
        }
        Some(_) => {
            let problem = format!("{path}.tool_result.content: must be a string or a list of blocks");
            return Err(Rejection::invalid(problem));
        }
    };
    Ok(Kind::ToolResult { id, text, attachments })
}

/// Every tool use of the turn before needs its result at the start of this one, and nothing else may have one.
fn check_results(turn: &Turn<'_>, open: &mut Vec<&str>, opened_at: usize) -> Result<(), Rejection> {
    let mut in_results = true;
    for block in &turn.blocks {
        let Kind::ToolResult { id, .. } = &block.kind else {
            in_results = false;
            continue;
        };
        let place = open.iter().position(|open| open == id);
        match place {
            Some(place) if in_results => {
                open.remove(place);
            }
            Some(_) => {
                return Err(Rejection::invalid(format!(
                    "{}: `tool_result` blocks must come before any other content of the message",
                    block.path
                )));
            }
            None => {
                return Err(Rejection::invalid(format!(
                    "{}: `tool_result` with the id {id} has no `tool_use` in the message before it",
                    block.path
                )));
            }
        }
    }
    unanswered(open, opened_at)
}

fn unanswered(open: &[&str], opened_at: usize) -> Result<(), Rejection> {
    if open.is_empty() {
        return Ok(());
    }
    Err(Rejection::invalid(format!(
        "messages.{opened_at}: these `tool_use` ids have no `tool_result` block in the next message: {}",
        open.join(", ")
    )))
}

impl<'a> Kind<'a> {
    fn tool_use(&self) -> Option<&'a str> {
        match self {
            Self::ToolUse { id, .. } => Some(id),
            _ => None,
        }
    }

    fn tokens(&self) -> u64 {
        match self {
            Self::Text(text) => tokens::count(text),
            Self::Image | Self::Attachment => 1,
            Self::ToolUse { tokens, .. } => *tokens,
            Self::ToolResult { text, attachments, .. } => tokens::count(text) + attachments,
            // Anthropic does not charge for the thinking of earlier turns.
            Self::Thinking | Self::Server => 0,
        }
    }
}
