//! Streams, from a provider's bytes to a client's.

use framing::{aws_event_stream, sse};
use llm_dialects::Dialect;
use llm_dialects::dialect::{Framing, StreamDecoder};
use llm_dialects::hub::StreamEvent;
use llm_dialects::inspect::StreamWatch;
use serde_json::Value;

use super::{NOW, grammar};

/// A stream of `from`: what comes out does not depend on how it arrives, and keeps to the client's grammar. Streams of
/// Bedrock are given as text, so that corpus files are readable: lines of a message's name, a space and its payload.
pub fn stream(from: Dialect, input: &[u8]) {
    let recorded = match from.framing() {
        Framing::Sse => input.to_vec(),
        Framing::AwsEventStream => framed(input),
    };
    for to in Dialect::ALL {
        let whole = translate(from, to, [&recorded[..]]);
        check(to, &whole);
        for size in [1, 7, 64] {
            assert_eq!(translate(from, to, recorded.chunks(size)), whole, "chunks of {size}");
        }
    }
}

/// The messages that lines of text stand for.
fn framed(lines: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let Some(space) = line.iter().position(|byte| *byte == b' ') else { continue };
        let Ok(name) = std::str::from_utf8(&line[..space]) else { continue };
        let exception = name.ends_with("Exception");
        let headers = [
            (if exception { ":exception-type" } else { ":event-type" }, aws_event_stream::Value::Str(name)),
            (":message-type", aws_event_stream::Value::Str(if exception { "exception" } else { "event" })),
        ];
        // A name too long for a header is not a message.
        let _ = aws_event_stream::encode(&mut bytes, &headers, &line[space + 1..]);
    }
    bytes
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
    let mut watch = StreamWatch::new(from);
    let mut over = false;
    let mut sink = |event: StreamEvent<'_>| {
        if !over {
            over = matches!(event, StreamEvent::End | StreamEvent::Error(_));
            encoder.event(&event, &mut out);
        }
    };
    let result = match from.framing() {
        Framing::Sse => read_sse(chunks, &mut decoder, &mut watch, &mut sink),
        Framing::AwsEventStream => read_messages(chunks, &mut decoder, &mut watch, &mut sink),
    };
    match result.and_then(|()| decoder.finish(&mut sink).map_err(Failure::Dialect)) {
        Ok(()) => {}
        Err(Failure::Framing) => {
            sink(StreamEvent::Error(llm_dialects::Error::upstream("framing").to_api_error()))
        }
        Err(Failure::Dialect(error)) => sink(StreamEvent::Error(error.to_api_error())),
    }
    out
}

fn read_sse<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
    decoder: &mut StreamDecoder,
    watch: &mut StreamWatch,
    sink: &mut dyn FnMut(StreamEvent<'_>),
) -> Result<(), Failure> {
    let mut frames = sse::Decoder::new(sse::Limits::default());
    let mut read = |frame: sse::Frame<'_>| match frame {
        sse::Frame::Event(event) => {
            watch.event(event.event, event.data);
            decoder.event(event.event, event.data, sink).map_err(Failure::Dialect)
        }
        sse::Frame::Comment(_) => Ok(()),
    };
    chunks.into_iter().try_for_each(|chunk| frames.feed(chunk, &mut read))?;
    frames.finish(&mut read).map(drop)
}

fn read_messages<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
    decoder: &mut StreamDecoder,
    watch: &mut StreamWatch,
    sink: &mut dyn FnMut(StreamEvent<'_>),
) -> Result<(), Failure> {
    let mut frames = aws_event_stream::Decoder::new(aws_event_stream::Limits::default());
    for chunk in chunks {
        frames.feed(chunk, |message| {
            let name = message.name().map(str::as_bytes);
            watch.event(name, message.payload);
            decoder.event(name, message.payload, sink).map_err(Failure::Dialect)
        })?;
    }
    Ok(frames.finish()?)
}

/// The data of a stream's events; the stream ends with a whole one.
fn sse_data(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut events = Vec::new();
    let mut decoder = sse::Decoder::new(sse::Limits { event_bytes: usize::MAX });
    let read = |frame: sse::Frame<'_>| {
        if let sse::Frame::Event(event) = frame {
            events.push(event.data.to_vec());
        }
        Ok::<(), framing::Error>(())
    };
    decoder.feed(stream, read).expect("well-formed events");
    assert_eq!(decoder.buffered(), 0, "an unfinished event");
    events
}

/// Reads a stream as a client would.
pub fn check(dialect: Dialect, stream: &[u8]) {
    match dialect {
        Dialect::AnthropicMessages => drop(grammar::anthropic::read(stream).expect("a stream of the dialect")),
        Dialect::OpenaiResponses => drop(grammar::openai_responses::read(stream).expect("a stream of the dialect")),
        Dialect::OpenaiChat => check_openai(&sse_data(stream)),
        Dialect::GeminiGenerate => check_gemini(&sse_data(stream)),
        Dialect::BedrockConverse => check_bedrock(stream),
    }
}

/// Chunks of one id, one finish reason, usage behind it, `[DONE]` last; or an error instead of the rest.
fn check_openai(events: &[Vec<u8>]) {
    let mut head = None;
    let mut finished = false;
    let mut done = false;
    let mut calls = 0;
    for data in events {
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

/// Chunks of one id, of which the last has the finish reason and usage; or an error instead of the rest.
fn check_gemini(events: &[Vec<u8>]) {
    let mut head = None;
    let mut done = false;
    for data in events {
        assert!(!done, "an event after the end");
        let chunk: Value = serde_json::from_slice(data).expect("valid JSON");
        if chunk.get("error").is_some() {
            assert!(chunk["error"]["code"].is_u64() && chunk["error"]["status"].is_string());
            done = true;
            continue;
        }
        let this = (chunk["responseId"].clone(), chunk["modelVersion"].clone(), chunk["createTime"].clone());
        assert_eq!(*head.get_or_insert_with(|| this.clone()), this);
        let candidates = chunk["candidates"].as_array().expect("candidates");
        assert_eq!(candidates.len(), 1);
        for part in candidates[0]["content"]["parts"].as_array().expect("parts") {
            assert!(
                part["text"].is_string()
                    || part["functionCall"]["args"].is_object()
                    || part["inlineData"].is_object()
            );
        }
        done = candidates[0]["finishReason"].is_string();
    }
    assert!(done, "the stream does not end");
}

/// `messageStart`, blocks one at a time with indices from 0, `messageStop`, `metadata`; or an exception instead of the
/// rest.
fn check_bedrock(stream: &[u8]) {
    let (mut started, mut stopped, mut done) = (false, false, false);
    let (mut open, mut next) = (false, 0);
    let mut frames = aws_event_stream::Decoder::new(aws_event_stream::Limits { message_bytes: usize::MAX });
    frames
        .feed(stream, |message| {
            assert!(!done, "a message after the end");
            let payload: Value = serde_json::from_slice(message.payload).expect("valid JSON");
            if message.message_type() == Some("exception") {
                done = true;
                return Ok::<(), framing::Error>(());
            }
            match message.name().expect("a name") {
                "messageStart" => {
                    assert!(!started);
                    started = true;
                }
                "contentBlockStart" => {
                    assert!(started && !open && !stopped && payload["contentBlockIndex"] == next);
                    open = true;
                }
                "contentBlockDelta" => {
                    assert!(started && !stopped && payload["contentBlockIndex"] == next);
                    open = true;
                }
                "contentBlockStop" => {
                    assert!(open && payload["contentBlockIndex"] == next);
                    open = false;
                    next += 1;
                }
                "messageStop" => {
                    assert!(started && !open && !stopped && payload["stopReason"].is_string());
                    stopped = true;
                }
                "metadata" => {
                    assert!(stopped);
                    done = true;
                }
                name => panic!("an unknown message: {name}"),
            }
            Ok(())
        })
        .expect("well-formed messages");
    frames.finish().expect("whole messages");
    assert!(done, "the stream does not end");
}
