//! Gemini `generateContent` and `streamGenerateContent` (<https://ai.google.dev/api/generate-content>).

use serde_json::{Value, json};

use super::conversation::{Conversation, answer_text, pieces};
use super::{Events, OUTPUT_TOKENS, PROMPT_TOKENS, STREAM_CHUNKS, sse_data};

pub(super) fn request(conversation: &Conversation) -> Value {
    let turns: Vec<Value> = conversation
        .turns
        .iter()
        .map(|turn| json!({"role": if turn.by_user { "user" } else { "model" }, "parts": [{"text": turn.text}]}))
        .collect();
    json!({"systemInstruction": {"parts": [{"text": conversation.system}]}, "contents": turns,
        "generationConfig": {"temperature": 0.2, "maxOutputTokens": 400}})
}

fn chunk(text: &str, finish: Option<&str>, output: usize) -> Value {
    let mut candidate = json!({"content": {"parts": [{"text": text}], "role": "model"}, "index": 0});
    if let (Some(candidate), Some(finish)) = (candidate.as_object_mut(), finish) {
        candidate.insert("finishReason".to_owned(), finish.into());
    }
    json!({
        "candidates": [candidate],
        "usageMetadata": {"promptTokenCount": PROMPT_TOKENS, "candidatesTokenCount": output,
            "totalTokenCount": PROMPT_TOKENS + output,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": PROMPT_TOKENS}]},
        "modelVersion": "gemini-2.5-flash", "responseId": "BenchBenchBenchBenchBen"})
}

pub(super) fn unary() -> Value {
    chunk(&answer_text(), Some("STOP"), OUTPUT_TOKENS)
}

pub(super) fn events() -> Events {
    let per_chunk = OUTPUT_TOKENS / STREAM_CHUNKS;
    let words = pieces().zip(1..).map(|(piece, n)| sse_data(&chunk(&piece, None, n * per_chunk)));
    // Gemini has nothing to say before the first word, and says the end with the last, here an empty one.
    Events {
        before: vec![],
        words: words.collect(),
        after: vec![sse_data(&chunk("", Some("STOP"), OUTPUT_TOKENS))],
    }
}
