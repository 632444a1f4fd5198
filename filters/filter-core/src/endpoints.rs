//! What is spoken at a path.

use std::borrow::Cow;
use std::collections::BTreeMap;

use filter_config::Endpoint;
use llm_dialects::Dialect;
use llm_dialects::output_limit::Form;

/// Path suffixes and what is spoken there, longest first.
#[derive(Debug)]
pub(crate) struct Endpoints(Vec<(Pattern, Endpoint)>);

/// What was found at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// What is spoken; streaming variants are folded into their base, see `stream`.
    pub(crate) endpoint: Endpoint,
    /// The path asks for a stream.
    pub(crate) stream: bool,
    /// The model, where the path names it.
    pub(crate) model: Option<String>,
}

/// A path suffix, with the place of the model.
#[derive(Debug, PartialEq, Eq)]
enum Pattern {
    /// `*`: every path.
    Any,
    Suffix(String),
    /// In front of the model, behind it.
    Model(String, String),
}

impl Pattern {
    fn new(suffix: &str) -> Self {
        match suffix.split_once("{model}") {
            _ if suffix == "*" => Self::Any,
            None => Self::Suffix(suffix.to_owned()),
            Some((before, after)) => Self::Model(before.to_owned(), after.to_owned()),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Any => 0,
            Self::Suffix(suffix) => suffix.len(),
            Self::Model(before, after) => before.len() + after.len(),
        }
    }

    /// The model at the pattern's place (empty without one); `None` when the path does not match.
    fn find<'p>(&self, path: &'p str) -> Option<&'p str> {
        match self {
            Self::Any => Some(""),
            Self::Suffix(suffix) => path.ends_with(suffix.as_str()).then_some(""),
            Self::Model(before, after) => {
                let rest = path.strip_suffix(after.as_str())?;
                let at = rest.rfind(before.as_str())?;
                rest.get(at + before.len()..).filter(|model| !model.is_empty())
            }
        }
    }
}

impl Endpoints {
    pub(crate) fn new(endpoints: &BTreeMap<String, Endpoint>) -> Self {
        let mut table: Vec<_> =
            endpoints.iter().map(|(suffix, endpoint)| (Pattern::new(suffix), *endpoint)).collect();
        // Suffixes come sorted; a stable sort keeps that order among those of one length.
        table.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.len()));
        Self(table)
    }

    /// What is spoken at `path` (with or without a query). Suffixes begin with `/`, so whole segments match.
    pub(crate) fn find(&self, path: &str) -> Option<Found> {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let path = path.strip_suffix('/').unwrap_or(path);
        self.0.iter().find_map(|(pattern, endpoint)| {
            let model = pattern.find(path)?;
            // Vertex AI says in the path that Anthropic's answer is streamed; the body says it too.
            Some(Found::at(*endpoint, (!model.is_empty()).then(|| percent_decode(model))))
        })
    }
}

impl Found {
    /// A request at an endpoint.
    pub(crate) fn at(endpoint: Endpoint, model: Option<String>) -> Self {
        let (endpoint, stream) = match endpoint {
            Endpoint::GeminiStreamGenerateContent => (Endpoint::GeminiGenerateContent, true),
            Endpoint::BedrockConverseStream => (Endpoint::BedrockConverse, true),
            other => (other, false),
        };
        Self { endpoint, stream, model }
    }
}

/// The chat dialect of an endpoint; `None` for those that are no chat.
pub(crate) fn dialect(endpoint: Endpoint) -> Option<Dialect> {
    match endpoint {
        Endpoint::OpenaiChat => Some(Dialect::OpenaiChat),
        Endpoint::OpenaiResponses => Some(Dialect::OpenaiResponses),
        Endpoint::AnthropicMessages => Some(Dialect::AnthropicMessages),
        Endpoint::GeminiGenerateContent | Endpoint::GeminiStreamGenerateContent => {
            Some(Dialect::GeminiGenerate)
        }
        Endpoint::BedrockConverse | Endpoint::BedrockConverseStream => Some(Dialect::BedrockConverse),
        _ => None,
    }
}

/// The form in which a request to an endpoint limits what is generated; `None` for those that generate no text.
pub(crate) fn limited(endpoint: Endpoint) -> Option<Form> {
    match endpoint {
        Endpoint::OpenaiCompletions => Some(Form::Completions),
        _ => dialect(endpoint).map(Form::Chat),
    }
}

/// The dialect of the conversations in requests to an endpoint, to be answered or only counted; `None` for others.
pub(crate) fn conversation(endpoint: Endpoint) -> Option<Dialect> {
    match endpoint {
        Endpoint::AnthropicCountTokens | Endpoint::GeminiCountTokens | Endpoint::BedrockCountTokens => {
            Some(family(endpoint))
        }
        other => dialect(other),
    }
}

/// The chat dialect of the API an endpoint belongs to: its headers, and for most its errors, are the same.
pub(crate) fn family(endpoint: Endpoint) -> Dialect {
    dialect(endpoint).unwrap_or(match endpoint {
        Endpoint::AnthropicCountTokens => Dialect::AnthropicMessages,
        Endpoint::GeminiEmbedContent
        | Endpoint::GeminiBatchEmbedContents
        | Endpoint::GeminiCountTokens
        | Endpoint::VertexEmbeddings
        | Endpoint::VertexRank => Dialect::GeminiGenerate,
        Endpoint::BedrockCountTokens | Endpoint::BedrockEmbeddings | Endpoint::BedrockRerank => {
            Dialect::BedrockConverse
        }
        _ => Dialect::OpenaiChat,
    })
}

/// A path segment as the text it stands for. What is no valid escape stays as it is.
pub(crate) fn percent_decode(text: &str) -> String {
    String::from_utf8(percent_decode_bytes(text.as_bytes()).into_owned()).unwrap_or_else(|_| text.to_owned())
}

/// Decodes `%XX` in what need not be text.
pub(crate) fn percent_decode_bytes(encoded: &[u8]) -> Cow<'_, [u8]> {
    if !encoded.contains(&b'%') {
        return Cow::Borrowed(encoded);
    }
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%')
            .then(|| after.get(..2))
            .flatten()
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    Cow::Owned(bytes)
}

/// A model as one segment of a path: everything but unreserved characters and `:` and `@` is escaped.
pub(crate) fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'@') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use filter_config::Llm;

    use super::*;

    fn find(path: &str) -> Option<(Endpoint, bool, Option<String>)> {
        Endpoints::new(&Llm::default().endpoints)
            .find(path)
            .map(|found| (found.endpoint, found.stream, found.model))
    }

    #[test]
    fn longest_suffix_of_whole_segments() {
        assert_eq!(find("/v1/chat/completions"), Some((Endpoint::OpenaiChat, false, None)));
        assert_eq!(
            find("/openai/v1/chat/completions?x=/messages"),
            Some((Endpoint::OpenaiChat, false, None))
        );
        assert_eq!(find("/v1/completions"), Some((Endpoint::OpenaiCompletions, false, None)));
        assert_eq!(find("/v1/messages/"), Some((Endpoint::AnthropicMessages, false, None)));
        assert_eq!(find("/v1/messages/count_tokens"), Some((Endpoint::AnthropicCountTokens, false, None)));
        assert_eq!(find("/v1/responses/compact"), Some((Endpoint::Detect, false, None)));
        assert_eq!(find("/v1/xmessages"), None);
    }

    #[test]
    fn models_in_paths() {
        let model = |name: &str| Some(name.to_owned());
        assert_eq!(
            find("/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse"),
            Some((Endpoint::GeminiGenerateContent, true, model("gemini-3-pro")))
        );
        assert_eq!(
            find("/v1/projects/p/locations/l/publishers/google/models/gemini-3-pro:generateContent"),
            Some((Endpoint::GeminiGenerateContent, false, model("gemini-3-pro")))
        );
        assert_eq!(
            find("/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx/converse-stream"),
            Some((Endpoint::BedrockConverse, true, model("arn:aws:bedrock:us-east-1:1:inference-profile/x")))
        );
        assert_eq!(
            find("/model/anthropic.claude-3-haiku-20240307-v1:0/converse"),
            Some((Endpoint::BedrockConverse, false, model("anthropic.claude-3-haiku-20240307-v1:0")))
        );
        assert_eq!(find("/v1beta/models/:generateContent"), None);
        assert_eq!(find("/v1/models"), Some((Endpoint::OpenaiModels, false, None)));
        assert_eq!(find("/v1/models/gpt-4o"), None);
    }

    #[test]
    fn segments_survive_escaping() {
        for text in ["a b/c", "ümlaut", "arn:aws:x/y", "plain-1.5"] {
            assert_eq!(percent_decode(&percent_encode(text)), text);
        }
        assert_eq!(percent_decode("50%"), "50%");
        assert_eq!(percent_decode("%zz"), "%zz");
        assert_eq!(percent_decode("%+f"), "%+f");
    }

    #[test]
    fn names_are_those_of_the_configuration() {
        for endpoint in Llm::default().endpoints.into_values() {
            assert_eq!(Endpoint::from_name(endpoint.name()), Some(endpoint));
        }
        for dialect in Dialect::ALL {
            assert_eq!(Endpoint::from_name(dialect.name()).and_then(super::dialect), Some(dialect));
        }
    }
}
