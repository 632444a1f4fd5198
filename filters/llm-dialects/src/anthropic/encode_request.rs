//! Requests to Anthropic.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::encode_messages::{cache_control, called_tools, messages, system, text_block};
use super::encode_thinking::{self, Plan};
use super::lenient::Field;
use super::models::{self, Rules, Sampling};
use super::out::{self, Block, Blocks, Content, Message, Schema};
use super::{is_anthropic_tool, is_blank};
use crate::Error;
use crate::hub::{OutputFormat, Request, Tool, ToolChoice};
use crate::json::write_json;

/// `max_tokens` when neither the client names one nor the model is known; the API requires it. Every model
/// accepts this many.
pub const DEFAULT_MAX_TOKENS: u64 = 4096;

/// The smallest `top_p` the API takes together with thinking.
/// <https://platform.claude.com/docs/en/build-with-claude/extended-thinking>
const MIN_TOP_P_WITH_THINKING: f64 = 0.95;

/// How many cache breakpoints the API takes in one request.
/// <https://platform.claude.com/docs/en/build-with-claude/prompt-caching>
const MAX_CACHE_MARKS: usize = 4;

/// What stands in for OpenAI's `{"type": "json_object"}`, which the API lacks.
const JSON_OBJECT_INSTRUCTION: &str = "Answer with one JSON object and nothing else.";

/// What stands in for `tool_choice` `any` towards models that refuse it.
const SOME_TOOL_INSTRUCTION: &str = "Answer with a call of one of the tools.";

/// Encodes the body of `POST /v1/messages`.
///
/// | hub | Anthropic |
/// |---|---|
/// | **carried** | |
/// | model, tools, stop, top_k, stream | as they are |
/// | user | `metadata.user_id`, if it is 1 to 256 letters, digits, `_` and `-`, and no phone number |
/// | JSON schema output | `output_config.format`; its name, description and strictness have no field |
/// | parallel tool calls forbidden | `tool_choice.disable_parallel_tool_use` |
/// | thinking and documents' names, cache marks, tool errors | as they are |
/// | service tier | `auto` and `standard_only` as they are, `default` as `standard_only` |
/// | **approximated** | |
/// | no output limit | 4096 to 64000, by model; [`DEFAULT_MAX_TOKENS`] plus the thinking budget for unknown ones |
/// | system turns in the middle | moved to the end of `system`, in order |
/// | adjacent turns of one role | one message; tool results first, in the order of the calls |
/// | temperature | clamped to 0..=1 |
/// | thinking effort, models to 4.5 | a budget: minimal, low 1024, medium 2048, high 4096, xhigh 8192, max 16384 |
/// | thinking effort, models from 4.6 on | adaptive thinking with `output_config.effort`; minimal is low |
/// | thinking budget | at least 1024 and below `max_tokens`; an effort from 4.7 on |
/// | no thinking, models that cannot but think | `between_tools`, or low effort |
/// | a forced tool call, models that refuse it | an instruction at the end of `system` |
/// | JSON object output | an instruction at the end of `system` |
/// | arguments that are no JSON object | `{"raw_arguments": "<text>"}`; blank ones `{}` |
/// | characters of tool call ids other than `a-zA-Z0-9_-` | `_` |
/// | calls in the history of tools the request does not define, when it defines none | minimal definitions and `tool_choice` none: the API refuses such a history otherwise |
/// | schemas without a `type` | get `"type":"object"` |
/// | refusals in the history | text |
/// | `image/jpg` | `image/jpeg` |
/// | **dropped** | |
/// | other user identifiers | the API refuses e-mail addresses and phone numbers |
/// | seed, penalties, logit bias, metadata, other service tiers, participant names, image detail | no equivalent |
/// | blank text, blank stop sequences, white space at the end of a final assistant message | the API refuses them |
/// | thinking in the history that is unsigned or signed by others than Anthropic | the API refuses it |
/// | verbosity, citations in the history | no equivalent |
/// | cache marks beyond four | those on tools and system are kept first, then the latest in messages |
/// | thinking | when `max_tokens` leaves no room for 1024 tokens; when the open assistant turn has calls without signed thinking; when a tool call is forced; for models before 3.7 |
/// | temperature, top_p, top_k | models from 4.7 on refuse them |
/// | temperature, top_k, top_p below 0.95 | next to thinking |
/// | top_p | next to a temperature, when it is 1 (the default) or the model takes only one of the two |
/// | tool choices auto and none without tools | nothing to choose |
/// | **refused** | |
/// | more than one answer, log probabilities, audio | [`Error::Unsupported`] |
/// | URLs of other schemes than http(s), files uploaded to OpenAI or Google, images and documents of types the API does not read | [`Error::Unsupported`] |
/// | content and tools only other dialects know | [`Error::Unsupported`] |
/// | a forced tool call without tools, no message with content | [`Error::ClientSent`] |
///
/// Which forms of thinking, which sampling parameters and whether forced tool calls are taken depends on the
/// model; the table is in the `models` module. Models from 4.6 on also refuse a conversation that ends with the
/// assistant: such a request is passed on, as only the provider can tell the client what its model does.
///
/// # Errors
/// As in the last part of the table. Paths count messages without the leading system ones.
pub fn encode_request(request: &Request<'_>) -> Result<Vec<u8>, Error> {
    encode(request, |body| body)
}

/// Encodes the body of `POST /v1/messages/count_tokens`: that of [`encode_request`] without what the endpoint does
/// not take. <https://platform.claude.com/docs/en/api/messages-count-tokens>
///
/// # Errors
/// As [`encode_request`].
pub(crate) fn encode_count_request(request: &Request<'_>) -> Result<Vec<u8>, Error> {
    encode(request, |body| out::Request {
        max_tokens: None,
        temperature: None,
        top_p: None,
        top_k: None,
        stop_sequences: Vec::new(),
        metadata: None,
        service_tier: None,
        stream: false,
        ..body
    })
}

/// Encodes a request after `finish` has had a look at it.
fn encode(
    request: &Request<'_>,
    finish: for<'r> fn(out::Request<'r>) -> out::Request<'r>,
) -> Result<Vec<u8>, Error> {
    refuse(request)?;
    let rules = models::rules(&request.model);
    let mut messages = messages(&request.turns)?;
    let mut system = system(request)?;
    if matches!(request.output_format, Some(OutputFormat::JsonObject)) {
        system.push(text_block(JSON_OBJECT_INSTRUCTION, None));
    }
    let instruction = forced_call_instruction(request, &rules);
    if let Some(instruction) = &instruction {
        system.push(text_block(instruction, None));
    }
    let mut tools = tools(&request.tools)?;
    let tool_choice = if tools.is_empty() {
        let forced = matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)));
        if forced {
            return Err(Error::client("tool_choice", "forces a tool call, but the request defines no tools"));
        }
        tools = called_tools(&messages).into_iter().map(|name| out::Tool::Function(minimal(name))).collect();
        (!tools.is_empty()).then_some(out::ToolChoice {
            kind: "none",
            name: None,
            disable_parallel_tool_use: false,
        })
    } else {
        tool_choice(request, &rules)
    };
    limit_cache_marks(&mut tools, &mut system, &mut messages);

    let plan = encode_thinking::plan(request, &messages, &rules);
    let Sampled { temperature, top_p, top_k } = sampling(request, &rules, plan.thinks());
    let Plan { max_tokens, thinking, effort } = plan;
    let format = match &request.output_format {
        Some(OutputFormat::JsonSchema { schema, .. }) => Some(out::Format { kind: "json_schema", schema }),
        Some(OutputFormat::JsonObject) | None => None,
    };
    let body = out::Request {
        model: &request.model,
        max_tokens: Some(max_tokens),
        system: (!system.is_empty()).then_some(Blocks(system)),
        messages,
        tools,
        tool_choice,
        thinking,
        output_config: (effort.is_some() || format.is_some()).then_some(out::OutputConfig { effort, format }),
        temperature,
        top_p,
        top_k,
        stop_sequences: request
            .stop
            .iter()
            .map(AsRef::as_ref)
            .filter(|stop: &&str| !is_blank(stop))
            .collect(),
        metadata: request
            .user
            .as_deref()
            .filter(|user| is_opaque(user))
            .map(|user_id| out::Metadata { user_id }),
        service_tier: match request.service_tier.as_deref() {
            Some("auto") => Some("auto"),
            Some("default" | "standard_only") => Some("standard_only"),
            _ => None,
        },
        stream: request.stream.is_some(),
    };
    let mut bytes = Vec::new();
    write_json(&mut bytes, &finish(body));
    Ok(bytes)
}

fn refuse(request: &Request<'_>) -> Result<(), Error> {
    if request.n.is_some_and(|n| n > 1) {
        return Err(Error::unsupported("n", "Anthropic gives one answer per request: send several requests"));
    }
    if request.logprobs == Some(true) {
        return Err(Error::unsupported("logprobs", "Anthropic reports no log probabilities: leave it out"));
    }
    if request.top_logprobs.is_some_and(|n| n > 0) {
        return Err(Error::unsupported(
            "top_logprobs",
            "Anthropic reports no log probabilities: leave it out",
        ));
    }
    Ok(())
}

fn tools<'a>(tools: &'a [Tool<'a>]) -> Result<Vec<out::Tool<'a>>, Error> {
    let mut encoded = Vec::with_capacity(tools.len());
    for (i, tool) in tools.iter().enumerate() {
        encoded.push(match tool {
            Tool::Function { name, description, schema, strict, cache } => {
                out::Tool::Function(out::Function {
                    name,
                    description: description.as_deref(),
                    input_schema: schema
                        .as_deref()
                        .map_or(Ok(Schema::Empty), |schema| input_schema(i, schema))?,
                    strict: *strict == Some(true),
                    cache_control: cache.as_ref().map(cache_control),
                })
            }
            Tool::Foreign { kind, json } if is_anthropic_tool(kind) => out::Tool::Verbatim(json),
            Tool::Foreign { kind, .. } => {
                return Err(Error::unsupported(
                    format!("tools[{i}]"),
                    format!("Anthropic has no tool of type `{kind}`: remove it, or define a function"),
                ));
            }
        });
    }
    Ok(encoded)
}

/// A schema the API takes: an object with a `type`.
fn input_schema(index: usize, schema: &RawValue) -> Result<Schema<'_>, Error> {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(borrow, default, rename = "type")]
        kind: Field<'a>,
    }

    let refused =
        || Error::client(format!("tools[{index}]"), "the schema of its arguments must be a JSON object");
    let Some(rest) = schema.get().strip_prefix('{') else { return Err(refused()) };
    let typed: Typed<'_> = serde_json::from_str(schema.get()).map_err(|_| refused())?;
    if typed.kind != Field::Absent {
        return Ok(Schema::Verbatim(schema));
    }
    if rest.trim_start().starts_with('}') {
        return Ok(Schema::Empty);
    }
    let completed = format!(r#"{{"type":"object",{rest}"#);
    RawValue::from_string(completed).map(Schema::Completed).map_err(|_| refused())
}

fn minimal(name: &str) -> out::Function<'_> {
    out::Function { name, description: None, input_schema: Schema::Empty, strict: false, cache_control: None }
}

fn tool_choice<'a>(request: &'a Request<'a>, rules: &Rules) -> Option<out::ToolChoice<'a>> {
    let serial = request.parallel_tool_calls == Some(false);
    let (kind, name) = match &request.tool_choice {
        None if serial => ("auto", None),
        None => return None,
        Some(ToolChoice::Auto) => ("auto", None),
        Some(ToolChoice::None) => ("none", None),
        Some(ToolChoice::Required | ToolChoice::Named(_)) if !rules.forced_tools => ("auto", None),
        Some(ToolChoice::Required) => ("any", None),
        Some(ToolChoice::Named(name)) => ("tool", Some(name.as_ref())),
    };
    Some(out::ToolChoice { kind, name, disable_parallel_tool_use: serial && kind != "none" })
}

/// What asks for a tool call where it cannot be forced.
fn forced_call_instruction<'a>(request: &'a Request<'a>, rules: &Rules) -> Option<Cow<'a, str>> {
    match &request.tool_choice {
        _ if rules.forced_tools || request.tools.is_empty() => None,
        Some(ToolChoice::Required) => Some(Cow::Borrowed(SOME_TOOL_INSTRUCTION)),
        Some(ToolChoice::Named(name)) => {
            Some(Cow::Owned(format!("Answer with a call of the tool `{name}`.")))
        }
        Some(ToolChoice::Auto | ToolChoice::None) | None => None,
    }
}

/// Whether the API takes `user` for an identifier that tells nothing of the person.
fn is_opaque(user: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let phone = user.len() >= 7 && !user.bytes().any(|byte| byte.is_ascii_alphabetic());
    (1..=256).contains(&user.len()) && user.bytes().all(allowed) && !phone
}

/// Sampling parameters as they are sent.
struct Sampled {
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u64>,
}

fn sampling(request: &Request<'_>, rules: &Rules, thinks: bool) -> Sampled {
    if rules.sampling == Sampling::None {
        return Sampled { temperature: None, top_p: None, top_k: None };
    }
    let temperature = request.temperature.map(|temperature| temperature.clamp(0.0, 1.0));
    let top_p = request.top_p.filter(|&top_p| match temperature {
        _ if thinks => top_p >= MIN_TOP_P_WITH_THINKING,
        Some(_) => top_p < 1.0 && rules.sampling == Sampling::Free,
        None => true,
    });
    Sampled { temperature: temperature.filter(|_| !thinks), top_p, top_k: request.top_k.filter(|_| !thinks) }
}

/// Drops cache marks beyond what the API takes. Tools and system come first in the prompt and change least,
/// so their marks stay; of those in messages, the last ones reach furthest. Marks inside verbatim JSON count,
/// but stay where they are.
fn limit_cache_marks<'a>(
    tools: &mut [out::Tool<'a>],
    system: &mut [Content<'a>],
    messages: &mut [Message<'a>],
) {
    let verbatim =
        tools.iter().filter(|tool| matches!(tool, out::Tool::Verbatim(json) if has_cache_mark(json))).count()
            + messages
                .iter()
                .flat_map(|message| &message.content.0)
                .filter(|content| matches!(content, Content::Verbatim(json) if has_cache_mark(json)))
                .count();
    let mut left = MAX_CACHE_MARKS.saturating_sub(verbatim);
    let of_tools = tools.iter_mut().filter_map(|tool| match tool {
        out::Tool::Function(function) => Some(&mut function.cache_control),
        out::Tool::Verbatim(_) => None,
    });
    let of_system = system.iter_mut().filter_map(|content| match content {
        Content::Block(block) => Some(&mut block.cache_control),
        Content::Verbatim(_) => None,
    });
    for mark in of_tools.chain(of_system).filter(|mark| mark.is_some()) {
        match left.checked_sub(1) {
            Some(fewer) => left = fewer,
            None => *mark = None,
        }
    }
    for message in messages.iter_mut().rev() {
        limit_marks_of(&mut message.content.0, &mut left);
    }
}

/// Drops all cache marks of `blocks` but the last `left`, and counts down `left`.
fn limit_marks_of(blocks: &mut [Content<'_>], left: &mut usize) {
    for content in blocks.iter_mut().rev() {
        let Content::Block(Block { cache_control, content, .. }) = content else { continue };
        if cache_control.is_some() {
            match left.checked_sub(1) {
                Some(fewer) => *left = fewer,
                None => *cache_control = None,
            }
        }
        if let Some(Blocks(nested)) = content {
            limit_marks_of(nested, left);
        }
    }
}

fn has_cache_mark(json: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Marked {
        cache_control: Option<IgnoredAny>,
    }

    serde_json::from_str(json.get()).is_ok_and(|marked: Marked| marked.cache_control.is_some())
}

#[cfg(test)]
mod tests;
