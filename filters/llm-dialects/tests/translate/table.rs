//! The table in `docs/translation.md`: what becomes of each feature in each direction, found out by asking for it.
//!
//! Every cell is a pair of requests, one with the feature and one without. If the feature is refused, the cell
//! says why; if both come out the same, it was dropped; otherwise the cell shows what came out, and calls it carried
//! or approximated as [`Cell::carried`] or [`Cell::approximated`] claims. The claim is only about words:
//! whatever really came out is shown beside it, and a claim that contradicts the outcome fails.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use llm_dialects::Dialect::{self, AnthropicMessages, OpenaiChat};
use llm_dialects::Error;
use llm_dialects::hub::{ApiError, ErrorKind, StopReason};
use serde_json::{Value, json};

use crate::features::{conversation, parameters, thinking, tools};
use crate::{NOW, model_of, request};

/// One direction of a feature.
pub(crate) struct Cell {
    /// What the client sends, laid over [`base`].
    asked: Value,
    /// What it would send without the feature, laid over [`base`].
    without: Value,
    /// The provider's model.
    model: Option<&'static str>,
    claim: Claim,
}

enum Claim {
    /// At this place stands what was asked for.
    Carried(&'static str),
    /// At this place stands something close to it; the words say how it differs.
    Approximated(&'static str, &'static str),
    Dropped,
    Refused,
    /// The client's dialect has no word for it.
    Unknown,
}

impl Cell {
    fn new(asked: Value, claim: Claim) -> Self {
        Self { asked, without: json!({}), model: None, claim }
    }

    pub(crate) fn carried(asked: Value, at: &'static str) -> Self {
        Self::new(asked, Claim::Carried(at))
    }

    pub(crate) fn approximated(asked: Value, at: &'static str, how: &'static str) -> Self {
        Self::new(asked, Claim::Approximated(at, how))
    }

    pub(crate) fn dropped(asked: Value) -> Self {
        Self::new(asked, Claim::Dropped)
    }

    pub(crate) fn refused(asked: Value) -> Self {
        Self::new(asked, Claim::Refused)
    }

    pub(crate) fn unknown() -> Self {
        Self::new(json!({}), Claim::Unknown)
    }

    pub(crate) fn without(self, without: Value) -> Self {
        Self { without, ..self }
    }

    pub(crate) fn to(self, model: &'static str) -> Self {
        Self { model: Some(model), ..self }
    }

    /// The text of the cell, in Markdown.
    fn text(&self, from: Dialect, to: Dialect, feature: &str) -> String {
        if matches!(self.claim, Claim::Unknown) {
            return "-".to_owned();
        }
        let model = self.model.unwrap_or(model_of(to));
        let send = |patch: &Value| {
            let sent = request(from, to, model, laid_over(base(from), patch).to_string().as_bytes())?;
            Ok::<Value, Error>(serde_json::from_slice(&sent).unwrap())
        };
        let outcome = send(&self.asked);
        let plain = send(&self.without).unwrap();
        let wrong = |what: &str| -> ! { panic!("{feature}, {from} to {to}: {what}: {outcome:?}") };
        match (&outcome, &self.claim) {
            (Err(error), Claim::Refused) => {
                let api_error = error.to_api_error();
                let message = match error {
                    Error::Unsupported { message, .. } | Error::ClientSent { message, .. } => message.clone(),
                    _ => api_error.message,
                };
                format!("refused ({}): {message}", api_error.status)
            }
            (Ok(sent), Claim::Dropped) if *sent == plain => "dropped".to_owned(),
            (Ok(sent), Claim::Carried(at) | Claim::Approximated(at, _)) => {
                let there = sent.pointer(at).unwrap_or(&Value::Null);
                if there.is_null() || plain.pointer(at) == Some(there) {
                    wrong("nothing came out");
                }
                let shown = format!("`{}`: `{}`", at.trim_start_matches('/').replace('/', "."), there);
                match self.claim {
                    Claim::Approximated(_, how) => format!("approximated, {how}: {shown}"),
                    _ => format!("carried as {shown}"),
                }
            }
            _ => wrong("not as claimed"),
        }
    }
}

/// The smallest request.
fn base(dialect: Dialect) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    if dialect == AnthropicMessages {
        body["max_tokens"] = json!(100);
    }
    body
}

pub(crate) fn laid_over(mut body: Value, patch: &Value) -> Value {
    for (key, value) in patch.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

/// A row: the feature, an OpenAI client with an Anthropic provider, an Anthropic client with an OpenAI provider.
pub(crate) type Row = (&'static str, Cell, Cell);

/// The tables of requests.
fn requests(out: &mut String) {
    let sections = [
        ("Conversation", conversation()),
        ("Tools", tools()),
        ("Thinking", thinking()),
        ("Parameters", parameters()),
    ];
    for (title, rows) in sections {
        write!(
            out,
            "\n### {title}\n\n| | OpenAI client → Anthropic | Anthropic client → OpenAI |\n|---|---|---|\n"
        )
        .unwrap();
        for (feature, openai, anthropic) in rows {
            let openai = openai.text(OpenaiChat, AnthropicMessages, feature);
            let anthropic = anthropic.text(AnthropicMessages, OpenaiChat, feature);
            writeln!(out, "| {feature} | {} | {} |", cell(&openai), cell(&anthropic)).unwrap();
        }
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn told(body: &[u8], pointer: &str) -> String {
    let body: Value = serde_json::from_slice(body).unwrap();
    body.pointer(pointer)
        .map_or_else(|| "-".to_owned(), |value| format!("`{}`", value.to_string().trim_matches('"')))
}

/// Why an answer ended.
fn stop_reasons(out: &mut String) {
    out.push_str("\n### Why an answer ended\n\n| | told to OpenAI clients | told to Anthropic clients |\n|---|---|---|\n");
    let body = json!({"id": "1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": "end_turn"}).to_string();
    for (name, stop) in [
        ("the model was done", StopReason::EndTurn),
        ("a stop sequence matched", StopReason::StopSequence),
        ("the output limit", StopReason::MaxTokens),
        ("the context window is full", StopReason::ContextWindow),
        ("tool calls", StopReason::ToolUse),
        ("a refusal or a content filter", StopReason::Refusal),
        ("a pause of the provider", StopReason::Pause),
    ] {
        let mut answer = AnthropicMessages.decode_response(body.as_bytes()).unwrap();
        answer.stop = stop;
        let openai = told(&OpenaiChat.encode_response(&answer, NOW), "/choices/0/finish_reason");
        let anthropic = told(&AnthropicMessages.encode_response(&answer, NOW), "/stop_reason");
        writeln!(out, "| {name} | {openai} | {anthropic} |").unwrap();
    }
}

/// Errors by kind.
fn errors(out: &mut String) {
    out.push_str("\n### Errors\n\n| | told to OpenAI clients | told to Anthropic clients |\n|---|---|---|\n");
    for (name, kind, status) in [
        ("the request is wrong", ErrorKind::InvalidRequest, 400),
        ("no or a wrong key", ErrorKind::Authentication, 401),
        ("no credit", ErrorKind::Billing, 402),
        ("not allowed", ErrorKind::Permission, 403),
        ("no such model or path", ErrorKind::NotFound, 404),
        ("too large", ErrorKind::TooLarge, 413),
        ("too many requests or tokens", ErrorKind::RateLimit, 429),
        ("the provider failed", ErrorKind::Internal, 500),
        ("the provider's answer makes no sense", ErrorKind::Upstream, 502),
        ("overloaded", ErrorKind::Overloaded, 529),
        ("out of time", ErrorKind::Timeout, 504),
    ] {
        let error = ApiError { status, kind, code: None, param: None, message: "m".to_owned() };
        let text = |dialect: Dialect| {
            let body = dialect.encode_error(&error);
            format!(
                "{} {}, code {}",
                dialect.error_status(&error),
                told(&body, "/error/type"),
                told(&body, "/error/code")
            )
        };
        let (openai, anthropic) = (text(OpenaiChat), text(AnthropicMessages));
        writeln!(out, "| {name} | {openai} | {} |", anthropic.replace(", code -", "")).unwrap();
    }
}

const BEGIN: &str =
    "<!-- Generated by filters/llm-dialects/tests/translate/table.rs; WEIR_UPDATE=1 rewrites it. -->\n";

#[test]
fn the_documented_table_is_what_happens() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/translation.md");
    let documented = fs::read_to_string(&path).unwrap();
    let (before, after) = documented.split_once(BEGIN).expect("the mark of the generated part");
    let mut tables = String::new();
    requests(&mut tables);
    stop_reasons(&mut tables);
    errors(&mut tables);
    if std::env::var_os("WEIR_UPDATE").is_some() {
        fs::write(&path, [before, BEGIN, &tables].concat()).unwrap();
    } else {
        assert_eq!(after, tables, "docs/translation.md is stale: WEIR_UPDATE=1 cargo test -p llm-dialects");
    }
}
