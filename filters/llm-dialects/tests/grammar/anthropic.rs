//! Streams of Anthropic.

use serde_json::Value;

use super::events;

/// What a stream said.
#[derive(Debug, Default, PartialEq)]
pub struct Message {
    /// The blocks, in order.
    pub blocks: Vec<Block>,
    /// The names of the tools that are used, in the order of their blocks.
    pub tools: Vec<String>,
    /// The stop reason; `None` when the stream ended in an error.
    pub stop_reason: Option<String>,
    /// The usage of `message_delta`.
    pub usage: Value,
    /// The type of the error that ended the stream.
    pub error: Option<String>,
}

/// One block with its deltas put together.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Its type.
    pub kind: String,
    /// The tool use's id.
    pub id: String,
    /// Text, thinking, data or arguments.
    pub text: String,
    /// The signature of thinking.
    pub signature: String,
}

#[derive(PartialEq)]
enum Phase {
    Start,
    Blocks,
    Open,
    Delta,
    Done,
}

/// Reads a whole stream.
///
/// # Errors
/// The first breach of the grammar: `message_start`, blocks one at a time with indices from 0, one
/// `message_delta`, one `message_stop`; or anything and then `error`. Pings may be anywhere before the end. Every
/// event's name is its type.
pub fn read(stream: &[u8]) -> Result<Message, String> {
    let mut phase = Phase::Start;
    let mut message = Message::default();
    for (name, event) in events(stream)? {
        let breach = |what: &str| Err(format!("{what}: {event}"));
        if event["type"] != name.as_str() {
            return breach("the event's name is not its type");
        }
        if phase == Phase::Done {
            return breach("an event after the end");
        }
        match name.as_str() {
            "ping" => {}
            "error" => {
                if !event["error"]["message"].is_string() {
                    return breach("an error without a message");
                }
                message.error = Some(text(&event["error"]["type"])?);
                phase = Phase::Done;
            }
            "message_start" if phase == Phase::Start => {
                let start = &event["message"];
                let complete = start["id"].as_str().is_some_and(|id| id.starts_with("msg_"))
                    && start["type"] == "message"
                    && start["role"] == "assistant"
                    && start["model"].is_string()
                    && start["content"].as_array().is_some_and(Vec::is_empty)
                    && start["stop_reason"].is_null()
                    && start["usage"]["input_tokens"].is_u64()
                    && start["usage"]["output_tokens"].is_u64();
                if !complete {
                    return breach("an incomplete message_start");
                }
                phase = Phase::Blocks;
            }
            "content_block_start" if phase == Phase::Blocks => {
                if event["index"].as_u64() != Some(message.blocks.len() as u64) {
                    return breach("an index out of order");
                }
                message.blocks.push(start_block(&event["content_block"])?);
                message.tools.extend(event["content_block"]["name"].as_str().map(str::to_owned));
                phase = Phase::Open;
            }
            "content_block_delta" if phase == Phase::Open => {
                if event["index"].as_u64() != Some(message.blocks.len() as u64 - 1) {
                    return breach("a delta of another block");
                }
                add(message.blocks.last_mut().unwrap(), &event["delta"])?;
            }
            "content_block_stop" if phase == Phase::Open => {
                if event["index"].as_u64() != Some(message.blocks.len() as u64 - 1) {
                    return breach("the end of another block");
                }
                phase = Phase::Blocks;
            }
            "message_delta" if phase == Phase::Blocks => {
                message.stop_reason = Some(text(&event["delta"]["stop_reason"])?);
                for count in ["input_tokens", "output_tokens"] {
                    if !event["usage"][count].is_u64() {
                        return breach("usage without counts");
                    }
                }
                message.usage = event["usage"].clone();
                phase = Phase::Delta;
            }
            "message_stop" if phase == Phase::Delta => phase = Phase::Done,
            _ => return breach("an event out of order"),
        }
    }
    if phase == Phase::Done { Ok(message) } else { Err("the stream does not end".to_owned()) }
}

fn start_block(block: &Value) -> Result<Block, String> {
    let kind = text(&block["type"])?;
    let mut started = Block { kind, id: String::new(), text: String::new(), signature: String::new() };
    match started.kind.as_str() {
        "text" if block["text"] == "" => {}
        "thinking" if block["thinking"] == "" && block["signature"] == "" => {}
        "redacted_thinking" => started.text = text(&block["data"])?,
        "tool_use"
            if block["name"].is_string() && block["input"] == Value::Object(serde_json::Map::new()) =>
        {
            started.id = text(&block["id"])?;
        }
        _ => return Err(format!("a wrong block: {block}")),
    }
    Ok(started)
}

fn add(block: &mut Block, delta: &Value) -> Result<(), String> {
    match (block.kind.as_str(), delta["type"].as_str().unwrap_or_default()) {
        ("text", "citations_delta")
            if delta["citation"]["type"].is_string() && delta["citation"]["cited_text"].is_string() => {}
        ("text", "text_delta") => block.text += &text(&delta["text"])?,
        ("thinking", "thinking_delta") => block.text += &text(&delta["thinking"])?,
        // Clients replace the signature.
        ("thinking", "signature_delta") => block.signature = text(&delta["signature"])?,
        ("tool_use", "input_json_delta") => block.text += &text(&delta["partial_json"])?,
        _ => return Err(format!("a delta that does not fit a {} block: {delta}", block.kind)),
    }
    Ok(())
}

fn text(value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("not a string: {value}"))
}
