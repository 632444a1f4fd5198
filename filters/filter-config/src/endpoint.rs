//! What can be spoken at a path, by clients and by providers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is spoken at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// OpenAI chat completions.
    OpenaiChat,
    /// OpenAI responses.
    OpenaiResponses,
    /// Anthropic messages.
    AnthropicMessages,
    /// Gemini `generateContent`.
    GeminiGenerateContent,
    /// Gemini `streamGenerateContent`. Providers: the `stream_path` of `gemini_generate_content`.
    GeminiStreamGenerateContent,
    /// Amazon Bedrock `Converse`.
    BedrockConverse,
    /// Amazon Bedrock `ConverseStream`. Providers: the `stream_path` of `bedrock_converse`.
    BedrockConverseStream,
    /// OpenAI embeddings.
    OpenaiEmbeddings,
    /// Gemini `embedContent`.
    GeminiEmbedContent,
    /// Gemini `batchEmbedContents`.
    GeminiBatchEmbedContents,
    /// Embedding models behind Vertex AI's `predict`. Providers only.
    VertexEmbeddings,
    /// Titan, Cohere and Nova embedding models behind Amazon Bedrock's `InvokeModel`. Providers only.
    BedrockEmbeddings,
    /// Cohere rerank, v1 and v2.
    CohereRerank,
    /// Amazon Bedrock agent runtime `Rerank`. Providers only.
    BedrockRerank,
    /// Vertex AI ranking (`rankingConfigs:rank`). Providers only.
    VertexRank,
    /// Anthropic `messages/count_tokens`.
    AnthropicCountTokens,
    /// Gemini `countTokens`.
    GeminiCountTokens,
    /// Amazon Bedrock `CountTokens`.
    BedrockCountTokens,
    /// OpenAI completions, the older API; passed through and metered.
    OpenaiCompletions,
    /// OpenAI images; passed through and metered.
    OpenaiImages,
    /// OpenAI audio (speech, transcriptions, translations); passed through and metered.
    OpenaiAudio,
    /// OpenAI list of models.
    OpenaiModels,
    /// OpenAI realtime over WebSocket; passed through.
    OpenaiRealtime,
    /// Anything with a `model` in its body: passed through, model and usage read where they can be found.
    Detect,
    /// Passed through as it is.
    Passthrough,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Self; 25] = [
        Self::OpenaiChat,
        Self::OpenaiResponses,
        Self::AnthropicMessages,
        Self::GeminiGenerateContent,
        Self::GeminiStreamGenerateContent,
        Self::BedrockConverse,
        Self::BedrockConverseStream,
        Self::OpenaiEmbeddings,
        Self::GeminiEmbedContent,
        Self::GeminiBatchEmbedContents,
        Self::VertexEmbeddings,
        Self::BedrockEmbeddings,
        Self::CohereRerank,
        Self::BedrockRerank,
        Self::VertexRank,
        Self::AnthropicCountTokens,
        Self::GeminiCountTokens,
        Self::BedrockCountTokens,
        Self::OpenaiCompletions,
        Self::OpenaiImages,
        Self::OpenaiAudio,
        Self::OpenaiModels,
        Self::OpenaiRealtime,
        Self::Detect,
        Self::Passthrough,
    ];

    /// The name in configuration, records and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenaiChat => "openai_chat",
            Self::OpenaiResponses => "openai_responses",
            Self::AnthropicMessages => "anthropic_messages",
            Self::GeminiGenerateContent => "gemini_generate_content",
            Self::GeminiStreamGenerateContent => "gemini_stream_generate_content",
            Self::BedrockConverse => "bedrock_converse",
            Self::BedrockConverseStream => "bedrock_converse_stream",
            Self::OpenaiEmbeddings => "openai_embeddings",
            Self::GeminiEmbedContent => "gemini_embed_content",
            Self::GeminiBatchEmbedContents => "gemini_batch_embed_contents",
            Self::VertexEmbeddings => "vertex_embeddings",
            Self::BedrockEmbeddings => "bedrock_embeddings",
            Self::CohereRerank => "cohere_rerank",
            Self::BedrockRerank => "bedrock_rerank",
            Self::VertexRank => "vertex_rank",
            Self::AnthropicCountTokens => "anthropic_count_tokens",
            Self::GeminiCountTokens => "gemini_count_tokens",
            Self::BedrockCountTokens => "bedrock_count_tokens",
            Self::OpenaiCompletions => "openai_completions",
            Self::OpenaiImages => "openai_images",
            Self::OpenaiAudio => "openai_audio",
            Self::OpenaiModels => "openai_models",
            Self::OpenaiRealtime => "openai_realtime",
            Self::Detect => "detect",
            Self::Passthrough => "passthrough",
        }
    }

    /// The endpoint called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.name() == name)
    }
}

/// The paths of every endpoint Weir knows: the default of [`Llm::endpoints`](crate::Llm::endpoints).
pub fn default_endpoints() -> BTreeMap<String, Endpoint> {
    use Endpoint as E;
    let table = [
        ("/chat/completions", E::OpenaiChat),
        ("/completions", E::OpenaiCompletions),
        ("/responses", E::OpenaiResponses),
        ("/responses/compact", E::Detect),
        ("/embeddings", E::OpenaiEmbeddings),
        ("/images/generations", E::OpenaiImages),
        ("/images/edits", E::OpenaiImages),
        ("/images/variations", E::OpenaiImages),
        ("/audio/speech", E::OpenaiAudio),
        ("/audio/transcriptions", E::OpenaiAudio),
        ("/audio/translations", E::OpenaiAudio),
        ("/models", E::OpenaiModels),
        ("/realtime", E::OpenaiRealtime),
        ("/rerank", E::CohereRerank),
        ("/messages", E::AnthropicMessages),
        ("/messages/count_tokens", E::AnthropicCountTokens),
        ("/models/{model}:rawPredict", E::AnthropicMessages),
        ("/models/{model}:streamRawPredict", E::AnthropicMessages),
        ("/models/{model}:generateContent", E::GeminiGenerateContent),
        ("/models/{model}:streamGenerateContent", E::GeminiStreamGenerateContent),
        ("/models/{model}:countTokens", E::GeminiCountTokens),
        ("/models/{model}:embedContent", E::GeminiEmbedContent),
        ("/models/{model}:batchEmbedContents", E::GeminiBatchEmbedContents),
        ("/model/{model}/converse", E::BedrockConverse),
        ("/model/{model}/converse-stream", E::BedrockConverseStream),
        ("/model/{model}/count-tokens", E::BedrockCountTokens),
    ];
    table.into_iter().map(|(suffix, endpoint)| (suffix.to_owned(), endpoint)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_json() {
        for endpoint in Endpoint::ALL {
            assert_eq!(serde_json::to_value(endpoint).unwrap(), endpoint.name());
            assert_eq!(Endpoint::from_name(endpoint.name()), Some(endpoint));
        }
    }
}
