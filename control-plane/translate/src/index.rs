//! What is looked up often, found once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use resources::{AgentgatewayBackend, ObjectKey};

use crate::backend::{self, Backend};
use crate::findings::Findings;
use crate::objects::Objects;
use crate::policy::{Closed, Inherited, Policies};
use crate::service::Endpoints;

/// The objects of one translation, with ways through them.
pub(crate) struct Index<'a> {
    pub(crate) objects: &'a Objects,
    pub(crate) policies: Policies<'a>,
    /// What must not be served because a policy for it is not in force.
    pub(crate) closed: Closed,
    pub(crate) endpoints: Endpoints<'a>,
}

impl<'a> Index<'a> {
    /// Reports, on the way, what is wrong with policies and EndpointSlices.
    pub(crate) fn new(objects: &'a Objects, findings: &mut Findings) -> Self {
        Self {
            objects,
            policies: Policies::new(objects, findings),
            closed: Closed::new(objects, findings),
            endpoints: Endpoints::new(objects, findings),
        }
    }
}

/// What objects come to where this or that is inherited, each resolved once.
#[derive(Debug)]
pub(crate) struct Resolved<T>(RefCell<BTreeMap<ObjectKey, BTreeMap<String, T>>>);

impl<T> Default for Resolved<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T: Clone> Resolved<T> {
    /// What an object comes to; `resolve` says it the first time.
    pub(crate) fn get(&self, key: &ObjectKey, inherited: &Inherited<'_>, resolve: impl FnOnce() -> T) -> T {
        let known = self.0.borrow().get(key).and_then(|all| all.get(inherited.name()).cloned());
        known.unwrap_or_else(|| {
            let new = resolve();
            let mut all = self.0.borrow_mut();
            all.entry(key.clone()).or_default().insert(inherited.name().to_owned(), new.clone());
            new
        })
    }

    /// Whether an object has been asked for.
    pub(crate) fn is_reached(&self, key: &ObjectKey) -> bool {
        self.0.borrow().contains_key(key)
    }
}

/// The AgentgatewayBackends that routes lead to, resolved; `None` for those without a usable provider.
pub(crate) type Backends = Resolved<Option<Arc<Backend>>>;

impl Backends {
    /// A backend where this is inherited. What is wrong with it is reported the first time.
    pub(crate) fn backend(
        &self,
        index: &Index<'_>,
        key: &ObjectKey,
        object: &AgentgatewayBackend,
        inherited: &Inherited<'_>,
        findings: &mut Findings,
    ) -> Option<Arc<Backend>> {
        self.get(key, inherited, || backend::resolve(index, key, object, inherited, findings).map(Arc::new))
    }

    /// Reports what is wrong with those no route leads to, so that it is known before one does.
    pub(crate) fn report_unreached(&self, index: &Index<'_>, findings: &mut Findings) {
        for (key, object) in index.objects.backends().filter(|(key, _)| !self.is_reached(key)) {
            backend::resolve(index, key, object, &Inherited::default(), findings);
        }
    }
}
