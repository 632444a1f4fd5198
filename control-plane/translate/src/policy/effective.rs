//! Which settings hold for a backend: its own, those of a single provider, those of policies that target it,
//! and those of policies on the way to it.
//!
//! Settings merge field by field (`auth`, `tls`, …; of `ai` each field by itself); the first of these that sets
//! a field wins: the provider's own `policies`; a policy that targets the provider (by `sectionName`); the
//! backend's own `policies`; a policy that targets the rule, then the route, a request comes through; a policy
//! that targets the backend; a policy that targets the listener, then the Gateway. That is agentgateway's order:
//! settings of a provider beat those of its backend, and what stands in an object beats what is attached to it.
//! Policies of equal rank apply in the order of their names.

use std::collections::BTreeMap;

use resources::{
    AgentgatewayBackend, AiPolicy, BackendAuth, BackendHealth, BackendHttp, BackendPolicy, BackendTcp,
    BackendTls, FieldExpression, FieldValue, ObjectKey, PromptCaching, PromptEnrichment, PromptGuard,
    RouteType,
};

use super::scope::Inherited;
use crate::index::Index;

/// The settings that hold for one provider, with the object and field path each was taken from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Effective<'a> {
    pub(crate) auth: Option<From<'a, BackendAuth>>,
    pub(crate) tls: Option<From<'a, BackendTls>>,
    pub(crate) tcp: Option<From<'a, BackendTcp>>,
    pub(crate) http: Option<From<'a, BackendHttp>>,
    pub(crate) health: Option<From<'a, BackendHealth>>,
    pub(crate) ai: Ai<'a>,
    /// What of it may come from the way to the provider.
    pub(crate) inherited: Inherited<'a>,
}

/// What holds for language model requests; each field is taken by itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ai<'a> {
    pub(crate) model_aliases: Option<From<'a, BTreeMap<String, String>>>,
    pub(crate) defaults: Option<From<'a, Vec<FieldValue>>>,
    pub(crate) overrides: Option<From<'a, Vec<FieldValue>>>,
    pub(crate) transformations: Option<From<'a, Vec<FieldExpression>>>,
    pub(crate) final_transformations: Option<From<'a, Vec<FieldExpression>>>,
    pub(crate) prompt: Option<From<'a, PromptEnrichment>>,
    pub(crate) prompt_caching: Option<From<'a, PromptCaching>>,
    pub(crate) prompt_guard: Option<From<'a, PromptGuard>>,
    pub(crate) routes: Option<From<'a, BTreeMap<String, RouteType>>>,
}

/// A setting and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct From<'a, T> {
    pub(crate) value: &'a T,
    /// The object that holds it; names in it refer to that object's namespace.
    pub(crate) object: ObjectKey,
    /// Path of the field.
    pub(crate) path: String,
}

impl<'a, T> From<'a, T> {
    /// The object that holds the setting, and the path of the field.
    pub(crate) fn place(&self) -> (&ObjectKey, &str) {
        (&self.object, &self.path)
    }

    /// A part of the setting.
    pub(crate) fn field<U>(&self, part: Option<&'a U>, name: &str) -> Option<From<'a, U>> {
        let path = || format!("{}.{name}", self.path);
        part.map(|value| From { value, object: self.object.clone(), path: path() })
    }
}

/// A block of settings and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Block<'a> {
    pub(super) policy: &'a BackendPolicy,
    pub(super) object: ObjectKey,
    pub(super) path: String,
}

/// Takes a setting from a block, if no stronger block has it.
fn first<'a, T>(slot: &mut Option<From<'a, T>>, value: Option<&'a T>, block: &Block<'a>, field: &str) {
    if slot.is_none()
        && let Some(value) = value
    {
        let path = format!("{}.{field}", block.path);
        *slot = Some(From { value, object: block.object.clone(), path });
    }
}

impl<'a> Effective<'a> {
    fn take(&mut self, block: &Block<'a>) {
        let policy = block.policy;
        first(&mut self.auth, policy.auth.as_ref(), block, "auth");
        first(&mut self.tls, policy.tls.as_ref(), block, "tls");
        first(&mut self.tcp, policy.tcp.as_ref(), block, "tcp");
        first(&mut self.http, policy.http.as_ref(), block, "http");
        first(&mut self.health, policy.health.as_ref(), block, "health");
        if let Some(ai) = &policy.ai {
            self.ai.take(ai, block);
        }
    }

    /// The same, with what is inherited for fields that are not set.
    pub(crate) fn inheriting(mut self, inherited: &Inherited<'a>) -> Self {
        for block in inherited.narrow().iter().chain(inherited.wide()) {
            self.take(block);
        }
        self.inherited = inherited.clone();
        self
    }
}

impl<'a> Ai<'a> {
    fn take(&mut self, ai: &'a AiPolicy, block: &Block<'a>) {
        // An empty map is none: it does not hide that of a weaker block.
        let aliases = ai.model_aliases.as_ref().filter(|map| !map.is_empty());
        first(&mut self.model_aliases, aliases, block, "ai.modelAliases");
        let routes = ai.routes.as_ref().filter(|map| !map.is_empty());
        first(&mut self.routes, routes, block, "ai.routes");
        first(&mut self.defaults, ai.defaults.as_ref(), block, "ai.defaults");
        first(&mut self.overrides, ai.overrides.as_ref(), block, "ai.overrides");
        first(&mut self.transformations, ai.transformations.as_ref(), block, "ai.transformations");
        let last = ai.final_transformations.as_ref();
        first(&mut self.final_transformations, last, block, "ai.finalTransformations");
        first(&mut self.prompt, ai.prompt.as_ref(), block, "ai.prompt");
        first(&mut self.prompt_caching, ai.prompt_caching.as_ref(), block, "ai.promptCaching");
        first(&mut self.prompt_guard, ai.prompt_guard.as_ref(), block, "ai.promptGuard");
    }
}

/// The settings of a provider (`section`, with its own `policies`) of a backend, or of a backend that has no
/// sections, when it is reached where this is `inherited`.
pub(crate) fn effective<'a>(
    index: &Index<'a>,
    key: &ObjectKey,
    backend: &'a AgentgatewayBackend,
    section: Option<&str>,
    own: Option<(&'a BackendPolicy, String)>,
    inherited: &Inherited<'a>,
) -> Effective<'a> {
    let attached = |section: Option<&str>| index.policies.backend_settings(key, section);
    let mut blocks: Vec<Block<'a>> = Vec::new();
    blocks.extend(own.map(|(policy, path)| Block { policy, object: key.clone(), path }));
    if section.is_some() {
        blocks.extend(attached(section));
    }
    let inline = backend.spec.policies.as_ref();
    blocks.extend(inline.map(|policy| Block {
        policy,
        object: key.clone(),
        path: "spec.policies".to_owned(),
    }));
    blocks.extend_from_slice(inherited.narrow());
    blocks.extend(attached(None));
    blocks.extend_from_slice(inherited.wide());
    let mut effective = Effective { inherited: inherited.clone(), ..Effective::default() };
    for block in &blocks {
        effective.take(block);
    }
    effective
}
