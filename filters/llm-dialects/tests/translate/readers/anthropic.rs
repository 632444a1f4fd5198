//! Anthropic messages.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Checked, Said, arguments, ensure, list, number, text};
use crate::grammar;

pub(super) fn request(body: &Value) -> Checked {
    let max_tokens = body["max_tokens"].as_u64().unwrap_or(0);
    ensure(max_tokens > 0, "no max_tokens", body)?;
    let messages = list(&body["messages"]);
    ensure(!messages.is_empty(), "no messages", body)?;
    let mut calls: BTreeSet<&str> = BTreeSet::new();
    let mut called = false;
    for message in messages {
        let content = &message["content"];
        ensure(!text(content).trim().is_empty() || !list(content).is_empty(), "an empty message", message)?;
        let mut results = BTreeSet::new();
        let mut after_results = false;
        for block in list(content) {
            let kind = text(&block["type"]);
            let thinks = kind.ends_with("thinking");
            ensure(!thinks || block.get("cache_control").is_none(), "marked thinking", block)?;
            match kind {
                "text" => ensure(!text(&block["text"]).trim().is_empty(), "blank text", block)?,
                "tool_result" => {
                    ensure(message["role"] == "user", "a result from the assistant", block)?;
                    ensure(!after_results, "a result behind other content", message)?;
                    let id = text(&block["tool_use_id"]);
                    ensure(calls.contains(id) && results.insert(id), "a result of no call before", block)?;
                }
                "tool_use" => {
                    called = true;
                    ensure(block["input"].is_object(), "input that is no object", block)?;
                    let id = text(&block["id"]);
                    let known = id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
                    ensure(known && !id.is_empty(), "an id out of its alphabet", block)?;
                }
                "thinking" => ensure(!text(&block["signature"]).is_empty(), "unsigned thinking", block)?,
                _ => {}
            }
            after_results |= kind != "tool_result";
        }
        if message["role"] == "user" {
            ensure(results == calls, "calls without results", message)?;
            calls.clear();
        } else {
            let ids = list(content).iter().filter(|block| block["type"] == "tool_use");
            calls = ids.map(|block| text(&block["id"])).collect();
        }
    }
    ensure(calls.is_empty(), "calls without results at the end", body)?;
    ensure(!called || !list(&body["tools"]).is_empty(), "calls, but no tools", body)?;
    for tool in list(&body["tools"]).iter().filter(|tool| tool.get("type").is_none()) {
        ensure(tool["input_schema"]["type"] == "object", "a schema that is no object", tool)?;
    }
    let thinking = &body["thinking"];
    if thinking["type"] == "enabled" {
        let budget = thinking["budget_tokens"].as_u64().unwrap_or(0);
        ensure((1024..max_tokens).contains(&budget), "a budget out of bounds", body)?;
        ensure(
            body.get("temperature").is_none() && body.get("top_k").is_none(),
            "sampling beside thinking",
            body,
        )?;
        let forced = matches!(text(&body["tool_choice"]["type"]), "any" | "tool");
        ensure(!forced, "a forced call beside thinking", body)?;
    }
    ensure(body["temperature"].as_f64().unwrap_or(0.0) <= 1.0, "too hot", body)?;
    ensure(body.to_string().matches("\"cache_control\"").count() <= 4, "too many cache marks", body)?;
    ensure(
        list(&body["stop_sequences"]).iter().all(|stop| !text(stop).trim().is_empty()),
        "a blank stop",
        body,
    )
}

const STOP_REASONS: [&str; 7] = [
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
];

pub(super) fn response(body: &Value) -> Result<Said, String> {
    ensure(body["type"] == "message" && body["role"] == "assistant", "no message", body)?;
    ensure(text(&body["id"]).starts_with("msg_") && body["model"].is_string(), "without id or model", body)?;
    ensure(STOP_REASONS.contains(&text(&body["stop_reason"])), "an unknown stop reason", body)?;
    ensure(body["content"].is_array(), "content that is no array", body)?;
    let mut said = Said { stop: text(&body["stop_reason"]).to_owned(), ..Said::default() };
    for block in list(&body["content"]) {
        let complete = match text(&block["type"]) {
            "text" => !text(&block["text"]).is_empty(),
            "thinking" => block["thinking"].is_string() && block["signature"].is_string(),
            "redacted_thinking" => block["data"].is_string(),
            "tool_use" => {
                block["input"].is_object() && !text(&block["id"]).is_empty() && block["name"].is_string()
            }
            _ => false,
        };
        ensure(complete, "an incomplete block", block)?;
        said.text += text(&block["text"]);
        said.reasoning += text(&block["thinking"]);
        if block["type"] == "tool_use" {
            let (id, name) = (text(&block["id"]).to_owned(), text(&block["name"]).to_owned());
            said.calls.push((id, name, block["input"].clone()));
        }
    }
    let usage = &body["usage"];
    ensure(usage["input_tokens"].is_u64() && usage["output_tokens"].is_u64(), "without usage", body)?;
    said.usage = Some(counted(usage));
    Ok(said)
}

fn counted(usage: &Value) -> (u64, u64) {
    let input = ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"];
    (input.into_iter().map(|name| number(&usage[name])).sum(), number(&usage["output_tokens"]))
}

pub(super) fn stream(stream: &[u8]) -> Result<Said, String> {
    let message = grammar::anthropic::read(stream)?;
    let mut said = Said {
        stop: message.stop_reason.clone().unwrap_or_default(),
        usage: message.stop_reason.is_some().then(|| counted(&message.usage)),
        error: message.error.map(|kind| json!(kind)),
        ..Said::default()
    };
    for block in message.blocks {
        match block.kind.as_str() {
            "text" => said.text += &block.text,
            "thinking" => said.reasoning += &block.text,
            "tool_use" if said.error.is_none() => {
                // The SDK reads no argument at all as an empty object.
                let written = if block.text.is_empty() { "{}" } else { &block.text };
                let name = message.tools[said.calls.len()].clone();
                said.calls.push((block.id, name, arguments(written)?));
            }
            _ => {}
        }
    }
    Ok(said)
}

/// As an answer that was not streamed.
pub(super) fn assembled(stream: &[u8]) -> Value {
    let message = grammar::anthropic::read(stream).unwrap();
    let mut names = message.tools.iter();
    let content: Vec<Value> = message
        .blocks
        .iter()
        .map(|block| match block.kind.as_str() {
            "text" => json!({"type": "text", "text": block.text}),
            "thinking" => json!({"type": "thinking", "thinking": block.text, "signature": block.signature}),
            "tool_use" => {
                let input = arguments(&block.text).unwrap();
                json!({"type": "tool_use", "id": block.id, "name": names.next(), "input": input})
            }
            kind => json!({"type": kind, "data": block.text}),
        })
        .collect();
    json!({ "content": content })
}
