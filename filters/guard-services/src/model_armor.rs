//! Google Model Armor, [`sanitizeUserPrompt` and
//! `sanitizeModelResponse`](https://cloud.google.com/model-armor/reference/rest/v1/SanitizationResult).
//!
//! It takes one text, so the messages are joined, with a line of the control character U+001E (record separator)
//! between them. Any filter that matches rejects, but for Sensitive Data Protection with a de-identify template: if that
//! is all that matched, its text is the mask, cut at the separators again. If it cannot be cut, because a message holds
//! that character itself or the separators did not all come back, it rejects.
//!
//! `invocationResult` tells whether all filters ran (a text above a filter's token limit, for one, is skipped by it): if
//! not, there is no verdict but [`Error::Incomplete`], unless something that ran matched, or the template sets
//! `ignorePartialInvocationFailures` and only some failed.

use filter_config::ModelArmor;
use serde_json::{Value, json};

use crate::answer::{Part, holds_member, read};
use crate::call::segment;
use crate::{Asked, Call, Direction, Error, Message, Service, Verdict};

/// What stands between messages.
const SEPARATOR: &str = "\n\u{1e}\n";
const RECORD_SEPARATOR: char = '\u{1e}';

/// The request about these messages, or nothing if there is nothing in them.
pub fn call(template: &ModelArmor, direction: Direction, messages: &[Message<'_>]) -> Option<(Call, Asked)> {
    let (mut asked, texts) = Asked::texts(messages)?;
    asked.separable = texts.len() == 1 || !texts.iter().any(|text| text.contains(RECORD_SEPARATOR));
    let text = texts.join(SEPARATOR);
    let (method, body) = match direction {
        Direction::Request => ("sanitizeUserPrompt", json!({"userPromptData": {"text": text}})),
        Direction::Response => ("sanitizeModelResponse", json!({"modelResponseData": {"text": text}})),
    };
    let path = format!(
        "/v1/projects/{}/locations/{}/templates/{}:{method}",
        segment(&template.project),
        segment(&template.location),
        segment(&template.template)
    );
    Some((Call::post(path, &body), asked))
}

/// What the answer says of the messages.
///
/// # Errors
/// [`Error`] for a status other than 2xx, a body of another form, and filters that did not run.
pub fn verdict(status: u16, body: &[u8], asked: &Asked) -> Result<Verdict, Error> {
    let service = Service::ModelArmor;
    let value = read(service, status, body)?;
    let answer = Part { service, value: &value };
    let result = answer.object("sanitizationResult", "`sanitizationResult` must be an object")?;
    let matched = match result.text("filterMatchState", "`filterMatchState` must be a text")? {
        "NO_MATCH_FOUND" => false,
        "MATCH_FOUND" => true,
        _ => return Err(result.unreadable("`filterMatchState` must be `MATCH_FOUND` or `NO_MATCH_FOUND`")),
    };
    let mut found = Vec::new();
    let mut masked = None;
    for (name, filter) in filters(result)? {
        let (deidentified, rest) = without_deidentified(filter);
        if holds_member(&rest, "matchState", "MATCH_FOUND") {
            found.push(name);
        } else if let Some(deidentified) = deidentified
            && holds_member(deidentified, "matchState", "MATCH_FOUND")
        {
            match (deidentified.pointer("/data/text").and_then(Value::as_str), &masked) {
                (Some(text), None) => masked = Some((name, text)),
                // Without a text, or a second one beside it, there is nothing to put in place.
                _ => found.push(name),
            }
        }
    }
    if !found.is_empty() || matched && masked.is_none() {
        return Ok(Verdict::reject(found));
    }
    check_complete(result)?;
    match masked {
        None => Ok(Verdict::Pass),
        Some((name, text)) => Ok(cut(text, asked).unwrap_or_else(|| Verdict::reject([name]))),
    }
}

/// The results of filters by name: documented as an object, in some versions an array of objects with one member.
fn filters(result: Part<'_>) -> Result<Vec<(String, &Value)>, Error> {
    match result.get("filterResults").map(|part| part.value) {
        None => Ok(Vec::new()),
        Some(Value::Object(filters)) => {
            Ok(filters.iter().map(|(name, filter)| (name.clone(), filter)).collect())
        }
        Some(Value::Array(filters)) => {
            let name = |filter: &Value| filter.as_object().and_then(|members| members.keys().next().cloned());
            Ok(filters.iter().map(|filter| (name(filter).unwrap_or_default(), filter)).collect())
        }
        Some(_) => Err(result.unreadable("`filterResults` must be an object or an array")),
    }
}

/// A filter's result in two: the de-identification of Sensitive Data Protection, and all else.
fn without_deidentified(filter: &Value) -> (Option<&Value>, Value) {
    let deidentified = filter.pointer("/sdpFilterResult/deidentifyResult");
    let mut rest = filter.clone();
    if let Some(sdp) = rest.get_mut("sdpFilterResult").and_then(Value::as_object_mut) {
        sdp.remove("deidentifyResult");
    }
    (deidentified, rest)
}

fn check_complete(result: Part<'_>) -> Result<(), Error> {
    let ignored = result
        .value
        .pointer("/sanitizationMetadata/ignorePartialInvocationFailures")
        .is_some_and(|value| *value == Value::Bool(true));
    match result.text("invocationResult", "`invocationResult` must be a text")? {
        "SUCCESS" => Ok(()),
        "PARTIAL" if ignored => Ok(()),
        _ => Err(Error::Incomplete { service: result.service }),
    }
}

/// The messages of a joined text; nothing if it cannot be told where each ends.
fn cut(text: &str, asked: &Asked) -> Option<Verdict> {
    let texts: Vec<String> = match asked.sent() {
        1 => vec![text.to_owned()],
        _ => text.split(SEPARATOR).map(str::to_owned).collect(),
    };
    let clean = asked.sent() == 1 || !texts.iter().any(|text| text.contains(RECORD_SEPARATOR));
    if asked.separable && clean { asked.mask(texts) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use filter_config::Callout;
    use std::borrow::Cow;

    fn template() -> ModelArmor {
        ModelArmor {
            callout: Callout { cluster: "armor".into(), authority: "armor".into(), timeout_ms: 1000 },
            project: "acme".into(),
            location: "us-central1".into(),
            template: "ma/1".into(),
        }
    }

    fn asked<const N: usize>(texts: [&str; N]) -> (Call, Asked) {
        let messages = texts.map(|text| Message { role: "user", content: Cow::Borrowed(text) });
        call(&template(), Direction::Request, &messages).unwrap()
    }

    #[test]
    fn sends_one_text() {
        let (call_one, _) = asked(["How do I make a bomb?"]);
        assert_eq!(
            call_one.path,
            "/v1/projects/acme/locations/us-central1/templates/ma%2F1:sanitizeUserPrompt"
        );
        assert_eq!(
            String::from_utf8(call_one.body).unwrap(),
            r#"{"userPromptData":{"text":"How do I make a bomb?"}}"#
        );
        let (call_two, _) = asked(["a", "", "b"]);
        assert_eq!(
            String::from_utf8(call_two.body).unwrap(),
            r#"{"userPromptData":{"text":"a\n\u001e\nb"}}"#
        );
        let answer = [Message { role: "assistant", content: Cow::Borrowed("x") }];
        let (response, _) = call(&template(), Direction::Response, &answer).unwrap();
        assert!(response.path.ends_with(":sanitizeModelResponse"));
        assert_eq!(response.body, br#"{"modelResponseData":{"text":"x"}}"#);
        assert_eq!(call(&template(), Direction::Request, &[]), None);
    }

    /// The form of the guide's example, with the filters' states to be filled in.
    fn answer(matched: &str, pi: &str, sdp: &str, invocation: &str) -> String {
        format!(
            r#"{{"sanitizationResult":{{"filterMatchState":"{matched}","invocationResult":"{invocation}","filterResults":{{
            "csam":{{"csamFilterFilterResult":{{"executionState":"EXECUTION_SUCCESS","matchState":"NO_MATCH_FOUND"}}}},
            "malicious_uris":{{"maliciousUriFilterResult":{{"executionState":"EXECUTION_SUCCESS","matchState":"NO_MATCH_FOUND"}}}},
            "rai":{{"raiFilterResult":{{"executionState":"EXECUTION_SUCCESS","matchState":"NO_MATCH_FOUND",
              "raiFilterTypeResults":{{"dangerous":{{"matchState":"NO_MATCH_FOUND"}}}}}}}},
            "pi_and_jailbreak":{{"piAndJailbreakFilterResult":{{"executionState":"EXECUTION_SUCCESS","matchState":"{pi}"}}}},
            "sdp":{{"sdpFilterResult":{sdp}}}}},"sanitizationMetadata":{{}}}}}}"#
        )
    }

    const CLEAN: &str =
        r#"{"inspectResult":{"executionState":"EXECUTION_SUCCESS","matchState":"NO_MATCH_FOUND"}}"#;

    fn masked(text: &str) -> String {
        json!({"deidentifyResult": {"executionState": "EXECUTION_SUCCESS", "matchState": "MATCH_FOUND",
            "data": {"text": text}, "transformedBytes": "17", "infoTypes": ["EMAIL_ADDRESS"]}})
        .to_string()
    }

    fn rejects(found: &str) -> Result<Verdict, Error> {
        Ok(Verdict::Reject { status: None, message: None, found: vec![found.to_owned()] })
    }

    #[test]
    fn passes_and_rejects() {
        let (_, one) = asked(["hello"]);
        let says = |body: String| verdict(200, body.as_bytes(), &one);
        assert_eq!(says(answer("NO_MATCH_FOUND", "NO_MATCH_FOUND", CLEAN, "SUCCESS")), Ok(Verdict::Pass));
        assert_eq!(says(answer("MATCH_FOUND", "MATCH_FOUND", CLEAN, "SUCCESS")), rejects("pi_and_jailbreak"));
        // Once documented so: the parts are right and the whole is wrong.
        assert_eq!(
            says(answer("NO_MATCH_FOUND", "MATCH_FOUND", CLEAN, "SUCCESS")),
            rejects("pi_and_jailbreak")
        );
        let inspected = CLEAN.replace("NO_MATCH_FOUND", "MATCH_FOUND");
        assert_eq!(says(answer("MATCH_FOUND", "NO_MATCH_FOUND", &inspected, "SUCCESS")), rejects("sdp"));
        let dangerous = answer("MATCH_FOUND", "NO_MATCH_FOUND", CLEAN, "SUCCESS")
            .replace(r#""dangerous":{"matchState":"NO_"#, r#""dangerous":{"matchState":""#);
        assert_eq!(says(dangerous), rejects("rai"));
        let unknown =
            r#"{"sanitizationResult":{"filterMatchState":"MATCH_FOUND","invocationResult":"SUCCESS"}}"#;
        assert_eq!(says(unknown.to_owned()), Ok(Verdict::reject([])));
        let list = r#"{"sanitizationResult":{"filterMatchState":"MATCH_FOUND","invocationResult":"SUCCESS",
            "filterResults":[{"raiFilterResult":{"matchState":"MATCH_FOUND"}}]}}"#;
        assert_eq!(says(list.to_owned()), rejects("raiFilterResult"));
    }

    #[test]
    fn deidentified_text_is_the_mask() {
        let says = |text: &str, asked: &Asked| {
            verdict(200, answer("MATCH_FOUND", "NO_MATCH_FOUND", &masked(text), "SUCCESS").as_bytes(), asked)
        };
        let (_, one) = asked(["mail al@example.com\u{1e}"]);
        assert_eq!(
            says("mail [EMAIL]\u{1e}", &one),
            Ok(Verdict::Mask(vec![Some("mail [EMAIL]\u{1e}".to_owned())]))
        );
        let (_, two) = asked(["be brief", " ", "mail al@example.com"]);
        assert_eq!(
            says("be brief\n\u{1e}\nmail [EMAIL]", &two),
            Ok(Verdict::Mask(vec![Some("be brief".to_owned()), None, Some("mail [EMAIL]".to_owned())]))
        );
        // Where each ends cannot be told.
        for text in ["be brief mail [EMAIL]", "a\n\u{1e}\nb\n\u{1e}\nc", "a\n\u{1e}\nb\u{1e}"] {
            assert_eq!(says(text, &two), rejects("sdp"), "{text:?}");
        }
        let (_, ambiguous) = asked(["be\n\u{1e}\nbrief", "x"]);
        assert_eq!(says("be\n\u{1e}\nbrief x", &ambiguous), rejects("sdp"));
        // Something else matched as well.
        let both = answer("MATCH_FOUND", "MATCH_FOUND", &masked("x"), "SUCCESS");
        assert_eq!(verdict(200, both.as_bytes(), &one), rejects("pi_and_jailbreak"));
        // A match without a text.
        let nothing = answer(
            "MATCH_FOUND",
            "NO_MATCH_FOUND",
            r#"{"deidentifyResult":{"matchState":"MATCH_FOUND"}}"#,
            "SUCCESS",
        );
        assert_eq!(verdict(200, nothing.as_bytes(), &one), rejects("sdp"));
    }

    #[test]
    fn filters_that_did_not_run_are_no_pass() {
        let (_, one) = asked(["hello"]);
        let says = |body: &str| verdict(200, body.as_bytes(), &one);
        let incomplete = Err(Error::Incomplete { service: Service::ModelArmor });
        for invocation in ["PARTIAL", "FAILURE", "INVOCATION_RESULT_UNSPECIFIED"] {
            let clean = answer("NO_MATCH_FOUND", "NO_MATCH_FOUND", CLEAN, invocation);
            assert_eq!(says(&clean), incomplete, "{invocation}");
            let hidden = answer("MATCH_FOUND", "NO_MATCH_FOUND", &masked("x"), invocation);
            assert_eq!(says(&hidden), incomplete, "{invocation}");
            let found = answer("MATCH_FOUND", "MATCH_FOUND", CLEAN, invocation);
            assert_eq!(says(&found), rejects("pi_and_jailbreak"), "{invocation}");
        }
        let ignore = |invocation| {
            answer("NO_MATCH_FOUND", "NO_MATCH_FOUND", CLEAN, invocation).replace(
                r#""sanitizationMetadata":{}"#,
                r#""sanitizationMetadata":{"ignorePartialInvocationFailures":true}"#,
            )
        };
        assert_eq!(says(&ignore("PARTIAL")), Ok(Verdict::Pass));
        assert_eq!(says(&ignore("FAILURE")), incomplete);
    }

    #[test]
    fn errors() {
        let (_, one) = asked(["hello"]);
        for body in [
            "{}",
            r#"{"sanitizationResult":[]}"#,
            r#"{"sanitizationResult":{}}"#,
            r#"{"sanitizationResult":{"filterMatchState":"MAYBE"}}"#,
            r#"{"sanitizationResult":{"filterMatchState":"NO_MATCH_FOUND"}}"#,
            r#"{"sanitizationResult":{"filterMatchState":"NO_MATCH_FOUND","filterResults":"none"}}"#,
        ] {
            assert!(matches!(verdict(200, body.as_bytes(), &one), Err(Error::Unreadable { .. })), "{body}");
        }
        assert_eq!(verdict(503, b"", &one), Err(Error::Status { service: Service::ModelArmor, status: 503 }));
    }
}
