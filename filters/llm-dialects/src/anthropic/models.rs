//! What each generation of Claude models takes. The API refuses a parameter that the model asked for does not
//! know, and clients of other dialects cannot know which those are.
//!
//! Sources, as of November 2026: <https://platform.claude.com/docs/en/models/overview>, the "what's new" and
//! migration pages of each model under `https://platform.claude.com/docs/en/models/<model>/`, and
//! <https://platform.claude.com/docs/en/build-with-claude/effort>.
//!
//! | models | sampling | thinking | turned off by | forced tool calls | longest output assumed |
//! |---|---|---|---|---|---|
//! | before 3.5 | free | none | - | yes | 4096 |
//! | 3.5 | free | none | - | yes | 8192 |
//! | 3.7, 4 | free | budgets | `disabled` | yes | 32000 |
//! | 4.1, 4.5 | temperature or top_p | budgets | `disabled` | yes | 32000 |
//! | 4.6 | temperature or top_p | adaptive and budgets, no `xhigh` | `disabled` | yes | 64000 |
//! | 4.7 to 5.0, Haiku 5.5 | none | adaptive | `disabled` | yes | 64000 |
//! | Sonnet 5.5 | none | adaptive | `between_tools` | no | 64000 |
//! | Opus 5.5, Fable, Mythos | none | adaptive, always | low effort | no | 64000 |
//! | `claude` with another family or without a version | as Opus 5.5 | | | | |
//! | names without `claude` (compatible APIs of others) | free | budgets and adaptive | `disabled` | yes | not known |
//!
//! Anthropic gives new models names with `claude`, so an unknown one is taken for the newest and strictest.

/// What may be sent to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) sampling: Sampling,
    /// How an effort is asked for.
    pub(crate) effort: Ask,
    /// `thinking: {type: enabled, budget_tokens}` is taken.
    pub(crate) budgets: bool,
    /// `thinking: {type: adaptive}` is taken.
    pub(crate) adaptive: bool,
    /// The effort level `xhigh` is taken.
    pub(crate) xhigh: bool,
    pub(crate) off: Off,
    /// `tool_choice` of type `any` and `tool` is taken.
    pub(crate) forced_tools: bool,
    /// `max_tokens` that the model takes in any case; `None` for models of others.
    pub(crate) max_output: Option<u64>,
}

/// Which sampling parameters a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sampling {
    /// `temperature`, `top_p` and `top_k`.
    Free,
    /// The same, but not `temperature` and `top_p` together.
    One,
    /// None of them.
    None,
}

/// How a model is asked to think with some effort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// It cannot think.
    Nothing,
    /// `thinking.budget_tokens`.
    Budget,
    /// Adaptive thinking with `output_config.effort`.
    Adaptive,
}

/// How thinking is turned off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Off {
    /// `thinking: {type: disabled}`.
    Disabled,
    /// `thinking: {type: between_tools}`.
    BetweenTools,
    /// Not at all; low effort comes closest.
    LowEffort,
}

/// What `model` takes.
pub(crate) fn rules(model: &str) -> Rules {
    let other = Rules {
        sampling: Sampling::Free,
        effort: Ask::Budget,
        budgets: true,
        adaptive: true,
        xhigh: true,
        off: Off::Disabled,
        forced_tools: true,
        max_output: None,
    };
    let newest = Rules {
        sampling: Sampling::None,
        effort: Ask::Adaptive,
        budgets: false,
        adaptive: true,
        xhigh: true,
        off: Off::LowEffort,
        forced_tools: false,
        max_output: Some(64_000),
    };
    let Some(name) = Name::parse(model) else { return other };
    let Some(version) = name.version else { return newest };
    let budgets = Rules { adaptive: false, max_output: Some(32_000), ..other };
    let optional = Rules { off: Off::Disabled, forced_tools: true, ..newest };
    match name.family {
        _ if version < (3, 5) => {
            Rules { effort: Ask::Nothing, budgets: false, max_output: Some(4096), ..budgets }
        }
        _ if version < (3, 7) => {
            Rules { effort: Ask::Nothing, budgets: false, max_output: Some(8192), ..budgets }
        }
        _ if version < (4, 1) => budgets,
        _ if version < (4, 6) => Rules { sampling: Sampling::One, ..budgets },
        _ if version < (4, 7) => Rules { sampling: Sampling::One, budgets: true, xhigh: false, ..optional },
        Family::Opus | Family::Sonnet if version < (5, 5) => optional,
        Family::Haiku if version <= (5, 5) => optional,
        Family::Sonnet if version == (5, 5) => Rules { off: Off::BetweenTools, ..newest },
        _ => newest,
    }
}

/// Major and minor version of a Claude model, for rules of those who serve it besides Anthropic; `None` for models of
/// others. A Claude model without a version counts as the newest.
pub(crate) fn version(model: &str) -> Option<(u32, u32)> {
    Name::parse(model).map(|name| name.version.unwrap_or((u32::MAX, 0)))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Haiku,
    Sonnet,
    Opus,
    Other,
}

/// A Claude model's name, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Name {
    family: Family,
    /// Major and minor version.
    version: Option<(u32, u32)>,
}

impl Name {
    /// Reads `claude-opus-4-7`, `claude-3-5-sonnet-20241022`, `us.anthropic.claude-sonnet-4-5-20250929-v1:0`,
    /// `anthropic/claude-opus-4.7`, `claude-opus-4-5@20251101`; `None` for names without `claude`.
    fn parse(model: &str) -> Option<Self> {
        let model = model.to_ascii_lowercase();
        let (_, rest) = model.rsplit_once("claude")?;
        let words = || rest.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let family = words()
            .find_map(|word| match word {
                "haiku" => Some(Family::Haiku),
                "sonnet" => Some(Family::Sonnet),
                "opus" => Some(Family::Opus),
                _ => None,
            })
            .unwrap_or(Family::Other);
        // Longer numbers are dates.
        let number = |word: &str| word.parse::<u32>().ok().filter(|_| word.len() <= 2);
        let mut numbers = words().map(number).skip_while(Option::is_none).map_while(|number| number);
        let version = numbers.next().map(|major| (major, numbers.next().unwrap_or(0)));
        Some(Self { family, version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        use Family::{Haiku, Opus, Other, Sonnet};
        for (model, family, version) in [
            ("claude-opus-4-7", Opus, Some((4, 7))),
            ("claude-sonnet-4-5-20250929", Sonnet, Some((4, 5))),
            ("claude-opus-4-20250514", Opus, Some((4, 0))),
            ("claude-haiku-4-5", Haiku, Some((4, 5))),
            ("claude-3-5-sonnet-20241022", Sonnet, Some((3, 5))),
            ("claude-3-haiku-20240307", Haiku, Some((3, 0))),
            ("claude-3-7-sonnet-latest", Sonnet, Some((3, 7))),
            ("us.anthropic.claude-opus-4-6-v1", Opus, Some((4, 6))),
            ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", Sonnet, Some((4, 5))),
            ("anthropic/claude-opus-4.7", Opus, Some((4, 7))),
            ("Anthropic/Claude-4.7-Opus", Opus, Some((4, 7))),
            ("publishers/anthropic/models/claude-opus-4-5@20251101", Opus, Some((4, 5))),
            ("claude-opus-5", Opus, Some((5, 0))),
            ("claude-fable-5-1", Other, Some((5, 1))),
            ("claude-mythos-preview", Other, None),
            ("claude-2.1", Other, Some((2, 1))),
            ("claude", Other, None),
        ] {
            assert_eq!(Name::parse(model), Some(Name { family, version }), "{model}");
        }
        assert_eq!(Name::parse("deepseek-chat"), None);
    }

    #[test]
    fn each_generation_has_its_rules() {
        use Ask::{Adaptive, Budget, Nothing};
        use Off::{BetweenTools, Disabled, LowEffort};
        for (model, sampling, effort, budgets, off, forced_tools, max_output) in [
            ("claude-3-opus-20240229", Sampling::Free, Nothing, false, Disabled, true, Some(4096)),
            ("claude-3-5-haiku-latest", Sampling::Free, Nothing, false, Disabled, true, Some(8192)),
            ("claude-3-7-sonnet-20250219", Sampling::Free, Budget, true, Disabled, true, Some(32_000)),
            ("claude-sonnet-4-20250514", Sampling::Free, Budget, true, Disabled, true, Some(32_000)),
            ("claude-opus-4-1", Sampling::One, Budget, true, Disabled, true, Some(32_000)),
            ("claude-haiku-4-5", Sampling::One, Budget, true, Disabled, true, Some(32_000)),
            ("claude-sonnet-4-6", Sampling::One, Adaptive, true, Disabled, true, Some(64_000)),
            ("claude-opus-4-7", Sampling::None, Adaptive, false, Disabled, true, Some(64_000)),
            ("claude-opus-5", Sampling::None, Adaptive, false, Disabled, true, Some(64_000)),
            ("claude-sonnet-5", Sampling::None, Adaptive, false, Disabled, true, Some(64_000)),
            ("claude-haiku-5-5", Sampling::None, Adaptive, false, Disabled, true, Some(64_000)),
            ("claude-sonnet-5-5", Sampling::None, Adaptive, false, BetweenTools, false, Some(64_000)),
            ("claude-opus-5-5", Sampling::None, Adaptive, false, LowEffort, false, Some(64_000)),
            ("claude-fable-5-1", Sampling::None, Adaptive, false, LowEffort, false, Some(64_000)),
            ("claude-mythos-preview", Sampling::None, Adaptive, false, LowEffort, false, Some(64_000)),
            ("claude-sonnet-7", Sampling::None, Adaptive, false, LowEffort, false, Some(64_000)),
            ("glm-5", Sampling::Free, Budget, true, Disabled, true, None),
        ] {
            let rules = rules(model);
            assert_eq!(
                (
                    rules.sampling,
                    rules.effort,
                    rules.budgets,
                    rules.off,
                    rules.forced_tools,
                    rules.max_output
                ),
                (sampling, effort, budgets, off, forced_tools, max_output),
                "{model}"
            );
        }
    }
}
