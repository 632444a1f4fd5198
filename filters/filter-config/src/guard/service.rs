//! Guards that ask somebody else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How a service is reached: an Envoy cluster, which also adds credentials, if any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Callout {
    /// The cluster.
    pub cluster: String,
    /// `:authority` of requests.
    pub authority: String,
    /// How long an answer may take, in milliseconds.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u32,
}

/// agentgateway's limit.
fn default_timeout_ms() -> u32 {
    10_000
}

impl Callout {
    pub(super) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if self.cluster.is_empty() {
            return Err(("callout.cluster", "must not be empty"));
        }
        if self.authority.is_empty() {
            return Err(("callout.authority", "must not be empty"));
        }
        if self.timeout_ms == 0 {
            return Err(("callout.timeout_ms", "must be at least 1"));
        }
        Ok(())
    }
}

/// A webhook: `POST PATH/request` and `POST PATH/response`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// How it is reached.
    pub callout: Callout,
    /// What its paths begin with; empty or `/…`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Which of the client's headers it gets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forward_headers: Vec<HeaderMatch>,
    /// Header → CEL expression over the client's request; `:path`, `:method` and `:authority` replace what would be
    /// sent. A header whose expression fails is left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// A header that is passed on when its value matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderMatch {
    /// Lower-case name.
    pub name: String,
    /// The value; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<ValueMatch>,
}

/// How a value matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueMatch {
    /// It is this.
    Exact(String),
    /// The whole of it matches this regular expression.
    Regex(String),
}

/// OpenAI moderation, `POST /v1/moderations`: what is flagged is rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenaiModeration {
    /// How it is reached.
    pub callout: Callout,
    /// The model that judges.
    #[serde(default = "default_moderation_model")]
    pub model: String,
}

fn default_moderation_model() -> String {
    "omni-moderation-latest".to_owned()
}

/// Amazon Bedrock Guardrails, `POST /guardrail/ID/version/VERSION/apply`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BedrockGuardrails {
    /// How it is reached; the cluster signs.
    pub callout: Callout,
    /// The guardrail's id or ARN.
    pub identifier: String,
    /// Its version, or `DRAFT`.
    pub version: String,
}

/// Google Model Armor, `POST /v1/projects/P/locations/L/templates/T:sanitizeUserPrompt`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelArmor {
    /// How it is reached; the cluster adds the token.
    pub callout: Callout,
    /// The Google Cloud project.
    pub project: String,
    /// Where the template is, such as `us-central1`.
    pub location: String,
    /// The template's id.
    pub template: String,
}
