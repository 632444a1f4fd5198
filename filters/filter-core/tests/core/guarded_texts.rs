//! Which texts guards see as one, and what is told of a text a second time.

use std::time::{Duration, Instant};

use filter_core::fake_host::{FakeStream, Passed};
use filter_core::{CallAnswer, HeaderMap, Plan};
use serde_json::{Value, json};

use crate::guards::{answered, pii, plan, post, start};

const N: &str = "123-45-6789";

/// The number as JSON may have it.
fn escaped() -> String {
    N.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect()
}

fn masked(path: &str, body: &str) -> String {
    let mut rule = pii("mask");
    rule["scope"] = json!(["messages", "tool_input", "tool_output"]);
    let plan = plan(&json!({"request": [rule]}));
    match start(&plan).request(&post(path), &[body.as_bytes()]) {
        Passed::On(body) => String::from_utf8(body).unwrap(),
        Passed::Replied(reply) => panic!("{} {}", reply.status, String::from_utf8_lossy(&reply.body)),
    }
}

fn sse(plan: &Plan, path: &str, events: &[Value]) -> String {
    let stream: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let (got, _) = answered(plan, path, "text/event-stream", stream.as_bytes(), stream.len());
    String::from_utf8(got).unwrap()
}

fn whole(plan: &Plan, path: &str, body: &Value) -> (String, FakeStream) {
    let body = body.to_string();
    let (got, stream) = answered(plan, path, "application/json", body.as_bytes(), body.len());
    (String::from_utf8(got).unwrap(), stream)
}

/// The parts of a tool's result are one text, but each JSON value in it is read as JSON.
#[test]
fn every_value_of_a_result_is_read_without_its_escapes() {
    for before in [r#"{"text":"see"}"#, r#"{"json":{"a":1}}"#, r#"{"json":12}"#] {
        let body = format!(
            r#"{{"messages":[{{"role":"user","content":[{{"toolResult":{{"toolUseId":"t","content":[{before},{{"json":{{"b":"{}"}}}}]}}}}]}}]}}"#,
            escaped()
        );
        let sent = masked("/model/m/converse", &body);
        assert!(sent.contains(before) && sent.contains(r#"{"b":"<SSN>"}"#), "{sent}");
    }
}

/// Some models write `{}` before the arguments they mean.
#[test]
fn arguments_behind_arguments_are_read_without_their_escapes() {
    let plan = plan(&json!({"response": [pii("mask")]}));
    let call = |arguments: &str| {
        json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"tool_calls": [
            {"index": 0, "id": "t", "type": "function", "function": {"name": "f", "arguments": arguments}}]}}]})
    };
    let (head, tail) = (r#"{}{"a":""#, r#""}"#);
    let number = escaped();
    let pieces: Vec<Value> = [head, &number[..15], &number[15..], tail].into_iter().map(call).collect();
    let got = sse(&plan, "/v1/chat/completions", &pieces);
    assert!(got.contains("<SSN>") && !got.contains("u0036"), "{got}");
}

#[test]
fn events_that_repeat_all_that_was_said_still_do() {
    let plan = plan(&json!({"response": [pii("mask")]}));
    let events = [
        json!({"type": "transcript.text.delta", "delta": "It is 123-4"}),
        json!({"type": "transcript.text.delta", "delta": "5-6789."}),
        json!({"type": "transcript.text.done", "text": format!("It is {N}.")}),
    ];
    let got = sse(&plan, "/v1/audio/transcriptions", &events);
    assert!(got.contains(r#""text":"It is <SSN>.""#), "{got}");
    let chunk = |delta: &str, all: &str| json!({"id": "c", "choices": [{"index": 0, "delta": {"content": delta}, "message": {"role": "assistant", "content": all}}]});
    let events = [chunk("It is 123-4", "It is 123-4"), chunk("5-6789.", &format!("It is {N}."))];
    let got = sse(&plan, "/v1/chat/completions", &events);
    assert!(got.contains(r#""content":"It is <SSN>.""#) && !got.contains("6789"), "{got}");
}

/// Quotations are not looked at: they go, also with events and answers in which no text was changed.
#[test]
fn what_quotes_a_text_goes_with_whatever_event() {
    let plan = plan(&json!({"response": [pii("mask")]}));
    let cited = json!({"type": "char_location", "cited_text": N, "document_index": 0});
    let event = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": cited}});
    let got = sse(&plan, "/v1/messages", &[event]);
    assert!(got.contains(r#""cited_text":"""#), "{got}");
    let event =
        json!({"id": "c", "choices": [{"index": 0, "delta": {}, "logprobs": {"content": [{"token": N}]}}]});
    let got = sse(&plan, "/v1/chat/completions", &[event]);
    assert!(got.contains(r#""logprobs":null"#), "{got}");
    let answer = json!({"content": [{"type": "text", "text": "It is so.", "citations": [cited]}]});
    let (got, _) = whole(&plan, "/v1/messages", &answer);
    assert!(got.contains(r#""cited_text":"""#), "{got}");
    let request = json!({"model": "m", "max_tokens": 5, "messages": [{"role": "assistant", "content": answer["content"]}]});
    assert!(!masked("/v1/messages", &request.to_string()).contains(N));
}

/// A schema is of each choice, and an answer that calls tools is none yet.
#[test]
fn each_choice_is_checked() {
    let schema = json!({"name": "s", "check": {"kind": "json_schema", "schema": {"type": "object", "required": ["a"]}}});
    let length = json!({"name": "l", "check": {"kind": "length", "characters": {"max": 10}}});
    let status = |plan: &Plan, choices: Value| {
        let (_, stream) = whole(plan, "/v1/chat/completions", &json!({"id": "c", "choices": choices}));
        let headers = &stream.host.headers[&HeaderMap::Response];
        headers.iter().find(|(name, _)| name == ":status").unwrap().1.clone()
    };
    let says =
        |index: u32, text: &str| json!({"index": index, "message": {"role": "assistant", "content": text}});
    let call = json!({"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let calls = json!({"index": 0, "message": {"role": "assistant", "content": null, "tool_calls": [call]}});
    let (schema, length) = (plan(&json!({"response": [schema]})), plan(&json!({"response": [length]})));
    let (good, bad) = (r#"{"a":1}"#, r#"{"b":1}"#);
    assert_eq!(status(&schema, json!([says(0, good), says(1, good)])), "200");
    assert_eq!(status(&schema, json!([says(0, good), says(1, bad)])), "403");
    assert_eq!(status(&schema, json!([calls])), "200");
    assert_eq!(status(&schema, json!([says(0, "")])), "403");
    assert_eq!(status(&schema, json!([])), "403");
    assert_eq!(status(&length, json!([says(0, good), says(1, good)])), "200");
}

/// A body of very many texts is passed through guards once, not once per text.
#[test]
fn work_grows_with_the_body_and_not_with_its_square() {
    let plan = plan(&json!({"request": [pii("mask")]}));
    let time = |count: usize, of: &dyn Fn(usize) -> String| {
        let body = of(count);
        let began = Instant::now();
        let passed = start(&plan).request(&post("/v1/chat/completions"), &[body.as_bytes()]);
        assert!(matches!(passed, Passed::On(_)));
        began.elapsed()
    };
    let messages = |count| {
        let one = r#"{"role":"user","content":"a"}"#;
        format!(r#"{{"messages":[{}]}}"#, vec![one; count].join(","))
    };
    let parts = |count| {
        format!(r#"{{"messages":[{{"role":"user","content":[{}]}}]}}"#, vec![r#""a""#; count].join(","))
    };
    for of in [&messages as &dyn Fn(usize) -> String, &parts] {
        let (few, many) = (time(2_000, of), time(32_000, of));
        // Sixteen times as much; a square would be 256 times.
        assert!(many < (few * 80).max(Duration::from_millis(500)), "{few:?}, then {many:?}");
    }
}

/// A provider may say with every piece that its answer is over.
#[test]
fn a_match_goes_on_behind_an_end_that_was_told_too_early() {
    for action in ["mask", "reject"] {
        let plan = plan(&json!({"response": [pii(action)]}));
        let piece = |text: &str| json!({"candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": "STOP"}]});
        let path = "/v1beta/models/m:streamGenerateContent?alt=sse";
        let got = sse(&plan, path, &[piece("No 123-4"), piece("5-6789.")]);
        assert_eq!(got.contains("<SSN>"), action == "mask", "{got}");
        assert!(!got.contains("123") && !got.contains("6789"), "{got}");
    }
}

/// A service is told thinking, words and arguments apart, and what it masks stays where it was.
#[test]
fn services_see_each_text_alone() {
    let call = json!({"id": "t", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}});
    let message = json!({"role": "assistant", "reasoning_content": "hm", "content": N, "tool_calls": [call]});
    let answer = json!({"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]});
    let hook = json!({"name": "w", "check": {"kind": "webhook", "callout": {"cluster": "hook", "authority": "hook"}}});
    let plan = plan(&json!({"response": [hook]}));
    let mut stream = start(&plan);
    let said = |content: &str| json!({"message": {"content": content}});
    let masked = json!({"action": {"body": {"choices": [said("hm"), said("***"), said("{\"a\":1}")]}}});
    stream.answers.push_back(Some(CallAnswer { status: 200, body: masked.to_string().into_bytes() }));
    let _ = stream.request(&post("/v1/chat/completions"), &[br#"{"model":"m","messages":[]}"#]);
    let headers = [(":status", "200"), ("content-type", "application/json")];
    let got = match stream.response(&headers, &[answer.to_string().as_bytes()]) {
        Passed::On(body) => String::from_utf8(body).unwrap(),
        Passed::Replied(reply) => panic!("{}", reply.status),
    };
    let asked: Value = serde_json::from_slice(&stream.asked[0].body).unwrap();
    let contents: Vec<&str> = asked["body"]["choices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|choice| choice["message"]["content"].as_str().unwrap())
        .collect();
    assert_eq!(contents, ["hm", N, "{\"a\":1}"]);
    assert_eq!(got, answer.to_string().replace(N, "***"));
}

/// Alone in an Envoy that does not undo escapes, before a server that does.
#[test]
fn escapes_in_a_path_do_not_lead_past_guards() {
    let body = json!({"messages": [{"role": "user", "content": N}]}).to_string();
    for path in ["/v1/chat/%63ompletions", "/v1/chat%2Fcompletions?a=b"] {
        assert!(masked(path, &body).contains("<SSN>"), "{path}");
    }
}

/// What stands in one part is found whatever stands beside it: nobody reads them without a space between.
#[test]
fn parts_are_looked_at_alone_and_together() {
    let text = |text: &str| json!({"type": "text", "text": text});
    let user =
        |parts: Value| json!({"model": "m", "messages": [{"role": "user", "content": parts}]}).to_string();
    for (parts, left) in [
        ([text("of Bob"), text(N)], ["of Bob", "<SSN>"]),
        ([text(N), text("of Bob")], ["<SSN>", "of Bob"]),
        ([text(N), text(N)], ["<SSN>", "<SSN>"]),
        ([text("is 123-4"), text("5-6789.")], ["is <SSN>", "."]),
    ] {
        let sent: Value = serde_json::from_str(&masked("/v1/chat/completions", &user(json!(parts)))).unwrap();
        let got =
            [0, 1].map(|part| sent["messages"][0]["content"][part]["text"].as_str().unwrap().to_owned());
        assert_eq!(got, left);
        // The same as an answer, whole and streamed.
        let plan = plan(&json!({"response": [pii("mask")]}));
        let (got, _) = whole(&plan, "/v1/messages", &json!({"content": parts}));
        assert_eq!(serde_json::from_str::<Value>(&got).unwrap()["content"], json!(left.map(text)));
        let delta = |index: usize| {
            json!({"type": "content_block_delta", "index": index,
            "delta": {"type": "text_delta", "text": parts[index]["text"]}})
        };
        let got = sse(&plan, "/v1/messages", &[delta(0), delta(1)]);
        let said: Vec<String> = got
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(|data| {
                serde_json::from_str::<Value>(data).unwrap()["delta"]["text"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(said, left);
    }
    let document = json!({"type": "document", "title": "Bob", "source": {"type": "text", "media_type": "text/plain", "data": N}});
    assert!(masked("/v1/messages", &user(json!([document]))).contains("<SSN>"));
}

/// A guard does not mask in what it has put in itself.
#[test]
fn replacements_are_not_masked_again() {
    let rule = json!({"name": "w", "check": {"kind": "text", "patterns": [{"regex": r"\w+"}]}});
    let plan = plan(&json!({"request": [rule]}));
    let body = r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a b"},{"type":"text","text":"c"}]}]}"#;
    let Passed::On(sent) = start(&plan).request(&post("/v1/chat/completions"), &[body.as_bytes()]) else {
        panic!()
    };
    let sent: Value = serde_json::from_slice(&sent).unwrap();
    let got = [0, 1].map(|part| sent["messages"][0]["content"][part]["text"].clone());
    assert_eq!(got, ["<masked> <masked>", "<masked>"]);
}

/// What a client wrote in the form of a placeholder never stands for a value, however it is escaped.
#[test]
fn placeholders_of_clients_are_not_given_to_values() {
    let rule = json!({"name": "pii", "check": {"kind": "text", "builtins": ["email"], "reversible": true}});
    let plan = plan(&json!({"request": [rule]}));
    let call = json!({"id": "t", "type": "function", "function": {"name": "f", "arguments": r#"{"a":"\u003cEMAIL_ADDRESS_1\u003E"}"#}});
    let body = json!({"messages": [{"role": "user", "content": "ann@example.com"}, {"role": "assistant", "tool_calls": [call]}]});
    let Passed::On(sent) =
        start(&plan).request(&post("/v1/chat/completions"), &[body.to_string().as_bytes()])
    else {
        panic!()
    };
    let sent: Value = serde_json::from_slice(&sent).unwrap();
    assert_eq!(sent["messages"][0]["content"], "<EMAIL_ADDRESS_2>");
}

#[test]
fn every_path_can_be_looked_at() {
    let plan = plan(&json!({"endpoints": {"*": "detect"}, "request": [pii("mask")]}));
    let body = json!({"messages": [{"role": "user", "content": N}]}).to_string();
    let Passed::On(sent) = start(&plan).request(&post("/any/path"), &[body.as_bytes()]) else { panic!() };
    assert!(String::from_utf8(sent).unwrap().contains("<SSN>"));
}
