//! Requests from OpenAI clients: everything but the conversation, which is in
//! [`message_decode`](super::message_decode).

use std::borrow::Cow;

use super::effort;
use super::message_decode::Conversation;
use super::request_wire::{self as wire, RawRequest, Request};
use super::wire::TextOr;
use crate::hub::{self, CacheMark, OutputFormat, Tool, ToolChoice};
use crate::json::{self, Str, is_object, non_empty};
use crate::{Error, hub::RawJson};

/// Decodes the body of `POST /v1/chat/completions`.
///
/// Read beyond OpenAI's reference: `top_k`, `reasoning_content`, `thinking_blocks` and `cache_control` (see
/// the [module](super)). `max_completion_tokens` wins over `max_tokens`, `safety_identifier` over `user`,
/// `thinking_blocks` over `reasoning_content`.
///
/// What the hub has no word for is left out: `audio` and `modalities` (spoken answers), `prediction`,
/// `store`, `prompt_cache_key`, `prompt_cache_retention`, `web_search_options`, `name` of a
/// system message before the first turn, empty strings as content, and every top-level field OpenAI does
/// not document. `tool_choice` `auto` and `none` and `parallel_tool_calls` mean nothing without tools and
/// are left out then. Content parts and tools of unknown types are kept verbatim as `Foreign`.
///
/// # Errors
/// [`Error::ClientSent`] with the JSON path of what is wrong, also for the `functions` API of before 2023;
/// [`Error::Unsupported`] for `tool_choice.type: allowed_tools` and for references to earlier spoken answers.
pub fn decode_request(body: &[u8]) -> Result<hub::Request<'_>, Error> {
    if !is_object(body) {
        return Err(Error::client("", "the body must be a JSON object"));
    }
    let request: Request<'_> = json::read_body(body)?;
    refuse_legacy(&request)?;
    let model = required(request.model, || "model".to_owned())?;
    let messages = request.messages.unwrap_or_default();
    if messages.is_empty() {
        return Err(Error::client("messages", "must hold at least one message"));
    }
    let mut raw = Raw { body, parsed: None };
    let mut conversation = Conversation::with_capacity(messages.len());
    for (index, message) in messages.into_iter().enumerate() {
        conversation.push(index, message, &mut raw)?;
    }
    let tools = tools(request.tools.unwrap_or_default(), &mut raw)?;
    Ok(hub::Request {
        model,
        system: conversation.system,
        turns: conversation.turns,
        tool_choice: tool_choice(request.tool_choice, !tools.is_empty())?,
        parallel_tool_calls: request.parallel_tool_calls.filter(|_| !tools.is_empty()),
        tools,
        max_output_tokens: request.max_completion_tokens.or(request.max_tokens),
        temperature: request.temperature,
        top_p: request.top_p,
        top_k: request.top_k,
        seed: request.seed,
        frequency_penalty: request.frequency_penalty,
        presence_penalty: request.presence_penalty,
        logit_bias: request.logit_bias.map(Cow::Borrowed),
        logprobs: request.logprobs,
        top_logprobs: request.top_logprobs,
        n: request.n,
        stop: match request.stop {
            None => Vec::new(),
            Some(TextOr::Text(Str(stop))) => vec![stop],
            Some(TextOr::Other(stops)) => stops.into_iter().map(|Str(stop)| stop).collect(),
        },
        thinking: request
            .reasoning_effort
            .map(|Str(text)| effort::read(&text, "reasoning_effort"))
            .transpose()?,
        output_format: request.response_format.map(output_format).transpose()?.flatten(),
        stream: (request.stream == Some(true)).then(|| hub::StreamOptions {
            include_usage: request.stream_options.and_then(|options| options.include_usage) == Some(true),
        }),
        user: request.safety_identifier.or(request.user).map(|Str(user)| user),
        metadata: request.metadata.map(Cow::Borrowed),
        service_tier: request.service_tier.map(|Str(tier)| tier),
        verbosity: request.verbosity.map(|Str(verbosity)| verbosity),
    })
}

/// The body as it came, for parts that must be kept verbatim. Parsed a second time only when there is one.
pub(super) struct Raw<'a> {
    body: &'a [u8],
    parsed: Option<RawRequest<'a>>,
}

impl<'a> Raw<'a> {
    fn request(&mut self) -> Option<&RawRequest<'a>> {
        if self.parsed.is_none() {
            self.parsed = serde_json::from_slice(self.body).ok();
        }
        self.parsed.as_ref()
    }

    /// The bytes of a content part.
    pub(super) fn part(&mut self, message: usize, part: usize) -> Option<RawJson<'a>> {
        match self.request()?.messages.get(message)?.content.as_ref()? {
            TextOr::Text(_) => None,
            TextOr::Other(parts) => parts.get(part).copied().map(Cow::Borrowed),
        }
    }

    fn tool(&mut self, index: usize) -> Option<RawJson<'a>> {
        self.request()?.tools.as_ref()?.get(index).copied().map(Cow::Borrowed)
    }
}

fn refuse_legacy(request: &Request<'_>) -> Result<(), Error> {
    if request.functions.is_some() {
        return Err(Error::client("functions", "is no longer supported: use `tools` with `type: function`"));
    }
    if request.function_call.is_some() {
        return Err(Error::client("function_call", "is no longer supported: use `tool_choice`"));
    }
    Ok(())
}

fn tools<'a>(tools: Vec<wire::Tool<'a>>, raw: &mut Raw<'a>) -> Result<Vec<Tool<'a>>, Error> {
    tools.into_iter().enumerate().map(|(index, tool)| decode_tool(index, tool, raw)).collect()
}

fn decode_tool<'a>(index: usize, tool: wire::Tool<'a>, raw: &mut Raw<'a>) -> Result<Tool<'a>, Error> {
    let at = |field: &str| format!("tools[{index}].{field}");
    let kind = required(tool.kind, || at("type"))?;
    if kind != "function" {
        let json =
            raw.tool(index).ok_or_else(|| Error::client(format!("tools[{index}]"), "must be an object"))?;
        return Ok(Tool::Foreign { kind, json });
    }
    let Some(function) = tool.function else {
        return Err(Error::client(at("function"), "is required for a tool of type `function`"));
    };
    let cache = match tool.cache_control {
        Some(control) => Some(cache_mark(control, || at("cache_control"))?),
        None => function
            .cache_control
            .map(|control| cache_mark(control, || at("function.cache_control")))
            .transpose()?,
    };
    Ok(Tool::Function {
        name: required(function.name, || at("function.name"))?,
        description: function.description.map(|Str(text)| text),
        schema: function
            .parameters
            .map(|schema| json::schema(schema, || at("function.parameters")))
            .transpose()?,
        strict: function.strict,
        cache,
    })
}

fn tool_choice<'a>(
    choice: Option<TextOr<'a, wire::ToolChoice<'a>>>,
    has_tools: bool,
) -> Result<Option<ToolChoice<'a>>, Error> {
    let choice = match choice {
        None => return Ok(None),
        Some(TextOr::Text(Str(mode))) => match mode.as_ref() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            _ => {
                return Err(Error::client(
                    "tool_choice",
                    "must be `auto`, `none`, `required` or an object that names a function",
                ));
            }
        },
        Some(TextOr::Other(choice)) => {
            match required(choice.kind, || "tool_choice.type".to_owned())?.as_ref() {
                "function" => {
                    ToolChoice::Named(required(choice.function.and_then(|function| function.name), || {
                        "tool_choice.function.name".to_owned()
                    })?)
                }
                kind @ ("allowed_tools" | "custom") => {
                    return Err(Error::unsupported(
                        "tool_choice.type",
                        format!(
                            "`{kind}` cannot be translated: name a function, or send only the tools that are allowed"
                        ),
                    ));
                }
                _ => return Err(Error::client("tool_choice.type", "must be `function`")),
            }
        }
    };
    match (has_tools, choice) {
        (true, choice) => Ok(Some(choice)),
        (false, ToolChoice::Auto | ToolChoice::None) => Ok(None),
        (false, ToolChoice::Required | ToolChoice::Named(_)) => {
            Err(Error::client("tool_choice", "demands a tool call, but `tools` is empty"))
        }
    }
}

fn output_format(format: wire::ResponseFormat<'_>) -> Result<Option<OutputFormat<'_>>, Error> {
    match required(format.kind, || "response_format.type".to_owned())?.as_ref() {
        "text" => Ok(None),
        "json_object" => Ok(Some(OutputFormat::JsonObject)),
        "json_schema" => {
            let Some(schema) = format.json_schema else {
                return Err(Error::client(
                    "response_format.json_schema",
                    "is required for type `json_schema`",
                ));
            };
            let Some(json) = schema.schema else {
                return Err(Error::client("response_format.json_schema.schema", "is required"));
            };
            Ok(Some(OutputFormat::JsonSchema {
                name: non_empty(schema.name),
                description: schema.description.map(|Str(text)| text),
                schema: json::schema(json, || "response_format.json_schema.schema".to_owned())?,
                strict: schema.strict,
            }))
        }
        _ => Err(Error::client("response_format.type", "must be `text`, `json_object` or `json_schema`")),
    }
}

/// A prompt-cache mark; only the type `ephemeral` exists.
pub(super) fn cache_mark(
    control: wire::CacheControl<'_>,
    path: impl FnOnce() -> String,
) -> Result<CacheMark<'_>, Error> {
    if control.kind.is_some_and(|Str(kind)| kind != "ephemeral") {
        return Err(Error::client(path(), "must be of type `ephemeral`"));
    }
    Ok(CacheMark { ttl: control.ttl.map(|Str(ttl)| ttl) })
}

/// A string that must be there and hold something.
pub(super) fn required<'a>(
    text: Option<Str<'a>>,
    path: impl FnOnce() -> String,
) -> Result<Cow<'a, str>, Error> {
    non_empty(text).ok_or_else(|| Error::client(path(), "is required and must not be empty"))
}
