//! Settings for backends from policies on the way to them: of the Gateway, the listener, the route and the rule a request
//! comes through.

use std::collections::BTreeSet;

use resources::ObjectKey;

use super::Policies;
use super::effective::Block;

/// Where requests come through on their way to a backend.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'s> {
    pub(crate) gateway: &'s ObjectKey,
    /// The listener, where policies for it say anything.
    pub(crate) listener: Option<&'s str>,
    /// The HTTPRoute, and the name of its rule.
    pub(crate) route: Option<(&'s ObjectKey, Option<&'s str>)>,
}

/// What backends inherit from a scope; nothing by default.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inherited<'a> {
    /// From the rule and the route, the strongest first. They beat what is attached to a backend.
    narrow: Vec<Block<'a>>,
    /// From the listener and the Gateway, the strongest first. What is attached to a backend beats them.
    wide: Vec<Block<'a>>,
    /// The policies, in order. It tells one scope from another where that makes a difference.
    name: String,
}

impl<'a> Inherited<'a> {
    fn new(narrow: Vec<Block<'a>>, wide: Vec<Block<'a>>) -> Self {
        let blocks = narrow.iter().chain(&wide);
        let name = blocks.map(|block| format!("+{}/{}", block.object.namespace, block.object.name)).collect();
        Self { narrow, wide, name }
    }

    /// A name for what is inherited, empty for nothing: `+` and the name of each policy, which says nothing of what is in
    /// it. Policies for routes are never ones for Gateways, so the names in their order say all.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What comes from the rule and the route, the strongest first.
    pub(super) fn narrow(&self) -> &[Block<'a>] {
        &self.narrow
    }

    /// What comes from the listener and the Gateway, the strongest first.
    pub(super) fn wide(&self) -> &[Block<'a>] {
        &self.wide
    }

    /// Whether settings of this object are inherited.
    pub(crate) fn is_from(&self, object: &ObjectKey) -> bool {
        self.narrow.iter().chain(&self.wide).any(|block| block.object == *object)
    }

    /// What is left for a destination that is no LLM provider: policies that say how to connect.
    pub(crate) fn for_connections(&self) -> Self {
        let connects = |block: &&Block<'a>| {
            let policy = block.policy;
            policy.tls.is_some() || policy.tcp.is_some() || policy.http.is_some()
        };
        let only = |blocks: &[Block<'a>]| blocks.iter().filter(connects).cloned().collect();
        Self::new(only(&self.narrow), only(&self.wide))
    }
}

impl<'a> Policies<'a> {
    /// What backends inherit from a scope.
    pub(crate) fn inherited(&self, scope: Scope<'_>) -> Inherited<'a> {
        let mut seen = BTreeSet::new();
        // A policy that targets a rule and its route counts where it is stronger.
        let mut of = |target: &ObjectKey, section: Option<&str>| -> Vec<Block<'a>> {
            let blocks = self.backend_settings(target, section);
            blocks.into_iter().filter(|block| seen.insert(block.object.clone())).collect()
        };
        let mut narrow = Vec::new();
        if let Some((route, rule)) = scope.route {
            narrow.extend(rule.map(|rule| of(route, Some(rule))).unwrap_or_default());
            narrow.extend(of(route, None));
        }
        let mut wide = scope.listener.map(|name| of(scope.gateway, Some(name))).unwrap_or_default();
        wide.extend(of(scope.gateway, None));
        Inherited::new(narrow, wide)
    }
}
