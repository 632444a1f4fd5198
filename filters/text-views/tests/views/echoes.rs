//! Fields that repeat a text are taken out, and nothing else is.

use filter_config::Endpoint;
use text_views::Views;

#[track_caller]
fn answer(endpoint: Endpoint, body: &str, expected: &str) {
    let mut views = Views::of_answer(endpoint, body.as_bytes()).unwrap();
    views.drop_echoes();
    assert_eq!(views.changed(), body != expected);
    assert_eq!(String::from_utf8(views.into_bytes()).unwrap(), expected);
}

#[track_caller]
fn event(endpoint: Endpoint, body: &str, expected: &str) {
    let mut views = Views::of_event(endpoint, body.as_bytes()).unwrap();
    views.drop_echoes();
    assert_eq!(String::from_utf8(views.into_bytes()).unwrap(), expected);
}

#[test]
fn of_chat() {
    answer(
        Endpoint::OpenaiChat,
        r#"{"choices":[{"logprobs":{"content":[{"token":"a"}]},"message":{"content":"a","annotations":[{"type":"url_citation","url_citation":{"url":"u","content":"w"}}]}}]}"#,
        r#"{"choices":[{"logprobs":null,"message":{"content":"a","annotations":[{"type":"url_citation","url_citation":{"url":"u","content":""}}]}}]}"#,
    );
    let clean = r#"{"choices":[{"logprobs":null,"delta":{"content":"a"}}]}"#;
    event(Endpoint::OpenaiChat, clean, clean);
    let with = r#"{"choices":[{"logprobs":{"content":[]},"delta":{"content":"a"}}]}"#;
    event(Endpoint::OpenaiChat, with, clean);
    answer(
        Endpoint::OpenaiCompletions,
        r#"{"choices":[{"text":"a","logprobs":{"tokens":["a"]}}]}"#,
        r#"{"choices":[{"text":"a","logprobs":null}]}"#,
    );
}

#[test]
fn of_responses() {
    answer(
        Endpoint::OpenaiResponses,
        r#"{"output":[{"type":"message","content":[{"type":"output_text","text":"a","logprobs":[{"token":"a"}]}]}]}"#,
        r#"{"output":[{"type":"message","content":[{"type":"output_text","text":"a","logprobs":[]}]}]}"#,
    );
    event(
        Endpoint::OpenaiResponses,
        r#"{"type":"response.output_text.delta","delta":"a","logprobs":[{"token":"a"}]}"#,
        r#"{"type":"response.output_text.delta","delta":"a","logprobs":[]}"#,
    );
}

#[test]
fn of_messages() {
    let body = r#"{"content":[{"type":"text","text":"a","citations":[{"type":"char_location","cited_text":"b","document_title":"t"}]}]}"#;
    answer(Endpoint::AnthropicMessages, body, &body.replace("\"b\"", "\"\""));
    event(
        Endpoint::AnthropicMessages,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"cited_text":"b"}}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"cited_text":""}}}"#,
    );
    let request = format!(r#"{{"messages":[{{"role":"assistant",{}]}}"#, &body[1..]);
    let mut views = Views::of_request(Endpoint::AnthropicMessages, request.as_bytes()).unwrap();
    views.drop_echoes();
    let written = String::from_utf8(views.into_bytes()).unwrap();
    assert_eq!(
        written,
        r#"{"messages":[{"role":"assistant","content":[{"type":"text","text":"a","citations":null}]}]}"#
    );
}

#[test]
fn of_gemini() {
    answer(
        Endpoint::GeminiGenerateContent,
        r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"logprobsResult":{"chosenCandidates":[{"token":"a"}]},"groundingMetadata":{"webSearchQueries":["b"],"searchEntryPoint":{"renderedContent":"<b>"},"groundingChunks":[{"web":{"uri":"u","title":"t"}},{"retrievedContext":{"text":"c"}}],"groundingSupports":[{"segment":{"endIndex":1,"text":"a"}}]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"logprobsResult":null,"groundingMetadata":{"webSearchQueries":[""],"searchEntryPoint":{"renderedContent":""},"groundingChunks":[{"web":{"uri":"u","title":"t"}},{"retrievedContext":{"text":""}}],"groundingSupports":[{"segment":{"endIndex":1,"text":""}}]}}]}"#,
    );
}

#[test]
fn of_bedrock() {
    answer(
        Endpoint::BedrockConverse,
        r#"{"output":{"message":{"content":[{"citationsContent":{"content":[{"text":"a"}],"citations":[{"title":"t","sourceContent":[{"text":"b"}]}]}}]}},"additionalModelResponseFields":{"x":"a"},"trace":{"guardrail":{"modelOutput":["a"]}}}"#,
        r#"{"output":{"message":{"content":[{"citationsContent":{"content":[{"text":"a"}],"citations":[{"title":"t","sourceContent":[{"text":""}]}]}}]}},"additionalModelResponseFields":null,"trace":null}"#,
    );
    let delta = r#"{"contentBlockIndex":0,"delta":{"citation":{"sourceContent":[{"text":"b"}]}}}"#;
    let mut views = Views::of_bedrock_event("contentBlockDelta", delta.as_bytes()).unwrap();
    views.drop_echoes();
    assert_eq!(String::from_utf8(views.into_bytes()).unwrap(), delta.replace("\"b\"", "\"\""));
}

#[test]
fn of_audio() {
    answer(
        Endpoint::OpenaiAudio,
        r#"{"text":"a","words":[{"word":"a"}],"logprobs":[{"token":"a"}]}"#,
        r#"{"text":"a","words":[],"logprobs":null}"#,
    );
}
