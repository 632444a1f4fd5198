//! What guards look for.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::service::{BedrockGuardrails, ModelArmor, OpenaiModeration, Webhook};

/// What a guard looks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Check {
    /// Patterns, recognisers and keywords in the text.
    Text(TextCheck),
    /// How long the text is.
    Length(LengthCheck),
    /// Whether an answer's text is JSON of a schema. Answers only.
    JsonSchema(JsonSchemaCheck),
    /// What a webhook says (agentgateway's protocol).
    Webhook(Webhook),
    /// What OpenAI's moderation says.
    OpenaiModeration(OpenaiModeration),
    /// What Amazon Bedrock Guardrails says.
    BedrockGuardrails(BedrockGuardrails),
    /// What Google Model Armor says.
    ModelArmor(ModelArmor),
}

impl Check {
    /// The field at fault and what is wrong with it.
    pub(super) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        match self {
            Self::Text(check) => {
                if check.builtins.is_empty() && check.patterns.is_empty() && check.keywords.is_none() {
                    return Err(("patterns", "name builtins, patterns or keywords"));
                }
                if check.keywords.as_ref().is_some_and(|keywords| keywords.words.iter().any(String::is_empty))
                {
                    return Err(("keywords.words", "must not hold empty words"));
                }
                if check.reversible && check.action != Action::Mask {
                    return Err(("reversible", "only what is masked can be restored"));
                }
                Ok(())
            }
            Self::Length(check) => {
                if check.characters == LengthLimits::default() && check.words == LengthLimits::default() {
                    return Err(("characters", "set a limit of characters or words"));
                }
                Ok(())
            }
            Self::JsonSchema(_) => Ok(()),
            Self::Webhook(webhook) => webhook.callout.check(),
            Self::OpenaiModeration(service) => service.callout.check(),
            Self::BedrockGuardrails(service) => service.callout.check(),
            Self::ModelArmor(service) => service.callout.check(),
        }
    }
}

/// Patterns, recognisers and keywords.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextCheck {
    /// What is done with a match.
    #[serde(default)]
    pub action: Action,
    /// Recognisers to use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub builtins: Vec<Builtin>,
    /// Own patterns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<Pattern>,
    /// Words to look for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keywords: Option<Keywords>,
    /// Of requests: mask with placeholders that tell values apart, `<EMAIL_ADDRESS_1>`, and put the values back where
    /// the placeholders stand in the answer. The same value gets the same placeholder throughout a conversation.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reversible: bool,
}

/// What is done with a match.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is replaced by the name of what it is, `<EMAIL_ADDRESS>`; what own patterns and keywords find by `<masked>`
    /// or the pattern's own replacement.
    #[default]
    Mask,
    /// The request or answer is rejected.
    Reject,
}

/// A recogniser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Builtin {
    /// US social security numbers: `<SSN>`.
    Ssn,
    /// Numbers of payment cards, Luhn checked: `<CREDIT_CARD>`.
    CreditCard,
    /// Telephone numbers: `<PHONE_NUMBER>`.
    PhoneNumber,
    /// Email addresses: `<EMAIL_ADDRESS>`.
    Email,
    /// Canadian social insurance numbers, Luhn checked: `<CA_SIN>`.
    CaSin,
    /// `http` and `https` URLs: `<URL>`.
    Url,
    /// IPv4 and IPv6 addresses: `<IP_ADDRESS>`.
    IpAddress,
    /// Cloud and provider keys, tokens, private keys: `<SECRET>`.
    Secret,
}

/// An own pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// A regular expression in the syntax of Rust's `regex` crate. Matches of no length are ignored.
    pub regex: String,
    /// What a masked match becomes; default `<masked>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
}

/// Words to look for, up to hundreds of thousands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keywords {
    /// The words or phrases.
    pub words: Vec<String>,
    /// Upper and lower case differ. Default: they do not, in ASCII and Unicode's simple folding alike.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub case_sensitive: bool,
    /// Find words inside of words as well. Default: a match begins and ends at the edge of a word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inside_words: bool,
}

/// How long a text may be: all text of the scope together, in answers that of each choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LengthCheck {
    /// In characters (Unicode scalar values).
    #[serde(default)]
    pub characters: LengthLimits,
    /// In words, as white space separates them.
    #[serde(default)]
    pub words: LengthLimits,
}

/// Limits, inclusive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LengthLimits {
    /// At least so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u64>,
    /// At most so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

/// An answer's text has to be JSON that a schema holds for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonSchemaCheck {
    /// The JSON Schema.
    pub schema: Value,
}
