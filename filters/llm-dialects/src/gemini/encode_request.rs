//! Requests to Gemini.

use super::encode_contents::contents;
use super::models::{self, Rules};
use super::out::{
    self, Content, Fields, FunctionCallingConfig, FunctionDeclaration, GenerationConfig, ToolConfig,
};
use super::{TOOLS, schema, thinking};
use crate::Error;
use crate::hub::{OutputFormat, Request, Tool, ToolChoice};
use crate::json::write_json;
use crate::turns::later_instructions;

/// How many stop sequences the API takes. <https://ai.google.dev/api/generate-content#generationconfig>
const MAX_STOPS: usize = 5;

/// What stands in for the ban on parallel calls, which the API lacks.
const ONE_CALL_INSTRUCTION: &str = "Call at most one function at a time.";

/// Encodes the body of `generateContent` and `streamGenerateContent`. Model and streaming are not in it; the model
/// decides what may be.
///
/// | hub | Gemini |
/// |---|---|
/// | **carried** | |
/// | system, text, temperature, top_p, top_k, output limit | as they are |
/// | functions and their schemas | `parametersJsonSchema`; see below |
/// | tool choice | `AUTO`, `NONE`, `ANY`, `ANY` with the one allowed name |
/// | calls and results with their ids, tool errors | `functionCall`, `functionResponse` with `output` or `error` |
/// | images, documents and audio inline | `inlineData` |
/// | images and documents by https and gs URL, files of the Files API | `fileData` |
/// | log probabilities | `responseLogprobs`, `logprobs` |
/// | JSON output, with and without a schema | `responseMimeType`, `responseJsonSchema` |
/// | thinking and calls signed by Gemini | with their signatures |
/// | parts and tools of Gemini | verbatim |
/// | **approximated** | |
/// | system turns in the middle | moved to the end of `systemInstruction`, in order |
/// | adjacent turns of one role | one content; function responses first, in the order of the calls |
/// | JSON schemas | `$schema` removed, `definitions` renamed, `const` an `enum`, exclusive bounds inclusive, nothing beside a `$ref` |
/// | thinking | a budget or a level, by model; what cannot be turned off is turned down |
/// | the first call of a step that Gemini did not sign, models from 3 on | signed with the documented stand-in |
/// | media in tool results that cannot be inside | behind the result, with a note |
/// | text documents | text |
/// | arguments that are no JSON object | `{"raw_arguments": "<text>"}`; blank ones `{}` |
/// | the media type of URLs without a known ending | `image/jpeg` for images, `application/pdf` for documents |
/// | parallel tool calls forbidden | an instruction at the end of `systemInstruction` |
/// | seed | its lower 31 bits |
/// | refusals in the history | text |
/// | service tier | `flex` and `priority` as they are, `default`, `standard` and `standard_only` as `standard` |
/// | **dropped** | |
/// | unsigned thinking, thinking that others signed or encrypted, citations | the API has no use for it |
/// | empty text, empty stop sequences | the API refuses them |
/// | cache marks | prompts are cached without |
/// | temperature, top_p, top_k, penalties | models from 3.5 Flash-Lite and 3.6 Flash on overlook or refuse them |
/// | thinking | models before 2.5 and those of other names |
/// | logit bias, metadata, user, verbosity, participant names, image detail, document names, strictness, a schema's name | no equivalent |
/// | tool choice auto and none without tools | nothing to choose |
/// | **refused** | |
/// | more than one answer, more than five stop sequences | [`Error::Unsupported`] |
/// | URLs of other schemes, files uploaded to OpenAI or Anthropic | [`Error::Unsupported`] |
/// | content and tools only other dialects know | [`Error::Unsupported`] |
/// | a forced call without tools, results of calls that are not there, schemas that are no objects, no message with content | [`Error::ClientSent`] |
///
/// Models from 3.6 on refuse a conversation that ends with the model: such a request is passed on, as only the
/// provider can tell the client what its model does.
///
/// # Errors
/// As in the last part of the table. Paths count messages without the leading system ones.
pub fn encode_request(request: &Request<'_>) -> Result<Vec<u8>, Error> {
    if request.n.is_some_and(|n| n > 1) {
        return Err(Error::unsupported("n", "one answer per request is translated: send several requests"));
    }
    let rules = models::rules(&request.model);
    let contents = contents(&request.turns, &rules)?;
    let tools = tools(&request.tools)?;
    let tool_config = tool_config(request)?;
    let body = out::Request {
        system_instruction: system(request)?,
        contents,
        tools,
        tool_config,
        generation_config: generation_config(request, &rules)?,
        service_tier: match request.service_tier.as_deref() {
            Some("default" | "standard" | "standard_only") => Some("standard"),
            Some("flex") => Some("flex"),
            Some("priority") => Some("priority"),
            _ => None,
        },
    };
    let mut bytes = Vec::new();
    write_json(&mut bytes, &body);
    Ok(bytes)
}

fn system<'a>(request: &'a Request<'a>) -> Result<Option<Content<'a>>, Error> {
    let mut texts: Vec<&str> = request.system.iter().map(|text| text.text.as_ref()).collect();
    texts.extend(later_instructions(&request.turns, "Gemini")?.into_iter().map(|(text, _)| text));
    if request.parallel_tool_calls == Some(false) && !request.tools.is_empty() {
        texts.push(ONE_CALL_INSTRUCTION);
    }
    texts.retain(|text| !text.is_empty());
    let parts: Vec<_> = texts.into_iter().map(|text| out::Part::Fields(Fields::text(text))).collect();
    Ok((!parts.is_empty()).then_some(Content { role: None, parts }))
}

fn tools<'a>(tools: &'a [Tool<'a>]) -> Result<Vec<out::Tool<'a>>, Error> {
    let mut functions = Vec::new();
    let mut verbatim = Vec::new();
    for (i, tool) in tools.iter().enumerate() {
        match tool {
            Tool::Function { name, description, schema, .. } => functions.push(FunctionDeclaration {
                name,
                description: description.as_deref().filter(|description| !description.is_empty()),
                parameters_json_schema: match schema {
                    None => None,
                    Some(schema) => parameters(i, schema)?,
                },
            }),
            Tool::Foreign { kind, json } if TOOLS.contains(&kind.as_ref()) => {
                verbatim.push(out::Tool::Verbatim(json));
            }
            Tool::Foreign { kind, .. } => {
                return Err(Error::unsupported(
                    format!("tools[{i}]"),
                    format!("Gemini has no tool of type `{kind}`: remove it, or define a function"),
                ));
            }
        }
    }
    let mut all = Vec::with_capacity(verbatim.len() + 1);
    if !functions.is_empty() {
        all.push(out::Tool::Functions(functions));
    }
    all.append(&mut verbatim);
    Ok(all)
}

/// The schema of a function's arguments: an object with a type. None at all when it says nothing, as the API refuses
/// objects without properties in older models.
fn parameters(
    index: usize,
    schema: &serde_json::value::RawValue,
) -> Result<Option<serde_json::Value>, Error> {
    let Some(serde_json::Value::Object(mut schema)) = schema::for_gemini(schema) else {
        let message = "the schema of its arguments must be a JSON object";
        return Err(Error::client(format!("tools[{index}]"), message));
    };
    let has =
        |key: &str| schema.get(key).and_then(serde_json::Value::as_object).is_some_and(|map| !map.is_empty());
    let says =
        has("properties") || ["$ref", "anyOf", "oneOf", "allOf"].iter().any(|key| schema.contains_key(*key));
    if !says && !has("additionalProperties") {
        return Ok(None);
    }
    if !schema.contains_key("type") && !schema.contains_key("$ref") {
        schema.insert("type".to_owned(), serde_json::Value::from("object"));
    }
    Ok(Some(serde_json::Value::Object(schema)))
}

fn tool_config<'a>(request: &'a Request<'a>) -> Result<Option<ToolConfig<'a>>, Error> {
    let functions = request.tools.iter().any(|tool| matches!(tool, Tool::Function { .. }));
    let (mode, name) = match &request.tool_choice {
        None => return Ok(None),
        Some(ToolChoice::Required | ToolChoice::Named(_)) if !functions => {
            return Err(Error::client("tool_choice", "forces a tool call, but the request defines no tools"));
        }
        Some(_) if !functions => return Ok(None),
        Some(ToolChoice::Auto) => ("AUTO", None),
        Some(ToolChoice::None) => ("NONE", None),
        Some(ToolChoice::Required) => ("ANY", None),
        Some(ToolChoice::Named(name)) => ("ANY", Some([name.as_ref()])),
    };
    let function_calling_config = FunctionCallingConfig { mode, allowed_function_names: name };
    Ok(Some(ToolConfig { function_calling_config }))
}

fn generation_config<'a>(request: &'a Request<'a>, rules: &Rules) -> Result<GenerationConfig<'a>, Error> {
    let stop_sequences: Vec<&str> =
        request.stop.iter().map(AsRef::as_ref).filter(|stop: &&str| !stop.is_empty()).collect();
    if stop_sequences.len() > MAX_STOPS {
        return Err(Error::unsupported("stop", "Gemini takes five stop sequences: leave some out"));
    }
    let (response_mime_type, response_json_schema) = match &request.output_format {
        None => (None, None),
        Some(OutputFormat::JsonObject) => (Some("application/json"), None),
        Some(OutputFormat::JsonSchema { schema, .. }) => match schema::for_gemini(schema) {
            Some(schema) => (Some("application/json"), Some(schema)),
            None => {
                return Err(Error::client("response_format", "its schema must be a JSON object"));
            }
        },
    };
    let sampling = rules.sampling;
    let top_logprobs = request.top_logprobs.filter(|&top| top > 0);
    Ok(GenerationConfig {
        temperature: request.temperature.filter(|_| sampling),
        top_p: request.top_p.filter(|_| sampling),
        top_k: request.top_k.filter(|_| sampling),
        max_output_tokens: request.max_output_tokens,
        stop_sequences,
        response_mime_type,
        response_json_schema,
        seed: request.seed.map(|seed| i32::try_from(seed & 0x7fff_ffff).unwrap_or(i32::MAX)),
        presence_penalty: request.presence_penalty.filter(|_| sampling),
        frequency_penalty: request.frequency_penalty.filter(|_| sampling),
        response_logprobs: request.logprobs == Some(true) || top_logprobs.is_some(),
        logprobs: top_logprobs,
        thinking_config: thinking::encode(request.thinking, rules.thinking),
    })
}
