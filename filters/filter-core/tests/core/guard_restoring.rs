//! Values that leave as placeholders and come back.

use filter_core::fake_host::{FakeStream, Passed};
use filter_core::{HeaderMap, Plan};
use serde_json::{Value, json};

use crate::guards::{answered, pii, plan, post, start};

const CHAT: &str = "/v1/chat/completions";

fn reversible(name: &str, regex: &str) -> Value {
    json!({"name": name, "check": {"kind": "text", "patterns": [{"regex": regex}], "reversible": true}})
}

fn asked(plan: &Plan, path: &str, body: &Value) -> (Value, FakeStream) {
    let mut stream = start(plan);
    match stream.request(&post(path), &[body.to_string().as_bytes()]) {
        Passed::On(sent) => (serde_json::from_slice(&sent).unwrap(), stream),
        Passed::Replied(reply) => panic!("{} {}", reply.status, String::from_utf8_lossy(&reply.body)),
    }
}

fn answer(content: &str) -> String {
    json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}]})
    .to_string()
}

/// Clients send back what was put back for them, so guards that put back look where they do.
#[test]
fn what_came_back_is_masked_again_wherever_it_is() {
    let rules = |rule: Value| plan(&json!({"request": [rule]}));
    let call =
        json!({"id": "t", "type": "function", "function": {"name": "f", "arguments": r#"{"a":"k1"}"#}});
    let conversation = json!({"messages": [
        {"role": "user", "content": "k1"},
        {"role": "assistant", "content": "k1", "reasoning_content": "k1", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "t", "content": "k1"},
    ]});
    let mut narrow = reversible("keys", "k[0-9]");
    let (sent, _) = asked(&rules(narrow.clone()), CHAT, &conversation);
    let text = sent.to_string();
    assert_eq!((text.matches("<masked_1>").count(), text.matches("k1").count()), (4, 1), "{text}");
    assert_eq!(sent["messages"][2]["content"], "k1", "the results of tools are not what came back");
    narrow["scope"] = json!(["messages"]);
    assert_eq!(asked(&rules(narrow), CHAT, &conversation).0.to_string().matches("k1").count(), 3);
    // A guard that puts nothing back looks where it always does.
    let (sent, _) = asked(
        &rules(json!({"name": "keys", "check": {"kind": "text", "patterns": [{"regex": "k[0-9]"}]}})),
        CHAT,
        &conversation,
    );
    assert_eq!(sent.to_string().matches("k1").count(), 3);
}

/// What one guard finds in a new turn does not move what another has found in an old one.
#[test]
fn several_guards_keep_their_placeholders_as_a_conversation_goes_on() {
    let plan = plan(&json!({"request": [reversible("a", "a[0-9]"), reversible("b", "b[0-9]")]}));
    let turns = ["b1 and a1", "a2, b1, a1", "a3 b2"];
    let expected =
        ["<masked_2> and <masked_1>", "<masked_3>, <masked_2>, <masked_1>", "<masked_4> <masked_5>"];
    for count in 1..=turns.len() {
        let messages: Vec<Value> =
            turns[..count].iter().map(|turn| json!({"role": "user", "content": turn})).collect();
        let (sent, _) = asked(&plan, CHAT, &json!({"messages": messages}));
        for (message, expected) in sent["messages"].as_array().unwrap().iter().zip(expected) {
            assert_eq!(message["content"], expected, "{count} turns");
        }
    }
}

/// Whatever a provider is shown it may repeat.
#[test]
fn placeholders_in_what_is_declared_are_not_given_to_values() {
    let plan = plan(&json!({"request": [reversible("k", "k[0-9]")]}));
    for brackets in [["<", ">"], ["\\u003c", "\\u003E"]] {
        let named = format!("{}masked_1{}", brackets[0], brackets[1]);
        let body = format!(
            r#"{{"messages":[{{"role":"user","content":"k1"}}],"tools":[{{"type":"function","function":{{"name":"f","description":"say {named}"}}}}]}}"#
        );
        let Passed::On(sent) = start(&plan).request(&post(CHAT), &[body.as_bytes()]) else { panic!() };
        let sent: Value = serde_json::from_slice(&sent).unwrap();
        assert_eq!(sent["messages"][0]["content"], "<masked_2>");
    }
}

/// What a provider has kept holds placeholders whose values nobody knows any more.
#[test]
fn conversations_that_providers_keep_do_not_mix_up_placeholders() {
    let plan = plan(&json!({"request": [reversible("k", "k[0-9]")]}));
    let number = |more: Value, now_ms: u64| {
        let mut body = json!({"model": "m", "input": "k1"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut stream = start(&plan);
        stream.host.now_ms = now_ms;
        let body = body.to_string();
        let Passed::On(sent) = stream.request(&post("/v1/responses"), &[body.as_bytes()]) else { panic!() };
        let sent: Value = serde_json::from_slice(&sent).unwrap();
        sent["input"].as_str().unwrap().to_owned()
    };
    assert_eq!(number(json!({"previous_response_id": null}), 1), "<masked_1>");
    let first = number(json!({"previous_response_id": "resp_1"}), 1);
    let second = number(json!({"previous_response_id": "resp_2"}), 1);
    assert_eq!(number(json!({"previous_response_id": "resp_1"}), 2), first, "the same request is sent alike");
    // All requests are kept in one conversation.
    let [third, fourth] = [1, 2].map(|now_ms| number(json!({"conversation": {"id": "conv_1"}}), now_ms));
    let all = ["<masked_1>".to_owned(), first, second, third, fourth];
    for (index, one) in all.iter().enumerate() {
        assert!(one.starts_with("<masked_") && one.ends_with('>') && one.len() < 20, "{one}");
        assert!(!all[..index].contains(one), "{all:?}");
    }
}

/// What the client gets has to fit, not what the provider has sent.
#[test]
fn schemas_and_lengths_are_of_what_the_client_gets() {
    let schema = json!({"type": "object", "properties": {"to": {"pattern": "^k[0-9]$"}}});
    for (check, fits, content) in [
        (json!({"kind": "json_schema", "schema": schema}), true, r#"{"to":"<masked_1>"}"#),
        (json!({"kind": "json_schema", "schema": schema}), false, r#"{"to":"<masked_2>"}"#),
        (json!({"kind": "length", "characters": {"max": 4}}), true, "<masked_1>"),
        (json!({"kind": "length", "characters": {"max": 4}}), false, "<masked_2>"),
    ] {
        let plan = plan(&json!({
            "request": [reversible("k", "k[0-9]")],
            "response": [{"name": "fits", "check": check}],
        }));
        let (_, mut stream) = asked(&plan, CHAT, &json!({"messages": [{"role": "user", "content": "k1"}]}));
        let headers = [(":status", "200"), ("content-type", "application/json")];
        let Passed::On(got) = stream.response(&headers, &[answer(content).as_bytes()]) else { panic!() };
        let status = stream.host.headers[&HeaderMap::Response].iter().find(|(name, _)| name == ":status");
        assert_eq!(status.unwrap().1, if fits { "200" } else { "403" }, "{content}");
        assert_eq!(String::from_utf8(got).unwrap().contains("k1"), fits);
    }
}

/// A guard that only looks puts nothing back.
#[test]
fn a_shadow_leaves_answers_alone() {
    let mut rule = reversible("k", "k[0-9]");
    rule["shadow"] = json!(true);
    let mut looking = pii("mask");
    looking["shadow"] = json!(true);
    let plan = plan(&json!({"request": [rule], "response": [looking]}));
    let body = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"k1"},"logprobs":{"content":[]}}]}"#;
    let (got, _) = answered(&plan, CHAT, "application/json", body.as_bytes(), body.len());
    assert_eq!(String::from_utf8(got).unwrap(), body);
}

/// The log says of a stream what it says of a whole answer.
#[test]
fn all_matches_of_a_stream_are_counted() {
    for (action, logged) in [("mask", "mask"), ("reject", "shadow_reject")] {
        let mut rule = pii(action);
        rule["shadow"] = json!(action == "reject");
        let plan = plan(&json!({"response": [rule]}));
        let chunk = |text: &str| {
            let choice = json!({"index": 0, "delta": {"content": text}});
            format!("data: {}\n\n", json!({"id": "c", "model": "m", "choices": [choice]}))
        };
        let stream: String =
            ["123-45-6789 a", "nd 234-56-7890, ", "a@b.co ", "end"].map(chunk).concat() + "data: [DONE]\n\n";
        let (_, fake) = answered(&plan, CHAT, "text/event-stream", stream.as_bytes(), 40);
        let log: Value = serde_json::from_slice(&fake.host.state.borrow()["weir.guards"]).unwrap();
        assert_eq!(log, json!([{"guard": "pii", "phase": "response", "action": logged, "matches": 3}]));
        let counted = fake.host.observed.iter().filter(|(_, labels, _)| labels.contains(&logged.to_owned()));
        assert_eq!(counted.count(), 1, "an answer is counted once");
    }
}

/// The list of models is nothing that a model says; nobody looks at a body that asks for it.
#[test]
fn models_can_be_listed() {
    let plan = plan(&json!({"request": [pii("mask")], "response": [pii("mask")]}));
    let mut stream = start(&plan);
    stream.host.state.borrow_mut().insert(
        "weir.record".to_owned(),
        br#"{"path":"/v1/models","client":"openai_models","request_bytes":0}"#.to_vec(),
    );
    let headers = [(":method", "GET"), (":path", "/v1/models"), (":authority", "gateway")];
    assert!(matches!(stream.request(&headers, &[]), Passed::On(_)));
    let list = br#"{"object":"list","data":[{"id":"m"}]}"#;
    let headers = [(":status", "200"), ("content-type", "application/json")];
    assert_eq!(stream.response(&headers, &[list]), Passed::On(list.to_vec()));
}
