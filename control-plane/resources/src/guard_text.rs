//! Guards that look at the text themselves.

use kube::KubeSchema;
use kube::core::Rule;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::rules::at_least_one_of;

/// Nothing comes back of what is rejected.
fn reversible_rule() -> Rule {
    Rule::new("!has(self.reversible) || !self.reversible || !has(self.action) || self.action == 'Mask'")
        .message("only what is masked can be restored")
}

/// Recognisers and patterns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = reversible_rule())]
pub struct RegexGuard {
    /// What is done with a match; `Mask` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<GuardAction>,
    /// Recognisers to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builtins: Option<Vec<GuardBuiltin>>,
    /// Regular expressions in the syntax of Rust's `regex` crate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(inner(length(min = 1, max = 1024)))]
    pub matches: Option<Vec<String>>,
    /// Extension of Weir: mask with placeholders that tell values apart, and put the values back where the placeholders
    /// stand in the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reversible: Option<bool>,
}

/// What is done with a match.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GuardAction {
    /// It is replaced.
    #[default]
    Mask,
    /// The request or answer is rejected.
    Reject,
}

/// A recogniser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GuardBuiltin {
    /// US social security numbers.
    Ssn,
    /// Numbers of payment cards.
    CreditCard,
    /// Telephone numbers.
    PhoneNumber,
    /// Email addresses.
    Email,
    /// Canadian social insurance numbers.
    CaSin,
    /// Extension of Weir: `http` and `https` URLs.
    Url,
    /// Extension of Weir: keys of clouds and providers, tokens, private keys.
    Secret,
    /// Extension of Weir: IPv4 and IPv6 addresses.
    IpAddress,
}

/// Words to look for: those listed here and those of a ConfigMap.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = at_least_one_of(&["words", "configMapRef"]))]
#[x_kube(validation = reversible_rule())]
pub struct KeywordsGuard {
    /// What is done with a match; `Mask` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<GuardAction>,
    /// Words or phrases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), inner(length(min = 1, max = 256)))]
    pub words: Option<Vec<String>>,
    /// A ConfigMap with more of them, one per line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<ConfigMapKeyRef>,
    /// Upper and lower case differ; they do not when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_sensitive: Option<bool>,
    /// Find words inside of words as well; only whole words when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside_words: Option<bool>,
    /// Mask with placeholders that tell values apart, and put the values back where the placeholders stand in the
    /// answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reversible: Option<bool>,
}

/// Names one entry of a ConfigMap in the namespace of the object that holds the reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapKeyRef {
    /// Name of the ConfigMap.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Entry of the ConfigMap.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// How long the text of all parts together may be. What is longer or shorter is rejected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = at_least_one_of(&["characters", "words"]))]
pub struct LengthGuard {
    /// In characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub characters: Option<LengthBounds>,
    /// In words, as white space separates them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<LengthBounds>,
}

/// Bounds, inclusive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = at_least_one_of(&["min", "max"]))]
#[x_kube(validation = Rule::new("!has(self.min) || !has(self.max) || self.min <= self.max")
    .message("min must not be greater than max"))]
pub struct LengthBounds {
    /// At least so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "count")]
    pub min: Option<u32>,
    /// At most so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "count")]
    pub max: Option<u32>,
}

/// An answer's text has to be JSON that a schema holds for. What is not is rejected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JsonSchemaGuard {
    /// The JSON Schema.
    #[schemars(schema_with = "any_object")]
    pub schema: Value,
}

fn count(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "format": "int64", "minimum": 0, "maximum": 4_294_967_295_u32 })
}

fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}
