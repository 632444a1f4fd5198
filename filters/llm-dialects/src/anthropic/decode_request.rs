//! Requests from Anthropic clients.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::request_wire::{Choice, Format, Message, RawContent, RawRequest, Request, ThinkingConfig, Tool};
use super::response::arguments_of;
use super::wire::{Block, Blocks, CacheControl, Field, Source};
use crate::Error;
use crate::hub::{
    self, Content, Effort, OutputFormat, Part, Role, Text, Thinking, ToolChoice, ToolResult, Turn,
};
use crate::json::Str;
use crate::json::is_object;

/// Decodes the body of `POST /v1/messages`.
///
/// What the hub has no word for is left out: `citations` and `context` of documents, `transformations` of
/// images, `display` of thinking, `output_config.effort` next to a thinking budget, and the top-level fields
/// not named in the [Messages reference](https://platform.claude.com/docs/en/api/messages/create) for
/// version 2023-06-01 or about billing (`container`, `inference_geo`, `speed`). Content blocks and tools the hub
/// has no word for are kept verbatim as `Foreign`. A `cache_control` of the whole request marks the last block.
///
/// # Errors
/// [`Error::ClientSent`] with the JSON path of what is wrong.
pub fn decode_request(body: &[u8]) -> Result<hub::Request<'_>, Error> {
    let wire: Request<'_> = serde_json::from_slice(body).map_err(|error| locate(body, &error))?;
    if !is_object(body) {
        return Err(Error::client("", "the body must be a JSON object"));
    }
    let mut raw = Raw { body, parsed: None };

    let model = required(wire.model, || "model".to_owned())?;
    let Some(max_tokens) = wire.max_tokens else {
        return Err(Error::client("max_tokens", "is required: say how many tokens may be generated"));
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
        max_output_tokens: Some(max_tokens),
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

/// Where in `messages` a block is.
#[derive(Clone, Copy)]
struct At {
    message: usize,
    block: Option<usize>,
    nested: Option<usize>,
}

impl At {
    fn message(message: usize) -> Self {
        Self { message, block: None, nested: None }
    }

    fn block(self, block: usize) -> Self {
        Self { block: Some(block), ..self }
    }

    fn nested(self, nested: usize) -> Self {
        Self { nested: Some(nested), ..self }
    }

    /// The JSON path of `name` in this place.
    fn field(self, name: &str) -> String {
        let mut path = format!("messages[{}]", self.message);
        for index in [self.block, self.nested].into_iter().flatten() {
            // Writing to a String cannot fail.
            let _ = write!(path, ".content[{index}]");
        }
        if !name.is_empty() {
            path.push('.');
            path.push_str(name);
        }
        path
    }
}

/// The body once more, with blocks and tools as bytes. Parsed only when one of them is foreign.
struct Raw<'a> {
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

    fn block(&mut self, at: At) -> Result<hub::RawJson<'a>, Error> {
        let found = self.request().and_then(|request| {
            let block = *request.messages.get(at.message)?.content.0.get(at.block?)?;
            match at.nested {
                None => Some(block),
                Some(nested) => {
                    let inner: RawContent<'a> = serde_json::from_str(block.get()).ok()?;
                    inner.content.0.get(nested).copied()
                }
            }
        });
        found.map(Cow::Borrowed).ok_or_else(|| Error::client(at.field(""), "is not a content block"))
    }

    fn tool(&mut self, index: usize) -> Result<hub::RawJson<'a>, Error> {
        let found = self.request().and_then(|request| request.tools.as_ref()?.get(index).copied());
        found.map(Cow::Borrowed).ok_or_else(|| Error::client(format!("tools[{index}]"), "is not a tool"))
    }
}

fn turn<'a>(at: At, message: Message<'a>, raw: &mut Raw<'a>) -> Result<Turn<'a>, Error> {
    let role = match message.role.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => return Err(Error::client(at.field("role"), "must be `user`, `assistant` or `system`")),
    };
    let content = match message.content {
        Blocks::Text(text) => vec![Part::Text(text).into()],
        Blocks::List(blocks) => {
            let mut content = Vec::with_capacity(blocks.len());
            for (i, block) in blocks.into_iter().enumerate() {
                content.push(content_of(at.block(i), block, raw)?);
            }
            content
        }
        Blocks::Absent | Blocks::Other => {
            return Err(Error::client(at.field("content"), "must be a string or an array of content blocks"));
        }
    };
    Ok(Turn { role, name: None, content })
}

fn content_of<'a>(at: At, mut block: Block<'a>, raw: &mut Raw<'a>) -> Result<Content<'a>, Error> {
    let cache = block.cache_control.take().map(cache_mark);
    let part = match block.kind.as_str() {
        "" => return Err(Error::client(at.field("type"), "is required and must be a string")),
        kind @ ("image" | "document") => match hub_source(at, kind, std::mem::take(&mut block.source))? {
            Some(source) if kind == "image" => Part::Image { source, detail: None },
            Some(source) => Part::Document { source, name: block.title.into_string() },
            None => foreign(at, block.kind, raw)?,
        },
        "tool_use" => Part::ToolCall(hub::ToolCall {
            id: required(block.id, || at.field("id"))?,
            name: required(block.name, || at.field("name"))?,
            arguments: arguments_of(block.input),
        }),
        "tool_result" if at.nested.is_none() => Part::ToolResult(tool_result(at, block, raw)?),
        "tool_result" => {
            return Err(Error::client(at.field("type"), "cannot be inside another `tool_result`"));
        }
        "text" => Part::Text(required(block.text, || at.field("text"))?),
        "thinking" => Part::Thinking {
            text: required(block.thinking, || at.field("thinking"))?,
            signature: block.signature.into_string(),
        },
        "redacted_thinking" => Part::RedactedThinking(required(block.data, || at.field("data"))?),
        _ => foreign(at, block.kind, raw)?,
    };
    Ok(Content { part, cache })
}

fn foreign<'a>(at: At, kind: Field<'a>, raw: &mut Raw<'a>) -> Result<Part<'a>, Error> {
    Ok(Part::Foreign { kind: kind.into_string().unwrap_or_default(), json: raw.block(at)? })
}

fn tool_result<'a>(at: At, block: Block<'a>, raw: &mut Raw<'a>) -> Result<ToolResult<'a>, Error> {
    let content = match block.content {
        Blocks::Absent => Vec::new(),
        Blocks::Text(text) => vec![Part::Text(text).into()],
        Blocks::List(blocks) => {
            let mut content = Vec::with_capacity(blocks.len());
            for (i, block) in blocks.into_iter().enumerate() {
                content.push(content_of(at.nested(i), block, raw)?);
            }
            content
        }
        Blocks::Other => {
            return Err(Error::client(at.field("content"), "must be a string or an array of content blocks"));
        }
    };
    Ok(ToolResult {
        call_id: required(block.tool_use_id, || at.field("tool_use_id"))?,
        content,
        is_error: block.is_error == Some(true),
    })
}

/// The source of an image or document; `None` when only Anthropic knows such a source.
fn hub_source<'a>(at: At, kind: &str, source: Source<'a>) -> Result<Option<hub::Source<'a>>, Error> {
    let Source::Object(source) = source else {
        return Err(Error::client(at.field("source"), "is required and must be an object"));
    };
    let source = match source.kind.as_str() {
        "" => return Err(Error::client(at.field("source.type"), "is required and must be a string")),
        "base64" => hub::Source::Base64 {
            media_type: required(source.media_type, || at.field("source.media_type"))?,
            data: required(source.data, || at.field("source.data"))?,
        },
        "url" => hub::Source::Url(required(source.url, || at.field("source.url"))?),
        "file" => hub::Source::File(required(source.file_id, || at.field("source.file_id"))?),
        "text" if kind == "document" => hub::Source::Text(required(source.data, || at.field("source.data"))?),
        _ => return Ok(None),
    };
    Ok(Some(source))
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
            name: required(tool.name, || format!("tools[{index}].name"))?,
            description: tool.description.into_string(),
            schema: tool.input_schema.map(Cow::Borrowed),
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
        "tool" => ToolChoice::Named(required(choice.name, || "tool_choice.name".to_owned())?),
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
        schema: Cow::Borrowed(schema),
        strict: None,
    })
}

fn cache_mark(control: CacheControl<'_>) -> hub::CacheMark<'_> {
    hub::CacheMark { ttl: control.ttl.into_string() }
}

fn required<'a>(field: Field<'a>, path: impl FnOnce() -> String) -> Result<Cow<'a, str>, Error> {
    field.into_string().ok_or_else(|| Error::client(path(), "is required and must be a string"))
}

/// The error for a body that does not fit [`Request`]. Parses it a second time to find the JSON path, which
/// costs too much to track while things go well.
fn locate(body: &[u8], error: &serde_json::Error) -> Error {
    if !error.is_data() {
        return Error::client("", format!("the body is not valid JSON: {error}"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize::<_, Request<'_>>(&mut deserializer) {
        Err(located) => {
            let path = located.path().to_string();
            let field = if path == "." { String::new() } else { path };
            Error::client(field, located.inner().to_string())
        }
        Ok(_) => Error::client("", error.to_string()),
    }
}
