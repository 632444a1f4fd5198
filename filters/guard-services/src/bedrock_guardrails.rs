//! Amazon Bedrock Guardrails,
//! [ApplyGuardrail](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ApplyGuardrail.html).
//!
//! A guardrail intervenes for one of two reasons, which only the assessments tell apart: it blocks, and `outputs` is the
//! message configured for that, or it anonymizes, and `outputs` are the texts sent, masked. So an intervention masks
//! if something was `ANONYMIZED`, nothing was `BLOCKED` and there are as many outputs as texts; otherwise it rejects.
//! Without an intervention everything passes, whatever was detected: the guardrail says so.
//!
//! The message of a blocking guardrail is not used: the policy has its own.

use filter_config::BedrockGuardrails;
use serde_json::{Value, json};

use crate::answer::{Part, holds_member, read};
use crate::call::segment;
use crate::{Asked, Call, Direction, Error, Message, Service, Verdict};

/// The request about these messages, or nothing if there is nothing in them.
pub fn call(
    guardrail: &BedrockGuardrails,
    direction: Direction,
    messages: &[Message<'_>],
) -> Option<(Call, Asked)> {
    let (asked, texts) = Asked::texts(messages)?;
    let source = match direction {
        Direction::Request => "INPUT",
        Direction::Response => "OUTPUT",
    };
    let content: Vec<Value> = texts.into_iter().map(|text| json!({"text": {"text": text}})).collect();
    let path = format!(
        "/guardrail/{}/version/{}/apply",
        segment(&guardrail.identifier),
        segment(&guardrail.version)
    );
    Some((Call::post(path, &json!({"source": source, "content": content})), asked))
}

/// What the answer says of the messages.
///
/// # Errors
/// [`Error`] for a status other than 2xx and a body of another form.
pub fn verdict(status: u16, body: &[u8], asked: &Asked) -> Result<Verdict, Error> {
    let service = Service::BedrockGuardrails;
    let value = read(service, status, body)?;
    let answer = Part { service, value: &value };
    match answer.text("action", "`action` must be a text")? {
        "NONE" => return Ok(Verdict::Pass),
        "GUARDRAIL_INTERVENED" => {}
        _ => return Err(answer.unreadable("`action` must be `NONE` or `GUARDRAIL_INTERVENED`")),
    }
    let assessments = match answer.get("assessments") {
        Some(_) => answer.array("assessments", "`assessments` must be an array")?,
        None => Vec::new(),
    };
    let did = |action| assessments.iter().any(|part| holds_member(part.value, "action", action));
    if did("ANONYMIZED") && !did("BLOCKED") {
        let texts = answer
            .array("outputs", "`outputs` must be an array")?
            .into_iter()
            .map(|output| output.text("text", "each of `outputs` must have a text").map(str::to_owned))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(masked) = asked.mask(texts) {
            return Ok(masked);
        }
    }
    let policies = assessments.iter().filter_map(|part| part.value.as_object()).flatten();
    let acted = policies.filter(|(_, policy)| {
        holds_member(policy, "action", "BLOCKED") || holds_member(policy, "action", "ANONYMIZED")
    });
    Ok(Verdict::reject(acted.map(|(name, _)| name.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use filter_config::Callout;
    use std::borrow::Cow;

    fn guardrail(identifier: &str, version: &str) -> BedrockGuardrails {
        BedrockGuardrails {
            callout: Callout { cluster: "bedrock".into(), authority: "bedrock".into(), timeout_ms: 1000 },
            identifier: identifier.into(),
            version: version.into(),
        }
    }

    fn messages<const N: usize>(texts: [&str; N]) -> [Message<'_>; N] {
        texts.map(|text| Message { role: "user", content: Cow::Borrowed(text) })
    }

    #[test]
    fn sends_content() {
        let texts = messages(["I am Al", "", "call 555-0100"]);
        let (request, _) = call(&guardrail("gr1", "DRAFT"), Direction::Request, &texts).unwrap();
        assert_eq!(request.path, "/guardrail/gr1/version/DRAFT/apply");
        assert_eq!(
            String::from_utf8(request.body).unwrap(),
            r#"{"source":"INPUT","content":[{"text":{"text":"I am Al"}},{"text":{"text":"call 555-0100"}}]}"#
        );
        let arn = guardrail("arn:aws:bedrock:us-east-1:123456789012:guardrail/gr1", "3");
        let (response, _) = call(&arn, Direction::Response, &texts[..1]).unwrap();
        assert_eq!(
            response.path,
            "/guardrail/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aguardrail%2Fgr1/version/3/apply"
        );
        assert!(response.body.starts_with(br#"{"source":"OUTPUT","#));
        assert_eq!(call(&arn, Direction::Request, &messages([" "])), None);
    }

    fn asked() -> Asked {
        call(&guardrail("g", "1"), Direction::Request, &messages(["I am Al", " ", "call 555-0100"]))
            .unwrap()
            .1
    }

    /// The form of the user guide's examples.
    const MASKED: &str = r#"{
        "usage":{"topicPolicyUnits":0,"contentPolicyUnits":0,"wordPolicyUnits":0,"sensitiveInformationPolicyUnits":1,
            "sensitiveInformationPolicyFreeUnits":0,"contextualGroundingPolicyUnits":0},
        "action":"GUARDRAIL_INTERVENED",
        "outputs":[{"text":"I am {NAME}"},{"text":"call {PHONE}"}],
        "assessments":[{"sensitiveInformationPolicy":{"piiEntities":[
            {"type":"NAME","match":"Al","action":"ANONYMIZED","detected":true},
            {"type":"PHONE","match":"555-0100","action":"ANONYMIZED","detected":true}],"regexes":[]},
            "invocationMetrics":{"guardrailProcessingLatency":312}}],
        "guardrailCoverage":{"textCharacters":{"guarded":20,"total":20}}}"#;
    const BLOCKED: &str = r#"{
        "action":"GUARDRAIL_INTERVENED","actionReason":"Guardrail blocked.",
        "outputs":[{"text":"Sorry, I cannot answer this."}],
        "assessments":[{"topicPolicy":{"topics":[{"name":"Fiduciary Advice","type":"DENY","action":"BLOCKED"}]},
            "contentPolicy":{"filters":[{"type":"HATE","confidence":"LOW","action":"NONE"}]}}]}"#;

    #[test]
    fn anonymized_texts_are_masked() {
        assert_eq!(
            verdict(200, MASKED.as_bytes(), &asked()),
            Ok(Verdict::Mask(vec![Some("I am {NAME}".to_owned()), None, Some("call {PHONE}".to_owned())]))
        );
    }

    #[test]
    fn other_interventions_are_rejected() {
        let rejects = |found: &[&str]| {
            let found = found.iter().map(|name| (*name).to_owned()).collect();
            Ok(Verdict::Reject { status: None, message: None, found })
        };
        assert_eq!(verdict(200, BLOCKED.as_bytes(), &asked()), rejects(&["topicPolicy"]));
        let both = MASKED.replacen("ANONYMIZED", "BLOCKED", 1);
        assert_eq!(verdict(200, both.as_bytes(), &asked()), rejects(&["sensitiveInformationPolicy"]));
        let fewer = MASKED.replace(r#",{"text":"call {PHONE}"}"#, "");
        assert_eq!(verdict(200, fewer.as_bytes(), &asked()), rejects(&["sensitiveInformationPolicy"]));
        assert_eq!(verdict(200, br#"{"action":"GUARDRAIL_INTERVENED"}"#, &asked()), rejects(&[]));
    }

    #[test]
    fn what_is_only_detected_passes() {
        let detected = MASKED.replace("GUARDRAIL_INTERVENED", "NONE").replace("ANONYMIZED", "NONE");
        assert_eq!(verdict(200, detected.as_bytes(), &asked()), Ok(Verdict::Pass));
        assert_eq!(
            verdict(200, br#"{"action":"NONE","outputs":[],"assessments":[{}]}"#, &asked()),
            Ok(Verdict::Pass)
        );
    }

    #[test]
    fn errors() {
        for body in [
            "{}",
            r#"{"action":"OTHER"}"#,
            r#"{"action":"GUARDRAIL_INTERVENED","assessments":{}}"#,
            r#"{"action":"GUARDRAIL_INTERVENED","assessments":[{"action":"ANONYMIZED"}]}"#,
            r#"{"action":"GUARDRAIL_INTERVENED","assessments":[{"action":"ANONYMIZED"}],"outputs":[{}]}"#,
        ] {
            assert!(
                matches!(verdict(200, body.as_bytes(), &asked()), Err(Error::Unreadable { .. })),
                "{body}"
            );
        }
        assert_eq!(
            verdict(403, br#"{"message":"not authorized"}"#, &asked()),
            Err(Error::Status { service: Service::BedrockGuardrails, status: 403 })
        );
    }
}
