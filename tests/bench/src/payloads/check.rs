//! Whether an answer is whole and says what the provider said.

use anyhow::{Context as _, bail, ensure};
use framing::aws_event_stream::{Decoder, Limits};
use serde_json::Value;

use super::conversation::{Conversation, answer_text, pieces};
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

/// Where the chunks of the provider's text are complete in a stream of OpenAI chat: for each of them, how many bytes of
/// the body that takes. Guards may hold text back and send it in later events.
///
/// # Errors
/// When the stream does not hold all of the provider's text.
pub(crate) fn chunk_ends(body: &[u8]) -> anyhow::Result<Vec<usize>> {
    let mut chunks = pieces().map(|piece| piece.len()).scan(0, |end, length| {
        *end += length;
        Some(*end)
    });
    let (mut wanted, mut seen, mut offset, mut ends) = (chunks.next(), 0, 0, Vec::new());
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        offset += line.len();
        let event: Option<Value> =
            line.strip_prefix(b"data: ").and_then(|data| serde_json::from_slice(data).ok());
        let text = event.as_ref().and_then(|event| event.pointer("/choices/0/delta/content"));
        seen += text.and_then(Value::as_str).unwrap_or_default().len();
        while wanted.is_some_and(|wanted| wanted <= seen) {
            ends.push(offset);
            wanted = chunks.next();
        }
    }
    ensure!(wanted.is_none(), "the stream has the text of {} chunks only", ends.len());
    Ok(ends)
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
    fn chunks_are_found_in_the_events_that_complete_them() {
        let event = |text: &str| {
            format!("data: {}\n\n", serde_json::json!({"choices": [{"delta": {"content": text}}]}))
        };
        let all = answer_text();
        // The first chunk comes late, the second and third together with it; then all the rest.
        let third: usize = pieces().take(3).map(|piece| piece.len()).sum();
        let events = [event(&all[..5]), event(&all[5..third]), event(""), event(&all[third..])];
        let ends = chunk_ends(events.concat().as_bytes()).unwrap();
        assert_eq!(ends.len(), STREAM_CHUNKS);
        let second = events[0].len() + events[1].len() - 1;
        let last = events.concat().len() - 1;
        assert_eq!((ends[0], ends[2], ends[3], ends[49]), (second, second, last, last));
        assert!(chunk_ends(events[0].as_bytes()).is_err());
    }

    #[test]
    fn counts_must_be_plausible() {
        let prompt = Conversation::of_length(2000);
        let check = |tokens: u64| check_count(&prompt, format!("{{\"input_tokens\":{tokens}}}").as_bytes());
        assert!(check(500).is_ok());
        assert!(check(3).is_err() && check(5000).is_err());
        assert!(check_count(&prompt, b"{}").is_err());
    }
}
