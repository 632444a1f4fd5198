//! Rules of the Gateway API that its generated Rust types do not carry: forms of names and values, and what
//! must be set together. Sources: the field reference and CRD rules of Gateway API v1.5
//! (<https://gateway-api.sigs.k8s.io/reference/spec/>).

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use crate::Duration;
use crate::gateway_api::gateways::{GatewayListeners, GatewayListenersTlsMode, GatewaySpec};
use crate::gateway_api::httproutes::{
    HttpRouteRules, HttpRouteRulesFilters, HttpRouteRulesFiltersType, HttpRouteRulesMatches,
    HttpRouteRulesMatchesHeadersType, HttpRouteRulesMatchesPathType, HttpRouteRulesMatchesQueryParamsType,
    HttpRouteSpec,
};
use crate::names::{Host, SUBDOMAIN_FORM, is_subdomain};
use crate::schema::Issue;

/// Checks a Gateway.
pub(crate) fn check_gateway(spec: &GatewaySpec, issues: &mut Vec<Issue>) {
    if spec.gateway_class_name.is_empty() {
        issues.push(Issue::invalid("spec.gatewayClassName", "must not be empty", ""));
    }
    if spec.listeners.is_empty() {
        issues.push(Issue::invalid("spec.listeners", "at least one listener is required", ""));
    }
    if spec.listeners.len() > 64 {
        issues.push(Issue::invalid("spec.listeners", "at most 64 listeners are allowed", ""));
    }
    let mut names = BTreeSet::new();
    let mut sockets = BTreeMap::new();
    for (index, listener) in spec.listeners.iter().enumerate() {
        let path = format!("spec.listeners[{index}]");
        check_listener(&path, listener, issues);
        if !names.insert(&listener.name) {
            let message = format!("listener name {:?} is already taken", listener.name);
            issues.push(Issue::invalid(format!("{path}.name"), message, "give each listener its own name"));
        }
        let socket = (listener.port, &listener.protocol, listener.hostname.as_deref().unwrap_or(""));
        if let Some(other) = sockets.insert(socket, &listener.name) {
            let message = format!("port, protocol and hostname are those of listener {other:?}");
            issues.push(Issue::invalid(path, message, "change one of them, or merge the listeners"));
        }
    }
}

fn check_listener(path: &str, listener: &GatewayListeners, issues: &mut Vec<Issue>) {
    if !is_subdomain(&listener.name) {
        let message = format!("{:?} is not a valid section name", listener.name);
        issues.push(Issue::invalid(format!("{path}.name"), message, SUBDOMAIN_FORM));
    }
    check_port(&format!("{path}.port"), listener.port, issues);
    if let Some(hostname) = &listener.hostname {
        check_hostname(&format!("{path}.hostname"), hostname, issues);
    }
    let has_tls = listener.tls.is_some();
    match listener.protocol.as_str() {
        "HTTPS" | "TLS" if !has_tls => {
            let message = format!("required for protocol {}", listener.protocol);
            issues.push(Issue::invalid(format!("{path}.tls"), message, "add certificateRefs"));
        }
        "HTTP" | "TCP" | "UDP" if has_tls => {
            let message = format!("must not be set for protocol {}", listener.protocol);
            issues.push(Issue::invalid(format!("{path}.tls"), message, "remove it, or use protocol HTTPS"));
        }
        _ => {}
    }
    if matches!(listener.protocol.as_str(), "TCP" | "UDP") && listener.hostname.is_some() {
        let message = format!("must not be set for protocol {}", listener.protocol);
        issues.push(Issue::invalid(format!("{path}.hostname"), message, ""));
    }
    if let Some(tls) = &listener.tls {
        let passthrough = tls.mode == Some(GatewayListenersTlsMode::Passthrough);
        let certificates = tls.certificate_refs.as_ref().is_some_and(|refs| !refs.is_empty());
        let options = tls.options.as_ref().is_some_and(|options| !options.is_empty());
        if !passthrough && !certificates && !options {
            let path = format!("{path}.tls.certificateRefs");
            issues.push(Issue::invalid(path, "a certificate is required to terminate TLS", "name a Secret"));
        }
        if passthrough && listener.protocol == "HTTPS" {
            issues.push(Issue::invalid(format!("{path}.tls.mode"), "HTTPS requires mode Terminate", ""));
        }
    }
}

/// Checks an HTTPRoute.
pub(crate) fn check_route(spec: &HttpRouteSpec, issues: &mut Vec<Issue>) {
    for (index, hostname) in spec.hostnames.iter().flatten().enumerate() {
        check_hostname(&format!("spec.hostnames[{index}]"), hostname, issues);
    }
    for (index, parent) in spec.parent_refs.iter().flatten().enumerate() {
        let path = format!("spec.parentRefs[{index}]");
        if parent.name.is_empty() {
            issues.push(Issue::invalid(format!("{path}.name"), "must not be empty", ""));
        }
        if let Some(port) = parent.port {
            check_port(&format!("{path}.port"), port, issues);
        }
    }
    let rules = spec.rules.iter().flatten();
    let mut names = BTreeSet::new();
    for (index, rule) in rules.enumerate() {
        let path = format!("spec.rules[{index}]");
        if let Some(name) = &rule.name
            && !names.insert(name)
        {
            let message = format!("rule name {name:?} is already taken");
            issues.push(Issue::invalid(format!("{path}.name"), message, "give each rule its own name"));
        }
        check_rule(&path, rule, issues);
    }
}

fn check_rule(path: &str, rule: &HttpRouteRules, issues: &mut Vec<Issue>) {
    for (index, matches) in rule.matches.iter().flatten().enumerate() {
        check_match(&format!("{path}.matches[{index}]"), matches, issues);
    }
    for (index, filter) in rule.filters.iter().flatten().enumerate() {
        check_filter(&format!("{path}.filters[{index}]"), filter, issues);
    }
    for (index, backend) in rule.backend_refs.iter().flatten().enumerate() {
        let path = format!("{path}.backendRefs[{index}]");
        if backend.name.is_empty() {
            issues.push(Issue::invalid(format!("{path}.name"), "must not be empty", ""));
        }
        let group = backend.group.as_deref().unwrap_or("");
        let service = group.is_empty() && backend.kind.as_deref().unwrap_or("Service") == "Service";
        match backend.port {
            Some(port) => check_port(&format!("{path}.port"), port, issues),
            None if service => {
                issues.push(Issue::invalid(
                    format!("{path}.port"),
                    "required for a Service",
                    "name the Service's port, or give group and kind of what is no Service",
                ));
            }
            None => {}
        }
        if let Some(weight) = backend.weight
            && !(0..=1_000_000).contains(&weight)
        {
            let remedy = "it must be from 0 to 1000000";
            issues.push(Issue::invalid(
                format!("{path}.weight"),
                format!("{weight} is out of range"),
                remedy,
            ));
        }
    }
    if let Some(timeouts) = &rule.timeouts {
        let request =
            check_duration(&format!("{path}.timeouts.request"), timeouts.request.as_deref(), issues);
        let backend_path = format!("{path}.timeouts.backendRequest");
        let backend = check_duration(&backend_path, timeouts.backend_request.as_deref(), issues);
        if let (Some(request), Some(backend)) = (request, backend)
            && !request.value().is_zero()
            && backend.value() > request.value()
        {
            issues.push(Issue::invalid(
                backend_path,
                format!("{backend} is longer than timeouts.request, {request}"),
                "",
            ));
        }
    }
    if let Some(retry) = &rule.retry {
        check_duration(&format!("{path}.retry.backoff"), retry.backoff.as_deref(), issues);
        for (index, code) in retry.codes.iter().flatten().enumerate() {
            if !(400..=599).contains(code) {
                let path = format!("{path}.retry.codes[{index}]");
                issues.push(Issue::invalid(
                    path,
                    format!("{code} is out of range"),
                    "it must be from 400 to 599",
                ));
            }
        }
    }
}

fn check_match(path: &str, matches: &HttpRouteRulesMatches, issues: &mut Vec<Issue>) {
    if let Some(matcher) = &matches.path {
        let value = matcher.value.as_deref().unwrap_or("/");
        let path = format!("{path}.path.value");
        match matcher.r#type {
            Some(HttpRouteRulesMatchesPathType::RegularExpression) => check_regex(&path, value, issues),
            _ => check_absolute_path(&path, value, issues),
        }
    }
    for (index, header) in matches.headers.iter().flatten().enumerate() {
        let path = format!("{path}.headers[{index}]");
        check_header_name(&format!("{path}.name"), &header.name, issues);
        if header.r#type == Some(HttpRouteRulesMatchesHeadersType::RegularExpression) {
            check_regex(&format!("{path}.value"), &header.value, issues);
        }
    }
    for (index, parameter) in matches.query_params.iter().flatten().enumerate() {
        let path = format!("{path}.queryParams[{index}]");
        if parameter.name.is_empty() {
            issues.push(Issue::invalid(format!("{path}.name"), "must not be empty", ""));
        }
        if parameter.r#type == Some(HttpRouteRulesMatchesQueryParamsType::RegularExpression) {
            check_regex(&format!("{path}.value"), &parameter.value, issues);
        }
    }
}

/// A filter sets exactly the field that belongs to its type.
fn check_filter(path: &str, filter: &HttpRouteRulesFilters, issues: &mut Vec<Issue>) {
    let wanted = match filter.r#type {
        HttpRouteRulesFiltersType::RequestHeaderModifier => "requestHeaderModifier",
        HttpRouteRulesFiltersType::ResponseHeaderModifier => "responseHeaderModifier",
        HttpRouteRulesFiltersType::RequestMirror => "requestMirror",
        HttpRouteRulesFiltersType::RequestRedirect => "requestRedirect",
        HttpRouteRulesFiltersType::UrlRewrite => "urlRewrite",
        HttpRouteRulesFiltersType::ExtensionRef => "extensionRef",
        HttpRouteRulesFiltersType::Cors => "cors",
        HttpRouteRulesFiltersType::ExternalAuth => "externalAuth",
    };
    let fields = [
        ("requestHeaderModifier", filter.request_header_modifier.is_some()),
        ("responseHeaderModifier", filter.response_header_modifier.is_some()),
        ("requestMirror", filter.request_mirror.is_some()),
        ("requestRedirect", filter.request_redirect.is_some()),
        ("urlRewrite", filter.url_rewrite.is_some()),
        ("extensionRef", filter.extension_ref.is_some()),
        ("cors", filter.cors.is_some()),
        ("externalAuth", filter.external_auth.is_some()),
    ];
    for (field, set) in fields {
        let path = format!("{path}.{field}");
        if field == wanted && !set {
            issues.push(Issue::invalid(path, "required for this type of filter", ""));
        } else if field != wanted && set {
            issues.push(Issue::invalid(
                path,
                format!("does not belong to a filter with the field {wanted}"),
                "",
            ));
        }
    }
}

fn check_port(path: &str, port: i32, issues: &mut Vec<Issue>) {
    if !(1..=65535).contains(&port) {
        issues.push(Issue::invalid(path, format!("{port} is out of range"), "it must be from 1 to 65535"));
    }
}

/// Host names of listeners and routes: names and wildcards, no addresses.
fn check_hostname(path: &str, text: &str, issues: &mut Vec<Issue>) {
    let (message, remedy) = match text.parse() {
        Ok(Host::Address(_)) => {
            (format!("{text:?} is an IP address"), "write a host name, or leave it out for any host")
        }
        Ok(_) if text.bytes().any(|b| b.is_ascii_uppercase()) => {
            (format!("{text:?} has capital letters"), "write it in lower case")
        }
        Ok(_) => return,
        Err(_) => {
            (format!("{text:?} is not a host name"), "write a name such as api.example.com or *.example.com")
        }
    };
    issues.push(Issue::invalid(path, message, remedy));
}

fn check_absolute_path(path: &str, value: &str, issues: &mut Vec<Issue>) {
    if !value.starts_with('/') {
        issues.push(Issue::invalid(path, format!("{value:?} is not an absolute path"), "start it with /"));
    } else if ["//", "/./", "/../", "%2f", "%2F", "#"].iter().any(|part| value.contains(part))
        || value.ends_with("/.")
        || value.ends_with("/..")
    {
        let remedy = "remove \"//\", \"/./\", \"/../\", encoded slashes and \"#\"";
        issues.push(Issue::invalid(path, format!("{value:?} is not a normal path"), remedy));
    }
}

fn check_header_name(path: &str, name: &str, issues: &mut Vec<Issue>) {
    // RFC 9110, 5.6.2: token.
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || name.len() > 256 || !name.bytes().all(token) {
        issues.push(Issue::invalid(path, format!("{name:?} is not a header name"), ""));
    }
}

/// Envoy uses RE2, whose syntax that of `regex` follows; a pattern it refuses would fail a whole route table.
fn check_regex(path: &str, pattern: &str, issues: &mut Vec<Issue>) {
    if Regex::new(pattern).is_err() {
        let remedy = "use RE2 syntax: no look-around and no back-references";
        issues.push(Issue::invalid(path, format!("{pattern:?} is not a regular expression"), remedy));
    }
}

fn check_duration(path: &str, text: Option<&str>, issues: &mut Vec<Issue>) -> Option<Duration> {
    match text?.parse() {
        Ok(duration) => Some(duration),
        Err(error) => {
            issues.push(Issue::invalid(path, error.to_string(), ""));
            None
        }
    }
}
