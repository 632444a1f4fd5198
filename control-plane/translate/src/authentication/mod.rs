//! Who may call: policies with tokens and API keys, as Envoy's `jwt_authn` and Weir's `api-keys` filter are told of them.
//!
//! Both stand behind the `llm` filter, where the route is final, and each route names the policy that is for it. A policy
//! that cannot be in force closes the routes it is for.

mod api_keys;
mod chain;
mod jwks;
mod jwt;
mod taken_out;

use std::collections::BTreeMap;
use std::sync::Arc;

use filter_config::ApiKeyPolicy;
use resources::{ExtractLocation, ObjectKey};

use crate::findings::Findings;
use crate::index::Index;
use crate::names;
pub(crate) use chain::Chain;
pub(crate) use jwt::{Issuer, Jwt, Keys};
pub(crate) use taken_out::close_matches_on_cookies;

/// The policies of one kind, by name; `None` for those that cannot be in force.
type Resolved<T> = BTreeMap<ObjectKey, Option<Arc<T>>>;

/// The authentication that all policies ask for.
#[derive(Debug, Default)]
pub(crate) struct Authentication {
    pub(crate) jwt: Resolved<Jwt>,
    pub(crate) api_keys: Resolved<ApiKeys>,
}

/// Whose API keys are known.
#[derive(Debug)]
pub(crate) struct ApiKeys {
    /// Name of the policy, as routes name it.
    pub(crate) name: String,
    pub(crate) policy: ApiKeyPolicy,
}

/// What authenticates the requests of a route.
#[derive(Debug, Clone, Default)]
pub(crate) struct Authenticated {
    pub(crate) jwt: Option<Arc<Jwt>>,
    pub(crate) api_keys: Option<Arc<ApiKeys>>,
}

/// Resolves the authentication of all policies, used or not, so that what is wrong with them is known.
pub(crate) fn resolve(index: &Index<'_>, findings: &mut Findings) -> Authentication {
    let mut resolved = Authentication::default();
    for (key, policy) in index.objects.policies() {
        let Some(traffic) = &policy.spec.traffic else { continue };
        if let Some(set) = &traffic.jwt_authentication {
            let jwt = jwt::resolve(index, key, set, findings);
            report_if_closed(jwt.is_none(), key, jwt::PATH, findings);
            resolved.jwt.insert(key.clone(), jwt.map(Arc::new));
        }
        if let Some(set) = &traffic.api_key_authentication {
            let policy = api_keys::resolve(index, key, set, findings);
            report_if_closed(policy.is_none(), key, api_keys::PATH, findings);
            let keys = policy.map(|policy| Arc::new(ApiKeys { name: name(key), policy }));
            resolved.api_keys.insert(key.clone(), keys);
        }
    }
    resolved
}

fn report_if_closed(closed: bool, key: &ObjectKey, path: &str, findings: &mut Findings) {
    if closed {
        let message = "nobody can be authenticated, so what this is for is answered with 500";
        findings.error(key, path, message, "correct what else is reported about it, or remove it");
    }
}

/// Name of a policy in filters.
fn name(key: &ObjectKey) -> String {
    format!("{}/{}", key.namespace, key.name)
}

/// Where in a request clients say who they are, in a form Envoy takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// A header, in small letters, and what stands before the credential.
    Header {
        name: String,
        prefix: String,
    },
    QueryParameter(String),
    Cookie(String),
}

/// Reads a location. `None` when no request can have it, which has then been reported.
fn location(
    key: &ObjectKey,
    path: &str,
    set: Option<&ExtractLocation>,
    findings: &mut Findings,
) -> Option<Location> {
    let Some(set) = set else {
        return Some(Location::Header { name: "authorization".to_owned(), prefix: "Bearer ".to_owned() });
    };
    if let Some(header) = &set.header {
        let name = header.name.to_ascii_lowercase();
        let prefix = header.prefix.clone().unwrap_or_default();
        // The `llm` filter writes the name of the model over what a client says.
        if ["host", filter_config::MODEL_HEADER].contains(&name.as_str()) || !names::is_header_value(&prefix)
        {
            let message = "no credential can be in this header";
            findings.error(key, &format!("{path}.location.header"), message, "choose another name or prefix");
            return None;
        }
        return Some(Location::Header { name, prefix });
    }
    if let Some(cookie) = &set.cookie {
        if !names::is_header_name(&cookie.name) {
            let message = format!("{:?} is no name of a cookie", cookie.name);
            findings.error(key, &format!("{path}.location.cookie.name"), message, "choose another name");
            return None;
        }
        return Some(Location::Cookie(cookie.name.clone()));
    }
    // Validation has refused expressions.
    Some(Location::QueryParameter(set.query_parameter.as_ref()?.name.clone()))
}
