//! OpenAI responses
//! (<https://platform.openai.com/docs/api-reference/responses>).

use serde_json::{Value, json};

use super::conversation::{Conversation, answer_text, pieces};
use super::{Events, OUTPUT_TOKENS, PROMPT_TOKENS, Shape, sse_event};

const ITEM: &str = "msg_BenchBenchBenchBenchBenchBenchBenchBenchBenchBe";

pub(super) fn request(conversation: &Conversation, model: &str, shape: Shape) -> Value {
    let turns: Vec<Value> =
        conversation.turns.iter().map(|turn| json!({"role": turn.role(), "content": turn.text})).collect();
    let mut body = json!({"model": model, "instructions": conversation.system, "input": turns,
        "temperature": 0.2, "max_output_tokens": 400, "store": false});
    if let Some(body) = body.as_object_mut().filter(|_| shape == Shape::Stream) {
        body.insert("stream".to_owned(), true.into());
    }
    body
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "annotations": [], "logprobs": [], "text": text})
}

fn item(status: &str, content: &[Value]) -> Value {
    json!({"id": ITEM, "type": "message", "status": status, "content": content, "role": "assistant"})
}

fn response(status: &str, output: &[Value], usage: Value) -> Value {
    json!({
        "id": "resp_BenchBenchBenchBenchBenchBenchBenchBenchBenchBe", "object": "response",
        "created_at": 1_760_000_000, "status": status, "background": false, "error": null,
        "incomplete_details": null, "instructions": null, "max_output_tokens": 400,
        "model": "gpt-4.1-mini-2025-04-14", "output": output, "parallel_tool_calls": true,
        "previous_response_id": null, "reasoning": {"effort": null, "summary": null}, "service_tier": "default",
        "store": false, "temperature": 0.2, "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto", "tools": [], "top_p": 1.0, "truncation": "disabled", "usage": usage,
        "user": null, "metadata": {}})
}

fn usage() -> Value {
    json!({"input_tokens": PROMPT_TOKENS, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": OUTPUT_TOKENS, "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": PROMPT_TOKENS + OUTPUT_TOKENS})
}

pub(super) fn unary() -> Value {
    response("completed", &[item("completed", &[part(&answer_text())])], usage())
}

pub(super) fn events() -> Events {
    let mut number = 0;
    let mut event = |kind: &str, fields: Value| {
        let mut data = json!({"type": kind, "sequence_number": number});
        if let (Some(data), Value::Object(fields)) = (data.as_object_mut(), fields) {
            data.extend(fields);
        }
        number += 1;
        sse_event(kind, &data)
    };
    let place = json!({"item_id": ITEM, "output_index": 0, "content_index": 0});
    let at_place = |field: &str, value: Value| {
        let mut fields = place.clone();
        if let Some(fields) = fields.as_object_mut() {
            fields.insert(field.to_owned(), value);
        }
        fields
    };
    let open = response("in_progress", &[], Value::Null);
    let whole = answer_text();
    let before = vec![
        event("response.created", json!({"response": open})),
        event("response.in_progress", json!({"response": open})),
        event("response.output_item.added", json!({"output_index": 0, "item": item("in_progress", &[])})),
        event("response.content_part.added", at_place("part", part(""))),
    ];
    let words = pieces()
        .map(|piece| {
            let mut fields = at_place("delta", piece.into());
            if let Some(fields) = fields.as_object_mut() {
                fields.insert("logprobs".to_owned(), json!([]));
                fields.insert("obfuscation".to_owned(), "Nq3kXz".into());
            }
            event("response.output_text.delta", fields)
        })
        .collect();
    let mut done = at_place("text", whole.as_str().into());
    if let Some(done) = done.as_object_mut() {
        done.insert("logprobs".to_owned(), json!([]));
    }
    let after = vec![
        event("response.output_text.done", done),
        event("response.content_part.done", at_place("part", part(&whole))),
        event(
            "response.output_item.done",
            json!({"output_index": 0, "item": item("completed", &[part(&whole)])}),
        ),
        event("response.completed", json!({"response": unary()})),
    ];
    Events { before, words, after }
}
