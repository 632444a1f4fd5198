//! Strict readers: what providers refuse in requests, and what clients insist on in answers.

use std::collections::BTreeSet;

use framing::sse::{Decoder, Frame, Limits};
use llm_dialects::Dialect;
use serde_json::Value;

type Checked = Result<(), String>;

fn ensure(holds: bool, what: &str, value: &Value) -> Checked {
    if holds { Ok(()) } else { Err(format!("{what}: {value}")) }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Checks a request as the provider would.
pub(crate) fn request(dialect: Dialect, body: &Value) -> Checked {
    match dialect {
        Dialect::OpenaiChat => openai_request(body),
        Dialect::AnthropicMessages => anthropic_request(body),
    }
}

/// Checks an answer as a typed client would.
pub(crate) fn response(dialect: Dialect, body: &Value) -> Checked {
    match dialect {
        Dialect::OpenaiChat => openai_response(body),
        Dialect::AnthropicMessages => anthropic_response(body),
    }
}

fn openai_request(body: &Value) -> Checked {
    let messages = list(&body["messages"]);
    ensure(!messages.is_empty(), "no messages", body)?;
    let mut open: BTreeSet<&str> = BTreeSet::new();
    for message in messages {
        let role = text(&message["role"]);
        if role != "tool" {
            ensure(open.is_empty(), "calls without results before", message)?;
        }
        match role {
            "tool" => {
                ensure(open.remove(text(&message["tool_call_id"])), "a result of no open call", message)?;
                ensure(message["content"].is_string(), "a result without text", message)?;
            }
            "assistant" => {
                let calls = list(&message["tool_calls"]);
                for call in calls {
                    ensure(call["type"] == "function", "a call without type", call)?;
                    ensure(!text(&call["function"]["name"]).is_empty(), "a call without name", call)?;
                    ensure(call["function"]["arguments"].is_string(), "arguments that are no string", call)?;
                    open.insert(text(&call["id"]));
                }
                let speaks = message["content"].is_string() || message["refusal"].is_string();
                ensure(speaks || !calls.is_empty(), "an assistant that says nothing", message)?;
            }
            "user" | "system" => {
                let content = &message["content"];
                ensure(
                    content.is_string() || !list(content).is_empty(),
                    "a message without content",
                    message,
                )?;
                for part in list(content) {
                    let kind = text(&part["type"]);
                    let full = match kind {
                        "text" => part["text"].is_string(),
                        "image_url" => part["image_url"]["url"].is_string(),
                        "input_audio" => part["input_audio"]["data"].is_string(),
                        "file" => part["file"].is_object(),
                        _ => false,
                    };
                    ensure(full, "a broken part", part)?;
                    ensure(kind == "text" || role == "user", "media outside a user message", part)?;
                }
            }
            _ => return Err(format!("an unknown role: {message}")),
        }
    }
    ensure(open.is_empty(), "calls without results at the end", body)?;
    for tool in list(&body["tools"]) {
        ensure(!text(&tool["function"]["name"]).is_empty(), "a tool without name", tool)?;
    }
    let has_tools = !list(&body["tools"]).is_empty();
    ensure(has_tools || body.get("tool_choice").is_none(), "a tool choice without tools", body)?;
    ensure(has_tools || body.get("parallel_tool_calls").is_none(), "parallel calls without tools", body)?;
    let format = &body["response_format"];
    if format["type"] == "json_schema" {
        ensure(!text(&format["json_schema"]["name"]).is_empty(), "a schema without name", format)?;
    }
    ensure(
        body.get("stream_options").is_none() || body["stream"] == true,
        "stream options without stream",
        body,
    )
}

fn anthropic_request(body: &Value) -> Checked {
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

const FINISH_REASONS: [&str; 4] = ["stop", "length", "tool_calls", "content_filter"];

fn openai_usage(usage: &Value) -> Checked {
    let count = |name: &str| usage[name].as_u64();
    let sum = count("prompt_tokens").zip(count("completion_tokens")).map(|(a, b)| a + b);
    ensure(sum.is_some() && sum == count("total_tokens"), "usage that does not add up", usage)
}

fn openai_response(body: &Value) -> Checked {
    ensure(body["object"] == "chat.completion" && body["id"].is_string(), "no completion", body)?;
    ensure(body["created"].is_u64() && body["model"].is_string(), "without time or model", body)?;
    let choices = list(&body["choices"]);
    ensure(choices.len() == 1 && choices[0]["index"] == 0, "not one choice", body)?;
    ensure(FINISH_REASONS.contains(&text(&choices[0]["finish_reason"])), "an unknown finish reason", body)?;
    let message = &choices[0]["message"];
    ensure(message["role"] == "assistant", "not the assistant", message)?;
    ensure(
        message["content"].is_string() || message["content"].is_null(),
        "content of another type",
        message,
    )?;
    for call in list(&message["tool_calls"]) {
        let arguments = text(&call["function"]["arguments"]);
        ensure(call["type"] == "function" && !text(&call["id"]).is_empty(), "an incomplete call", call)?;
        ensure(
            !arguments.is_empty() && call["function"]["name"].is_string(),
            "a call without arguments",
            call,
        )?;
    }
    if body.get("usage").is_some() { openai_usage(&body["usage"]) } else { Ok(()) }
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

fn anthropic_response(body: &Value) -> Checked {
    ensure(body["type"] == "message" && body["role"] == "assistant", "no message", body)?;
    ensure(text(&body["id"]).starts_with("msg_") && body["model"].is_string(), "without id or model", body)?;
    ensure(STOP_REASONS.contains(&text(&body["stop_reason"])), "an unknown stop reason", body)?;
    ensure(body["content"].is_array(), "content that is no array", body)?;
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
    }
    let usage = &body["usage"];
    ensure(usage["input_tokens"].is_u64() && usage["output_tokens"].is_u64(), "without usage", body)
}

/// What a streamed chat completion said, put together as the SDK does.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Completion {
    pub(crate) content: String,
    pub(crate) reasoning: String,
    pub(crate) thinking_blocks: Vec<Value>,
    /// Id, name and arguments.
    pub(crate) calls: Vec<(String, String, String)>,
    pub(crate) finish: Option<String>,
    pub(crate) usage: Value,
    pub(crate) error: Value,
}

/// Reads a streamed chat completion: chunks of one id, the role first, calls by index, one finish reason, usage in a
/// chunk without choices behind it, `[DONE]` at the end and nothing after it; or an error instead of the rest.
pub(crate) fn openai_stream(stream: &[u8]) -> Result<Completion, String> {
    let mut events: Vec<Vec<u8>> = Vec::new();
    let mut decoder = Decoder::new(Limits::default());
    let read = |frame: Frame<'_>| {
        if let Frame::Event(event) = frame {
            events.push(event.data.to_vec());
        }
        Ok::<(), framing::Error>(())
    };
    decoder.feed(stream, read).map_err(|error| error.to_string())?;
    if decoder.buffered() > 0 {
        return Err("the last event is not complete".to_owned());
    }
    let mut said = Completion::default();
    let mut head = None;
    let mut done = false;
    for data in events {
        if done || !said.error.is_null() {
            return Err(format!("more after the end: {}", String::from_utf8_lossy(&data)));
        }
        if data == b"[DONE]" {
            done = true;
            continue;
        }
        let chunk: Value = serde_json::from_slice(&data).map_err(|error| error.to_string())?;
        if chunk.get("error").is_some() {
            ensure(chunk["error"]["message"].is_string(), "an error without message", &chunk)?;
            said.error = chunk["error"].clone();
            continue;
        }
        ensure(chunk["object"] == "chat.completion.chunk", "no chunk", &chunk)?;
        let this = (chunk["id"].clone(), chunk["model"].clone(), chunk["created"].clone());
        ensure(*head.get_or_insert_with(|| this.clone()) == this, "another id, model or time", &chunk)?;
        match list(&chunk["choices"]) {
            [] => {
                ensure(said.finish.is_some(), "usage before the end", &chunk)?;
                openai_usage(&chunk["usage"])?;
                said.usage = chunk["usage"].clone();
            }
            [choice] => {
                ensure(said.finish.is_none(), "a chunk after the finish reason", &chunk)?;
                said.add(choice)?;
            }
            _ => return Err(format!("several choices: {chunk}")),
        }
    }
    if said.error.is_null() && !(done && said.finish.is_some()) {
        return Err("the stream does not end".to_owned());
    }
    Ok(said)
}

impl Completion {
    fn add(&mut self, choice: &Value) -> Checked {
        let delta = &choice["delta"];
        self.content += text(&delta["content"]);
        self.reasoning += text(&delta["reasoning_content"]);
        self.thinking_blocks.extend_from_slice(list(&delta["thinking_blocks"]));
        for call in list(&delta["tool_calls"]) {
            let index = usize::try_from(call["index"].as_u64().ok_or("a call without index")?).unwrap();
            if index == self.calls.len() {
                let (id, name) = (text(&call["id"]), text(&call["function"]["name"]));
                ensure(
                    !id.is_empty() && !name.is_empty() && call["type"] == "function",
                    "a call's start",
                    call,
                )?;
                self.calls.push((id.to_owned(), name.to_owned(), String::new()));
            }
            let known = self.calls.get_mut(index).ok_or_else(|| format!("an index ahead: {call}"))?;
            known.2 += text(&call["function"]["arguments"]);
        }
        if let Some(reason) = choice["finish_reason"].as_str() {
            ensure(FINISH_REASONS.contains(&reason), "an unknown finish reason", choice)?;
            self.finish = Some(reason.to_owned());
        }
        Ok(())
    }
}
