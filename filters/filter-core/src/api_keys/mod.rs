//! The downstream `api-keys` filter: lets through clients with a key that is known, and publishes whose it is.
//!
//! It stands behind `llm`, so that who is refused is told so in their dialect, and before all that asks who calls. A
//! known key goes no further: it is taken out of the request, and out of the credential `llm` may have kept for
//! providers that get the client's own.
//!
//! As it is the first filter that knows who calls, it also publishes what access logs and spans are to tell of that.

mod location;
mod refusal;
mod told;

use std::collections::BTreeMap;
use std::sync::Arc;

use filter_config::{API_KEY_STATE, ApiKeyPolicy, ApiKeys, AuthenticationMode, Error, KeyLocation};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use self::location::{Found, find, take_out};
use self::refusal::Refusal;
use self::told::Told;
use crate::phases::Phases;
use crate::{Attribute, BodyMode, HeadersFlow, Host, LocalReply, handoff};

/// Compiled configuration of the filter.
#[derive(Debug)]
pub(crate) struct ApiKeysPlan {
    policies: BTreeMap<String, Policy>,
    default: Option<String>,
    told: Told,
}

#[derive(Debug)]
struct Policy {
    mode: AuthenticationMode,
    location: KeyLocation,
    /// Digest of a key → what is published of its owner.
    ///
    /// Looking a digest up takes longer the more of it equals one here, and that tells nothing of any key: whoever
    /// measures it cannot choose how the digest of what they send begins.
    owners: BTreeMap<Digest, Vec<u8>>,
}

/// A SHA-256.
type Digest = [u8; 32];

impl ApiKeysPlan {
    pub(crate) fn new(config: ApiKeys) -> Result<Self, Error> {
        let policies = config.policies.into_iter().map(|(name, policy)| {
            let compiled = Policy::compile(&name, policy)?;
            Ok((name, compiled))
        });
        Ok(Self {
            policies: policies.collect::<Result<_, Error>>()?,
            default: config.default_policy,
            told: Told::compile(config.told)?,
        })
    }
}

impl Policy {
    fn compile(name: &str, config: ApiKeyPolicy) -> Result<Self, Error> {
        let mut owners = BTreeMap::new();
        for (place, (hex, owner)) in config.keys.into_iter().enumerate() {
            let digest = unhex(&hex).ok_or_else(|| Error::Invalid {
                filter: "api-keys",
                field: format!("policies[{name:?}].keys[{place}]"),
                message: "must be the SHA-256 of a key, as 64 lower-case hexadecimal digits".to_owned(),
            })?;
            owners.insert(digest, published(&hex, owner));
        }
        Ok(Self { mode: config.mode, location: config.location, owners })
    }

    /// What is published of the owner of a key; `None` when nobody knows it.
    fn owner(&self, key: &[u8]) -> Option<&[u8]> {
        self.owners.get(&Digest::from(Sha256::digest(key))).map(Vec::as_slice)
    }
}

fn unhex(hex: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    if hex.len() != 2 * digest.len() {
        return None;
    }
    for (byte, digits) in digest.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(digest)
}

/// What is known of an owner, as JSON. No field of theirs takes the place of the key's digest, by which they are
/// counted.
fn published(digest: &str, mut owner: Map<String, Value>) -> Vec<u8> {
    owner.insert("key".to_owned(), format!("sha256:{digest}").into());
    Value::Object(owner).to_string().into_bytes()
}

/// One request in the filter.
#[derive(Debug)]
pub(crate) struct ApiKeysExchange {
    plan: Arc<ApiKeysPlan>,
}

impl ApiKeysExchange {
    pub(crate) fn new(plan: Arc<ApiKeysPlan>) -> Self {
        Self { plan }
    }

    /// Lets a request through, or says what its client is answered.
    fn admit(&self, host: &mut dyn Host) -> Result<(), LocalReply> {
        let of_route = host.attribute(Attribute::RouteApiKeys);
        let Some(name) = of_route.as_ref().or(self.plan.default.as_ref()) else { return Ok(()) };
        let Some(policy) = self.plan.policies.get(name) else {
            // Routes and filters are configured apart: one may be ahead of the other for a moment.
            return Err(Refusal::NoPolicy.reply(host, None));
        };
        let location = &policy.location;
        let found = find(host, location);
        let unclear = found == Found::Unclear;
        let refused = match found {
            Found::Nothing => (policy.mode == AuthenticationMode::Strict).then_some(Refusal::Missing),
            Found::Key(key) => match policy.owner(&key) {
                Some(owner) => {
                    host.publish(API_KEY_STATE, owner);
                    take_out(host, location);
                    None
                }
                None => (policy.mode != AuthenticationMode::Permissive).then_some(Refusal::Unknown),
            },
            Found::Unclear if policy.mode == AuthenticationMode::Permissive => {
                // One of them may be known, and is not for others to see.
                take_out(host, location);
                None
            }
            Found::Unclear => Some(Refusal::Unclear),
        };
        if let Some(refusal) = refused {
            if matches!(location, KeyLocation::QueryParameter { .. }) {
                // Access logs hold paths.
                take_out(host, location);
            }
            return Err(refusal.reply(host, Some(location)));
        }
        handoff::drop_credential(host, &|credential| {
            unclear || policy.owner(credential.trim().as_bytes()).is_some()
        });
        Ok(())
    }
}

impl Phases for ApiKeysExchange {
    fn request_headers(&mut self, host: &mut dyn Host, _end: bool) -> HeadersFlow {
        let admitted = self.admit(host);
        self.plan.told.publish(host);
        match admitted {
            Ok(()) => HeadersFlow::Continue(BodyMode::Skip),
            Err(reply) => HeadersFlow::Reply(reply),
        }
    }
}
