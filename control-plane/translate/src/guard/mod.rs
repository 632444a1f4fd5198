//! Prompt guards, as the `guard` filter of a provider's cluster is told of them.
//!
//! An entry that is broken never disables the others and never lets anything pass that it was to stop: where it can
//! still do a part of its work it does that, otherwise a check that always fails stands in for it, and its failure mode
//! decides what happens to requests.

mod pattern;
mod service;
mod text;

use std::collections::BTreeMap;

use filter_config::{Callout, Check, Guard, OnFailure, Rejection, Rule, Scope, Webhook};
use resources::{
    GuardFailureMode, GuardRejection, GuardScope, ObjectKey, PromptGuard, PromptGuardEntry, RouteType,
};

use crate::findings::Findings;
use crate::index::Index;
use crate::names;
use crate::policy::From;
use crate::provider::Provider;

/// What guards a provider.
#[derive(Debug, Clone)]
pub(crate) struct Guarded {
    /// Configuration of the `guard` filter.
    pub(crate) config: Guard,
    /// The services it asks: clusters to write beside the provider's.
    pub(crate) services: Vec<Provider>,
}

/// Text that is held back for patterns without a longest match unless something else is set, in bytes: what
/// agentgateway gathers of a stream before it looks at it.
const WINDOW_BYTES: u32 = 1024;

/// What guards a provider for which these guards are set; `None` when there are none.
pub(crate) fn resolve(
    index: &Index<'_>,
    set: Option<&From<'_, PromptGuard>>,
    findings: &mut Findings,
) -> Option<Guarded> {
    let set = set?;
    let window_bytes = set.value.window_bytes.unwrap_or(WINDOW_BYTES);
    let mut reading = Reading { index, window_bytes, findings, services: Vec::new() };
    let request = reading.rules(set, Direction::Request);
    let response = reading.rules(set, Direction::Response);
    let config = Guard {
        version: filter_config::VERSION,
        // On a cluster the `llm` filter says what is spoken.
        endpoints: BTreeMap::new(),
        request,
        response,
        window_bytes,
        max_request_body_bytes: filter_config::DEFAULT_MAX_BODY_BYTES,
        max_response_body_bytes: filter_config::DEFAULT_MAX_BODY_BYTES,
    };
    let mut services = reading.services;
    services.sort_by(|a, b| a.cluster.cmp(&b.cluster));
    services.dedup_by(|a, b| a.cluster == b.cluster);
    Some(Guarded { config, services })
}

/// Reports paths at which something is spoken that nobody can read. The filter treats it as what no guard can be
/// evaluated for.
pub(crate) fn report_unreadable(
    guards: &[&Guarded],
    routes: &From<'_, BTreeMap<String, RouteType>>,
    findings: &mut Findings,
) {
    let mut rules = guards.iter().flat_map(|guard| guard.config.request.iter().chain(&guard.config.response));
    let refuses = rules.any(|rule| rule.on_failure == OnFailure::Refuse && !rule.shadow);
    for (suffix, spoken) in routes.value {
        if guards.is_empty() || !matches!(spoken, RouteType::Passthrough | RouteType::Realtime) {
            continue;
        }
        let path = format!("{}[{suffix:?}]", routes.path);
        let message = format!("the prompt guards cannot read what is spoken as {spoken:?}");
        if refuses {
            let remedy =
                "remove it, or the guards; until then requests are answered with 503 rather than unguarded";
            findings.error(&routes.object, &path, message, remedy);
        } else {
            let remedy = "requests pass unguarded, as failureMode and shadow say";
            findings.warning(&routes.object, &path, message, remedy);
        }
    }
}

/// Which way the text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Request,
    Response,
}

impl Direction {
    /// Name of the list.
    fn field(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }
}

/// An entry and where it stands.
#[derive(Clone, Copy)]
struct Entry<'a> {
    value: &'a PromptGuardEntry,
    /// The object that holds it; names in it refer to that object's namespace.
    object: &'a ObjectKey,
    path: &'a str,
    direction: Direction,
}

/// What reading guards needs, and what it gathers.
struct Reading<'a> {
    index: &'a Index<'a>,
    window_bytes: u32,
    findings: &'a mut Findings,
    services: Vec<Provider>,
}

impl Reading<'_> {
    fn rules(&mut self, set: &From<'_, PromptGuard>, direction: Direction) -> Vec<Rule> {
        let list = match direction {
            Direction::Request => &set.value.request,
            Direction::Response => &set.value.response,
        };
        let entries = list.iter().flatten().enumerate();
        let rules = entries.map(|(place, value)| {
            let path = format!("{}.{}[{place}]", set.path, direction.field());
            let entry = Entry { value, object: &set.object, path: &path, direction };
            let name = value.name.clone();
            self.rule(
                entry,
                name.unwrap_or_else(|| format!("{}/{}/{place}", set.object.name, direction.field())),
            )
        });
        rules.collect()
    }

    fn rule(&mut self, entry: Entry<'_>, name: String) -> Rule {
        let value = entry.value;
        let of_webhook = value.webhook.as_ref().and_then(|webhook| webhook.failure_mode);
        let on_failure = match value.failure_mode.or(of_webhook).unwrap_or_default() {
            GuardFailureMode::FailClosed => OnFailure::Refuse,
            GuardFailureMode::FailOpen => OnFailure::Pass,
        };
        let shadow = value.shadow.unwrap_or(false);
        let check = self.check(entry).unwrap_or_else(|| {
            let consequence = match on_failure {
                _ if shadow => "being a shadow, it stops nothing",
                OnFailure::Refuse => "what it guards is answered with 503",
                OnFailure::Pass => "everything passes it, as failureMode says",
            };
            let message = format!("the guard cannot be evaluated: {consequence}");
            self.findings.error(entry.object, entry.path, message, "correct what else is reported about it");
            always_failing()
        });
        let held = !matches!(check, Check::Text(_));
        if held && entry.direction == Direction::Response {
            let message =
                "the guard needs the whole answer, so that of a stream is held until it is complete";
            self.findings.note(entry.object, entry.path, message);
        }
        Rule {
            name,
            scope: value.scope.iter().flatten().map(|scope| self::scope(*scope)).collect(),
            shadow,
            on_failure,
            rejection: value.response.as_ref().map(rejection).unwrap_or_default(),
            check,
        }
    }

    /// What an entry looks for; `None` when it cannot do that at all, which has then been reported.
    fn check(&mut self, entry: Entry<'_>) -> Option<Check> {
        let value = entry.value;
        if let Some(regex) = &value.regex {
            self.regex(entry, regex)
        } else if let Some(keywords) = &value.keywords {
            self.keywords(entry, keywords)
        } else if let Some(length) = &value.length {
            Some(text::length(length))
        } else if let Some(schema) = &value.json_schema {
            self.json_schema(entry, schema)
        } else if let Some(webhook) = &value.webhook {
            self.webhook(entry, webhook)
        } else if let Some(moderation) = &value.open_ai_moderation {
            self.moderation(entry, moderation)
        } else if let Some(guardrails) = &value.bedrock_guardrails {
            self.guardrails(entry, guardrails)
        } else if let Some(armor) = &value.google_model_armor {
            self.model_armor(entry, armor)
        } else {
            // Validation refuses an entry without a check.
            None
        }
    }
}

/// A check that cannot be evaluated, so that the failure mode of its rule decides.
fn always_failing() -> Check {
    let callout =
        Callout { cluster: names::NOWHERE.to_owned(), authority: "unresolved".to_owned(), timeout_ms: 1000 };
    Check::Webhook(Webhook {
        callout,
        path: String::new(),
        forward_headers: Vec::new(),
        headers: BTreeMap::new(),
    })
}

fn scope(scope: GuardScope) -> Scope {
    match scope {
        GuardScope::SystemPrompt => Scope::SystemPrompt,
        GuardScope::Messages => Scope::Messages,
        GuardScope::ToolInput => Scope::ToolInput,
        GuardScope::ToolOutput => Scope::ToolOutput,
        GuardScope::Reasoning => Scope::Reasoning,
    }
}

fn rejection(set: &GuardRejection) -> Rejection {
    let mut rejection = Rejection { body: set.body.clone(), ..Rejection::default() };
    if let Some(status) = set.status_code {
        rejection.status = status;
    }
    if let Some(message) = &set.message {
        rejection.message.clone_from(message);
    }
    let headers = set.headers.iter().flatten();
    rejection.headers =
        headers.map(|header| (header.name.to_ascii_lowercase(), header.value.clone())).collect();
    rejection
}
