//! `logprobs` of a choice, both ways.
//! <https://platform.openai.com/docs/api-reference/chat/object#chat/object-choices>

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::hub::TokenLogprob;
use crate::json::Str;

#[derive(Debug, Deserialize)]
struct Logprobs<'a> {
    #[serde(borrow)]
    content: Option<Vec<Token<'a>>>,
    #[serde(borrow)]
    refusal: Option<Vec<Token<'a>>>,
}

#[derive(Debug, Deserialize)]
struct Token<'a> {
    #[serde(borrow)]
    token: Str<'a>,
    logprob: f64,
    bytes: Option<Vec<u8>>,
    #[serde(borrow)]
    top_logprobs: Option<Vec<Token<'a>>>,
}

impl<'a> From<Token<'a>> for TokenLogprob<'a> {
    fn from(token: Token<'a>) -> Self {
        Self {
            token: token.token.0,
            logprob: token.logprob,
            bytes: token.bytes,
            top: token.top_logprobs.unwrap_or_default().into_iter().map(Self::from).collect(),
        }
    }
}

/// The tokens of `logprobs`, those of the text before those of a refusal. Another shape, as some providers have it,
/// counts as none: it is not worth losing the answer.
pub(super) fn tokens(json: Option<&RawValue>) -> Vec<TokenLogprob<'_>> {
    let Some(logprobs) = json.and_then(|json| serde_json::from_str::<Logprobs<'_>>(json.get()).ok()) else {
        return Vec::new();
    };
    [logprobs.content, logprobs.refusal].into_iter().flatten().flatten().map(TokenLogprob::from).collect()
}

/// `logprobs` as it is written: all tokens as those of the text.
#[derive(Debug, Serialize)]
pub(super) struct OutLogprobs<'r> {
    content: Vec<OutToken<'r>>,
    refusal: Option<()>,
}

#[derive(Debug, Serialize)]
struct OutToken<'r> {
    token: &'r str,
    logprob: f64,
    bytes: &'r [u8],
    top_logprobs: Vec<OutTop<'r>>,
}

#[derive(Debug, Serialize)]
struct OutTop<'r> {
    token: &'r str,
    logprob: f64,
    bytes: &'r [u8],
}

/// The bytes of a token; where the provider does not say, they are those of its text.
fn bytes<'r>(token: &'r TokenLogprob<'_>) -> &'r [u8] {
    token.bytes.as_deref().unwrap_or(token.token.as_bytes())
}

impl<'r> OutLogprobs<'r> {
    /// `None` when there are no tokens.
    pub(super) fn new(tokens: &'r [TokenLogprob<'_>]) -> Option<Self> {
        if tokens.is_empty() {
            return None;
        }
        let top = |token: &'r TokenLogprob<'_>| OutTop {
            token: &token.token,
            logprob: token.logprob,
            bytes: bytes(token),
        };
        let content = tokens.iter().map(|token| OutToken {
            token: &token.token,
            logprob: token.logprob,
            bytes: bytes(token),
            top_logprobs: token.top.iter().map(top).collect(),
        });
        Some(Self { content: content.collect(), refusal: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_shapes_count_as_none() {
        for json in ["[]", "1", r#"{"tokens":["a"],"token_logprobs":[-1]}"#, r#"{"content":[{"token":1}]}"#] {
            let json: &RawValue = serde_json::from_str(json).unwrap();
            assert_eq!(tokens(Some(json)), []);
        }
        assert_eq!(tokens(None), []);
        assert!(OutLogprobs::new(&[]).is_none());
    }
}
