//! The `messages` of a chat completion request: what OpenAI checks, and what the reply is about.

use serde_json::Value;

use super::errors::Rejection;
use crate::json::{list, present, text};
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

/// Text and number of attachments of one message.
#[derive(Default)]
struct Content {
    text: String,
    images: usize,
    other_attachments: usize,
}

/// Reads and checks `messages`.
pub(crate) fn read(body: &Value) -> Result<History, Rejection> {
    let messages = match present(body, "messages") {
        None => return Err(Rejection::missing("messages")),
        Some(Value::Array(messages)) if !messages.is_empty() => messages,
        Some(_) => {
            let message = "'messages' must be a list with at least one message.";
            return Err(Rejection::invalid("messages", message));
        }
    };
    let mut history = History { user_text: String::new(), images: 0, last: LastTurn::Assistant, tokens: 0 };
    // Calls of the last assistant message that have no result yet.
    let mut open_calls: Vec<&str> = Vec::new();
    let mut results: Option<Vec<String>> = None;
    for (at, message) in messages.iter().enumerate() {
        let param = |rest: &str| format!("messages[{at}]{rest}");
        let role = text(message, "role").ok_or_else(|| Rejection::missing(&param(".role")))?;
        if role != "tool" {
            answered(&open_calls, at)?;
            results = None;
        }
        let calls = list(message, "tool_calls");
        let content = match present(message, "content") {
            Some(content) => read_content(content, role, at)?,
            None if role == "assistant" && !(calls.is_empty() && present(message, "refusal").is_none()) => {
                Content::default()
            }
            None => {
                let problem = format!("A message of role '{role}' needs content.");
                return Err(Rejection::invalid(param(".content"), problem));
            }
        };
        history.tokens += tokens::count(&content.text) + (content.images + content.other_attachments) as u64;
        match role {
            "system" | "developer" => {}
            "user" => {
                history.user_text = content.text;
                history.images = content.images;
            }
            "assistant" => {
                for (index, call) in calls.iter().enumerate() {
                    let path = format!("{}.tool_calls[{index}]", param(""));
                    let id = text(call, "id").ok_or_else(|| Rejection::missing(&format!("{path}.id")))?;
                    let function = call.get("function").unwrap_or(&Value::Null);
                    let Some((name, arguments)) = text(function, "name").zip(text(function, "arguments"))
                    else {
                        let problem =
                            "A tool call needs a function with a name, and its arguments as a string.";
                        return Err(Rejection::invalid(format!("{path}.function"), problem));
                    };
                    history.tokens += tokens::count(name) + tokens::count(arguments);
                    open_calls.push(id);
                }
            }
            "tool" => {
                let id = text(message, "tool_call_id")
                    .ok_or_else(|| Rejection::missing(&param(".tool_call_id")))?;
                let Some(place) = open_calls.iter().position(|open| *open == id) else {
                    let problem = format!(
                        "A message of role 'tool' must answer a call of the assistant message before it, \
                         and there is no open call '{id}'."
                    );
                    return Err(Rejection::invalid(param(".role"), problem));
                };
                open_calls.remove(place);
                results.get_or_insert_default().push(content.text);
            }
            other => {
                let problem = format!("Unknown role '{other}'.");
                return Err(Rejection::invalid(param(".role"), problem).with_code("invalid_value"));
            }
        }
        history.last = match role {
            "user" => LastTurn::User,
            "assistant" => LastTurn::Assistant,
            _ => history.last,
        };
    }
    answered(&open_calls, messages.len())?;
    if let Some(results) = results {
        history.last = LastTurn::ToolResults(results);
        history.images = 0;
    }
    Ok(history)
}

/// OpenAI refuses a conversation that goes on (at message `at`) before every tool call has its result.
fn answered(open_calls: &[&str], at: usize) -> Result<(), Rejection> {
    if open_calls.is_empty() {
        return Ok(());
    }
    let problem = format!(
        "An assistant message with 'tool_calls' must be followed by a tool message for each call; \
         without a result: {}.",
        open_calls.join(", ")
    );
    Err(Rejection::invalid(format!("messages[{at}].role"), problem))
}

fn read_content(content: &Value, role: &str, at: usize) -> Result<Content, Rejection> {
    let mut read = Content::default();
    let parts = match content {
        Value::String(text) => {
            read.text.push_str(text);
            return Ok(read);
        }
        Value::Array(parts) => parts,
        _ => {
            let problem = "The content must be a string or a list of parts.";
            return Err(
                Rejection::invalid(format!("messages[{at}].content"), problem).with_code("invalid_type")
            );
        }
    };
    for (index, part) in parts.iter().enumerate() {
        let param = format!("messages[{at}].content[{index}]");
        let kind = text(part, "type").unwrap_or_default();
        match (kind, role) {
            ("text", _) | ("refusal", "assistant") => {
                let Some(text) = text(part, kind) else {
                    return Err(Rejection::missing(&format!("{param}.{kind}")));
                };
                if !read.text.is_empty() {
                    read.text.push('\n');
                }
                read.text.push_str(text);
            }
            ("image_url", "user") => {
                let url = part.get("image_url").and_then(|image| text(image, "url"));
                if !url.is_some_and(|url| url.starts_with("data:image/") || url.starts_with("http")) {
                    let problem =
                        "An image needs an http(s) URL or a data URL of an image in 'image_url.url'.";
                    return Err(Rejection::invalid(format!("{param}.image_url.url"), problem)
                        .with_code("invalid_image_url"));
                }
                read.images += 1;
            }
            ("input_audio" | "file", "user") => read.other_attachments += 1,
            (other, role) => {
                let problem =
                    format!("A message of role '{role}' cannot have a content part of type '{other}'.");
                return Err(Rejection::invalid(format!("{param}.type"), problem).with_code("invalid_value"));
            }
        }
    }
    Ok(read)
}
