//! [OpenAI's moderation](https://platform.openai.com/docs/api-reference/moderations): what is flagged is rejected.
//!
//! The texts are sent as an array, and each gets a result of its own. Which categories flag a text is the model's
//! business; their names are told in [`Verdict::Reject::found`].

use serde_json::{Value, json};

use crate::answer::{Part, read};
use crate::{Asked, Call, Error, Message, Service, Verdict};

/// The request about these messages, or nothing if there is nothing in them. `model` such as `omni-moderation-latest`.
pub fn call(model: &str, messages: &[Message<'_>]) -> Option<(Call, Asked)> {
    let (asked, texts) = Asked::texts(messages)?;
    let body = json!({"model": model, "input": texts});
    Some((Call::post("/v1/moderations".to_owned(), &body), asked))
}

/// What the answer says of the messages.
///
/// # Errors
/// [`Error`] for a status other than 2xx, a body of another form, another number of results than texts.
pub fn verdict(status: u16, body: &[u8], asked: &Asked) -> Result<Verdict, Error> {
    let service = Service::OpenaiModeration;
    let value = read(service, status, body)?;
    let results = Part { service, value: &value }.array("results", "`results` must be an array")?;
    if results.len() != asked.sent() {
        return Err(Error::WrongCount { service, expected: asked.sent(), found: results.len() });
    }
    let mut flagged = false;
    let mut found = Vec::new();
    for result in results {
        let flag = result.value.get("flagged").and_then(Value::as_bool);
        if flag.ok_or_else(|| result.unreadable("each result must have a boolean `flagged`"))? {
            flagged = true;
            let categories = result.value.get("categories").and_then(Value::as_object);
            let named = categories.into_iter().flatten().filter(|(_, value)| **value == Value::Bool(true));
            found.extend(named.map(|(name, _)| name.clone()));
        }
    }
    Ok(if flagged { Verdict::reject(found) } else { Verdict::Pass })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn messages<const N: usize>(texts: [&str; N]) -> [Message<'_>; N] {
        texts.map(|text| Message { role: "user", content: Cow::Borrowed(text) })
    }

    #[test]
    fn sends_what_holds_text() {
        let (call, _) = call("omni-moderation-latest", &messages(["a", " \n", "b"])).unwrap();
        assert_eq!((call.method, call.path.as_str()), ("POST", "/v1/moderations"));
        assert_eq!(
            String::from_utf8(call.body).unwrap(),
            r#"{"model":"omni-moderation-latest","input":["a","b"]}"#
        );
        assert_eq!(super::call("m", &messages(["", "\t"])), None);
        assert_eq!(super::call("m", &[]), None);
    }

    /// The form of the API reference's example, with two texts.
    const ANSWER: &str = r#"{"id":"modr-0d9740456c391e43c445bf0f010940c7","model":"omni-moderation-latest","results":[
        {"flagged":false,"categories":{"harassment":false,"illicit":null,"violence":false},
         "category_scores":{"harassment":0.0011,"violence":0.0002},"category_applied_input_types":{"violence":["text"]}},
        {"flagged":true,"categories":{"harassment":true,"harassment/threatening":true,"sexual":false,"violence":true},
         "category_scores":{"harassment":0.8,"violence":0.9},"category_applied_input_types":{"violence":["text"]}}]}"#;

    #[test]
    fn what_is_flagged_is_rejected() {
        let (_, asked) = call("m", &messages(["hello", "", "I will hurt you"])).unwrap();
        let found = ["harassment", "harassment/threatening", "violence"].map(str::to_owned).to_vec();
        assert_eq!(
            verdict(200, ANSWER.as_bytes(), &asked),
            Ok(Verdict::Reject { status: None, message: None, found })
        );
        let clean = ANSWER.replace("\"flagged\":true", "\"flagged\":false");
        assert_eq!(verdict(200, clean.as_bytes(), &asked), Ok(Verdict::Pass));
    }

    #[test]
    fn errors() {
        let (_, asked) = call("m", &messages(["hello"])).unwrap();
        assert_eq!(
            verdict(200, ANSWER.as_bytes(), &asked),
            Err(Error::WrongCount { service: Service::OpenaiModeration, expected: 1, found: 2 })
        );
        assert_eq!(
            verdict(429, br#"{"error":{}}"#, &asked).unwrap_err().to_string(),
            "OpenAI moderation: answered with status 429"
        );
        for body in
            ["", "[]", "{}", r#"{"results":{}}"#, r#"{"results":[{}]}"#, r#"{"results":[{"flagged":"no"}]}"#]
        {
            assert!(matches!(verdict(200, body.as_bytes(), &asked), Err(Error::Unreadable { .. })), "{body}");
        }
    }
}
