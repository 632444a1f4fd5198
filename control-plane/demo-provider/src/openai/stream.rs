//! A chat completion as server-sent events
//! (<https://platform.openai.com/docs/api-reference/chat-streaming>).
//!
//! Order: a chunk with the role only; content or tool call fragments; a chunk with the finish reason; the usage chunk
//! if it was asked for (its `choices` are empty, and every other chunk then has `"usage": null`); `[DONE]`.

use serde_json::{Value, json};

use super::chat::{StreamUsage, call_id, finish_reason, usage};
use crate::body::{Events, Pace};
use crate::json::push;
use crate::options::Options;
use crate::provider::Stamp;
use crate::reply::{Prompt, Reply};

/// OpenAI's name for the backend configuration.
pub(crate) const FINGERPRINT: &str = "fp_weir_demo";

/// What every chunk of a stream has in common, encoded once.
struct Chunks {
    events: Events,
    /// Up to `"choices":`.
    head: Vec<u8>,
    /// From behind the choices to the end of the event.
    tail: &'static [u8],
}

/// Encodes the events of a reply.
pub(crate) fn encode(
    prompt: &Prompt,
    reply: &Reply,
    usage_option: StreamUsage,
    options: &Options,
    stamp: &Stamp,
) -> Events {
    let mut chunks = Chunks::new(prompt, usage_option, stamp);
    if reply.calls.is_empty() {
        chunks.delta(Pace::AtOnce, &json!({"role": "assistant", "content": "", "refusal": null}));
        for piece in reply.text_pieces(options) {
            chunks.content(piece);
        }
    } else {
        chunks.delta(Pace::AtOnce, &json!({"role": "assistant", "content": null, "refusal": null}));
    }
    for (index, call) in reply.calls.iter().enumerate() {
        let function = json!({"name": call.name, "arguments": ""});
        let opening =
            json!({"index": index, "id": call_id(stamp, index), "type": "function", "function": function});
        chunks.delta(Pace::AfterPause, &json!({"tool_calls": [opening]}));
        for piece in call.argument_pieces(&call.arguments.to_string()) {
            let fragment = json!({"index": index, "function": {"arguments": piece}});
            chunks.delta(Pace::AfterPause, &json!({"tool_calls": [fragment]}));
        }
    }
    chunks.choice(Pace::AtOnce, &json!({}), Some(finish_reason(&reply.end)));
    if usage_option == StreamUsage::Included {
        chunks.usage(&usage(prompt, reply));
    }
    chunks.events.add(Pace::AtOnce, |out| out.extend_from_slice(b"data: [DONE]\n\n"));
    chunks.events
}

impl Chunks {
    fn new(prompt: &Prompt, usage_option: StreamUsage, stamp: &Stamp) -> Self {
        let mut head = b"data: ".to_vec();
        let common = json!({
            "id": format!("chatcmpl-{}", stamp.id),
            "object": "chat.completion.chunk",
            "created": stamp.unix_seconds,
            "model": prompt.model,
            "service_tier": "default",
            "system_fingerprint": FINGERPRINT,
        });
        push(&mut head, &common);
        // The object goes on with the choices of each chunk.
        head.pop();
        head.extend_from_slice(b",\"choices\":");
        let tail: &[u8] = match usage_option {
            StreamUsage::Included => b",\"usage\":null}\n\n",
            StreamUsage::Left => b"}\n\n",
        };
        Self { events: Events::default(), head, tail }
    }

    /// A piece of text: the chunk that makes up nearly all of a stream, so written without building a value.
    fn content(&mut self, piece: &str) {
        let (head, tail) = (&self.head, self.tail);
        self.events.add(Pace::AfterPause, |out| {
            out.extend_from_slice(head);
            out.extend_from_slice(b"[{\"index\":0,\"delta\":{\"content\":");
            push(out, piece);
            out.extend_from_slice(b"},\"logprobs\":null,\"finish_reason\":null}]");
            out.extend_from_slice(tail);
        });
    }

    fn delta(&mut self, pace: Pace, delta: &Value) {
        self.choice(pace, delta, None);
    }

    fn choice(&mut self, pace: Pace, delta: &Value, finish_reason: Option<&str>) {
        let (head, tail) = (&self.head, self.tail);
        self.events.add(pace, |out| {
            out.extend_from_slice(head);
            push(
                out,
                &json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason}]),
            );
            out.extend_from_slice(tail);
        });
    }

    fn usage(&mut self, usage: &Value) {
        let head = &self.head;
        self.events.add(Pace::AtOnce, |out| {
            out.extend_from_slice(head);
            out.extend_from_slice(b"[],\"usage\":");
            push(out, usage);
            out.extend_from_slice(b"}\n\n");
        });
    }
}
