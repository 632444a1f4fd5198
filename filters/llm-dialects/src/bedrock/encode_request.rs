//! Requests to Bedrock.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::encode_content::{cache_point, is_blank};
use super::encode_messages::{called_tools, has_tool_blocks, messages, system};
use super::encode_thinking::{self, Plan};
use super::models::{self, Cache, Forced, Rules, TopK};
use super::out::{self, Block, Message};
use super::request_out::{self, InputSchema, Structure, System, Tool, ToolSpec};
use crate::Error;
use crate::anthropic::models::Sampling;
use crate::hub::{self, OutputFormat, Request, ToolChoice};
use crate::json::write_json;

/// How many cache marks the API takes in one request.
/// <https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html>
const MAX_CACHE_MARKS: usize = 4;

/// The smallest `top_p` Claude takes together with thinking.
const MIN_TOP_P_WITH_THINKING: f64 = 0.95;

/// How many entries `requestMetadata` takes, and the longest key or value in bytes.
const METADATA: (usize, usize) = (16, 256);

/// Where Claude tells which stop sequence matched.
const STOP_SEQUENCE: &[&str] = &["/stop_sequence"];

const JSON_OBJECT: &str = "Answer with one JSON object and nothing else.";
const SOME_TOOL: &str = "Answer with a call of one of the tools.";
const NO_TOOL: &str = "Do not call any tool.";
const ONE_CALL: &str = "Call at most one tool at a time.";

/// Encodes the body of `POST /model/{modelId}/converse` and `…/converse-stream`. Model and streaming are in the path;
/// the model is read for the rules of its family only, and whether to stream is not read at all.
///
/// | hub | Converse |
/// |---|---|
/// | **carried** | |
/// | text, tools, calls, results, stop sequences, output limit, `top_p` | as they are |
/// | images, documents, audio as base64 or at `s3://` | `bytes`, `s3Location` |
/// | text documents | `bytes` of type txt |
/// | top-k | where the model takes it: `top_k`, `k`, `inferenceConfig.topK`; dropped for others |
/// | thinking with Claude's signature, redacted thinking | `reasoningContent`, to Claude; dropped for others |
/// | JSON schema output, strict tools | `outputConfig.textFormat`, `strict`, where the model takes them |
/// | cache marks | `cachePoint`, to Claude and Nova |
/// | metadata | `requestMetadata`: up to 16 strings in the API's alphabet; other values are dropped |
/// | service tier | `flex`, `priority` and `reserved`; others mean the default |
/// | **approximated** | |
/// | thinking, Claude | as for Anthropic: a budget up to 4.5, adaptive with an effort from 4.6 on |
/// | thinking, Nova 2, gpt-oss, Kimi | an effort from low to high; Nova: medium for high if there is an output limit |
/// | no output limit beside a thinking budget | 32000 to 64000, by model |
/// | JSON schema output, other models; JSON object output | an instruction at the end of `system` |
/// | a forced tool call, models that refuse it | an instruction at the end of `system` |
/// | a call of one tool forced, models that can only be made to call any | any, and no other tool is sent |
/// | tool choice none | no tools are sent; with calls in the history, an instruction at the end of `system` |
/// | parallel calls forbidden | `tool_choice.disable_parallel_tool_use` for Claude from 4.5 on, unless a call is forced; an instruction otherwise |
/// | calls in the history, when the request defines no tools | minimal definitions, and an instruction not to call them: the API refuses such a history otherwise |
/// | system turns in the middle | moved to the end of `system`, in order |
/// | adjacent turns of one role | one message; tool results first, in the order of the calls |
/// | a conversation the assistant begins | the user says "Continue." first |
/// | documents without text beside them | a text that points to them |
/// | document names | characters the API refuses become hyphens; equal ones are numbered |
/// | temperature, `top_p` | clamped to 0..=1 |
/// | arguments that are no JSON object | `{"raw_arguments": "<text>"}`; blank ones `{}` |
/// | tool call ids with other characters than `a-zA-Z0-9_-`, or longer than 64 | `_`, a hash at the end |
/// | schemas without a `type` | get `"type":"object"` |
/// | refusals in the history | text |
/// | a failed tool | `status`, or the word error before its output for models without |
/// | a tool without output | "(no output)" |
/// | a cache mark inside a tool result | behind it |
/// | **dropped** | |
/// | seed, penalties, logit bias, user, verbosity, participant names, image detail, citations | no equivalent |
/// | blank text, blank stop sequences, white space at the end of a final assistant message | the API refuses them |
/// | thinking without a signature of Claude | refused by all models |
/// | cache marks beyond four | those on tools and system are kept first, then the latest in messages |
/// | one hour of caching | models before Claude 4.5 |
/// | thinking | for models that cannot; when a tool call is forced; when `max_tokens` leaves no room for 1024 tokens; when Claude's open turn has calls without signed thinking |
/// | temperature, top-p, top-k | as for Anthropic; for Nova 2 at high effort |
/// | **refused** | |
/// | more than one answer, log probabilities | [`Error::Unsupported`] |
/// | images and documents at other URLs or uploaded elsewhere, and of types the API does not read | [`Error::Unsupported`] |
/// | content and tools only other dialects know | [`Error::Unsupported`] |
/// | a forced tool call without tools, no message with content | [`Error::ClientSent`] |
///
/// Which model takes what is in the `models` module.
///
/// # Errors
/// As in the last part of the table. Paths count messages without the leading system ones.
pub fn encode_request(request: &Request<'_>) -> Result<Vec<u8>, Error> {
    refuse(request)?;
    let rules = models::rules(&request.model);
    let mut messages = messages(&request.turns, &rules)?;
    let mut system = system(request, &rules)?;
    let instruct = |system: &mut Vec<System<'_>>, text: &'static str| {
        system.push(System::Text(Cow::Borrowed(text)));
    };
    let output_config = output_config(request, &rules, &mut system);
    let Tools { mut list, choice, serial, instruction } = tools(request, &messages, &rules)?;
    if let Some(instruction) = instruction {
        system.push(System::Text(instruction));
    }
    let serial_field = serial && rules.serial_calls && choice.is_none();
    if serial && !serial_field {
        instruct(&mut system, ONE_CALL);
    }
    limit_cache_marks(&mut list, &mut system, &mut messages);

    let plan = encode_thinking::plan(request, &messages, &rules, choice.is_some());
    let sampled = sampling(request, &rules, &plan);
    let stop_sequences: Vec<&str> =
        request.stop.iter().map(AsRef::as_ref).filter(|stop: &&str| !is_blank(stop)).collect();
    let asks_for_stop = rules.claude.is_some() && !stop_sequences.is_empty();
    let body = request_out::Request {
        messages,
        system,
        inference_config: request_out::InferenceConfig {
            max_tokens: plan.max_tokens,
            temperature: sampled.temperature,
            top_p: sampled.top_p,
            stop_sequences,
        },
        tool_config: (!list.is_empty())
            .then_some(request_out::ToolConfig { tools: list, tool_choice: choice }),
        additional_model_request_fields: request_out::Additional {
            thinking: plan.thinking,
            output_config: plan.effort.map(|effort| request_out::Effort { effort }),
            nova_reasoning: plan.nova,
            reasoning_effort: plan.reasoning_effort,
            top_k: sampled.top_k.filter(|_| rules.top_k == TopK::Plain),
            k: sampled.top_k.filter(|_| rules.top_k == TopK::Cohere),
            nova_inference: sampled
                .top_k
                .filter(|_| rules.top_k == TopK::Nova)
                .map(|top_k| request_out::NovaInference { top_k }),
            tool_choice: serial_field
                .then_some(request_out::SerialCalls { kind: "auto", disable_parallel_tool_use: true }),
        },
        additional_model_response_field_paths: if asks_for_stop { STOP_SEQUENCE } else { &[] },
        request_metadata: metadata(request.metadata.as_deref()),
        service_tier: request
            .service_tier
            .as_deref()
            .filter(|tier| matches!(*tier, "flex" | "priority" | "reserved"))
            .map(|kind| out::ServiceTier { kind }),
        output_config,
    };
    let mut bytes = Vec::new();
    write_json(&mut bytes, &body);
    Ok(bytes)
}

fn refuse(request: &Request<'_>) -> Result<(), Error> {
    if request.n.is_some_and(|n| n > 1) {
        return Err(Error::unsupported("n", "Bedrock gives one answer per request: send several requests"));
    }
    if request.logprobs == Some(true) {
        return Err(Error::unsupported("logprobs", "Bedrock reports no log probabilities: leave it out"));
    }
    if request.top_logprobs.is_some_and(|n| n > 0) {
        return Err(Error::unsupported("top_logprobs", "Bedrock reports no log probabilities: leave it out"));
    }
    Ok(())
}

/// Structured output: as a field where the model takes it, else as an instruction.
fn output_config<'a>(
    request: &'a Request<'a>,
    rules: &Rules,
    system: &mut Vec<System<'a>>,
) -> Option<request_out::OutputConfig<'a>> {
    match request.output_format.as_ref()? {
        OutputFormat::JsonObject => {
            system.push(System::Text(Cow::Borrowed(JSON_OBJECT)));
            None
        }
        OutputFormat::JsonSchema { schema, name, description, .. } if rules.json_schema => {
            let structure = Structure::JsonSchema {
                schema: schema.get(),
                name: name.as_deref().filter(|name| !is_blank(name)),
                description: description.as_deref().filter(|description| !is_blank(description)),
            };
            Some(request_out::OutputConfig {
                text_format: request_out::TextFormat { kind: "json_schema", structure },
            })
        }
        OutputFormat::JsonSchema { schema, .. } => {
            let text = format!(
                "Answer with one JSON value that follows this JSON schema, and with nothing else:\n{}",
                schema.get()
            );
            system.push(System::Text(Cow::Owned(text)));
            None
        }
    }
}

/// Tools as they are sent.
struct Tools<'a> {
    list: Vec<Tool<'a>>,
    choice: Option<request_out::ToolChoice<'a>>,
    /// No more than one call in a turn is wanted.
    serial: bool,
    /// What the choice is told by where the API or the model has no field for it.
    instruction: Option<Cow<'a, str>>,
}

fn tools<'a>(request: &'a Request<'a>, messages: &[Message<'a>], rules: &Rules) -> Result<Tools<'a>, Error> {
    let none = || Tools { list: Vec::new(), choice: None, serial: false, instruction: None };
    if request.tools.is_empty() {
        if matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_))) {
            return Err(Error::client("tool_choice", "forces a tool call, but the request defines no tools"));
        }
        return Ok(if has_tool_blocks(messages) { uncallable(messages) } else { none() });
    }
    let serial = request.parallel_tool_calls == Some(false);
    let all = |only: Option<&str>| definitions(&request.tools, rules, only);
    let told = |instruction: Cow<'a, str>| -> Result<Tools<'a>, Error> {
        Ok(Tools { list: all(None)?, choice: None, serial, instruction: Some(instruction) })
    };
    let chosen = |list, choice| Tools { list, choice, serial, instruction: None };
    Ok(match (&request.tool_choice, rules.forced) {
        (None | Some(ToolChoice::Auto), _) => chosen(all(None)?, None),
        (Some(ToolChoice::None), _) if has_tool_blocks(messages) => {
            Tools { serial: false, ..told(Cow::Borrowed(NO_TOOL))? }
        }
        (Some(ToolChoice::None), _) => none(),
        (Some(ToolChoice::Required), Forced::No) => told(Cow::Borrowed(SOME_TOOL))?,
        (Some(ToolChoice::Required), _) => chosen(all(None)?, Some(request_out::ToolChoice::Any {})),
        (Some(ToolChoice::Named(name)), Forced::No) => {
            told(Cow::Owned(format!("Answer with a call of the tool `{name}`.")))?
        }
        (Some(ToolChoice::Named(name)), Forced::Any) => {
            chosen(all(Some(name))?, Some(request_out::ToolChoice::Any {}))
        }
        (Some(ToolChoice::Named(name)), Forced::Named) => {
            chosen(all(None)?, Some(request_out::ToolChoice::Tool { name }))
        }
    })
}

/// Definitions of the tools in the history, which the API demands even when none may be called.
fn uncallable<'a>(messages: &[Message<'a>]) -> Tools<'a> {
    let mut names = called_tools(messages);
    if names.is_empty() {
        // There are results only. The name is never seen.
        names.push("tool");
    }
    let spec = |name| {
        Tool::ToolSpec(ToolSpec {
            name,
            description: None,
            input_schema: InputSchema { json: empty_schema() },
            strict: false,
        })
    };
    Tools {
        list: names.into_iter().map(spec).collect(),
        choice: None,
        serial: false,
        instruction: Some(Cow::Borrowed(NO_TOOL)),
    }
}

/// The tools, or that called `only`, with their cache marks.
fn definitions<'a>(
    tools: &'a [hub::Tool<'a>],
    rules: &Rules,
    only: Option<&str>,
) -> Result<Vec<Tool<'a>>, Error> {
    let mut list = Vec::with_capacity(tools.len());
    for (i, tool) in tools.iter().enumerate() {
        match tool {
            hub::Tool::Function { name, .. } if only.is_some_and(|only| only != name) => {}
            hub::Tool::Function { name, description, schema, strict, cache } => {
                let json =
                    schema.as_deref().map_or_else(|| Ok(empty_schema()), |json| input_schema(i, json))?;
                list.push(Tool::ToolSpec(ToolSpec {
                    name,
                    description: description.as_deref().filter(|text| !is_blank(text)),
                    input_schema: InputSchema { json },
                    strict: *strict == Some(true) && rules.json_schema,
                }));
                if matches!(rules.cache, Cache::Claude { .. }) {
                    let mark = cache.as_ref().and_then(|mark| cache_point(mark, rules));
                    list.extend(mark.map(Tool::CachePoint));
                }
            }
            hub::Tool::Foreign { kind, json } if kind == super::SYSTEM_TOOL => {
                list.push(Tool::Verbatim(json))
            }
            hub::Tool::Foreign { kind, .. } => {
                return Err(Error::unsupported(
                    format!("tools[{i}]"),
                    format!("Bedrock has no tool of type `{kind}`: remove it, or define a function"),
                ));
            }
        }
    }
    if list.is_empty() {
        return Err(Error::client("tool_choice", "names a tool that the request does not define"));
    }
    Ok(list)
}

/// A schema the API takes: an object with a `type`.
fn input_schema(index: usize, schema: &RawValue) -> Result<Cow<'_, RawValue>, Error> {
    #[derive(Deserialize)]
    struct Typed {
        #[serde(rename = "type")]
        kind: Option<IgnoredAny>,
    }

    let refused =
        || Error::client(format!("tools[{index}]"), "the schema of its arguments must be a JSON object");
    let Some(rest) = schema.get().strip_prefix('{') else { return Err(refused()) };
    let typed: Typed = serde_json::from_str(schema.get()).map_err(|_| refused())?;
    if typed.kind.is_some() {
        return Ok(Cow::Borrowed(schema));
    }
    if rest.trim_start().starts_with('}') {
        return Ok(empty_schema());
    }
    let completed = format!(r#"{{"type":"object",{rest}"#);
    RawValue::from_string(completed).map(Cow::Owned).map_err(|_| refused())
}

/// The schema of an object without properties.
fn empty_schema() -> Cow<'static, RawValue> {
    const EMPTY: &str = r#"{"type":"object","properties":{}}"#;
    // It always parses; `null` stands in only to keep this free of panics.
    Cow::Borrowed(serde_json::from_str(EMPTY).unwrap_or(RawValue::NULL))
}

/// Sampling parameters as they are sent.
struct Sampled {
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u64>,
}

fn sampling(request: &Request<'_>, rules: &Rules, plan: &Plan) -> Sampled {
    let temperature = request.temperature.map(|temperature| temperature.clamp(0.0, 1.0));
    let top_p = request.top_p.map(|top_p| top_p.clamp(0.0, 1.0));
    let top_k = request.top_k;
    let none = Sampled { temperature: None, top_p: None, top_k: None };
    match &rules.claude {
        Some(claude) => match claude.sampling {
            Sampling::None => none,
            _ if plan.fixed_sampling => {
                Sampled { top_p: top_p.filter(|&top_p| top_p >= MIN_TOP_P_WITH_THINKING), ..none }
            }
            Sampling::Free => Sampled { temperature, top_p, top_k },
            Sampling::One => Sampled { temperature, top_p: top_p.filter(|_| temperature.is_none()), top_k },
        },
        None if plan.fixed_sampling => none,
        None => Sampled { temperature, top_p, top_k },
    }
}

/// The entries of a metadata object that `requestMetadata` takes.
fn metadata(json: Option<&RawValue>) -> serde_json::Map<String, serde_json::Value> {
    let object = json.and_then(|json| serde_json::from_str(json.get()).ok()).unwrap_or_default();
    let (most, longest) = METADATA;
    let allowed = |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || ":_@$#=/+,-.".contains(c);
    let fits = |text: &str| text.len() <= longest && text.chars().all(allowed);
    let object: serde_json::Map<String, serde_json::Value> = object;
    object
        .into_iter()
        .filter(|(key, value)| !key.is_empty() && fits(key) && value.as_str().is_some_and(fits))
        .take(most)
        .collect()
}

/// Drops cache marks beyond what the API takes. Tools and system come first in the prompt and change least, so their
/// marks stay; of those in messages, the last ones reach furthest.
fn limit_cache_marks<'a>(
    tools: &mut Vec<Tool<'a>>,
    system: &mut Vec<System<'a>>,
    messages: &mut [Message<'a>],
) {
    let mut left = MAX_CACHE_MARKS;
    let mut keep = |is_mark: bool| {
        if !is_mark {
            return true;
        }
        let kept = left > 0;
        left = left.saturating_sub(1);
        kept
    };
    tools.retain(|tool| keep(matches!(tool, Tool::CachePoint(_))));
    system.retain(|block| keep(matches!(block, System::CachePoint(_))));
    for message in messages.iter_mut().rev() {
        message.content.reverse();
        message.content.retain(|block| keep(matches!(block, Block::CachePoint(_))));
        message.content.reverse();
    }
}
