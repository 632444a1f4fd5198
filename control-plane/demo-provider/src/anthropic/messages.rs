//! `POST /v1/messages`: the request, and the whole (not streamed) response
//! (<https://docs.anthropic.com/en/api/messages>).

use serde_json::{Value, json};

use super::errors::{Rejection, Version};
use super::history::{self, History};
use super::thinking::{self, Mode, sign};
use crate::json::{is_identifier, is_true, list, present, text};
use crate::options::Options;
use crate::provider::Stamp;
use crate::reply::{CallLimit, End, Prompt, Reply, Thinking, Tool, ToolChoice};
use crate::tokens;

/// A messages request that can be answered.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) prompt: Prompt,
    pub(crate) thinking: Mode,
    pub(crate) delivery: Delivery,
}

/// How the answer goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    Stream,
}

/// Reads a request body and checks it as Anthropic does.
pub(crate) fn parse(body: &[u8], version: Version, options: &Options) -> Result<Request, Rejection> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| Rejection::invalid(format!("the request body is not valid JSON: {error}")))?;
    let model = match body.get("model") {
        Some(Value::String(model)) if !model.is_empty() => model,
        Some(_) => return Err(Rejection::invalid("model: must be a non-empty string")),
        None => return Err(Rejection::invalid("model: this field is required")),
    };
    let max_tokens = match body.get("max_tokens") {
        None => return Err(Rejection::invalid("max_tokens: this field is required")),
        Some(limit) => match limit.as_u64() {
            Some(limit @ 1..) => limit,
            _ => return Err(Rejection::invalid("max_tokens: must be an integer of at least 1")),
        },
    };
    if !options.models.serves(model) {
        return Err(Rejection::model(model));
    }
    sampling(&body, version)?;
    let system_tokens = system(&body)?;
    let mode = thinking::read(&body, max_tokens)?;
    let History { user_text, images, last, tokens } = history::read(&body, mode, version)?;
    let (tools, tool_tokens) = tools(&body)?;
    let (choice, calls) = tool_choice(&body, &tools)?;
    let prompt = Prompt {
        model: model.clone(),
        input_tokens: system_tokens + tokens + tool_tokens,
        user_text,
        images,
        last,
        tools,
        choice,
        calls,
        thinking: if mode == Mode::Off { Thinking::Off } else { Thinking::On },
        max_tokens: Some(max_tokens),
        stops: stops(&body)?,
    };
    let delivery = if is_true(&body, "stream") { Delivery::Stream } else { Delivery::Whole };
    Ok(Request { prompt, thinking: mode, delivery })
}

/// Checks the sampling parameters, which change nothing here.
fn sampling(body: &Value, version: Version) -> Result<(), Rejection> {
    if version == Version::Of2026
        && let Some(name) =
            ["temperature", "top_p", "top_k"].iter().find(|name| present(body, name).is_some())
    {
        return Err(Rejection::invalid(format!("{name}: removed in API version 2026-10-21")));
    }
    match present(body, "temperature") {
        Some(value) if !value.as_f64().is_some_and(|value| (0.0..=1.0).contains(&value)) => {
            Err(Rejection::invalid("temperature: must be a number from 0 to 1"))
        }
        _ => Ok(()),
    }
}

/// Demo tokens of `system`: a string or a list of text blocks.
fn system(body: &Value) -> Result<u64, Rejection> {
    match present(body, "system") {
        None => Ok(0),
        Some(Value::String(text)) => Ok(tokens::count(text)),
        Some(Value::Array(blocks)) => {
            let mut spent = 0;
            for (at, block) in blocks.iter().enumerate() {
                match (text(block, "type"), text(block, "text")) {
                    (Some("text"), Some(text)) => spent += tokens::count(text),
                    _ => return Err(Rejection::invalid(format!("system.{at}: must be a text block"))),
                }
            }
            Ok(spent)
        }
        Some(_) => Err(Rejection::invalid("system: must be a string or a list of text blocks")),
    }
}

/// The client's own tools, and the demo tokens of all definitions. Tools that Anthropic itself defines (`type` such as
/// `web_search_20250305`) have no schema and are never called.
fn tools(body: &Value) -> Result<(Vec<Tool>, u64), Rejection> {
    let mut tools: Vec<Tool> = Vec::new();
    let mut spent = 0;
    for (at, tool) in list(body, "tools").iter().enumerate() {
        spent += tokens::count(&tool.to_string());
        if present(tool, "type").is_some_and(|kind| kind != "custom") {
            continue;
        }
        let name = text(tool, "name").unwrap_or_default();
        if !is_identifier(name, 128) {
            let message = format!("tools.{at}.custom.name: must be 1 to 128 letters, digits, '_' and '-'");
            return Err(Rejection::invalid(message));
        }
        if tools.iter().any(|other| other.name == name) {
            return Err(Rejection::invalid(format!("tools.{at}: there is already a tool named '{name}'")));
        }
        let Some(schema) = tool.get("input_schema").filter(|schema| text(schema, "type") == Some("object"))
        else {
            let message =
                format!("tools.{at}.custom.input_schema: a JSON Schema of type 'object' is required");
            return Err(Rejection::invalid(message));
        };
        tools.push(Tool { name: name.to_owned(), schema: schema.clone() });
    }
    Ok((tools, spent))
}

fn tool_choice(body: &Value, tools: &[Tool]) -> Result<(ToolChoice, CallLimit), Rejection> {
    let Some(choice) = present(body, "tool_choice") else {
        return Ok((ToolChoice::Any, CallLimit::Unlimited));
    };
    let calls =
        if is_true(choice, "disable_parallel_tool_use") { CallLimit::One } else { CallLimit::Unlimited };
    let kind = text(choice, "type");
    if list(body, "tools").is_empty() && kind != Some("none") {
        return Err(Rejection::invalid("tool_choice: needs `tools`"));
    }
    match kind {
        Some("auto" | "any") => Ok((ToolChoice::Any, calls)),
        Some("none") => Ok((ToolChoice::None, calls)),
        Some("tool") => {
            let name = text(choice, "name").unwrap_or_default();
            if tools.iter().any(|tool| tool.name == name) {
                return Ok((ToolChoice::Named(name.to_owned()), calls));
            }
            Err(Rejection::invalid(format!("tool_choice.tool.name: no tool '{name}' in `tools`")))
        }
        _ => Err(Rejection::invalid("tool_choice.type: must be 'auto', 'any', 'tool' or 'none'")),
    }
}

fn stops(body: &Value) -> Result<Vec<String>, Rejection> {
    let refused =
        || Rejection::invalid("stop_sequences: must be a list of strings that are not only white space");
    match present(body, "stop_sequences") {
        None => Ok(Vec::new()),
        Some(Value::Array(stops)) => stops
            .iter()
            .map(|stop| match stop.as_str() {
                Some(stop) if !stop.trim().is_empty() => Ok(stop.to_owned()),
                _ => Err(refused()),
            })
            .collect(),
        Some(_) => Err(refused()),
    }
}

/// Anthropic's `stop_reason` and `stop_sequence`.
pub(crate) fn stop(end: &End) -> (&'static str, Option<&str>) {
    match end {
        End::Finished => ("end_turn", None),
        End::Length => ("max_tokens", None),
        End::StopSequence(stop) => ("stop_sequence", Some(stop)),
        End::ToolCalls => ("tool_use", None),
    }
}

/// The id of a call: Anthropic's prefix, the request's id and the call's place.
pub(crate) fn call_id(stamp: &Stamp, index: usize) -> String {
    format!("toolu_{}c{index}", stamp.id)
}

/// The content blocks of a reply, in order: thinking, text, tool uses.
pub(crate) fn content(request: &Request, reply: &Reply, stamp: &Stamp) -> Vec<Value> {
    let mut blocks = Vec::new();
    if let Some(thinking) = &reply.thinking {
        let shown = request.thinking.shown(thinking);
        blocks.push(json!({"type": "thinking", "thinking": shown, "signature": sign(shown)}));
    }
    if !reply.text.is_empty() {
        blocks.push(json!({"type": "text", "text": reply.text}));
    }
    for (index, call) in reply.calls.iter().enumerate() {
        let id = call_id(stamp, index);
        blocks.push(json!({"type": "tool_use", "id": id, "name": call.name, "input": call.arguments}));
    }
    blocks
}

/// The message object. A stream opens with it, empty and without a stop reason.
pub(crate) fn message(
    prompt: &Prompt,
    content: Vec<Value>,
    stop: (Option<&str>, Option<&str>),
    output: Value,
    stamp: &Stamp,
) -> Value {
    let mut usage = json!({
        "input_tokens": prompt.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
    });
    if let (Value::Object(usage), Value::Object(output)) = (&mut usage, output) {
        usage.extend(output);
        usage.insert("service_tier".into(), "standard".into());
    }
    json!({
        "id": format!("msg_{}", stamp.id),
        "type": "message",
        "role": "assistant",
        "model": prompt.model,
        "content": content,
        "stop_reason": stop.0,
        "stop_sequence": stop.1,
        "usage": usage,
    })
}

/// The output side of `usage`, in demo tokens.
pub(crate) fn output_usage(reply: &Reply) -> Value {
    match reply.thinking {
        Some(_) => json!({
            "output_tokens": reply.output_tokens,
            "output_tokens_details": {"thinking_tokens": reply.thinking_tokens},
        }),
        None => json!({"output_tokens": reply.output_tokens}),
    }
}

/// The whole response.
pub(crate) fn encode(request: &Request, reply: &Reply, stamp: &Stamp) -> Value {
    let (reason, sequence) = stop(&reply.end);
    let content = content(request, reply, stamp);
    message(&request.prompt, content, (Some(reason), sequence), output_usage(reply), stamp)
}
