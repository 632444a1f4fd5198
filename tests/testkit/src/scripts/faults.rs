//! Exchanges in which something is wrong.

use super::{ANTHROPIC, Case, OPENAI, answer, case, events, path, provider_with, request};
use crate::message::Headers;
use crate::script::Script;
use crate::split_check::Expected;

const CUT_SHORT: &str = include_str!("../../scripts/anthropic_messages/cut_short.sse");
const ERROR_IN_THE_MIDDLE: &str = include_str!("../../scripts/openai_chat/error_in_the_middle.sse");
const RATE_LIMIT: &str = include_str!("../../scripts/anthropic_messages/error.json");

const ERROR_PAGE: &str = "<html><body><h1>502 Bad Gateway</h1></body></html>";

const AUDIO: &str = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AA==","format":"wav"}}]}]}"#;

/// Requests that are refused, answers that are errors or none at all, and streams that break.
pub(super) fn faults() -> Vec<Case> {
    let mut cases = refusals();
    cases.extend(errors());
    cases.extend(broken_answers());
    cases
}

fn refusals() -> Vec<Case> {
    let refused = |name: &str, client: &str, upstream: &str, body: &str, status: u16| Case {
        expected: Expected::nothing().request_body("").status(status),
        ..case(name, upstream, Script::json(path(client), body, answer(upstream)))
    };
    let mut too_large = refused("request_too_large", ANTHROPIC, ANTHROPIC, request(ANTHROPIC, false), 413);
    too_large.llm = r#"{"max_request_body_bytes":20}"#;
    // Else it is refused by what it announces.
    too_large.script.request.headers.remove("content-length");
    let mut announced = refused("request_announced_too_large", OPENAI, OPENAI, request(OPENAI, false), 413);
    announced.llm = too_large.llm;
    let mut elsewhere = refused("request_elsewhere", OPENAI, OPENAI, "{}", 404);
    elsewhere.script.request.headers.set(":path", "/v1/elsewhere?key=secret");
    vec![
        too_large,
        announced,
        elsewhere,
        refused("request_not_json", ANTHROPIC, OPENAI, r#"{"model":"#, 400),
        refused("request_without_model", OPENAI, OPENAI, r#"{"messages":[]}"#, 400),
        refused("request_unsupported", OPENAI, ANTHROPIC, AUDIO, 400),
    ]
}

fn errors() -> Vec<Case> {
    let failed = |name: &str, client: &str, upstream: &str, status: &str, content_type: &str, body: &str| {
        let mut script = Script::json(path(client), request(client, false), body);
        script.response.headers.set(":status", status);
        script.response.headers.set("content-type", content_type);
        // What Envoy says of every response that came from an upstream.
        case(name, upstream, script.with_property(&["response", "code_details"], "via_upstream"))
    };
    let mut rate_limit = failed("error_translated", OPENAI, ANTHROPIC, "429", "application/json", RATE_LIMIT);
    rate_limit.script.response.headers.add("retry-after", "7");
    rate_limit.expected = Expected::nothing().status(429);
    let mut same = failed("error_passed_on", ANTHROPIC, ANTHROPIC, "429", "application/json", RATE_LIMIT);
    same.expected = Expected::nothing().status(429).response_body(RATE_LIMIT);
    let page = failed("error_page", ANTHROPIC, OPENAI, "502", "text/html", ERROR_PAGE);
    let mut silent = failed("error_without_a_body", OPENAI, OPENAI, "503", "text/plain", "");
    silent.script.response.headers.remove("content-length");
    vec![rate_limit, same, page, silent]
}

fn broken_answers() -> Vec<Case> {
    let stream = |name: &str, client: &str, upstream: &str, events: &str| Case {
        expected: Expected::nothing().status(200),
        ..case(name, upstream, Script::event_stream(path(client), request(client, true), events))
    };
    let mut too_large = case(
        "answer_too_large",
        ANTHROPIC,
        Script::json(path(OPENAI), request(OPENAI, false), answer(ANTHROPIC)),
    );
    too_large.provider = provider_with(ANTHROPIC, r#","max_response_body_bytes":50"#);
    too_large.expected = Expected::nothing().status(502);
    let mut malformed = case(
        "answer_malformed",
        OPENAI,
        Script::json(path(ANTHROPIC), request(ANTHROPIC, false), r#"{"choices":[{"message""#),
    );
    malformed.expected = Expected::nothing().status(502);
    let mut trailers = stream("stream_with_trailers", OPENAI, OPENAI, events(OPENAI));
    trailers.script.response.trailers = Some(Headers::from(&[("x-checksum", "1")][..]));
    trailers.expected = trailers.expected.response_body(events(OPENAI));
    vec![
        too_large,
        malformed,
        trailers,
        stream("stream_cut_short", OPENAI, ANTHROPIC, CUT_SHORT),
        stream("stream_cut_short_same_dialect", ANTHROPIC, ANTHROPIC, CUT_SHORT),
        stream("stream_with_an_error", ANTHROPIC, OPENAI, ERROR_IN_THE_MIDDLE),
    ]
}
