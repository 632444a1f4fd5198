//! Exchanges that every build of the filters has to get right: the core on a fake host, the wasm module in a VM, the
//! dynamic module's entry points. One source of what is sent, and one file per exchange of what must come of it.
//!
//! The way of an exchange is client → downstream `llm` filter (→ `api-keys`) → upstream `provider` filter → provider. What is sent is in
//! `tests/testkit/scripts/<dialect>/`, or below where it is short; what must come of it in
//! `tests/testkit/scripts/expected/`, which `UPDATE_GOLDEN=1` writes anew.

mod faults;
mod keys;
mod report;

use crate::script::Script;
use crate::split_check::Expected;

pub use report::normalised;

/// One exchange and what must come of it, however the bytes arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What it shows; the name of its expected file.
    pub name: String,
    /// Configuration of the downstream filter, as JSON.
    pub llm: &'static str,
    /// Configuration of the `api-keys` filter behind it, as JSON, where there is one.
    pub api_keys: Option<&'static str>,
    /// Configuration of the upstream filter, as JSON.
    pub provider: String,
    /// What is sent.
    pub script: Script,
    /// The part of the outcome that follows from the script alone, without the expected file.
    pub expected: Expected,
}

/// OpenAI chat completions, as a configuration names them.
pub const OPENAI: &str = "openai_chat";
/// Anthropic messages, as a configuration names them.
pub const ANTHROPIC: &str = "anthropic_messages";

/// Where clients of a dialect send their requests.
pub fn path(dialect: &str) -> &'static str {
    if dialect == OPENAI { "/v1/chat/completions" } else { "/v1/messages" }
}

/// The configuration of a provider of one dialect, as JSON.
pub fn provider(dialect: &str) -> String {
    provider_with(dialect, "")
}

/// The same with more fields, each preceded by a comma.
fn provider_with(dialect: &str, fields: &str) -> String {
    let path = path(dialect);
    format!(r#"{{"name":"p","speaks":[{{"endpoint":"{dialect}","path":"{path}"}}]{fields}}}"#)
}

/// A request of a client.
pub fn request(dialect: &str, stream: bool) -> &'static str {
    match (dialect == OPENAI, stream) {
        (true, false) => include_str!("../../scripts/openai_chat/request.json"),
        (true, true) => include_str!("../../scripts/openai_chat/request.stream.json"),
        (false, false) => include_str!("../../scripts/anthropic_messages/request.json"),
        (false, true) => include_str!("../../scripts/anthropic_messages/request.stream.json"),
    }
}

/// A whole answer of a provider.
pub fn answer(dialect: &str) -> &'static str {
    if dialect == OPENAI {
        include_str!("../../scripts/openai_chat/answer.json")
    } else {
        include_str!("../../scripts/anthropic_messages/answer.json")
    }
}

/// A streamed answer of a provider, with comments or pings, and both kinds of line ends.
pub fn events(dialect: &str) -> &'static str {
    if dialect == OPENAI {
        include_str!("../../scripts/openai_chat/answer.sse")
    } else {
        include_str!("../../scripts/anthropic_messages/answer.sse")
    }
}

/// Every exchange.
pub fn cases() -> Vec<Case> {
    let mut cases = pairs();
    cases.extend(tools());
    cases.extend(faults::faults());
    cases.extend(keys::keys());
    cases
}

/// All four pairs of dialects, whole and streamed. Where client and provider speak the same, every byte passes.
pub fn pairs() -> Vec<Case> {
    let mut cases = Vec::new();
    for client in [OPENAI, ANTHROPIC] {
        for upstream in [OPENAI, ANTHROPIC] {
            for stream in [false, true] {
                let body = request(client, stream);
                let script = if stream {
                    Script::event_stream(path(client), body, events(upstream))
                } else {
                    Script::json(path(client), body, answer(upstream))
                };
                let kind = if stream { "stream" } else { "whole" };
                let mut case = case(&format!("{client}_to_{upstream}_{kind}"), upstream, script);
                case.expected.status = Some(200);
                if client == upstream {
                    case.expected =
                        case.expected.request_body(body).response_body(case.script.response.body.clone());
                }
                cases.push(case);
            }
        }
    }
    cases
}

/// Text and two parallel tool calls, streamed, to and from both dialects, with a published and a renamed model.
fn tools() -> [Case; 2] {
    [(OPENAI, ANTHROPIC, "gpt-*", "claude-sonnet-4-5"), (ANTHROPIC, OPENAI, "claude-*", "gpt-4.1")].map(
        |(client, upstream, asked, sent)| {
            let (request, events) = if client == OPENAI {
                (
                    include_str!("../../scripts/openai_chat/tools.request.json"),
                    include_str!("../../scripts/anthropic_messages/tools.sse"),
                )
            } else {
                (
                    include_str!("../../scripts/anthropic_messages/tools.request.json"),
                    include_str!("../../scripts/openai_chat/tools.sse"),
                )
            };
            let script = Script::event_stream(path(client), request, events);
            let fields = format!(
                r#","model_aliases":{{"{asked}":"{sent}"}},"model_header":"x-gateway-model-name","host":"p.test""#
            );
            Case {
                llm: r#"{"model_header":"x-gateway-model-name"}"#,
                provider: provider_with(upstream, &fields),
                expected: Expected::nothing().status(200),
                ..case(&format!("tools_{client}_to_{upstream}"), upstream, script)
            }
        },
    )
}

/// An exchange with a provider of one dialect and nothing configured that need not be.
fn case(name: &str, upstream: &str, script: Script) -> Case {
    Case {
        name: name.to_owned(),
        llm: "{}",
        api_keys: None,
        provider: provider(upstream),
        script,
        expected: Expected::nothing(),
    }
}
