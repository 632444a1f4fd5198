//! Tools, and which of them may or must be called, in requests to providers.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::tool_decode::CUSTOM;
use crate::Error;
use crate::hub::{Tool, ToolChoice};
use crate::json::Str;

/// Types of tools that only this dialect has, in the hub's words.
const FOREIGN_TOOLS: [&str; 17] = [
    "apply_patch",
    "code_interpreter",
    "computer",
    "computer_use_preview",
    CUSTOM,
    "file_search",
    "image_generation",
    "local_shell",
    "mcp",
    "namespace",
    "programmatic_tool_calling",
    "shell",
    "tool_search",
    "web_search",
    "web_search_2025_08_26",
    "web_search_preview",
    "web_search_preview_2025_03_11",
];

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum OutTool<'r> {
    Function {
        name: &'r str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'r str>,
        parameters: OutSchema<'r>,
        strict: bool,
    },
    #[serde(untagged)]
    Verbatim(&'r RawValue),
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum OutSchema<'r> {
    Given(&'r RawValue),
    Empty {
        #[serde(rename = "type")]
        kind: &'static str,
        properties: Empty,
    },
}

/// An object without fields.
#[derive(Debug, Serialize)]
pub(super) struct Empty {}

/// Encodes tools.
pub(super) fn tools<'r>(tools: &'r [Tool<'_>]) -> Result<Vec<OutTool<'r>>, Error> {
    let encode = |(index, tool): (usize, &'r Tool<'_>)| match tool {
        Tool::Function { name, description, schema, strict, cache: _ } => Ok(OutTool::Function {
            name,
            description: description.as_deref(),
            parameters: match schema {
                Some(schema) => OutSchema::Given(schema),
                None => OutSchema::Empty { kind: "object", properties: Empty {} },
            },
            strict: strict.unwrap_or(false),
        }),
        Tool::Foreign { kind, json } if is_own(kind, json) => Ok(OutTool::Verbatim(json)),
        Tool::Foreign { kind, .. } => Err(Error::unsupported(
            format!("tools[{index}]"),
            format!(
                "the provider of this model has no tool of type `{kind}`: use a function, or another model"
            ),
        )),
    };
    tools.iter().enumerate().map(encode).collect()
}

fn is_own(kind: &str, json: &RawValue) -> bool {
    FOREIGN_TOOLS.contains(&kind) && has_type(json, if kind == CUSTOM { "custom" } else { kind })
}

/// Whether an object says it is of this type. Other dialects have things of the same kind in another shape.
pub(super) fn has_type(json: &RawValue, kind: &str) -> bool {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(borrow, rename = "type")]
        kind: Str<'a>,
    }
    serde_json::from_str::<Typed<'_>>(json.get()).is_ok_and(|typed| typed.kind.0 == kind)
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum OutToolChoice<'r> {
    Mode(&'static str),
    Named {
        #[serde(rename = "type")]
        kind: &'static str,
        name: &'r str,
    },
}

impl<'r> From<&'r ToolChoice<'_>> for OutToolChoice<'r> {
    fn from(choice: &'r ToolChoice<'_>) -> Self {
        match choice {
            ToolChoice::Auto => Self::Mode("auto"),
            ToolChoice::None => Self::Mode("none"),
            ToolChoice::Required => Self::Mode("required"),
            ToolChoice::Named(name) => Self::Named { kind: "function", name },
        }
    }
}
