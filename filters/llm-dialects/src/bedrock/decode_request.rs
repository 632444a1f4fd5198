//! Requests from Bedrock clients.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::content::{Piece, Wrong, piece, read};
use super::request_wire::{
    Additional, Message, NovaReasoning, OutputConfig, Request, System, Tool, ToolChoice,
};
use super::wire::GuardContent;
use crate::Error;
use crate::hub::{self, Content, Effort, OutputFormat, Part, Role, Text, Thinking, Turn};
use crate::json::{self, Str, is_object, non_empty};

/// Decodes the body of `POST /model/{modelId}/converse` and `…/converse-stream`. Model and streaming are in the path:
/// `model` is empty, `stream` unset.
///
/// | Converse | hub |
/// |---|---|
/// | messages, system, inferenceConfig, toolConfig | as they are |
/// | a cachePoint | the mark of what stands before it; dropped where nothing does |
/// | guardContent | its text or image |
/// | citationsContent | text; the citations are dropped |
/// | documents of type txt, md, csv, html | text |
/// | `s3Location` | an `s3://` URL; its bucket owner is dropped |
/// | `json` of a tool result | text |
/// | requestMetadata | metadata |
/// | outputConfig | structured output, effort |
/// | additionalModelRequestFields: thinking, output_config.effort, reasoningConfig, reasoning_effort, top_k, k, inferenceConfig.topK, tool_choice.disable_parallel_tool_use, seed, penalties | what they mean |
/// | other additionalModelRequestFields, additionalModelResponseFieldPaths, performanceConfig, citations and context of documents | dropped |
/// | video, search results, audio in S3, tools and calls of the provider, tool additions and removals | verbatim as `Foreign`, under the name of their member |
///
/// # Errors
/// [`Error::ClientSent`] with the JSON path of what is wrong. [`Error::Unsupported`] for what only Bedrock can do and
/// the answer depends on: `promptVariables`, `guardrailConfig`, `additionalModelRequestFields.tools`.
pub fn decode_request(body: &[u8]) -> Result<hub::Request<'_>, Error> {
    let text =
        std::str::from_utf8(body).map_err(|_| Error::client("", "the body is not valid JSON: not UTF-8"))?;
    if !is_object(body) {
        return Err(Error::client("", "the body must be a JSON object"));
    }
    let wire: Request<'_> = read(text.trim_start()).map_err(|wrong| at("", wrong))?;
    refuse(&wire)?;
    let messages = wire.messages.unwrap_or_default();
    if messages.is_empty() {
        return Err(Error::client("messages", "must hold at least one message"));
    }
    let mut turns = Vec::with_capacity(messages.len());
    for (i, message) in messages.into_iter().enumerate() {
        turns.push(turn(i, message)?);
    }
    let additional = wire.additional_model_request_fields.unwrap_or_default();
    let parallel_tool_calls = match &additional.tool_choice {
        Some(choice) if choice.disable_parallel_tool_use == Some(true) => Some(false),
        _ => None,
    };
    let (tools, tool_choice) = match wire.tool_config {
        Some(config) => (tools(config.tools.unwrap_or_default())?, config.tool_choice),
        None => (Vec::new(), None),
    };
    let (top_k, seed) = (additional.top_k, additional.seed);
    let top_k = top_k.or(additional.nova_inference.as_ref().and_then(|config| config.top_k));
    let (frequency_penalty, presence_penalty) = (additional.frequency_penalty, additional.presence_penalty);
    let thinking = thinking(additional, wire.output_config.as_ref())?;
    let output_format = wire.output_config.map(output_format).transpose()?.flatten();
    let (max_output_tokens, temperature, top_p, stop) = match wire.inference_config {
        Some(config) => (config.max_tokens, config.temperature, config.top_p, config.stop_sequences),
        None => (None, None, None, None),
    };
    Ok(hub::Request {
        system: system(wire.system.unwrap_or_default())?,
        turns,
        tools,
        tool_choice: tool_choice.map(hub_tool_choice).transpose()?,
        parallel_tool_calls,
        max_output_tokens,
        temperature,
        top_p,
        top_k,
        seed,
        frequency_penalty,
        presence_penalty,
        stop: stop.unwrap_or_default().into_iter().map(|Str(stop)| stop).collect(),
        thinking,
        output_format,
        metadata: wire.request_metadata.map(metadata).transpose()?,
        service_tier: wire.service_tier.and_then(|tier| tier.kind).map(|Str(tier)| tier),
        ..hub::Request::default()
    })
}

/// Refuses what would be lost with its meaning.
fn refuse(wire: &Request<'_>) -> Result<(), Error> {
    if wire.prompt_variables.is_some() {
        return Err(Error::unsupported(
            "promptVariables",
            "prompts are kept by Bedrock and not known here: send the messages themselves",
        ));
    }
    if wire.guardrail_config.is_some() {
        return Err(Error::unsupported(
            "guardrailConfig",
            "the provider this request is routed to has no guardrails of Bedrock: leave it out",
        ));
    }
    if wire.additional_model_request_fields.as_ref().is_some_and(|fields| fields.tools.is_some()) {
        return Err(Error::unsupported(
            "additionalModelRequestFields.tools",
            "tools of one model family are not known elsewhere: define them in toolConfig",
        ));
    }
    Ok(())
}

/// The error for something wrong at `base`.
fn at(base: &str, wrong: Wrong) -> Error {
    let dot = if base.is_empty() || wrong.path.is_empty() { "" } else { "." };
    Error::client(format!("{base}{dot}{}", wrong.path), wrong.message)
}

fn turn(index: usize, message: Message<'_>) -> Result<Turn<'_>, Error> {
    let role = match message.role.as_ref().map(|Str(role)| role.as_ref()) {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system") => Role::System,
        _ => {
            return Err(Error::client(
                format!("messages[{index}].role"),
                "must be `user`, `assistant` or `system`",
            ));
        }
    };
    let Some(blocks) = message.content else {
        return Err(Error::client(
            format!("messages[{index}].content"),
            "must be an array of content blocks",
        ));
    };
    let mut content: Vec<Content<'_>> = Vec::with_capacity(blocks.len());
    for (i, json) in blocks.into_iter().enumerate() {
        match piece(json).map_err(|wrong| at(&format!("messages[{index}].content[{i}]"), wrong))? {
            Piece::Parts(parts) => {
                // Citations belong to answers; nobody reads them in the history.
                let parts = parts.into_iter().filter(|part| !matches!(part, Part::Citation(_)));
                content.extend(parts.map(Content::from));
            }
            Piece::Cache(mark) => {
                if let Some(last) = content.last_mut() {
                    last.cache = Some(mark);
                }
            }
        }
    }
    Ok(Turn { role, name: None, content })
}

fn system(blocks: Vec<System<'_>>) -> Result<Vec<Text<'_>>, Error> {
    let mut texts: Vec<Text<'_>> = Vec::with_capacity(blocks.len());
    for (i, block) in blocks.into_iter().enumerate() {
        match block {
            System { text: Some(Str(text)), .. } => texts.push(Text { text, cache: None }),
            System { cache_point: Some(point), .. } => {
                if let Some(last) = texts.last_mut() {
                    last.cache = Some(point.into());
                }
            }
            System { guard_content: Some(GuardContent { text: Some(text), .. }), .. } => {
                let text = text.text.map(|Str(text)| text).unwrap_or_default();
                texts.push(Text { text, cache: None });
            }
            _ => {
                return Err(Error::client(
                    format!("system[{i}]"),
                    "must hold text, a cachePoint, or guardContent with text",
                ));
            }
        }
    }
    Ok(texts)
}

fn tools(list: Vec<&RawValue>) -> Result<Vec<hub::Tool<'_>>, Error> {
    let mut tools: Vec<hub::Tool<'_>> = Vec::with_capacity(list.len());
    for (i, json) in list.into_iter().enumerate() {
        let path = || format!("toolConfig.tools[{i}]");
        let tool: Tool<'_> = read(json.get()).map_err(|wrong| at(&path(), wrong))?;
        match tool {
            Tool { tool_spec: Some(spec), .. } => {
                let Some(Str(name)) = spec.name.filter(|Str(name)| !name.is_empty()) else {
                    return Err(Error::client(
                        format!("{}.toolSpec.name", path()),
                        "is required and must not be empty",
                    ));
                };
                tools.push(hub::Tool::Function {
                    name,
                    description: spec.description.map(|Str(description)| description),
                    schema: spec
                        .input_schema
                        .and_then(|schema| schema.json)
                        .map(|schema| {
                            json::schema(schema, || format!("{}.toolSpec.inputSchema.json", path()))
                        })
                        .transpose()?,
                    strict: spec.strict,
                    cache: None,
                });
            }
            Tool { cache_point: Some(point), .. } => {
                if let Some(hub::Tool::Function { cache, .. }) = tools.last_mut() {
                    *cache = Some(point.into());
                }
            }
            Tool { system_tool: Some(_), .. } => tools.push(hub::Tool::Foreign {
                kind: Cow::Borrowed(super::SYSTEM_TOOL),
                json: Cow::Borrowed(json),
            }),
            _ => return Err(Error::client(path(), "must hold a toolSpec, a systemTool or a cachePoint")),
        }
    }
    Ok(tools)
}

fn hub_tool_choice(choice: ToolChoice<'_>) -> Result<hub::ToolChoice<'_>, Error> {
    match choice {
        ToolChoice { tool: Some(tool), .. } => match tool.name {
            Some(Str(name)) if !name.is_empty() => Ok(hub::ToolChoice::Named(name)),
            _ => Err(Error::client("toolConfig.toolChoice.tool.name", "is required and must not be empty")),
        },
        ToolChoice { any: Some(_), .. } => Ok(hub::ToolChoice::Required),
        ToolChoice { auto: Some(_), .. } => Ok(hub::ToolChoice::Auto),
        ToolChoice { .. } => Err(Error::client("toolConfig.toolChoice", "must hold auto, any or tool")),
    }
}

/// Every way to ask for reasoning, as one wish: thinking of Claude with its effort, then that of Nova, then an effort
/// alone. Next to a budget or to `disabled` an effort is left out.
fn thinking(fields: Additional<'_>, output: Option<&OutputConfig<'_>>) -> Result<Option<Thinking>, Error> {
    let claude_effort = fields.output_config.and_then(|config| config.effort);
    let claude_effort = effort(claude_effort.as_ref(), "additionalModelRequestFields.output_config.effort")?;
    let own_effort = effort(output.and_then(|config| config.effort.as_ref()), "outputConfig.effort")?;
    let openai = fields.reasoning_effort.as_ref();
    let none = openai.is_some_and(|Str(level)| level == "none");
    let openai = effort(openai.filter(|_| !none), "additionalModelRequestFields.reasoning_effort")?;
    let level = claude_effort.or(own_effort).or(openai);
    if let Some(thinking) = fields.thinking {
        let kind = thinking.kind.as_ref().map_or("", |Str(kind)| kind.as_ref());
        return match (kind, thinking.budget_tokens) {
            ("disabled", _) => Ok(Some(Thinking::Disabled)),
            ("enabled", Some(budget)) => Ok(Some(Thinking::Budget(budget))),
            ("enabled" | "adaptive" | "between_tools", _) => Ok(Some(Thinking::Adaptive(level))),
            _ => Err(Error::client(
                "additionalModelRequestFields.thinking.type",
                "must be `enabled`, `disabled` or `adaptive`",
            )),
        };
    }
    let inside = fields.nova_inference.and_then(|config| config.reasoning_config);
    if let Some(NovaReasoning { kind, max_reasoning_effort }) = fields.nova_reasoning.or(inside) {
        if kind.is_none_or(|Str(kind)| kind != "enabled") {
            return Ok(Some(Thinking::Disabled));
        }
        let path = "additionalModelRequestFields.reasoningConfig.maxReasoningEffort";
        return Ok(Some(match effort(max_reasoning_effort.as_ref(), path)? {
            Some(level) => Thinking::Effort(level),
            None => Thinking::Adaptive(None),
        }));
    }
    Ok(if none { Some(Thinking::Disabled) } else { level.map(Thinking::Effort) })
}

fn effort(level: Option<&Str<'_>>, path: &str) -> Result<Option<Effort>, Error> {
    let Some(Str(level)) = level else { return Ok(None) };
    Ok(Some(match level.as_ref() {
        "minimal" => Effort::Minimal,
        "low" => Effort::Low,
        "medium" => Effort::Medium,
        "high" => Effort::High,
        "xhigh" => Effort::XHigh,
        "max" => Effort::Max,
        _ => return Err(Error::client(path, "must be `low`, `medium`, `high`, `xhigh` or `max`")),
    }))
}

fn output_format(config: OutputConfig<'_>) -> Result<Option<OutputFormat<'_>>, Error> {
    let Some(format) = config.text_format else { return Ok(None) };
    let path = "outputConfig.textFormat.structure.jsonSchema.schema";
    let schema = format.structure.and_then(|structure| structure.json_schema);
    let Some(schema) = schema else { return Err(Error::client(path, "is required")) };
    let Some(Str(json)) = schema.schema else { return Err(Error::client(path, "is required")) };
    let json = RawValue::from_string(json.into_owned())
        .map_err(|error| Error::client(path, format!("is not valid JSON: {error}")))?;
    json::schema(&json, || path.to_owned())?;
    Ok(Some(OutputFormat::JsonSchema {
        name: non_empty(schema.name),
        description: schema.description.map(|Str(description)| description),
        schema: Cow::Owned(json),
        strict: None,
    }))
}

fn metadata(json: &RawValue) -> Result<hub::RawJson<'_>, Error> {
    if json.get().starts_with('{') {
        Ok(Cow::Borrowed(json))
    } else {
        Err(Error::client("requestMetadata", "must be an object"))
    }
}
