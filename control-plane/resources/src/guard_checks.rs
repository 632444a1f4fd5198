//! What the schema of `promptGuard` cannot say: names that are taken, and headers that no answer or request can have.

use crate::schema::Issue;
use crate::{
    BackendAuth, BackendPolicy, GuardConnection, GuardRejection, PromptGuard, PromptGuardEntry,
    agentgateway_checks,
};

/// Headers that belong to the connection or to the body, not to who configures.
const NOT_TO_SET: [&str; 5] = ["connection", "content-length", "host", "transfer-encoding", "upgrade"];

/// Pseudo-headers of requests to a webhook that can be set.
const PSEUDO_HEADERS: [&str; 3] = [":path", ":method", ":authority"];

/// Checks the guards at `path`.
pub(crate) fn check(path: &str, guard: &PromptGuard, issues: &mut Vec<Issue>) {
    for (direction, list) in [("request", &guard.request), ("response", &guard.response)] {
        let entries = list.as_deref().unwrap_or_default();
        for (index, entry) in entries.iter().enumerate() {
            let path = format!("{path}.{direction}[{index}]");
            if entry.name.is_some() && entries.iter().take(index).any(|other| other.name == entry.name) {
                let message = "another guard of the list has this name";
                issues.push(Issue::invalid(format!("{path}.name"), message, "choose another name"));
            }
            check_entry(&path, entry, issues);
        }
    }
}

fn check_entry(path: &str, entry: &PromptGuardEntry, issues: &mut Vec<Issue>) {
    if let Some(rejection) = &entry.response {
        check_rejection(&format!("{path}.response"), rejection, issues);
    }
    for name in entry.webhook.iter().flat_map(|webhook| &webhook.headers).flat_map(|headers| headers.keys()) {
        let pseudo = name.starts_with(':') && PSEUDO_HEADERS.contains(&name.as_str());
        if !pseudo && !can_be_set(name) {
            let path = crate::finding::push_field(&format!("{path}.webhook.headers"), name);
            issues.push(Issue::invalid(path, "no header that can be set", "choose another name"));
        }
    }
    let connections = [
        ("openAIModeration", entry.open_ai_moderation.as_ref().and_then(|guard| guard.policies.as_ref())),
        ("bedrockGuardrails", entry.bedrock_guardrails.as_ref().and_then(|guard| guard.policies.as_ref())),
        ("googleModelArmor", entry.google_model_armor.as_ref().and_then(|guard| guard.policies.as_ref())),
    ];
    for (kind, connection) in connections {
        if let Some(connection) = connection {
            check_connection(&format!("{path}.{kind}.policies"), connection, issues);
        }
    }
}

fn check_connection(path: &str, connection: &GuardConnection, issues: &mut Vec<Issue>) {
    let policy = BackendPolicy {
        auth: connection.auth.as_ref().map(BackendAuth::from),
        tls: connection.tls.clone(),
        ..BackendPolicy::default()
    };
    agentgateway_checks::check_backend_policy(path, &policy, issues);
}

fn check_rejection(path: &str, rejection: &GuardRejection, issues: &mut Vec<Issue>) {
    for (index, header) in rejection.headers.iter().flatten().enumerate() {
        let path = format!("{path}.headers[{index}]");
        if !can_be_set(&header.name) {
            let message = "no header that can be set";
            issues.push(Issue::invalid(format!("{path}.name"), message, "choose another name"));
        }
        if header.value.bytes().any(|byte| byte != b'\t' && (byte < b' ' || byte == 0x7f)) {
            let message = "holds characters no header can carry";
            issues.push(Issue::invalid(format!("{path}.value"), message, "write plain text on one line"));
        }
    }
}

/// Whether a name is that of a header (RFC 9110, 5.6.2: token) whose value is free.
fn can_be_set(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty()
        && name.bytes().all(token)
        && !NOT_TO_SET.iter().any(|taken| name.eq_ignore_ascii_case(taken))
}
