//! What a provider speaks, and which of it a request is sent as.

use filter_config::{Endpoint, Provider, Variant};

use crate::endpoints;

/// One wire format of the provider.
#[derive(Debug)]
pub(super) struct Format {
    pub(super) endpoint: Endpoint,
    pub(super) variant: Option<Variant>,
    path: Option<String>,
    stream_path: Option<String>,
    models: Vec<Pattern>,
    except_models: Vec<Pattern>,
    pub(super) region: Option<String>,
    /// Fields of the body as it is sent that always have this value.
    pub(super) overrides: Vec<(String, String)>,
}

/// A model name, or a pattern of one `*`.
#[derive(Debug)]
enum Pattern {
    Exact(String),
    Around(String, String),
}

impl Pattern {
    fn new(pattern: &str) -> Self {
        match pattern.split_once('*') {
            None => Self::Exact(pattern.to_owned()),
            Some((prefix, suffix)) => Self::Around(prefix.to_owned(), suffix.to_owned()),
        }
    }

    fn matches(&self, model: &str) -> bool {
        match self {
            Self::Exact(name) => name == model,
            Self::Around(prefix, suffix) => {
                model.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.ends_with(suffix.as_str()))
            }
        }
    }
}

/// Everything a provider speaks, in order of preference.
#[derive(Debug)]
pub(super) struct Speaks(Vec<Format>);

/// How a request gets to the provider.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way<'p> {
    /// In the client's own format.
    Same(&'p Format),
    /// In another format of the same kind.
    Translated(&'p Format),
    /// As it is: the provider's formats say nothing about it.
    Unlisted,
    /// Not at all: token counts this gateway makes itself.
    Local,
}

/// Kinds of endpoints whose formats can be translated into each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Chat,
    Embeddings,
    Rerank,
    CountTokens,
}

impl Kind {
    fn of(endpoint: Endpoint) -> Option<Self> {
        match endpoint {
            Endpoint::OpenaiEmbeddings
            | Endpoint::GeminiEmbedContent
            | Endpoint::GeminiBatchEmbedContents
            | Endpoint::VertexEmbeddings
            | Endpoint::BedrockEmbeddings => Some(Self::Embeddings),
            Endpoint::CohereRerank | Endpoint::BedrockRerank | Endpoint::VertexRank => Some(Self::Rerank),
            Endpoint::AnthropicCountTokens | Endpoint::GeminiCountTokens | Endpoint::BedrockCountTokens => {
                Some(Self::CountTokens)
            }
            other => endpoints::dialect(other).map(|_| Self::Chat),
        }
    }
}

impl Speaks {
    pub(super) fn new(config: &Provider) -> Self {
        let patterns = |patterns: &[String]| patterns.iter().map(|pattern| Pattern::new(pattern)).collect();
        let format = |upstream: &filter_config::Upstream| Format {
            endpoint: upstream.endpoint,
            variant: upstream.variant,
            path: upstream.path.clone(),
            stream_path: upstream.stream_path.clone(),
            models: patterns(&upstream.models),
            except_models: patterns(&upstream.except_models),
            region: upstream.region.clone(),
            overrides: upstream
                .overrides
                .iter()
                .map(|(field, value)| (field.clone(), value.to_string()))
                .collect(),
        };
        Self(config.speaks.iter().map(format).collect())
    }

    /// How a request for `model` at `client` gets to the provider; `None` when it cannot.
    pub(super) fn way(&self, client: Endpoint, model: &str) -> Option<Way<'_>> {
        let formats = || {
            let serves = |format: &&Format| {
                (format.models.is_empty() || format.models.iter().any(|pattern| pattern.matches(model)))
                    && !format.except_models.iter().any(|pattern| pattern.matches(model))
            };
            self.0.iter().filter(serves)
        };
        if let Some(same) = formats().find(|format| format.endpoint == client) {
            return Some(Way::Same(same));
        }
        if let Some(kind) = Kind::of(client) {
            let other = formats().find(|format| Kind::of(format.endpoint) == Some(kind));
            return match other {
                Some(format) => Some(Way::Translated(format)),
                None if kind == Kind::CountTokens => Some(Way::Local),
                None => None,
            };
        }
        matches!(client, Endpoint::Detect | Endpoint::Passthrough).then_some(Way::Unlisted)
    }

    /// What the provider speaks, for people.
    pub(super) fn names(&self) -> String {
        let mut names: Vec<&str> = self.0.iter().map(|format| format.endpoint.name()).collect();
        names.dedup();
        names.join(", ")
    }
}

impl Format {
    /// Path of a request; `None` when the client's is kept. `client_path` has no query.
    pub(super) fn path(&self, model: &str, stream: bool, client_path: &str) -> Option<String> {
        let template = self.stream_path.as_ref().filter(|_| stream).or(self.path.as_ref())?;
        let mut path = template.clone();
        if path.contains("{model}") {
            path = path.replace("{model}", &endpoints::percent_encode(model));
        }
        if path.contains("{operation}") {
            let operation = client_path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            path = path.replace("{operation}", operation);
        }
        if self.endpoint == Endpoint::OpenaiRealtime && !model.is_empty() && !path.contains("model=") {
            path.push(if path.contains('?') { '&' } else { '?' });
            path.push_str("model=");
            path.push_str(&endpoints::percent_encode(model));
        }
        Some(path)
    }

    /// The provider reads the model from the path alone.
    pub(super) fn model_in_path(&self) -> bool {
        self.variant == Some(Variant::VertexAnthropic)
            || matches!(
                self.endpoint,
                Endpoint::GeminiGenerateContent
                    | Endpoint::BedrockConverse
                    | Endpoint::GeminiEmbedContent
                    | Endpoint::GeminiBatchEmbedContents
                    | Endpoint::GeminiCountTokens
                    | Endpoint::BedrockCountTokens
                    | Endpoint::BedrockEmbeddings
                    | Endpoint::VertexEmbeddings
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speaks(json: &str) -> Speaks {
        let config = format!(r#"{{"name":"x","speaks":{json}}}"#);
        Speaks::new(&Provider::from_json(config.as_bytes()).unwrap())
    }

    #[test]
    fn own_format_first_then_the_first_of_its_kind() {
        let speaks = speaks(
            r#"[{"endpoint":"anthropic_messages","path":"/p/{model}:rawPredict","stream_path":"/p/{model}:streamRawPredict","models":["claude*"],"variant":"vertex_anthropic"},
                {"endpoint":"gemini_generate_content","path":"/g/{model}:generateContent","models":["gemini*"]},
                {"endpoint":"openai_chat","path":"/chat"},
                {"endpoint":"openai_audio","path":"/v1/audio/{operation}"}]"#,
        );
        let way = |client, model| match speaks.way(client, model).unwrap() {
            Way::Same(format) => ("same", format.endpoint),
            Way::Translated(format) => ("translated", format.endpoint),
            Way::Unlisted => ("unlisted", client),
            Way::Local => ("local", client),
        };
        assert_eq!(way(Endpoint::OpenaiChat, "claude-x"), ("same", Endpoint::OpenaiChat));
        assert_eq!(way(Endpoint::AnthropicMessages, "claude-x"), ("same", Endpoint::AnthropicMessages));
        assert_eq!(
            way(Endpoint::AnthropicMessages, "gemini-x"),
            ("translated", Endpoint::GeminiGenerateContent)
        );
        assert_eq!(way(Endpoint::OpenaiResponses, "llama"), ("translated", Endpoint::OpenaiChat));
        assert_eq!(way(Endpoint::AnthropicCountTokens, "llama"), ("local", Endpoint::AnthropicCountTokens));
        assert_eq!(way(Endpoint::Detect, "llama"), ("unlisted", Endpoint::Detect));
        assert!(speaks.way(Endpoint::OpenaiEmbeddings, "m").is_none());
        let Some(Way::Same(claude)) = speaks.way(Endpoint::AnthropicMessages, "claude/5") else { panic!() };
        assert_eq!(claude.path("claude/5", true, "/v1/messages").unwrap(), "/p/claude%2F5:streamRawPredict");
        let Some(Way::Same(audio)) = speaks.way(Endpoint::OpenaiAudio, "w") else { panic!() };
        assert_eq!(audio.path("w", false, "/x/v1/audio/speech").unwrap(), "/v1/audio/speech");
    }
}
