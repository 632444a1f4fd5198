//! What expressions can look at.

/// A variable of expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// All members it can have; `None` where they are not ours to know, such as the claims of a token.
    pub members: Option<&'static [&'static str]>,
}

const fn known(name: &'static str, members: &'static [&'static str]) -> Variable {
    Variable { name, members: Some(members) }
}

const fn any(name: &'static str) -> Variable {
    Variable { name, members: None }
}

/// A request: its headers, its path without the query, its method and its host.
pub const REQUEST: Variable = known("request", &["headers", "path", "method", "host"]);

/// What a request asks of a model.
pub const LLM_OF_REQUEST: Variable = known("llm", &["requestModel", "streaming"]);

/// What a request has used of a model, when it is over.
pub const LLM_OF_USAGE: Variable = known(
    "llm",
    &[
        "requestModel",
        "streaming",
        "responseModel",
        "provider",
        "inputTokens",
        "outputTokens",
        "totalTokens",
        "cachedInputTokens",
        "cacheCreationInputTokens",
        "reasoningTokens",
        "cost",
    ],
);

/// The body of a request.
pub const LLM_REQUEST: Variable = any("llmRequest");

/// The claims of a token.
pub const JWT: Variable = any("jwt");

/// What is known of the owner of an API key.
pub const API_KEY: Variable = any("apiKey");
