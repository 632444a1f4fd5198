//! What is taken out of requests, and the matches that would lead elsewhere without it.
//!
//! A known API key goes no further than the `api-keys` filter. Under wasm that makes Envoy choose the route anew: a request
//! that came by the very header or parameter would leave on another route, whose policies nobody has checked. What matches
//! on either is answered with 500, so that both builds serve the same.

use envoy_proto::envoy::config::route::v3::RouteMatch;
use filter_config::KeyLocation;
use resources::gateway_api::httproutes::HttpRouteRulesMatches;
use resources::{Kind, ObjectKey};

use super::{Authenticated, Location};
use crate::findings::Findings;
use crate::objects::key as key_of;
use crate::route::Entry;

/// A part of requests that routes can match on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part<'a> {
    /// By its name in small letters.
    Header(&'a str),
    QueryParameter(&'a str),
}

impl Authenticated {
    /// What is gone when the route is chosen anew, with the policy that makes it so. Nothing without API keys: after tokens
    /// alone Envoy keeps the route.
    fn taken_out(&self) -> Vec<(Part<'_>, &str)> {
        let Some(keys) = &self.api_keys else { return Vec::new() };
        let key = match &keys.policy.location {
            KeyLocation::Header { name, .. } => Part::Header(name),
            KeyLocation::QueryParameter { name } => Part::QueryParameter(name),
            KeyLocation::Cookie { .. } => Part::Header("cookie"),
        };
        let token = self.jwt.as_ref().and_then(|jwt| {
            let part = match &jwt.location {
                Location::Header { name, .. } => Part::Header(name),
                Location::QueryParameter(name) => Part::QueryParameter(name),
                // Envoy leaves it where it is.
                Location::Cookie(_) => return None,
            };
            Some((part, jwt.name.as_str()))
        });
        std::iter::once((key, keys.name.as_str())).chain(token).collect()
    }

    /// Whether a request that a route matches might be led to another one on its way.
    pub(crate) fn leads_away(&self, matched: &RouteMatch) -> bool {
        self.taken_out().into_iter().any(|(part, _)| match part {
            Part::Header(name) => matched.headers.iter().any(|header| header.name == name),
            Part::QueryParameter(name) => matched.query_parameters.iter().any(|one| one.name == name),
        })
    }

    /// Says which matches of a rule [lead away](Self::leads_away). `path` is that of the rule in its HTTPRoute.
    pub(crate) fn report(
        &self,
        route: &ObjectKey,
        path: &str,
        matches: &[HttpRouteRulesMatches],
        findings: &mut Findings,
    ) {
        for (place, matcher) in matches.iter().enumerate() {
            for (part, policy) in self.taken_out() {
                let found = match part {
                    Part::Header(name) => {
                        let mut headers = matcher.headers.iter().flatten();
                        headers
                            .position(|header| header.name.eq_ignore_ascii_case(name))
                            .map(|at| ("headers", at))
                    }
                    Part::QueryParameter(name) => {
                        let mut parameters = matcher.query_params.iter().flatten();
                        parameters.position(|one| one.name == name).map(|at| ("queryParams", at))
                    }
                };
                let Some((field, at)) = found else { continue };
                let message = format!(
                    "policy {policy} takes what clients show there out of their requests, which could lead them to \
                     another rule, so the match is answered with 500"
                );
                let remedy =
                    "match on something else, or have clients say who they are in another place (`location`)";
                findings.error(route, &format!("{path}.matches[{place}].{field}[{at}]"), message, remedy);
            }
        }
    }
}

/// Closes what matches on cookies on a port where some key is taken out of one. What is left of the cookies could be what
/// another route asks for, past whose policies the request has not gone.
pub(crate) fn close_matches_on_cookies<'a>(
    entries: impl Iterator<Item = &'a mut Entry>,
    findings: &mut Findings,
) {
    let mut entries: Vec<&mut Entry> = entries.collect();
    let in_cookie = entries.iter().find_map(|entry| {
        let keys = entry.authenticated.api_keys.as_ref()?;
        matches!(keys.policy.location, KeyLocation::Cookie { .. }).then(|| keys.name.clone())
    });
    let Some(policy) = in_cookie else { return };
    for entry in &mut entries {
        if entry.is_closed() || !crate::envoy::matches_header(&entry.route, "cookie") {
            continue;
        }
        if let Some((namespace, name)) = entry.served.route.split_once('/') {
            let route = key_of(Kind::HttpRoute, namespace, name);
            let message = format!(
                "policy {policy} takes keys out of the cookies of requests to this port, which could lead them to another \
                 rule, so what matches on the header `cookie` is answered with 500"
            );
            let remedy =
                "match on something else, or have clients send their keys in another place (`location`)";
            findings.error(&route, "spec.rules", message, remedy);
        }
        **entry = entry.clone().closed();
    }
}
