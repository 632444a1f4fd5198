//! `POST /v1/chat/completions`: the request, and the whole (not streamed) response
//! (<https://platform.openai.com/docs/api-reference/chat/create>).

use serde_json::{Value, json};

use super::errors::Rejection;
use super::history::{self, History};
use crate::json::{is_identifier, is_true, list, present, text};
use crate::options::Options;
use crate::provider::Stamp;
use crate::reply::{CallLimit, End, Prompt, Reply, Thinking, Tool, ToolChoice};
use crate::tokens;

/// A chat completion request that can be answered.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) prompt: Prompt,
    pub(crate) delivery: Delivery,
}

/// How the answer goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    Stream(StreamUsage),
}

/// `stream_options.include_usage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamUsage {
    Left,
    Included,
}

/// Reads a request body and checks it as OpenAI does.
pub(crate) fn parse(body: &[u8], options: &Options) -> Result<Request, Rejection> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| Rejection::request(format!("The request body is not valid JSON: {error}.")))?;
    let model = match present(&body, "model") {
        Some(Value::String(model)) if !model.is_empty() => model,
        Some(Value::String(_)) | None => {
            return Err(Rejection::request("A model parameter must be provided."));
        }
        Some(_) => {
            return Err(Rejection::invalid("model", "'model' must be a string.").with_code("invalid_type"));
        }
    };
    if !options.models.serves(model) {
        return Err(Rejection::model(model));
    }
    if body.get("n").and_then(Value::as_u64).is_some_and(|count| count != 1) {
        return Err(Rejection::invalid(
            "n",
            "The demo provider gives one choice: leave 'n' out or set it to 1.",
        ));
    }
    let delivery = delivery(&body)?;
    let history = history::read(&body)?;
    let (tools, tool_tokens) = tools(&body)?;
    let (tools, choice) = tool_choice(&body, tools)?;
    let History { user_text, images, last, tokens } = history;
    let calls = match body.get("parallel_tool_calls") {
        Some(Value::Bool(false)) => CallLimit::One,
        _ => CallLimit::Unlimited,
    };
    let prompt = Prompt {
        model: model.clone(),
        input_tokens: tokens + tool_tokens,
        user_text,
        images,
        last,
        tools,
        choice,
        calls,
        thinking: thinking(&body)?,
        max_tokens: max_tokens(&body)?,
        stops: stops(&body)?,
    };
    Ok(Request { prompt, delivery })
}

fn delivery(body: &Value) -> Result<Delivery, Rejection> {
    match (is_true(body, "stream"), present(body, "stream_options")) {
        (true, Some(options)) if is_true(options, "include_usage") => {
            Ok(Delivery::Stream(StreamUsage::Included))
        }
        (true, _) => Ok(Delivery::Stream(StreamUsage::Left)),
        (false, Some(_)) => {
            Err(Rejection::invalid("stream_options", "'stream_options' needs 'stream' to be true."))
        }
        (false, None) => Ok(Delivery::Whole),
    }
}

/// The function tools, and the demo tokens of their definitions.
fn tools(body: &Value) -> Result<(Vec<Tool>, u64), Rejection> {
    let mut tools = Vec::new();
    let mut spent = 0;
    for (at, tool) in list(body, "tools").iter().enumerate() {
        if text(tool, "type") != Some("function") {
            let message = "The demo provider calls tools of type 'function' only.";
            return Err(Rejection::invalid(format!("tools[{at}].type"), message));
        }
        let function = tool.get("function").unwrap_or(&Value::Null);
        let name = text(function, "name").unwrap_or_default();
        if !is_identifier(name, 64) {
            let message = "A function needs a name of 1 to 64 letters, digits, '_' and '-'.";
            return Err(
                Rejection::invalid(format!("tools[{at}].function.name"), message).with_code("invalid_value")
            );
        }
        let schema = match present(function, "parameters") {
            Some(schema @ Value::Object(_)) => schema.clone(),
            // OpenAI: leaving the parameters out defines a function without any.
            None => json!({"type": "object", "properties": {}}),
            Some(_) => {
                let param = format!("tools[{at}].function.parameters");
                return Err(Rejection::invalid(param, "The parameters must be a JSON Schema object."));
            }
        };
        spent += tokens::count(&tool.to_string());
        tools.push(Tool { name: name.to_owned(), schema });
    }
    Ok((tools, spent))
}

/// The tools that the choice leaves, and the choice among them.
fn tool_choice(body: &Value, tools: Vec<Tool>) -> Result<(Vec<Tool>, ToolChoice), Rejection> {
    let refused = |message: String| Err(Rejection::invalid("tool_choice", message));
    let Some(choice) = present(body, "tool_choice") else {
        return Ok((tools, ToolChoice::Any));
    };
    if tools.is_empty() && choice != "none" {
        return refused("'tool_choice' needs 'tools'.".into());
    }
    match (choice, text(choice, "type")) {
        (Value::String(mode), _) => match mode.as_str() {
            "auto" | "required" => Ok((tools, ToolChoice::Any)),
            "none" => Ok((tools, ToolChoice::None)),
            other => refused(format!(
                "Unknown tool choice '{other}': use 'none', 'auto', 'required' or a function."
            )),
        },
        (_, Some("function")) => {
            let name = choice.get("function").and_then(|function| text(function, "name")).unwrap_or_default();
            if tools.iter().any(|tool| tool.name == name) {
                return Ok((tools, ToolChoice::Named(name.to_owned())));
            }
            refused(format!("Tool choice '{name}' is not in 'tools'."))
        }
        (_, Some("allowed_tools")) => {
            let allowed = choice.get("allowed_tools").map_or(&[][..], |allowed| list(allowed, "tools"));
            let is_allowed = |tool: &Tool| {
                allowed.iter().any(|entry| {
                    entry.get("function").and_then(|function| text(function, "name")) == Some(&tool.name)
                })
            };
            Ok((tools.into_iter().filter(is_allowed).collect(), ToolChoice::Any))
        }
        _ => refused("'tool_choice' must be a mode, a function or a list of allowed tools.".into()),
    }
}

/// Any effort but `none` thinks; the thinking itself is not shown, as at OpenAI.
fn thinking(body: &Value) -> Result<Thinking, Rejection> {
    match present(body, "reasoning_effort").map(Value::as_str) {
        None | Some(Some("none")) => Ok(Thinking::Off),
        Some(Some("minimal" | "low" | "medium" | "high" | "xhigh" | "max")) => Ok(Thinking::On),
        Some(_) => {
            let message =
                "'reasoning_effort' must be 'none', 'minimal', 'low', 'medium', 'high', 'xhigh' or 'max'.";
            Err(Rejection::invalid("reasoning_effort", message).with_code("invalid_value"))
        }
    }
}

fn max_tokens(body: &Value) -> Result<Option<u64>, Rejection> {
    let (name, value) = match (present(body, "max_completion_tokens"), present(body, "max_tokens")) {
        (None, None) => return Ok(None),
        (Some(value), None) => ("max_completion_tokens", value),
        (None, Some(value)) => ("max_tokens", value),
        (Some(_), Some(_)) => {
            let message = "'max_tokens' and 'max_completion_tokens' cannot both be set.";
            return Err(Rejection::invalid("max_tokens", message));
        }
    };
    match value.as_u64() {
        Some(limit @ 1..) => Ok(Some(limit)),
        _ => {
            Err(Rejection::invalid(name, format!("'{name}' must be an integer of at least 1, not {value}."))
                .with_code("integer_below_min_value"))
        }
    }
}

fn stops(body: &Value) -> Result<Vec<String>, Rejection> {
    let refused = || Rejection::invalid("stop", "'stop' must be a string or a list of up to 4 strings.");
    match present(body, "stop") {
        None => Ok(Vec::new()),
        Some(Value::String(stop)) => Ok(vec![stop.clone()]),
        Some(Value::Array(stops)) if stops.len() <= 4 => {
            stops.iter().map(|stop| stop.as_str().map(str::to_owned).ok_or_else(refused)).collect()
        }
        Some(_) => Err(refused()),
    }
}

/// OpenAI's word for why a reply ends.
pub(crate) fn finish_reason(end: &End) -> &'static str {
    match end {
        End::Finished | End::StopSequence(_) => "stop",
        End::Length => "length",
        End::ToolCalls => "tool_calls",
    }
}

/// The id of a call: OpenAI's prefix, the request's id and the call's place.
pub(crate) fn call_id(stamp: &Stamp, index: usize) -> String {
    format!("call_{}c{index}", stamp.id)
}

/// The `usage` object, in demo tokens.
pub(crate) fn usage(prompt: &Prompt, reply: &Reply) -> Value {
    json!({
        "prompt_tokens": prompt.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": prompt.input_tokens + reply.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reply.thinking_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

/// The whole response.
pub(crate) fn encode(prompt: &Prompt, reply: &Reply, stamp: &Stamp) -> Value {
    let message = if reply.calls.is_empty() {
        json!({"role": "assistant", "content": reply.text, "refusal": null, "annotations": []})
    } else {
        let calls: Vec<Value> = reply
            .calls
            .iter()
            .enumerate()
            .map(|(index, call)| {
                let function = json!({"name": call.name, "arguments": call.arguments.to_string()});
                json!({"id": call_id(stamp, index), "type": "function", "function": function})
            })
            .collect();
        json!({"role": "assistant", "content": null, "tool_calls": calls, "refusal": null, "annotations": []})
    };
    json!({
        "id": format!("chatcmpl-{}", stamp.id),
        "object": "chat.completion",
        "created": stamp.unix_seconds,
        "model": prompt.model,
        "choices": [
            {"index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason(&reply.end)}
        ],
        "usage": usage(prompt, reply),
        "service_tier": "default",
        "system_fingerprint": super::stream::FINGERPRINT,
    })
}
