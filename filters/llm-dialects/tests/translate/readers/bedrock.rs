//! Bedrock Converse.

use std::collections::{BTreeMap, BTreeSet};

use framing::aws_event_stream::{Decoder, Limits};
use serde_json::{Value, json};

use super::{Checked, Said, arguments, ensure, list, number, text};

const BLOCKS: [&str; 9] = [
    "text",
    "image",
    "document",
    "audio",
    "toolUse",
    "toolResult",
    "reasoningContent",
    "citationsContent",
    "cachePoint",
];

/// The only member of a union.
fn member<'a>(union: &'a Value, of: &[&str]) -> Result<(&'a str, &'a Value), String> {
    let mut members = union.as_object().into_iter().flatten();
    match (members.next(), members.next()) {
        (Some((name, value)), None) if of.contains(&name.as_str()) => Ok((name, value)),
        _ => Err(format!("not one known member: {union}")),
    }
}

fn id_fits(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

pub(super) fn request(body: &Value) -> Checked {
    let messages = list(&body["messages"]);
    ensure(!messages.is_empty() && messages[0]["role"] == "user", "the user does not begin", body)?;
    let mut calls: BTreeSet<&str> = BTreeSet::new();
    let mut called = false;
    let mut last = "";
    for message in messages {
        let role = text(&message["role"]);
        ensure(matches!(role, "user" | "assistant") && role != last, "roles that do not alternate", message)?;
        last = role;
        let blocks = list(&message["content"]);
        ensure(!blocks.is_empty(), "an empty message", message)?;
        let mut results = BTreeSet::new();
        let (mut speaks, mut shows) = (false, false);
        let mut next = BTreeSet::new();
        for block in blocks {
            let (kind, inner) = member(block, &BLOCKS)?;
            match kind {
                "text" => {
                    ensure(!text(inner).trim().is_empty(), "blank text", block)?;
                    speaks = true;
                }
                "document" => {
                    ensure(!text(&inner["name"]).is_empty(), "a document without name", block)?;
                    shows = true;
                }
                "toolUse" => {
                    ensure(role == "assistant" && inner["input"].is_object(), "a broken call", block)?;
                    ensure(id_fits(text(&inner["toolUseId"])), "an id out of its alphabet", block)?;
                    called = true;
                    next.insert(text(&inner["toolUseId"]));
                }
                "toolResult" => {
                    let id = text(&inner["toolUseId"]);
                    ensure(role == "user" && calls.contains(id), "a result of no call before", block)?;
                    ensure(results.insert(id), "a result twice", block)?;
                    ensure(inner["content"].is_array(), "a result without content", block)?;
                    for piece in list(&inner["content"]) {
                        member(piece, &["text", "image", "document", "json"])?;
                        ensure(piece.get("text").is_none_or(|said| !text(said).is_empty()), "empty", piece)?;
                    }
                }
                "reasoningContent" => {
                    ensure(role == "assistant", "thinking of the user", block)?;
                    let (kind, inner) = member(inner, &["reasoningText", "redactedContent"])?;
                    let signed = kind == "redactedContent" || !text(&inner["signature"]).is_empty();
                    ensure(signed, "unsigned thinking", block)?;
                }
                _ => {}
            }
        }
        ensure(!shows || speaks || role == "assistant", "a document without text", message)?;
        if role == "user" {
            ensure(results == calls, "calls without results", message)?;
        }
        calls = next;
    }
    ensure(calls.is_empty(), "calls without results at the end", body)?;
    let tools = list(&body["toolConfig"]["tools"]);
    ensure(!called || !tools.is_empty(), "calls, but no tools", body)?;
    for tool in tools {
        let (kind, spec) = member(tool, &["toolSpec", "systemTool", "cachePoint"])?;
        let whole = !text(&spec["name"]).is_empty() && spec["inputSchema"]["json"]["type"] == "object";
        ensure(kind != "toolSpec" || whole, "an incomplete tool", tool)?;
    }
    ensure(body.to_string().matches("\"cachePoint\"").count() <= 4, "too many cache marks", body)?;
    let inference = &body["inferenceConfig"];
    ensure(inference["temperature"].as_f64().unwrap_or(0.0) <= 1.0, "too hot", inference)?;
    let thinking = &body["additionalModelRequestFields"]["thinking"];
    if thinking["type"] == "enabled" {
        let limit = number(&inference["maxTokens"]);
        ensure((1024..limit).contains(&number(&thinking["budget_tokens"])), "a budget out of bounds", body)?;
        ensure(inference.get("temperature").is_none(), "a temperature beside thinking", body)?;
    }
    Ok(())
}

const STOP_REASONS: [&str; 7] = [
    "end_turn",
    "tool_use",
    "max_tokens",
    "stop_sequence",
    "guardrail_intervened",
    "content_filtered",
    "model_context_window_exceeded",
];

fn usage(usage: &Value) -> Result<(u64, u64), String> {
    let count = |name: &str| number(&usage[name]);
    let cached = count("cacheReadInputTokens").saturating_add(count("cacheWriteInputTokens"));
    let input = count("inputTokens").saturating_add(cached);
    let output = count("outputTokens");
    ensure(usage["totalTokens"] == input.saturating_add(output), "usage that does not add up", usage)?;
    Ok((input, output))
}

pub(super) fn response(body: &Value) -> Result<Said, String> {
    ensure(STOP_REASONS.contains(&text(&body["stopReason"])), "an unknown stop reason", body)?;
    ensure(body["metrics"]["latencyMs"].is_u64(), "no metrics", body)?;
    let message = &body["output"]["message"];
    ensure(message["role"] == "assistant" && message["content"].is_array(), "no message", body)?;
    let mut said = Said { stop: text(&body["stopReason"]).to_owned(), ..Said::default() };
    for block in list(&message["content"]) {
        let (kind, inner) = member(block, &BLOCKS)?;
        match kind {
            "text" => said.text += text(inner),
            "citationsContent" => {
                ensure(inner["citations"].is_array(), "no citations", block)?;
                said.text.extend(list(&inner["content"]).iter().map(|piece| text(&piece["text"])));
            }
            "reasoningContent" => {
                member(inner, &["reasoningText", "redactedContent"])?;
                said.reasoning += text(&inner["reasoningText"]["text"]);
            }
            "toolUse" => {
                let (id, name) = (text(&inner["toolUseId"]), text(&inner["name"]));
                ensure(!id.is_empty() && !name.is_empty() && inner["input"].is_object(), "a call", block)?;
                said.calls.push((id.to_owned(), name.to_owned(), inner["input"].clone()));
            }
            "image" => {}
            _ => return Err(format!("a block no answer has: {block}")),
        }
    }
    said.usage = Some(usage(&body["usage"])?);
    Ok(said)
}

#[derive(Default, PartialEq)]
enum Phase {
    #[default]
    Start,
    Message,
    Stopped,
    Done,
}

/// `messageStart`; blocks one at a time with indices from 0, of which only calls have a `contentBlockStart`;
/// `messageStop`; `metadata` with usage; or an exception instead of the rest.
pub(super) fn stream(stream: &[u8]) -> Result<Said, String> {
    let mut messages = Vec::new();
    let mut frames = Decoder::new(Limits::default());
    frames
        .feed(stream, |message| {
            let payload: Value = serde_json::from_slice(message.payload).unwrap();
            let exception = message.message_type() == Some("exception");
            messages.push((message.name().unwrap_or_default().to_owned(), exception, payload));
            Ok::<(), framing::Error>(())
        })
        .map_err(|error| error.to_string())?;
    frames.finish().map_err(|error| error.to_string())?;

    let mut reader = Reader::default();
    for (name, exception, payload) in messages {
        reader.message(&name, exception, &payload).map_err(|what| format!("{what}: {name} {payload}"))?;
    }
    if reader.phase != Phase::Done {
        return Err("the stream does not end".to_owned());
    }
    Ok(reader.said)
}

#[derive(Default)]
struct Reader {
    phase: Phase,
    /// The index of the next block.
    next: u64,
    /// What kind of block is open, and the arguments so far.
    open: Option<(&'static str, String)>,
    said: Said,
}

impl Reader {
    fn message(&mut self, name: &str, exception: bool, payload: &Value) -> Result<(), &'static str> {
        if exception {
            let fits = self.phase != Phase::Done && payload["message"].is_string();
            self.phase = Phase::Done;
            self.said.error = Some(payload.clone());
            return fits.then_some(()).ok_or("an exception without message or after the end");
        }
        let index = payload["contentBlockIndex"].as_u64();
        match (name, &self.phase) {
            ("messageStart", Phase::Start) if payload["role"] == "assistant" => self.phase = Phase::Message,
            ("contentBlockStart", Phase::Message) if self.open.is_none() && index == Some(self.next) => {
                let call = &payload["start"]["toolUse"];
                let (id, name) = (text(&call["toolUseId"]), text(&call["name"]));
                if id.is_empty() || name.is_empty() {
                    return Err("a start that is no call's");
                }
                self.said.calls.push((id.to_owned(), name.to_owned(), Value::Null));
                self.open = Some(("toolUse", String::new()));
            }
            ("contentBlockDelta", Phase::Message) if index == Some(self.next) => {
                self.delta(&payload["delta"])?;
            }
            ("contentBlockStop", Phase::Message) if index == Some(self.next) => {
                let Some((kind, written)) = self.open.take() else { return Err("nothing to stop") };
                if kind == "toolUse" {
                    let read = arguments(&written).map_err(|_| "arguments that are no JSON")?;
                    if let Some(call) = self.said.calls.last_mut() {
                        call.2 = read;
                    }
                }
                self.next += 1;
            }
            ("messageStop", Phase::Message)
                if self.open.is_none() && STOP_REASONS.contains(&text(&payload["stopReason"])) =>
            {
                self.said.stop = text(&payload["stopReason"]).to_owned();
                self.phase = Phase::Stopped;
            }
            ("metadata", Phase::Stopped) if payload["metrics"]["latencyMs"].is_u64() => {
                self.said.usage = Some(usage(&payload["usage"]).map_err(|_| "usage that does not add up")?);
                self.phase = Phase::Done;
            }
            _ => return Err("out of order"),
        }
        Ok(())
    }

    fn delta(&mut self, delta: &Value) -> Result<(), &'static str> {
        let (kind, inner) = member(delta, &["text", "reasoningContent", "toolUse", "citation"])
            .map_err(|_| "not one known member")?;
        let kind = match kind {
            "text" | "citation" => "text",
            "reasoningContent" => "reasoningContent",
            _ => "toolUse",
        };
        let open = self.open.get_or_insert_with(|| (kind, String::new()));
        if open.0 != kind {
            return Err("a delta of another kind, or of a call that has not begun");
        }
        match kind {
            "text" => self.said.text += text(inner),
            "reasoningContent" => {
                member(inner, &["text", "signature", "redactedContent"]).map_err(|_| "broken reasoning")?;
                self.said.reasoning += text(&inner["text"]);
            }
            _ => open.1 += inner["input"].as_str().ok_or("no input")?,
        }
        Ok(())
    }
}

/// The blocks put together as boto3's users do.
pub(super) fn assembled(stream: &[u8]) -> Value {
    let mut blocks: BTreeMap<u64, Value> = BTreeMap::new();
    let mut frames = Decoder::new(Limits::default());
    frames
        .feed(stream, |message| {
            let payload: Value = serde_json::from_slice(message.payload).unwrap();
            let block = blocks.entry(number(&payload["contentBlockIndex"])).or_insert_with(|| json!({}));
            if message.name() == Some("contentBlockStart") {
                block["toolUse"] = payload["start"]["toolUse"].clone();
                block["toolUse"]["input"] = json!("");
            }
            let delta = &payload["delta"];
            let add = |place: &mut Value, more: &Value| {
                if let Some(more) = more.as_str() {
                    *place = json!([text(place), more].concat());
                }
            };
            if delta.get("text").is_some() {
                add(&mut block["text"], &delta["text"]);
            } else if delta.get("toolUse").is_some() {
                add(&mut block["toolUse"]["input"], &delta["toolUse"]["input"]);
            } else if delta["reasoningContent"].get("redactedContent").is_some() {
                block["reasoningContent"] = delta["reasoningContent"].clone();
            } else if delta.get("reasoningContent").is_some() {
                for field in ["text", "signature"] {
                    if let Some(more) = delta["reasoningContent"].get(field) {
                        add(&mut block["reasoningContent"]["reasoningText"][field], more);
                    }
                }
            }
            Ok::<(), framing::Error>(())
        })
        .unwrap();
    let mut content: Vec<Value> = blocks.into_values().filter(|block| block != &json!({})).collect();
    for block in &mut content {
        if block.get("toolUse").is_some() {
            block["toolUse"]["input"] = arguments(text(&block["toolUse"]["input"])).unwrap();
        }
    }
    json!({"output": {"message": {"role": "assistant", "content": content}}})
}
