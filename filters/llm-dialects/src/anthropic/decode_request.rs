//! Requests from Anthropic clients.

use std::borrow::Cow;

use super::decode_content::{At, Raw, turn};
use super::request_wire::{Choice, Format, Request, ThinkingConfig, Tool};
use super::wire::{Blocks, CacheControl, Field};
use crate::Error;
use crate::hub::{self, Effort, OutputFormat, Text, Thinking, ToolChoice};
use crate::json::{self, Str, is_object};

/// Decodes the body of `POST /v1/messages`.
///
/// Search results become text documents, as do documents made of text blocks. Signatures are taken as they are: they
/// say themselves whose they are, as this dialect carries those of others.
///
/// What the hub has no word for is left out: `citations` and `context` of documents, citations of earlier answers, `transformations` of
/// images, `display` of thinking, `output_config.effort` next to a thinking budget, and the top-level fields
/// not named in the [Messages reference](https://platform.claude.com/docs/en/api/messages/create) for
/// version 2023-06-01 or about billing (`container`, `inference_geo`, `speed`). Content blocks and tools the hub
/// has no word for are kept verbatim as `Foreign`. A `cache_control` of the whole request marks the last block.
///
/// # Errors
/// [`Error::ClientSent`] with the JSON path of what is wrong.
pub fn decode_request(body: &[u8]) -> Result<hub::Request<'_>, Error> {
    let request = decode(body)?;
    if request.model.is_empty() {
        return Err(Error::client("model", "is required and must be a string"));
    }
    if request.max_output_tokens.is_none() {
        return Err(Error::client("max_tokens", "is required: say how many tokens may be generated"));
    }
    Ok(request)
}

/// Decodes a body of which the tokens are to be counted: as [`decode_request`], but `max_tokens` may be missing, and
/// `model` too, which is then empty (it is in the path at Bedrock).
///
/// # Errors
/// As [`decode_request`].
pub(crate) fn decode_count_request(body: &[u8]) -> Result<hub::Request<'_>, Error> {
    decode(body)
}

fn decode(body: &[u8]) -> Result<hub::Request<'_>, Error> {
    let wire: Request<'_> = json::read_body(body)?;
    if !is_object(body) {
        return Err(Error::client("", "the body must be a JSON object"));
    }
    let mut raw = Raw::new(body);

    let model = match wire.model {
        Field::Absent => Cow::Borrowed(""),
        model => required(model, || "model".to_owned())?,
    };
    let messages = wire.messages.unwrap_or_default();
    if messages.is_empty() {
        return Err(Error::client("messages", "must hold at least one message"));
    }
    let mut turns = Vec::with_capacity(messages.len());
    for (i, message) in messages.into_iter().enumerate() {
        turns.push(turn(At::message(i), message, &mut raw)?);
    }
    if let (Some(mark), Some(last)) =
        (wire.cache_control, turns.last_mut().and_then(|turn| turn.content.last_mut()))
    {
        last.cache.get_or_insert_with(|| cache_mark(mark));
    }
    let mut tools = Vec::new();
    for (i, tool) in wire.tools.unwrap_or_default().into_iter().enumerate() {
        tools.push(hub_tool(i, tool, &mut raw)?);
    }
    let (tool_choice, parallel_tool_calls) = match wire.tool_choice {
        Some(choice) => hub_tool_choice(choice)?,
        None => (None, None),
    };
    let (effort, output_format) = match wire.output_config {
        Some(config) => (effort(&config.effort)?, config.format.map(hub_format).transpose()?),
        None => (None, None),
    };
    let user = wire.metadata.and_then(|metadata| metadata.user_id.into_string());
    Ok(hub::Request {
        model,
        system: system(wire.system)?,
        turns,
        tools,
        tool_choice,
        parallel_tool_calls,
        max_output_tokens: wire.max_tokens,
        temperature: wire.temperature,
        top_p: wire.top_p,
        top_k: wire.top_k,
        stop: wire.stop_sequences.unwrap_or_default().into_iter().map(|Str(stop)| stop).collect(),
        thinking: thinking(wire.thinking, effort)?,
        output_format,
        stream: (wire.stream == Some(true)).then_some(hub::StreamOptions { include_usage: true }),
        user,
        service_tier: wire.service_tier.into_string(),
        ..hub::Request::default()
    })
}

fn system(system: Blocks<'_>) -> Result<Vec<Text<'_>>, Error> {
    match system {
        Blocks::Absent => Ok(Vec::new()),
        Blocks::Text(text) => Ok(vec![Text { text, cache: None }]),
        Blocks::List(blocks) => {
            let mut texts = Vec::with_capacity(blocks.len());
            for (i, block) in blocks.into_iter().enumerate() {
                if block.kind.as_str() != "text" {
                    return Err(Error::client(format!("system[{i}].type"), "must be `text`"));
                }
                let text = required(block.text, || format!("system[{i}].text"))?;
                texts.push(Text { text, cache: block.cache_control.map(cache_mark) });
            }
            Ok(texts)
        }
        Blocks::Other => Err(Error::client("system", "must be a string or an array of text blocks")),
    }
}

fn hub_tool<'a>(index: usize, tool: Tool<'a>, raw: &mut Raw<'a>) -> Result<hub::Tool<'a>, Error> {
    match tool.kind {
        Field::Str(kind) if kind != "custom" => Ok(hub::Tool::Foreign { kind, json: raw.tool(index)? }),
        Field::Other => Err(Error::client(format!("tools[{index}].type"), "must be a string")),
        Field::Str(_) | Field::Absent => Ok(hub::Tool::Function {
            name: required_filled(tool.name, || format!("tools[{index}].name"))?,
            description: tool.description.into_string(),
            schema: tool
                .input_schema
                .map(|schema| json::schema(schema, || format!("tools[{index}].input_schema")))
                .transpose()?,
            strict: tool.strict,
            cache: tool.cache_control.map(cache_mark),
        }),
    }
}

fn hub_tool_choice(choice: Choice<'_>) -> Result<(Option<ToolChoice<'_>>, Option<bool>), Error> {
    let parallel = (choice.disable_parallel_tool_use == Some(true)).then_some(false);
    let hub_choice = match choice.kind.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(required_filled(choice.name, || "tool_choice.name".to_owned())?),
        _ => return Err(Error::client("tool_choice.type", "must be `auto`, `any`, `tool` or `none`")),
    };
    Ok((Some(hub_choice), parallel))
}

/// `thinking` and `output_config.effort` as one wish. An effort alone is an effort; next to a budget or to
/// `disabled` it is left out.
fn thinking(config: Option<ThinkingConfig<'_>>, effort: Option<Effort>) -> Result<Option<Thinking>, Error> {
    let Some(config) = config else { return Ok(effort.map(Thinking::Effort)) };
    match config.kind.as_str() {
        "disabled" => Ok(Some(Thinking::Disabled)),
        // `between_tools` lets the model think wherever it sees fit, but only between tool calls.
        "adaptive" | "between_tools" => Ok(Some(Thinking::Adaptive(effort))),
        "enabled" => match config.budget_tokens {
            Some(budget) => Ok(Some(Thinking::Budget(budget))),
            None => Err(Error::client("thinking.budget_tokens", "is required when thinking is enabled")),
        },
        _ => Err(Error::client("thinking.type", "must be `enabled`, `disabled` or `adaptive`")),
    }
}

fn effort(effort: &Field<'_>) -> Result<Option<Effort>, Error> {
    match effort {
        Field::Absent => Ok(None),
        Field::Str(level) => match level.as_ref() {
            "low" => Ok(Some(Effort::Low)),
            "medium" => Ok(Some(Effort::Medium)),
            "high" => Ok(Some(Effort::High)),
            "xhigh" => Ok(Some(Effort::XHigh)),
            "max" => Ok(Some(Effort::Max)),
            _ => Err(bad_effort()),
        },
        Field::Other => Err(bad_effort()),
    }
}

fn bad_effort() -> Error {
    Error::client("output_config.effort", "must be `low`, `medium`, `high`, `xhigh` or `max`")
}

fn hub_format(format: Format<'_>) -> Result<OutputFormat<'_>, Error> {
    if format.kind.as_str() != "json_schema" {
        return Err(Error::client("output_config.format.type", "must be `json_schema`"));
    }
    let Some(schema) = format.schema else {
        return Err(Error::client("output_config.format.schema", "is required"));
    };
    Ok(OutputFormat::JsonSchema {
        name: None,
        description: None,
        schema: json::schema(schema, || "output_config.format.schema".to_owned())?,
        strict: None,
    })
}

/// A prompt-cache mark.
pub(super) fn cache_mark(control: CacheControl<'_>) -> hub::CacheMark<'_> {
    hub::CacheMark { ttl: control.ttl.into_string() }
}

/// A string that must be there; `path` says where.
pub(super) fn required<'a>(field: Field<'a>, path: impl FnOnce() -> String) -> Result<Cow<'a, str>, Error> {
    field.into_string().ok_or_else(|| Error::client(path(), "is required and must be a string"))
}

/// An id or a name.
pub(super) fn required_filled<'a>(
    field: Field<'a>,
    path: impl FnOnce() -> String,
) -> Result<Cow<'a, str>, Error> {
    field
        .into_filled()
        .ok_or_else(|| Error::client(path(), "is required and must be a string that is not empty"))
}
