//! Tools, and which of them may or must be called.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::wire::{list, object};
use crate::Error;
use crate::hub::{Tool, ToolChoice};
use crate::json::{self, Str, non_empty};

/// The hub's kind of a custom tool. Its type is `custom`, like that of the same thing in chat completions, which write
/// it differently: under another name it is refused there instead of being sent in the wrong shape.
pub(super) const CUSTOM: &str = "custom tool";

#[derive(Debug, Deserialize)]
struct WireTool<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Str<'a>>,
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    description: Option<Str<'a>>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
    strict: Option<bool>,
}

/// Decodes `tools`.
pub(super) fn tools(json: Option<&RawValue>) -> Result<Vec<Tool<'_>>, Error> {
    let Some(json) = json else { return Ok(Vec::new()) };
    let tools = list(json).ok_or_else(|| Error::client("tools", "must be an array of tools"))?;
    tools.into_iter().enumerate().map(|(index, json)| tool(index, json)).collect()
}

fn tool(index: usize, json: &RawValue) -> Result<Tool<'_>, Error> {
    let at = |field: &str| format!("tools[{index}]{}{field}", if field.is_empty() { "" } else { "." });
    let tool: WireTool<'_> = object(json, at)?;
    let required = |text: Option<Str<'_>>, field: &str| {
        non_empty(text)
            .map(|text| text.into_owned())
            .ok_or_else(|| Error::client(at(field), "is required and must not be empty"))
    };
    let kind = match tool.kind {
        Some(Str(kind)) if !kind.is_empty() => kind,
        _ => return Err(Error::client(at("type"), "is required and must not be empty")),
    };
    match kind.as_ref() {
        "function" => {
            let Some(name) = non_empty(tool.name) else {
                return Err(Error::client(
                    at("name"),
                    "is required: in this API name, description and parameters stand in the tool itself",
                ));
            };
            Ok(Tool::Function {
                name,
                description: non_empty(tool.description),
                schema: tool
                    .parameters
                    .map(|schema| json::schema(schema, || at("parameters")))
                    .transpose()?,
                strict: tool.strict,
                cache: None,
            })
        }
        "custom" => {
            required(tool.name, "name")?;
            Ok(Tool::Foreign { kind: Cow::Borrowed(CUSTOM), json: Cow::Borrowed(json) })
        }
        _ => Ok(Tool::Foreign { kind, json: Cow::Borrowed(json) }),
    }
}

#[derive(Debug, Deserialize)]
struct WireChoice<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Str<'a>>,
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    mode: Option<Str<'a>>,
    #[serde(borrow)]
    tools: Option<Vec<WireTool<'a>>>,
}

/// Decodes `tool_choice`. `allowed_tools` takes the others out of `tools`.
pub(super) fn tool_choice<'a>(
    json: Option<&'a RawValue>,
    tools: &mut Vec<Tool<'a>>,
) -> Result<Option<ToolChoice<'a>>, Error> {
    let Some(json) = json else { return Ok(None) };
    let choice = if json.get().starts_with('"') {
        let mode: Str<'a> = serde_json::from_str(json.get()).unwrap_or_default();
        self::mode("tool_choice", &mode.0)?
    } else {
        let at = |field: &str| format!("tool_choice{}{field}", if field.is_empty() { "" } else { "." });
        let choice: WireChoice<'a> = object(json, at)?;
        let kind = choice.kind.unwrap_or_default().0;
        match kind.as_ref() {
            "function" => ToolChoice::Named(
                non_empty(choice.name)
                    .ok_or_else(|| Error::client(at("name"), "is required and must not be empty"))?,
            ),
            "allowed_tools" => {
                let allowed = choice.tools.unwrap_or_default();
                tools.retain(|tool| allowed.iter().any(|allowed| allows(allowed, tool)));
                mode("tool_choice.mode", &choice.mode.unwrap_or_default().0)?
            }
            "" => return Err(Error::client(at("type"), "is required and must not be empty")),
            kind => {
                return Err(Error::unsupported(
                    at("type"),
                    format!("`{kind}` cannot be translated for the provider of this model: name a function"),
                ));
            }
        }
    };
    match (tools.is_empty(), choice) {
        (false, choice) => Ok(Some(choice)),
        (true, ToolChoice::Auto | ToolChoice::None) => Ok(None),
        (true, ToolChoice::Required | ToolChoice::Named(_)) => {
            Err(Error::client("tool_choice", "demands a tool call, but there are no tools to call"))
        }
    }
}

fn mode(path: &str, mode: &str) -> Result<ToolChoice<'static>, Error> {
    match mode {
        "auto" => Ok(ToolChoice::Auto),
        "none" => Ok(ToolChoice::None),
        "required" => Ok(ToolChoice::Required),
        _ => Err(Error::client(
            path,
            "must be `auto`, `none` or `required`, or an object that names a function",
        )),
    }
}

/// Whether an entry of `allowed_tools` means this tool: functions by name, the provider's own tools by type.
fn allows(allowed: &WireTool<'_>, tool: &Tool<'_>) -> bool {
    let kind = allowed.kind.as_ref().map(|Str(kind)| kind.as_ref());
    match tool {
        Tool::Function { name, .. } => {
            kind == Some("function") && allowed.name.as_ref().is_some_and(|Str(allowed)| allowed == name)
        }
        Tool::Foreign { kind: own, .. } => kind == Some(if own == CUSTOM { "custom" } else { own }),
    }
}
