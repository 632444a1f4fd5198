//! Whether guards are at work: a provider that says what it got.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::{Dialect, document, openai_chat, post};

/// Path of the probe: OpenAI chat to every filter, something else to the provider of the bench.
pub(super) const PATH: &str = "/v1/chat/completions?probe";

/// Where the answer holds the request's body: in no text that guards look at.
const ECHO: &str = "system_fingerprint";
/// Where the answer holds text.
const TEXT: &str = "/choices/0/message/content";

/// A request whose prompt holds `found`.
pub(crate) fn request(found: &str) -> Vec<u8> {
    let body = json!({"model": Dialect::Chat.model(), "user": found, "messages": [{"role": "user", "content": said(found)}]});
    post(Dialect::Chat, Dialect::Chat, PATH, &body, None)
}

fn said(found: &str) -> String {
    format!("My contact is {found}.")
}

/// The provider's answer: the body it got, and as its text the prompt as it left the client, which the request names a
/// second time where guards do not look.
pub(crate) fn answer(body: &[u8]) -> Vec<u8> {
    let sent: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut answer = openai_chat::unary();
    if let Some(text) = answer.pointer_mut(TEXT) {
        *text = said(sent.get("user").and_then(Value::as_str).unwrap_or_default()).into();
    }
    if let Some(answer) = answer.as_object_mut() {
        answer.insert(ECHO.to_owned(), String::from_utf8_lossy(body).into());
    }
    document(&answer)
}

/// Checks an answer: the prompt the provider got says `masked` in place of `found`, and so does the answer's text if
/// `answers` are masked.
///
/// # Errors
/// What was not masked.
pub(crate) fn check(body: &[u8], found: &str, masked: &str, answers: bool) -> anyhow::Result<()> {
    let answer: Value = serde_json::from_slice(body).context("the answer to the probe is not JSON")?;
    let got =
        answer.get(ECHO).and_then(Value::as_str).context("the answer to the probe does not say what came")?;
    let got: Value = serde_json::from_str(got).context("the probe did not arrive as JSON")?;
    let prompt = got.pointer("/messages/0/content").and_then(Value::as_str).unwrap_or_default();
    ensure!(prompt == said(masked), "the guard is not at work: the provider got the prompt {prompt:?}");
    let text = answer.pointer(TEXT).and_then(Value::as_str).unwrap_or_default();
    let expected = said(if answers { masked } else { found });
    ensure!(
        text == expected,
        "the guard is not at work: the client got the answer {text:?}, not {expected:?}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the provider answers to a probe whose prompt became this on its way.
    fn answered(prompt: &str) -> Vec<u8> {
        let body = json!({"user": "x@y.example", "messages": [{"content": prompt}]}).to_string();
        let message = answer(body.as_bytes());
        let start = message.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        message[start..].to_vec()
    }

    #[test]
    fn a_guard_that_does_nothing_is_found() {
        let masked = answered("My contact is <X>.");
        check(&masked, "x@y.example", "<X>", false).unwrap();
        let error = check(&masked, "x@y.example", "<X>", true).unwrap_err().to_string();
        assert!(error.contains("the client got the answer"), "{error}");
        let plain = answered("My contact is x@y.example.");
        let error = check(&plain, "x@y.example", "<X>", false).unwrap_err().to_string();
        assert!(error.contains("the provider got the prompt"), "{error}");
    }
}
