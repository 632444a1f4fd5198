//! Signatures in `thoughtSignature`, which is base64 and whose content clients must hand back as it came.
//!
//! Gemini's own stand there as they are. Those of others, and reasoning that others encrypted, are wrapped: base64 of
//! a mark and the text. The official SDKs turn the field into bytes and back, so nothing but base64 survives.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::media::standard_base64;
use crate::signature::{self, Signer};

/// How wrapped values begin. A body for Gemini that holds one must not pass untouched.
pub const MARKS: [&str; 2] = ["d2Vpcjpz", "d2Vpcjpy"];

/// Base64 of these six bytes is eight characters, whatever follows: [`MARKS`].
const SIGNED: &[u8; 6] = b"weir:s";
const REDACTED: &[u8; 6] = b"weir:r";

/// Takes both alphabets (after [`standard_base64`]) with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a `thoughtSignature` of a client holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Carried<'a> {
    /// A signature as the hub has it.
    Signature(Cow<'a, str>),
    /// Reasoning that its provider encrypted.
    Redacted(String),
}

impl<'a> Carried<'a> {
    /// Reads a `thoughtSignature`.
    pub(super) fn read(raw: Cow<'a, str>) -> Self {
        let [signed, redacted] = MARKS;
        if raw.starts_with(signed) {
            if let Some(text) = unwrap(&raw, SIGNED) {
                return Self::Signature(Cow::Owned(text));
            }
        } else if raw.starts_with(redacted)
            && let Some(text) = unwrap(&raw, REDACTED)
        {
            return Self::Redacted(text);
        }
        Self::Signature(gemini(raw))
    }

    /// The signature, if it is one.
    pub(super) fn signature(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Signature(signature) => Some(signature),
            Self::Redacted(_) => None,
        }
    }
}

/// A signature of Gemini as the hub has it.
pub(super) fn gemini(raw: Cow<'_, str>) -> Cow<'_, str> {
    if Signer::of(&raw) == Signer::Anthropic { signature::mark(Signer::Gemini, raw) } else { raw }
}

/// A signature of the hub as a client of this API gets it.
pub(super) fn wrap_signature(signature: &str) -> Cow<'_, str> {
    match signature::own(Signer::Gemini, signature) {
        Some(raw) => Cow::Borrowed(raw),
        None => Cow::Owned(wrap(SIGNED, signature)),
    }
}

/// `thoughtSignature` of an answer, marked because the thought it is over has been changed; `None` unless it wraps a
/// signature over the thought. Gemini's own vouches for no text.
pub(crate) fn changed(written: &str) -> Option<String> {
    match Carried::read(Cow::Borrowed(written)) {
        Carried::Signature(signature)
            if Signer::of(&signature) == Signer::Anthropic && !signature.is_empty() =>
        {
            Some(wrap(SIGNED, &signature::mark(Signer::Nobody, signature)))
        }
        _ => None,
    }
}

/// Encrypted reasoning as a client of this API gets it.
pub(super) fn wrap_redacted(data: &str) -> String {
    wrap(REDACTED, data)
}

fn wrap(mark: &[u8], text: &str) -> String {
    BASE64.encode([mark, text.as_bytes()].concat())
}

fn unwrap(raw: &str, mark: &[u8]) -> Option<String> {
    let bytes = BASE64.decode(standard_base64(Cow::Borrowed(raw)).as_bytes()).ok()?;
    String::from_utf8(bytes.strip_prefix(mark)?.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_what_wrapping_gives() {
        for (mark, bytes) in MARKS.iter().zip([SIGNED, REDACTED]) {
            assert!(wrap(bytes, "x").starts_with(mark));
            assert!(wrap(bytes, "").starts_with(mark));
        }
    }

    #[test]
    fn signatures_of_others_come_back() {
        for signature in ["EqQBCkY+/w==", "weir-openai:gAAAA_-", "", "ü"] {
            let wrapped = wrap_signature(signature);
            assert!(wrapped.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)));
            assert_eq!(Carried::read(wrapped.clone()), Carried::Signature(signature.into()));
            // The Python SDK hands back the other alphabet.
            let url_safe = wrapped.replace('+', "-").replace('/', "_");
            assert_eq!(Carried::read(url_safe.into()), Carried::Signature(signature.into()));
        }
        assert_eq!(Carried::read(wrap_redacted("data==").into()), Carried::Redacted("data==".into()));
    }

    #[test]
    fn a_changed_thought_has_a_signature_of_nobody() {
        let changed = changed(&wrap_signature("EqQBCkY+/w==")).unwrap();
        let Carried::Signature(signature) = Carried::read(changed.into()) else { panic!("no signature") };
        assert_eq!(signature, "weir-changed:EqQBCkY+/w==");
        assert_eq!(signature::own(Signer::Gemini, &signature), None);
    }

    #[test]
    fn geminis_own_are_marked_once() {
        assert_eq!(wrap_signature("weir-gemini:Q2l+"), "Q2l+");
        assert_eq!(Carried::read("Q2l+".into()), Carried::Signature("weir-gemini:Q2l+".into()));
        assert_eq!(gemini("weir-gemini:Q2l+".into()), "weir-gemini:Q2l+");
        assert_eq!(Carried::read("d2Vpcjpz*".into()), Carried::Signature("weir-gemini:d2Vpcjpz*".into()));
    }
}
