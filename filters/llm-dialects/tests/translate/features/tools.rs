//! Tools, calls and results.

use llm_dialects::Dialect;
use serde_json::{Value, json};

use super::by_client;
use crate::laid_over;
use crate::table::{DROPPED, REFUSED, Row, carried, near};

const NO: Value = Value::Null;

/// A function, with this laid over its definition, and this over the request.
fn with_function(client: Dialect, function: &Value, rest: &Value) -> Value {
    let schema = json!({"type": "object", "properties": {"x": {"type": "string"}}});
    let body = match client {
        Dialect::OpenaiChat => {
            let function = laid_over(json!({"name": "f", "parameters": schema}), function);
            json!({"tools": [{"type": "function", "function": function}]})
        }
        Dialect::OpenaiResponses => {
            json!({"tools": [laid_over(json!({"type": "function", "name": "f", "parameters": schema, "strict": false}), function)]})
        }
        Dialect::AnthropicMessages => {
            json!({"tools": [laid_over(json!({"name": "f", "input_schema": schema}), function)]})
        }
        Dialect::GeminiGenerate => {
            let function = laid_over(json!({"name": "f", "parametersJsonSchema": schema}), function);
            json!({"tools": [{"functionDeclarations": [function]}]})
        }
        Dialect::BedrockConverse => {
            let function = laid_over(json!({"name": "f", "inputSchema": {"json": schema}}), function);
            json!({"toolConfig": {"tools": [{"toolSpec": function}]}})
        }
    };
    if client == Dialect::BedrockConverse && rest.get("toolConfig").is_some() {
        let config = laid_over(body["toolConfig"].clone(), &rest["toolConfig"]);
        return laid_over(laid_over(body, rest), &json!({"toolConfig": config}));
    }
    laid_over(body, rest)
}

/// The function and this.
fn with(rest: [Value; 5]) -> [Value; 5] {
    by_client(rest, |client, rest| with_function(client, &json!({}), &rest))
}

fn plain() -> [Value; 5] {
    with([const { Value::Null }; 5].map(|_| json!({})))
}

/// Rounds of a call and its result. The arguments are as the dialect writes them; the result is the part of a turn.
fn rounds(client: Dialect, arguments: &Value, results: &[Value]) -> Value {
    let calls = results.iter().enumerate().map(|(i, _)| {
        let id = format!("call_{i}");
        match client {
            Dialect::OpenaiChat => {
                json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}})
            }
            Dialect::OpenaiResponses => {
                json!({"type": "function_call", "call_id": id, "name": "f", "arguments": arguments})
            }
            Dialect::AnthropicMessages => {
                json!({"type": "tool_use", "id": id, "name": "f", "input": arguments})
            }
            Dialect::GeminiGenerate => json!({"functionCall": {"id": id, "name": "f", "args": arguments}}),
            Dialect::BedrockConverse => {
                json!({"toolUse": {"toolUseId": id, "name": "f", "input": arguments}})
            }
        }
    });
    let calls: Vec<Value> = calls.collect();
    let body = match client {
        Dialect::OpenaiChat => {
            let mut messages = vec![
                json!({"role": "user", "content": "Hi"}),
                json!({"role": "assistant", "content": null, "tool_calls": calls}),
            ];
            messages.extend_from_slice(results);
            json!({ "messages": messages })
        }
        Dialect::OpenaiResponses => {
            let items = [vec![json!({"role": "user", "content": "Hi"})], calls, results.to_vec()].concat();
            json!({ "input": items })
        }
        Dialect::AnthropicMessages => {
            json!({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": calls}, {"role": "user", "content": results}]})
        }
        Dialect::GeminiGenerate => {
            json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": calls}, {"role": "user", "parts": results}]})
        }
        Dialect::BedrockConverse => {
            json!({"messages": [{"role": "user", "content": [{"text": "Hi"}]}, {"role": "assistant", "content": calls}, {"role": "user", "content": results}]})
        }
    };
    with_function(client, &json!({}), &body)
}

/// A result with this content, in the shape of the dialect.
fn result(client: Dialect, id: &str, content: Value, failed: bool) -> Value {
    match client {
        Dialect::OpenaiChat => json!({"role": "tool", "tool_call_id": id, "content": content}),
        Dialect::OpenaiResponses => json!({"type": "function_call_output", "call_id": id, "output": content}),
        Dialect::AnthropicMessages => {
            json!({"type": "tool_result", "tool_use_id": id, "content": content, "is_error": failed})
        }
        Dialect::GeminiGenerate if content.get("parts").is_some() => {
            json!({"functionResponse": {"id": id, "name": "f", "response": {}, "parts": content["parts"]}})
        }
        Dialect::GeminiGenerate if failed => {
            json!({"functionResponse": {"id": id, "name": "f", "response": {"error": content}}})
        }
        Dialect::GeminiGenerate => {
            json!({"functionResponse": {"id": id, "name": "f", "response": {"output": content}}})
        }
        Dialect::BedrockConverse => {
            let content = if content.is_string() { json!([{ "text": content }]) } else { content };
            json!({"toolResult": {"toolUseId": id, "content": content, "status": if failed { "error" } else { "success" }}})
        }
    }
}

/// Arguments as each client writes them.
fn object() -> [Value; 5] {
    [json!("{\"x\":1}"), json!("{\"x\":1}"), json!({"x": 1}), json!({"x": 1}), json!({"x": 1})]
}

/// A round of which the result has this content.
fn results(contents: [Value; 5], failed: bool) -> [Value; 5] {
    by_client(contents, |client, content| {
        let arguments = object()[Dialect::ALL.into_iter().position(|known| known == client).unwrap()].clone();
        rounds(client, &arguments, &[result(client, "call_0", content, failed)])
    })
}

fn texts(text: &str) -> [Value; 5] {
    [const { Value::Null }; 5].map(|_| json!(text))
}

#[rustfmt::skip]
pub(crate) fn rows() -> Vec<Row> {
    let function = |function: [Value; 5]| by_client(function, |client, function| with_function(client, &function, &json!({})));
    let said_in_words = "said in words";
    vec![
        Row::new("functions", plain(),
            [carried("/tools"), carried("/tools"), carried("/tools"), carried("/tools"), carried("/toolConfig/tools")]),
        Row::new("strict functions",
            function([json!({"strict": true}), json!({"strict": true}), json!({"strict": true}), NO, json!({"strict": true})]),
            [carried("/tools/0/function/strict"), carried("/tools/0/strict"), carried("/tools/0/strict"), DROPPED, carried("/toolConfig/tools/0/toolSpec/strict")])
            .without(plain()),
        Row::new("tools run by the provider, custom tools",
            [
                json!({"tools": [{"type": "custom", "custom": {"name": "c"}}]}),
                json!({"tools": [{"type": "web_search"}]}),
                json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
                json!({"tools": [{"googleSearch": {}}]}),
                json!({"toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]}}),
            ],
            [REFUSED, REFUSED, REFUSED, REFUSED, REFUSED]),
        Row::new("a forced call of any tool",
            with([
                json!({"tool_choice": "required"}),
                json!({"tool_choice": "required"}),
                json!({"tool_choice": {"type": "any"}}),
                json!({"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}),
                json!({"toolConfig": {"toolChoice": {"any": {}}}}),
            ]),
            [
                carried("/tool_choice"), carried("/tool_choice"), carried("/tool_choice"),
                carried("/toolConfig/functionCallingConfig"), carried("/toolConfig/toolChoice"),
            ])
            .without(plain()),
        Row::new("a forced call of one tool",
            with([
                json!({"tool_choice": {"type": "function", "function": {"name": "f"}}}),
                json!({"tool_choice": {"type": "function", "name": "f"}}),
                json!({"tool_choice": {"type": "tool", "name": "f"}}),
                json!({"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}}}),
                json!({"toolConfig": {"toolChoice": {"tool": {"name": "f"}}}}),
            ]),
            [
                carried("/tool_choice"), carried("/tool_choice"), carried("/tool_choice"),
                carried("/toolConfig/functionCallingConfig"), carried("/toolConfig/toolChoice"),
            ])
            .without(plain()),
        Row::new("a forced call, Claude Opus 5.5, Sonnet 5.5, Fable",
            with([
                json!({"tool_choice": "required"}),
                json!({"tool_choice": "required"}),
                json!({"tool_choice": {"type": "any"}}),
                json!({"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}),
                json!({"toolConfig": {"toolChoice": {"any": {}}}}),
            ]),
            [
                carried("/tool_choice"), carried("/tool_choice"),
                near("/system", "an instruction, as the model refuses to be forced"),
                carried("/toolConfig/functionCallingConfig"),
                near("/system", "an instruction, as the model refuses to be forced"),
            ])
            .without(plain())
            .models(["gpt-5", "gpt-5", "claude-opus-5-5", "gemini-3-pro-preview", "us.anthropic.claude-opus-5-5"]),
        Row::new("no call (`none`)",
            with([
                json!({"tool_choice": "none"}),
                json!({"tool_choice": "none"}),
                json!({"tool_choice": {"type": "none"}}),
                json!({"toolConfig": {"functionCallingConfig": {"mode": "NONE"}}}),
                NO,
            ]),
            [
                carried("/tool_choice"), carried("/tool_choice"), carried("/tool_choice"),
                carried("/toolConfig/functionCallingConfig"),
                near("/toolConfig", "no tools are sent"),
            ])
            .without(plain()),
        Row::new("a choice among some tools",
            with([
                json!({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}}),
                json!({"tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]}}),
                NO,
                json!({"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f", "g"]}}}),
                NO,
            ]),
            [
                near("/tool_choice", "the others are left out of the request"),
                near("/tool_choice", "the others are left out of the request"),
                near("/tool_choice", "the others are left out of the request"),
                near("/toolConfig/functionCallingConfig", "the others are left out of the request"),
                near("/toolConfig/toolChoice", "the others are left out of the request"),
            ])
            .except(Dialect::OpenaiChat, Dialect::OpenaiResponses, REFUSED)
            .except(Dialect::OpenaiChat, Dialect::AnthropicMessages, REFUSED)
            .except(Dialect::OpenaiChat, Dialect::GeminiGenerate, REFUSED)
            .except(Dialect::OpenaiChat, Dialect::BedrockConverse, REFUSED)
            .without(plain()),
        Row::new("parallel calls forbidden",
            with([
                json!({"parallel_tool_calls": false}),
                json!({"parallel_tool_calls": false}),
                json!({"tool_choice": {"type": "auto", "disable_parallel_tool_use": true}}),
                NO,
                json!({"additionalModelRequestFields": {"tool_choice": {"type": "auto", "disable_parallel_tool_use": true}}}),
            ]),
            [
                carried("/parallel_tool_calls"), carried("/parallel_tool_calls"), carried("/tool_choice"),
                near("/systemInstruction", "an instruction"),
                carried("/additionalModelRequestFields/tool_choice"),
            ])
            .without(plain()),
        Row::new("calls in the history, and results",
            results(texts("R"), false),
            [
                carried("/messages/2/content"), carried("/input/2/output"), carried("/messages/2/content/0/content"),
                carried("/contents/2/parts/0/functionResponse"), carried("/messages/2/content/0/toolResult"),
            ])
            .without(plain()),
        Row::new("arguments that are no JSON",
            by_client([json!("{\"x\":"), json!("{\"x\":"), NO, NO, NO], |client, arguments| {
                rounds(client, &arguments, &[result(client, "call_0", json!("R"), false)])
            }),
            [
                carried("/messages/1/tool_calls/0/function/arguments"),
                carried("/input/1/arguments"),
                near("/messages/1/content/0/input", "wrapped in an object"),
                near("/contents/1/parts/0/functionCall/args", "wrapped in an object"),
                near("/messages/1/content/0/toolUse/input", "wrapped in an object"),
            ])
            .without(results(texts("R"), false)),
        Row::new("results out of order",
            by_client(object(), |client, arguments| {
                rounds(client, &arguments, &[result(client, "call_1", json!("2"), false), result(client, "call_0", json!("1"), false)])
            }),
            [
                carried("/messages/2/content"), carried("/input/3/output"), carried("/messages/2/content/1/content"),
                carried("/contents/2/parts/1/functionResponse"), carried("/messages/2/content/1/toolResult"),
            ])
            .without(results(texts("R"), false)),
        Row::new("empty results",
            results([json!(""), json!(""), json!(""), json!(""), json!([])], false),
            [
                carried("/messages/2/content"), carried("/input/2/output"), carried("/messages/2/content/0"),
                carried("/contents/2/parts/0/functionResponse"),
                near("/messages/2/content/0/toolResult/content", "a text that says so, as the API takes none that is empty"),
            ])
            .without(results(texts("R"), false)),
        Row::new("images in results",
            results([
                json!([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]),
                json!([{"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]),
                json!([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}]),
                json!({"parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}),
                json!([{"image": {"format": "png", "source": {"bytes": "AAAA"}}}]),
            ], false),
            [
                near("/messages/3/content/1", "in the next user message"),
                carried("/input/2/output/0"),
                carried("/messages/2/content/0/content/0"),
                carried("/contents/2/parts/0/functionResponse"),
                carried("/messages/2/content/0/toolResult/content/0/image"),
            ])
            .without(results(texts("R"), false)),
        Row::new("failed results",
            results([NO, NO, json!("R"), json!("R"), json!("R")], true),
            [
                near("/messages/2/content", said_in_words), near("/input/2/output", said_in_words),
                carried("/messages/2/content/0/is_error"), carried("/contents/2/parts/0/functionResponse/response/error"),
                carried("/messages/2/content/0/toolResult/status"),
            ])
            .without(results(texts("R"), false)),
        Row::new("names the provider does not take (`files.read`)",
            by_client(texts("files.read"), |client, name| {
                with_function(client, &json!({ "name": name }), &json!({}))
            }),
            [
                near("/tools/0/function/name", "replaced, and restored in the answer"),
                near("/tools/0/name", "replaced, and restored in the answer"),
                near("/tools/0/name", "replaced, and restored in the answer"),
                carried("/tools/0/functionDeclarations/0/name"),
                near("/toolConfig/tools/0/toolSpec/name", "replaced, and restored in the answer"),
            ])
            .without(plain()),
    ]
}
