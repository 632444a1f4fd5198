//! Rerank requests to providers that have another host for them.

use std::borrow::Cow;
use std::sync::Arc;

use envoy_proto::envoy::config::route::v3::{HeaderMatcher, header_matcher};
use envoy_proto::envoy::r#type::matcher::v3::{StringMatcher, string_matcher};
use filter_config::Endpoint;

use super::filters::escape;
use super::matches::{Matched, regex};
use crate::backend::Backend;
use crate::destination::{Destination, Target};

/// Where the path of a rerank request ends, unless `ai.routes` says something else of it.
const SUFFIX: &str = "/rerank";

/// The ways a match leads, the first that matches counts: the requests that ask for a ranking, where some destination
/// has another host for them, and all others.
pub(super) fn branches<'a>(
    matched: &'a Matched,
    destinations: &'a [Destination],
) -> Vec<(Cow<'a, Matched>, Cow<'a, [Destination]>)> {
    let mut branches = Vec::new();
    if destinations.iter().any(|destination| has_other_host(&destination.target))
        && let Some(path) = path(destinations)
    {
        let of_rerank = destinations.iter().map(|destination| Destination {
            weight: destination.weight,
            target: target(&destination.target),
        });
        branches.push((Cow::Owned(matched.at_rerank(path)), Cow::Owned(of_rerank.collect())));
    }
    branches.push((Cow::Borrowed(matched), Cow::Borrowed(destinations)));
    branches
}

fn has_other_host(target: &Target) -> bool {
    target.groups().iter().flatten().any(|provider| provider.rerank.is_some())
}

/// The destination of rerank requests; a provider without another host stays as it is.
fn target(target: &Target) -> Target {
    let Target::Backend(backend) = target else { return target.clone() };
    let mut backend = Backend::clone(backend);
    for provider in backend.groups.iter_mut().flatten() {
        if let Some(rerank) = provider.rerank.take() {
            *provider = *rerank;
        }
    }
    Target::Backend(Arc::new(backend))
}

/// Matches the paths at which a ranking is asked for, as the `llm` filter finds them; `None` when there are none.
fn path(destinations: &[Destination]) -> Option<HeaderMatcher> {
    let routes = super::action::spoken(destinations);
    let declared = routes.into_iter().flatten();
    let mut suffixes: Vec<&str> = declared
        .filter(|(suffix, spoken)| **spoken == Endpoint::CohereRerank && suffix.as_str() != "*")
        .map(|(suffix, _)| suffix.as_str())
        .collect();
    if !routes
        .is_some_and(|routes| routes.keys().any(|suffix| suffix == "*" || SUFFIX.ends_with(suffix.as_str())))
    {
        suffixes.push(SUFFIX);
    }
    let suffixes: Vec<String> = suffixes.into_iter().map(escape).collect();
    let pattern = format!("[^?]*({})/?(\\?.*)?", suffixes.join("|"));
    let matcher = StringMatcher {
        ignore_case: false,
        match_pattern: Some(string_matcher::MatchPattern::SafeRegex(regex(&pattern))),
    };
    (!suffixes.is_empty()).then(|| HeaderMatcher {
        name: ":path".to_owned(),
        header_match_specifier: Some(header_matcher::HeaderMatchSpecifier::StringMatch(matcher)),
        ..HeaderMatcher::default()
    })
}
