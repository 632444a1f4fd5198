//! Who signed a piece of reasoning.
//!
//! Providers sign the reasoning they hand out and refuse a foreign signature when it is sent back. Clients only hand
//! back what they got, so the signature itself must say whose it is: Anthropic's stand as they are, those of other
//! signers carry a mark in front, which no base64 text can look like. A codec that sends a request reads its own with
//! [`own`] and drops what others signed; a codec that reads a provider's answer marks with [`mark`].

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem;

use crate::Dialect;

/// Whose models sign reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// Claude, wherever it is served (Anthropic, Bedrock and Vertex AI accept each other's signatures).
    Anthropic,
    /// Gemini (`thoughtSignature`).
    Gemini,
    /// OpenAI (`encrypted_content` of reasoning items).
    OpenAi,
}

const GEMINI: &str = "weir-gemini:";
const OPENAI: &str = "weir-openai:";

impl Signer {
    /// Who made a signature.
    pub fn of(signature: &str) -> Self {
        if signature.starts_with(GEMINI) {
            Self::Gemini
        } else if signature.starts_with(OPENAI) {
            Self::OpenAi
        } else {
            Self::Anthropic
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Anthropic => "",
            Self::Gemini => GEMINI,
            Self::OpenAi => OPENAI,
        }
    }
}

/// The signature as the hub and clients of other dialects carry it.
pub fn mark(signer: Signer, raw: Cow<'_, str>) -> Cow<'_, str> {
    match signer {
        Signer::Anthropic => raw,
        Signer::Gemini | Signer::OpenAi => Cow::Owned(format!("{}{raw}", signer.prefix())),
    }
}

/// The signature as `signer` wrote it; `None` when it is somebody else's.
pub fn own(signer: Signer, signature: &str) -> Option<&str> {
    (Signer::of(signature) == signer).then(|| signature.strip_prefix(signer.prefix()).unwrap_or(signature))
}

/// Searchers for what makes a body worth a closer look, made once: every body is searched.
static HINTS: LazyLock<Hints> = LazyLock::new(|| Hints {
    thinking_blocks: memmem::Finder::new(b"\"thinking_blocks\""),
    mark: memmem::Finder::new(b"weir-"),
    wrapped_mark: memmem::Finder::new(b"d2Vpcj"),
});

struct Hints {
    thinking_blocks: memmem::Finder<'static>,
    mark: memmem::Finder<'static>,
    wrapped_mark: memmem::Finder<'static>,
}

/// Whether a body in its provider's own dialect holds a signature another provider made, put there by an earlier
/// answer: it must not pass untouched then.
pub fn has_foreign(dialect: Dialect, body: &[u8]) -> bool {
    let holds = |mark: &str| memmem::find(body, mark.as_bytes()).is_some();
    let hints = &*HINTS;
    // Only gateways write this into a chat conversation, for models of others; OpenAI refuses fields it does not know.
    if dialect == Dialect::OpenaiChat && hints.thinking_blocks.find(body).is_some() {
        return true;
    }
    // Gemini's clients take base64 only, so what is carried by them is wrapped once more.
    (hints.mark.find(body).is_some() && (holds(GEMINI) || holds(OPENAI) || holds(crate::tool_ids::MARK)))
        || (hints.wrapped_mark.find(body).is_some() && crate::gemini::MARKS.iter().any(|mark| holds(mark)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_says_whose_it_is() {
        for signer in [Signer::Anthropic, Signer::Gemini, Signer::OpenAi] {
            let marked = mark(signer, "c2ln".into());
            assert_eq!(Signer::of(&marked), signer);
            for other in [Signer::Anthropic, Signer::Gemini, Signer::OpenAi] {
                assert_eq!(own(other, &marked), (other == signer).then_some("c2ln"));
            }
        }
    }

    #[test]
    fn foreign_signatures_are_found_in_bodies() {
        assert!(!has_foreign(Dialect::AnthropicMessages, br#"{"signature":"c2ln","text":"weir-"}"#));
        assert!(has_foreign(Dialect::AnthropicMessages, br#"{"signature":"weir-gemini:c2ln"}"#));
        assert!(has_foreign(Dialect::AnthropicMessages, br#"{"id":"call_1_weir-sig_c2ln"}"#));
        let claude = br#"{"messages":[{"role":"assistant","thinking_blocks":[{"signature":"c2ln"}]}]}"#;
        assert!(has_foreign(Dialect::OpenaiChat, claude), "what Claude signed is not for OpenAI");
    }
}
