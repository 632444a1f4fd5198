//! T-08: errors keep their status and meaning, in the client's dialect, whatever the provider wrote.

use llm_dialects::Dialect::{self, AnthropicMessages, OpenaiChat};
use llm_dialects::hub::StreamEvent;
use serde_json::{Value, json};

use crate::pipe::stream;
use crate::{grammar, pairs, readers};

/// Status and body as the client gets them.
fn told(from: Dialect, to: Dialect, status: u16, body: &str) -> (u16, Value) {
    let error = from.decode_error(status, body.as_bytes());
    let told = to.encode_error(&error);
    assert!(to.is_error_body(&told), "{}", String::from_utf8_lossy(&told));
    (to.error_status(&error), serde_json::from_slice(&told).unwrap())
}

#[test]
fn t08_json_errors_of_anthropic() {
    for (status, kind, client_status, client_kind, code) in [
        (400, "invalid_request_error", 400, "invalid_request_error", Value::Null),
        (401, "authentication_error", 401, "authentication_error", Value::Null),
        (402, "billing_error", 402, "insufficient_quota", json!("insufficient_quota")),
        (403, "permission_error", 403, "permission_error", Value::Null),
        (404, "not_found_error", 404, "not_found_error", Value::Null),
        (413, "request_too_large", 413, "invalid_request_error", json!("request_too_large")),
        (429, "rate_limit_error", 429, "rate_limit_exceeded", json!("rate_limit_exceeded")),
        (500, "api_error", 500, "server_error", Value::Null),
        (504, "timeout_error", 504, "server_error", json!("timeout")),
        (529, "overloaded_error", 503, "server_error", json!("overloaded")),
    ] {
        let body =
            json!({"type": "error", "error": {"type": kind, "message": "Why."}, "request_id": "req_1"});
        assert_eq!(
            told(AnthropicMessages, OpenaiChat, status, &body.to_string()),
            (
                client_status,
                json!({"error": {"message": "Why.", "type": client_kind, "param": null, "code": code}})
            ),
        );
    }
}

#[test]
fn t08_json_errors_of_openai() {
    for (status, kind, code, client_status, client_kind, message) in [
        (400, "invalid_request_error", Value::Null, 400, "invalid_request_error", "Why."),
        (
            400,
            "invalid_request_error",
            json!("context_length_exceeded"),
            400,
            "invalid_request_error",
            "Why. (context_length_exceeded)",
        ),
        (
            401,
            "invalid_request_error",
            json!("invalid_api_key"),
            401,
            "authentication_error",
            "Why. (invalid_api_key)",
        ),
        (403, "permission_error", Value::Null, 403, "permission_error", "Why."),
        (
            404,
            "invalid_request_error",
            json!("model_not_found"),
            404,
            "not_found_error",
            "Why. (model_not_found)",
        ),
        (413, "invalid_request_error", Value::Null, 413, "request_too_large", "Why."),
        (429, "rate_limit_exceeded", Value::Null, 429, "rate_limit_error", "Why."),
        (
            429,
            "insufficient_quota",
            json!("insufficient_quota"),
            429,
            "billing_error",
            "Why. (insufficient_quota)",
        ),
        (500, "server_error", Value::Null, 500, "api_error", "Why."),
        (503, "server_error", Value::Null, 529, "overloaded_error", "Why."),
        (504, "server_error", Value::Null, 504, "timeout_error", "Why."),
    ] {
        let body = json!({"error": {"message": "Why.", "type": kind, "param": null, "code": code}});
        assert_eq!(
            told(OpenaiChat, AnthropicMessages, status, &body.to_string()),
            (client_status, json!({"type": "error", "error": {"type": client_kind, "message": message}})),
        );
    }
}

#[test]
fn t08_other_bodies_give_an_error_made_from_the_status() {
    for (to, from) in pairs() {
        for status in [400, 401, 403, 404, 413, 429, 500, 502, 503, 529] {
            let of_status = told(from, to, status, "");
            for body in [
                "<html><body>SECRET</body></html>",
                "SECRET",
                r#"{"detail":"SECRET"}"#,
                "[]",
                "null",
                "{\"error\":",
            ] {
                assert_eq!(told(from, to, status, body), of_status, "{from} to {to}: {status} {body}");
            }
            assert!(!of_status.1.to_string().contains("SECRET"));
        }
    }
}

#[test]
fn t08_errors_in_streams() {
    let anthropic = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"m\",\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\nevent: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let said =
        readers::openai_stream(&stream(AnthropicMessages, OpenaiChat, [anthropic.as_bytes()])).unwrap();
    assert_eq!(
        said.error,
        json!({"message": "Overloaded", "type": "server_error", "param": null, "code": "overloaded"})
    );
    let openai = "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"finish_reason\":null}]}\n\ndata: {\"error\":{\"message\":\"Slow down.\",\"type\":\"rate_limit_exceeded\",\"code\":\"rate_limit_exceeded\"}}\n\n";
    let said = grammar::anthropic::read(&stream(OpenaiChat, AnthropicMessages, [openai.as_bytes()])).unwrap();
    assert_eq!((said.error.as_deref(), said.blocks[0].text.as_str()), (Some("rate_limit_error"), "Hi"));
}

#[test]
fn t08_every_error_survives_a_stream_of_every_dialect() {
    for dialect in Dialect::ALL {
        for status in [400, 401, 403, 404, 413, 429, 500, 502, 503, 504, 529] {
            let error = AnthropicMessages.decode_error(status, b"");
            let mut out = Vec::new();
            let mut encoder = dialect.stream_encoder(0, true);
            encoder.event(&StreamEvent::Error(error.clone()), &mut out);
            assert!(readers::stream(dialect, &out).unwrap().error.is_some(), "{dialect} {status}");
            for (to, from) in pairs() {
                if from == dialect {
                    let told = readers::stream(to, &stream(from, to, [&out[..]]));
                    let told = told.unwrap_or_else(|breach| panic!("{from} to {to}: {status}: {breach}"));
                    assert!(told.error.is_some(), "{from} to {to}: {status}");
                }
            }
        }
    }
}
