//! Which dialect a body of unknown kind is written in, by the names of its fields.

use filter_config::Endpoint;

use crate::json::{Shape, Value};

pub(super) const UNKNOWN: &str = "the body is of no known kind";

/// Blocks that only Anthropic has.
const ANTHROPIC_BLOCKS: &[&str] = &[
    "tool_use",
    "tool_result",
    "document",
    "image",
    "redacted_thinking",
    "search_result",
    "server_tool_use",
];

pub(super) fn request(root: Value<'_, '_>) -> Option<Endpoint> {
    let has = |name| root.get(name).is_some();
    if has("messages") {
        return Some(of_messages(root));
    }
    if has("contents") {
        return Some(Endpoint::GeminiGenerateContent);
    }
    if has("query") && has("documents") {
        return Some(Endpoint::CohereRerank);
    }
    if has("prompt") && root.get("prompt").is_some_and(|prompt| prompt.shape() != Shape::Object) {
        return Some(Endpoint::OpenaiCompletions);
    }
    match root.get("input") {
        // Texts to embed or to be spoken, or token ids.
        Some(input) if has("encoding_format") || has("dimensions") || input.has_scalars() => {
            Some(Endpoint::OpenaiEmbeddings)
        }
        Some(_) if has("voice") => Some(Endpoint::OpenaiAudio),
        Some(_) => Some(Endpoint::OpenaiResponses),
        None if has("instructions") || has("prompt") => Some(Endpoint::OpenaiResponses),
        None if has("content") => Some(Endpoint::GeminiEmbedContent),
        None => None,
    }
}

fn of_messages(root: Value<'_, '_>) -> Endpoint {
    let messages = || root.get("messages").into_iter().flat_map(Value::children);
    let blocks = || {
        let lists = messages().filter_map(|message| message.get("content"));
        lists.filter(|content| content.shape() == Shape::Array).flat_map(Value::children)
    };
    if blocks().any(|block| block.shape() == Shape::Object && block.get("type").is_none()) {
        return Endpoint::BedrockConverse;
    }
    let anthropic = root.get("system").is_some()
        || root.get("anthropic_version").is_some()
        || blocks().any(|block| ANTHROPIC_BLOCKS.contains(&&*block.str("type")));
    if anthropic { Endpoint::AnthropicMessages } else { Endpoint::OpenaiChat }
}

pub(super) fn answer(root: Value<'_, '_>) -> Option<Endpoint> {
    let list = |name| root.get(name).filter(|value| value.shape() == Shape::Array);
    if let Some(choices) = list("choices") {
        let text = choices.children().any(|choice| choice.get("text").is_some());
        return Some(if text { Endpoint::OpenaiCompletions } else { Endpoint::OpenaiChat });
    }
    if root.get("candidates").is_some()
        || root.get("promptFeedback").is_some()
        || root.shape() == Shape::Array
    {
        return Some(Endpoint::GeminiGenerateContent);
    }
    if list("output").is_some() {
        return Some(Endpoint::OpenaiResponses);
    }
    if root.get("output").is_some_and(|output| output.get("message").is_some()) {
        return Some(Endpoint::BedrockConverse);
    }
    if list("content").is_some() {
        return Some(Endpoint::AnthropicMessages);
    }
    if list("results").is_some() {
        return Some(Endpoint::CohereRerank);
    }
    // Vectors, and errors, which have no texts to look at.
    let silent = list("data").is_some() || root.get("embedding").is_some() || root.get("error").is_some();
    silent.then_some(Endpoint::OpenaiEmbeddings)
}

pub(super) fn event(name: &str, root: Value<'_, '_>) -> Option<Endpoint> {
    let kind = root.str("type");
    if kind.starts_with("response.") || kind == "keepalive" {
        return Some(Endpoint::OpenaiResponses);
    }
    if root.get("choices").is_some() {
        return match answer(root) {
            Some(Endpoint::OpenaiCompletions) => Some(Endpoint::OpenaiCompletions),
            _ => Some(Endpoint::OpenaiChat),
        };
    }
    if root.get("candidates").is_some() || root.get("usageMetadata").is_some() {
        return Some(Endpoint::GeminiStreamGenerateContent);
    }
    if kind.starts_with("message_")
        || kind.starts_with("content_block_")
        || matches!(&*kind, "ping" | "error")
    {
        return Some(Endpoint::AnthropicMessages);
    }
    if kind.starts_with("transcript.") {
        return Some(Endpoint::OpenaiAudio);
    }
    if name.starts_with("contentBlock") || matches!(name, "messageStart" | "messageStop" | "metadata") {
        return Some(Endpoint::BedrockConverseStream);
    }
    root.get("error").map(|_| Endpoint::OpenaiChat)
}
