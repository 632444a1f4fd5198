//! `encrypted_content` of reasoning items and the hub's signatures. See the table in the [module](super).

use std::borrow::Cow;

use crate::hub::Part;
use crate::signature::{self, Signer};
use crate::tool_ids::MARK;

/// In front of [`MARK`], for what Anthropic signed.
const THINKING: &str = "thinking";
/// In front of [`MARK`], for what Anthropic encrypted.
const REDACTED: &str = "redacted";

/// The hub's part for a reasoning item; `None` for one that holds nothing, such as the reference to a stored item.
pub(super) fn part<'a>(
    id: Option<&str>,
    text: Cow<'a, str>,
    encrypted: Option<Cow<'a, str>>,
) -> Option<Part<'a>> {
    let encrypted = encrypted.filter(|encrypted| !encrypted.is_empty());
    if let Some(data) = encrypted.as_deref().and_then(|content| carried(content, REDACTED)) {
        return Some(Part::RedactedThinking(Cow::Owned(data.to_owned())));
    }
    let signature = encrypted.map(|encrypted| signature_of(id, encrypted));
    (signature.is_some() || !text.is_empty()).then_some(Part::Thinking { text, signature })
}

/// The hub's signature for the `encrypted_content` of item `id`.
pub(super) fn signature_of<'a>(id: Option<&str>, encrypted: Cow<'a, str>) -> Cow<'a, str> {
    if let Some(signature) = carried(&encrypted, THINKING) {
        return Cow::Owned(signature.to_owned());
    }
    if Signer::of(&encrypted) != Signer::Anthropic {
        return encrypted;
    }
    // OpenAI looks the item up by its id, too, so both go together. Ids hold no dots.
    signature::mark(Signer::OpenAi, Cow::Owned(format!("{}.{encrypted}", id.unwrap_or_default())))
}

fn carried<'s>(content: &'s str, kind: &str) -> Option<&'s str> {
    content.strip_prefix(kind)?.strip_prefix(MARK)
}

/// `encrypted_content` for a client, from the hub's signature.
pub(super) fn encrypted(signature: &str) -> Cow<'_, str> {
    match Signer::of(signature) {
        // Without a mark it would look like OpenAI's own when it comes back.
        Signer::Anthropic => Cow::Owned(format!("{THINKING}{MARK}{signature}")),
        Signer::Gemini | Signer::OpenAi | Signer::Nobody => Cow::Borrowed(signature),
    }
}

/// `encrypted_content` of an answer, marked because the summary it is over has been changed; `None` unless it is what
/// Anthropic signed. OpenAI's own holds the reasoning itself and vouches for no text.
pub(crate) fn changed(content: &str) -> Option<String> {
    let signature = carried(content, THINKING).filter(|signature| !signature.is_empty())?;
    Some(encrypted(&signature::mark(Signer::Nobody, Cow::Borrowed(signature))).into_owned())
}

/// `encrypted_content` for a client, from reasoning that Anthropic encrypted.
pub(super) fn redacted(data: &str) -> Cow<'_, str> {
    Cow::Owned(format!("{REDACTED}{MARK}{data}"))
}

/// Item id and `encrypted_content` as OpenAI made them; `None` for what others signed.
pub(super) fn own(signature: &str) -> Option<(&str, &str)> {
    let (id, encrypted) = signature::own(Signer::OpenAi, signature)?.split_once('.')?;
    (!encrypted.is_empty()).then_some((id, encrypted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dialect;

    #[test]
    fn signatures_come_back_as_they_were() {
        for signature in ["EqQBCg==", "weir-gemini:Ab+/", "weir-openai:rs_1.gAAAA", "weir-changed:EqQBCg=="] {
            let carried = encrypted(signature);
            assert_eq!(signature_of(Some("rs_other"), carried.clone()), signature);
            assert!(signature::has_foreign(Dialect::OpenaiResponses, carried.as_bytes()), "{carried}");
        }
        let carried = redacted("ZW5j");
        assert!(signature::has_foreign(Dialect::OpenaiResponses, carried.as_bytes()));
        assert!(
            matches!(part(None, "".into(), Some(carried)), Some(Part::RedactedThinking(data)) if data == "ZW5j")
        );
    }

    #[test]
    fn openai_gets_its_own_back() {
        let signature = signature_of(Some("rs_1"), "gAAAA-_=".into());
        assert_eq!(own(&signature), Some(("rs_1", "gAAAA-_=")));
        assert_eq!(own(&signature_of(None, "gAAAA".into())), Some(("", "gAAAA")));
        assert_eq!(own("EqQBCg=="), None);
        assert_eq!(own("weir-gemini:a.b"), None);
        assert_eq!(own(&signature_of(Some("rs_1"), changed(&encrypted("a.b")).unwrap().into())), None);
        assert!(part(Some("rs_1"), "".into(), Some("".into())).is_none());
    }
}
