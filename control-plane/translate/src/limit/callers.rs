//! Limits by who calls: the claims of a token, or the owner of an API key.

use expressions::Expression;
use filter_config::variables::{API_KEY, JWT};
use resources::ObjectKey;

use super::Limited;
use crate::findings::Findings;
use crate::route::Entry;

/// Whom the expressions of a policy look at.
#[derive(Debug)]
pub(super) struct Callers {
    /// The policy.
    policy: ObjectKey,
    /// Path of the first expression over `jwt`, and of the first over `apiKey`.
    jwt: Option<String>,
    api_key: Option<String>,
}

impl Callers {
    pub(super) fn of(policy: &ObjectKey) -> Self {
        Self { policy: policy.clone(), jwt: None, api_key: None }
    }

    /// Looks at an expression of the policy.
    pub(super) fn note(&mut self, expression: &Expression, path: &str) {
        for (root, place) in [(JWT.name, &mut self.jwt), (API_KEY.name, &mut self.api_key)] {
            if place.is_none() && expression.referenced_roots().any(|known| known == root) {
                *place = Some(path.to_owned());
            }
        }
    }
}

/// Reports limits that count by callers whom nobody authenticates.
pub(crate) fn report_unknown_callers<'a>(entries: impl Iterator<Item = &'a Entry>, findings: &mut Findings) {
    for entry in entries {
        let Some(Limited { callers, .. }) = entry.limited.as_deref() else { continue };
        let known = &entry.authenticated;
        let roots = [
            (JWT.name, "jwtAuthentication", &callers.jwt, known.jwt.is_some()),
            (API_KEY.name, "apiKeyAuthentication", &callers.api_key, known.api_keys.is_some()),
        ];
        for (root, field, path, known) in roots {
            let Some(path) = path.as_ref().filter(|_| !known) else { continue };
            let message = format!(
                "`{root}` is never there on route {}, because no policy with {field} is for it",
                entry.served.route
            );
            let remedy = "add such a policy; a descriptor whose expression fails limits nothing";
            findings.warning(&callers.policy, path, message, remedy);
        }
    }
}
