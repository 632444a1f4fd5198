//! What the targets of both dialects have in common.
#![allow(dead_code, reason = "not every target uses all of it")]

use framing::sse::{Decoder, Frame, Limits};
use llm_dialects::Dialect;
use llm_dialects::hub::StreamEvent;
use serde_json::Value;

/// The clock, in seconds since 1970.
const NOW: u64 = 1_234_567_890;

/// A request of `from`: whatever is decoded can be encoded or is refused, in both dialects, as the same valid JSON
/// every time; in its own dialect it is understood again.
pub fn request(from: Dialect, body: &[u8]) {
    let Ok(mut request) = from.decode_request(body) else { return };
    for model in ["claude-opus-5-5", "claude-sonnet-4-5", "gpt-5", "gpt-5.4", "other"] {
        request.model = model.into();
        for to in Dialect::ALL {
            let Ok(sent) = to.encode_request(&request) else { continue };
            assert_eq!(to.encode_request(&request).as_ref(), Ok(&sent), "not stable");
            let json: Value = serde_json::from_slice(&sent).expect("valid JSON");
            assert!(json.is_object());
            to.decode_request(&sent).expect("a request of the dialect");
        }
    }
}

/// An answer, or an error, of either dialect: what comes out is valid JSON, and an answer or an error of the
/// client's dialect.
pub fn response(body: &[u8]) {
    for from in Dialect::ALL {
        for to in Dialect::ALL {
            if let Ok(response) = from.decode_response(body) {
                let told = to.encode_response(&response, NOW);
                to.decode_response(&told).expect("an answer of the dialect");
                let mut events = Vec::new();
                let mut encoder = to.stream_encoder(NOW, true);
                response.replay(&mut |event| encoder.event(&event, &mut events));
                check_stream(to, &events);
            }
            let error = from.decode_error(500, body);
            let told = to.encode_error(&error);
            assert!(to.is_error_body(&told));
            assert!((400..=599).contains(&to.error_status(&error)));
        }
    }
}

/// A stream of `from`: what comes out does not depend on how it arrives, and keeps to the client's grammar.
pub fn stream(from: Dialect, body: &[u8]) {
    for to in Dialect::ALL {
        let whole = translate(from, to, [body]);
        check_stream(to, &whole);
        for size in [1, 7, 64] {
            assert_eq!(translate(from, to, body.chunks(size)), whole, "chunks of {size}");
        }
    }
}

enum Failure {
    Framing,
    Dialect(llm_dialects::Error),
}

impl From<framing::Error> for Failure {
    fn from(_: framing::Error) -> Self {
        Self::Framing
    }
}

fn translate<'a>(from: Dialect, to: Dialect, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = to.stream_encoder(NOW, true);
    let mut decoder = from.stream_decoder();
    let mut framing = Decoder::new(Limits::default());
    let mut over = false;
    let mut sink = |event: StreamEvent<'_>| {
        if !over {
            over = matches!(event, StreamEvent::End | StreamEvent::Error(_));
            encoder.event(&event, &mut out);
        }
    };
    let mut read = |frame: Frame<'_>| match frame {
        Frame::Event(event) => decoder.event(event.event, event.data, &mut sink).map_err(Failure::Dialect),
        Frame::Comment(_) => Ok(()),
    };
    let mut result = chunks.into_iter().try_for_each(|chunk| framing.feed(chunk, &mut read));
    if result.is_ok() {
        result = framing.finish(&mut read).map(drop);
    }
    if result.is_ok() {
        result = decoder.finish(&mut sink).map_err(Failure::Dialect);
    }
    match result {
        Ok(()) => {}
        Err(Failure::Framing) => {
            sink(StreamEvent::Error(llm_dialects::Error::upstream("framing").to_api_error()))
        }
        Err(Failure::Dialect(error)) => sink(StreamEvent::Error(error.to_api_error())),
    }
    out
}

/// The events of a stream with their data; the stream ends with a whole event.
fn events(stream: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut events = Vec::new();
    let mut decoder = Decoder::new(Limits { event_bytes: usize::MAX });
    let read = |frame: Frame<'_>| {
        if let Frame::Event(event) = frame {
            let name = String::from_utf8_lossy(event.event.unwrap_or_default()).into_owned();
            events.push((name, event.data.to_vec()));
        }
        Ok::<(), framing::Error>(())
    };
    decoder.feed(stream, read).expect("well-formed events");
    assert_eq!(decoder.buffered(), 0, "an unfinished event");
    events
}

fn check_stream(dialect: Dialect, stream: &[u8]) {
    match dialect {
        Dialect::AnthropicMessages => check_anthropic(&events(stream)),
        Dialect::OpenaiChat => check_openai(&events(stream)),
    }
}

/// `message_start`, blocks one at a time with indices from 0, `message_delta`, `message_stop`; or `error` instead of
/// the rest. Pings before the end.
fn check_anthropic(events: &[(String, Vec<u8>)]) {
    let mut started = false;
    let mut open = false;
    let mut next = 0;
    let mut delta = false;
    let mut done = false;
    for (name, data) in events {
        let event: Value = serde_json::from_slice(data).expect("valid JSON");
        assert_eq!(event["type"], name.as_str());
        assert!(!done, "{name} after the end");
        match name.as_str() {
            "ping" => {}
            "error" => done = true,
            "message_start" => {
                assert!(!started);
                started = true;
            }
            "content_block_start" => {
                assert!(started && !open && !delta);
                assert_eq!(event["index"], next);
                open = true;
            }
            "content_block_delta" => {
                assert!(open);
                assert_eq!(event["index"], next);
            }
            "content_block_stop" => {
                assert!(open);
                assert_eq!(event["index"], next);
                open = false;
                next += 1;
            }
            "message_delta" => {
                assert!(started && !open && !delta);
                assert!(event["delta"]["stop_reason"].is_string());
                delta = true;
            }
            "message_stop" => {
                assert!(delta);
                done = true;
            }
            _ => panic!("an unknown event: {name}"),
        }
    }
    assert!(done, "the stream does not end");
}

/// Chunks of one id, one finish reason, usage behind it, `[DONE]` last; or an error instead of the rest.
fn check_openai(events: &[(String, Vec<u8>)]) {
    let mut head = None;
    let mut finished = false;
    let mut done = false;
    let mut calls = 0;
    for (_, data) in events {
        assert!(!done, "an event after the end");
        if data == b"[DONE]" {
            done = true;
            continue;
        }
        let chunk: Value = serde_json::from_slice(data).expect("valid JSON");
        if chunk.get("error").is_some() {
            done = true;
            continue;
        }
        let this = (chunk["id"].clone(), chunk["model"].clone(), chunk["created"].clone());
        assert_eq!(*head.get_or_insert_with(|| this.clone()), this);
        for choice in chunk["choices"].as_array().expect("choices") {
            assert!(!finished, "a choice after the finish reason");
            finished = choice["finish_reason"].is_string();
            for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
                let index = call["index"].as_u64().expect("an index");
                assert!(index <= calls);
                calls = calls.max(index + 1);
            }
        }
    }
    assert!(done, "the stream does not end");
}
