//! Prompt-cache marks in a provider's body.
//!
//! Anthropic: `cache_control` on a block or tool
//! (<https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching>). Bedrock: a `cachePoint` block behind what
//! is to be cached (<https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html>). Both take at most
//! [`MOST_MARKS`] in a request and refuse it otherwise.

mod blocks;
mod existing;

use std::borrow::Cow;

use filter_config::PromptCaching;
use llm_dialects::Dialect;
use llm_dialects::edit::{Array, Object, Text};

use blocks::{Blocks, Style};
use existing::Existing;

/// Most marks in a request, of the client's and ours together.
const MOST_MARKS: usize = 4;

/// Places the marks that `policy` asks for and that still fit, the system prompt's first, then the messages', then the
/// tools'. Where the client has placed one, none is added. A body that is not understood is left as it is.
pub(crate) fn place(policy: &PromptCaching, upstream: Dialect, model: &str, body: Vec<u8>) -> Vec<u8> {
    let style = match upstream {
        Dialect::AnthropicMessages => Style::Anthropic,
        Dialect::BedrockConverse if caches_on_bedrock(model) => Style::Bedrock,
        _ => return body,
    };
    marked(policy, style, model, &body).unwrap_or(body)
}

/// Whether a model on Bedrock has prompt caching. What is behind an application inference profile is not known from
/// its id; who configures caching for one knows.
fn caches_on_bedrock(model: &str) -> bool {
    let old_claude = |rest: &str| ["-instant", "-v1", "-v2"].iter().any(|old| rest.starts_with(old));
    model.split_once("anthropic.claude").is_some_and(|(_, rest)| !old_claude(rest))
        || model.contains("amazon.nova")
        || model.contains(":application-inference-profile/")
}

/// The body with marks, `None` when there is none to place.
fn marked(policy: &PromptCaching, style: Style, model: &str, body: &[u8]) -> Option<Vec<u8>> {
    let existing = Existing::count(style, body)?;
    let mut left = MOST_MARKS.checked_sub(existing.marks)?;
    // Marks for an hour must stand in front of those for five minutes, which ours are. A client that uses them has
    // planned its marks; one of ours in front of them would have the request refused.
    if existing.long_lived {
        return None;
    }
    let mut object = Object::parse(body).ok()?;
    let mut changed = false;
    let mut try_mark = |wanted: bool, place: &mut dyn FnMut(&mut Object<'_>) -> Option<()>| {
        if wanted && left > 0 && place(&mut object).is_some() {
            left -= 1;
            changed = true;
        }
    };
    try_mark(policy.system, &mut |object| mark_system(style, policy.min_tokens, object));
    try_mark(policy.messages, &mut |object| mark_message(style, policy.message_offset, object));
    // Nova models refuse cache points among tools.
    try_mark(policy.tools && !(style == Style::Bedrock && model.contains("amazon.nova")), &mut |object| {
        mark_tools(style, object)
    });
    changed.then(|| object.into_bytes())
}

/// Marks the end of the system prompt, unless it is shorter than a provider would cache.
fn mark_system(style: Style, min_tokens: u64, object: &mut Object<'_>) -> Option<()> {
    let system = object.get("system")?.to_str();
    let blocks = Blocks::parse(style, &system)?;
    // Words × 1.3, in tenths so that no rounding is involved.
    if blocks.words().saturating_mul(13) < min_tokens.saturating_mul(10) {
        return None;
    }
    let marked = blocks.mark()?.into_owned();
    object.set("system", marked);
    Some(())
}

/// Marks the end of the second-to-last message, or of one `offset` before it, at most the first: what is before the
/// current turn stays the same in the next.
fn mark_message(style: Style, offset: u64, object: &mut Object<'_>) -> Option<()> {
    let messages = object.get("messages")?.to_str();
    let edited = {
        let mut messages = Array::parse(&messages).ok()?;
        let second_to_last = messages.elements().len().checked_sub(2)?;
        let index = second_to_last.saturating_sub(usize::try_from(offset).unwrap_or(usize::MAX));
        let mut message = Object::parse_str(messages.elements().get(index)?).ok()?;
        let content = message.get("content")?.to_str();
        let marked = Blocks::parse(style, &content)?.mark()?.into_owned();
        message.set("content", marked);
        messages.set(index, message.into_text());
        messages.into_text().into_owned()
    };
    object.set("messages", edited);
    Some(())
}

/// Marks the last tool.
fn mark_tools(style: Style, object: &mut Object<'_>) -> Option<()> {
    match style {
        Style::Anthropic => {
            let tools = object.get("tools")?.to_str();
            let edited = mark_anthropic_tools(&tools)?.into_owned();
            object.set("tools", edited);
        }
        Style::Bedrock => {
            let config = object.get("toolConfig")?.to_str();
            let edited = {
                let mut config = Object::parse_str(&config).ok()?;
                let tools = config.get("tools")?.to_str();
                let last = Object::parse_str(Array::parse(&tools).ok()?.elements().last()?).ok()?;
                if last.has("cachePoint") {
                    return None;
                }
                config.insert_last("tools", vec![Text::verbatim(blocks::CACHE_POINT)]).ok()?;
                config.into_text().into_owned()
            };
            object.set("toolConfig", edited);
        }
    }
    Some(())
}

fn mark_anthropic_tools(tools: &str) -> Option<Text<'_>> {
    let mut tools = Array::parse(tools).ok()?;
    for (index, tool) in tools.elements().to_vec().into_iter().enumerate().rev() {
        let mut tool = Object::parse_str(tool).ok()?;
        if blocks::has_mark(&tool) {
            return None;
        }
        // Tools that are loaded when searched for are not part of the prompt, and must not be marked.
        if tool.get("defer_loading").is_some_and(|deferred| deferred.to_str() == Cow::Borrowed("true")) {
            continue;
        }
        tool.set("cache_control", Text::verbatim(blocks::CACHE_CONTROL));
        tools.set(index, tool.into_text());
        return Some(tools.into_text());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_on_bedrock_that_cache() {
        for model in [
            "anthropic.claude-3-5-sonnet-20241022-v2:0",
            "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "us.amazon.nova-pro-v1:0",
            "arn:aws:bedrock:us-east-1:1:application-inference-profile/x",
        ] {
            assert!(caches_on_bedrock(model), "{model}");
        }
        for model in
            ["anthropic.claude-v2:1", "anthropic.claude-v1", "anthropic.claude-instant-v1", "meta.llama3"]
        {
            assert!(!caches_on_bedrock(model), "{model}");
        }
    }
}
