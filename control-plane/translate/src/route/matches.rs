//! What a rule matches.

use std::cmp::Reverse;

use envoy_proto::envoy::config::route::v3::{
    HeaderMatcher, QueryParameterMatcher, RouteMatch, header_matcher, query_parameter_matcher, route_match,
};
use envoy_proto::envoy::r#type::matcher::v3::{RegexMatcher, StringMatcher, string_matcher};
use resources::ObjectKey;
use resources::gateway_api::httproutes::{
    HttpRouteRulesMatches, HttpRouteRulesMatchesHeadersType, HttpRouteRulesMatchesMethod,
    HttpRouteRulesMatchesPathType, HttpRouteRulesMatchesQueryParamsType,
};

use crate::findings::Findings;

/// Order of matches (Gateway API, HTTPRouteRule.matches): exact paths, longer prefixes, regular
/// expressions; then those with a method, more headers, more query parameters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Precedence {
    path_kind: u8,
    path_length: Reverse<usize>,
    method: Reverse<bool>,
    headers: Reverse<usize>,
    query: Reverse<usize>,
    /// Place among the models offered at the same place.
    model: usize,
}

impl Precedence {
    /// That of a model offered by a listener itself: behind exact paths of HTTPRoutes, which are more specific than
    /// all paths of LLM APIs, and before their prefixes.
    pub(super) fn of_listener() -> Self {
        Self {
            path_kind: 0,
            path_length: Reverse(0),
            method: Reverse(false),
            headers: Reverse(0),
            query: Reverse(0),
            model: 0,
        }
    }

    /// That of an exact path.
    pub(super) fn exact(path: &str) -> Self {
        Self { path_kind: 0, path_length: Reverse(path.len()), ..Self::of_listener() }
    }
}

/// One match of a rule.
#[derive(Debug, Clone)]
pub(super) struct Matched {
    pub(super) precedence: Precedence,
    pub(super) route_match: RouteMatch,
    /// The prefix, where one is matched, for filters that replace it.
    pub(super) prefix: Option<String>,
    /// For people.
    pub(super) text: String,
}

/// Reads a match; `None` when Envoy could not do what it asks, which has then been reported.
pub(super) fn read(
    key: &ObjectKey,
    path: &str,
    matcher: &HttpRouteRulesMatches,
    findings: &mut Findings,
) -> Option<Matched> {
    let value = matcher.path.as_ref().and_then(|path| path.value.clone()).unwrap_or_else(|| "/".to_owned());
    let kind = matcher.path.as_ref().and_then(|path| path.r#type.as_ref());
    let mut prefix = None;
    let (path_kind, specifier, mut text) = match kind {
        Some(HttpRouteRulesMatchesPathType::Exact) => {
            (0, route_match::PathSpecifier::Path(value.clone()), format!("{value} (exact)"))
        }
        None | Some(HttpRouteRulesMatchesPathType::PathPrefix) => {
            let trimmed = value.trim_end_matches('/');
            prefix = Some(trimmed.to_owned());
            let specifier = if trimmed.is_empty() {
                route_match::PathSpecifier::Prefix("/".to_owned())
            } else {
                route_match::PathSpecifier::PathSeparatedPrefix(trimmed.to_owned())
            };
            (1, specifier, format!("{value}*"))
        }
        Some(HttpRouteRulesMatchesPathType::RegularExpression) => {
            (2, route_match::PathSpecifier::SafeRegex(regex(&value)), format!("~{value}"))
        }
    };
    // Envoy would refuse the whole route table for any of these.
    let is_regex = matches!(kind, Some(HttpRouteRulesMatchesPathType::RegularExpression));
    if !is_regex && (!value.starts_with('/') || value.contains(['?', '#'])) {
        let message = format!("{value:?} is not a path");
        findings.error(
            key,
            &format!("{path}.path.value"),
            message,
            "begin it with `/`, and leave out `?` and `#`",
        );
        return None;
    }
    let headers = matcher.headers.iter().flatten().map(|header| ("headers", &header.name, &header.value));
    let parameters = matcher.query_params.iter().flatten().map(|one| ("queryParams", &one.name, &one.value));
    for (field, name, text) in headers.chain(parameters) {
        if name.is_empty() || text.is_empty() {
            findings.error(key, &format!("{path}.{field}"), "name and value must not be empty", "");
            return None;
        }
    }
    if is_regex && value.is_empty() {
        findings.error(key, &format!("{path}.path.value"), "the regular expression is empty", "");
        return None;
    }
    let mut headers = Vec::new();
    for header in matcher.headers.iter().flatten() {
        let exact = !matches!(header.r#type, Some(HttpRouteRulesMatchesHeadersType::RegularExpression));
        text.push_str(&format!(" {}{}{}", header.name, if exact { "=" } else { "~" }, header.value));
        headers.push(HeaderMatcher {
            name: header.name.to_ascii_lowercase(),
            header_match_specifier: Some(header_matcher::HeaderMatchSpecifier::StringMatch(string(
                &header.value,
                exact,
            ))),
            ..HeaderMatcher::default()
        });
    }
    if let Some(method) = &matcher.method {
        let method = method_name(method);
        text.insert_str(0, &format!("{method} "));
        headers.push(self::method(method));
    }
    let mut query_parameters = Vec::new();
    for parameter in matcher.query_params.iter().flatten() {
        let exact =
            !matches!(parameter.r#type, Some(HttpRouteRulesMatchesQueryParamsType::RegularExpression));
        text.push_str(&format!(" ?{}={}", parameter.name, parameter.value));
        query_parameters.push(QueryParameterMatcher {
            name: parameter.name.clone(),
            query_parameter_match_specifier: Some(
                query_parameter_matcher::QueryParameterMatchSpecifier::StringMatch(string(
                    &parameter.value,
                    exact,
                )),
            ),
        });
    }
    Some(Matched {
        precedence: Precedence {
            path_kind,
            path_length: Reverse(prefix.as_ref().map_or(value.len(), String::len)),
            method: Reverse(matcher.method.is_some()),
            headers: Reverse(matcher.headers.as_ref().map_or(0, Vec::len)),
            query: Reverse(query_parameters.len()),
            model: 0,
        },
        route_match: RouteMatch {
            headers,
            query_parameters,
            path_specifier: Some(specifier),
            ..RouteMatch::default()
        },
        prefix,
        text,
    })
}

impl Matched {
    /// The match with a header more, for the model at this place in their order.
    pub(super) fn with_model(&self, header: HeaderMatcher, text: &str, place: usize) -> Self {
        let mut matched = self.clone();
        matched.route_match.headers.push(header);
        matched.precedence.headers.0 += 1;
        matched.precedence.model = place;
        matched.text.push_str(text);
        matched
    }

    /// The match for requests whose path ends like one at which a ranking is asked for. Its place in the order stays.
    pub(super) fn at_rerank(&self, path: HeaderMatcher) -> Self {
        let mut matched = self.clone();
        matched.route_match.headers.push(path);
        matched.text.push_str(" (rerank)");
        matched
    }

    /// The match with an exact path in place of the prefix it has.
    pub(super) fn at(&self, path: String) -> Self {
        let mut matched = self.clone();
        matched.precedence.path_kind = 0;
        matched.precedence.path_length = Reverse(path.len());
        // Behind the list of a listener's own models at the same path.
        matched.precedence.model = 1;
        matched.text = format!("GET {path} (exact)");
        matched.route_match.path_specifier = Some(route_match::PathSpecifier::Path(path));
        matched.route_match.headers.push(method("GET"));
        matched
    }
}

/// Matches a method.
pub(super) fn method(name: &str) -> HeaderMatcher {
    HeaderMatcher {
        name: ":method".to_owned(),
        header_match_specifier: Some(header_matcher::HeaderMatchSpecifier::StringMatch(string(name, true))),
        ..HeaderMatcher::default()
    }
}

pub(super) fn regex(pattern: &str) -> RegexMatcher {
    RegexMatcher { regex: pattern.to_owned(), ..RegexMatcher::default() }
}

fn string(value: &str, exact: bool) -> StringMatcher {
    let pattern = if exact {
        string_matcher::MatchPattern::Exact(value.to_owned())
    } else {
        string_matcher::MatchPattern::SafeRegex(regex(value))
    };
    StringMatcher { ignore_case: false, match_pattern: Some(pattern) }
}

fn method_name(method: &HttpRouteRulesMatchesMethod) -> &'static str {
    match method {
        HttpRouteRulesMatchesMethod::Get => "GET",
        HttpRouteRulesMatchesMethod::Head => "HEAD",
        HttpRouteRulesMatchesMethod::Post => "POST",
        HttpRouteRulesMatchesMethod::Put => "PUT",
        HttpRouteRulesMatchesMethod::Delete => "DELETE",
        HttpRouteRulesMatchesMethod::Connect => "CONNECT",
        HttpRouteRulesMatchesMethod::Options => "OPTIONS",
        HttpRouteRulesMatchesMethod::Trace => "TRACE",
        HttpRouteRulesMatchesMethod::Patch => "PATCH",
    }
}
