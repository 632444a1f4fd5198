//! `logprobsResult` ↔ log probabilities of the hub.
//! <https://ai.google.dev/api/generate-content#LogprobsResult>

use serde::Deserialize;

use super::out::{self, LogprobsCandidate, LogprobsResult};
use crate::hub::TokenLogprob;
use crate::json::Str;

/// `logprobsResult`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Logprobs<'a> {
    #[serde(borrow)]
    chosen_candidates: Option<Vec<Token<'a>>>,
    #[serde(borrow)]
    top_candidates: Option<Vec<Top<'a>>>,
}

#[derive(Deserialize)]
struct Top<'a> {
    #[serde(borrow)]
    candidates: Option<Vec<Token<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token<'a> {
    #[serde(borrow)]
    token: Option<Str<'a>>,
    log_probability: Option<f64>,
}

impl<'a> From<Token<'a>> for TokenLogprob<'a> {
    fn from(token: Token<'a>) -> Self {
        Self {
            token: token.token.unwrap_or_default().0,
            // protobuf leaves out a zero.
            logprob: token.log_probability.unwrap_or(0.0),
            bytes: None,
            top: Vec::new(),
        }
    }
}

impl<'a> Logprobs<'a> {
    /// The tokens with the likeliest at their places.
    pub(super) fn tokens(self) -> Vec<TokenLogprob<'a>> {
        let mut top = self.top_candidates.unwrap_or_default().into_iter();
        let chosen = self.chosen_candidates.unwrap_or_default().into_iter();
        chosen
            .map(|token| {
                let top = top.next().and_then(|top| top.candidates).unwrap_or_default();
                TokenLogprob { top: top.into_iter().map(Into::into).collect(), ..token.into() }
            })
            .collect()
    }
}

/// Log probabilities as this API has them.
pub(super) fn out_logprobs<'a>(tokens: &'a [TokenLogprob<'a>]) -> Option<LogprobsResult<'a>> {
    let candidate = |token: &'a TokenLogprob<'a>| LogprobsCandidate {
        token: &token.token,
        log_probability: token.logprob,
    };
    let top = |token: &'a TokenLogprob<'a>| out::TopCandidates {
        candidates: token.top.iter().map(candidate).collect(),
    };
    (!tokens.is_empty()).then(|| LogprobsResult {
        top_candidates: tokens.iter().map(top).collect(),
        chosen_candidates: tokens.iter().map(candidate).collect(),
    })
}
