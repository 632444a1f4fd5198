//! Requests from clients of this API.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::decode_contents::{self, Raw};
use super::request_wire::{
    FunctionCallingConfig, FunctionDeclaration, GenerationConfig, Request, ResponseFormat,
};
use super::wire::{Entries, Int, elements};
use super::{TOOLS, schema, thinking};
use crate::Error;
use crate::hub::{self, OutputFormat, Tool, ToolChoice};
use crate::json::{self, Str, is_object, non_empty};

/// Decodes the body of `generateContent` and `streamGenerateContent`. The model and whether to stream are in the path:
/// `model` is left empty and `stream` unset.
///
/// | Gemini | hub |
/// |---|---|
/// | schemas in the API's OpenAPI dialect | JSON schema |
/// | `allowedFunctionNames`, several | the other functions are left out |
/// | mode `VALIDATED` | the model decides |
/// | thinking budget 0, -1, other; level | none, adaptive, budget; effort |
/// | `inlineData`, `fileData` | images, audio, documents by media type; video as foreign |
/// | parts and tools of Google's own | foreign, verbatim |
/// | `labels`, `safetySettings`, `mediaResolution`, `speechConfig`, `imageConfig`, `routingConfig`, `audioTimestamp`, `toolConfig.retrievalConfig`, streamed arguments, a function's `response` and `behavior`, metadata of parts | left out: others have nothing like it, and the answer stays of the same kind |
/// | `cachedContent`, `modelArmorConfig`, `continuationToken`, modalities other than text, `text/x.enum` | refused: the answer would be another one |
///
/// # Errors
/// [`Error::ClientSent`] with the JSON path of what is wrong, [`Error::Unsupported`] as above.
pub fn decode_request(body: &[u8]) -> Result<hub::Request<'_>, Error> {
    if !is_object(body) {
        return Err(Error::client("", "the body must be a JSON object"));
    }
    let wire: Request<'_> = json::read_body(body)?;
    let only_gemini = [
        (&wire.cached_content, "cachedContent", "send the cached contents along"),
        (&wire.model_armor_config, "modelArmorConfig", "leave it out, or use a guard of the gateway"),
        (&wire.continuation_token, "continuationToken", "leave it out"),
    ];
    for (field, path, instead) in only_gemini {
        if field.is_some() {
            return Err(Error::unsupported(path, format!("only Gemini models know it: {instead}")));
        }
    }
    let contents = wire.contents.unwrap_or_default().0;
    if contents.is_empty() {
        return Err(Error::client("contents", "must hold at least one content"));
    }
    let mut tools = tools(wire.tools)?;
    let calling = wire.tool_config.and_then(|config| config.function_calling_config);
    let tool_choice = calling.map(|config| tool_choice(config, &mut tools)).transpose()?.flatten();
    let config = wire.generation_config.unwrap_or_default();
    refuse_modalities(&config)?;
    let count = |value: Option<Int>, path: &str| match value.map(|Int(value)| u64::try_from(value)) {
        None => Ok(None),
        Some(Ok(value)) => Ok(Some(value)),
        Some(Err(_)) => Err(Error::client(format!("generationConfig.{path}"), "must not be negative")),
    };
    Ok(hub::Request {
        system: decode_contents::system(wire.system_instruction)?,
        turns: decode_contents::turns(contents, &mut Raw::new(body))?,
        tools,
        tool_choice,
        max_output_tokens: count(config.max_output_tokens, "maxOutputTokens")?.filter(|&limit| limit > 0),
        temperature: config.temperature,
        top_p: config.top_p,
        top_k: count(config.top_k, "topK")?.filter(|&top_k| top_k > 0),
        seed: config.seed.map(|Int(seed)| seed),
        frequency_penalty: config.frequency_penalty,
        presence_penalty: config.presence_penalty,
        logprobs: config.response_logprobs,
        top_logprobs: count(config.logprobs, "logprobs")?,
        n: count(config.candidate_count, "candidateCount")?,
        thinking: match &config.thinking_config {
            Some(config) => thinking::decode(config)?,
            None => None,
        },
        output_format: output_format(&config)?,
        stop: config.stop_sequences.unwrap_or_default().into_iter().map(|Str(stop)| stop).collect(),
        service_tier: wire
            .service_tier
            .filter(|tier| !tier.0.is_empty() && !tier.is("unspecified"))
            .map(|tier| Cow::Owned(tier.0.to_ascii_lowercase())),
        ..hub::Request::default()
    })
}

fn refuse_modalities(config: &GenerationConfig<'_>) -> Result<(), Error> {
    let other = |name: &&super::wire::Name<'_>| !name.is("TEXT") && !name.is("MODALITY_UNSPECIFIED");
    if config.response_modalities.iter().flatten().any(|name| other(&name)) {
        return Err(Error::unsupported(
            "generationConfig.responseModalities",
            "the provider of this model answers with text only: ask for `TEXT`",
        ));
    }
    Ok(())
}

fn tools(raw: Option<&RawValue>) -> Result<Vec<Tool<'_>>, Error> {
    let Some(raw) = raw.filter(|raw| raw.get() != "null") else { return Ok(Vec::new()) };
    let mut tools = Vec::new();
    for (i, tool) in elements(raw).into_iter().enumerate() {
        let path = format!("tools[{i}]");
        let Ok(Entries(entries)) = serde_json::from_str::<Entries<'_>>(tool.get()) else {
            return Err(Error::client(path, "must be an object"));
        };
        for (key, value) in entries.into_iter().filter(|(_, value)| value.get() != "null") {
            if matches!(key.as_ref(), "functionDeclarations" | "function_declarations") {
                for (j, declaration) in elements(value).into_iter().enumerate() {
                    tools.push(function(&format!("{path}.functionDeclarations[{j}]"), declaration)?);
                }
                continue;
            }
            let squeezed = key.replace('_', "");
            let Some(kind) = TOOLS.into_iter().find(|kind| kind.eq_ignore_ascii_case(&squeezed)) else {
                return Err(Error::client(format!("{path}.{key}"), "is not a tool of this API"));
            };
            let json = RawValue::from_string(format!("{{\"{kind}\":{}}}", value.get()))
                .map_err(|_| Error::client(format!("{path}.{key}"), "must be an object"))?;
            tools.push(Tool::Foreign { kind: Cow::Borrowed(kind), json: Cow::Owned(json) });
        }
    }
    Ok(tools)
}

fn function<'a>(path: &str, declaration: &'a RawValue) -> Result<Tool<'a>, Error> {
    let function: FunctionDeclaration<'a> = serde_json::from_str(declaration.get())
        .map_err(|error| Error::client(path, format!("is no function declaration: {error}")))?;
    let Some(name) = non_empty(function.name) else {
        return Err(Error::client(format!("{path}.name"), "is required"));
    };
    let schema = match (function.parameters, function.parameters_json_schema) {
        (Some(_), Some(_)) => {
            let message = "cannot stand beside `parametersJsonSchema`: send one of the two";
            return Err(Error::client(format!("{path}.parameters"), message));
        }
        (Some(openapi), None) => Some(converted(openapi, || format!("{path}.parameters"))?),
        (None, Some(schema)) => Some(json::schema(schema, || format!("{path}.parametersJsonSchema"))?),
        (None, None) => None,
    };
    let description = non_empty(function.description);
    Ok(Tool::Function { name, description, schema, strict: None, cache: None })
}

fn converted(schema: &RawValue, path: impl FnOnce() -> String) -> Result<hub::RawJson<'_>, Error> {
    schema::to_json_schema(schema)
        .map(Cow::Owned)
        .ok_or_else(|| Error::client(path(), "must be a schema, which is an object"))
}

fn tool_choice<'a>(
    config: FunctionCallingConfig<'a>,
    tools: &mut Vec<Tool<'a>>,
) -> Result<Option<ToolChoice<'a>>, Error> {
    const PATH: &str = "toolConfig.functionCallingConfig.mode";
    let mut allowed = config.allowed_function_names.unwrap_or_default();
    allowed.retain(|Str(name)| !name.is_empty());
    let mode = config.mode.map(|mode| mode.0.to_ascii_uppercase()).unwrap_or_default();
    let forced = match mode.as_str() {
        "" | "MODE_UNSPECIFIED" if allowed.is_empty() => return Ok(None),
        "AUTO" | "" | "MODE_UNSPECIFIED" => return Ok(Some(ToolChoice::Auto)),
        "NONE" => return Ok(Some(ToolChoice::None)),
        "VALIDATED" => false,
        "ANY" => true,
        _ => return Err(Error::client(PATH, "must be `AUTO`, `ANY`, `NONE` or `VALIDATED`")),
    };
    if !allowed.is_empty() {
        tools.retain(|tool| match tool {
            Tool::Function { name, .. } => allowed.iter().any(|Str(allowed)| allowed == name),
            Tool::Foreign { .. } => true,
        });
    }
    Ok(Some(match (forced, allowed.as_slice()) {
        (false, _) => ToolChoice::Auto,
        (true, [Str(name)]) => ToolChoice::Named(name.clone()),
        (true, _) => ToolChoice::Required,
    }))
}

fn output_format<'a>(config: &GenerationConfig<'a>) -> Result<Option<OutputFormat<'a>>, Error> {
    let mut media_type = config.response_mime_type.as_ref().map(|Str(name)| name.to_ascii_lowercase());
    let mut schema = match (config.response_schema, config.response_json_schema) {
        (Some(openapi), None) => Some(converted(openapi, || "generationConfig.responseSchema".to_owned())?),
        (_, Some(schema)) => Some(json::schema(schema, || "generationConfig.responseJsonSchema".to_owned())?),
        (None, None) => None,
    };
    for (i, format) in config.response_format.iter().flat_map(|formats| &formats.0).enumerate() {
        let ResponseFormat { text, audio, image, video } = format;
        if audio.is_some() || image.is_some() || video.is_some() {
            return Err(Error::unsupported(
                format!("generationConfig.responseFormat[{i}]"),
                "the provider of this model answers with text only: ask for `text`",
            ));
        }
        if let Some(text) = text {
            if text.mime_type.as_ref().is_some_and(|name| name.is("APPLICATION_JSON")) {
                media_type = Some("application/json".to_owned());
            }
            if let Some(own) = text.schema {
                let path = || format!("generationConfig.responseFormat[{i}].text.schema");
                schema = Some(json::schema(own, path)?);
            }
        }
    }
    match media_type.as_deref() {
        Some("application/json") => Ok(Some(match schema {
            Some(schema) => OutputFormat::JsonSchema { name: None, description: None, schema, strict: None },
            None => OutputFormat::JsonObject,
        })),
        None | Some("" | "text/plain") => Ok(schema.map(|schema| OutputFormat::JsonSchema {
            name: None,
            description: None,
            schema,
            strict: None,
        })),
        Some(_) => Err(Error::unsupported(
            "generationConfig.responseMimeType",
            "the provider of this model answers in `text/plain` or `application/json`: ask for one of them",
        )),
    }
}
