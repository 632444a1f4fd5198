//! Conversations of other dialects on Bedrock, and of Bedrock clients elsewhere.

use llm_dialects::bedrock::decode_request;
use llm_dialects::{Dialect, Error};
use serde_json::{Value, json};

use super::{CLAUDE, MODELS, reencode};

/// A request in `from` as Bedrock gets it.
fn translate(from: Dialect, body: &Value, model: &str) -> Result<Value, Error> {
    let body = body.to_string();
    let mut request = from.decode_request(body.as_bytes())?;
    request.model = model.to_owned().into();
    let (encoded, _) = Dialect::BedrockConverse.encode_request(&mut request)?;
    Ok(serde_json::from_slice(&encoded).unwrap())
}

fn anthropic(body: &Value, model: &str) -> Value {
    let mut body = body.clone();
    body["model"] = "m".into();
    if body.get("max_tokens").is_none() {
        body["max_tokens"] = 8000.into();
    }
    translate(Dialect::AnthropicMessages, &body, model).unwrap()
}

fn openai(body: &Value, model: &str) -> Result<Value, Error> {
    let mut body = body.clone();
    body["model"] = "m".into();
    if body.get("messages").is_none() {
        body["messages"] = json!([{"role": "user", "content": "Hi"}]);
    }
    translate(Dialect::OpenaiChat, &body, model)
}

#[test]
fn a_loop_of_parallel_calls_from_openai() {
    let call = |id: &str, city: &str| json!({"id": id, "type": "function", "function": {"name": "weather", "arguments": json!({"city": city}).to_string()}});
    let body = json!({
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Weather in Oslo and Bern?"},
            {"role": "assistant", "content": null, "tool_calls": [call("call_1", "Oslo"), call("call_2", "Bern")]},
            {"role": "tool", "tool_call_id": "call_2", "content": "sun"},
            {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
            {"role": "assistant", "content": "Rain, sun. Rome too?"},
            {"role": "user", "content": "Yes."},
            {"role": "assistant", "content": null, "tool_calls": [call("call_3", "Rome")]},
            {"role": "tool", "tool_call_id": "call_3", "content": ""},
            {"role": "user", "content": "Well?"},
        ],
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": {"properties": {}}}}],
        "parallel_tool_calls": false,
    });
    let encoded = openai(&body, CLAUDE).unwrap();
    let results = |message: usize| -> Vec<String> {
        let blocks = encoded["messages"][message]["content"].as_array().unwrap().iter();
        blocks.map(|block| block["toolResult"]["toolUseId"].as_str().unwrap_or("-").to_owned()).collect()
    };
    assert_eq!(encoded["messages"].as_array().unwrap().len(), 7);
    assert_eq!(results(2), ["call_1", "call_2"]);
    assert_eq!(results(6), ["call_3", "-"]);
    assert_eq!(
        encoded["messages"][6]["content"][0]["toolResult"]["content"],
        json!([{"text": "(no output)"}])
    );
    assert_eq!(encoded["messages"][1]["content"][1]["toolUse"]["input"], json!({"city": "Bern"}));
    assert_eq!(
        encoded["toolConfig"],
        json!({"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object", "properties": {}}}}}]})
    );
    assert_eq!(
        encoded["additionalModelRequestFields"],
        json!({"tool_choice": {"type": "auto", "disable_parallel_tool_use": true}})
    );
    // And the same loop as a Bedrock client sends it, to OpenAI and back.
    let bytes = encoded.to_string();
    let mut again = decode_request(bytes.as_bytes()).unwrap();
    again.model = "gpt-4o".into();
    let (chat, _) = Dialect::OpenaiChat.encode_request(&mut again).unwrap();
    let mut back = Dialect::OpenaiChat.decode_request(&chat).unwrap();
    back.model = CLAUDE.into();
    let (back, _) = Dialect::BedrockConverse.encode_request(&mut back).unwrap();
    let mut back: Value = serde_json::from_slice(&back).unwrap();
    back["additionalModelRequestFields"] = encoded["additionalModelRequestFields"].clone();
    assert_eq!(back, encoded);
}

/// A Bedrock answer with signed thinking, to an Anthropic client, and what the client sends back with the result.
#[test]
fn claude_gets_its_thinking_back_from_an_anthropic_client() {
    let answer = json!({"output": {"message": {"role": "assistant", "content": [
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": "ZGF0YQ=="}},
        {"toolUse": {"toolUseId": "tooluse_1", "name": "look", "input": {"q": 1}}},
    ]}}, "stopReason": "tool_use", "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}});
    let answer = answer.to_string();
    let response = Dialect::BedrockConverse.decode_response(answer.as_bytes()).unwrap();
    let told: Value =
        serde_json::from_slice(&Dialect::AnthropicMessages.encode_response(&response, 0)).unwrap();
    assert_eq!(told["stop_reason"], "tool_use");
    let body = json!({
        "messages": [
            {"role": "user", "content": "Look"},
            {"role": "assistant", "content": told["content"]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "tooluse_1", "content": "found"}]},
        ],
        "tools": [{"name": "look", "input_schema": {"type": "object"}}],
        "thinking": {"type": "enabled", "budget_tokens": 2000},
    });
    let encoded = anthropic(&body, CLAUDE);
    let original: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(encoded["messages"][1]["content"], original["output"]["message"]["content"]);
    assert_eq!(
        encoded["additionalModelRequestFields"],
        json!({"thinking": {"type": "enabled", "budget_tokens": 2000}})
    );
    // Other models refuse reasoning in the history.
    let nova = anthropic(&body, MODELS[1].1);
    assert_eq!(nova["messages"][1]["content"].as_array().unwrap().len(), 1);
    assert_eq!(
        nova["additionalModelRequestFields"],
        json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}})
    );
}

/// The other way round: an answer of Anthropic's to a Bedrock client and back, and signatures of others on the way.
#[test]
fn signatures_survive_a_bedrock_client() {
    let answer = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "text", "text": "Yes."},
    ], "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 2}});
    let answer = answer.to_string();
    let response = Dialect::AnthropicMessages.decode_response(answer.as_bytes()).unwrap();
    let told: Value =
        serde_json::from_slice(&Dialect::BedrockConverse.encode_response(&response, 0)).unwrap();
    let mut said = told["output"]["message"].clone();
    said["content"].as_array_mut().unwrap().insert(
        0,
        json!({"reasoningContent": {"reasoningText": {"text": "Gemini thought.", "signature": "weir-gemini:AbC="}}}),
    );
    let body = json!({"messages": [
        {"role": "user", "content": [{"text": "Is it?"}]},
        said,
        {"role": "user", "content": [{"text": "Sure?"}]},
    ]});
    let body = body.to_string();
    let mut request = Dialect::BedrockConverse.decode_request(body.as_bytes()).unwrap();
    request.model = "claude-sonnet-4-5".into();
    let (encoded, _) = Dialect::AnthropicMessages.encode_request(&mut request).unwrap();
    let encoded: Value = serde_json::from_slice(&encoded).unwrap();
    let content = encoded["messages"][1]["content"].as_array().unwrap();
    assert!(
        content.contains(&json!({"type": "thinking", "thinking": "Hm.", "signature": "c2ln"})),
        "{encoded}"
    );
    // To Claude on Bedrock the signature of Gemini is none.
    let again: Value = serde_json::from_slice(&reencode(body.as_bytes(), CLAUDE).unwrap()).unwrap();
    assert_eq!(again["messages"][1]["content"], told["output"]["message"]["content"]);
}

#[test]
fn efforts_are_asked_for_as_the_family_does() {
    for (model, effort, max, fields, max_tokens) in [
        (
            CLAUDE,
            "medium",
            None,
            json!({"thinking": {"type": "enabled", "budget_tokens": 2048}}),
            Some(32000),
        ),
        (CLAUDE, "high", Some(1000), Value::Null, Some(1000)),
        (
            "anthropic.claude-opus-4-7",
            "high",
            None,
            json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
            None,
        ),
        (
            MODELS[1].1,
            "high",
            None,
            json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}),
            None,
        ),
        ("openai.gpt-oss-120b-1:0", "xhigh", None, json!({"reasoning_effort": "high"}), None),
        (MODELS[2].1, "high", None, Value::Null, None),
        ("us.deepseek.r1-v1:0", "high", None, Value::Null, None),
    ] {
        let mut body = json!({"reasoning_effort": effort, "temperature": 1.5});
        if let Some(max) = max {
            body["max_completion_tokens"] = json!(max);
        }
        let encoded = openai(&body, model).unwrap();
        assert_eq!(encoded["additionalModelRequestFields"], fields, "{model} {effort}");
        assert_eq!(encoded["inferenceConfig"]["maxTokens"].as_u64(), max_tokens, "{model} {effort}");
        let reasons = fields.get("thinking").is_some() || fields.get("reasoningConfig").is_some();
        let temperature = if reasons { Value::Null } else { json!(1.0) };
        assert_eq!(encoded["inferenceConfig"]["temperature"], temperature, "{model} {effort}");
    }
}

#[test]
fn tool_choices_are_told_as_the_family_takes_them() {
    let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
    let named = json!({"type": "function", "function": {"name": "b"}});
    let names = |encoded: &Value| -> Vec<String> {
        let tools = encoded["toolConfig"]["tools"].as_array().cloned().unwrap_or_default();
        tools.iter().map(|tool| tool["toolSpec"]["name"].as_str().unwrap().to_owned()).collect()
    };
    for (model, choice, tools, out, told) in [
        (CLAUDE, json!("auto"), &["a", "b"][..], Value::Null, ""),
        (CLAUDE, json!("required"), &["a", "b"], json!({"any": {}}), ""),
        (CLAUDE, named.clone(), &["a", "b"], json!({"tool": {"name": "b"}}), ""),
        (CLAUDE, json!("none"), &[], Value::Null, ""),
        ("mistral.mistral-large-2402-v1:0", named.clone(), &["b"], json!({"any": {}}), ""),
        (MODELS[2].1, json!("required"), &["a", "b"], Value::Null, "Answer with a call of one of the tools."),
        (MODELS[2].1, named, &["a", "b"], Value::Null, "Answer with a call of the tool `b`."),
        (
            "anthropic.claude-opus-5-5",
            json!("required"),
            &["a", "b"],
            Value::Null,
            "Answer with a call of one of the tools.",
        ),
    ] {
        let body = json!({"tools": [tool("a"), tool("b")], "tool_choice": choice});
        let encoded = openai(&body, model).unwrap();
        assert_eq!(names(&encoded), tools, "{model} {choice}");
        assert_eq!(encoded["toolConfig"]["toolChoice"], out, "{model} {choice}");
        assert_eq!(encoded["system"][0]["text"].as_str().unwrap_or_default(), told, "{model} {choice}");
    }
    // Claude does not think when it must call.
    let body = json!({"tools": [tool("a")], "tool_choice": "required", "reasoning_effort": "high"});
    assert_eq!(openai(&body, CLAUDE).unwrap()["additionalModelRequestFields"], Value::Null);
}

#[test]
fn what_bedrock_cannot_do_is_refused() {
    let image = |url: &str| json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]});
    for (body, field, message) in [
        (image("https://example.com/a.png"), "messages[0].content[0]", "images must be base64 for Bedrock"),
        (image("data:image/tiff;base64,AAAA"), "messages[0].content[0]", "png, jpeg, gif and webp"),
        (json!({"n": 2}), "n", "one answer"),
        (json!({"logprobs": true}), "logprobs", "log probabilities"),
    ] {
        let error = openai(&body, CLAUDE).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
        assert!(error.to_string().starts_with(&format!("{field}: ")), "{error}");
        assert!(error.to_string().contains(message), "{error}");
    }
    let encoded = openai(&image("s3://bucket/a.jpg"), CLAUDE).unwrap();
    assert_eq!(
        encoded["messages"][0]["content"][0],
        json!({"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://bucket/a.jpg"}}}})
    );
}

#[test]
fn metadata_is_carried_where_it_fits() {
    let body = json!({"metadata": {"team": "a-1", "odd": "ü", "long": "x".repeat(300)}, "service_tier": "priority", "user": "u", "seed": 1});
    let encoded = openai(&body, CLAUDE).unwrap();
    assert_eq!(encoded["requestMetadata"], json!({"team": "a-1"}));
    assert_eq!(encoded["serviceTier"], json!({"type": "priority"}));
    assert!(encoded.get("additionalModelRequestFields").is_none());
}
