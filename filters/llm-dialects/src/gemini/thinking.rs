//! `thinkingConfig` ↔ the hub's wish.
//!
//! | effort | budget |
//! |---|---|
//! | minimal, low | 1024 |
//! | medium | 8192 |
//! | high | 24576 |
//! | xhigh, max | the model's largest |
//!
//! That is how Google's own OpenAI endpoint maps efforts (<https://ai.google.dev/gemini-api/docs/openai#thinking>).

use super::models::Ask;
use super::out;
use super::request_wire::ThinkingConfig;
use crate::Error;
use crate::hub::{Effort, Thinking};

const LOW: u64 = 1024;
const MEDIUM: u64 = 8192;
const HIGH: u64 = 24_576;

/// What a client asks for.
pub(super) fn decode(config: &ThinkingConfig<'_>) -> Result<Option<Thinking>, Error> {
    const PATH: &str = "generationConfig.thinkingConfig";
    let level = config.thinking_level.as_ref().map(|level| level.0.to_ascii_uppercase());
    match (level.as_deref(), config.thinking_budget.map(|budget| budget.0)) {
        (Some(_), Some(_)) => {
            Err(Error::client(PATH, "takes a `thinkingLevel` or a `thinkingBudget`, not both"))
        }
        (Some(level), None) => Ok(Some(match level {
            "MINIMAL" => Thinking::Effort(Effort::Minimal),
            "LOW" => Thinking::Effort(Effort::Low),
            "MEDIUM" => Thinking::Effort(Effort::Medium),
            "HIGH" => Thinking::Effort(Effort::High),
            "XHIGH" => Thinking::Effort(Effort::XHigh),
            "THINKING_LEVEL_UNSPECIFIED" => return Ok(None),
            _ => {
                let path = format!("{PATH}.thinkingLevel");
                return Err(Error::client(path, "must be `MINIMAL`, `LOW`, `MEDIUM`, `HIGH` or `XHIGH`"));
            }
        })),
        (None, Some(0)) => Ok(Some(Thinking::Disabled)),
        (None, Some(-1)) => Ok(Some(Thinking::Adaptive(None))),
        (None, Some(budget)) => match u64::try_from(budget) {
            Ok(budget) => Ok(Some(Thinking::Budget(budget))),
            Err(_) => {
                Err(Error::client(format!("{PATH}.thinkingBudget"), "must be a number of tokens, 0 or -1"))
            }
        },
        (None, None) => {
            Ok(config.include_thoughts.filter(|&include| include).map(|_| Thinking::Adaptive(None)))
        }
    }
}

/// What the model is asked for. Thoughts are asked for along with thinking: clients of other APIs get them.
pub(super) fn encode(thinking: Option<Thinking>, ask: Ask) -> Option<out::ThinkingConfig> {
    let thinking = thinking?;
    match ask {
        Ask::Nothing => None,
        Ask::Budget { least, most, off } => {
            let budget = |tokens: u64| i64::try_from(tokens.clamp(least, most)).unwrap_or(i64::MAX);
            let (budget, include) = match thinking {
                Thinking::Disabled if off => (0, false),
                Thinking::Disabled => (budget(least), false),
                Thinking::Adaptive(None) => (-1, true),
                Thinking::Effort(effort) | Thinking::Adaptive(Some(effort)) => {
                    (budget(tokens(effort, most)), true)
                }
                Thinking::Budget(tokens) => (budget(tokens), true),
            };
            Some(out::ThinkingConfig {
                thinking_budget: Some(budget),
                thinking_level: None,
                include_thoughts: include,
            })
        }
        Ask::Level { minimal, medium, xhigh } => {
            let name = |effort| match effort {
                Effort::Minimal if minimal => "MINIMAL",
                Effort::Minimal | Effort::Low => "LOW",
                Effort::Medium if medium => "MEDIUM",
                Effort::XHigh | Effort::Max if xhigh => "XHIGH",
                Effort::Medium | Effort::High | Effort::XHigh | Effort::Max => "HIGH",
            };
            let (level, include) = match thinking {
                Thinking::Disabled => (Some(name(Effort::Minimal)), false),
                Thinking::Adaptive(None) => (None, true),
                Thinking::Effort(effort) | Thinking::Adaptive(Some(effort)) => (Some(name(effort)), true),
                Thinking::Budget(tokens) => (Some(name(effort(tokens))), true),
            };
            Some(out::ThinkingConfig {
                thinking_budget: None,
                thinking_level: level,
                include_thoughts: include,
            })
        }
    }
}

fn tokens(effort: Effort, most: u64) -> u64 {
    match effort {
        Effort::Minimal | Effort::Low => LOW,
        Effort::Medium => MEDIUM,
        Effort::High => HIGH,
        Effort::XHigh | Effort::Max => most,
    }
}

/// The effort whose budget comes closest from above.
fn effort(tokens: u64) -> Effort {
    [(LOW, Effort::Low), (MEDIUM, Effort::Medium), (HIGH, Effort::High)]
        .into_iter()
        .find_map(|(most, effort)| (tokens <= most).then_some(effort))
        .unwrap_or(Effort::XHigh)
}

#[cfg(test)]
mod tests {
    use super::super::models::rules;
    use super::*;

    fn asked(thinking: Thinking, model: &str) -> String {
        match encode(Some(thinking), rules(model).thinking) {
            None => "nothing".to_owned(),
            Some(config) => serde_json::to_string(&config).unwrap(),
        }
    }

    #[test]
    fn by_model() {
        use Effort::{Max, Medium, Minimal, XHigh};
        use Thinking::{Adaptive, Budget, Disabled, Effort as E};
        for (thinking, model, expected) in [
            (Disabled, "gemini-2.5-flash", r#"{"thinkingBudget":0}"#),
            (Disabled, "gemini-2.5-pro", r#"{"thinkingBudget":128}"#),
            (Disabled, "gemini-3-flash", r#"{"thinkingLevel":"MINIMAL"}"#),
            (Disabled, "gemini-3.8-flash", r#"{"thinkingLevel":"LOW"}"#),
            (Disabled, "gemini-2.0-flash", "nothing"),
            (E(Medium), "gemini-2.5-flash", r#"{"thinkingBudget":8192,"includeThoughts":true}"#),
            (E(Max), "gemini-2.5-pro", r#"{"thinkingBudget":32768,"includeThoughts":true}"#),
            (E(Medium), "gemini-3-pro", r#"{"thinkingLevel":"HIGH","includeThoughts":true}"#),
            (E(Minimal), "gemini-3-pro", r#"{"thinkingLevel":"LOW","includeThoughts":true}"#),
            (E(XHigh), "gemini-4-hydrogen", r#"{"thinkingLevel":"XHIGH","includeThoughts":true}"#),
            (E(XHigh), "gemini-3.8-flash", r#"{"thinkingLevel":"HIGH","includeThoughts":true}"#),
            (Budget(100), "gemini-2.5-flash-lite", r#"{"thinkingBudget":512,"includeThoughts":true}"#),
            (Budget(9000), "gemini-3.8-flash", r#"{"thinkingLevel":"HIGH","includeThoughts":true}"#),
            (Adaptive(None), "gemini-2.5-pro", r#"{"thinkingBudget":-1,"includeThoughts":true}"#),
            (Adaptive(None), "gemini-3.8-flash", r#"{"includeThoughts":true}"#),
            (
                Adaptive(Some(Medium)),
                "gemini-3.8-flash",
                r#"{"thinkingLevel":"MEDIUM","includeThoughts":true}"#,
            ),
        ] {
            assert_eq!(asked(thinking, model), expected, "{thinking:?} {model}");
        }
    }
}
