//! Guards that change what a model thinks: the signature over it is marked, so that the next turn goes without both.

use filter_core::Plan;
use llm_dialects::Dialect;
use llm_dialects::dialect::Framing;
use llm_dialects::hub::{Block, Delta, Part, Response, StopReason, StreamEvent, Usage};
use proptest::prelude::*;
use serde_json::json;

use crate::guards::{PATHS, answered, content_type, pii, plan};

/// A passage of reasoning: its text, in pieces, and its signature.
type Passage = (Vec<String>, String);

fn passages(pieces: &[&[&str]]) -> Vec<Passage> {
    let owned = |(index, pieces): (usize, &&[&str])| {
        (pieces.iter().map(|piece| (*piece).to_owned()).collect(), format!("EqQBCkYI{index}="))
    };
    pieces.iter().enumerate().map(owned).collect()
}

/// A stream that thinks in these passages, then speaks.
fn thinking_stream(dialect: Dialect, passages: &[Passage]) -> Vec<u8> {
    let mut encoder = dialect.stream_encoder(1_700_000_000, true);
    let mut out = Vec::new();
    let mut send = |event: StreamEvent<'_>| encoder.event(&event, &mut out);
    send(StreamEvent::Start { id: "a-1".into(), model: "m".into(), created: Some(1_700_000_000) });
    for (index, (pieces, signature)) in (0..).zip(passages) {
        send(StreamEvent::BlockStart { index, block: Block::Thinking });
        for piece in pieces {
            send(StreamEvent::Delta { index, delta: Delta::Thinking(piece.into()) });
        }
        send(StreamEvent::Delta { index, delta: Delta::Signature(signature.into()) });
        send(StreamEvent::BlockStop { index });
    }
    let index = u32::try_from(passages.len()).unwrap();
    send(StreamEvent::BlockStart { index, block: Block::Text });
    send(StreamEvent::Delta { index, delta: Delta::Text("So it is.".into()) });
    send(StreamEvent::BlockStop { index });
    send(StreamEvent::Finish { reason: StopReason::EndTurn, stop_sequence: None });
    send(StreamEvent::Usage(Usage { input_uncached: 3, output: 4, ..Usage::default() }));
    send(StreamEvent::End);
    out
}

/// The same as a whole answer.
fn thinking_answer(dialect: Dialect, passages: &[Passage]) -> Vec<u8> {
    let thoughts = passages.iter().map(|(pieces, signature)| Part::Thinking {
        text: pieces.concat().into(),
        signature: Some(signature.into()),
    });
    let response = Response {
        id: "a-1".into(),
        model: "m".into(),
        content: thoughts.chain([Part::Text("So it is.".into())]).collect(),
        created: None,
        stop: StopReason::EndTurn,
        stop_sequence: None,
        usage: None,
        service_tier: None,
        logprobs: Vec::new(),
    };
    dialect.encode_response(&response, 1_700_000_000)
}

/// The reasoning of a stream: texts and signatures, in the hub's form.
fn thought(dialect: Dialect, stream: &[u8]) -> Vec<(String, String)> {
    let mut decoder = dialect.stream_decoder();
    let mut blocks: Vec<(u32, String, String)> = Vec::new();
    let mut sink = |event: StreamEvent<'_>| match event {
        StreamEvent::BlockStart { index, block: Block::Thinking } => {
            blocks.push((index, String::new(), String::new()));
        }
        StreamEvent::Delta { index, delta } => {
            let Some((_, text, signature)) = blocks.iter_mut().find(|(block, ..)| *block == index) else {
                return;
            };
            match delta {
                Delta::Thinking(delta) => text.push_str(&delta),
                Delta::Signature(delta) => signature.push_str(&delta),
                _ => {}
            }
        }
        _ => {}
    };
    match dialect.framing() {
        Framing::Sse => {
            let mut frames = framing::sse::Decoder::new(framing::sse::Limits::default());
            let mut read = |frame: framing::sse::Frame<'_>| {
                if let framing::sse::Frame::Event(event) = frame {
                    decoder.event(event.event, event.data, &mut sink).unwrap();
                }
                Ok::<(), framing::Error>(())
            };
            frames.feed(stream, &mut read).unwrap();
            frames.finish(&mut read).unwrap();
        }
        Framing::AwsEventStream => {
            use framing::aws_event_stream::{Decoder, Limits, Message};
            Decoder::new(Limits::default())
                .feed(stream, |message: Message<'_>| {
                    let name = message.name().map(str::as_bytes);
                    decoder.event(name, message.payload, &mut sink).unwrap();
                    Ok::<(), framing::Error>(())
                })
                .unwrap();
        }
    }
    blocks.into_iter().map(|(_, text, signature)| (text, signature)).collect()
}

/// The reasoning of a whole answer.
fn thought_whole(dialect: Dialect, answer: &[u8]) -> Vec<(String, String)> {
    let parts = dialect.decode_response(answer).unwrap().content;
    parts
        .into_iter()
        .filter_map(|part| match part {
            Part::Thinking { text, signature } => {
                Some((text.into_owned(), signature.unwrap_or_default().into_owned()))
            }
            _ => None,
        })
        .collect()
}

/// A guard that masks streams as they pass, and one that holds them.
fn plans() -> [Plan; 2] {
    let any_length = json!({"name": "any", "check": {"kind": "length", "words": {"max": 100_000}}});
    [plan(&json!({"response": [pii("mask")]})), plan(&json!({"response": [pii("mask"), any_length]}))]
}

/// The path at which the dialect is answered whole.
fn whole_path(dialect: Dialect, path: &'static str) -> &'static str {
    match dialect {
        Dialect::GeminiGenerate => "/v1beta/models/m:generateContent",
        Dialect::BedrockConverse => "/model/m/converse",
        _ => path,
    }
}

/// A signature as the gateway reads it when the client hands it back: what a client of Gemini's gets is wrapped, which
/// no provider's answer is.
fn handed_back(dialect: Dialect, signature: String) -> String {
    let Some(wrapped) = signature.strip_prefix("weir-gemini:").filter(|_| dialect == Dialect::GeminiGenerate)
    else {
        return signature;
    };
    let part = json!({"text": "x", "thought": true, "thoughtSignature": wrapped});
    let body = json!({"contents": [{"role": "model", "parts": [part]}]}).to_string();
    let request = dialect.decode_request(body.as_bytes()).unwrap();
    let Part::Thinking { signature: Some(signature), .. } = &request.turns[0].content[0].part else {
        panic!()
    };
    signature.clone().into_owned()
}

/// What a client gets, streamed in pieces of `cut` bytes or whole.
fn got(
    plan: &Plan,
    passages: &[Passage],
    dialect: Dialect,
    path: &'static str,
    cut: Option<usize>,
) -> Vec<(String, String)> {
    let got = match cut {
        Some(cut) => {
            let stream = thinking_stream(dialect, passages);
            thought(dialect, &answered(plan, path, content_type(dialect), &stream, cut).0)
        }
        None => {
            let answer = thinking_answer(dialect, passages);
            let path = whole_path(dialect, path);
            thought_whole(dialect, &answered(plan, path, "application/json", &answer, answer.len()).0)
        }
    };
    got.into_iter().map(|(text, signature)| (text, handed_back(dialect, signature))).collect()
}

#[test]
fn a_changed_thought_loses_its_signer_and_others_keep_theirs() {
    let passages = passages(&[&["Quiet", " now. "], &["It is 123-", "45-6", "789, ", "yes. "], &["Good."]]);
    let expected = [
        ("Quiet now. ", "EqQBCkYI0="),
        ("It is <SSN>, yes. ", "weir-changed:EqQBCkYI1="),
        ("Good.", "EqQBCkYI2="),
    ]
    .map(|(text, signature)| (text.to_owned(), signature.to_owned()));
    for plan in plans() {
        for (dialect, path) in PATHS {
            for cut in [Some(1), Some(13), Some(usize::MAX), None] {
                assert_eq!(got(&plan, &passages, dialect, path, cut), expected, "{dialect:?} {cut:?}");
            }
        }
    }
}

#[test]
fn a_match_over_two_thoughts_changes_both() {
    let passages = passages(&[&["It is 123-"], &["45-6789, yes. "], &["Good."]]);
    let marked = |signatures: Vec<(String, String)>| -> Vec<bool> {
        signatures.iter().map(|(_, signature)| signature.starts_with("weir-changed:")).collect()
    };
    for plan in plans() {
        for (dialect, path) in PATHS {
            for cut in [Some(1), Some(usize::MAX), None] {
                let got = marked(got(&plan, &passages, dialect, path, cut));
                assert_eq!(got, [true, true, false], "{dialect:?} {cut:?}");
            }
        }
    }
}

/// Blocks open with an empty text in events of which clients read no text: what takes the place of a match is not said there.
#[test]
fn a_mask_is_said_where_clients_read_it() {
    let passages = passages(&[&["a@b.co", "a@b.co"]]);
    for plan in plans() {
        for (dialect, path) in PATHS {
            let got = got(&plan, &passages, dialect, path, Some(1));
            assert_eq!(
                got,
                [("<EMAIL_ADDRESS>@b.co".to_owned(), "weir-changed:EqQBCkYI0=".to_owned())],
                "{dialect:?}"
            );
        }
    }
}

/// What is put back behind placeholders is another text than the one that was signed.
#[test]
fn restored_thoughts_are_changed_ones() {
    let rule = json!({"name": "pii", "check": {"kind": "text", "builtins": ["email"], "reversible": true}});
    let plan = plan(&json!({"request": [rule]}));
    let request =
        br#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"I am ann@example.com"}]}"#;
    let (dialect, path) = (Dialect::AnthropicMessages, "/v1/messages");
    let stream = thinking_stream(dialect, &passages(&[&["They are <EMAIL_", "ADDRESS_1>."], &["Fine."]]));
    let mut exchange = crate::guards::start(&plan);
    let _ = exchange.request(&crate::guards::post(path), &[request]);
    let headers = [(":status", "200"), ("content-type", content_type(dialect))];
    let passed = exchange.response(&headers, &stream.chunks(9).collect::<Vec<_>>());
    let filter_core::fake_host::Passed::On(got) = passed else { panic!("{passed:?}") };
    let [first, second] = &thought(dialect, &got)[..] else { panic!() };
    assert_eq!(*first, ("They are ann@example.com.".to_owned(), "weir-changed:EqQBCkYI0=".to_owned()));
    assert_eq!(*second, ("Fine.".to_owned(), "EqQBCkYI1=".to_owned()));
}

proptest! {
    /// A signature is marked if and only if the text under it has changed, however the answer came.
    #[test]
    fn marks_do_not_depend_on_how_an_answer_comes(
        blocks in proptest::collection::vec(
            proptest::collection::vec("[a-c ]{1,4}|123-45-6789|a@b\\.co|12|3-|45|-6789", 1..4), 1..4),
        dialect in 0_usize..5, cut in 1_usize..80, held in any::<bool>(),
    ) {
        let passages: Vec<Passage> = blocks
            .into_iter()
            .enumerate()
            .map(|(index, pieces)| (pieces, format!("EqQBCkYI{index}=")))
            .collect();
        let (dialect, path) = PATHS[dialect];
        let [passing, holding] = plans();
        let streamed = got(if held { &holding } else { &passing }, &passages, dialect, path, Some(cut));
        prop_assert_eq!(&streamed, &got(&passing, &passages, dialect, path, None));
        prop_assert_eq!(streamed.len(), passages.len());
        for ((text, signature), (pieces, signed)) in streamed.iter().zip(&passages) {
            let expected = if *text == pieces.concat() { signed.clone() } else { format!("weir-changed:{signed}") };
            prop_assert_eq!(signature, &expected);
        }
    }
}
