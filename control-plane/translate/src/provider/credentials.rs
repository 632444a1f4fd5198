//! Credentials for a provider.

use filter_config::{Credential, CredentialHeader};
use resources::{BackendAuth, CredentialLocation, Kind, ObjectKey, SecretKeyRef};

use super::preset::{Ambient, Preset};
use super::signing::{Signing, signing};
use super::tokens;
use crate::findings::Findings;
use crate::index::Index;
use crate::names;
use crate::policy::{Effective, From};
use crate::token_source::TokenSource;

/// A credential Envoy adds to every request.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct InjectedCredential {
    pub(crate) header: String,
    /// What stands before the secret.
    pub(crate) prefix: String,
    /// Name of the secret, as Envoy asks for it.
    pub(crate) secret_name: String,
    /// The object it is from.
    pub(crate) source: ObjectKey,
    /// The secret; never printed.
    pub(crate) value: CredentialValue,
}

/// The secret of a credential.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum CredentialValue {
    /// Known.
    Text(String),
    /// To be fetched, again and again.
    Token(TokenSource),
}

impl std::fmt::Debug for InjectedCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InjectedCredential")
            .field("header", &self.header)
            .field("prefix", &self.prefix)
            .field("secret_name", &self.secret_name)
            .finish_non_exhaustive()
    }
}

/// How requests to a provider are authenticated.
pub(super) struct Credentials {
    /// What Envoy adds to them.
    pub(super) injected: Vec<InjectedCredential>,
    /// How Envoy signs them.
    pub(super) signing: Option<Signing>,
    /// What the filter does about the client's credential.
    pub(super) filter: Credential,
}

/// OAuth tokens of Anthropic accounts are bearer tokens, unlike API keys.
const ANTHROPIC_OAUTH_PREFIX: &str = "sk-ant-oat";

/// So are those of Google accounts,
const GOOGLE_OAUTH_PREFIX: &str = "ya29.";

/// and those of Entra, which are JSON Web Tokens.
const JWT_PREFIX: &str = "eyJ";

/// How requests to a provider are authenticated. `None` when a credential is missing: nothing is sent without the
/// credential it is configured with. `host` is the provider's.
pub(super) fn credentials(
    index: &Index<'_>,
    effective: &Effective<'_>,
    preset: &Preset,
    host: &str,
    backend: &ObjectKey,
    section: &str,
    findings: &mut Findings,
) -> Option<Credentials> {
    let Some(from) = &effective.auth else { return Some(ambient(preset, backend)) };
    let (object, path, auth) = (&from.object, &from.path, from.value);
    let mut credentials = Credentials { injected: Vec::new(), signing: None, filter: Credential::Injected };
    if let Some(aws) = from.field(auth.aws.as_ref(), "aws") {
        credentials.signing = Some(signing(index, &aws, preset.scope.as_ref(), findings)?);
    } else if let Some(gcp) = from.field(auth.gcp.as_ref(), "gcp") {
        credentials.injected.push(tokens::gcp(index, &gcp, host, findings)?);
    } else if let Some(azure) = from.field(auth.azure.as_ref(), "azure") {
        credentials.injected.push(tokens::azure(index, &azure, preset.entra_scope, findings)?);
    } else if auth.passthrough.is_some() {
        credentials.filter = passthrough(auth.location.as_ref(), preset.key_header, object, path, findings)?;
    } else {
        // One policy may be for several backends, and one backend be reached under several policies.
        let secret_name = match effective.inherited.is_from(object) {
            true => names::policy_secret(&object.namespace, &object.name),
            false => names::inline_secret(&backend.namespace, &backend.name, section),
        };
        credentials.injected.extend(primary(index, from, preset, secret_name, findings)?);
    }
    for (place, additional) in auth.credentials.iter().flatten().enumerate() {
        let path = format!("{path}.credentials[{place}]");
        let reference = &additional.secret_ref;
        let source = secret(object, &reference.name);
        let name = reference.key.as_deref().unwrap_or(SecretKeyRef::AUTHORIZATION);
        let value = entry(index, object, &format!("{path}.secretRef"), &source, name, findings)?;
        let secret_name = names::credential_secret(&source.namespace, &source.name, Some(name));
        let (header, prefix) =
            location(Some(&additional.location), preset.key_header, &value, object, &path, findings)?;
        let value = CredentialValue::Text(value);
        credentials.injected.push(InjectedCredential { header, prefix, secret_name, source, value });
    }
    let mut headers: Vec<&str> = credentials.injected.iter().map(|one| one.header.as_str()).collect();
    if let Credential::ClientIn { header, .. } = &credentials.filter {
        headers.push(header);
    }
    headers.sort_unstable();
    if headers.windows(2).any(|pair| matches!(pair, [one, other] if one == other)) {
        let message = "two credentials go into the same header, where only the last would stay";
        findings.error(object, &format!("{path}.credentials"), message, "choose another location for one");
        return None;
    }
    Some(credentials)
}

/// The credential of a provider for which no `auth` is set.
fn ambient(preset: &Preset, backend: &ObjectKey) -> Credentials {
    let filter = match preset.ambient {
        Ambient::Client => Credential::Client { header: preset.key_header, tokens: false },
        Ambient::Aws | Ambient::Gcp | Ambient::Azure => Credential::Injected,
    };
    let injected = match preset.ambient {
        Ambient::Client | Ambient::Aws => Vec::new(),
        Ambient::Gcp => vec![tokens::ambient_gcp(backend)],
        Ambient::Azure => vec![tokens::ambient_azure(preset.entra_scope, backend)],
    };
    let signing = match preset.ambient {
        Ambient::Aws => preset.scope.as_ref().map(Signing::ambient),
        _ => None,
    };
    Credentials { injected, signing, filter }
}

/// The key that `auth` holds or refers to, if it is of that kind; outer `None` when it is missing. `inline` is the name
/// of the secret with a key that it holds.
#[allow(clippy::option_option, reason = "absent and missing are two things here")]
fn primary(
    index: &Index<'_>,
    from: &From<'_, BackendAuth>,
    preset: &Preset,
    inline: String,
    findings: &mut Findings,
) -> Option<Option<InjectedCredential>> {
    let (object, path, auth) = (&from.object, &from.path, from.value);
    let (value, secret_name, source) = if let Some(key) = &auth.key {
        let field = format!("{path}.key");
        let value = header_text(Some(key.reveal()), object, &field, "the key", findings)?;
        (value, inline, object.clone())
    } else if let Some(reference) = &auth.secret_ref {
        let source = secret(object, &reference.name);
        let name = reference.key.as_deref().unwrap_or(SecretKeyRef::AUTHORIZATION);
        let value = entry(index, object, &format!("{path}.secretRef"), &source, name, findings)?;
        match &reference.key {
            // The default entry may hold a whole header value; the bare credential is another secret to Envoy.
            None => {
                let bare = value.strip_prefix("Bearer ").map_or(value.clone(), |bare| bare.trim().to_owned());
                (bare, names::credential_secret(&source.namespace, &source.name, None), source)
            }
            Some(entry) => {
                (value, names::credential_secret(&source.namespace, &source.name, Some(entry)), source)
            }
        }
    } else {
        return Some(None);
    };
    let (header, prefix) =
        location(auth.location.as_ref(), preset.key_header, &value, object, path, findings)?;
    let value = CredentialValue::Text(value);
    Some(Some(InjectedCredential { header, prefix, secret_name, source, value }))
}

/// The client's own credential, where the provider expects it or where `place` says.
fn passthrough(
    place: Option<&CredentialLocation>,
    header: CredentialHeader,
    object: &ObjectKey,
    path: &str,
    findings: &mut Findings,
) -> Option<Credential> {
    if place.is_none() {
        return Some(Credential::Client { header, tokens: true });
    }
    let (header, prefix) = location(place, header, "", object, path, findings)?;
    Some(Credential::ClientIn { header, prefix })
}

/// Header and prefix of a credential.
fn location(
    location: Option<&CredentialLocation>,
    key_header: CredentialHeader,
    value: &str,
    object: &ObjectKey,
    path: &str,
    findings: &mut Findings,
) -> Option<(String, String)> {
    let Some(location) = location else {
        let is_token = |prefix: &str| value.starts_with(prefix);
        let header = match key_header {
            CredentialHeader::XApiKey if !is_token(ANTHROPIC_OAUTH_PREFIX) => "x-api-key",
            CredentialHeader::ApiKey if !is_token(JWT_PREFIX) => "api-key",
            CredentialHeader::XGoogApiKey if !is_token(GOOGLE_OAUTH_PREFIX) => "x-goog-api-key",
            _ => return Some(("authorization".to_owned(), "Bearer ".to_owned())),
        };
        return Some((header.to_owned(), String::new()));
    };
    if let Some(cookie) = &location.cookie {
        if !names::is_header_name(&cookie.name) {
            let message = format!("{:?} is no name of a cookie", cookie.name);
            findings.error(object, &format!("{path}.location.cookie.name"), message, "choose another name");
            return None;
        }
        return Some(("cookie".to_owned(), format!("{}=", cookie.name)));
    }
    let Some(header) = &location.header else {
        let remedy = "use location.header or location.cookie";
        findings.not_served(object, &format!("{path}.location"), "a credential in the query", remedy);
        return None;
    };
    let name = header.name.to_ascii_lowercase();
    let prefix = header.prefix.clone().unwrap_or_default();
    if name == "host" || !names::is_header_value(&prefix) {
        let message = "no credential can go into this header";
        findings.error(object, &format!("{path}.location.header"), message, "choose another name or prefix");
        return None;
    }
    Some((name, prefix))
}

/// The Secret of a name, beside the object that refers to it.
fn secret(object: &ObjectKey, name: &str) -> ObjectKey {
    ObjectKey { kind: Kind::Secret, namespace: object.namespace.clone(), name: name.to_owned() }
}

/// An entry of a Secret, as it can stand in a header.
pub(super) fn entry(
    index: &Index<'_>,
    object: &ObjectKey,
    path: &str,
    source: &ObjectKey,
    name: &str,
    findings: &mut Findings,
) -> Option<String> {
    let text = raw_entry(index, object, path, source, name, findings)?;
    header_text(text, object, path, &format!("entry `{name}` of {source}"), findings)
}

/// An entry of a Secret that is a text of any characters and lines.
pub(super) fn text_entry(
    index: &Index<'_>,
    object: &ObjectKey,
    path: &str,
    source: &ObjectKey,
    name: &str,
    findings: &mut Findings,
) -> Option<String> {
    let text = raw_entry(index, object, path, source, name, findings)?;
    if text.is_none() {
        let message = format!("entry `{name}` of {source} is no text");
        findings.error(object, path, message, "store it as UTF-8");
    }
    text.map(str::to_owned)
}

/// An entry of a Secret; inner `None` when it is no text.
#[allow(clippy::option_option, reason = "missing has been reported, no text has not")]
fn raw_entry<'a>(
    index: &Index<'a>,
    object: &ObjectKey,
    path: &str,
    source: &ObjectKey,
    name: &str,
    findings: &mut Findings,
) -> Option<Option<&'a str>> {
    let Some(secret) = index.objects.secret(&source.namespace, &source.name) else {
        let absence = index.objects.absence(source);
        let message = format!("{}, so nothing is sent to this provider", absence.message);
        findings.error(object, path, message, absence.remedy);
        return None;
    };
    let Some(value) = secret.data.get(name) else {
        let known: Vec<_> = secret.data.keys().map(String::as_str).collect();
        let message = format!("{source} has no entry `{name}`, so nothing is sent to this provider");
        let remedy = match known.as_slice() {
            [] => "it is empty".to_owned(),
            known => format!("it has: {}; name one with `key`", known.join(", ")),
        };
        findings.error(object, path, message, &remedy);
        return None;
    };
    Some(value.reveal_text())
}

/// A secret as it can stand in a header; without it nothing is sent.
fn header_text(
    text: Option<&str>,
    object: &ObjectKey,
    path: &str,
    what: &str,
    findings: &mut Findings,
) -> Option<String> {
    let text = text
        .map(str::trim)
        .filter(|text| !text.is_empty() && text.bytes().all(|b| (0x20..0x7f).contains(&b)));
    if text.is_none() {
        let message = format!("{what} is empty or holds characters no header can carry");
        findings.error(object, path, message, "store the key as plain text");
    }
    text.map(str::to_owned)
}
