//! T-08: errors keep their status, type and code.

use llm_dialects::hub::{ApiError, ErrorKind, StreamEvent};
use llm_dialects::{anthropic, openai_chat};
use serde_json::{Value, json};

use crate::NOW;

/// Status, type and code of an error as an OpenAI client is told it.
fn told_openai(error: &ApiError) -> (u16, String, Value) {
    let body: Value = serde_json::from_slice(&openai_chat::encode_error(error)).unwrap();
    let kind = body["error"]["type"].as_str().unwrap().to_owned();
    (openai_chat::error_status(error), kind, body["error"]["code"].clone())
}

/// Status and type of an error as an Anthropic client is told it.
fn told_anthropic(error: &ApiError) -> (u16, String) {
    let body: Value = serde_json::from_slice(&anthropic::encode_error(error)).unwrap();
    assert_eq!(body["type"], "error");
    (anthropic::error_status(error), body["error"]["type"].as_str().unwrap().to_owned())
}

#[test]
fn t08_json_errors_of_openai_providers() {
    for (status, kind, code, expected, client_status) in [
        (400, "invalid_request_error", json!("context_length_exceeded"), "invalid_request_error", 400),
        (401, "invalid_request_error", json!("invalid_api_key"), "authentication_error", 401),
        (
            403,
            "invalid_request_error",
            json!("unsupported_country_region_territory"),
            "permission_error",
            403,
        ),
        (404, "invalid_request_error", json!("model_not_found"), "not_found_error", 404),
        (413, "invalid_request_error", Value::Null, "request_too_large", 413),
        (429, "tokens", json!("rate_limit_exceeded"), "rate_limit_error", 429),
        (429, "insufficient_quota", json!("insufficient_quota"), "billing_error", 429),
        (500, "server_error", Value::Null, "api_error", 500),
        (503, "server_error", json!("engine_overloaded"), "overloaded_error", 529),
        (529, "overloaded_error", Value::Null, "overloaded_error", 529),
    ] {
        let body =
            json!({"error": {"message": "Why.", "type": kind, "param": null, "code": code}}).to_string();
        let error = openai_chat::decode_error(status, body.as_bytes());
        assert_eq!((error.status, json!(error.code)), (status, code.clone()), "{body}");
        assert_eq!(told_anthropic(&error), (client_status, expected.to_owned()), "{body}");
        let (told_status, _, told_code) = told_openai(&error);
        assert_eq!(told_status, if status == 529 { 503 } else { status }, "{body}");
        if !code.is_null() {
            assert_eq!(told_code, code, "{body}");
            let message = String::from_utf8(anthropic::encode_error(&error)).unwrap();
            assert!(message.contains(code.as_str().unwrap()), "{message}");
        }
    }
}

#[test]
fn t08_json_errors_of_anthropic() {
    for (status, kind, expected, code, client_status) in [
        (400, "invalid_request_error", "invalid_request_error", Value::Null, 400),
        (401, "authentication_error", "authentication_error", Value::Null, 401),
        (402, "billing_error", "insufficient_quota", json!("insufficient_quota"), 402),
        (403, "permission_error", "permission_error", Value::Null, 403),
        (404, "not_found_error", "not_found_error", Value::Null, 404),
        (413, "request_too_large", "invalid_request_error", json!("request_too_large"), 413),
        (429, "rate_limit_error", "rate_limit_exceeded", json!("rate_limit_exceeded"), 429),
        (500, "api_error", "server_error", Value::Null, 500),
        (529, "overloaded_error", "server_error", json!("overloaded"), 503),
    ] {
        let body = json!({"type": "error", "error": {"type": kind, "message": "Why."}, "request_id": "r"})
            .to_string();
        let error = anthropic::decode_error(status, body.as_bytes());
        assert_eq!((error.status, error.message.as_str()), (status, "Why."));
        assert_eq!(told_openai(&error), (client_status, expected.to_owned(), code), "{body}");
        assert_eq!(told_anthropic(&error), (status, kind.to_owned()), "{body}");
    }
}

#[test]
fn t08_html_and_empty_errors_keep_their_status() {
    type Decode = fn(u16, &[u8]) -> ApiError;
    let decoders: [Decode; 2] = [openai_chat::decode_error, anthropic::decode_error];
    for decode in decoders {
        for body in
            ["<html><body>SECRET</body></html>", "", "   ", "SECRET", "{\"detail\":\"SECRET\"}", "[]", "null"]
        {
            for (status, openai, anthropic) in [
                (400, "invalid_request_error", "invalid_request_error"),
                (401, "authentication_error", "authentication_error"),
                (403, "permission_error", "permission_error"),
                (404, "not_found_error", "not_found_error"),
                (413, "invalid_request_error", "request_too_large"),
                (429, "rate_limit_exceeded", "rate_limit_error"),
                (500, "server_error", "api_error"),
                (529, "server_error", "overloaded_error"),
            ] {
                let error = decode(status, body.as_bytes());
                assert_eq!(error.status, status);
                assert!(!error.message.contains("SECRET") && !error.message.is_empty(), "{error:?}");
                assert_eq!(told_openai(&error).1, openai, "{status} {body}");
                assert_eq!(told_anthropic(&error), (status, anthropic.to_owned()), "{status} {body}");
            }
        }
    }
}

/// What a stream's decoder makes of one error event.
fn streamed(mut event: impl FnMut(&mut dyn FnMut(StreamEvent<'_>))) -> ApiError {
    let mut found = None;
    event(&mut |event| {
        if let StreamEvent::Error(error) = event {
            found = Some(error);
        }
    });
    found.unwrap()
}

#[test]
fn t08_errors_in_the_middle_of_a_stream() {
    for (data, kind, status) in [
        (
            json!({"error": {"message": "m", "type": "insufficient_quota", "code": "insufficient_quota"}}),
            ErrorKind::Billing,
            429,
        ),
        (
            json!({"error": {"message": "m", "type": "requests", "code": "rate_limit_exceeded"}}),
            ErrorKind::RateLimit,
            429,
        ),
        (json!({"error": {"message": "m", "code": 502}}), ErrorKind::Upstream, 502),
        (json!({"error": {"message": "m", "type": "server_error"}}), ErrorKind::Internal, 500),
        (json!({"error": "m"}), ErrorKind::Internal, 500),
        (
            json!({"object": "error", "message": "m", "type": "BadRequestError", "code": 400}),
            ErrorKind::InvalidRequest,
            400,
        ),
    ] {
        for name in [None, Some(&b"error"[..])] {
            let error = streamed(|sink| {
                let mut decoder = openai_chat::StreamDecoder::default();
                decoder.event(name, data.to_string().as_bytes(), sink).unwrap();
            });
            assert_eq!((error.kind, error.status, error.message.as_str()), (kind, status, "m"), "{data}");
        }
    }
    for (name, kind, status) in [
        ("overloaded_error", ErrorKind::Overloaded, 529),
        ("rate_limit_error", ErrorKind::RateLimit, 429),
        ("api_error", ErrorKind::Internal, 500),
        ("invalid_request_error", ErrorKind::InvalidRequest, 400),
        ("something_new", ErrorKind::Internal, 500),
    ] {
        let data = json!({"type": "error", "error": {"type": name, "message": "m"}}).to_string();
        let error = streamed(|sink| {
            anthropic::StreamDecoder::default().event(Some(b"error"), data.as_bytes(), sink).unwrap();
        });
        assert_eq!((error.kind, error.status, error.message.as_str()), (kind, status, "m"));
        // The client reads it in its own dialect, as the last event.
        let mut told = Vec::new();
        let mut encoder = openai_chat::StreamEncoder::new(NOW, true);
        encoder.event(&StreamEvent::Error(error), &mut told);
        encoder.event(&StreamEvent::End, &mut told);
        let told = String::from_utf8(told).unwrap();
        assert!(
            told.starts_with("data: {\"error\":{\"message\":\"m\"") && !told.contains("[DONE]"),
            "{told}"
        );
    }
}
