//! Expressions of telemetry that Envoy cannot evaluate: the `api-keys` filter does, when it is known who calls, and Envoy
//! finds what they say in filter state.

use std::collections::{BTreeMap, BTreeSet};

use expressions::Expression;
use filter_config::TOLD_STATE_PREFIX;
use filter_config::variables::{API_KEY, JWT, LLM_OF_REQUEST, REQUEST, Variable};
use resources::ObjectKey;

use super::expression;
use crate::authentication::Chain;
use crate::expression::{Unknown, unknown};
use crate::findings::Findings;
use crate::names;
use crate::settings::Runtime;

/// What is known when the filter looks.
const VARIABLES: [Variable; 4] = [REQUEST, LLM_OF_REQUEST, JWT, API_KEY];

/// What the `api-keys` filter of a port evaluates for telemetry.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    /// Key of the filter state → expression.
    expressions: BTreeMap<String, String>,
    /// Expressions over who calls: the policy, the path of the field, and the variable.
    callers: BTreeSet<(ObjectKey, String, &'static str)>,
}

impl Told {
    /// The access log format for the value of an expression.
    pub(super) fn value(
        &mut self,
        expression: &Expression,
        text: &str,
        runtime: &Runtime,
    ) -> Result<String, Unknown> {
        Ok(expression::published(&self.evaluated(expression, text.trim().to_owned())?, runtime))
    }

    /// Envoy's CEL for whether a condition is true. One that fails is not; of a request that was answered before it was
    /// known who calls, nothing can be said, and no log is to miss it. (Filter state is bytes in Envoy's CEL, and it has
    /// no conversion to text there.)
    pub(super) fn condition(
        &mut self,
        expression: &Expression,
        text: &str,
        runtime: &Runtime,
    ) -> Result<String, Unknown> {
        let key = self.evaluated(expression, format!("default({}, false)", text.trim()))?;
        let key = expression::state_key(&key, runtime);
        Ok(format!("!(\"{key}\" in filter_state) || filter_state[\"{key}\"] == b\"true\""))
    }

    fn evaluated(&mut self, expression: &Expression, text: String) -> Result<String, Unknown> {
        if let Some(unknown) = unknown(expression, &VARIABLES) {
            return Err(unknown);
        }
        let key = format!("{TOLD_STATE_PREFIX}{}", names::fingerprint(&text));
        self.expressions.insert(key.clone(), text);
        Ok(key)
    }

    /// Notes whom an expression looks at.
    pub(super) fn note(&mut self, policy: &ObjectKey, path: &str, expression: &Expression) {
        for root in [JWT.name, API_KEY.name] {
            if expression.referenced_roots().any(|known| known == root) {
                self.callers.insert((policy.clone(), path.to_owned(), root));
            }
        }
    }

    /// Reports what is to be told of callers whom nobody authenticates on a port, and makes the filters of the port
    /// evaluate the rest.
    pub(crate) fn add_to(self, chain: &mut Chain, port: u16, findings: &mut Findings) {
        for (policy, path, root) in self.callers {
            let (known, field) = match root {
                _ if root == JWT.name => (!chain.jwt.is_empty(), "jwtAuthentication"),
                _ => (chain.api_keys.is_some(), "apiKeyAuthentication"),
            };
            if !known {
                let message = format!(
                    "`{root}` is never there on port {port}, because no policy with {field} is for any of its routes"
                );
                let remedy = "add such a policy; an expression that fails leaves its field out, as a filter it is false";
                findings.warning(&policy, &path, message, remedy);
            }
        }
        chain.tell(self.expressions);
    }
}
