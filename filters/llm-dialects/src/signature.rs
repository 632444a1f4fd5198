//! Who signed a piece of reasoning.
//!
//! Providers sign the reasoning they hand out and refuse a foreign signature when it is sent back. Clients only hand
//! back what they got, so the signature itself must say whose it is: Anthropic's stand as they are, those of other
//! signers carry a mark in front, which no base64 text can look like. A codec that sends a request reads its own with
//! [`own`] and drops what others signed; a codec that reads a provider's answer marks with [`mark`].
//!
//! A gateway may change the text under a signature, and its provider would refuse both. The signature then gets the mark
//! of [`Signer::Nobody`] in the answer ([`changed`]), and every codec drops it with its text when it comes back.

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
    /// Nobody any more: the text under the signature has been changed.
    Nobody,
}

const GEMINI: &str = "weir-gemini:";
const OPENAI: &str = "weir-openai:";
const CHANGED: &str = "weir-changed:";

impl Signer {
    /// Who made a signature.
    pub fn of(signature: &str) -> Self {
        if signature.starts_with(GEMINI) {
            Self::Gemini
        } else if signature.starts_with(OPENAI) {
            Self::OpenAi
        } else if signature.starts_with(CHANGED) {
            Self::Nobody
        } else {
            Self::Anthropic
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Anthropic => "",
            Self::Gemini => GEMINI,
            Self::OpenAi => OPENAI,
            Self::Nobody => CHANGED,
        }
    }
}

/// The signature as the hub and clients of other dialects carry it.
pub fn mark(signer: Signer, raw: Cow<'_, str>) -> Cow<'_, str> {
    match signer {
        Signer::Anthropic => raw,
        Signer::Gemini | Signer::OpenAi | Signer::Nobody => Cow::Owned(format!("{}{raw}", signer.prefix())),
    }
}

/// The signature as `signer` wrote it; `None` when it is somebody else's.
pub fn own(signer: Signer, signature: &str) -> Option<&str> {
    (Signer::of(signature) == signer).then(|| signature.strip_prefix(signer.prefix()).unwrap_or(signature))
}

/// What a client of `dialect` is to get in place of `signature`, as an answer to it holds it, when the text beside it has
/// been changed: the signature, marked so that no provider is sent it, in the form that such clients hand back.
///
/// `None` for what is not over that text and stays: OpenAI's `encrypted_content` holds the reasoning itself, Gemini takes
/// its `thoughtSignature` back with any summary, and what an earlier gateway has marked is marked already.
pub fn changed(dialect: Dialect, signature: &str) -> Option<String> {
    match dialect {
        Dialect::AnthropicMessages | Dialect::BedrockConverse | Dialect::OpenaiChat => {
            let over_text = !signature.is_empty() && Signer::of(signature) == Signer::Anthropic;
            over_text.then(|| mark(Signer::Nobody, Cow::Borrowed(signature)).into_owned())
        }
        Dialect::OpenaiResponses => crate::openai_responses::changed_signature(signature),
        Dialect::GeminiGenerate => crate::gemini::changed_signature(signature),
    }
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

/// Whether a body in its provider's own dialect holds a signature another provider made, or one over a text that has been
/// changed, put there by an earlier answer: it must not pass untouched then.
pub fn has_foreign(dialect: Dialect, body: &[u8]) -> bool {
    let holds = |mark: &str| memmem::find(body, mark.as_bytes()).is_some();
    let hints = &*HINTS;
    // Only gateways write this into a chat conversation, for models of others; OpenAI refuses fields it does not know.
    if dialect == Dialect::OpenaiChat && hints.thinking_blocks.find(body).is_some() {
        return true;
    }
    // Gemini's clients take base64 only, so what is carried by them is wrapped once more.
    (hints.mark.find(body).is_some()
        && [GEMINI, OPENAI, CHANGED, crate::tool_ids::MARK].into_iter().any(holds))
        || (hints.wrapped_mark.find(body).is_some() && crate::gemini::MARKS.iter().any(|mark| holds(mark)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_says_whose_it_is() {
        let all = [Signer::Anthropic, Signer::Gemini, Signer::OpenAi, Signer::Nobody];
        for signer in all {
            let marked = mark(signer, "c2ln".into());
            assert_eq!(Signer::of(&marked), signer);
            for other in all {
                assert_eq!(own(other, &marked), (other == signer).then_some("c2ln"));
            }
        }
    }

    #[test]
    fn a_signature_over_a_changed_text_is_nobodys() {
        let claude = "EqQBCkYI+/==";
        for (dialect, written) in [
            (Dialect::AnthropicMessages, claude.to_owned()),
            (Dialect::BedrockConverse, claude.to_owned()),
            (Dialect::OpenaiChat, claude.to_owned()),
            (Dialect::OpenaiResponses, format!("thinking_weir-sig_{claude}")),
            // Base64 of `weir:s` and the signature.
            (Dialect::GeminiGenerate, "d2VpcjpzRXFRQkNrWUkrLz09".to_owned()),
        ] {
            let marked = changed(dialect, &written).unwrap();
            assert!(has_foreign(dialect, format!("{{\"s\":\"{marked}\"}}").as_bytes()), "{marked}");
            assert_eq!(changed(dialect, &marked), None, "it is marked once");
            assert_eq!(changed(dialect, ""), None);
        }
    }

    #[test]
    fn what_is_not_over_the_text_is_not_marked() {
        for dialect in [Dialect::AnthropicMessages, Dialect::BedrockConverse, Dialect::OpenaiChat] {
            assert_eq!(changed(dialect, "weir-gemini:Q2l+"), None);
            assert_eq!(changed(dialect, "weir-openai:rs_1.gAAAA"), None);
        }
        for sealed in ["gAAAA", "weir-gemini:Q2l+", "redacted_weir-sig_ZW5j"] {
            assert_eq!(changed(Dialect::OpenaiResponses, sealed), None, "{sealed}");
        }
        // Gemini's own, OpenAI's, and what Anthropic encrypted (`weir:rdata`).
        for kept in ["Q2l+", "d2Vpcjpzd2Vpci1vcGVuYWk6Z0E=", "d2VpcjpyZGF0YQ=="] {
            assert_eq!(changed(Dialect::GeminiGenerate, kept), None, "{kept}");
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
