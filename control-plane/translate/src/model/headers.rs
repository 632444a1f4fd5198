//! Changes of headers for one model.

use resources::{HeaderChanges, Kind, ModelHeaders, ObjectKey};

use crate::findings::Findings;
use crate::index::Index;
use crate::names;

/// The changes of headers for what a provider was made from; `None` when it is no model, or has none.
pub(crate) fn header_changes<'a>(index: &Index<'a>, source: &ObjectKey) -> Option<&'a ModelHeaders> {
    if source.kind != Kind::AgentgatewayModel {
        return None;
    }
    index.objects.model(&source.namespace, &source.name)?.spec.policies.as_ref()?.headers.as_ref()
}

/// Whether Envoy takes the changes; it would refuse the whole cluster for one it does not.
pub(super) fn check(key: &ObjectKey, headers: &ModelHeaders, findings: &mut Findings) -> bool {
    let mut usable = true;
    for (side, changes) in [("request", &headers.request), ("response", &headers.response)] {
        let Some(changes) = changes else { continue };
        for (name, value) in all(changes) {
            let path = format!("spec.policies.headers.{side}");
            if name.eq_ignore_ascii_case("host") {
                let remedy = "remove it; the model is answered with 500 until then";
                findings.not_served(key, &path, "changing the Host header", remedy);
                usable = false;
            } else if !names::is_header_name(name) || !names::is_header_value(value) {
                let message = format!("the header {name:?} or its value is malformed");
                findings.error(key, &path, message, "correct it; the model is answered with 500 until then");
                usable = false;
            }
        }
    }
    usable
}

fn all(changes: &HeaderChanges) -> impl Iterator<Item = (&str, &str)> {
    let written = changes.set.iter().flatten().chain(changes.add.iter().flatten());
    let written = written.map(|one| (one.name.as_str(), one.value.as_str()));
    written.chain(changes.remove.iter().flatten().map(|name| (name.as_str(), "")))
}
