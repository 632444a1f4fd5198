//! What goes over the wire: one conversation in both dialects, and the provider's canned answers to it.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use crate::http1::PACE_HEADER;

/// Chunks of content in a streamed answer.
pub(crate) const STREAM_CHUNKS: usize = 50;

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Chat completions.
    Openai,
    /// Messages.
    Anthropic,
}

impl Dialect {
    /// Path of requests, at the gateway and at the provider.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Openai => "/v1/chat/completions",
            Self::Anthropic => "/v1/messages",
        }
    }

    /// The gateway's host name for the provider of this dialect.
    pub(crate) fn host(self) -> &'static str {
        match self {
            Self::Openai => "openai.bench",
            Self::Anthropic => "anthropic.bench",
        }
    }

    /// With what the body of a complete answer ends.
    pub(crate) fn ending(self, stream: bool) -> &'static [u8] {
        match self {
            _ if !stream => b"}",
            Self::Openai => b"data: [DONE]\n\n",
            Self::Anthropic => b"{\"type\":\"message_stop\"}\n\n",
        }
    }
}

const SYSTEM: &str = "You are the assistant of a hardware shop. Answer in plain words, in at most five sentences, and \
    name the article number of every product you recommend. When you are not certain that a product fits, say so \
    and ask for the measure that is missing. Never promise a delivery date; point to the order page instead. Prices \
    are in euros and include tax. If the customer writes in another language, answer in that language.";

const TURNS: [(&str, &str); 3] = [
    (
        "user",
        "Hello! I want to hang a shelf on a plasterboard wall. It is 1.20 m wide, 25 cm deep and will carry about \
         forty paperbacks, two plants and a small radio. The boards are 12.5 mm thick and there is a gap of some five \
         centimetres behind them. I have a cordless drill and a spirit level, but nothing else. Which fixings do I \
         need, how many of them, and at which distance from each other should they sit?",
    ),
    (
        "assistant",
        "Forty paperbacks, two plants and a radio come to roughly 25 kg with the shelf itself. On 12.5 mm boards I \
         recommend six metal cavity anchors M5x52 (article 40-1187), each good for about 15 kg there. Put one pair at \
         either end and one in the middle, 58 cm apart. You need a 10 mm bit (article 22-0310). If you can find the \
         studs with a detector, screw the end brackets into them instead.",
    ),
    (
        "user",
        "Thank you. I have found one stud, but it is 17 cm away from where the left bracket should be. Shall I move \
         the whole shelf over, or use two long brackets that reach the stud? Would it still be level and safe if one \
         side hangs on wood and the other side on anchors? Please also tell me which screws to use for the wood, and \
         whether I must drill ahead. The stud seems to be about 48 mm wide; I tapped it out and marked both edges \
         with a pencil. The wall was papered last year, so I would rather not make more holes than needed.",
    ),
];

/// A request in a client's dialect, head and body, of 2 KB of JSON.
pub(crate) fn request(client: Dialect, host: &str, stream: bool, pace: Option<Duration>) -> Vec<u8> {
    let turns: Vec<Value> =
        TURNS.iter().map(|(role, content)| json!({"role": role, "content": content})).collect();
    let mut body = match client {
        Dialect::Openai => {
            let mut messages = vec![json!({"role": "system", "content": SYSTEM})];
            messages.extend(turns);
            json!({"model": "gpt-4.1-mini", "messages": messages, "temperature": 0.2, "max_tokens": 400})
        }
        Dialect::Anthropic => {
            json!({"model": "claude-sonnet-4-5", "system": SYSTEM, "messages": turns, "temperature": 0.2, "max_tokens": 400})
        }
    };
    if let Some(body) = body.as_object_mut().filter(|_| stream) {
        body.insert("stream".to_owned(), true.into());
        if client == Dialect::Openai {
            body.insert("stream_options".to_owned(), json!({"include_usage": true}));
        }
    }
    let body = body.to_string();
    let credential = match client {
        Dialect::Openai => "authorization: Bearer sk-bench-0123456789abcdef0123456789abcdef".to_owned(),
        Dialect::Anthropic => {
            "x-api-key: sk-bench-0123456789abcdef0123456789abcdef\r\nanthropic-version: 2023-06-01".to_owned()
        }
    };
    let mut message = format!(
        "POST {} HTTP/1.1\r\nhost: {host}\r\n{credential}\r\ncontent-type: application/json\r\naccept: */*\r\n\
         user-agent: weir-bench\r\ncontent-length: {}\r\n",
        client.path(),
        body.len()
    );
    if let Some(pace) = pace {
        // Writing to a string cannot fail.
        let _ = write!(message, "{PACE_HEADER}: {}\r\n", pace.as_millis());
    }
    message.push_str("\r\n");
    message.push_str(&body);
    message.into_bytes()
}

/// The text of every answer, in the pieces of a streamed one.
fn pieces() -> impl Iterator<Item = String> {
    (0..STREAM_CHUNKS).map(|n| format!("word{n:02} of it "))
}

/// The text of every answer.
fn text() -> String {
    pieces().collect()
}

/// A provider's answer that is not streamed: head and 1 KB of JSON.
pub(crate) fn unary_answer(provider: Dialect) -> Vec<u8> {
    let body = match provider {
        Dialect::Openai => json!({
            "id": "chatcmpl-BenchBenchBenchBenchBenchBe", "object": "chat.completion", "created": 1_760_000_000,
            "model": "gpt-4.1-mini-2025-04-14",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text(), "refusal": null, "annotations": []},
                "logprobs": null, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 471, "completion_tokens": 200, "total_tokens": 671,
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0,
                    "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}},
            "service_tier": "default", "system_fingerprint": "fp_0123456789"}),
        Dialect::Anthropic => json!({
            "model": "claude-sonnet-4-5-20250929", "id": "msg_01BenchBenchBenchBenchBenc", "type": "message",
            "role": "assistant", "content": [{"type": "text", "text": text()}],
            "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {"input_tokens": 471, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
                "output_tokens": 200, "service_tier": "standard"}}),
    }
    .to_string();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A provider's streamed answer, in the order it is sent. What a provider sends at once (the head and what
/// comes before the first word; what comes after the last word) is one item.
pub(crate) fn stream_answer(provider: Dialect) -> Vec<Vec<u8>> {
    let (before, words, after) = match provider {
        Dialect::Openai => openai_events(),
        Dialect::Anthropic => anthropic_events(),
    };
    let chunks = |events: &[String]| -> String {
        events.iter().map(|event| format!("{:x}\r\n{event}\r\n", event.len())).collect()
    };
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n\
                x-request-id: req_bench\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut parts = vec![format!("{head}{}", chunks(&before)).into_bytes()];
    parts.extend(words.iter().map(|event| chunks(std::slice::from_ref(event)).into_bytes()));
    parts.push(format!("{}0\r\n\r\n", chunks(&after)).into_bytes());
    parts
}

type Events = (Vec<String>, Vec<String>, Vec<String>);

fn openai_events() -> Events {
    let event = |choices: Value, usage: Value| {
        let data = json!({"id": "chatcmpl-BenchBenchBenchBenchBenchBe", "object": "chat.completion.chunk",
            "created": 1_760_000_000, "model": "gpt-4.1-mini-2025-04-14", "service_tier": "default",
            "system_fingerprint": "fp_0123456789", "choices": choices, "usage": usage});
        format!("data: {data}\n\n")
    };
    let choice = |delta: Value, finish: Value| json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]);
    let usage = json!({"prompt_tokens": 471, "completion_tokens": 200, "total_tokens": 671,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0}});
    let role = json!({"role": "assistant", "content": "", "refusal": null});
    (
        vec![event(choice(role, Value::Null), Value::Null)],
        pieces().map(|piece| event(choice(json!({"content": piece}), Value::Null), Value::Null)).collect(),
        vec![
            event(choice(json!({}), "stop".into()), Value::Null),
            event(json!([]), usage),
            "data: [DONE]\n\n".to_owned(),
        ],
    )
}

fn anthropic_events() -> Events {
    let event = |name: &str, data: Value| format!("event: {name}\ndata: {data}\n\n");
    let message = json!({"model": "claude-sonnet-4-5-20250929", "id": "msg_01BenchBenchBenchBenchBenc",
        "type": "message", "role": "assistant", "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": 471, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            "output_tokens": 1, "service_tier": "standard"}});
    let delta = |piece: String| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}});
    let start =
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
    let stop = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
        "usage": {"input_tokens": 471, "output_tokens": 200}});
    (
        vec![
            event("message_start", json!({"type": "message_start", "message": message})),
            event("content_block_start", start),
            event("ping", json!({"type": "ping"})),
        ],
        pieces().map(|piece| event("content_block_delta", delta(piece))).collect(),
        vec![
            event("content_block_stop", json!({"type": "content_block_stop", "index": 0})),
            event("message_delta", stop),
            event("message_stop", json!({"type": "message_stop"})),
        ],
    )
}

/// Checks that an answer in this dialect is whole and says what the provider said.
///
/// # Errors
/// What is missing or different.
pub(crate) fn check_answer(client: Dialect, stream: bool, body: &[u8]) -> anyhow::Result<()> {
    let content = if stream { streamed_text(client, body)? } else { unary_text(client, body)? };
    ensure!(content == text(), "the answer's text is {content:?} instead of {:?}", text());
    ensure!(body.ends_with(client.ending(stream)), "the answer has no proper end");
    Ok(())
}

fn unary_text(client: Dialect, body: &[u8]) -> anyhow::Result<String> {
    let answer: Value = serde_json::from_slice(body).context("the answer is not JSON")?;
    let pointer = match client {
        Dialect::Openai => "/choices/0/message/content",
        Dialect::Anthropic => "/content/0/text",
    };
    let content = answer.pointer(pointer).and_then(Value::as_str);
    Ok(content.with_context(|| format!("the answer has no string at {pointer}"))?.to_owned())
}

fn streamed_text(client: Dialect, body: &[u8]) -> anyhow::Result<String> {
    let pointer = match client {
        Dialect::Openai => "/choices/0/delta/content",
        Dialect::Anthropic => "/delta/text",
    };
    let mut content = String::new();
    let mut events = 0;
    for line in std::str::from_utf8(body).context("the stream is not UTF-8")?.lines() {
        let Some(data) = line.strip_prefix("data: ").filter(|data| *data != "[DONE]") else { continue };
        let event: Value = serde_json::from_str(data).context("an event is not JSON")?;
        events += 1;
        content.push_str(event.pointer(pointer).and_then(Value::as_str).unwrap_or_default());
    }
    if events < STREAM_CHUNKS {
        bail!("the stream has {events} events, fewer than the {STREAM_CHUNKS} chunks the provider sent");
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::{MessageReader, RequestHead, ResponseHead};

    fn body_of(message: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        let head =
            MessageReader::<ResponseHead>::new().feed(message, &mut |b| body.extend_from_slice(b)).unwrap();
        assert_eq!(head, Some(ResponseHead { status: 200 }));
        body
    }

    #[test]
    fn requests_are_about_2_kb_and_well_formed() {
        for client in [Dialect::Openai, Dialect::Anthropic] {
            let message = request(client, "a.bench", true, Some(Duration::from_millis(5)));
            let mut body = Vec::new();
            let mut reader = MessageReader::<RequestHead>::new();
            let head = reader.feed(&message, &mut |b| body.extend_from_slice(b)).unwrap().unwrap();
            assert_eq!(head, RequestHead { path: client.path().to_owned(), pace_ms: Some(5) });
            assert!((1900..=2300).contains(&body.len()), "{} bytes", body.len());
            assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["stream"], true);
        }
    }

    #[test]
    fn answers_pass_their_own_check() {
        for provider in [Dialect::Openai, Dialect::Anthropic] {
            let unary = body_of(&unary_answer(provider));
            assert!((900..=1400).contains(&unary.len()), "{} bytes", unary.len());
            check_answer(provider, false, &unary).unwrap();
            let parts = stream_answer(provider);
            assert_eq!(parts.len(), STREAM_CHUNKS + 2);
            check_answer(provider, true, &body_of(&parts.concat())).unwrap();
        }
    }

    #[test]
    fn answers_that_are_cut_or_in_the_wrong_dialect_fail_the_check() {
        let unary = body_of(&unary_answer(Dialect::Anthropic));
        assert!(check_answer(Dialect::Openai, false, &unary).is_err());
        assert!(check_answer(Dialect::Anthropic, false, &unary[..unary.len() - 1]).is_err());
        let stream = body_of(&stream_answer(Dialect::Openai).concat());
        assert!(check_answer(Dialect::Openai, true, &stream[..stream.len() - 14]).is_err());
        assert!(check_answer(Dialect::Anthropic, true, &stream).is_err());
    }
}
