//! What each generation of Gemini models takes.
//!
//! Sources, as of November 2026: <https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/thinking> and
//! the developer's guides beside it, <https://ai.google.dev/gemini-api/docs/thinking>,
//! <https://ai.google.dev/gemini-api/docs/thought-signatures>, and the model pages under
//! <https://ai.google.dev/gemini-api/docs/models>.
//!
//! | models | thinking | sampling | signatures wanted |
//! |---|---|---|---|
//! | before 2.5, image and speech models of 2.5 | none | yes | no |
//! | 2.5 Pro | budget 128 to 32768, not to be turned off | yes | no |
//! | 2.5 Flash-Lite | budget 512 to 24576, or 0 | yes | no |
//! | 2.5 Flash | budget to 24576, or 0 | yes | no |
//! | 3 Pro | levels low, high | yes | yes |
//! | 3.1 Pro and later Pro | levels low, medium, high | to 3.5 | yes |
//! | 3 to 3.6 Flash, Flash-Lite | levels minimal to high | to 3.5 Flash | yes |
//! | 3.7 Flash and later | levels low, medium, high; minimal is an error | no | yes |
//! | 4 | levels low to xhigh | no | yes |
//! | `gemini` without a version (`gemini-flash-latest`) | levels low, medium, high | no | yes |
//! | other names (Gemma, tuned endpoints) | none | yes | no |
//!
//! From 3.5 Flash-Lite and 3.6 Flash on, temperature, top-p and top-k are overlooked or refused, and penalties are
//! refused.

/// What may be sent to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    /// How thinking is asked for.
    pub(super) thinking: Ask,
    /// Temperature, top-p, top-k and penalties are taken.
    pub(super) sampling: bool,
    /// The first function call of each step must be signed. These models also take media in function responses.
    pub(super) signatures: bool,
}

/// How a model is asked to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// Not at all.
    Nothing,
    /// `thinkingBudget`.
    Budget {
        /// The smallest budget but 0.
        least: u64,
        /// The largest.
        most: u64,
        /// A budget of 0 turns it off.
        off: bool,
    },
    /// `thinkingLevel`; `LOW` and `HIGH` are always taken.
    Level {
        /// `MINIMAL` is taken.
        minimal: bool,
        /// `MEDIUM` is taken.
        medium: bool,
        /// `XHIGH` is taken.
        xhigh: bool,
    },
}

/// What `model` takes.
pub(super) fn rules(model: &str) -> Rules {
    let model = model.to_ascii_lowercase();
    let old = Rules { thinking: Ask::Nothing, sampling: true, signatures: false };
    let Some((_, name)) = model.split_once("gemini-") else { return old };
    let Some(version) = version(name) else {
        let thinking = Ask::Level { minimal: false, medium: true, xhigh: false };
        return Rules { thinking, sampling: false, signatures: true };
    };
    let (pro, lite) = (name.contains("pro"), name.contains("lite"));
    let special = ["image", "tts", "audio", "live"].iter().any(|word| name.contains(word));
    if version < (2, 5) || (version < (3, 0) && special) {
        return old;
    }
    if version < (3, 0) {
        let thinking = match (pro, lite) {
            (true, _) => Ask::Budget { least: 128, most: 32_768, off: false },
            (_, true) => Ask::Budget { least: 512, most: 24_576, off: true },
            _ => Ask::Budget { least: 1, most: 24_576, off: true },
        };
        return Rules { thinking, ..old };
    }
    let thinking = if special {
        Ask::Nothing
    } else {
        Ask::Level {
            minimal: !pro && version < (3, 7),
            medium: !pro || version >= (3, 1),
            xhigh: version >= (4, 0),
        }
    };
    Rules { thinking, sampling: version < (3, 5) || (version == (3, 5) && !lite), signatures: true }
}

/// The version at the start of `text`: `2.5-flash`, `4-hydrogen`.
fn version(text: &str) -> Option<(u32, u32)> {
    let number = |text: &str| text.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok();
    let major = number(text)?;
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    Some((major, rest.strip_prefix('.').and_then(number).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_known_by_their_names() {
        let level = |minimal, medium, xhigh| Ask::Level { minimal, medium, xhigh };
        for (model, thinking, sampling, signatures) in [
            ("gemini-2.0-flash-001", Ask::Nothing, true, false),
            ("gemini-2.5-pro", Ask::Budget { least: 128, most: 32_768, off: false }, true, false),
            ("google/gemini-2.5-flash", Ask::Budget { least: 1, most: 24_576, off: true }, true, false),
            (
                "gemini-2.5-flash-lite-preview-09-2025",
                Ask::Budget { least: 512, most: 24_576, off: true },
                true,
                false,
            ),
            ("gemini-2.5-flash-image", Ask::Nothing, true, false),
            ("gemini-3-pro-preview", level(false, false, false), true, true),
            ("gemini-3-pro-image-preview", Ask::Nothing, true, true),
            ("gemini-3.1-pro-preview", level(false, true, false), true, true),
            ("gemini-3-flash-preview", level(true, true, false), true, true),
            ("gemini-3.5-flash", level(true, true, false), true, true),
            ("gemini-3.5-flash-lite", level(true, true, false), false, true),
            ("models/gemini-3.6-flash", level(true, true, false), false, true),
            ("gemini-3.8-flash", level(false, true, false), false, true),
            ("gemini-4-hydrogen", level(false, true, true), false, true),
            ("Gemini-Flash-Latest", level(false, true, false), false, true),
            ("gemma-3-27b-it", Ask::Nothing, true, false),
            ("endpoints/1234567", Ask::Nothing, true, false),
            ("", Ask::Nothing, true, false),
        ] {
            assert_eq!(rules(model), Rules { thinking, sampling, signatures }, "{model}");
        }
    }
}
