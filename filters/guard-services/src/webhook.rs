//! agentgateway's guardrail webhook.
//!
//! `POST PATH/request` with `{"body":{"messages":[{"role","content"}]}}`, `POST PATH/response` with
//! `{"body":{"choices":[{"message":{"role","content"}}]}}`. The answer is `{"action": …}`, and its members say which:
//!
//! | action | members |
//! |---|---|
//! | mask | `body`: an object with `messages` or `choices`, as many as were sent and in their order |
//! | reject | `body`: a text for the client; `status_code` |
//! | pass | no `body` |
//!
//! `reason` may stand in each and is not used. A `body` that is neither is an error, where agentgateway takes it for a
//! pass; a rejection without a usable `status_code` has the configured one.

use serde_json::{Value, json};

use crate::answer::{Part, read};
use crate::{Asked, Call, Direction, Error, Message, Service, Verdict};

/// The request about these messages. `path` is what the webhook's paths begin with, such as `/guard`, or empty.
///
/// There is always one, even without messages: a webhook may judge by the headers the filter adds.
pub fn call(path: &str, direction: Direction, messages: &[Message<'_>]) -> (Call, Asked) {
    let message = |message: &Message<'_>| json!({"role": message.role, "content": message.content});
    let (last, body) = match direction {
        Direction::Request => {
            let messages: Vec<Value> = messages.iter().map(message).collect();
            ("request", json!({"body": {"messages": messages}}))
        }
        Direction::Response => {
            let choices: Vec<Value> = messages.iter().map(|one| json!({"message": message(one)})).collect();
            ("response", json!({"body": {"choices": choices}}))
        }
    };
    (Call::post(format!("{}/{last}", path.trim_end_matches('/')), &body), Asked::all(messages))
}

/// What the answer says of the messages.
///
/// # Errors
/// [`Error`] for a status other than 2xx, a body of another form, a mask of another number of messages.
pub fn verdict(status: u16, body: &[u8], asked: &Asked) -> Result<Verdict, Error> {
    let value = read(Service::Webhook, status, body)?;
    let answer = Part { service: Service::Webhook, value: &value };
    let action = answer.object("action", "`action` must be an object")?;
    let Some(body) = action.get("body") else {
        return Ok(Verdict::Pass);
    };
    if let Some(message) = body.value.as_str() {
        let status = action.value.get("status_code").and_then(Value::as_u64);
        let status = status.and_then(|status| u16::try_from(status).ok());
        return Ok(Verdict::Reject {
            status: status.filter(|status| (200..600).contains(status)),
            message: Some(message.to_owned()),
            found: Vec::new(),
        });
    }
    let texts = if body.get("messages").is_some() {
        let messages = body.array("messages", "`action.body.messages` must be an array")?;
        messages.into_iter().map(content).collect::<Result<Vec<_>, _>>()?
    } else {
        let choices =
            body.array("choices", "`action.body` must be a text or hold `messages` or `choices`")?;
        let message = |choice: Part<'_>| {
            content(choice.object("message", "each of `choices` must have an object `message`")?)
        };
        choices.into_iter().map(message).collect::<Result<Vec<_>, _>>()?
    };
    let found = texts.len();
    asked.mask(texts).ok_or(Error::WrongCount { service: Service::Webhook, expected: asked.sent(), found })
}

fn content(message: Part<'_>) -> Result<String, Error> {
    message.text("content", "each message must have a text `content`").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: [Message<'static>; 2] = [
        Message { role: "system", content: std::borrow::Cow::Borrowed("Be brief.") },
        Message { role: "user", content: std::borrow::Cow::Borrowed("I am \"Al\"\n") },
    ];

    fn asked() -> Asked {
        call("", Direction::Request, &MESSAGES).1
    }

    fn says(body: &str) -> Result<Verdict, Error> {
        verdict(200, body.as_bytes(), &asked())
    }

    #[test]
    fn sends_messages_or_choices() {
        let (request, _) = call("/v1/guard/", Direction::Request, &MESSAGES);
        assert_eq!(request.path, "/v1/guard/request");
        assert_eq!(
            String::from_utf8(request.body).unwrap(),
            r#"{"body":{"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"I am \"Al\"\n"}]}}"#
        );
        assert_eq!(
            request.headers,
            [("content-type", "application/json"), ("accept", "application/json")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        let (response, _) = call("", Direction::Response, &MESSAGES[1..]);
        assert_eq!(response.path, "/response");
        assert_eq!(
            String::from_utf8(response.body).unwrap(),
            r#"{"body":{"choices":[{"message":{"role":"user","content":"I am \"Al\"\n"}}]}}"#
        );
    }

    #[test]
    fn passes_masks_and_rejects() {
        assert_eq!(says(r#"{"action":{"reason":"clean"}}"#), Ok(Verdict::Pass));
        assert_eq!(says(r#"{"action":{}}"#), Ok(Verdict::Pass));
        let masked = Ok(Verdict::Mask(vec![Some("Be brief.".to_owned()), Some("I am ***".to_owned())]));
        assert_eq!(
            says(
                r#"{"action":{"body":{"messages":[{"role":"system","content":"Be brief."},
                    {"role":"user","content":"I am ***"}]},"reason":"name"}}"#
            ),
            masked
        );
        assert_eq!(
            says(
                r#"{"action":{"body":{"choices":[{"message":{"content":"Be brief."}},
                    {"message":{"role":"assistant","content":"I am ***"}}]}}}"#
            ),
            masked
        );
        let rejects = |status| {
            Ok(Verdict::Reject { status, message: Some("request blocked".to_owned()), found: Vec::new() })
        };
        assert_eq!(says(r#"{"action":{"body":"request blocked","status_code":422}}"#), rejects(Some(422)));
        for without in ["", r#","status_code":99"#, r#","status_code":"403""#, r#","status_code":70000"#] {
            let body = format!(r#"{{"action":{{"body":"request blocked"{without}}}}}"#);
            assert_eq!(says(&body), rejects(None), "{without}");
        }
    }

    #[test]
    fn what_is_not_understood_is_no_pass() {
        for body in [
            "",
            "null",
            "{}",
            r#"{"action":"pass"}"#,
            r#"{"action":null}"#,
            r#"{"action":{"body":5}}"#,
            r#"{"action":{"body":{}}}"#,
            r#"{"action":{"body":{"messages":{}}}}"#,
            r#"{"action":{"body":{"messages":[{"content":"a"},{"content":["b"]}]}}}"#,
            r#"{"action":{"body":{"choices":[{"content":"a"},{"content":"b"}]}}}"#,
        ] {
            assert!(matches!(says(body), Err(Error::Unreadable { .. })), "{body}: {:?}", says(body));
        }
        assert_eq!(
            says(r#"{"action":{"body":{"messages":[{"content":"a"}]}}}"#).unwrap_err().to_string(),
            "guard webhook: 1 texts in the answer where 2 were sent"
        );
        for status in [0, 199, 302, 404, 500] {
            let error = verdict(status, br#"{"action":{}}"#, &asked()).unwrap_err();
            assert_eq!(error, Error::Status { service: Service::Webhook, status });
        }
    }
}
