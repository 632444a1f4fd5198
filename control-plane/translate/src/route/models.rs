//! Models as Envoy routes: which requests lead to one, and the list of them.

use std::sync::LazyLock;

use envoy_proto::envoy::config::core::v3::{DataSource, data_source};
use envoy_proto::envoy::config::route::v3::{
    DirectResponseAction, HeaderMatcher, Route, RouteMatch, header_matcher, route, route_match,
};
use envoy_proto::envoy::r#type::matcher::v3::{StringMatcher, string_matcher};
use resources::ObjectKey;
use resources::gateway_api::httproutes::HttpRouteRules;

use super::action::Way;
use super::filters::{self, Filters};
use super::matches::{Matched, Precedence, method, regex};
use super::{Choice, Context, Entry, NOT_FOR_PROVIDERS, action, rerank};
use crate::authentication::Authenticated;
use crate::destination::Destination;
use crate::envoy::set_header;
use crate::findings::Findings;
use crate::model::{Leads, Model, Pattern, models_of_rule};
use crate::output::ServedRoute;
use crate::policy::Inherited;

/// Paths of LLM APIs that a listener with models serves, beside the lists. Of the paths with a model the one of
/// Vertex AI ends like that of Gemini.
const PATHS: &str = "/v1/(chat/completions|completions|messages|messages/count_tokens|responses|responses/compact\
|embeddings|rerank|realtime|images/(generations|edits|variations)|audio/(speech|transcriptions|translations))\
|/v2/rerank|/v1[a-z0-9]*/(projects/.+/)?models/.+:[A-Za-z]+|/model/.+/(converse|converse-stream|count-tokens)";

/// Paths of lists of models.
const LISTS: [&str; 2] = ["/v1/models", "/models"];

/// Settings of routes no HTTPRoute made.
static NO_RULE: LazyLock<HttpRouteRules> = LazyLock::new(HttpRouteRules::default);

/// The entries of the models a listener offers itself.
pub(crate) fn of_listener<'a>(
    context: Context<'a>,
    models: &[&Model<'a>],
    findings: &mut Findings,
) -> Vec<Entry> {
    let mut entries = Vec::new();
    if models.is_empty() {
        return entries;
    }
    let inherited = context.inherited(None);
    let filters = Filters::default();
    for (place, model) in models.iter().enumerate() {
        let matched = Matched {
            precedence: Precedence::of_listener(),
            route_match: RouteMatch {
                path_specifier: Some(route_match::PathSpecifier::SafeRegex(regex(PATHS))),
                ..RouteMatch::default()
            },
            prefix: None,
            text: "LLM APIs".to_owned(),
        };
        let of_model = Place {
            context,
            key: model.key,
            rule: &NO_RULE,
            filters: &filters,
            matched: &matched,
            tie: (model.created(), name(model.key), 0, place),
            name: format!("model/{}", name(model.key)),
            route: name(model.key),
        };
        let leads = context.models.leads(context.index, model, &inherited, findings);
        let of_model = of_model.entries(model, &leads, place).into_iter();
        entries.extend(of_model.map(|entry| entry.policed(context, model.key, None)));
    }
    for (place, path) in LISTS.iter().enumerate() {
        let matched = Matched {
            precedence: Precedence::exact(path),
            route_match: RouteMatch {
                path_specifier: Some(route_match::PathSpecifier::Path((*path).to_owned())),
                headers: vec![method("GET")],
                ..RouteMatch::default()
            },
            prefix: None,
            text: format!("GET {path} (exact)"),
        };
        // Before a list some HTTPRoute offers at the same path.
        let list = list_entry(&matched, models, (Some(i64::MIN), String::new(), 0, place), "models", "-");
        entries.push(match models.first() {
            // Who may use the models may know of them.
            Some(model) => list.authenticated(context, context.scope(Some((model.key, None)))),
            None => list,
        });
    }
    entries
}

/// A rule of an HTTPRoute that leads to models, and one of its matches.
pub(super) struct Rule<'a> {
    pub(super) key: &'a ObjectKey,
    pub(super) rule: &'a HttpRouteRules,
    pub(super) filters: &'a Filters,
    pub(super) matched: &'a Matched,
    pub(super) created: Option<i64>,
    /// Place of the rule in its route.
    pub(super) index: usize,
    /// Place of the first entry.
    pub(super) place: usize,
}

/// The entries of the models attached to a rule: one for each, the list, and an answer for models nobody serves.
pub(super) fn of_rule<'a>(
    context: Context<'a>,
    rule: Rule<'_>,
    inherited: &Inherited<'a>,
    findings: &mut Findings,
) -> Vec<Entry> {
    let models = models_of_rule(context.models, rule.key, rule.rule, findings);
    let mut entries = Vec::new();
    let route = name(rule.key);
    let envoy_name = format!("{route}/{}", rule.index);
    let mut at = rule.place;
    let mut tie = || {
        at += 1;
        (rule.created, route.clone(), rule.index, at - 1)
    };
    for (order, model) in models.iter().enumerate() {
        let place = Place {
            context,
            key: rule.key,
            rule: rule.rule,
            filters: rule.filters,
            matched: rule.matched,
            tie: tie(),
            name: envoy_name.clone(),
            route: route.clone(),
        };
        let leads = context.models.leads(context.index, model, inherited, findings);
        entries.extend(place.entries(model, &leads, order));
    }
    let prefix = rule.matched.prefix.as_deref().unwrap_or_default();
    for path in LISTS {
        let matched = rule.matched.at(format!("{prefix}{path}"));
        let mut entry = list_entry(&matched, &models, tie(), &envoy_name, &route);
        // The content type is part of the answer, whatever the rule changes.
        let ours = std::mem::take(&mut entry.route.response_headers_to_add);
        rule.filters.apply(&mut entry.route);
        entry.route.response_headers_to_add.extend(ours);
        entries.push(entry);
    }
    // What is asked of no model of these does not belong to a wider rule. Before the model is known, this is the
    // route that tells the `llm` filter to look for one whatever the path.
    let nothing = DirectResponseAction { status: 404, ..DirectResponseAction::default() };
    entries.push(Entry {
        precedence: rule.matched.precedence.clone(),
        tie: tie(),
        route: Route {
            name: envoy_name,
            r#match: Some(rule.matched.route_match.clone()),
            action: Some(route::Action::DirectResponse(nothing)),
            request_body_buffer_limit: Some(context.max_body),
            // It tells the `llm` filter to look for a model whatever the path.
            metadata: action::endpoint("detect", None, None),
            ..Route::default()
        },
        served: ServedRoute {
            port: 0,
            host: String::new(),
            matches: rule.matched.text.clone(),
            leads_to: "no such model (404)".to_owned(),
            route,
        },
        destinations: Vec::new(),
        choice: None,
        authenticated: Authenticated::default(),
        limited: None,
    });
    entries
}

/// What the entries of a model have in common.
struct Place<'a> {
    context: Context<'a>,
    key: &'a ObjectKey,
    rule: &'a HttpRouteRules,
    filters: &'a Filters,
    matched: &'a Matched,
    tie: (Option<i64>, String, usize, usize),
    /// Name of the Envoy routes.
    name: String,
    /// For people: what made the route.
    route: String,
}

impl Place<'_> {
    /// The entries of a model.
    fn entries(&self, model: &Model<'_>, leads: &Leads, order: usize) -> Vec<Entry> {
        match leads {
            Leads::Refused => {
                let matched = self.asked(&model.pattern, order);
                vec![self.entry(&matched, Way::refusal(), &[])]
            }
            Leads::To(destinations) => {
                let matched = self.asked(&model.pattern, order);
                self.to(&matched, destinations)
            }
            Leads::Conditional(ways) => {
                let choice = Choice {
                    source: model.key.clone(),
                    model: model.pattern.to_string(),
                    targets: ways.iter().map(|(target, _)| target.clone()).collect(),
                };
                let entries = ways.iter().flat_map(|(target, destination)| {
                    let matched = self.asked(&Pattern::Exact(target.name.clone()), order);
                    self.to(&matched, std::slice::from_ref(destination))
                });
                entries.map(|entry| Entry { choice: Some(choice.clone()), ..entry }).collect()
            }
        }
    }

    fn asked(&self, pattern: &Pattern, order: usize) -> Matched {
        let text = format!(" model={pattern}");
        self.matched.with_model(model_header(pattern), &text, order)
    }

    fn to(&self, matched: &Matched, destinations: &[Destination]) -> Vec<Entry> {
        let branches = rerank::branches(matched, destinations);
        branches.iter().flat_map(|(matched, destinations)| self.branch(matched, destinations)).collect()
    }

    fn branch(&self, matched: &Matched, destinations: &[Destination]) -> Vec<Entry> {
        let actions = action::actions(self.context, self.key, self.rule, matched, self.filters, destinations);
        let strip = matched.prefix.as_ref().filter(|prefix| !prefix.is_empty());
        actions
            .into_iter()
            .map(|mut way| {
                if let (route::Action::Route(action), Some(prefix)) = (&mut way.action, strip) {
                    // Providers know nothing of the prefix: `/team/v1/x` is `/v1/x` to them.
                    action.regex_rewrite =
                        Some(filters::replace(&format!("^{}/*", filters::escape(prefix)), "/"));
                }
                self.entry(matched, way, destinations)
            })
            .collect()
    }

    fn entry(&self, matched: &Matched, way: Way, destinations: &[Destination]) -> Entry {
        let mut envoy_match = matched.route_match.clone();
        envoy_match.runtime_fraction = way.fraction;
        let refused = matches!(way.action, route::Action::DirectResponse(_));
        let mut envoy_route = Route {
            name: self.name.clone(),
            r#match: Some(envoy_match),
            action: Some(way.action),
            request_body_buffer_limit: Some(self.context.max_body),
            metadata: action::endpoint("detect", None, way.groups).filter(|_| !refused),
            ..Route::default()
        };
        self.filters.apply(&mut envoy_route);
        envoy_route.request_headers_to_remove.extend(NOT_FOR_PROVIDERS.map(str::to_owned));
        Entry {
            precedence: matched.precedence.clone(),
            tie: self.tie.clone(),
            route: envoy_route,
            served: ServedRoute {
                port: 0,
                host: String::new(),
                matches: matched.text.clone(),
                leads_to: if refused {
                    action::REFUSED.to_owned()
                } else {
                    action::describe(Some(self.filters), destinations)
                },
                route: self.route.clone(),
            },
            destinations: destinations.to_vec(),
            choice: None,
            authenticated: Authenticated::default(),
            limited: None,
        }
    }
}

/// Matches the model a request asks for.
fn model_header(pattern: &Pattern) -> HeaderMatcher {
    let (text, make): (&str, fn(String) -> string_matcher::MatchPattern) = match pattern {
        Pattern::Exact(name) => (name, string_matcher::MatchPattern::Exact),
        Pattern::Prefix(prefix) => (prefix, string_matcher::MatchPattern::Prefix),
        Pattern::Suffix(suffix) => (suffix, string_matcher::MatchPattern::Suffix),
    };
    let specifier = if text.is_empty() {
        header_matcher::HeaderMatchSpecifier::PresentMatch(true)
    } else {
        header_matcher::HeaderMatchSpecifier::StringMatch(StringMatcher {
            ignore_case: false,
            match_pattern: Some(make(header_text(text))),
        })
    };
    HeaderMatcher {
        name: filter_config::MODEL_HEADER.to_owned(),
        header_match_specifier: Some(specifier),
        ..HeaderMatcher::default()
    }
}

/// A model as the `llm` filter writes it into the header: what no header may hold is percent-encoded.
fn header_text(model: &str) -> String {
    let mut text = String::with_capacity(model.len());
    for byte in model.bytes() {
        if byte.is_ascii_graphic() || byte == b' ' {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// The list of models, in OpenAI's form.
fn list_entry(
    matched: &Matched,
    models: &[&Model<'_>],
    tie: (Option<i64>, String, usize, usize),
    name: &str,
    route: &str,
) -> Entry {
    let mut listed: Vec<_> = models.iter().filter_map(|model| model.listed()).collect();
    listed.sort_by_cached_key(|entry| entry.get("id").map(ToString::to_string));
    let body = serde_json::json!({ "object": "list", "data": listed }).to_string();
    let action = DirectResponseAction {
        status: 200,
        body: Some(DataSource {
            specifier: Some(data_source::Specifier::InlineString(body)),
            ..DataSource::default()
        }),
        ..DirectResponseAction::default()
    };
    Entry {
        precedence: matched.precedence.clone(),
        tie,
        route: Route {
            name: name.to_owned(),
            r#match: Some(matched.route_match.clone()),
            action: Some(route::Action::DirectResponse(action)),
            response_headers_to_add: vec![set_header("content-type", "application/json")],
            ..Route::default()
        },
        served: ServedRoute {
            port: 0,
            host: String::new(),
            matches: matched.text.clone(),
            leads_to: "the list of models".to_owned(),
            route: route.to_owned(),
        },
        destinations: Vec::new(),
        choice: None,
        authenticated: Authenticated::default(),
        limited: None,
    }
}

fn name(key: &ObjectKey) -> String {
    format!("{}/{}", key.namespace, key.name)
}
