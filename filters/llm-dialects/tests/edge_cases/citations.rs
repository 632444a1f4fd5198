//! Citations and log probabilities keep their places.

use llm_dialects::hub::{Block, Citation, Delta, Part, Response, StopReason, StreamEvent, TokenLogprob};
use llm_dialects::{anthropic, openai_chat};
use serde_json::{Value, json};

use crate::{NOW, decode_chunks};

fn answer_with_sources() -> Response<'static> {
    let cited = |url: &'static str, range| {
        Part::Citation(Citation {
            url: Some(url.into()),
            title: Some("T".into()),
            cited_text: Some("words".into()),
            range,
            document: None,
        })
    };
    Response {
        id: "1".into(),
        model: "m".into(),
        created: Some(NOW),
        content: vec![
            Part::Text("Grüße. ".into()),
            Part::Text("It rains.".into()),
            cited("https://a.example", None),
            cited("https://b.example", Some((3, 8))),
            Part::Citation(Citation { document: Some(0), ..Citation::default() }),
        ],
        stop: StopReason::EndTurn,
        stop_sequence: None,
        usage: None,
        service_tier: None,
        logprobs: vec![TokenLogprob { token: "Grüße".into(), logprob: -0.5, bytes: None, top: Vec::new() }],
    }
}

#[test]
fn citations_reach_openai_clients_with_their_spans() {
    let expected = json!([
        {"type": "url_citation", "url_citation": {"start_index": 7, "end_index": 16, "title": "T", "url": "https://a.example", "content": "words"}},
        {"type": "url_citation", "url_citation": {"start_index": 10, "end_index": 15, "title": "T", "url": "https://b.example", "content": "words"}},
    ]);
    let told: Value =
        serde_json::from_slice(&openai_chat::encode_response(&answer_with_sources(), NOW)).unwrap();
    assert_eq!(told["choices"][0]["message"]["annotations"], expected);
    assert_eq!(told["choices"][0]["logprobs"]["content"][0]["token"], "Grüße");

    let mut encoder = openai_chat::StreamEncoder::new(NOW, false);
    let mut bytes = Vec::new();
    answer_with_sources().replay(&mut |event| encoder.event(&event, &mut bytes));
    let bytes = String::from_utf8(bytes).unwrap();
    let chunks: Vec<Value> = bytes
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter_map(|data| serde_json::from_str(data).ok())
        .collect();
    let annotations: Vec<Value> = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["annotations"].as_array())
        .flatten()
        .cloned()
        .collect();
    assert_eq!(json!(annotations), expected);
    let tokens = chunks.iter().filter(|chunk| chunk["choices"][0]["logprobs"].is_object()).count();
    assert_eq!(tokens, 1);
    // What was told can be read again.
    let mut citations = Vec::new();
    decode_chunks(&chunks, &mut |event| {
        if let StreamEvent::Delta { delta: Delta::Citation(citation), .. } = event {
            citations.push(citation.owned());
        }
    })
    .unwrap();
    // The two texts are one now, and so are their spans.
    let spans: Vec<_> = citations.iter().map(|citation| citation.range).collect();
    assert_eq!(spans, [Some((7, 16)), Some((10, 15))]);
}

#[test]
fn citations_reach_anthropic_clients_with_their_text() {
    let told: Value = serde_json::from_slice(&anthropic::encode_response(&answer_with_sources())).unwrap();
    let source = |url: &str| json!({"type": "web_search_result_location", "cited_text": "words", "url": url, "title": "T", "encrypted_index": ""});
    assert_eq!(
        told["content"],
        json!([
            {"type": "text", "text": "Grüße. "},
            {"type": "text", "text": "It rains.", "citations": [source("https://a.example"), source("https://b.example")]},
        ])
    );
    let mut encoder = anthropic::StreamEncoder::default();
    let mut bytes = Vec::new();
    answer_with_sources().replay(&mut |event| encoder.event(&event, &mut bytes));
    let bytes = String::from_utf8(bytes).unwrap();
    let told: Vec<(u64, Value)> = bytes
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str::<Value>(data).unwrap())
        .filter(|event| event["delta"]["type"] == "citations_delta")
        .map(|event| (event["index"].as_u64().unwrap(), event["delta"]["citation"].clone()))
        .collect();
    assert_eq!(told, [(1, source("https://a.example")), (1, source("https://b.example"))]);
}

/// A citation that comes before its text, or while another block is open, waits for it.
#[test]
fn early_citations_wait_for_their_text() {
    let citation =
        || Delta::Citation(Citation { url: Some("https://a.example".into()), ..Citation::default() });
    let delta = |index, delta| StreamEvent::Delta { index, delta };
    let start = |index, block| StreamEvent::BlockStart { index, block };
    let call = Block::ToolCall { id: "c".into(), name: "f".into(), signature: None };
    let events = [
        StreamEvent::Start { id: "1".into(), model: "m".into(), created: None },
        start(0, call),
        start(1, Block::Text),
        delta(1, citation()),
        delta(1, Delta::Text("Hi".into())),
        StreamEvent::BlockStop { index: 0 },
        StreamEvent::BlockStop { index: 1 },
        start(2, Block::Text),
        delta(2, citation()),
        StreamEvent::BlockStop { index: 2 },
        StreamEvent::End,
    ];
    let mut encoder = anthropic::StreamEncoder::default();
    let mut bytes = Vec::new();
    for event in &events {
        encoder.event(event, &mut bytes);
    }
    let bytes = String::from_utf8(bytes).unwrap();
    let kinds: Vec<String> = bytes
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str::<Value>(data).unwrap())
        .filter(|event| event["index"] == 1)
        .map(|event| event["delta"]["type"].as_str().unwrap_or(event["type"].as_str().unwrap()).to_owned())
        .collect();
    assert_eq!(kinds, ["content_block_start", "text_delta", "citations_delta", "content_block_stop"]);
    assert_eq!(bytes.matches("citations_delta").count(), 1, "the empty block is not sent: {bytes}");
}
