//! Whether an answer is whole and says what the provider said.

use anyhow::{Context as _, bail, ensure};
use framing::aws_event_stream::{Decoder, Limits};
use serde_json::Value;

use super::conversation::{Conversation, answer_text};
use super::{Dialect, STREAM_CHUNKS, Shape};

/// Checks that an answer in this dialect is whole and says what the provider said.
///
/// # Errors
/// What is missing or different.
pub(crate) fn check_answer(client: Dialect, shape: Shape, body: &[u8]) -> anyhow::Result<()> {
    let content = match shape {
        Shape::Unary => unary_text(client, body)?,
        Shape::Stream if client == Dialect::Bedrock => bedrock_text(body)?,
        Shape::Stream => sse_text(client, body)?,
    };
    ensure!(content == answer_text(), "the answer's text is {content:?} instead of {:?}", answer_text());
    Ok(())
}

/// Checks that a count of tokens can be one of this prompt: between one token for eight bytes and one for two.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_count(prompt: &Conversation, body: &[u8]) -> anyhow::Result<()> {
    let answer: Value = serde_json::from_slice(body).context("the count is not JSON")?;
    let tokens = answer.get("input_tokens").and_then(Value::as_u64).context("no input_tokens")?;
    let bytes: u64 = prompt.texts().map(|text| text.len() as u64).sum();
    ensure!((bytes / 8..=bytes / 2).contains(&tokens), "{tokens} tokens are no count of {bytes} bytes");
    Ok(())
}

fn unary_text(client: Dialect, body: &[u8]) -> anyhow::Result<String> {
    let answer: Value = serde_json::from_slice(body).context("the answer is not JSON")?;
    let pointer = match client {
        Dialect::Chat => "/choices/0/message/content",
        Dialect::Responses => "/output/0/content/0/text",
        Dialect::Anthropic => "/content/0/text",
        Dialect::Gemini => "/candidates/0/content/parts/0/text",
        Dialect::Bedrock => "/output/message/content/0/text",
    };
    let content = answer.pointer(pointer).and_then(Value::as_str);
    Ok(content.with_context(|| format!("the answer has no string at {pointer}"))?.to_owned())
}

/// Joins the text of Server-Sent Events.
fn sse_text(client: Dialect, body: &[u8]) -> anyhow::Result<String> {
    // Where the text is, and what the last event's data holds.
    let (pointer, end) = match client {
        Dialect::Chat => ("/choices/0/delta/content", "[DONE]"),
        Dialect::Responses => ("/delta", "\"type\":\"response.completed\""),
        Dialect::Anthropic => ("/delta/text", "\"type\":\"message_stop\""),
        Dialect::Gemini => ("/candidates/0/content/parts/0/text", "\"finishReason\":\"STOP\""),
        Dialect::Bedrock => bail!("Bedrock does not stream Server-Sent Events"),
    };
    let stream = std::str::from_utf8(body).context("the stream is not UTF-8")?;
    let mut content = String::new();
    let mut last = "";
    let mut events = 0;
    for data in stream.lines().filter_map(|line| line.strip_prefix("data: ")) {
        last = data;
        if data == "[DONE]" {
            continue;
        }
        let event: Value = serde_json::from_str(data).context("an event is not JSON")?;
        events += 1;
        content.push_str(event.pointer(pointer).and_then(Value::as_str).unwrap_or_default());
    }
    check_events(events)?;
    ensure!(last.contains(end) && stream.ends_with("\n\n"), "the stream has no proper end");
    Ok(content)
}

/// Joins the text of an AWS event stream.
fn bedrock_text(body: &[u8]) -> anyhow::Result<String> {
    let mut decoder = Decoder::new(Limits::default());
    let mut content = String::new();
    let mut last = String::new();
    let mut events = 0;
    decoder.feed(body, |message| {
        let event: Value = serde_json::from_slice(message.payload).unwrap_or_default();
        events += 1;
        content.push_str(event.pointer("/delta/text").and_then(Value::as_str).unwrap_or_default());
        last = message.event_type().unwrap_or_default().to_owned();
        Ok::<(), framing::Error>(())
    })?;
    decoder.finish()?;
    check_events(events)?;
    ensure!(last == "metadata", "the stream has no proper end");
    Ok(content)
}

fn check_events(events: usize) -> anyhow::Result<()> {
    if events < STREAM_CHUNKS {
        bail!("the stream has {events} events, fewer than the {STREAM_CHUNKS} chunks the provider sent");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_must_be_plausible() {
        let prompt = Conversation::of_length(2000);
        let check = |tokens: u64| check_count(&prompt, format!("{{\"input_tokens\":{tokens}}}").as_bytes());
        assert!(check(500).is_ok());
        assert!(check(3).is_err() && check(5000).is_err());
        assert!(check_count(&prompt, b"{}").is_err());
    }
}
