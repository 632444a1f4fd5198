//! What models behind this API take. OpenAI refuses parameters its reasoning models have no use for, and those
//! who imitate it do not all know its newer ones.
//!
//! | models | output limit | sampling | reasoning effort |
//! |---|---|---|---|
//! | OpenAI before GPT-5, and `…-chat` | `max_completion_tokens` | yes | no |
//! | OpenAI o1 to o4, GPT-5, 5.1 | `max_completion_tokens` | no | up to `high` |
//! | OpenAI GPT-5.2 and later | `max_completion_tokens` | no | up to `xhigh`; with tools only `none` |
//! | every other name, `gpt-oss` included | `max_tokens` | yes | up to `high` |
//!
//! `verbosity` came with GPT-5; no other model takes it.
//!
//! `max_tokens` is deprecated at OpenAI, and refused by its reasoning models
//! (<https://platform.openai.com/docs/api-reference/chat/create>). Elsewhere it is the one everybody takes:
//! Mistral answers 422 to `max_completion_tokens`, Ollama and llama.cpp overlook it; vLLM, Groq and
//! OpenRouter take both. GPT-5.2 and later take sampling parameters when their effort is `none`, which is not
//! told from here (<https://platform.openai.com/docs/guides/latest-model>). They call functions in this API only
//! at effort `none`, which some of them want to be told explicitly: reasoning with tools is left to the Responses
//! API (<https://github.com/openai/openai-openapi/issues/541>).
//!
//! OpenAI's models are known by `gpt-<number>`, `o<number>` or `codex-` at the start of a word, so a deployment
//! under another name (Azure) counts as one of the others.

use crate::hub::Effort;

/// What may be sent to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    /// The output limit is called `max_completion_tokens`, not `max_tokens`.
    pub(super) max_completion_tokens: bool,
    /// `temperature`, `top_p` and their kin are taken.
    pub(super) sampling: bool,
    /// The highest `reasoning_effort`; `None` when there is no such parameter.
    pub(super) effort: Option<Effort>,
    /// With tools, `reasoning_effort` has to be `none`.
    pub(super) tools_without_effort: bool,
    /// `verbosity` is taken.
    pub(super) verbosity: bool,
}

/// What `model` takes.
pub(super) fn rules(model: &str) -> Rules {
    let reasoning = |effort| Rules {
        max_completion_tokens: true,
        sampling: false,
        effort: Some(effort),
        tools_without_effort: effort > Effort::High,
        verbosity: false,
    };
    let model = model.to_ascii_lowercase();
    let words = || model.split(['/', ':', '_', ' ']);
    if let Some(rest) = words().find_map(|word| word.split_once("gpt-").map(|(_, rest)| rest))
        && let Some(version) = version(rest)
    {
        return match version {
            _ if version < (5, 0) || rest.contains("chat") => Rules {
                max_completion_tokens: true,
                sampling: true,
                effort: None,
                tools_without_effort: false,
                verbosity: false,
            },
            _ if version < (5, 2) => Rules { verbosity: true, ..reasoning(Effort::High) },
            _ => Rules { verbosity: true, ..reasoning(Effort::XHigh) },
        };
    }
    let is_o = |word: &str| word.strip_prefix('o').is_some_and(|rest| version(rest).is_some());
    if words().any(|word| is_o(word) || word.starts_with("codex-")) {
        return reasoning(Effort::High);
    }
    Rules {
        max_completion_tokens: false,
        sampling: true,
        effort: Some(Effort::High),
        tools_without_effort: false,
        verbosity: false,
    }
}

/// Whether the output limit of `model` is called `max_completion_tokens`.
pub(crate) fn takes_max_completion_tokens(model: &str) -> bool {
    rules(model).max_completion_tokens
}

/// The version at the start of `text`: `5.2-mini`, `4o`, `35-turbo` (Azure's 3.5), `5`.
fn version(text: &str) -> Option<(u32, u32)> {
    let number = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text.get(..end).and_then(|digits| digits.parse::<u32>().ok()).map(|number| (number, end))
    };
    let (major, end) = number(text)?;
    if major == 35 {
        return Some((3, 5));
    }
    let minor = text.get(end..).and_then(|rest| rest.strip_prefix('.')).and_then(number);
    Some((major, minor.map_or(0, |(minor, _)| minor)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_known_by_their_names() {
        let old = (true, true, None);
        let high = (true, false, Some(Effort::High));
        let xhigh = (true, false, Some(Effort::XHigh));
        let other = (false, true, Some(Effort::High));
        for (model, expected) in [
            ("gpt-4o", old),
            ("gpt-4.1-mini-2025-04-14", old),
            ("gpt-35-turbo", old),
            ("chatgpt-4o-latest", old),
            ("ft:gpt-4o-mini-2024-07-18:acme::id", old),
            ("gpt-5-chat-latest", old),
            ("gpt-5", high),
            ("openai/gpt-5-mini", high),
            ("gpt-5.1", high),
            ("o1", high),
            ("o4-mini-2025-04-16", high),
            ("codex-mini-latest", high),
            ("GPT-5.2-pro", xhigh),
            ("gpt-6", xhigh),
            ("gpt-oss-120b", other),
            ("openai/gpt-oss-20b", other),
            ("mistral-large-latest", other),
            ("qwen3:8b", other),
            ("meta-llama/Llama-4-Scout", other),
            ("olmo-2", other),
            ("", other),
        ] {
            let rules = rules(model);
            assert_eq!(rules.tools_without_effort, expected == xhigh, "{model}");
            let gpt_5 = model.to_lowercase().contains("gpt-5") && expected != old || model == "gpt-6";
            assert_eq!(rules.verbosity, gpt_5, "{model}");
            assert_eq!((rules.max_completion_tokens, rules.sampling, rules.effort), expected, "{model}");
        }
    }
}
