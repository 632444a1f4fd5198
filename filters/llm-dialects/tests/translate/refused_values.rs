//! Values that one decoder once took and another refused: now every client is told where they stand.

use llm_dialects::Dialect::{
    AnthropicMessages, BedrockConverse, GeminiGenerate, OpenaiChat, OpenaiResponses,
};
use llm_dialects::Error;
use serde_json::{Value, json};

use crate::provider_gets;

/// Schemas that are no objects, files of no bytes, `data:` URLs where an address belongs and formats that no media type
/// can hold: each was taken by one decoder and refused by another (found by the fuzzer and by `odd_values`).
#[test]
fn t07_what_no_provider_takes_is_refused_where_it_stands() {
    let chat = |part: Value| json!({"model": "m", "messages": [{"role": "user", "content": [part]}]});
    let responses = |part: Value| json!({"model": "m", "input": [{"role": "user", "content": [part]}]});
    let anthropic = |block: Value| json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [block]}]});
    let gemini = |part: Value| json!({"contents": [{"role": "user", "parts": [part]}]});
    let bedrock = |block: Value| json!({"messages": [{"role": "user", "content": [block]}]});
    let with = |mut body: Value, key: &str, value: Value| {
        body[key] = value;
        body
    };
    let said = |text: &str| json!({"type": "text", "text": text});
    for (client, body, field) in [
        (
            OpenaiChat,
            with(
                chat(said("Hi")),
                "tools",
                json!([{"type": "function", "function": {"name": "f", "parameters": true}}]),
            ),
            "tools[0].function.parameters",
        ),
        (
            OpenaiResponses,
            with(
                json!({"model": "m", "input": "Hi"}),
                "tools",
                json!([{"type": "function", "name": "f", "parameters": "{}"}]),
            ),
            "tools[0].parameters",
        ),
        (
            AnthropicMessages,
            with(anthropic(said("Hi")), "tools", json!([{"name": "f", "input_schema": ["city"]}])),
            "tools[0].input_schema",
        ),
        (
            AnthropicMessages,
            with(
                anthropic(said("Hi")),
                "output_config",
                json!({"format": {"type": "json_schema", "schema": 1}}),
            ),
            "output_config.format.schema",
        ),
        (
            GeminiGenerate,
            with(
                gemini(json!({"text": "Hi"})),
                "tools",
                json!([{"functionDeclarations": [{"name": "f", "parametersJsonSchema": true}]}]),
            ),
            "tools[0].functionDeclarations[0].parametersJsonSchema",
        ),
        (
            GeminiGenerate,
            with(
                gemini(json!({"text": "Hi"})),
                "generationConfig",
                json!({"responseMimeType": "application/json", "responseJsonSchema": []}),
            ),
            "generationConfig.responseJsonSchema",
        ),
        (
            GeminiGenerate,
            with(
                gemini(json!({"text": "Hi"})),
                "generationConfig",
                json!({"responseFormat": [{"text": {"mimeType": "APPLICATION_JSON", "schema": "{}"}}]}),
            ),
            "generationConfig.responseFormat[0].text.schema",
        ),
        (
            BedrockConverse,
            with(
                bedrock(json!({"text": "Hi"})),
                "toolConfig",
                json!({"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": 1}}}]}),
            ),
            "toolConfig.tools[0].toolSpec.inputSchema.json",
        ),
        (
            BedrockConverse,
            with(
                bedrock(json!({"text": "Hi"})),
                "outputConfig",
                json!({"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"name": "n", "schema": "true"}}}}),
            ),
            "outputConfig.textFormat.structure.jsonSchema.schema",
        ),
        (
            OpenaiChat,
            chat(json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,"}})),
            "messages[0].content[0].image_url.url",
        ),
        (
            OpenaiChat,
            chat(json!({"type": "file", "file": {"filename": "a", "file_data": "data:text/plain;base64,"}})),
            "messages[0].content[0].file.file_data",
        ),
        (
            OpenaiResponses,
            responses(json!({"type": "input_image", "image_url": "data:image/png;base64,"})),
            "input[0].content[0].image_url",
        ),
        (
            AnthropicMessages,
            anthropic(
                json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": ""}}),
            ),
            "messages[0].content[0].source.data",
        ),
        (
            AnthropicMessages,
            anthropic(
                json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": ""}}),
            ),
            "messages[0].content[0].source.data",
        ),
        (
            AnthropicMessages,
            anthropic(json!({"type": "document", "source": {"type": "content", "content": [said("")]}})),
            "messages[0].content[0].source.content",
        ),
        (
            GeminiGenerate,
            gemini(json!({"inlineData": {"mimeType": "image/png", "data": ""}})),
            "contents[0].parts[0].inlineData.data",
        ),
        (
            BedrockConverse,
            bedrock(json!({"image": {"format": "png", "source": {"bytes": ""}}})),
            "messages[0].content[0].image.source.bytes",
        ),
        (
            BedrockConverse,
            bedrock(json!({"document": {"format": "txt", "name": "a", "source": {"bytes": ""}}})),
            "messages[0].content[0].document.source.bytes",
        ),
        (
            BedrockConverse,
            bedrock(json!({"document": {"name": "a", "source": {"text": ""}}})),
            "messages[0].content[0].document.source.text",
        ),
        (
            BedrockConverse,
            bedrock(json!({"document": {"name": "a", "source": {"content": [{"text": ""}]}}})),
            "messages[0].content[0].document.source.content",
        ),
        (
            OpenaiResponses,
            responses(json!({"type": "input_file", "file_url": "data:text/plain,a"})),
            "input[0].content[0].file_url",
        ),
        (
            AnthropicMessages,
            anthropic(json!({"type": "image", "source": {"type": "url", "url": "DATA:image/png,a"}})),
            "messages[0].content[0].source.url",
        ),
        (
            GeminiGenerate,
            gemini(json!({"fileData": {"mimeType": "image/png", "fileUri": "data:image/png,a"}})),
            "contents[0].parts[0].fileData.fileUri",
        ),
        (
            BedrockConverse,
            bedrock(json!({"image": {"format": "png", "source": {"s3Location": {"uri": "data:,a"}}}})),
            "messages[0].content[0].image.source.s3Location.uri",
        ),
        (
            OpenaiChat,
            chat(json!({"type": "input_audio", "input_audio": {"data": "AA==", "format": "w av"}})),
            "messages[0].content[0].input_audio.format",
        ),
        (
            OpenaiResponses,
            responses(json!({"type": "input_audio", "input_audio": {"data": "AA==", "format": "a/b"}})),
            "input[0].content[0].input_audio.format",
        ),
        (
            BedrockConverse,
            bedrock(json!({"audio": {"format": "a,b", "source": {"bytes": "AA=="}}})),
            "messages[0].content[0].audio.format",
        ),
    ] {
        let body = body.to_string();
        let refused = client.decode_request(body.as_bytes());
        let Err(Error::ClientSent { field: found, .. }) = refused else {
            panic!("{client} takes a bad {field}: {refused:?}");
        };
        assert_eq!(found, field, "{client}");
    }
}

/// The name of a schema may be left out by saying nothing: providers that need one then get another.
#[test]
fn t07_an_empty_schema_name_is_none() {
    let format = json!({"type": "json_schema", "json_schema": {"name": "", "schema": {"type": "object"}}});
    let chat =
        json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "response_format": format});
    let schema = json!({"name": "", "schema": "{\"type\":\"object\"}"});
    let format = json!({"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}});
    let bedrock =
        json!({"messages": [{"role": "user", "content": [{"text": "Hi"}]}], "outputConfig": format});
    // The readers refuse an empty name.
    provider_gets(OpenaiChat, OpenaiResponses, &chat);
    provider_gets(BedrockConverse, OpenaiChat, &bedrock);
}
