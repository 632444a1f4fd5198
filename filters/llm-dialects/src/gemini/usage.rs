//! `usageMetadata`. <https://ai.google.dev/api/generate-content#UsageMetadata>

use serde::{Deserialize, Serialize};

use super::wire::{Int, Name};
use crate::hub;

/// `usageMetadata` as it is read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Usage<'a> {
    #[serde(alias = "prompt_token_count")]
    prompt_token_count: Option<Int>,
    #[serde(alias = "cached_content_token_count")]
    cached_content_token_count: Option<Int>,
    #[serde(alias = "tool_use_prompt_token_count")]
    tool_use_prompt_token_count: Option<Int>,
    #[serde(alias = "candidates_token_count")]
    candidates_token_count: Option<Int>,
    #[serde(alias = "thoughts_token_count")]
    thoughts_token_count: Option<Int>,
    #[serde(alias = "total_token_count")]
    total_token_count: Option<Int>,
    #[serde(borrow, alias = "prompt_tokens_details")]
    prompt_tokens_details: Option<Vec<Detail<'a>>>,
    #[serde(borrow, alias = "tool_use_prompt_tokens_details")]
    tool_use_prompt_tokens_details: Option<Vec<Detail<'a>>>,
    #[serde(borrow, alias = "candidates_tokens_details")]
    candidates_tokens_details: Option<Vec<Detail<'a>>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    #[serde(borrow)]
    modality: Option<Name<'a>>,
    #[serde(alias = "token_count")]
    token_count: Option<Int>,
}

impl From<&Usage<'_>> for hub::Usage {
    /// The prompt's count holds cached tokens but not those of tools; the candidates' count leaves out thoughts,
    /// except where the total tells that it does not.
    fn from(usage: &Usage<'_>) -> Self {
        let count = |count: Option<Int>| count.map_or(0, Int::count);
        let of = |details: &Option<Vec<Detail<'_>>>, modality: &str| {
            let named = |detail: &&Detail<'_>| detail.modality.as_ref().is_some_and(|name| name.is(modality));
            let all = details.iter().flatten().filter(named).map(|detail| count(detail.token_count));
            all.fold(0, u64::saturating_add)
        };
        let prompt = count(usage.prompt_token_count);
        let tools = count(usage.tool_use_prompt_token_count);
        let candidates = count(usage.candidates_token_count);
        let thoughts = count(usage.thoughts_token_count);
        let cached = count(usage.cached_content_token_count).min(prompt);
        let visible = prompt.saturating_add(tools).saturating_add(candidates);
        let thoughts_among_candidates = thoughts > 0
            && thoughts <= candidates
            && usage.total_token_count.is_some_and(|total| total.count() == visible);
        let input = |modality| {
            of(&usage.prompt_tokens_details, modality)
                .saturating_add(of(&usage.tool_use_prompt_tokens_details, modality))
        };
        Self {
            input_uncached: (prompt - cached).saturating_add(tools),
            cache_read: cached,
            output: if thoughts_among_candidates { candidates } else { candidates.saturating_add(thoughts) },
            reasoning: thoughts,
            audio_input: input("AUDIO"),
            image_input: input("IMAGE"),
            audio_output: of(&usage.candidates_tokens_details, "AUDIO"),
            image_output: of(&usage.candidates_tokens_details, "IMAGE"),
            ..Self::default()
        }
    }
}

/// `usageMetadata` as it is written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OutUsage {
    prompt_token_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cached_content_token_count: u64,
    candidates_token_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    thoughts_token_count: u64,
    total_token_count: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    prompt_tokens_details: Vec<OutDetail>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates_tokens_details: Vec<OutDetail>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OutDetail {
    modality: &'static str,
    token_count: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl From<&hub::Usage> for OutUsage {
    fn from(usage: &hub::Usage) -> Self {
        let details = |total: u64, audio: u64, image: u64| {
            let text = total.saturating_sub(audio).saturating_sub(image);
            let all = [("TEXT", text), ("AUDIO", audio), ("IMAGE", image)];
            let some = audio > 0 || image > 0;
            let kept = all.into_iter().filter(|&(_, count)| some && count > 0);
            kept.map(|(modality, token_count)| OutDetail { modality, token_count }).collect()
        };
        let prompt = usage.input_total();
        let candidates = usage.output.saturating_sub(usage.reasoning);
        Self {
            prompt_token_count: prompt,
            cached_content_token_count: usage.cache_read,
            candidates_token_count: candidates,
            thoughts_token_count: usage.reasoning.min(usage.output),
            total_token_count: usage.total(),
            prompt_tokens_details: details(prompt, usage.audio_input, usage.image_input),
            candidates_tokens_details: details(candidates, usage.audio_output, usage.image_output),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> hub::Usage {
        hub::Usage::from(&serde_json::from_str::<Usage<'_>>(json).unwrap())
    }

    #[test]
    fn parts_do_not_overlap() {
        let usage = read(
            r#"{"promptTokenCount":100,"cachedContentTokenCount":60,"toolUsePromptTokenCount":7,
                "candidatesTokenCount":20,"thoughtsTokenCount":30,"totalTokenCount":157,
                "promptTokensDetails":[{"modality":"TEXT","tokenCount":80},{"modality":"AUDIO","tokenCount":15},
                {"modality":"IMAGE","tokenCount":5}],"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":4}]}"#,
        );
        assert_eq!((usage.input_uncached, usage.cache_read), (47, 60));
        assert_eq!((usage.output, usage.reasoning), (50, 30));
        assert_eq!((usage.audio_input, usage.image_input, usage.image_output), (15, 5, 4));
        assert_eq!(usage.total(), 157);
    }

    #[test]
    fn thoughts_may_be_among_the_candidates() {
        let usage = read(
            r#"{"promptTokenCount":10,"candidatesTokenCount":50,"thoughtsTokenCount":30,"totalTokenCount":60}"#,
        );
        assert_eq!((usage.output, usage.reasoning), (50, 30));
    }

    #[test]
    fn odd_numbers_do_not_overflow() {
        let usage =
            read(r#"{"promptTokenCount":-5,"cachedContentTokenCount":9,"candidatesTokenCount":"12"}"#);
        assert_eq!((usage.input_uncached, usage.cache_read, usage.output), (0, 0, 12));
    }
}
