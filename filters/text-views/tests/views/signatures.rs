//! Signatures over reasoning that was changed, in answers and streams of every dialect.

use filter_config::{Endpoint, Scope};
use llm_dialects::{Dialect, signature};
use serde_json::Value;
use text_views::{ChangedReasoning, EventReader, Views};

use crate::recordings::{self, Events};

const NEW: &str = "<new>";

/// Where Claude's signature stands; it is `s`, and `weir:ss` in base64 for clients of Gemini.
const CLAUDE: [(Endpoint, &str, &str); 5] = [
    (
        Endpoint::AnthropicMessages,
        r#"{"content":[{"type":"thinking","thinking":"a","signature":"s"},{"type":"thinking","thinking":"b","signature":"s"},{"type":"text","text":"c"}]}"#,
        r#""weir-changed:s""#,
    ),
    (
        Endpoint::BedrockConverse,
        r#"{"output":{"message":{"content":[{"reasoningContent":{"reasoningText":{"signature":"s","text":"a"}}},{"reasoningContent":{"reasoningText":{"text":"b","signature":"s"}}},{"text":"c"}]}}}"#,
        r#""weir-changed:s""#,
    ),
    (
        Endpoint::OpenaiChat,
        r#"{"choices":[{"message":{"thinking_blocks":[{"type":"thinking","thinking":"a","signature":"s"},{"type":"thinking","thinking":"b","signature":"s"}],"content":"c"}}]}"#,
        r#""weir-changed:s""#,
    ),
    (
        Endpoint::OpenaiResponses,
        r#"{"output":[{"type":"reasoning","summary":[{"type":"summary_text","text":"a"}],"encrypted_content":"thinking_weir-sig_s"},{"type":"reasoning","summary":[{"type":"summary_text","text":"b"}],"encrypted_content":"thinking_weir-sig_s"},{"type":"message","content":[{"type":"output_text","text":"c"}]}]}"#,
        r#""weir-changed:s""#,
    ),
    (
        Endpoint::GeminiGenerateContent,
        r#"{"candidates":[{"content":{"parts":[{"text":"a","thought":true},{"text":"","thought":true,"thoughtSignature":"d2Vpcjpzcw=="},{"text":"b","thought":true,"thoughtSignature":"d2Vpcjpzcw=="},{"text":"c"}]}}]}"#,
        // Base64 of `weir:sweir-changed:s`.
        r#""d2Vpcjpzd2Vpci1jaGFuZ2VkOnM=""#,
    ),
];

fn signature_of(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::OpenaiResponses => r#""thinking_weir-sig_s""#,
        Endpoint::GeminiGenerateContent => r#""d2Vpcjpzcw==""#,
        _ => r#""s""#,
    }
}

/// The answer with the text `old` replaced.
fn replaced(endpoint: Endpoint, answer: &str, old: &str) -> String {
    let mut views = Views::of_answer(endpoint, answer.as_bytes()).unwrap();
    let index = views.slots().iter().position(|slot| slot.text == old).unwrap();
    views.replace(index, NEW).unwrap();
    String::from_utf8(views.into_bytes()).unwrap()
}

#[test]
fn the_signature_over_a_replaced_text_is_marked_and_no_other() {
    for (endpoint, answer, marked) in CLAUDE {
        let signature = signature_of(endpoint);
        let [before, between, behind] = answer.split(signature).collect::<Vec<_>>()[..] else { panic!() };
        let expected = |old: &str, first: &str, second: &str| {
            let new = format!("\"{NEW}\"");
            [before, first, between, second, behind].concat().replace(&format!("\"{old}\""), &new)
        };
        assert_eq!(replaced(endpoint, answer, "a"), expected("a", marked, signature), "{endpoint:?}");
        assert_eq!(replaced(endpoint, answer, "b"), expected("b", signature, marked), "{endpoint:?}");
        assert_eq!(replaced(endpoint, answer, "c"), expected("c", signature, signature), "{endpoint:?}");
    }
}

#[test]
fn a_signature_stays_when_the_text_comes_back_or_only_echoes_go() {
    for (endpoint, answer, _) in CLAUDE {
        let mut views = Views::of_answer(endpoint, answer.as_bytes()).unwrap();
        views.replace(0, NEW).unwrap();
        views.replace(0, "a").unwrap();
        views.drop_echoes();
        views.mark_signatures(&mut ChangedReasoning::default());
        assert!(!views.changed());
        assert_eq!(views.into_bytes(), answer.as_bytes());
    }
}

#[test]
fn what_vouches_for_no_text_stays() {
    for (endpoint, answer) in [
        (
            Endpoint::OpenaiResponses,
            r#"{"output":[{"type":"reasoning","summary":[{"type":"summary_text","text":"a"}],"encrypted_content":"gAAAA"}]}"#,
        ),
        (
            Endpoint::GeminiGenerateContent,
            r#"{"candidates":[{"content":{"parts":[{"text":"a","thought":true,"thoughtSignature":"Q2l+"}]}}]}"#,
        ),
        (
            Endpoint::AnthropicMessages,
            r#"{"content":[{"type":"thinking","thinking":"a","signature":"weir-openai:rs_1.gAAAA"}]}"#,
        ),
        (Endpoint::AnthropicMessages, r#"{"content":[{"type":"thinking","thinking":"a","signature":""}]}"#),
    ] {
        assert_eq!(replaced(endpoint, answer, "a"), answer.replace("\"a\"", &format!("\"{NEW}\"")));
    }
}

/// Events of one passage after another: two signed, the text of the first changed.
#[test]
fn a_later_event_brings_the_signature() {
    let anthropic = |index: u32, delta: &str| {
        format!(r#"{{"type":"content_block_delta","index":{index},"delta":{{{delta}}}}}"#)
    };
    let bedrock = |index: u32, reasoning: &str| {
        format!(r#"{{"contentBlockIndex":{index},"delta":{{"reasoningContent":{{{reasoning}}}}}}}"#)
    };
    let chat = |list: &str| format!(r#"{{"choices":[{{"index":0,"delta":{{{list}}}}}]}}"#);
    let gemini = |part: &str| format!(r#"{{"candidates":[{{"content":{{"parts":[{{{part}}}]}}}}]}}"#);
    let summary = |index: u32, text: &str| {
        format!(
            r#"{{"type":"response.reasoning_summary_text.delta","output_index":{index},"summary_index":0,"delta":"{text}"}}"#
        )
    };
    let done = |index: u32, text: &str| {
        format!(
            r#"{{"type":"response.output_item.done","output_index":{index},"item":{{"type":"reasoning","summary":[{{"type":"summary_text","text":"{text}"}}],"encrypted_content":"thinking_weir-sig_s"}}}}"#
        )
    };
    let streams = [
        (
            Endpoint::AnthropicMessages,
            [
                anthropic(0, r#""type":"thinking_delta","thinking":"a""#),
                anthropic(0, r#""type":"thinking_delta","thinking":"b""#),
                anthropic(0, r#""type":"signature_delta","signature":"s""#),
                anthropic(1, r#""type":"thinking_delta","thinking":"b""#),
                anthropic(1, r#""type":"signature_delta","signature":"s""#),
            ],
        ),
        (
            Endpoint::BedrockConverseStream,
            [
                bedrock(0, r#""text":"a""#),
                bedrock(0, r#""text":"b""#),
                bedrock(0, r#""signature":"s""#),
                bedrock(1, r#""text":"b""#),
                bedrock(1, r#""signature":"s""#),
            ],
        ),
        (
            Endpoint::OpenaiChat,
            [
                chat(r#""reasoning_details":[{"type":"reasoning.text","index":0,"text":"a"}]"#),
                chat(
                    r#""reasoning_details":[{"type":"reasoning.text","index":0,"text":"b","signature":null}]"#,
                ),
                chat(r#""reasoning_details":[{"type":"reasoning.text","index":0,"signature":"s"}]"#),
                chat(r#""reasoning_details":[{"type":"reasoning.text","index":1,"text":"b"}]"#),
                chat(r#""reasoning_details":[{"type":"reasoning.text","index":1,"signature":"s"}]"#),
            ],
        ),
        (
            Endpoint::GeminiStreamGenerateContent,
            [
                gemini(r#""text":"a","thought":true"#),
                gemini(r#""text":"b","thought":true"#),
                gemini(r#""text":"","thought":true,"thoughtSignature":"d2Vpcjpzcw==""#),
                gemini(r#""text":"b","thought":true"#),
                gemini(r#""text":"","thought":true,"thoughtSignature":"d2Vpcjpzcw==""#),
            ],
        ),
        (
            Endpoint::OpenaiResponses,
            [summary(0, "a"), summary(0, "b"), done(0, "ab"), summary(1, "b"), done(1, "b")],
        ),
    ];
    for (endpoint, events) in streams {
        let mut reader = EventReader::new(endpoint);
        let mut changed = ChangedReasoning::default();
        let mut written = Vec::new();
        for event in &events {
            let mut views = reader.views("contentBlockDelta", event.as_bytes()).unwrap();
            for index in 0..views.slots().len() {
                if views.slots()[index].text.contains('a') {
                    views.replace(index, NEW).unwrap();
                }
            }
            views.mark_signatures(&mut changed);
            written.push(String::from_utf8(views.into_bytes()).unwrap());
        }
        let [_, _, first, untouched @ ..] = &written[..] else { panic!() };
        let mark = if endpoint == Endpoint::GeminiStreamGenerateContent {
            "d2Vpci1jaGFuZ2Vk"
        } else {
            "weir-changed:s"
        };
        assert!(first.contains(mark), "{endpoint:?}: {first}");
        assert_eq!(untouched, &events[3..], "{endpoint:?}");
    }
}

/// The signatures in a body that are over its text, and whether they are marked.
fn signatures(dialect: Dialect, value: &Value, marks: &mut Vec<bool>) {
    let name = match dialect {
        Dialect::OpenaiResponses => "encrypted_content",
        Dialect::GeminiGenerate => "thoughtSignature",
        _ => "signature",
    };
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match value.as_str() {
                    // Over a thought without text: there is none to change.
                    Some(text) if text.contains("b25seQ==") => {}
                    Some(text) if key == name => {
                        // Gemini's mark, in base64.
                        let marked = text.starts_with("weir-changed:") || text.contains("d2Vpci1jaGFuZ2Vk");
                        if marked || signature::changed(dialect, text).is_some() {
                            marks.push(marked);
                        }
                    }
                    _ => signatures(dialect, value, marks),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| signatures(dialect, item, marks)),
        _ => {}
    }
}

fn marks<'b>(endpoint: Endpoint, bodies: impl IntoIterator<Item = &'b [u8]>) -> Vec<bool> {
    let dialect = match endpoint {
        Endpoint::OpenaiChat => Dialect::OpenaiChat,
        Endpoint::OpenaiResponses => Dialect::OpenaiResponses,
        Endpoint::AnthropicMessages => Dialect::AnthropicMessages,
        Endpoint::GeminiGenerateContent | Endpoint::GeminiStreamGenerateContent => Dialect::GeminiGenerate,
        _ => Dialect::BedrockConverse,
    };
    let mut marks = Vec::new();
    for body in bodies {
        if let Ok(value) = serde_json::from_slice(body) {
            signatures(dialect, &value, &mut marks);
        }
    }
    marks
}

/// Replaces all reasoning, also where it is empty, or all else.
fn replace(views: &mut Views<'_>, reasoning: bool) {
    for index in 0..views.slots().len() {
        let slot = &views.slots()[index];
        if (slot.scope == Scope::Reasoning) == reasoning {
            let new = if slot.form == text_views::Form::JsonValue { "{\"new\":1}" } else { NEW };
            views.replace(index, new).unwrap();
        }
    }
}

fn stream(endpoint: Endpoint, events: &Events, reasoning: bool) -> Vec<Vec<u8>> {
    let mut reader = EventReader::new(endpoint);
    let mut changed = ChangedReasoning::default();
    let mut written = Vec::new();
    for (name, data) in events {
        let mut views = reader.views(name, data).unwrap();
        replace(&mut views, reasoning);
        views.mark_signatures(&mut changed);
        written.push(views.into_bytes());
    }
    written
}

/// Every signature over text is marked when the text is replaced, in all recordings, whole and streamed; none is when
/// everything else is.
#[test]
fn recorded_signatures_are_marked() {
    let mut seen = 0;
    for (endpoint, name, body) in recordings::answers() {
        for reasoning in [true, false] {
            let mut views = Views::of_answer(endpoint, &body).unwrap();
            replace(&mut views, reasoning);
            let found = marks(endpoint, [&views.into_bytes()[..]]);
            assert!(found.iter().all(|marked| *marked == reasoning), "{name}: {found:?}");
            seen += found.len();
        }
    }
    assert!(seen > 20, "{seen}");
    seen = 0;
    for (endpoint, name, events) in recordings::streams() {
        for reasoning in [true, false] {
            let written = stream(endpoint, &events, reasoning);
            let found = marks(endpoint, written.iter().map(Vec::as_slice));
            assert!(found.iter().all(|marked| *marked == reasoning), "{name}: {found:?}");
            seen += found.len();
        }
    }
    assert!(seen > 40, "{seen}");
}
