//! Guards, compiled.

use std::collections::BTreeMap;

use answer_schema::Schema;
use filter_config::{
    Action, Check, Error, Guard, LengthCheck, LengthLimits, OnFailure, Rejection, Scope, TextCheck,
};
use prompt_guard::{Chain, Form, Guards, Rejected};

use super::service::Service;
use super::stream::Stopped;
use super::texts::{Choice, Texts};
use crate::Direction;
use crate::endpoints::Endpoints;

/// Compiled configuration of the filter.
#[derive(Debug)]
pub(crate) struct GuardPlan {
    pub(super) endpoints: Endpoints,
    pub(super) request: Vec<Rule>,
    pub(super) response: Vec<Rule>,
    pub(super) max_request: usize,
    pub(super) max_response: usize,
    /// What guards of requests have masked is to be put back into answers.
    pub(super) restores: bool,
    /// So it is by more than one guard.
    pub(super) several_restore: bool,
    /// Requests may be changed: a guard of them acts.
    pub(super) changes_requests: bool,
    /// Answers may be changed: a guard of them acts, or something is put back.
    pub(super) changes_answers: bool,
    /// A guard of answers has to see the whole of them.
    pub(super) whole_answers: bool,
    streamed: BTreeMap<Scope, Streamed>,
    /// Guards for texts nobody looks at.
    nothing: Streamed,
}

/// One guard.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) scope: Vec<Scope>,
    pub(super) shadow: bool,
    pub(super) on_failure: OnFailure,
    pub(super) rejection: Rejection,
    pub(super) check: Compiled,
}

/// What a guard looks for.
#[derive(Debug)]
pub(super) enum Compiled {
    Text { guard: prompt_guard::Guard, guards: Guards, rejects: bool },
    Length(LengthCheck),
    Schema(Box<Schema>),
    Service(Box<Service>),
}

impl Rule {
    /// Whether what it masks in requests is put back into answers.
    pub(super) fn is_reversible(&self) -> bool {
        !self.shadow && matches!(&self.check, Compiled::Text { guard, .. } if guard.reversible)
    }
}

/// All guards of a part of streamed answers.
#[derive(Debug)]
pub(super) struct Streamed {
    guards: Guards,
    /// The rule each of them is.
    rules: Vec<usize>,
}

impl Streamed {
    /// Begins a text, of blocks or not.
    pub(super) fn start(&self, form: Form, blocks: bool, restores: bool) -> Chain {
        let chain = if blocks { self.guards.start_in_blocks(form) } else { self.guards.start(form) };
        if restores { chain.restoring() } else { chain }
    }

    pub(super) fn rules(&self) -> &[usize] {
        &self.rules
    }
}

impl GuardPlan {
    pub(crate) fn new(config: Guard) -> Result<Self, Error> {
        let window = usize::try_from(config.window_bytes).unwrap_or(usize::MAX);
        let request = rules("request", &config.request, &Scope::OF_REQUESTS, window)?;
        let response = rules("response", &config.response, &Scope::ALL, window)?;
        let reversible = request.iter().filter(|rule| rule.is_reversible()).count();
        let restores = reversible > 0;
        // What a rule looks for can be large; all parts share it.
        let streamed = Scope::ALL.map(|scope| {
            let here = response.iter().enumerate().filter_map(|(number, rule)| match &rule.check {
                Compiled::Text { guard, .. } if rule.scope.contains(&scope) => Some((number, guard.clone())),
                _ => None,
            });
            let (rules, guards) = here.unzip();
            (scope, Streamed { guards: Guards::new(guards), rules })
        });
        let limit = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Ok(Self {
            endpoints: Endpoints::new(&config.endpoints),
            changes_requests: request.iter().any(|rule| !rule.shadow),
            changes_answers: restores || response.iter().any(|rule| !rule.shadow),
            whole_answers: response.iter().any(|rule| !matches!(rule.check, Compiled::Text { .. })),
            request,
            response,
            max_request: limit(config.max_request_body_bytes),
            max_response: limit(config.max_response_body_bytes),
            restores,
            several_restore: reversible > 1,
            streamed: streamed.into(),
            nothing: Streamed { guards: Guards::default(), rules: Vec::new() },
        })
    }

    /// The guards of one direction.
    pub(super) fn rules(&self, direction: Direction) -> &[Rule] {
        match direction {
            Direction::Request => &self.request,
            Direction::Response => &self.response,
        }
    }

    /// Why a stream ends that a guard of this part rejects.
    pub(super) fn stopped(&self, scope: Scope, rejected: &Rejected) -> Stopped {
        Stopped::Rejected(self.streamed(scope).rules.get(rejected.guard).copied().unwrap_or_default())
    }

    /// The guards of a part of streamed answers.
    pub(super) fn streamed(&self, scope: Scope) -> &Streamed {
        self.streamed.get(&scope).unwrap_or(&self.nothing)
    }
}

/// Whether the text of these parts is as long as it may be: of a request all, of an answer each choice.
pub(super) fn fits_length(check: &LengthCheck, texts: &Texts, scope: &[Scope], direction: Direction) -> bool {
    let within = |limits: LengthLimits, length: usize| {
        let length = length as u64;
        limits.min.is_none_or(|min| length >= min) && limits.max.is_none_or(|max| length <= max)
    };
    let fits = |text: &str| {
        within(check.characters, text.chars().count()) && within(check.words, text.split_whitespace().count())
    };
    match direction {
        Direction::Request => fits(&texts.joined(scope)),
        Direction::Response => texts.choices(scope).iter().all(|choice| fits(&choice.text)),
    }
}

/// Whether each choice of an answer is what a schema says. One that calls tools and says nothing has not answered yet.
pub(super) fn fits_schema(schema: &Schema, texts: &Texts) -> bool {
    let fits =
        |choice: &Choice| (choice.calls && choice.text.is_empty()) || schema.check(&choice.text).is_ok();
    texts.choices(&[Scope::Messages]).iter().all(fits)
}

/// Whether values are put back into this part of an answer. Clients send it back with them, so whoever masks them to
/// put them back has to look there, too.
fn restored(scope: Scope) -> bool {
    matches!(scope, Scope::Messages | Scope::ToolInput | Scope::Reasoning)
}

fn rules(
    direction: &str,
    rules: &[filter_config::Rule],
    default: &[Scope],
    window: usize,
) -> Result<Vec<Rule>, Error> {
    let compile_rule = |(index, rule): (usize, &filter_config::Rule)| {
        let invalid = |message: String| Error::Invalid {
            filter: "guard",
            field: format!("{direction}[{index}].check"),
            message,
        };
        let check = match &rule.check {
            Check::Text(check) => {
                let guard = compile(&format!("{direction}[{index}]"), check, rule.shadow, window)?;
                let guards = Guards::new(vec![guard.clone()]);
                Compiled::Text { guard, guards, rejects: check.action == Action::Reject }
            }
            Check::Length(check) => Compiled::Length(check.clone()),
            Check::JsonSchema(check) => {
                let schema = Schema::compile(&check.schema).map_err(|error| invalid(error.to_string()))?;
                Compiled::Schema(Box::new(schema))
            }
            service => Compiled::Service(Box::new(Service::compile(service).map_err(invalid)?)),
        };
        Ok(Rule {
            name: rule.name.clone(),
            scope: match &rule.check {
                _ if !rule.scope.is_empty() => rule.scope.clone(),
                Check::Text(check) if check.reversible => Scope::ALL
                    .into_iter()
                    .filter(|scope| default.contains(scope) || restored(*scope))
                    .collect(),
                _ => default.to_vec(),
            },
            shadow: rule.shadow,
            on_failure: rule.on_failure,
            rejection: rule.rejection.clone(),
            check,
        })
    };
    rules.iter().enumerate().map(compile_rule).collect()
}

fn compile(
    place: &str,
    check: &TextCheck,
    shadow: bool,
    window: usize,
) -> Result<prompt_guard::Guard, Error> {
    prompt_guard::Guard::compile(check, shadow, window).map_err(|error| Error::Invalid {
        filter: "guard",
        field: format!("{place}.check"),
        message: error.to_string(),
    })
}
