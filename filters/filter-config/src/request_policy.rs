//! Changes to LLM requests on their way to a provider.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Changes to a request, in the order in which they are made: `overrides`, `transformations` and `defaults` on the
/// client's body, then `prompt`; after translation `prompt_caching` and `final_transformations` on the provider's
/// body. Fields are top-level keys of the body.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestPolicy {
    /// Field → value it always gets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<String, Value>,
    /// Field → CEL expression over `llmRequest`, the client's body as it came. An expression that fails removes the
    /// field. Wins over `overrides`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub transformations: BTreeMap<String, String>,
    /// Field → value it gets when the client leaves it out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub defaults: BTreeMap<String, Value>,
    /// Messages around the prompt.
    #[serde(default, skip_serializing_if = "Prompt::is_empty")]
    pub prompt: Prompt,
    /// Prompt-cache marks to place, where the provider has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_caching: Option<PromptCaching>,
    /// Field of the provider's body → CEL expression over `llmRequest`, here the provider's body.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub final_transformations: BTreeMap<String, String>,
}

impl RequestPolicy {
    /// Nothing is changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Messages added around the prompt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    /// In front of the conversation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prepend: Vec<PromptMessage>,
    /// Behind it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub append: Vec<PromptMessage>,
}

impl Prompt {
    /// Nothing is added.
    pub fn is_empty(&self) -> bool {
        self.prepend.is_empty() && self.append.is_empty()
    }
}

/// A message to add.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptMessage {
    /// `system`, `developer`, `user` or `assistant`.
    pub role: String,
    /// Its text.
    pub content: String,
}

/// Where to place prompt-cache marks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptCaching {
    /// Behind the system prompt.
    #[serde(default = "yes")]
    pub system: bool,
    /// Behind a message near the end of the conversation.
    #[serde(default = "yes")]
    pub messages: bool,
    /// Behind the last tool.
    #[serde(default)]
    pub tools: bool,
    /// Fewest tokens (estimated) a system prompt must have to be marked.
    #[serde(default = "min_tokens")]
    pub min_tokens: u64,
    /// How many messages before the second-to-last one the mark is placed.
    #[serde(default)]
    pub message_offset: u64,
}

impl Default for PromptCaching {
    fn default() -> Self {
        Self { system: true, messages: true, tools: false, min_tokens: min_tokens(), message_offset: 0 }
    }
}

fn yes() -> bool {
    true
}

fn min_tokens() -> u64 {
    1024
}
