//! The features of answers: how each provider says it, and where each client finds it.

use std::fmt::Write as _;

use llm_dialects::Dialect;
use serde_json::{Value, json};

use crate::{canonical, response};

const NO: Value = Value::Null;

/// What becomes of a part of an answer.
#[derive(Clone, Copy, PartialEq)]
enum Told {
    /// It stands here.
    At(&'static str),
    /// Something close to it stands here.
    Near(&'static str, &'static str),
    Dropped,
}

struct Row {
    name: &'static str,
    /// The answer of each provider; `null` where its dialect has no word for it.
    said: [Value; 5],
    /// By client.
    told: [Told; 5],
}

/// An answer with this text part, and this laid over the place that says how it came about.
fn answer(provider: Dialect, content: &Value, beside: &Value) -> Value {
    let lay = |mut under: Value| {
        for (key, value) in beside.as_object().into_iter().flatten() {
            under[key] = value.clone();
        }
        under
    };
    match provider {
        Dialect::OpenaiChat => {
            let message = laid(json!({"role": "assistant", "content": "Hi"}), content);
            let choice = lay(json!({"index": 0, "message": message, "finish_reason": "stop"}));
            json!({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]})
        }
        Dialect::OpenaiResponses => {
            let mut whole: Value = serde_json::from_slice(&canonical::answer(provider)).unwrap();
            let part = laid(
                json!({"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}),
                content,
            );
            whole["output"] = json!([{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}]);
            lay(whole)
        }
        Dialect::AnthropicMessages => {
            let block = laid(json!({"type": "text", "text": "Hi"}), content);
            lay(
                json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [block],
                "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}}),
            )
        }
        Dialect::GeminiGenerate => {
            let part = laid(json!({"text": "Hi"}), content);
            let candidate = lay(
                json!({"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}),
            );
            json!({"candidates": [candidate], "modelVersion": "m", "responseId": "1"})
        }
        Dialect::BedrockConverse => {
            let block = if content.is_null() { json!({"text": "Hi"}) } else { content.clone() };
            lay(
                json!({"output": {"message": {"role": "assistant", "content": [block]}}, "stopReason": "end_turn",
                "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}, "metrics": {"latencyMs": 1}}),
            )
        }
    }
}

fn laid(mut under: Value, over: &Value) -> Value {
    for (key, value) in over.as_object().into_iter().flatten() {
        under[key] = value.clone();
    }
    under
}

fn each(parts: [(Value, Value); 5]) -> [Value; 5] {
    let mut providers = Dialect::ALL.into_iter();
    parts.map(|(content, beside)| {
        let provider = providers.next().unwrap();
        if content.is_null() && beside.is_null() { NO } else { answer(provider, &content, &beside) }
    })
}

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    let canonical = || Dialect::ALL.map(|provider| serde_json::from_slice(&canonical::answer(provider)).unwrap());
    let only = |mut all: [Value; 5], without: &[usize]| {
        for index in without {
            all[*index] = NO;
        }
        all
    };
    vec![
        Row {
            name: "text",
            said: canonical(),
            told: [
                Told::At("/choices/0/message/content"), Told::At("/output/1/content/0/text"), Told::At("/content/1/text"),
                Told::At("/candidates/0/content/parts/1/text"), Told::At("/output/message/content/1/text"),
            ],
        },
        Row {
            name: "parallel calls",
            said: canonical(),
            told: [
                Told::At("/choices/0/message/tool_calls/1"), Told::At("/output/3/call_id"), Told::At("/content/3/input"),
                Told::At("/candidates/0/content/parts/3/functionCall"), Told::At("/output/message/content/3/toolUse"),
            ],
        },
        Row {
            name: "thinking, for people",
            said: canonical(),
            told: [
                Told::At("/choices/0/message/reasoning_content"), Told::At("/output/0/summary/0/text"), Told::At("/content/0/thinking"),
                Told::At("/candidates/0/content/parts/0/text"), Told::At("/output/message/content/0/reasoningContent/reasoningText/text"),
            ],
        },
        Row {
            name: "signatures over thinking (not chat)",
            said: only(canonical(), &[0, 3]),
            told: [
                Told::At("/choices/0/message/thinking_blocks/0/signature"), Told::At("/output/0/encrypted_content"), Told::At("/content/0/signature"),
                Told::At("/candidates/0/content/parts/0/thoughtSignature"), Told::At("/output/message/content/0/reasoningContent/reasoningText/signature"),
            ],
        },
        Row {
            name: "signatures over calls (Gemini)",
            said: only(canonical(), &[0, 1, 2, 4]),
            told: [
                Told::Near("/choices/0/message/tool_calls/0/id", "in the id"), Told::Near("/output/2/call_id", "in the id"),
                Told::Near("/content/2/id", "in the id"), Told::Dropped, Told::Near("/output/message/content/2/toolUse/toolUseId", "in the id"),
            ],
        },
        Row {
            name: "citations",
            said: each([
                (json!({"annotations": [{"type": "url_citation", "url_citation": {"url": "https://x.example", "title": "X", "start_index": 0, "end_index": 2}}]}), NO),
                (json!({"annotations": [{"type": "url_citation", "url": "https://x.example", "title": "X", "start_index": 0, "end_index": 2}]}), NO),
                (json!({"citations": [{"type": "web_search_result_location", "url": "https://x.example", "title": "X", "cited_text": "H", "encrypted_index": ""}]}), NO),
                (json!({"text": "Hi"}), json!({"groundingMetadata": {"groundingChunks": [{"web": {"uri": "https://x.example", "title": "X"}}],
                    "groundingSupports": [{"segment": {"startIndex": 0, "endIndex": 2, "text": "Hi"}, "groundingChunkIndices": [0]}]}})),
                (json!({"citationsContent": {"content": [{"text": "Hi"}], "citations": [{"title": "X", "location": {"web": {"url": "https://x.example"}}}]}}), NO),
            ]),
            told: [
                Told::At("/choices/0/message/annotations/0"), Told::At("/output/0/content/0/annotations/0"), Told::At("/content/0/citations/0"),
                Told::At("/candidates/0/groundingMetadata/groundingChunks/0"), Told::At("/output/message/content/0/citationsContent/citations/0"),
            ],
        },
        Row {
            name: "log probabilities",
            said: each([
                (NO, json!({"logprobs": {"content": [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}], "refusal": null}})),
                (json!({"logprobs": [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}]}), NO),
                (NO, NO),
                (json!({"text": "Hi"}), json!({"logprobsResult": {"chosenCandidates": [{"token": "Hi", "logProbability": -0.5}], "topCandidates": [{"candidates": [{"token": "Hi", "logProbability": -0.5}]}]}})),
                (NO, NO),
            ]),
            told: [
                Told::At("/choices/0/logprobs/content/0"), Told::At("/output/0/content/0/logprobs/0"), Told::Dropped,
                Told::At("/candidates/0/logprobsResult/chosenCandidates/0"), Told::Dropped,
            ],
        },
        Row {
            name: "refusals",
            said: each([
                (json!({"content": null, "refusal": "No."}), NO),
                (json!({"type": "refusal", "refusal": "No."}), NO),
                (NO, NO), (NO, NO), (NO, NO),
            ]),
            told: [
                Told::At("/choices/0/message/refusal"), Told::At("/output/0/content/0/refusal"), Told::Near("/content/0/text", "as text"),
                Told::Near("/candidates/0/content/parts/0/text", "as text"), Told::Near("/output/message/content/0/text", "as text"),
            ],
        },
        Row {
            name: "which stop sequence matched",
            said: each([
                (NO, NO), (NO, NO),
                (NO, json!({"stop_reason": "stop_sequence", "stop_sequence": "END"})),
                (NO, NO),
                (NO, json!({"stopReason": "stop_sequence", "additionalModelResponseFields": {"stop_sequence": "END"}})),
            ]),
            told: [Told::Dropped, Told::Dropped, Told::At("/stop_sequence"), Told::Dropped, Told::At("/additionalModelResponseFields/stop_sequence")],
        },
        Row {
            name: "usage: cached input",
            said: canonical(),
            told: [
                Told::At("/usage/prompt_tokens_details/cached_tokens"), Told::At("/usage/input_tokens_details/cached_tokens"),
                Told::At("/usage/cache_read_input_tokens"), Told::At("/usageMetadata/cachedContentTokenCount"), Told::At("/usage/cacheReadInputTokens"),
            ],
        },
        Row {
            name: "usage: reasoning",
            said: only(canonical(), &[4]),
            told: [
                Told::At("/usage/completion_tokens_details/reasoning_tokens"), Told::At("/usage/output_tokens_details/reasoning_tokens"),
                Told::At("/usage/output_tokens_details/thinking_tokens"), Told::At("/usageMetadata/thoughtsTokenCount"), Told::Dropped,
            ],
        },
    ]
}

/// Cuts the parts that an answer of another provider may have before: its redacted thinking.
fn without_redacted(mut answer: Value) -> Value {
    if let Some(content) = answer["content"].as_array_mut() {
        content.retain(|block| block["type"] != "redacted_thinking");
    }
    answer
}

/// The words a dropped part would be found by.
fn marker(name: &str) -> &'static [&'static str] {
    match name {
        "log probabilities" => &["-0.5"],
        "which stop sequence matched" => &["END"],
        "usage: reasoning" => &[":15,", ":15}"],
        _ => &[],
    }
}

fn check(row: &Row, provider: Dialect, client: Dialect, place: (usize, usize)) -> Option<String> {
    let said = without_redacted(row.said[place.0].clone());
    let told = response(provider, client, said.to_string().as_bytes()).unwrap();
    let told: Value = serde_json::from_slice(&told).unwrap();
    let wrong = match row.told[place.1] {
        Told::At(at) | Told::Near(at, _) => {
            told.pointer(at).is_none_or(|there| there.is_null() || there == 0)
        }
        Told::Dropped => marker(row.name).iter().any(|word| told.to_string().contains(word)),
    };
    wrong.then(|| format!("{}: {provider} to {client}: {told}", row.name))
}

#[test]
fn t01_every_part_of_an_answer_is_told_as_claimed() {
    let mut wrong = Vec::new();
    for row in rows() {
        for (p, provider) in Dialect::ALL.into_iter().enumerate().filter(|(p, _)| !row.said[*p].is_null()) {
            for (c, client) in Dialect::ALL.into_iter().enumerate().filter(|(_, client)| *client != provider)
            {
                wrong.extend(check(&row, provider, client, (p, c)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The table of answers.
pub(crate) fn write(out: &mut String) {
    out.push_str("\n### Answers\n\n| | said by | chat client | responses client | messages client | Gemini client | Converse client |\n|---|---|---|---|---|---|---|\n");
    let short = ["chat", "responses", "messages", "Gemini", "Converse"];
    for row in rows() {
        let by: Vec<&str> =
            row.said.iter().zip(short).filter(|(said, _)| !said.is_null()).map(|(_, name)| name).collect();
        let by_all = if by.len() == 5 { "all".to_owned() } else { by.join(", ") };
        let cells: Vec<String> = row
            .told
            .iter()
            .zip(short)
            .map(|(told, name)| match told {
                _ if by == [name] => "=".to_owned(),
                Told::At(at) => format!("✓ `{}`", last(at)),
                Told::Near(at, how) => format!("≈ {how} `{}`", last(at)),
                Told::Dropped => "–".to_owned(),
            })
            .collect();
        writeln!(out, "| {} | {by_all} | {} |", row.name, cells.join(" | ")).unwrap();
    }
}

/// The field that says it, which is enough to find it.
fn last(at: &str) -> &str {
    at.rsplit('/').find(|name| name.parse::<u32>().is_err()).unwrap_or(at)
}
