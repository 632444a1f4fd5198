//! Answers that say too little.

use llm_dialects::Dialect::{
    self, AnthropicMessages, BedrockConverse, GeminiGenerate, OpenaiChat, OpenaiResponses,
};
use serde_json::{Value, json};

use crate::pipe::stream;
use crate::{pairs, readers, response};

fn told(from: Dialect, to: Dialect, answer: &Value) -> Value {
    let told = response(from, to, answer.to_string().as_bytes()).unwrap();
    let told = serde_json::from_slice(&told).unwrap();
    readers::response(to, &told).unwrap_or_else(|breach| panic!("{from} to {to}: {breach}"));
    told
}

fn anthropic(content: &Value, stop_reason: &str) -> Value {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": content,
        "stop_reason": stop_reason, "usage": {"input_tokens": 1, "output_tokens": 1},
    })
}

/// `OTHER` without a word is how Gemini tells that its model failed, which a pause is not.
#[test]
fn a_pause_before_the_first_word_is_an_answer_everywhere() {
    let paused = anthropic(&json!([]), "pause_turn");
    for (to, _) in pairs().filter(|(_, from)| *from == AnthropicMessages) {
        let told = told(AnthropicMessages, to, &paused).to_string();
        to.decode_response(told.as_bytes()).unwrap();
    }
    let told = told(AnthropicMessages, GeminiGenerate, &paused);
    assert_eq!(told["candidates"][0]["finishReason"], "STOP");
}

/// Anthropic refuses empty texts, and its clients send back what they got.
#[test]
fn t07_empty_texts_of_an_answer_are_left_out() {
    let cited = json!({"content": [{"text": ""}], "citations": [{"title": "a", "location": {"web": {"url": "https://a.example"}}}]});
    let content = json!([{"text": ""}, {"citationsContent": cited}, {"text": "Hi"}]);
    let bedrock = json!({
        "output": {"message": {"role": "assistant", "content": content}}, "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
    });
    let sent = told(BedrockConverse, AnthropicMessages, &bedrock);
    assert_eq!(sent["content"], json!([{"type": "text", "text": "Hi"}]));

    let source = json!({"type": "web_search_result_location", "url": "https://a.example", "cited_text": "a"});
    let content = json!([
        {"type": "text", "text": "", "citations": [source]}, {"type": "text", "text": "Hi"},
    ]);
    let sent = told(AnthropicMessages, BedrockConverse, &anthropic(&content, "end_turn"));
    assert_eq!(sent["output"]["message"]["content"], json!([{"text": "Hi"}]));
}

/// A stream that is whole but never says why it ended: OpenAI's clients wait for the reason.
#[test]
fn t15_a_whole_stream_without_a_stop_reason_ends_a_turn() {
    let start = json!({"type": "message_start", "message": anthropic(&json!([]), "")});
    let text =
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Hi"}});
    let stop = json!({"type": "content_block_stop", "index": 0});
    let body: String = [start, text, stop, json!({"type": "message_stop"})]
        .iter()
        .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()))
        .collect();
    let reason = |to| readers::stream(to, &stream(AnthropicMessages, to, [body.as_bytes()])).unwrap().stop;
    assert_eq!(reason(OpenaiChat), "stop");
    assert_eq!(reason(OpenaiResponses), "completed");
    assert_eq!(reason(AnthropicMessages), "end_turn");
    assert_eq!(reason(GeminiGenerate), "STOP");
    assert_eq!(reason(BedrockConverse), "end_turn");
}
