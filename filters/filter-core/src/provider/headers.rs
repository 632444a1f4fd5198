//! Request headers as the provider wants them.

use filter_config::{CREDENTIAL_HEADERS, Credential, CredentialHeader, Endpoint, Variant};

use crate::endpoints;
use crate::handoff::{self, Handoff};
use crate::{HeaderMap, Host};
use llm_dialects::Dialect;

use super::ProviderPlan;
use super::speaks::Format;

/// How the tokens of Anthropic subscriptions begin (`claude setup-token`). They are no API keys: the API takes them
/// as `Authorization: Bearer` only, even though it takes keys as `x-api-key`.
const OAUTH_TOKEN_PREFIX: &str = "sk-ant-oat";

/// How OAuth tokens of Google begin; Gemini takes API keys elsewhere.
const GOOGLE_TOKEN_PREFIX: &str = "ya29.";

/// How JSON Web Tokens begin, which tokens of Entra are; Azure takes API keys elsewhere.
const JWT_PREFIX: &str = "eyJ";

/// Headers only OpenAI understands, which name the client's account there.
const OPENAI_HEADERS: [&str; 2] = ["openai-organization", "openai-project"];

/// Headers only Anthropic understands.
const ANTHROPIC_HEADERS: [&str; 3] =
    ["anthropic-version", "anthropic-beta", "anthropic-dangerous-direct-browser-access"];

/// The version of the Messages API that the translation writes and reads
/// (<https://docs.anthropic.com/en/api/versioning>).
const ANTHROPIC_VERSION: &str = "2023-06-01";

/// Gives the request the provider's headers; `format` is the one it is sent in.
pub(super) fn set(
    host: &mut dyn Host,
    plan: &ProviderPlan,
    handoff: &Handoff,
    upstream: Endpoint,
    format: Option<&Format>,
    model: &str,
) {
    let mut unwanted = unwanted(upstream, plan.config.model_header.as_deref());
    unwanted.extend(plan.config.credential_headers.iter().map(String::as_str));
    host.remove_headers(HeaderMap::Request, &unwanted);
    let vertex = format.is_some_and(|format| format.variant == Some(Variant::VertexAnthropic));
    if vertex {
        host.remove_header(HeaderMap::Request, "anthropic-version");
    } else {
        set_anthropic_version(host, handoff.client, upstream);
    }
    set_credential(host, &plan.config.credential);
    set_path(host, handoff, format, model);
    if let Some(authority) = &plan.config.host {
        host.set_header(HeaderMap::Request, ":authority", authority);
    }
}

/// Gives the request the provider's path.
pub(super) fn set_path(host: &mut dyn Host, handoff: &Handoff, format: Option<&Format>, model: &str) {
    let path = format.and_then(|format| format.path(model, handoff.stream, &handoff.path));
    if let Some(path) = path {
        host.set_header(HeaderMap::Request, ":path", &path);
    } else if let Some(kept) = host.header(HeaderMap::Request, ":path")
        && let Some(changed) = kept_path(&kept, handoff.traits.json_array)
    {
        host.set_header(HeaderMap::Request, ":path", &changed);
    }
}

/// The client's own path as the provider gets it: without a key, and asking for Server-Sent Events where this filter
/// makes an array of them. `None` when nothing changes.
fn kept_path(path: &str, json_array: bool) -> Option<String> {
    let (bare, query) = path.split_once('?').unwrap_or((path, ""));
    let drop = |pair: &str| pair.starts_with("key=") || (json_array && pair.starts_with("alt="));
    if !json_array && !query.split('&').any(drop) {
        return None;
    }
    let mut pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty() && !drop(pair)).collect();
    if json_array {
        pairs.push("alt=sse");
    }
    Some(if pairs.is_empty() { bare.to_owned() } else { format!("{bare}?{}", pairs.join("&")) })
}

/// The headers that must not reach the provider.
fn unwanted(upstream: Endpoint, model_header: Option<&str>) -> Vec<&str> {
    let mut names = Vec::with_capacity(CREDENTIAL_HEADERS.len() + 7);
    names.extend(CREDENTIAL_HEADERS);
    let family = endpoints::family(upstream);
    if family != Dialect::AnthropicMessages {
        names.extend(ANTHROPIC_HEADERS);
    }
    if !matches!(family, Dialect::OpenaiChat | Dialect::OpenaiResponses) {
        names.extend(OPENAI_HEADERS);
    }
    // Answers must stay readable.
    names.push("accept-encoding");
    names.extend(model_header);
    names
}

fn set_credential(host: &mut dyn Host, credential: &Credential) {
    if !credential.is_clients() {
        return;
    }
    let kept = match credential {
        Credential::Client { tokens: false, .. } => handoff::kept_key(host),
        _ => handoff::kept_credential(host),
    };
    let Some(kept) = kept else { return };
    let (name, value) = match credential {
        Credential::Injected => return,
        Credential::ClientIn { header, prefix } => (header.as_str(), format!("{prefix}{kept}")),
        Credential::Client { header, .. } => match header {
            CredentialHeader::XApiKey if !kept.starts_with(OAUTH_TOKEN_PREFIX) => ("x-api-key", kept),
            CredentialHeader::ApiKey if !kept.starts_with(JWT_PREFIX) => ("api-key", kept),
            CredentialHeader::XGoogApiKey if !kept.starts_with(GOOGLE_TOKEN_PREFIX) => {
                ("x-goog-api-key", kept)
            }
            _ => ("authorization", format!("Bearer {kept}")),
        },
    };
    host.set_header(HeaderMap::Request, name, &value);
}

fn set_anthropic_version(host: &mut dyn Host, client: Endpoint, upstream: Endpoint) {
    // A translated request speaks one known version, an untouched one that of its client.
    if endpoints::family(upstream) == Dialect::AnthropicMessages
        && (client != upstream || host.header(HeaderMap::Request, "anthropic-version").is_none())
    {
        host.set_header(HeaderMap::Request, "anthropic-version", ANTHROPIC_VERSION);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_paths_lose_keys_only() {
        assert_eq!(kept_path("/v1/x?a=b", false), None);
        assert_eq!(kept_path("/v1/x?key=k&a=b", false).as_deref(), Some("/v1/x?a=b"));
        assert_eq!(kept_path("/v1/x?key=k", false).as_deref(), Some("/v1/x"));
        assert_eq!(kept_path("/v1/x", true).as_deref(), Some("/v1/x?alt=sse"));
        assert_eq!(kept_path("/v1/x?alt=json&b", true).as_deref(), Some("/v1/x?b&alt=sse"));
    }
}
