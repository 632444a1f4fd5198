//! What is looked up often, found once.

use std::collections::BTreeMap;
use std::sync::Arc;

use resources::ObjectKey;

use crate::backend::{self, Backend};
use crate::findings::Findings;
use crate::objects::Objects;
use crate::policy::{Closed, Policies};
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

/// All AgentgatewayBackends, resolved; `None` for those without a usable provider. Those no route leads to
/// are among them, so that what is wrong with them is known before one does.
pub(crate) type Backends = BTreeMap<ObjectKey, Option<Arc<Backend>>>;

/// Resolves all AgentgatewayBackends.
pub(crate) fn resolve_backends(index: &Index<'_>, findings: &mut Findings) -> Backends {
    index
        .objects
        .backends()
        .map(|(key, object)| (key.clone(), backend::resolve(index, key, object, findings).map(Arc::new)))
        .collect()
}
