//! A message as server-sent events (<https://docs.anthropic.com/en/api/messages-streaming>).
//!
//! Order: `message_start`; for each content block a `content_block_start`, its deltas and a `content_block_stop`, with
//! one `ping` behind the first start (where Anthropic sends it); `message_delta`; `message_stop`.

use serde_json::{Value, json};

use super::messages::{Request, call_id, message, output_usage, stop};
use super::thinking::sign;
use crate::body::{Events, Pace};
use crate::json::push;
use crate::options::Options;
use crate::pieces;
use crate::provider::Stamp;
use crate::reply::Reply;

struct Blocks {
    events: Events,
    index: usize,
}

/// Encodes the events of a reply.
pub(crate) fn encode(request: &Request, reply: &Reply, options: &Options, stamp: &Stamp) -> Events {
    let mut blocks = Blocks { events: Events::default(), index: 0 };
    // Anthropic counts the first token into the opening event; the final count comes in message_delta.
    let first = json!({"output_tokens": reply.output_tokens.min(1)});
    let opening = message(&request.prompt, Vec::new(), (None, None), first, stamp);
    blocks.event("message_start", Pace::AtOnce, &json!({"type": "message_start", "message": opening}));

    if let Some(thinking) = &reply.thinking {
        let shown = request.thinking.shown(thinking);
        blocks.start(&json!({"type": "thinking", "thinking": "", "signature": ""}));
        for piece in pieces::by_word(shown) {
            blocks.delta("thinking_delta", "thinking", piece);
        }
        blocks.delta("signature_delta", "signature", &sign(shown));
        blocks.stop();
    }
    if !reply.text.is_empty() {
        blocks.start(&json!({"type": "text", "text": ""}));
        for piece in reply.text_pieces(options) {
            blocks.delta("text_delta", "text", piece);
        }
        blocks.stop();
    }
    for (index, call) in reply.calls.iter().enumerate() {
        let id = call_id(stamp, index);
        blocks.start(&json!({"type": "tool_use", "id": id, "name": call.name, "input": {}}));
        // Anthropic opens the arguments with an empty fragment.
        blocks.delta("input_json_delta", "partial_json", "");
        for piece in call.argument_pieces(&call.arguments.to_string()) {
            blocks.delta("input_json_delta", "partial_json", piece);
        }
        blocks.stop();
    }

    let (reason, sequence) = stop(&reply.end);
    let mut usage = json!({
        "input_tokens": request.prompt.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
    });
    if let (Value::Object(usage), Value::Object(output)) = (&mut usage, output_usage(reply)) {
        usage.extend(output);
    }
    let delta = json!({"stop_reason": reason, "stop_sequence": sequence});
    let closing = json!({"type": "message_delta", "delta": delta, "usage": usage});
    blocks.event("message_delta", Pace::AtOnce, &closing);
    blocks.event("message_stop", Pace::AtOnce, &json!({"type": "message_stop"}));
    blocks.events
}

impl Blocks {
    fn event(&mut self, name: &str, pace: Pace, data: &Value) {
        self.events.add(pace, |out| {
            out.extend_from_slice(b"event: ");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\ndata: ");
            push(out, data);
            out.extend_from_slice(b"\n\n");
        });
    }

    fn start(&mut self, block: &Value) {
        let data = json!({"type": "content_block_start", "index": self.index, "content_block": block});
        self.event("content_block_start", Pace::AtOnce, &data);
        if self.index == 0 {
            self.event("ping", Pace::AtOnce, &json!({"type": "ping"}));
        }
    }

    /// A delta of one string field: nearly all of a stream, so written without building a value.
    fn delta(&mut self, kind: &str, field: &str, piece: &str) {
        let index = self.index;
        self.events.add(Pace::AfterPause, |out| {
            out.extend_from_slice(
                b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":",
            );
            push(out, &index);
            for part in [",\"delta\":{\"type\":\"", kind, "\",\"", field, "\":"] {
                out.extend_from_slice(part.as_bytes());
            }
            push(out, piece);
            out.extend_from_slice(b"}}\n\n");
        });
    }

    fn stop(&mut self) {
        let data = json!({"type": "content_block_stop", "index": self.index});
        self.event("content_block_stop", Pace::AtOnce, &data);
        self.index += 1;
    }
}
