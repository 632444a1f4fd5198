//! What the filters of one listener are told of authentication.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Jwt;
use crate::envoy;
use crate::route::Entry;

/// The policies that routes of a listener name.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    /// By name.
    pub(crate) jwt: BTreeMap<String, Arc<Jwt>>,
    /// Where some route knows API keys, or logs are told what only this filter can say.
    pub(crate) api_keys: Option<filter_config::ApiKeys>,
}

impl Chain {
    /// Makes every entry of a listener name the policies that are for it.
    pub(crate) fn of<'a>(listener: &str, entries: impl Iterator<Item = &'a mut Entry>) -> Self {
        let mut chain = Self::default();
        for entry in entries {
            let route = &mut entry.route;
            if let Some(jwt) = &entry.authenticated.jwt {
                envoy::require_token(listener, jwt, route);
                chain.jwt.entry(jwt.name.clone()).or_insert_with(|| Arc::clone(jwt));
            }
            if let Some(keys) = &entry.authenticated.api_keys {
                envoy::require_api_key(keys, route);
                let filter = chain.api_keys();
                filter.policies.entry(keys.name.clone()).or_insert_with(|| keys.policy.clone());
            }
        }
        chain
    }

    /// Has the filter that knows who calls evaluate expressions for logs and spans, by the key of the filter state their
    /// value goes to.
    pub(crate) fn tell(&mut self, told: BTreeMap<String, String>) {
        if !told.is_empty() {
            self.api_keys().told = told;
        }
    }

    fn api_keys(&mut self) -> &mut filter_config::ApiKeys {
        self.api_keys.get_or_insert_with(|| filter_config::ApiKeys {
            version: filter_config::VERSION,
            ..filter_config::ApiKeys::default()
        })
    }
}
