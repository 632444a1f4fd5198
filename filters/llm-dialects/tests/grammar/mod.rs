//! Strict readers of streams, for tests and fuzz targets: what an unforgiving client would insist on.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is a failed test")]
#![allow(dead_code, reason = "not every suite reads every field")]

pub mod anthropic;
pub mod openai_responses;

use framing::sse::{Decoder, Frame, Limits};
use serde_json::Value;

/// The events of a stream, by name.
fn events(stream: &[u8]) -> Result<Vec<(String, Value)>, String> {
    let mut events = Vec::new();
    let mut decoder = Decoder::new(Limits::default());
    let sink = |frame: Frame<'_>| {
        if let Frame::Event(event) = frame {
            let name = String::from_utf8(event.event.unwrap_or_default().to_vec()).unwrap();
            events.push((name, serde_json::from_slice(event.data).unwrap()));
        }
        Ok::<(), framing::Error>(())
    };
    decoder.feed(stream, sink).map_err(|error| error.to_string())?;
    if decoder.buffered() > 0 {
        return Err("the last event is not complete".to_owned());
    }
    Ok(events)
}
