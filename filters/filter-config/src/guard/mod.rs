//! Configuration of the `guard` filter: what is looked for in prompts and answers, and what is done about it.

mod check;
mod service;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use check::{
    Action, Builtin, Check, JsonSchemaCheck, Keywords, LengthCheck, LengthLimits, Pattern, TextCheck,
};
pub use service::{
    BedrockGuardrails, Callout, HeaderMatch, ModelArmor, OpenaiModeration, ValueMatch, Webhook,
};

use crate::endpoint::default_endpoints;
use crate::{Endpoint, Error, check_version, default_max_body_bytes, default_version, parse};

/// Configuration of the `guard` filter. It stands alone in anyone's chain of HTTP filters, where it recognises LLM
/// requests by their path; or before the `provider` filter on a cluster, where the `llm` filter says what is spoken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// Version of the contract.
    #[serde(default = "default_version")]
    pub version: u32,
    /// Path suffix → what is spoken there, as in the `llm` filter. Not used on a cluster.
    #[serde(default = "default_endpoints")]
    pub endpoints: BTreeMap<String, Endpoint>,
    /// What requests pass, in order: each guard sees what the one before it has left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request: Vec<Rule>,
    /// What answers pass, whole or streamed, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub response: Vec<Rule>,
    /// How much text of a stream is held back, in bytes, for patterns whose longest match is not bounded. All others
    /// hold back what a match could still need, and no more.
    #[serde(default = "default_window_bytes")]
    pub window_bytes: u32,
    /// Largest request body, in bytes; a larger one is answered with 413: it could not be checked.
    #[serde(default = "default_max_body_bytes")]
    pub max_request_body_bytes: u64,
    /// Largest answer that is held whole, in bytes; a larger one is answered with 502: it could not be checked.
    #[serde(default = "default_max_body_bytes")]
    pub max_response_body_bytes: u64,
}

/// One guard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name in metrics and logs; unique within its direction.
    pub name: String,
    /// Which parts it looks at. Empty: of requests `system_prompt` and `messages`, and where it is reversible also
    /// `tool_input` and `reasoning`, which come back with what was put into answers; of answers everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<Scope>,
    /// Count and log what it would do, and do nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
    /// What happens when it cannot be evaluated.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// The answer to what it rejects.
    #[serde(default)]
    pub rejection: Rejection,
    /// What it looks for.
    pub check: Check,
}

/// A part of a request or answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// System and developer prompts.
    SystemPrompt,
    /// What users and models say, inputs of embeddings, queries and documents of rerank.
    Messages,
    /// Arguments of tool calls.
    ToolInput,
    /// Results of tools.
    ToolOutput,
    /// What a model thinks.
    Reasoning,
}

impl Scope {
    /// Every part.
    pub const ALL: [Self; 5] =
        [Self::SystemPrompt, Self::Messages, Self::ToolInput, Self::ToolOutput, Self::Reasoning];

    /// The parts of requests a guard looks at unless it says otherwise.
    pub const OF_REQUESTS: [Self; 2] = [Self::SystemPrompt, Self::Messages];
}

/// What happens to a request or answer when a guard cannot be evaluated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It is refused with 503.
    #[default]
    Refuse,
    /// It passes this guard; the others still look at it.
    Pass,
}

/// The answer to what a guard rejects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejection {
    /// Its status. A stream that has begun keeps the status it has.
    #[serde(default = "default_status")]
    pub status: u16,
    /// Its message, told in the caller's dialect.
    #[serde(default = "default_message")]
    pub message: String,
    /// A body to send as it is, instead of an error in the caller's dialect. Streams get the message all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// More headers, lower-case names. With `body`, `content-type` is `text/plain` unless it stands here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

impl Default for Rejection {
    fn default() -> Self {
        Self { status: default_status(), message: default_message(), body: None, headers: BTreeMap::new() }
    }
}

/// agentgateway's defaults.
fn default_status() -> u16 {
    403
}

fn default_message() -> String {
    "The request was rejected due to inappropriate content".to_owned()
}

fn default_window_bytes() -> u32 {
    1024
}

/// Largest window: what a stream may hold back of each text.
const MAX_WINDOW_BYTES: u32 = 1 << 20;

impl Guard {
    /// Reads a configuration.
    ///
    /// # Errors
    /// [`Error`] with the field and what is wrong.
    pub fn from_json(json: &[u8]) -> Result<Self, Error> {
        let config: Self = parse(json, "guard")?;
        check_version(config.version)?;
        if config.request.is_empty() && config.response.is_empty() {
            return Err(invalid("request".to_owned(), "name at least one guard, here or in `response`"));
        }
        if config.window_bytes == 0 || config.window_bytes > MAX_WINDOW_BYTES {
            return Err(invalid("window_bytes".to_owned(), "must be between 1 and 1048576"));
        }
        if config.max_request_body_bytes == 0 || config.max_response_body_bytes == 0 {
            return Err(invalid("max_request_body_bytes".to_owned(), "body limits must be at least 1"));
        }
        check_rules("request", &config.request)?;
        check_rules("response", &config.response)?;
        Ok(config)
    }
}

fn check_rules(direction: &str, rules: &[Rule]) -> Result<(), Error> {
    for (index, rule) in rules.iter().enumerate() {
        let field = |name: &str| format!("{direction}[{index}].{name}");
        if rule.name.is_empty() {
            return Err(invalid(field("name"), "must not be empty"));
        }
        if rules.iter().take(index).any(|other| other.name == rule.name) {
            return Err(invalid(field("name"), "another guard of this direction has the same name"));
        }
        if !(200..600).contains(&rule.rejection.status) {
            return Err(invalid(field("rejection.status"), "must be between 200 and 599"));
        }
        rule.check.check().map_err(|(name, message)| invalid(field(&format!("check.{name}")), message))?;
        if direction == "response" && matches!(&rule.check, Check::Text(check) if check.reversible) {
            return Err(invalid(
                field("check.reversible"),
                "only what is masked in a request can be restored",
            ));
        }
    }
    Ok(())
}

fn invalid(field: String, message: &str) -> Error {
    Error::Invalid { filter: "guard", field, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_with_defaults() {
        let json = br#"{"request":[{"name":"pii","check":{"kind":"text","builtins":["ssn","email"]}}]}"#;
        let config = Guard::from_json(json).unwrap();
        assert_eq!(config.request[0].rejection.status, 403);
        assert_eq!(config.request[0].on_failure, OnFailure::Refuse);
        assert_eq!(Guard::from_json(&serde_json::to_vec(&config).unwrap()).unwrap(), config);
    }

    #[test]
    fn refuses_with_the_field_named() {
        let message = |json: &str| Guard::from_json(json.as_bytes()).unwrap_err().to_string();
        assert!(message("{}").contains("at least one guard"));
        assert!(
            message(r#"{"request":[{"name":"x","check":{"kind":"text"}}]}"#)
                .contains("request[0].check.patterns")
        );
        assert!(
            message(r#"{"request":[{"name":"x","check":{"kind":"vibes"}}]}"#).contains("unknown variant")
        );
        let reversible = r#"{"name":"x","check":{"kind":"text","builtins":["ssn"],"reversible":true}}"#;
        assert!(
            message(&format!(r#"{{"response":[{reversible}]}}"#)).contains("response[0].check.reversible")
        );
        assert!(Guard::from_json(format!(r#"{{"request":[{reversible}]}}"#).as_bytes()).is_ok());
        let twice = r#"{"name":"x","check":{"kind":"text","builtins":["ssn"]}}"#;
        assert!(message(&format!(r#"{{"response":[{twice},{twice}]}}"#)).contains("response[1].name"));
        assert!(
            message(
                r#"{"request":[{"name":"x","check":{"kind":"webhook","callout":{"cluster":"","authority":"h"}}}]}"#
            )
            .contains("check.callout.cluster")
        );
    }
}
