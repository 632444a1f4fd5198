//! Core Secrets, decoded, with values that do not leak into logs.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1 as core;
use kube::core::ObjectMeta;
use serde_json::Value;

use crate::Error;
use crate::finding::push_field;
use crate::schema::Issue;

/// A core `Secret` with its `data` decoded and `stringData` merged in (which wins over `data`).
///
/// It cannot be serialized, and its values are hidden from `Debug`.
#[derive(Debug, Clone, PartialEq)]
pub struct Secret {
    /// Name, namespace, labels and annotations. The annotation in which `kubectl apply` keeps a copy of the
    /// manifest is removed, for it holds the values in clear.
    pub metadata: ObjectMeta,
    /// Type of the Secret, for example `Opaque` or `kubernetes.io/tls`.
    pub type_: Option<String>,
    /// The entries.
    pub data: BTreeMap<String, SecretValue>,
}

/// Annotation with which `kubectl apply` stores the whole manifest.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

impl Secret {
    /// Reads a Secret from JSON of the right structure. Its errors name keys, never values.
    pub(crate) fn from_value(mut value: Value) -> Result<Self, Issue> {
        for (key, encoded) in value.get_mut("data").and_then(Value::as_object_mut).into_iter().flatten() {
            if let Value::String(text) = encoded {
                // Line breaks come from block scalars; Kubernetes skips them too.
                text.retain(|c| !matches!(c, '\r' | '\n'));
                if STANDARD.decode(text).is_err() {
                    let error = Error::Base64 { key: key.clone() };
                    return Err(Issue::invalid(push_field("data", key), error.to_string(), ""));
                }
            }
        }
        // Not the error itself: its text may quote a value.
        serde_json::from_value::<core::Secret>(value)
            .map(Secret::from)
            .map_err(|_| Issue::invalid("", "this is not a Secret", "compare it with the core v1 Secret"))
    }
}

impl From<core::Secret> for Secret {
    fn from(secret: core::Secret) -> Self {
        let data = secret.data.unwrap_or_default().into_iter().map(|(key, ByteString(value))| (key, value));
        let text =
            secret.string_data.unwrap_or_default().into_iter().map(|(key, text)| (key, text.into_bytes()));
        let data = data.chain(text).map(|(key, value)| (key, SecretValue(value))).collect();
        let mut metadata = secret.metadata;
        if let Some(annotations) = &mut metadata.annotations {
            annotations.remove(LAST_APPLIED);
        }
        Secret { metadata, type_: secret.type_, data }
    }
}

/// The bytes of one entry of a Secret. Neither `Debug` nor any serializer shows them.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Vec<u8>);

impl SecretValue {
    /// Wraps `bytes`.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        SecretValue(bytes.into())
    }

    /// The bytes. Do not log them.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, or `None` when they are not UTF-8. Do not log it.
    pub fn reveal_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn string_data_wins_and_nothing_shows_in_debug() {
        let raw = serde_json::json!({
            "metadata": { "name": "keys", "annotations": { LAST_APPLIED: "{\"stringData\":\"hunter2\"}" } },
            "data": { "a": "aHVudGVyMQ==", "b": "aHVudGVyMQ==" },
            "stringData": { "b": "hunter2" },
        });
        let secret = Secret::from(serde_json::from_value::<core::Secret>(raw).unwrap());
        assert_eq!(secret.data["a"].reveal_text(), Some("hunter1"));
        assert_eq!(secret.data["b"].reveal(), b"hunter2");
        assert!(!format!("{secret:?}").contains("hunter"), "{secret:?}");
    }
}
