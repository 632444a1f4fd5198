//! T-02: three turns of tools, from every client's dialect to every provider's.

use llm_dialects::Dialect;
use llm_dialects::hub::{Arguments, Content, Part, Request, Role};
use serde_json::{Value, json};

use crate::{canonical, model_of, pairs, provider_gets, request};

/// What happens in a conversation, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    Said(&'static str, String),
    Called(String, String, Value),
    /// Id, texts, whether it failed.
    Returned(String, String, bool),
}

/// The steps of a request, whatever its dialect. Adjacent texts of a speaker are one; failure may be said in words.
pub(crate) fn steps(request: &Request<'_>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for turn in &request.turns {
        let speaker = match turn.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        for Content { part, .. } in &turn.content {
            match part {
                Part::Text(text) => match steps.last_mut() {
                    Some(Step::Said(last, said)) if *last == speaker => said.push_str(text),
                    _ => steps.push(Step::Said(speaker, text.to_string())),
                },
                Part::ToolCall(call) => {
                    let arguments = match &call.arguments {
                        Arguments::Json(json) => serde_json::from_str(json.get()).unwrap(),
                        Arguments::Invalid(text) => json!(text),
                    };
                    steps.push(Step::Called(call.id.to_string(), call.name.to_string(), arguments));
                }
                Part::ToolResult(result) => {
                    let texts = result.content.iter().filter_map(|content| match &content.part {
                        Part::Text(text) => Some(&**text),
                        _ => None,
                    });
                    let text = texts.collect::<Vec<_>>().join("\n");
                    let (failed, text) = match text.strip_prefix("Error: ") {
                        Some(why) => (true, why.to_owned()),
                        None if text == "Error" => (true, String::new()),
                        None => (result.is_error, text),
                    };
                    steps.push(Step::Returned(result.call_id.to_string(), text, failed));
                }
                _ => {}
            }
        }
    }
    steps
}

#[test]
fn t02_a_tool_loop_of_three_turns() {
    let call =
        |id: &str, city: &str| Step::Called(id.to_owned(), "weather".to_owned(), json!({ "city": city }));
    let returned = |id: &str, text: &str, failed| Step::Returned(id.to_owned(), text.to_owned(), failed);
    let said = |speaker, text: &str| Step::Said(speaker, text.to_owned());
    for (client, provider) in pairs() {
        let sent = provider_gets(client, provider, &canonical::tool_loop(client));
        let body = sent.to_string();
        assert_eq!(body.matches("iVBORw0KGgo=").count(), 1, "{client} to {provider}: the image, in {body}");
        assert!(body.contains("Be brief."), "{client} to {provider}");
        let understood = provider.decode_request(body.as_bytes()).unwrap();
        let mut steps = steps(&understood);
        // Where a result takes no image, it comes behind, with a note in its place.
        steps.retain(|step| !matches!(step, Step::Said("user", text) if text.contains("[image returned")));
        for step in &mut steps {
            if let Step::Returned(_, text, _) = step {
                if let Some((before, _)) = text.split_once("\n[image") {
                    *text = before.to_owned();
                }
                // Bedrock takes no empty result.
                if text == "(no output)" {
                    text.clear();
                }
            }
        }
        // The responses API takes results in any order, so they stay as the client sent them.
        if provider == Dialect::OpenaiResponses {
            steps[5..8].sort_by_key(|step| match step {
                Step::Returned(id, ..) => id.clone(),
                _ => String::new(),
            });
        }
        assert_eq!(
            steps,
            [
                said("user", "Oslo, Rome and Bonn?"),
                said("assistant", "I look."),
                call("a", "Oslo"),
                call("b", "Rome"),
                call("c", "Bonn"),
                returned("a", "", false),
                returned("b", "map:", false),
                returned("c", "no such station", true),
                said("assistant", "One more."),
                call("d", "Bonn"),
                returned("d", "Sun", false),
                said("assistant", "Sun."),
                said("user", "And tomorrow?"),
            ],
            "{client} to {provider}: {body}"
        );
    }
}

#[test]
fn t02_the_answer_of_every_provider_can_be_sent_back_with_results() {
    for (client, provider) in pairs() {
        // The client appends the answer as it got it, and the results.
        let mut conversation = canonical::tool_loop(client);
        let told = crate::response(provider, client, &canonical::answer(provider)).unwrap();
        append(client, &mut conversation, &serde_json::from_slice(&told).unwrap());
        let sent = provider_gets(client, provider, &conversation);
        let body = sent.to_string();
        let understood = provider.decode_request(body.as_bytes()).unwrap();
        let steps = steps(&understood);
        let call =
            |id: &str, city: &str| Step::Called(id.to_owned(), "weather".to_owned(), json!({ "city": city }));
        let returned = |id: &str| Step::Returned(id.to_owned(), "Rain".to_owned(), false);
        assert_eq!(
            steps[steps.len() - 5..],
            [
                Step::Said("assistant", "I look them up.".to_owned()),
                call("call_1", "Oslo"),
                call("call_2", "Rome"),
                returned("call_1"),
                returned("call_2"),
            ],
            "{client} to {provider}: {body}"
        );
    }
}

/// Appends an answer to the conversation, as the SDKs' users do, and `Rain` as the result of its calls.
pub(crate) fn append(client: Dialect, conversation: &mut Value, answer: &Value) {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let push = |conversation: &mut Value, field: &str, more: Vec<Value>| {
        conversation[field].as_array_mut().unwrap().extend(more);
    };
    match client {
        Dialect::OpenaiChat => {
            let message = answer["choices"][0]["message"].clone();
            let results = list(&message["tool_calls"])
                .iter()
                .map(|call| json!({"role": "tool", "tool_call_id": call["id"], "content": "Rain"}))
                .collect();
            push(conversation, "messages", vec![message]);
            push(conversation, "messages", results);
        }
        Dialect::OpenaiResponses => {
            let results = list(&answer["output"])
                .iter()
                .filter(|item| item["type"] == "function_call")
                .map(|item| json!({"type": "function_call_output", "call_id": item["call_id"], "output": "Rain"}))
                .collect();
            push(conversation, "input", list(&answer["output"]));
            push(conversation, "input", results);
        }
        Dialect::AnthropicMessages => {
            let results: Vec<Value> = list(&answer["content"])
                .iter()
                .filter(|block| block["type"] == "tool_use")
                .map(|block| json!({"type": "tool_result", "tool_use_id": block["id"], "content": "Rain"}))
                .collect();
            push(conversation, "messages", vec![json!({"role": "assistant", "content": answer["content"]})]);
            push(conversation, "messages", vec![json!({"role": "user", "content": results})]);
        }
        Dialect::GeminiGenerate => {
            let content = answer["candidates"][0]["content"].clone();
            let results: Vec<Value> = list(&content["parts"])
                .iter()
                .filter_map(|part| part.get("functionCall"))
                .map(|call| {
                    json!({"functionResponse": {"id": call["id"], "name": call["name"], "response": {"output": "Rain"}}})
                })
                .collect();
            push(conversation, "contents", vec![content, json!({"role": "user", "parts": results})]);
        }
        Dialect::BedrockConverse => {
            let message = answer["output"]["message"].clone();
            let results: Vec<Value> = list(&message["content"])
                .iter()
                .filter_map(|block| block.get("toolUse"))
                .map(|call| json!({"toolResult": {"toolUseId": call["toolUseId"], "content": [{"text": "Rain"}]}}))
                .collect();
            push(conversation, "messages", vec![message, json!({"role": "user", "content": results})]);
        }
    }
}

#[test]
fn t09_requests_are_the_same_however_often_they_are_translated() {
    for (client, provider) in pairs() {
        let body = canonical::tool_loop(client).to_string();
        let sent = request(client, provider, model_of(provider), body.as_bytes()).unwrap();
        for _ in 0..100 {
            let again = request(client, provider, model_of(provider), body.as_bytes());
            assert!(again.as_ref() == Ok(&sent), "{client} to {provider}");
        }
    }
}
