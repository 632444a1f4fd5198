//! Bodies and their texts, dialect by dialect.

use filter_config::{Endpoint, Scope};
use text_views::{Error, Views};

use crate::shown::{answer, request, stream};

#[test]
fn chat_requests() {
    let body = r#"{"model":"m","messages":[
        {"role":"developer","content":"Be kind."},
        {"role":"user","name":"bob","content":[{"type":"text","text":"See"},{"type":"image_url","image_url":{"url":"https://x"}},
            {"type":"text","text":"this"},{"type":"file","file":{"filename":"f","file_data":"data:;base64,AA=="}},{"type":"novel","content":["new","words"]}]},
        {"role":"assistant","content":null,"reasoning_content":"Hm.","refusal":"No.","tool_calls":[
            {"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},
            {"id":"b","type":"custom","custom":{"name":"g","input":"raw"}}]},
        {"role":"assistant","content":"","function_call":{"name":"f","arguments":"{}"},"audio":{"id":"au"}},
        {"role":"tool","tool_call_id":"a","content":[{"type":"text","text":"one"},{"type":"text","text":"two"}]}],
        "prediction":{"type":"content","content":"old code"},
        "tools":[{"type":"function","function":{"name":"f","description":"not a message"}}]}"#;
    request(
        Endpoint::OpenaiChat,
        body,
        &[
            "0 System Text0 #0: Be kind.",
            "1 User Text0 #0: See",
            "1 User Text0 #2: this",
            "1 User Other4 #4: new",
            "1 User Other4 #4: words",
            "2 Assistant Reasoning0 #0: Hm.",
            "2 Assistant Refusal0 #0: No.",
            "2 Assistant ToolInput0 #0 json-text: {\"x\":1}",
            "2 Assistant ToolInput1 #0: raw",
            "3 Assistant Text0 #0: ",
            "3 Assistant ToolInput0 #0 json-text: {}",
            "4 Tool ToolOutput0 #0: one",
            "4 Tool ToolOutput0 #1: two",
            "5 Assistant Text0 #0: old code",
        ],
    );
    let views = Views::of_request(Endpoint::OpenaiChat, body.as_bytes()).unwrap();
    let scopes: Vec<Scope> = views.slots().iter().map(|slot| slot.scope).collect();
    use Scope::{Messages as M, Reasoning as R, SystemPrompt as S, ToolInput as I, ToolOutput as O};
    assert_eq!(scopes, [S, M, M, M, M, R, M, I, I, M, I, O, O, M]);
}

#[test]
fn chat_answers() {
    answer(
        Endpoint::OpenaiChat,
        r#"{"choices":[{"index":1,"message":{"role":"assistant","content":"b"}},{"message":{"content":[
            {"type":"thinking","thinking":[{"type":"text","text":"t"}]},{"type":"text","text":"c"}],
            "audio":{"id":"x","data":"AAAA","transcript":"said"}}}]}"#,
        &[
            "1 Assistant Text0 #0: b",
            "1 Assistant Reasoning0 #0: t",
            "1 Assistant Text0 #1: c",
            "1 Assistant Transcript0 #0: said",
        ],
    );
    answer(Endpoint::OpenaiChat, r#"{"error":{"message":"no","code":429}}"#, &[]);
}

#[test]
fn chat_streams_number_their_calls() {
    let call = |inside: &str| format!(r#"{{"choices":[{{"index":0,"delta":{{"tool_calls":[{inside}]}}}}]}}"#);
    let (a, b, c, d) = (
        call(
            r#"{"index":0,"id":"x","function":{"arguments":"1"}},{"index":1,"id":"y","function":{"arguments":"2"}}"#,
        ),
        call(r#"{"index":0,"function":{"arguments":"3"}}"#),
        call(r#"{"index":0,"id":"z","function":{"arguments":"4"}}"#),
        call(r#"{"function":{"arguments":"5"}}"#),
    );
    stream(
        Endpoint::OpenaiChat,
        &[
            (
                "",
                r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"}},{"index":1,"delta":{"content":"Ho"}}]}"#,
            ),
            ("", &a),
            ("", &b),
            ("", &c),
            ("", &d),
            ("", r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#),
            ("", "[DONE]"),
        ],
        &[
            "0 Assistant Text0 #0: Hi",
            "1 Assistant Text0 #0: Ho",
            "0 Assistant ToolInput0 #0 json-text: 1",
            "0 Assistant ToolInput1 #0 json-text: 2",
            "0 Assistant ToolInput0 #0 json-text: 3",
            "0 Assistant ToolInput2 #0 json-text: 4",
            "0 Assistant ToolInput2 #0 json-text: 5",
            "end 0 Text0",
            "end 0 ToolInput0",
            "end 0 ToolInput1",
            "end 0 ToolInput2",
            "end 1 Text0",
        ],
    );
}

#[test]
fn responses_requests() {
    request(
        Endpoint::OpenaiResponses,
        r#"{"instructions":"Be.","prompt":{"id":"p","variables":{"who":"Ann","what":{"type":"input_text","text":"it"}}},
            "input":[{"role":"user","content":"a"},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"b","logprobs":[]},{"type":"refusal","refusal":"c"}]},
            {"type":"reasoning","id":"r","summary":[{"type":"summary_text","text":"d"}],"encrypted_content":"gAAA"},
            {"type":"function_call","call_id":"1","name":"f","arguments":"{}"},
            {"type":"function_call_output","call_id":"1","output":"e"},
            {"type":"function_call_output","call_id":"1","output":[{"type":"input_text","text":"f"},{"type":"input_image","image_url":"data:,"}]},
            {"type":"custom_tool_call","call_id":"2","input":"g"},
            {"type":"mcp_call","id":"3","arguments":"{\"h\":1}","output":"i","error":null},
            {"type":"computer_call","call_id":"4","action":{"type":"type","text":"j"}},
            {"type":"computer_call_output","call_id":"4","output":{"type":"computer_screenshot","image_url":"data:,"}},
            {"type":"code_interpreter_call","code":"k","outputs":[{"type":"logs","logs":"l"}]},
            {"type":"file_search_call","queries":["m","n"],"results":[{"file_id":"x","filename":"y","text":"o"}]},
            {"type":"shell_call_output","output":[{"stdout":"p","stderr":"q","outcome":{"type":"exit","exit_code":0}}]},
            {"type":"item_reference","id":"z"},
            {"type":"poem","verses":[{"text":"r"}],"input":{"s":1}}]}"#,
        &[
            "0 System Text0 #0: Be.",
            "1 User Document0 #0: Ann",
            "1 User Document1 #0: it",
            "2 User Text0 #0: a",
            "3 Assistant Text0 #1: b",
            "3 Assistant Refusal0 #2: c",
            "4 Assistant Reasoning0 #3: d",
            "5 Assistant ToolInput5 #4 json-text: {}",
            "6 Tool ToolOutput6 #5: e",
            "7 Tool ToolOutput7 #6: f",
            "8 Assistant ToolInput8 #7: g",
            "9 Assistant ToolInput9 #8 json-text: {\"h\":1}",
            "9 Tool ToolOutput9 #9: i",
            "10 Assistant ToolInput10 #10 json: {\"type\":\"type\",\"text\":\"j\"}",
            "12 Assistant ToolInput12 #12: k",
            "12 Tool ToolOutput12 #13: l",
            "13 Assistant ToolInput13 #14: m",
            "13 Assistant ToolInput13 #14: n",
            "13 Tool ToolOutput13 #15: o",
            "14 Tool ToolOutput14 #16: p",
            "14 Tool ToolOutput14 #16: q",
            "16 Assistant Other16 #17: r",
            "16 Assistant ToolInput16 #17 json: {\"s\":1}",
        ],
    );
    request(Endpoint::OpenaiResponses, r#"{"input":"hi"}"#, &["0 User Text0 #0: hi"]);
}

#[test]
fn messages_requests() {
    request(
        Endpoint::AnthropicMessages,
        r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[
            {"type":"thinking","thinking":"b","signature":"s"},{"type":"redacted_thinking","data":"x"},
            {"type":"text","text":"c"},{"type":"tool_use","id":"t","name":"n","input":{"d":[1]}}]},
            {"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"e"},
            {"type":"tool_result","tool_use_id":"u","content":[{"type":"text","text":"f"},{"type":"image","source":{"type":"base64","data":"AA"}},
                {"type":"search_result","source":"http://x","title":"g","content":[{"type":"text","text":"h"}]}]},
            {"type":"document","title":"i","context":"j","source":{"type":"text","media_type":"text/plain","data":"k"}},
            {"type":"document","source":{"type":"content","content":[{"type":"text","text":"l"},{"type":"text","text":"m"}]}},
            {"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}},
            {"type":"new_block","stuff":{"source":{"type":"text","data":"n"},"text":"o","id":"p"}}]}],
            "system":[{"type":"text","text":"S"},{"type":"text","text":"T"}]}"#,
        &[
            "0 System Text0 #0: S",
            "0 System Text0 #1: T",
            "1 User Text0 #0: a",
            "2 Assistant Reasoning0 #0: b",
            "2 Assistant Text0 #2: c",
            "2 Assistant ToolInput3 #3 json: {\"d\":[1]}",
            "3 Tool ToolOutput0 #0: e",
            "3 Tool ToolOutput1 #1: f",
            "3 Tool ToolOutput1 #1: g",
            "3 Tool ToolOutput1 #1: h",
            "3 User Document2 #2: i",
            "3 User Document2 #2: j",
            "3 User Document2 #2: k",
            "3 User Document3 #3: l",
            "3 User Document3 #3: m",
            "3 User Other5 #5: n",
            "3 User Other5 #5: o",
        ],
    );
    let body = r#"{"system":"S","messages":[{"role":"user","content":"a"}]}"#;
    let expected = ["0 System Text0 #0: S", "1 User Text0 #0: a"];
    request(Endpoint::AnthropicCountTokens, body, &expected);
}

#[test]
fn messages_streams_end_calls_with_their_block_and_text_with_the_message() {
    stream(
        Endpoint::AnthropicMessages,
        &[
            ("", r#"{"type":"message_start","message":{"role":"assistant","content":[]}}"#),
            ("", r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#),
            ("", r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#),
            ("", r#"{"type":"content_block_stop","index":0}"#),
            (
                "",
                r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"n","input":{}}}"#,
            ),
            (
                "",
                r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#,
            ),
            ("", r#"{"type":"content_block_stop","index":1}"#),
            ("", r#"{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"b"}}"#),
            (
                "",
                r#"{"type":"content_block_delta","index":3,"delta":{"type":"compaction_delta","content":"c"}}"#,
            ),
            ("", r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#),
            ("", r#"{"type":"message_stop"}"#),
        ],
        &[
            "0 Assistant Text0 #0: ",
            "0 Assistant Text0 #0: a",
            "0 Assistant ToolInput1 #1 json-text: {}",
            "end 0 ToolInput1",
            "0 Assistant Text0 #2: b",
            "0 Assistant Other3 #3: c",
            "end 0 Text0",
            "end 0 Other3",
        ],
    );
}

#[test]
fn gemini_requests() {
    request(
        Endpoint::GeminiGenerateContent,
        r#"{"contents":[{"role":"user","parts":[{"text":"a"},{"inline_data":{"data":"AA"}}]},
            {"role":"model","parts":[{"text":"b","thought":true},{"functionCall":{"name":"f","args":{"c":1}},"thoughtSignature":"s"},
            {"executableCode":{"language":"PYTHON","code":"d"}},{"codeExecutionResult":{"outcome":"OK","output":"e"}},
            {"toolCall":{"toolType":"GOOGLE","args":{"f":1},"id":"x"}}]},
            {"role":"user","parts":{"functionResponse":{"name":"f","response":{"g":"h"}}}}],
            "system_instruction":{"parts":{"text":"S"}}}"#,
        &[
            "0 System Text0 #0: S",
            "1 User Text0 #0: a",
            "2 Assistant Reasoning0 #0: b",
            "2 Assistant ToolInput1 #1 json: {\"c\":1}",
            "2 Assistant ToolInput2 #2: d",
            "2 Tool ToolOutput3 #3: e",
            "2 Assistant ToolInput4 #4 json: {\"f\":1}",
            "3 Tool ToolOutput1 #0 json: {\"g\":\"h\"}",
        ],
    );
    request(
        Endpoint::GeminiCountTokens,
        r#"{"generateContentRequest":{"contents":{"parts":[{"text":"a"}]}}}"#,
        &["0 User Text0 #0: a"],
    );
    request(
        Endpoint::GeminiBatchEmbedContents,
        r#"{"requests":[{"content":{"parts":[{"text":"a"}]},"title":"t"},{"content":{"parts":[{"text":"b"}]}}]}"#,
        &["0 User Document0 #0: t", "0 User Text0 #0: a", "1 User Text0 #0: b"],
    );
}

#[test]
fn gemini_streams_end_candidates_apart() {
    let events = [
        r#"{"candidates":[{"index":0,"content":{"parts":[{"text":"a"}]}},{"index":1,"content":{"parts":[{"text":"b"}]},"finishReason":"STOP"}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{}}}]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$.x","stringValue":"c","willContinue":true}]}}]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$.x","stringValue":"d"},{"jsonPath":"$.y","stringValue":"e"}]}}]}}]}"#,
        r#"{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"call: f"}]}"#,
    ];
    let lines = [
        "0 Assistant Text0 #0: a",
        "1 Assistant Text0 #0: b",
        "0 Assistant ToolInput1 #0 json: {}",
        "end 1 Text0",
        "end 0 ToolInput1",
        "0 Assistant ToolInput2 #0: c",
        "0 Assistant ToolInput2 #0: d",
        "0 Assistant ToolInput3 #0: e",
        "end 0 ToolInput2",
        "end 0 ToolInput3",
        "0 Assistant Other0 #0: call: f",
    ];
    stream(Endpoint::GeminiStreamGenerateContent, &events.map(|data| ("", data)), &lines);
    let whole = format!("[{}]", events.join(","));
    let unary: Vec<&str> = lines.into_iter().filter(|line| !line.starts_with("end")).collect();
    answer(Endpoint::GeminiStreamGenerateContent, &whole, &unary);
}

#[test]
fn bedrock_requests() {
    request(
        Endpoint::BedrockConverse,
        r#"{"messages":[{"role":"user","content":[{"text":"a"},{"guardContent":{"text":{"text":"b","qualifiers":["query"]}}},{"cachePoint":{"type":"default"}},
            {"document":{"name":"n","format":"txt","context":"c","source":{"text":"d"}}},{"document":{"name":"n","source":{"content":[{"text":"e"}]}}},
            {"document":{"name":"n","source":{"bytes":"aGk="}}},{"searchResult":{"source":"u","title":"f","content":[{"text":"g"}]}}]},
            {"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"h"}}},{"toolUse":{"toolUseId":"t","name":"n","input":{"i":1}}},
            {"citationsContent":{"content":[{"text":"j"}],"citations":[]}}]},
            {"role":"user","content":[{"toolResult":{"toolUseId":"t","content":[{"text":"k"},{"json":{"l":1}}]}},{"future":{"text":"m"}}]}],
            "system":[{"text":"S"}],"promptVariables":{"v":{"text":"V"}}}"#,
        &[
            "0 System Text0 #0: S",
            "1 User Document0 #0: V",
            "2 User Text0 #0: a",
            "2 User Text0 #1: b",
            "2 User Document3 #3: c",
            "2 User Document3 #3: d",
            "2 User Document4 #4: e",
            "2 User Document6 #6: f",
            "2 User Document6 #6: g",
            "3 Assistant Reasoning0 #0: h",
            "3 Assistant ToolInput1 #1 json: {\"i\":1}",
            "3 Assistant Text0 #2: j",
            "4 Tool ToolOutput0 #0: k",
            "4 Tool ToolOutput0 #0 json: {\"l\":1}",
            "4 User Other1 #1: m",
        ],
    );
    request(
        Endpoint::BedrockCountTokens,
        r#"{"input":{"converse":{"messages":[{"role":"user","content":[{"text":"a"}]}]}}}"#,
        &["0 User Text0 #0: a"],
    );
}

#[test]
fn bedrock_streams() {
    stream(
        Endpoint::BedrockConverseStream,
        &[
            ("messageStart", r#"{"role":"assistant"}"#),
            ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"a"}}}"#),
            (
                "contentBlockDelta",
                r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"c2ln"}}}"#,
            ),
            ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"text":"b"}}"#),
            ("contentBlockStop", r#"{"contentBlockIndex":1}"#),
            (
                "contentBlockStart",
                r#"{"contentBlockIndex":2,"start":{"toolUse":{"name":"f","toolUseId":"t"}}}"#,
            ),
            ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"toolUse":{"input":"{}"}}}"#),
            ("contentBlockStop", r#"{"contentBlockIndex":2}"#),
            (
                "contentBlockDelta",
                r#"{"contentBlockIndex":3,"delta":{"toolResult":[{"text":"c"},{"json":{"d":1}}]}}"#,
            ),
            ("messageStop", r#"{"stopReason":"end_turn"}"#),
            ("throttlingException", r#"{"message":"slow"}"#),
        ],
        &[
            "0 Assistant Reasoning0 #0: a",
            "0 Assistant Text0 #1: b",
            "0 Assistant ToolInput2 #2 json-text: {}",
            "end 0 ToolInput2",
            "0 Tool ToolOutput3 #3: c",
            "0 Tool ToolOutput3 #3 json: {\"d\":1}",
            "end 0 Text0",
            "end 0 Reasoning0",
            "end 0 ToolOutput3",
        ],
    );
}

#[test]
fn other_endpoints() {
    request(
        Endpoint::OpenaiCompletions,
        r#"{"prompt":["a","b"],"suffix":"c"}"#,
        &["0 User Text0 #0: a", "1 User Text0 #0: b", "2 User Text0 #0: c"],
    );
    answer(
        Endpoint::OpenaiCompletions,
        r#"{"choices":[{"text":"a","index":0}]}"#,
        &["0 Assistant Text0 #0: a"],
    );
    stream(
        Endpoint::OpenaiCompletions,
        &[("", r#"{"choices":[{"text":"a","index":0,"finish_reason":"stop"}]}"#), ("", r#"{"choices":[]}"#)],
        &["0 Assistant Text0 #0: a", "end 0 Text0"],
    );
    request(Endpoint::OpenaiEmbeddings, r#"{"input":"a"}"#, &["0 User Text0 #0: a"]);
    answer(Endpoint::OpenaiEmbeddings, r#"{"data":[{"embedding":[0.1,0.2]}]}"#, &[]);
    request(
        Endpoint::CohereRerank,
        r#"{"query":"q","documents":["a",{"title":"b","rank":1}]}"#,
        &["0 User Text0 #0: q", "1 User Document0 #0: a", "2 User Document0 #0: b"],
    );
    answer(
        Endpoint::CohereRerank,
        r#"{"results":[{"index":3,"relevance_score":0.5,"document":{"text":"a"}}]}"#,
        &["0 Tool Document0 #0: a"],
    );
    request(Endpoint::OpenaiImages, r#"{"prompt":"a cat"}"#, &["0 User Text0 #0: a cat"]);
    answer(
        Endpoint::OpenaiImages,
        r#"{"data":[{"b64_json":"AA","revised_prompt":"two cats"}]}"#,
        &["0 Assistant Text0 #0: two cats"],
    );
    request(Endpoint::OpenaiAudio, r#"{"input":"say","voice":"x"}"#, &["1 User Text0 #0: say"]);
    answer(
        Endpoint::OpenaiAudio,
        r#"{"text":"a b","segments":[{"text":"a"},{"text":" b"}]}"#,
        &["0 Assistant Text0 #0: a b", "0 Assistant Other0 #0: a", "0 Assistant Other0 #0:  b"],
    );
    stream(
        Endpoint::OpenaiAudio,
        &[
            ("", r#"{"type":"transcript.text.delta","delta":"a"}"#),
            ("", r#"{"type":"transcript.text.done","text":"a"}"#),
        ],
        &["0 Assistant Text0 #0: a", "0 Assistant Text0 #0 again: a", "end 0 Text0"],
    );
}

#[test]
fn what_other_apis_would_read_is_seen() {
    request(
        Endpoint::OpenaiChat,
        r#"{"messages":[{"role":"user","content":"a"}],"system":"b","input":[{"content":[{"type":"input_text","text":"c"}]}],
            "documents":[{"title":"d","text":"e"}],"metadata":{"content":"not said"},"prompt":[1,2]}"#,
        &[
            "0 User Text0 #0: a",
            "1 System Other0 #0: b",
            "2 User Other0 #0: c",
            "3 User Other0 #0: d",
            "3 User Other0 #0: e",
        ],
    );
    // As at `/v1/chat//completions`, which some servers take for chat.
    request(
        Endpoint::OpenaiCompletions,
        r#"{"messages":[{"role":"user","content":"a"},{"tool_calls":[{"function":{"arguments":"{}"}}]}]}"#,
        &["0 User Other0 #0: a", "0 Assistant ToolInput0 #0 json-text: {}"],
    );
    request(
        Endpoint::GeminiGenerateContent,
        r#"{"systemInstruction":{"parts":[{"text":"a"}]},"system_instruction":{"parts":[{"text":"b"}]}}"#,
        &["0 System Text0 #0: a", "1 System Other0 #0: b"],
    );
    request(Endpoint::Detect, r#"{"messages":[],"input":"a"}"#, &["1 User Other0 #0: a"]);
}

#[test]
fn words_of_files_are_seen() {
    request(
        Endpoint::OpenaiChat,
        r#"{"messages":[{"role":"assistant","content":"a","annotations":[
            {"type":"file","file":{"name":"f","content":[{"type":"text","text":"b"}]}}]}]}"#,
        &["0 Assistant Text0 #0: a", "0 Assistant Other0 #0: b"],
    );
    request(
        Endpoint::AnthropicMessages,
        r#"{"messages":[{"role":"user","content":[{"type":"text_editor_code_execution_tool_result","content":
            {"type":"text_editor_code_execution_str_replace_result","lines":["-a","+b"]}}]}]}"#,
        &["0 Tool ToolOutput0 #0: -a", "0 Tool ToolOutput0 #0: +b"],
    );
}

#[test]
fn what_cannot_be_seen_is_said() {
    let refused = |endpoint, body: &str| Views::of_request(endpoint, body.as_bytes()).unwrap_err();
    for (endpoint, body) in [
        (Endpoint::OpenaiCompletions, r#"{"prompt":[1,2,3]}"#),
        (Endpoint::OpenaiEmbeddings, r#"{"input":[[1,2],[3]]}"#),
        (Endpoint::OpenaiAudio, "--boundary\r\nContent-Disposition: form-data"),
        (Endpoint::OpenaiRealtime, "{}"),
        (Endpoint::Passthrough, "{}"),
        (Endpoint::OpenaiModels, "{}"),
        (Endpoint::Detect, r#"{"model":"m"}"#),
        (Endpoint::BedrockEmbeddings, r#"{"inputText":"a"}"#),
        (Endpoint::BedrockCountTokens, r#"{"input":{"invokeModel":{"body":"AAAA"}}}"#),
    ] {
        assert!(matches!(refused(endpoint, body), Error::Opaque { .. }), "{endpoint:?} {body}");
    }
    for (body, message) in [
        (
            r#"{"messages":[{"role":"user","content":5}]}"#,
            "messages[0].content: must be a string or a list of parts",
        ),
        (
            r#"{"messages":[{"content":[{"type":"text","text":{}}]}]}"#,
            "messages[0].content[0].text: must be a string",
        ),
        (r#"{"messages":"x"}"#, "messages: must be a list"),
        (r#"{"messages":[1]}"#, "messages: must be a list without numbers and literals"),
        (
            r#"{"messages":[{"content":"a","c\u006fntent":"b"}]}"#,
            "messages[0].content: is there twice; send it once",
        ),
        (r#"[]"#, "must be an object"),
    ] {
        assert_eq!(refused(Endpoint::OpenaiChat, body).to_string(), message, "{body}");
    }
    assert!(matches!(refused(Endpoint::OpenaiChat, "{"), Error::NotJson { at: 1, .. }));
}

#[test]
fn escapes_do_not_hide_fields_or_text() {
    request(
        Endpoint::OpenaiChat,
        r#"{"m\u0065ssages":[{"role":"user","\u0063ontent":"a\ud83d\ude00\u0062"}]}"#,
        &["0 User Text0 #0: a😀b"],
    );
}

#[test]
fn kinds_are_detected() {
    let text = |body: &str| -> Vec<String> {
        let views = Views::of_request(Endpoint::Detect, body.as_bytes()).unwrap();
        views.slots().iter().map(|slot| slot.text.clone().into_owned()).collect()
    };
    assert_eq!(text(r#"{"messages":[{"role":"user","content":[{"text":"a"}]}]}"#), ["a"]);
    assert_eq!(text(r#"{"system":"s","messages":[{"role":"user","content":"a"}]}"#), ["s", "a"]);
    assert_eq!(text(r#"{"messages":[{"role":"user","content":"a"}]}"#), ["a"]);
    assert_eq!(text(r#"{"contents":[{"parts":[{"text":"a"}]}]}"#), ["a"]);
    assert_eq!(text(r#"{"input":"a","model":"m"}"#), ["a"]);
    assert_eq!(text(r#"{"query":"a","documents":["b"]}"#), ["a", "b"]);
    assert_eq!(text(r#"{"prompt":"a"}"#), ["a"]);
    let answers = Views::of_answer(Endpoint::Detect, br#"{"content":[{"type":"text","text":"a"}]}"#).unwrap();
    assert_eq!(answers.slots().len(), 1);
    let event = br#"{"type":"response.output_text.delta","delta":"a"}"#;
    assert_eq!(Views::of_event(Endpoint::Detect, event).unwrap().slots().len(), 1);
}
