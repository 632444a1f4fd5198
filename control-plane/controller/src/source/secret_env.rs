//! Secrets from the environment: so that a key need not be written into a file.

use std::collections::BTreeMap;
use std::sync::Arc;

use resources::{Kind, Object, ObjectKey, ObjectMeta, Secret, SecretValue};

use crate::cli::SecretEnv;
use crate::error::Error;

/// Entries of Secrets, read from the environment once, at the start.
#[derive(Debug, Clone, Default)]
pub(super) struct SecretEntries(Vec<(ObjectKey, String, SecretValue)>);

impl SecretEntries {
    /// Reads the variables by `lookup`.
    ///
    /// # Errors
    /// [`Error::SecretVariable`] for one without a value.
    pub(super) fn read(wanted: &[SecretEnv], lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let entry = |wanted: &SecretEnv| {
            let value = lookup(&wanted.variable).filter(|value| !value.trim().is_empty());
            let value = value.ok_or_else(|| Error::SecretVariable {
                secret: wanted.to_string(),
                variable: wanted.variable.clone(),
            })?;
            let key = ObjectKey {
                kind: Kind::Secret,
                namespace: wanted.namespace.clone(),
                name: wanted.name.clone(),
            };
            Ok((key, wanted.key.clone(), SecretValue::new(value)))
        };
        wanted.iter().map(entry).collect::<Result<_, _>>().map(Self)
    }

    /// Puts the entries into the Secrets among `objects`, which are created where there are none.
    pub(super) fn apply(&self, objects: &mut BTreeMap<ObjectKey, Object>) {
        for (key, entry, value) in &self.0 {
            let mut secret = match objects.get(key) {
                Some(Object::Secret(secret)) => Secret::clone(secret),
                _ => Secret {
                    metadata: ObjectMeta {
                        name: Some(key.name.clone()),
                        namespace: Some(key.namespace.clone()),
                        ..ObjectMeta::default()
                    },
                    type_: None,
                    data: BTreeMap::new(),
                },
            };
            secret.data.insert(entry.clone(), value.clone());
            objects.insert(key.clone(), Object::Secret(Arc::new(secret)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_added_and_replaced() {
        let wanted: Vec<SecretEnv> = ["default/k/a=A", "default/k/b=B", "other/k/a=A"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let entries = SecretEntries::read(&wanted, |name| Some(format!("value of {name}"))).unwrap();
        let mut objects = BTreeMap::new();
        entries.apply(&mut objects);
        entries.apply(&mut objects);
        assert_eq!(objects.len(), 2);
        let Some(Object::Secret(secret)) = objects.values().next() else { panic!("no Secret") };
        assert_eq!(secret.data["b"].reveal_text(), Some("value of B"));
        let missing = SecretEntries::read(&wanted, |name| (name == "A").then(String::new)).unwrap_err();
        assert!(missing.to_string().contains("environment variable A is not set"), "{missing}");
    }
}
