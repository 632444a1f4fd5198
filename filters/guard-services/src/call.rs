//! Requests to services.

use serde_json::Value;

use crate::{Message, Verdict};

/// A request to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// `POST`, with all services.
    pub method: &'static str,
    /// The path, percent-encoded.
    pub path: String,
    /// Headers, lower-case names.
    pub headers: Vec<(String, String)>,
    /// The body, JSON.
    pub body: Vec<u8>,
}

impl Call {
    pub(crate) fn post(path: String, body: &Value) -> Self {
        let json = |name: &str| (name.to_owned(), "application/json".to_owned());
        Self {
            method: "POST",
            path,
            headers: vec![json("content-type"), json("accept")],
            body: body.to_string().into_bytes(),
        }
    }
}

/// What was asked: kept from a call to its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// How many messages were given.
    messages: usize,
    /// Which of them were sent.
    sent: Vec<usize>,
    /// Whether a text that joins them could be cut again.
    pub(crate) separable: bool,
}

impl Asked {
    /// All messages were sent.
    pub(crate) fn all(messages: &[Message<'_>]) -> Self {
        Self { messages: messages.len(), sent: (0..messages.len()).collect(), separable: true }
    }

    /// The messages that hold something, and their texts; nothing if none does.
    pub(crate) fn texts<'m>(messages: &'m [Message<'_>]) -> Option<(Self, Vec<&'m str>)> {
        let (sent, texts): (Vec<_>, Vec<_>) = messages
            .iter()
            .map(|message| message.content.as_ref())
            .enumerate()
            .filter(|(_, text)| !text.trim().is_empty())
            .unzip();
        let asked = Self { messages: messages.len(), sent, separable: true };
        (!texts.is_empty()).then_some((asked, texts))
    }

    /// How many texts were sent.
    pub(crate) fn sent(&self) -> usize {
        self.sent.len()
    }

    /// The verdict that puts these texts in the places of those sent; nothing if they are not as many.
    pub(crate) fn mask(&self, texts: Vec<String>) -> Option<Verdict> {
        if texts.len() != self.sent.len() {
            return None;
        }
        let mut masked = vec![None; self.messages];
        for (at, text) in self.sent.iter().zip(texts) {
            *masked.get_mut(*at)? = Some(text);
        }
        Some(Verdict::Mask(masked))
    }
}

/// A text as one segment of a path (RFC 3986, 3.3): all but unreserved characters are percent-encoded.
pub(crate) fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
