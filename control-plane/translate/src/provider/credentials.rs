//! Credentials for a provider.

use filter_config::{Credential, CredentialHeader};
use resources::{CredentialLocation, Kind, ObjectKey, SecretKeyRef};

use crate::findings::Findings;
use crate::index::Index;
use crate::names;
use crate::policy::Effective;

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
    pub(crate) value: String,
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

/// OAuth tokens of Anthropic accounts are bearer tokens, unlike API keys.
const ANTHROPIC_OAUTH_PREFIX: &str = "sk-ant-oat";

/// The credentials Envoy adds, and what the filter does about the client's. `None` when one is missing:
/// nothing is sent without the credential it is configured with. `key_header` is where a key goes unless
/// `location` says otherwise.
pub(super) fn credentials(
    index: &Index<'_>,
    effective: &Effective<'_>,
    key_header: CredentialHeader,
    backend: &ObjectKey,
    section: &str,
    findings: &mut Findings,
) -> Option<(Vec<InjectedCredential>, Credential)> {
    let Some(auth) = &effective.auth else {
        return Some((Vec::new(), Credential::Client { header: key_header }));
    };
    let (object, path) = (&auth.object, &auth.path);
    let auth = auth.value;
    let mut injected = Vec::new();
    let primary = if let Some(inline) = &auth.key {
        let field = format!("{path}.key");
        let value = header_text(Some(inline.reveal()), object, &field, "the key", findings)?;
        Some((value, names::inline_secret(&backend.namespace, &backend.name, section), object.clone()))
    } else if let Some(reference) = &auth.secret_ref {
        let source = secret(object, reference);
        let value = secret_value(index, object, &format!("{path}.secretRef"), &source, reference, findings)?;
        Some(match &reference.key {
            // The default entry may hold a whole header value; the bare credential is another secret to Envoy.
            None => {
                let bare = value.strip_prefix("Bearer ").map_or(value.clone(), |bare| bare.trim().to_owned());
                (bare, names::credential_secret(&source.namespace, &source.name, None), source)
            }
            Some(entry) => {
                (value, names::credential_secret(&source.namespace, &source.name, Some(entry)), source)
            }
        })
    } else if auth.passthrough.is_some() {
        findings.not_served(
            object,
            &format!("{path}.passthrough"),
            "passing on the token of JWT authentication",
            "without `auth` the client's own key is passed on",
        );
        return None;
    } else {
        None
    };
    if let Some((value, secret_name, source)) = primary {
        let (header, prefix) = location(auth.location.as_ref(), key_header, &value, object, path, findings)?;
        injected.push(InjectedCredential { header, prefix, secret_name, source, value });
    }
    for (place, additional) in auth.credentials.iter().flatten().enumerate() {
        let path = format!("{path}.credentials[{place}]");
        let reference = &additional.secret_ref;
        let source = secret(object, reference);
        let value = secret_value(index, object, &format!("{path}.secretRef"), &source, reference, findings)?;
        let entry = reference.key.as_deref().unwrap_or(SecretKeyRef::AUTHORIZATION);
        let secret_name = names::credential_secret(&source.namespace, &source.name, Some(entry));
        let (header, prefix) =
            location(Some(&additional.location), key_header, &value, object, &path, findings)?;
        injected.push(InjectedCredential { header, prefix, secret_name, source, value });
    }
    Some((injected, Credential::Injected))
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
        return Some(match key_header {
            CredentialHeader::XApiKey if !value.starts_with(ANTHROPIC_OAUTH_PREFIX) => {
                ("x-api-key".to_owned(), String::new())
            }
            _ => ("authorization".to_owned(), "Bearer ".to_owned()),
        });
    };
    let Some(header) = &location.header else {
        let what = "a credential in the query or a cookie";
        findings.not_served(object, &format!("{path}.location"), what, "use location.header");
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

/// The Secret a reference names.
fn secret(object: &ObjectKey, reference: &SecretKeyRef) -> ObjectKey {
    ObjectKey { kind: Kind::Secret, namespace: object.namespace.clone(), name: reference.name.clone() }
}

fn secret_value(
    index: &Index<'_>,
    object: &ObjectKey,
    path: &str,
    source: &ObjectKey,
    reference: &SecretKeyRef,
    findings: &mut Findings,
) -> Option<String> {
    let Some(secret) = index.objects.secret(&source.namespace, &source.name) else {
        let absence = index.objects.absence(source);
        let message = format!("{}, so nothing is sent to this provider", absence.message);
        findings.error(object, path, message, absence.remedy);
        return None;
    };
    let entry = reference.key.as_deref().unwrap_or(SecretKeyRef::AUTHORIZATION);
    let Some(value) = secret.data.get(entry) else {
        let known: Vec<_> = secret.data.keys().map(String::as_str).collect();
        let message = format!("{source} has no entry `{entry}`, so nothing is sent to this provider");
        let remedy = match known.as_slice() {
            [] => "it is empty".to_owned(),
            known => format!("it has: {}; name one with `key`", known.join(", ")),
        };
        findings.error(object, path, message, &remedy);
        return None;
    };
    header_text(value.reveal_text(), object, path, &format!("entry `{entry}` of {source}"), findings)
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
