//! A rule's filters.

use envoy_proto::envoy::config::core::v3::HeaderValueOption;
use envoy_proto::envoy::config::route::v3::{
    RedirectAction, Route, RouteAction, redirect_action, route, route_action,
};
use envoy_proto::envoy::r#type::matcher::v3::RegexMatchAndSubstitute;
use resources::ObjectKey;
use resources::gateway_api::httproutes::{
    HttpRouteRules, HttpRouteRulesFiltersRequestRedirect, HttpRouteRulesFiltersRequestRedirectScheme,
    HttpRouteRulesFiltersType, HttpRouteRulesFiltersUrlRewrite,
};

use super::matches::{Matched, regex};
use crate::envoy::{add_header, set_header};
use crate::findings::Findings;
use crate::names;

/// The filters of a rule.
#[derive(Debug, Clone, Default)]
pub(super) struct Filters {
    request: Changes,
    response: Changes,
    rewrite: Option<HttpRouteRulesFiltersUrlRewrite>,
    redirect: Option<HttpRouteRulesFiltersRequestRedirect>,
}

/// Reads a rule's filters. `None` when the rule must not be served because one of them is not, which has then
/// been reported.
pub(super) fn read(
    key: &ObjectKey,
    path: &str,
    rule: &HttpRouteRules,
    findings: &mut Findings,
) -> Option<Filters> {
    let mut filters = Filters::default();
    let mut usable = true;
    for (index, filter) in rule.filters.iter().flatten().enumerate() {
        let path = format!("{path}.filters[{index}]");
        match &filter.r#type {
            HttpRouteRulesFiltersType::RequestHeaderModifier => {
                let Some(modifier) = &filter.request_header_modifier else { continue };
                let set = modifier.set.iter().flatten().map(|header| set_header(&header.name, &header.value));
                let add = modifier.add.iter().flatten().map(|header| add_header(&header.name, &header.value));
                let mut changes = Changes { write: set.chain(add).collect(), remove: Vec::new() };
                changes.remove.extend(modifier.remove.iter().flatten().cloned());
                usable &= changes.check(key, &path, findings);
                filters.request.extend(changes);
            }
            HttpRouteRulesFiltersType::ResponseHeaderModifier => {
                let Some(modifier) = &filter.response_header_modifier else { continue };
                let set = modifier.set.iter().flatten().map(|header| set_header(&header.name, &header.value));
                let add = modifier.add.iter().flatten().map(|header| add_header(&header.name, &header.value));
                let mut changes = Changes { write: set.chain(add).collect(), remove: Vec::new() };
                changes.remove.extend(modifier.remove.iter().flatten().cloned());
                usable &= changes.check(key, &path, findings);
                filters.response.extend(changes);
            }
            HttpRouteRulesFiltersType::UrlRewrite => {
                let Some(rewrite) = &filter.url_rewrite else { continue };
                let new = rewrite.path.as_ref();
                let full = new.and_then(|path| path.replace_full_path.as_ref());
                let prefix = new.and_then(|path| path.replace_prefix_match.as_ref());
                usable &= check_texts(key, &path, [rewrite.hostname.as_ref(), full, prefix], findings);
                filters.rewrite = Some(rewrite.clone());
            }
            HttpRouteRulesFiltersType::RequestRedirect => {
                let Some(redirect) = &filter.request_redirect else { continue };
                let new = redirect.path.as_ref();
                let full = new.and_then(|path| path.replace_full_path.as_ref());
                let prefix = new.and_then(|path| path.replace_prefix_match.as_ref());
                usable &= check_texts(key, &path, [redirect.hostname.as_ref(), full, prefix], findings);
                filters.redirect = Some(redirect.clone());
            }
            HttpRouteRulesFiltersType::RequestMirror => {
                // Mirroring only copies; the rule does its work without it.
                findings.ignored(key, &path, "RequestMirror", "requests are not mirrored");
            }
            HttpRouteRulesFiltersType::ExtensionRef
            | HttpRouteRulesFiltersType::Cors
            | HttpRouteRulesFiltersType::ExternalAuth => {
                let what = format!("the filter {:?}", filter.r#type);
                findings.not_served(
                    key,
                    &path,
                    &what,
                    "the rule is answered with 500 rather than served without it",
                );
                usable = false;
            }
        }
    }
    usable.then_some(filters)
}

/// Changes of headers.
#[derive(Debug, Clone, Default)]
struct Changes {
    write: Vec<HeaderValueOption>,
    remove: Vec<String>,
}

impl Changes {
    fn extend(&mut self, other: Self) {
        self.write.extend(other.write);
        self.remove.extend(other.remove);
    }

    /// Whether Envoy takes the changes: for one it does not, it would refuse the whole route table.
    fn check(&self, key: &ObjectKey, path: &str, findings: &mut Findings) -> bool {
        let mut usable = true;
        let written = self.write.iter().filter_map(|option| option.header.as_ref());
        let written = written.map(|header| (header.key.as_str(), header.value.as_str()));
        let removed = self.remove.iter().map(|name| (name.as_str(), ""));
        for (name, value) in written.chain(removed) {
            if name.eq_ignore_ascii_case("host") {
                let remedy = "use URLRewrite with hostname; the rule is answered with 500 until then";
                findings.not_served(key, path, "changing the Host header by a header modifier", remedy);
                usable = false;
            } else if !names::is_header_name(name) || !names::is_header_value(value) {
                let message = format!("the header {name:?} or its value is malformed");
                findings.error(key, path, message, "correct it; the rule is answered with 500 until then");
                usable = false;
            }
        }
        usable
    }
}

/// Whether Envoy takes these texts as hosts or paths.
fn check_texts(key: &ObjectKey, path: &str, texts: [Option<&String>; 3], findings: &mut Findings) -> bool {
    let usable = texts.into_iter().flatten().all(|text| names::is_header_value(text));
    if !usable {
        let remedy = "remove it; the rule is answered with 500 until then";
        findings.error(key, path, "a host or path holds a line break", remedy);
    }
    usable
}

impl Filters {
    /// Whether the rule answers with a redirect.
    pub(super) fn redirects(&self) -> bool {
        self.redirect.is_some()
    }

    /// Adds the header changes to a route.
    pub(super) fn apply(&self, route: &mut Route) {
        route.request_headers_to_add.clone_from(&self.request.write);
        route.request_headers_to_remove.clone_from(&self.request.remove);
        route.response_headers_to_add.clone_from(&self.response.write);
        route.response_headers_to_remove.clone_from(&self.response.remove);
    }

    /// Adds host and path rewrites to an action. The `provider` filter sets both again for LLM providers.
    pub(super) fn rewrite(&self, action: &mut RouteAction, matched: &Matched) {
        let Some(rewrite) = &self.rewrite else { return };
        if let Some(host) = &rewrite.hostname {
            action.host_rewrite_specifier =
                Some(route_action::HostRewriteSpecifier::HostRewriteLiteral(host.clone()));
        }
        let Some(path) = &rewrite.path else { return };
        if let Some(full) = &path.replace_full_path {
            action.regex_rewrite = Some(replace("^[^?]*", full));
        } else if let (Some(replacement), Some(prefix)) = (&path.replace_prefix_match, &matched.prefix) {
            let replacement = replacement.trim_end_matches('/');
            action.regex_rewrite = Some(if replacement.is_empty() {
                // `/prefix/x` becomes `/x`, and `/prefix` becomes `/`.
                replace(&format!("^{}/*", escape(prefix)), "/")
            } else {
                replace(&format!("^{}", escape(prefix)), replacement)
            });
        }
    }

    /// The redirect, where the rule has one.
    pub(super) fn redirect(&self, matched: &Matched) -> Option<route::Action> {
        let filter = self.redirect.as_ref()?;
        let mut redirect = RedirectAction {
            host_redirect: filter.hostname.clone().unwrap_or_default(),
            port_redirect: port(filter),
            response_code: match filter.status_code {
                Some(301) => redirect_action::RedirectResponseCode::MovedPermanently,
                Some(303) => redirect_action::RedirectResponseCode::SeeOther,
                Some(307) => redirect_action::RedirectResponseCode::TemporaryRedirect,
                Some(308) => redirect_action::RedirectResponseCode::PermanentRedirect,
                _ => redirect_action::RedirectResponseCode::Found,
            }
            .into(),
            ..RedirectAction::default()
        };
        if let Some(scheme) = &filter.scheme {
            let scheme = match scheme {
                HttpRouteRulesFiltersRequestRedirectScheme::Http => "http",
                HttpRouteRulesFiltersRequestRedirectScheme::Https => "https",
            };
            redirect.scheme_rewrite_specifier =
                Some(redirect_action::SchemeRewriteSpecifier::SchemeRedirect(scheme.to_owned()));
        }
        if let Some(path) = &filter.path {
            redirect.path_rewrite_specifier = if let Some(full) = &path.replace_full_path {
                Some(redirect_action::PathRewriteSpecifier::PathRedirect(full.clone()))
            } else if let (Some(to), Some(prefix)) = (&path.replace_prefix_match, &matched.prefix) {
                let to = to.trim_end_matches('/');
                let (pattern, to) = if to.is_empty() {
                    (format!("^{}/*", escape(prefix)), "/")
                } else {
                    (format!("^{}", escape(prefix)), to)
                };
                Some(redirect_action::PathRewriteSpecifier::RegexRewrite(replace(&pattern, to)))
            } else {
                None
            };
        }
        Some(route::Action::Redirect(redirect))
    }
}

/// The port of a redirect: as set, else the scheme's own, else (0) that of the request.
fn port(filter: &HttpRouteRulesFiltersRequestRedirect) -> u32 {
    let of_scheme = filter.scheme.as_ref().map(|scheme| match scheme {
        HttpRouteRulesFiltersRequestRedirectScheme::Http => 80,
        HttpRouteRulesFiltersRequestRedirectScheme::Https => 443,
    });
    filter.port.and_then(|port| u32::try_from(port).ok()).or(of_scheme).unwrap_or_default()
}

pub(super) fn replace(pattern: &str, substitution: &str) -> RegexMatchAndSubstitute {
    RegexMatchAndSubstitute {
        pattern: Some(regex(pattern)),
        substitution: substitution.replace('\\', "\\\\"),
    }
}

/// A path as a regular expression (RE2) that matches just it.
pub(super) fn escape(path: &str) -> String {
    path.chars().fold(String::new(), |mut escaped, c| {
        if c.is_ascii_punctuation() && c != '/' && c != '_' && c != '-' {
            escaped.push('\\');
        }
        escaped.push(c);
        escaped
    })
}
