//! Policies with API keys, which Secrets and ConfigMaps hold. Nothing but their digests leaves this module.

use std::collections::BTreeMap;

use filter_config::{ApiKeyPolicy, AuthenticationMode, KeyLocation};
use resources::{ApiKeyAuthentication, AuthenticationMode as Mode, Kind, LabelSelector, ObjectKey};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{Location, location};
use crate::findings::Findings;
use crate::index::Index;
use crate::objects::key as key_of;

/// Path of the field.
pub(super) const PATH: &str = "spec.traffic.apiKeyAuthentication";

/// What a digest begins with.
const SHA256: &str = "sha256:";

/// Field of an owner that says which entry it is from, unless its own metadata does.
const NAME: &str = "name";

/// Fields of an entry in JSON.
const FIELDS: [&str; 3] = ["key", "keyHash", "metadata"];

/// A client: the digest of its key, and what is known of it.
type Client = (String, Map<String, Value>);

/// Reads a policy. `None` when it cannot be in force, which has then been reported.
pub(super) fn resolve(
    index: &Index<'_>,
    policy: &ObjectKey,
    set: &ApiKeyAuthentication,
    findings: &mut Findings,
) -> Option<ApiKeyPolicy> {
    let location = location(policy, PATH, set.location.as_ref(), findings);
    let mut reading = Reading { index, policy, clients: BTreeMap::new(), findings };
    reading.all(set)?;
    let Reading { clients, findings, .. } = reading;
    let mode = set.mode.unwrap_or_default();
    if clients.is_empty() {
        let message = match mode {
            Mode::Strict => "no client is known, so every request is refused with 401",
            Mode::Optional => "no client is known, so every request with a key is refused with 401",
            Mode::Permissive => "no client is known, so no request is told from another",
        };
        findings.warning(policy, PATH, message, "add entries to what holds the keys");
    }
    Some(ApiKeyPolicy {
        mode: match mode {
            Mode::Strict => AuthenticationMode::Strict,
            Mode::Optional => AuthenticationMode::Optional,
            Mode::Permissive => AuthenticationMode::Permissive,
        },
        location: match location? {
            Location::Header { name, prefix } => KeyLocation::Header { name, prefix },
            Location::QueryParameter(name) => KeyLocation::QueryParameter { name },
            Location::Cookie(name) => KeyLocation::Cookie { name },
        },
        keys: clients.into_iter().map(|(digest, (_, owner))| (digest, owner)).collect(),
    })
}

/// What reading the entries needs.
struct Reading<'a, 'b> {
    index: &'b Index<'a>,
    policy: &'b ObjectKey,
    /// By digest: where the entry is, and what is known of the client.
    clients: BTreeMap<String, (String, Map<String, Value>)>,
    findings: &'b mut Findings,
}

impl Reading<'_, '_> {
    /// `None` when the object that holds the keys is missing.
    fn all(&mut self, set: &ApiKeyAuthentication) -> Option<()> {
        if let Some(reference) = &set.secret_ref {
            let holder = key_of(Kind::Secret, &self.policy.namespace, &reference.name);
            if self.index.objects.secret(&holder.namespace, &holder.name).is_none() {
                let absence = self.index.objects.absence(&holder);
                self.findings.error(
                    self.policy,
                    &format!("{PATH}.secretRef"),
                    absence.message,
                    absence.remedy,
                );
                return None;
            }
            self.secret("secretRef", &holder);
        }
        for holder in self.labelled(Kind::Secret, set.secret_selector.as_ref()) {
            self.secret("secretSelector", &holder);
        }
        for holder in self.labelled(Kind::ConfigMap, set.config_map_selector.as_ref()) {
            self.config_map("configMapSelector", &holder);
        }
        Some(())
    }

    fn labelled(&self, kind: Kind, selector: Option<&LabelSelector>) -> Vec<ObjectKey> {
        selector.map_or_else(Vec::new, |selector| {
            self.index.objects.labelled(kind, &self.policy.namespace, &selector.match_labels)
        })
    }

    fn secret(&mut self, field: &str, holder: &ObjectKey) {
        let Some(secret) = self.index.objects.secret(&holder.namespace, &holder.name) else { return };
        for (name, value) in &secret.data {
            let read = value.reveal_text().ok_or("is no text".to_owned()).and_then(of_secret);
            self.entry(field, holder, name, read);
        }
    }

    fn config_map(&mut self, field: &str, holder: &ObjectKey) {
        let Some(map) = self.index.objects.config_map(&holder.namespace, &holder.name) else { return };
        for (name, text) in map.data.iter().flatten() {
            self.entry(field, holder, name, of_config_map(text));
        }
    }

    /// Takes in what was read of an entry. A bad one costs only itself.
    fn entry(&mut self, field: &str, holder: &ObjectKey, name: &str, read: Result<Client, String>) {
        let path = format!("{PATH}.{field}");
        let place = format!("entry `{name}` of {holder}");
        match read {
            Ok((digest, mut owner)) => {
                owner.entry(NAME).or_insert_with(|| Value::from(name));
                if let Some((first, _)) = self.clients.get(&digest) {
                    let message = format!("{place} holds the same key as {first}, which alone counts");
                    self.findings.warning(self.policy, &path, message, "give every client a key of its own");
                    return;
                }
                self.clients.insert(digest, (place, owner));
            }
            Err(problem) => {
                let remedy = "the client is not known until it is corrected";
                self.findings.error(self.policy, &path, format!("{place} {problem}"), remedy);
            }
        }
    }
}

/// A key, or JSON about one. Errors repeat nothing of it.
fn of_secret(text: &str) -> Result<Client, String> {
    if text.trim_start().starts_with('{') {
        return of_json(text, true);
    }
    // Files end with a line break, keys do not.
    Ok((digest(text.trim_end_matches(['\r', '\n']))?, Map::new()))
}

/// JSON about a key that does not hold it: a ConfigMap is no place for secrets.
fn of_config_map(text: &str) -> Result<Client, String> {
    if !text.trim_start().starts_with('{') {
        return Err("is not a JSON object".to_owned());
    }
    of_json(text, false)
}

fn of_json(text: &str, may_hold_key: bool) -> Result<Client, String> {
    // Not the error of the parser: its text may quote the key.
    let Ok(Value::Object(mut fields)) = serde_json::from_str(text) else {
        return Err("begins with { and is not a JSON object".to_owned());
    };
    // Not the field either: it may be the key.
    if fields.keys().any(|field| !FIELDS.contains(&field.as_str())) {
        return Err(format!("has an unknown field; known are {}", FIELDS.join(", ")));
    }
    let digest = match (fields.remove("key"), fields.remove("keyHash")) {
        (Some(Value::String(_)), None) if !may_hold_key => {
            return Err("holds a key in clear: use keyHash".to_owned());
        }
        (Some(Value::String(key)), None) => digest(&key)?,
        (None, Some(Value::String(hash))) => given_digest(&hash)?,
        (None, None) if may_hold_key => return Err("has neither key nor keyHash".to_owned()),
        (None, None) => return Err("has no keyHash".to_owned()),
        (Some(_), Some(_)) => return Err("has both key and keyHash".to_owned()),
        _ => return Err("has a key or keyHash that is no text".to_owned()),
    };
    match fields.remove("metadata") {
        Some(Value::Object(owner)) => Ok((digest, owner)),
        Some(_) => Err("has metadata that are no object".to_owned()),
        None => Ok((digest, Map::new())),
    }
}

/// The digest of a key as it comes in requests.
fn digest(key: &str) -> Result<String, String> {
    if key.is_empty() {
        return Err("holds an empty key".to_owned());
    }
    if key.trim() != key || !key.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Err("holds a key with characters no header can carry, or spaces around it".to_owned());
    }
    Ok(Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A digest as it is written: `sha256:` and 64 hexadecimal digits.
fn given_digest(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix(SHA256).unwrap_or_default();
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("has a keyHash that is not sha256: and 64 hexadecimal digits".to_owned());
    }
    Ok(digits.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `hunter2`.
    const DIGEST: &str = "f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7";

    #[test]
    fn entries_are_keys_or_json() {
        let of = |text: &str| of_secret(text).unwrap();
        assert_eq!(of("hunter2"), (DIGEST.to_owned(), Map::new()));
        assert_eq!(of("hunter2\r\n").0, DIGEST);
        assert_eq!(of(r#" {"key": "hunter2"}"#).0, DIGEST);
        let hash = format!(r#"{{"keyHash":"sha256:{}","metadata":{{"team":"red"}}}}"#, DIGEST.to_uppercase());
        let (digest, owner) = of(&hash);
        assert_eq!((digest.as_str(), &owner["team"]), (DIGEST, &Value::from("red")));
        assert_eq!(of_config_map(&hash).unwrap(), (digest, owner));
    }

    #[test]
    fn bad_entries_are_named_without_their_keys() {
        for text in [
            "",
            "\n",
            " hunter2",
            "hunter2\nhunter2",
            "hünter2",
            r#"{"key": "hunter2""#,
            r#"{"key": "hunter2", "keyhash": "x"}"#,
            r#"{"key": "hunter2", "keyHash": "sha256:00"}"#,
            r#"{"key": ["hunter2"]}"#,
            r#"{"key": "hunter2", "metadata": "hunter2"}"#,
            r#"{"keyHash": "sha256:hunter2"}"#,
            r#"{"hunter2": {}}"#,
            r#"{"metadata": {}}"#,
        ] {
            let problem = of_secret(text).unwrap_err();
            assert!(!problem.contains("unter2"), "{problem}");
        }
        for text in ["hunter2", r#"{"key": "hunter2"}"#, "[]", "{}"] {
            let problem = of_config_map(text).unwrap_err();
            assert!(!problem.contains("unter2"), "{problem}");
        }
    }
}
