//! The tables in `docs/translation.md`: what becomes of each feature, found out by asking for it.
//!
//! A [`Row`] is one feature: how each client asks for it, and what is claimed to come of it at each provider. A cell
//! translates two requests, one with the feature and one without. If the feature is refused, the note of the cell says
//! why; if both come out the same, it was dropped; otherwise it was carried or approximated, and something new must
//! stand at the place that the claim names. A claim that contradicts the outcome fails. What comes out is read by the
//! strictest provider ([`readers`]), streamed or not.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use llm_dialects::Dialect::{self, AnthropicMessages};
use llm_dialects::Error;
use llm_dialects::hub::{ApiError, ErrorKind, StopReason, StreamOptions};
use serde_json::{Value, json};

use crate::features::{answers, conversation, parameters, thinking, tools};
use crate::{NOW, base, laid_over, model_of, pairs, readers, request_with};

/// What becomes of a feature at one provider.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Outcome {
    /// At this place stands what was asked for.
    Carried(&'static str),
    /// At this place stands something close to it; the words say how it differs.
    Approximated(&'static str, &'static str),
    /// The request goes on without it.
    Dropped,
    /// The client gets an error.
    Refused,
    /// Only clients of the same dialect can ask for it, which are not translated.
    Own,
}

pub(crate) const DROPPED: Outcome = Outcome::Dropped;
pub(crate) const REFUSED: Outcome = Outcome::Refused;
pub(crate) const OWN: Outcome = Outcome::Own;

pub(crate) fn carried(at: &'static str) -> Outcome {
    Outcome::Carried(at)
}

pub(crate) fn near(at: &'static str, how: &'static str) -> Outcome {
    Outcome::Approximated(at, how)
}

/// One feature. The arrays are in the order of [`Dialect::ALL`].
pub(crate) struct Row {
    name: &'static str,
    /// What each client sends, laid over the smallest request; `null` where its dialect has no word for it.
    asked: [Value; 5],
    /// What it would send without the feature, laid over the smallest request.
    without: [Value; 5],
    /// The providers' models, where it matters which.
    models: Option<[&'static str; 5]>,
    /// By provider.
    outcomes: [Outcome; 5],
    /// Where it depends on the client too.
    exceptions: Vec<(Dialect, Dialect, Outcome)>,
}

impl Row {
    pub(crate) fn new(name: &'static str, asked: [Value; 5], outcomes: [Outcome; 5]) -> Self {
        let without = [const { Value::Null }; 5].map(|_| json!({}));
        Self { name, asked, without, models: None, outcomes, exceptions: Vec::new() }
    }

    pub(crate) fn without(self, without: [Value; 5]) -> Self {
        Self { without, ..self }
    }

    pub(crate) fn models(self, models: [&'static str; 5]) -> Self {
        Self { models: Some(models), ..self }
    }

    pub(crate) fn except(mut self, client: Dialect, provider: Dialect, outcome: Outcome) -> Self {
        self.exceptions.push((client, provider, outcome));
        self
    }

    fn outcome(&self, client: Dialect, provider: Dialect) -> Outcome {
        let exception = self.exceptions.iter().find(|(c, p, _)| (*c, *p) == (client, provider));
        exception.map_or(self.outcomes[place(provider)], |(_, _, outcome)| *outcome)
    }

    fn model(&self, provider: Dialect) -> &'static str {
        self.models.map_or(model_of(provider), |models| models[place(provider)])
    }

    /// The other clients that can ask for it.
    fn clients(&self, provider: Dialect) -> impl Iterator<Item = Dialect> {
        Dialect::ALL
            .into_iter()
            .filter(move |client| *client != provider && !self.asked[place(*client)].is_null())
    }

    /// What came of it, in words for the notes; or what is wrong with the claim.
    fn check(&self, client: Dialect, provider: Dialect, streamed: bool) -> Result<String, String> {
        let send = |patch: &Value| {
            let body = laid_over(base(client), patch).to_string();
            let sent = request_with(client, provider, self.model(provider), body.as_bytes(), |request| {
                request.stream = streamed.then_some(StreamOptions { include_usage: true });
            })?;
            let sent: Value = serde_json::from_slice(&sent).unwrap();
            Ok::<Value, Error>(sent)
        };
        let plain = send(&self.without[place(client)]).map_err(|error| format!("without it: {error}"))?;
        let outcome = send(&self.asked[place(client)]);
        if let Ok(sent) = &outcome {
            readers::request(provider, sent)?;
        }
        match (&outcome, self.outcome(client, provider)) {
            (
                Err(Error::Unsupported { message, .. } | Error::ClientSent { message, .. }),
                Outcome::Refused,
            ) => Ok(message.clone()),
            (Ok(sent), Outcome::Dropped) if *sent == plain => Ok("dropped".to_owned()),
            (Ok(sent), Outcome::Carried(at) | Outcome::Approximated(at, _)) => {
                // What is left out of the request can be an approximation too.
                let missing = sent.pointer(at).is_none()
                    && matches!(self.outcome(client, provider), Outcome::Carried(_));
                if missing || plain.pointer(at) == sent.pointer(at) {
                    return Err(format!("nothing at {at}, but {}", differences(&plain, sent)));
                }
                let Some(there) = sent.pointer(at) else { return Ok(String::new()) };
                Ok(format!("`{}`: `{there}`", at.trim_start_matches('/').replace('/', ".")))
            }
            (Ok(sent), claim) => Err(format!("not {claim:?}, but {}", differences(&plain, sent))),
            (Err(error), claim) => Err(format!("not {claim:?}, but {error}")),
        }
    }

    /// The cell for this provider; what it leaves to say goes to the notes.
    fn cell(&self, provider: Dialect, notes: &mut Notes) -> String {
        let mut texts: Vec<(String, Vec<Dialect>)> = Vec::new();
        for client in self.clients(provider) {
            let words = self.check(client, provider, false).unwrap_or_default();
            let text = match self.outcome(client, provider) {
                Outcome::Carried(_) => "✓".to_owned(),
                Outcome::Approximated(_, how) => format!("≈ {}", notes.number(how, &words)),
                Outcome::Dropped => "–".to_owned(),
                Outcome::Refused => format!("✗ {}", notes.number(&words, "")),
                Outcome::Own => "=".to_owned(),
            };
            match texts.iter_mut().find(|(known, _)| *known == text) {
                Some((_, clients)) => clients.push(client),
                None => texts.push((text, vec![client])),
            }
        }
        match texts.as_slice() {
            [] => "=".to_owned(),
            [(text, _)] => text.clone(),
            several => {
                let named = several.iter().map(|(text, clients)| {
                    let clients: Vec<&str> = clients.iter().map(|client| short(*client)).collect();
                    format!("{text} ({})", clients.join(", "))
                });
                named.collect::<Vec<_>>().join("; ")
            }
        }
    }
}

fn place(dialect: Dialect) -> usize {
    Dialect::ALL.into_iter().position(|known| known == dialect).unwrap()
}

fn short(dialect: Dialect) -> &'static str {
    ["chat", "responses", "messages", "Gemini", "Converse"][place(dialect)]
}

/// Where two bodies differ, for the message of a failed test.
fn differences(plain: &Value, sent: &Value) -> String {
    fn walk(at: &str, plain: &Value, sent: &Value, found: &mut Vec<String>) {
        if plain == sent {
            return;
        }
        match (plain, sent) {
            (Value::Object(a), Value::Object(b)) => {
                for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                    walk(&format!("{at}/{key}"), &plain[key], &sent[key], found);
                }
            }
            (Value::Array(a), Value::Array(b)) => {
                for i in 0..a.len().max(b.len()) {
                    let none = Value::Null;
                    walk(&format!("{at}/{i}"), a.get(i).unwrap_or(&none), b.get(i).unwrap_or(&none), found);
                }
            }
            _ => found.push(format!("{at}: {sent}")),
        }
    }
    let mut found = Vec::new();
    walk("", plain, sent, &mut found);
    if found.is_empty() { "it was dropped".to_owned() } else { found.join(", ") }
}

/// The notes of one table: what they say, and the examples of it.
#[derive(Default)]
struct Notes(Vec<(String, BTreeSet<String>)>);

impl Notes {
    /// The number of a note; equal ones are one.
    fn number(&mut self, note: &str, example: &str) -> String {
        let known = self.0.iter().position(|(known, _)| known == note);
        let index = known.unwrap_or_else(|| {
            self.0.push((note.to_owned(), BTreeSet::new()));
            self.0.len() - 1
        });
        self.0[index].1.insert(example.to_owned());
        format!("[{}]", index + 1)
    }

    /// The notes as a list, with their example where there is but one short one.
    fn write(&self, out: &mut String) {
        out.push('\n');
        for (index, (note, examples)) in self.0.iter().enumerate() {
            let example =
                examples.first().filter(|one| examples.len() == 1 && !one.is_empty() && one.len() < 160);
            let example = example.map(|example| format!(": {example}")).unwrap_or_default();
            writeln!(out, "{}. {note}{example}", index + 1).unwrap();
        }
    }
}

fn sections() -> [(&'static str, Vec<Row>); 4] {
    [
        ("Conversation", conversation::rows()),
        ("Tools", tools::rows()),
        ("Thinking", thinking::rows()),
        ("Parameters", parameters::rows()),
    ]
}

#[test]
fn t01_every_cell_is_as_claimed_unary_and_streamed() {
    let mut wrong = Vec::new();
    for (section, rows) in sections() {
        for row in rows {
            for (client, provider) in pairs() {
                if row.asked[place(client)].is_null() {
                    continue;
                }
                for streamed in [false, true] {
                    if let Err(what) = row.check(client, provider, streamed) {
                        wrong.push(format!("{section}, {}: {client} to {provider}: {what}", row.name));
                        break;
                    }
                }
            }
            for provider in Dialect::ALL {
                let own = row.clients(provider).next().is_none();
                if own != (row.outcomes[place(provider)] == OWN) {
                    wrong.push(format!("{section}, {}: {provider}: Own, or not?", row.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} claims are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The tables of requests.
fn requests(out: &mut String) {
    for (title, rows) in sections() {
        write!(
            out,
            "\n### {title}\n\n| | asked by | → chat | → responses | → messages | → Gemini | → Converse |\n|---|---|---|---|---|---|---|\n"
        )
        .unwrap();
        let mut notes = Notes::default();
        for row in rows {
            let by: Vec<&str> = Dialect::ALL
                .into_iter()
                .filter(|client| !row.asked[place(*client)].is_null())
                .map(short)
                .collect();
            let by = if by.len() == 5 { "all".to_owned() } else { by.join(", ") };
            let cells = Dialect::ALL.map(|provider| row.cell(provider, &mut notes)).join(" | ");
            writeln!(out, "| {} | {by} | {cells} |", row.name).unwrap();
        }
        notes.write(out);
    }
}

fn told(body: &[u8], pointer: &str) -> String {
    let body: Value = serde_json::from_slice(body).unwrap();
    body.pointer(pointer)
        .filter(|value| !value.is_null())
        .map_or_else(|| "-".to_owned(), |value| format!("`{}`", value.to_string().trim_matches('"')))
}

const HEAD: &str = "| | chat | responses | messages | Gemini | Converse |\n|---|---|---|---|---|---|\n";

/// Why an answer ended, as each client is told.
fn stop_reasons(out: &mut String) {
    write!(out, "\n### Why an answer ended, as clients are told\n\n{HEAD}").unwrap();
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
        let cells = Dialect::ALL.map(|client| {
            let body = client.encode_response(&answer, NOW);
            match client {
                Dialect::OpenaiChat => told(&body, "/choices/0/finish_reason"),
                Dialect::OpenaiResponses => {
                    let details = told(&body, "/incomplete_details/reason");
                    let details = if details == "-" { String::new() } else { format!(", {details}") };
                    told(&body, "/status") + &details
                }
                Dialect::AnthropicMessages => told(&body, "/stop_reason"),
                Dialect::GeminiGenerate => told(&body, "/candidates/0/finishReason"),
                Dialect::BedrockConverse => told(&body, "/stopReason"),
            }
        });
        writeln!(out, "| {name} | {} |", cells.join(" | ")).unwrap();
    }
}

/// Errors by kind, as each client is told.
fn errors(out: &mut String) {
    write!(out, "\n### Errors, as clients are told\n\n{HEAD}").unwrap();
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
        let cells = Dialect::ALL.map(|dialect| {
            let body = dialect.encode_error(&error);
            let word = match dialect {
                Dialect::GeminiGenerate => told(&body, "/error/status"),
                Dialect::BedrockConverse => format!("`{}`", llm_dialects::bedrock::error_type(&error)),
                _ => told(&body, "/error/type"),
            };
            let code = told(&body, "/error/code");
            let code = match dialect {
                Dialect::OpenaiChat | Dialect::OpenaiResponses if code != "-" => format!(", code {code}"),
                _ => String::new(),
            };
            format!("{} {word}{code}", dialect.error_status(&error))
        });
        writeln!(out, "| {name} | {} |", cells.join(" | ")).unwrap();
    }
}

const BEGIN: &str =
    "<!-- Generated by filters/llm-dialects/tests/translate/table.rs; WEIR_UPDATE=1 rewrites it. -->\n";

#[test]
fn the_documented_tables_are_what_happens() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/translation.md");
    let documented = fs::read_to_string(&path).unwrap();
    let (before, after) = documented.split_once(BEGIN).expect("the mark of the generated part");
    let mut tables = String::new();
    requests(&mut tables);
    answers::write(&mut tables);
    stop_reasons(&mut tables);
    errors(&mut tables);
    if std::env::var_os("WEIR_UPDATE").is_some() {
        fs::write(&path, [before, BEGIN, &tables].concat()).unwrap();
    } else {
        assert_eq!(after, tables, "docs/translation.md is stale: WEIR_UPDATE=1 cargo test -p llm-dialects");
    }
}
