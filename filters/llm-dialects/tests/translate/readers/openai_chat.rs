//! OpenAI chat completions.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Checked, Said, ensure, list, number, sse_data, text, written};

pub(super) fn request(body: &Value) -> Checked {
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

const FINISH_REASONS: [&str; 4] = ["stop", "length", "tool_calls", "content_filter"];

/// Input and output tokens.
fn usage(usage: &Value) -> Result<(u64, u64), String> {
    let count = |name: &str| usage[name].as_u64();
    let sum = count("prompt_tokens").zip(count("completion_tokens")).map(|(a, b)| a.saturating_add(b));
    ensure(sum.is_some() && sum == count("total_tokens"), "usage that does not add up", usage)?;
    Ok((number(&usage["prompt_tokens"]), number(&usage["completion_tokens"])))
}

pub(super) fn response(body: &Value) -> Result<Said, String> {
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
    let mut said = Said {
        text: [text(&message["content"]), text(&message["refusal"])].concat(),
        reasoning: text(&message["reasoning_content"]).to_owned(),
        stop: text(&choices[0]["finish_reason"]).to_owned(),
        ..Said::default()
    };
    for call in list(&message["tool_calls"]) {
        let arguments = text(&call["function"]["arguments"]);
        ensure(call["type"] == "function" && !text(&call["id"]).is_empty(), "an incomplete call", call)?;
        ensure(
            !arguments.is_empty() && call["function"]["name"].is_string(),
            "a call without arguments",
            call,
        )?;
        let name = text(&call["function"]["name"]);
        said.calls.push((text(&call["id"]).to_owned(), name.to_owned(), written(arguments)));
    }
    said.usage = body.get("usage").map(usage).transpose()?;
    Ok(said)
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
pub(crate) fn stream(stream: &[u8]) -> Result<Completion, String> {
    let mut said = Completion::default();
    let mut head = None;
    let mut done = false;
    for data in sse_data(stream)? {
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
                usage(&chunk["usage"])?;
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
    pub(super) fn said(&self) -> Result<Said, String> {
        let call =
            |(id, name, arguments): &(String, String, String)| (id.clone(), name.clone(), written(arguments));
        Ok(Said {
            text: self.content.clone(),
            reasoning: self.reasoning.clone(),
            calls: self.calls.iter().map(call).collect(),
            stop: self.finish.clone().unwrap_or_default(),
            usage: (!self.usage.is_null()).then(|| usage(&self.usage)).transpose()?,
            error: (!self.error.is_null()).then(|| self.error.clone()),
        })
    }

    /// As an answer that was not streamed.
    pub(super) fn assembled(&self) -> Value {
        let calls: Vec<Value> = self
            .calls
            .iter()
            .map(|(id, name, arguments)| {
                json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
            })
            .collect();
        json!({"choices": [{"message": {
            "role": "assistant",
            "content": self.content,
            "reasoning_content": self.reasoning,
            "thinking_blocks": self.thinking_blocks,
            "tool_calls": calls,
        }}]})
    }

    fn add(&mut self, choice: &Value) -> Checked {
        let delta = &choice["delta"];
        self.content += text(&delta["content"]);
        self.content += text(&delta["refusal"]);
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
