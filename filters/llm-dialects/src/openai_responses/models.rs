//! What models behind this API take. OpenAI refuses parameters a model has no use for, and efforts it does not know.
//!
//! | models | sampling, log probabilities | effort | `none` | verbosity |
//! |---|---|---|---|---|
//! | OpenAI before GPT-5, and `…-chat` | yes | does not reason | - | no |
//! | OpenAI o1 to o4, `codex-…` | no | `low` to `high` | no | no |
//! | GPT-5 | no | `minimal` to `high` | no | yes |
//! | GPT-5.1 | no | `low` to `high` | yes | yes |
//! | GPT-5.2 to 5.5 | with effort `none` | `low` to `xhigh` | yes | yes |
//! | GPT-5.6 and later | with effort `none` | `low` to `max` | yes | yes |
//! | GPT-6 and later | no | `low` to `max` | no | yes |
//! | GPT-5 Pro | no | `high` | no | yes |
//! | later Pro | no | from `medium`, up to what its generation takes | no | yes |
//! | Codex of GPT-5 and later | no | from `low`, likewise; `xhigh` also for 5.1 Codex Max | no | yes |
//! | `gpt-oss` | yes | `low` to `high` | no | no |
//! | every other name | yes | `low` to `high` | no | yes |
//!
//! Encrypted reasoning can be asked of OpenAI's reasoning models in any case; others answer "Encrypted content is not
//! supported with this model". A model under another name (an Azure deployment, xAI's) is asked when the client asks it
//! to reason. Open weights (`gpt-oss`) encrypt nothing.
//!
//! Sources: <https://platform.openai.com/docs/guides/reasoning>, <https://platform.openai.com/docs/guides/latest-model>
//! and the pages of the models.

use crate::hub::Effort;

/// What may be sent to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    /// `reasoning` may be sent.
    pub(super) reasons: Reasons,
    /// `temperature`, `top_p` and log probabilities are taken.
    pub(super) sampling: Sampling,
    /// The lowest effort but `none`.
    pub(super) lowest: Effort,
    /// The highest effort.
    pub(super) highest: Effort,
    /// The effort `none` is taken.
    pub(super) none: bool,
    /// `text.verbosity` is taken.
    pub(super) verbosity: bool,
}

/// Whether a model reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reasons {
    /// No.
    No,
    /// Yes, and it encrypts its reasoning for the client to keep.
    Encrypted,
    /// Yes, in the clear.
    Open,
    /// That is not known from its name.
    Unknown,
}

/// When sampling parameters are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sampling {
    /// Always.
    Yes,
    /// Only with the effort `none`.
    WithoutReasoning,
    /// Never.
    No,
}

/// What `model` takes.
pub(super) fn rules(model: &str) -> Rules {
    let o_series = Rules {
        reasons: Reasons::Encrypted,
        sampling: Sampling::No,
        lowest: Effort::Low,
        highest: Effort::High,
        none: false,
        verbosity: false,
    };
    let other = Rules { reasons: Reasons::Unknown, sampling: Sampling::Yes, verbosity: true, ..o_series };
    let model = model.to_ascii_lowercase();
    let mut words = model.split(['/', ':', ' ', '_']);
    if model.contains("gpt-oss") {
        return Rules { reasons: Reasons::Open, verbosity: false, ..other };
    }
    if let Some((rest, version)) = words.clone().find_map(|word| {
        let (_, rest) = word.split_once("gpt-")?;
        Some((rest, version(rest)?))
    }) {
        if version < (5, 0) || rest.contains("chat") {
            return Rules { reasons: Reasons::No, verbosity: false, ..other };
        }
        return gpt_5(version, rest, Rules { verbosity: true, ..o_series });
    }
    let is_o = |word: &str| word.strip_prefix('o').is_some_and(|rest| version(rest).is_some());
    if words.any(|word| is_o(word) || word.starts_with("codex-")) { o_series } else { other }
}

fn gpt_5(version: (u32, u32), name: &str, base: Rules) -> Rules {
    let later = version >= (5, 2);
    let highest = match version {
        _ if version >= (5, 6) => Effort::Max,
        _ if later || name.contains("codex-max") => Effort::XHigh,
        _ => Effort::High,
    };
    if name.contains("-pro") {
        let lowest = if later { Effort::Medium } else { Effort::High };
        return Rules { lowest, highest, ..base };
    }
    if name.contains("codex") {
        return Rules { highest, ..base };
    }
    Rules {
        lowest: if version == (5, 0) { Effort::Minimal } else { Effort::Low },
        highest,
        none: ((5, 1)..(6, 0)).contains(&version),
        sampling: if ((5, 2)..(6, 0)).contains(&version) { Sampling::WithoutReasoning } else { Sampling::No },
        ..base
    }
}

/// The version at the start of `text`: `5.2-mini`, `4o`, `35-turbo` (Azure's 3.5), `5`.
fn version(text: &str) -> Option<(u32, u32)> {
    let digits = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, rest) = text.split_at_checked(end)?;
        Some((number.parse::<u32>().ok()?, rest.to_owned()))
    };
    let (major, rest) = digits(text)?;
    if major == 35 {
        return Some((3, 5));
    }
    let minor = rest.strip_prefix('.').and_then(digits).map_or(0, |(minor, _)| minor);
    Some((major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Effort::{High, Low, Max, Medium, Minimal, XHigh};
    use Reasons::{Encrypted, No, Open, Unknown};

    #[test]
    fn models_are_known_by_their_names() {
        for (model, reasons, lowest, highest, none) in [
            ("gpt-4o", No, Low, High, false),
            ("gpt-4.1-mini-2025-04-14", No, Low, High, false),
            ("gpt-35-turbo", No, Low, High, false),
            ("gpt-5-chat-latest", No, Low, High, false),
            ("gpt-5.3-chat-latest", No, Low, High, false),
            ("o4-mini", Encrypted, Low, High, false),
            ("codex-mini-latest", Encrypted, Low, High, false),
            ("gpt-5", Encrypted, Minimal, High, false),
            ("openai/gpt-5-mini", Encrypted, Minimal, High, false),
            ("gpt-5-pro", Encrypted, High, High, false),
            ("gpt-5-codex", Encrypted, Low, High, false),
            ("gpt-5.1", Encrypted, Low, High, true),
            ("gpt-5.1-codex-max", Encrypted, Low, XHigh, false),
            ("gpt-5.2", Encrypted, Low, XHigh, true),
            ("GPT-5.2-pro", Encrypted, Medium, XHigh, false),
            ("gpt-5.6-terra", Encrypted, Low, Max, true),
            ("gpt-6-astra", Encrypted, Low, Max, false),
            ("openai/gpt-oss-120b", Open, Low, High, false),
            ("my-deployment", Unknown, Low, High, false),
            ("olmo-2", Unknown, Low, High, false),
            ("", Unknown, Low, High, false),
        ] {
            let rules = rules(model);
            let found = (rules.reasons, rules.lowest, rules.highest, rules.none);
            assert_eq!(found, (reasons, lowest, highest, none), "{model}");
        }
    }
}
