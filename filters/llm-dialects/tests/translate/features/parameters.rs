//! Limits, sampling, formats, and what else a request may ask for.

use llm_dialects::Dialect::{AnthropicMessages, GeminiGenerate};
use serde_json::{Value, json};

use super::{CLASSIC, user};
use crate::table::{DROPPED, OWN, REFUSED, Row, carried, near};

const NO: Value = Value::Null;

fn gemini(config: Value) -> Value {
    json!({ "generationConfig": config })
}

fn bedrock(config: Value) -> Value {
    json!({ "inferenceConfig": config })
}

#[rustfmt::skip]
pub(crate) fn rows() -> Vec<Row> {
    let schema = json!({"type": "object", "properties": {"x": {"type": "string"}}});
    let marked = |field: &str, mark: Value, kind: &str| {
        let mut part = json!({"type": kind, "text": "Hi"});
        part[field] = mark;
        part
    };
    vec![
        Row::new("output limit",
            [json!({"max_completion_tokens": 500}), json!({"max_output_tokens": 500}), json!({"max_tokens": 500}), gemini(json!({"maxOutputTokens": 500})), bedrock(json!({"maxTokens": 500}))],
            [carried("/max_completion_tokens"), carried("/max_output_tokens"), carried("/max_tokens"), carried("/generationConfig/maxOutputTokens"), carried("/inferenceConfig/maxTokens")]),
        Row::new("temperature",
            [json!({"temperature": 0.5}), json!({"temperature": 0.5}), json!({"temperature": 0.5}), gemini(json!({"temperature": 0.5})), bedrock(json!({"temperature": 0.5}))],
            [carried("/temperature"), carried("/temperature"), carried("/temperature"), carried("/generationConfig/temperature"), carried("/inferenceConfig/temperature")])
            .models(CLASSIC),
        Row::new("temperature above 1",
            [json!({"temperature": 1.5}), json!({"temperature": 1.5}), NO, gemini(json!({"temperature": 1.5})), NO],
            [carried("/temperature"), carried("/temperature"), near("/temperature", "clamped"), carried("/generationConfig/temperature"), near("/inferenceConfig/temperature", "clamped")])
            .models(CLASSIC),
        Row::new("temperature; OpenAI's models that reason, Claude from 4.7 on",
            [json!({"temperature": 0.5}), json!({"temperature": 0.5}), json!({"temperature": 0.5}), gemini(json!({"temperature": 0.5})), bedrock(json!({"temperature": 0.5}))],
            [DROPPED, DROPPED, DROPPED, carried("/generationConfig/temperature"), DROPPED])
            .models(["gpt-5", "gpt-5", "claude-opus-4-7", "gemini-3-pro-preview", "us.anthropic.claude-opus-4-7"]),
        Row::new("`top_p`",
            [json!({"top_p": 0.5}), json!({"top_p": 0.5}), json!({"top_p": 0.5}), gemini(json!({"topP": 0.5})), bedrock(json!({"topP": 0.5}))],
            [carried("/top_p"), carried("/top_p"), carried("/top_p"), carried("/generationConfig/topP"), carried("/inferenceConfig/topP")])
            .models(CLASSIC),
        Row::new("`top_k`",
            [json!({"top_k": 5}), NO, json!({"top_k": 5}), gemini(json!({"topK": 5})), json!({"additionalModelRequestFields": {"top_k": 5}})],
            [DROPPED, DROPPED, carried("/top_k"), carried("/generationConfig/topK"), carried("/additionalModelRequestFields/top_k")])
            .models(CLASSIC),
        Row::new("seed",
            [json!({"seed": 1}), NO, NO, gemini(json!({"seed": 1})), json!({"additionalModelRequestFields": {"seed": 1}})],
            [carried("/seed"), DROPPED, DROPPED, carried("/generationConfig/seed"), DROPPED])
            .models(CLASSIC),
        Row::new("penalties",
            [json!({"frequency_penalty": 1, "presence_penalty": 1}), NO, NO, gemini(json!({"frequencyPenalty": 1, "presencePenalty": 1})), NO],
            [carried("/frequency_penalty"), DROPPED, DROPPED, carried("/generationConfig/frequencyPenalty"), DROPPED])
            .models(CLASSIC),
        Row::new("logit bias",
            [json!({"logit_bias": {"1": 1}}), NO, NO, NO, NO],
            [OWN, REFUSED, DROPPED, DROPPED, DROPPED])
            .models(CLASSIC),
        Row::new("stop sequences",
            [json!({"stop": ["END"]}), NO, json!({"stop_sequences": ["END"]}), gemini(json!({"stopSequences": ["END"]})), bedrock(json!({"stopSequences": ["END"]}))],
            [carried("/stop"), REFUSED, carried("/stop_sequences"), carried("/generationConfig/stopSequences"), carried("/inferenceConfig/stopSequences")])
            .models(CLASSIC),
        Row::new("output by JSON schema",
            [
                json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}}),
                json!({"text": {"format": {"type": "json_schema", "name": "n", "schema": schema}}}),
                json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}}),
                gemini(json!({"responseMimeType": "application/json", "responseJsonSchema": schema})),
                json!({"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": schema.to_string(), "name": "n"}}}}}),
            ],
            [
                carried("/response_format"), carried("/text/format"), carried("/output_config/format"),
                carried("/generationConfig/responseJsonSchema"), carried("/outputConfig/textFormat"),
            ]),
        Row::new("output by JSON schema, older models",
            [
                json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}}),
                json!({"text": {"format": {"type": "json_schema", "name": "n", "schema": schema}}}),
                json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}}),
                gemini(json!({"responseMimeType": "application/json", "responseJsonSchema": schema})),
                NO,
            ],
            [
                carried("/response_format"), carried("/text/format"), carried("/output_config/format"),
                carried("/generationConfig/responseJsonSchema"), near("/system", "asked for in words"),
            ])
            .models(["gpt-4.1", "gpt-4.1", "claude-sonnet-4-5", "gemini-2.5-flash", "us.anthropic.claude-3-5-haiku-20241022-v1:0"]),
        Row::new("output as any JSON object",
            [json!({"response_format": {"type": "json_object"}}), json!({"text": {"format": {"type": "json_object"}}}), NO, gemini(json!({"responseMimeType": "application/json"})), NO],
            [
                carried("/response_format"), carried("/text/format"), near("/system", "asked for in words"),
                carried("/generationConfig/responseMimeType"), near("/system", "asked for in words"),
            ]),
        Row::new("several answers (`n`)",
            [json!({"n": 2}), NO, NO, gemini(json!({"candidateCount": 2})), NO],
            [carried("/n"), REFUSED, REFUSED, REFUSED, REFUSED]),
        Row::new("log probabilities",
            [
                json!({"logprobs": true, "top_logprobs": 2}),
                json!({"include": ["message.output_text.logprobs"], "top_logprobs": 2}),
                NO, gemini(json!({"responseLogprobs": true, "logprobs": 2})), NO,
            ],
            [carried("/top_logprobs"), carried("/top_logprobs"), REFUSED, carried("/generationConfig/logprobs"), REFUSED])
            .models(CLASSIC),
        Row::new("prompt-cache marks",
            user([
                marked("cache_control", json!({"type": "ephemeral"}), "text"),
                marked("prompt_cache_breakpoint", json!({"type": "ephemeral"}), "input_text"),
                marked("cache_control", json!({"type": "ephemeral"}), "text"),
                NO, NO,
            ])
            .into_iter()
            .take(4)
            .chain([json!({"messages": [{"role": "user", "content": [{"text": "Hi"}, {"cachePoint": {"type": "default"}}]}]})])
            .collect::<Vec<_>>()
            .try_into()
            .unwrap(),
            [DROPPED, DROPPED, carried("/messages/0/content/0/cache_control"), DROPPED, carried("/messages/0/content/1/cachePoint")]),
        Row::new("a mark for an hour",
            [
                user([marked("cache_control", json!({"type": "ephemeral", "ttl": "1h"}), "text"), NO, NO, NO, NO])[0].clone(),
                NO,
                user([NO, NO, marked("cache_control", json!({"type": "ephemeral", "ttl": "1h"}), "text"), NO, NO])[2].clone(),
                NO,
                json!({"messages": [{"role": "user", "content": [{"text": "Hi"}, {"cachePoint": {"type": "default", "ttl": "1h"}}]}]}),
            ],
            [DROPPED, DROPPED, carried("/messages/0/content/0/cache_control/ttl"), DROPPED, carried("/messages/0/content/1/cachePoint/ttl")]),
        Row::new("end user",
            [json!({"safety_identifier": "u-1"}), json!({"safety_identifier": "u-1"}), json!({"metadata": {"user_id": "u-1"}}), NO, NO],
            [carried("/user"), carried("/user"), carried("/metadata/user_id"), DROPPED, DROPPED]),
        Row::new("end user, e-mail addresses",
            [json!({"user": "ann@example.com"}), json!({"user": "ann@example.com"}), json!({"metadata": {"user_id": "ann@example.com"}}), NO, NO],
            [carried("/user"), carried("/user"), DROPPED, DROPPED, DROPPED]),
        Row::new("metadata",
            [json!({"metadata": {"team": "a"}}), json!({"metadata": {"team": "a"}}), NO, NO, json!({"requestMetadata": {"team": "a"}})],
            [carried("/metadata"), carried("/metadata"), DROPPED, DROPPED, carried("/requestMetadata")]),
        Row::new("service tier `flex`",
            [json!({"service_tier": "flex"}), json!({"service_tier": "flex"}), NO, json!({"serviceTier": "flex"}), json!({"serviceTier": {"type": "flex"}})],
            [carried("/service_tier"), carried("/service_tier"), DROPPED, carried("/serviceTier"), carried("/serviceTier")]),
        Row::new("the default service tier",
            [json!({"service_tier": "default"}), json!({"service_tier": "default"}), json!({"service_tier": "standard_only"}), json!({"serviceTier": "standard"}), NO],
            [carried("/service_tier"), carried("/service_tier"), near("/service_tier", "called `standard_only`"), carried("/serviceTier"), DROPPED])
            .except(GeminiGenerate, AnthropicMessages, DROPPED),
        Row::new("verbosity",
            [json!({"verbosity": "low"}), json!({"text": {"verbosity": "low"}}), NO, NO, NO],
            [carried("/verbosity"), carried("/text/verbosity"), DROPPED, DROPPED, DROPPED]),
    ]
}
