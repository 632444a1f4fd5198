//! What the models behind Converse take. The API is one for all of them, but it refuses fields that the model asked
//! for does not support, and parameters of a single family travel in `additionalModelRequestFields` under the family's
//! own names.
//!
//! Sources, as of November 2026: the user guide's
//! [supported models and features](https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-supported-models-features.html),
//! [structured outputs](https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html) and
//! [prompt caching](https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html), the reference of
//! [`ToolChoice`](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolChoice.html), and the
//! [Nova guide](https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html).
//!
//! | models | reasoning | forced tool calls | JSON schema | cache marks | top-k |
//! |---|---|---|---|---|---|
//! | Claude | as at Anthropic: `thinking`, `output_config` | as at Anthropic | from 4.5 on | from 3.5 on, one hour from 4.5 on | `top_k` |
//! | Nova | none | any, named | no | in system and messages, 5 minutes | `inferenceConfig.topK` |
//! | Nova 2 | `reasoningConfig` | any, named | no | in system and messages, 5 minutes | `inferenceConfig.topK` |
//! | gpt-oss, Kimi | `reasoning_effort` | no | yes | no | - |
//! | DeepSeek R1 | always | no | no | no | - |
//! | DeepSeek V3 | none | any | yes | no | - |
//! | Mistral Large, Pixtral | none | any | no | no | - |
//! | Command | none | no | no | no | `k` |
//! | Qwen, Gemma, MiniMax, Nemotron, GLM, newer Mistral | none | no | yes | no | - |
//! | Llama and the rest | none | no | no | no | - |
//! | ARNs that do not name a model | none | any, named | yes | no | - |
//!
//! Model ids, those of cross-region inference profiles (`us.anthropic.…`) and ARNs that end in one of them name the
//! model. ARNs of application inference profiles, provisioned throughput and imported models do not. Behind those,
//! what changes the meaning of an answer is passed on, so that Bedrock itself refuses it if the model cannot do it.

use crate::anthropic::models as claude;

/// What may be sent to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    /// The rules of a Claude model, as at Anthropic.
    pub(super) claude: Option<claude::Rules>,
    pub(super) reasoning: Reasoning,
    pub(super) forced: Forced,
    /// `outputConfig.textFormat` and `toolSpec.strict` are taken.
    pub(super) json_schema: bool,
    pub(super) cache: Cache,
    pub(super) top_k: TopK,
    /// `toolResult.status` is taken.
    pub(super) result_status: bool,
    /// `tool_choice.disable_parallel_tool_use` is taken, beside no other choice than `auto`.
    pub(super) serial_calls: bool,
}

/// How a model is asked to reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reasoning {
    /// It cannot be told.
    No,
    /// `thinking` and `output_config`, by the rules of [`Rules::claude`].
    Claude,
    /// `reasoningConfig`, with efforts from low to high.
    Nova,
    /// `reasoning_effort`, from low to high.
    Effort,
}

/// Which forced tool calls a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forced {
    /// None.
    No,
    /// `toolChoice.any`.
    Any,
    /// `toolChoice.any` and `toolChoice.tool`.
    Named,
}

/// Which prompt-cache marks a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cache {
    /// None.
    No,
    /// In the system prompt and messages, without a time to live.
    Nova,
    /// Everywhere; `ttl` if one may be said.
    Claude {
        /// A time to live may be said.
        ttl: bool,
    },
}

/// Where a model takes top-k from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TopK {
    /// Nowhere.
    No,
    /// `top_k`
    Plain,
    /// `inferenceConfig.topK`
    Nova,
    /// `k`
    Cohere,
}

/// What `model` takes.
pub(super) fn rules(model: &str) -> Rules {
    let plain = Rules {
        claude: None,
        reasoning: Reasoning::No,
        forced: Forced::No,
        json_schema: false,
        cache: Cache::No,
        top_k: TopK::No,
        result_status: false,
        serial_calls: false,
    };
    if let Some(version) = claude::version(model) {
        let rules = claude::rules(model);
        return Rules {
            claude: Some(rules),
            reasoning: Reasoning::Claude,
            forced: if rules.forced_tools { Forced::Named } else { Forced::No },
            json_schema: version >= (4, 5),
            cache: if version < (3, 5) { Cache::No } else { Cache::Claude { ttl: version >= (4, 5) } },
            top_k: TopK::Plain,
            result_status: true,
            serial_calls: version >= (4, 5),
        };
    }
    let open = Rules { json_schema: true, ..plain };
    let nova =
        Rules { forced: Forced::Named, cache: Cache::Nova, top_k: TopK::Nova, result_status: true, ..plain };
    match Family::of(model) {
        Family::Nova1 => nova,
        Family::Nova2 => Rules { reasoning: Reasoning::Nova, ..nova },
        Family::Effort => Rules { reasoning: Reasoning::Effort, ..open },
        Family::DeepSeekV3 => Rules { forced: Forced::Any, ..open },
        Family::MistralLarge => Rules { forced: Forced::Any, ..plain },
        Family::Cohere => Rules { top_k: TopK::Cohere, ..plain },
        Family::Open => open,
        Family::Plain => plain,
        Family::Hidden => Rules { forced: Forced::Named, result_status: true, ..open },
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Nova1,
    Nova2,
    /// Models told to reason by `reasoning_effort`.
    Effort,
    DeepSeekV3,
    MistralLarge,
    Cohere,
    /// Models with open weights and structured outputs.
    Open,
    Plain,
    /// An ARN that does not name a model.
    Hidden,
}

impl Family {
    fn of(model: &str) -> Self {
        let model = model.to_ascii_lowercase();
        let has = |part: &str| model.contains(part);
        let names = |parts: &[&str]| parts.iter().any(|part| has(part));
        if names(&["nova-2", "nova-premier-2", "nova-pro-2"]) {
            Self::Nova2
        } else if has("nova") {
            Self::Nova1
        } else if names(&["gpt-oss", "kimi"]) {
            Self::Effort
        } else if has("deepseek.r1") {
            Self::Plain
        } else if has("deepseek") {
            Self::DeepSeekV3
        } else if names(&["mistral-large-24", "pixtral-large"]) {
            Self::MistralLarge
        } else if names(&["mistral-7b", "mixtral", "mistral-small-24"]) {
            Self::Plain
        } else if has("cohere") {
            Self::Cohere
        } else if names(&["qwen", "gemma", "minimax", "nemotron", "glm", "mistral.", "openai."]) {
            Self::Open
        } else if model.starts_with("arn:") && !has("foundation-model/") && !has(":inference-profile/") {
            Self::Hidden
        } else {
            Self::Plain
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_known_by_their_ids() {
        use Family::{Cohere, DeepSeekV3, Effort, Hidden, MistralLarge, Nova1, Nova2, Open, Plain};
        for (model, family) in [
            ("amazon.nova-pro-v1:0", Nova1),
            ("us.amazon.nova-premier-v1:0", Nova1),
            ("us.amazon.nova-2-lite-v1:0", Nova2),
            ("openai.gpt-oss-120b-1:0", Effort),
            ("moonshot.kimi-k2-thinking", Effort),
            ("us.deepseek.r1-v1:0", Plain),
            ("deepseek.v3-v1:0", DeepSeekV3),
            ("mistral.mistral-large-2402-v1:0", MistralLarge),
            ("mistral.mistral-large-3-675b-instruct", Open),
            ("mistral.mixtral-8x7b-instruct-v0:1", Plain),
            ("cohere.command-r-plus-v1:0", Cohere),
            ("qwen.qwen3-coder-480b-a35b-v1:0", Open),
            ("us.meta.llama4-maverick-17b-instruct-v1:0", Plain),
            (
                "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.meta.llama3-3-70b-instruct-v1:0",
                Plain,
            ),
            ("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-2-lite-v1:0", Nova2),
            ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3", Hidden),
            ("arn:aws:bedrock:us-east-1:123456789012:provisioned-model/a1b2c3", Hidden),
        ] {
            assert_eq!(Family::of(model), family, "{model}");
        }
    }

    #[test]
    fn claude_follows_its_generations() {
        for (model, json_schema, cache, forced) in [
            ("anthropic.claude-3-haiku-20240307-v1:0", false, Cache::No, Forced::Named),
            (
                "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
                false,
                Cache::Claude { ttl: false },
                Forced::Named,
            ),
            (
                "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
                true,
                Cache::Claude { ttl: true },
                Forced::Named,
            ),
            (
                "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-5-5",
                true,
                Cache::Claude { ttl: true },
                Forced::No,
            ),
        ] {
            let rules = rules(model);
            assert_eq!(
                (rules.json_schema, rules.cache, rules.forced),
                (json_schema, cache, forced),
                "{model}"
            );
            assert_eq!(rules.claude, Some(claude::rules(model)));
        }
        assert_eq!(rules("arn:aws:bedrock:us-east-1:1:provisioned-model/x").reasoning, Reasoning::No);
    }
}
