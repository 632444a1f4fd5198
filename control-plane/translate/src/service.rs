//! Services and their endpoints.

use std::collections::BTreeMap;
use std::net::IpAddr;

use resources::k8s_openapi::api::discovery::v1::EndpointSlice;
use resources::k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use resources::{Kind, ObjectKey};

use crate::findings::Findings;
use crate::index::Index;
use crate::objects::Objects;

/// The label by which an EndpointSlice names its Service.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// EndpointSlices by namespace and name of their Service.
pub(crate) struct Endpoints<'a>(BTreeMap<(&'a str, &'a str), Vec<&'a EndpointSlice>>);

impl<'a> Endpoints<'a> {
    /// Reports slices whose addresses are of no use.
    pub(crate) fn new(objects: &'a Objects, findings: &mut Findings) -> Self {
        let mut slices: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (key, slice) in objects.endpoint_slices() {
            let service = slice.metadata.labels.as_ref().and_then(|labels| labels.get(SERVICE_LABEL));
            let Some(service) = service else { continue };
            if slice.address_type == "FQDN" {
                let remedy = "use an AgentgatewayBackend with `static` for a destination with a name";
                findings.not_served(key, "addressType", "an EndpointSlice with names", remedy);
                continue;
            }
            for (index, endpoint) in slice.endpoints.iter().enumerate() {
                for address in endpoint.addresses.iter().filter(|address| address.parse::<IpAddr>().is_err())
                {
                    let message = format!("{address:?} is not an IP address");
                    findings.error(key, &format!("endpoints[{index}].addresses"), message, "");
                }
            }
            slices.entry((key.namespace.as_str(), service.as_str())).or_default().push(slice);
        }
        Self(slices)
    }

    /// The ready addresses behind a Service port, in a stable order.
    pub(crate) fn behind(
        &self,
        objects: &Objects,
        namespace: &str,
        name: &str,
        port: u16,
    ) -> Vec<(String, u16)> {
        let service_port = objects.service(namespace, name).and_then(|service| {
            service.spec.as_ref()?.ports.as_ref()?.iter().find(|known| known.port == i32::from(port))
        });
        let Some(service_port) = service_port else { return Vec::new() };
        // For slices that list no ports.
        let by_number = match &service_port.target_port {
            Some(IntOrString::Int(number)) => Some(*number),
            Some(IntOrString::String(_)) => None,
            None => Some(service_port.port),
        };
        let mut found = Vec::new();
        for slice in self.0.get(&(namespace, name)).into_iter().flatten() {
            let ports = slice.ports.as_deref().unwrap_or_default();
            // A slice names its ports as the Service does; an unnamed port stands for the only one.
            let number = match ports {
                [] => by_number,
                ports => ports
                    .iter()
                    .find(|candidate| {
                        candidate.name.as_deref().unwrap_or_default()
                            == service_port.name.as_deref().unwrap_or_default()
                    })
                    .and_then(|candidate| candidate.port),
            };
            let Some(number) = number.and_then(|number| u16::try_from(number).ok()) else { continue };
            for endpoint in &slice.endpoints {
                if endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true) {
                    let usable =
                        endpoint.addresses.iter().filter(|address| address.parse::<IpAddr>().is_ok());
                    found.extend(usable.map(|address| (address.clone(), number)));
                }
            }
        }
        found.sort();
        found.dedup();
        found
    }
}

/// Checks that a Service may be used: it exists, has the port and is not closed. Reports it at `path` of
/// `from` otherwise.
pub(crate) fn find(
    index: &Index<'_>,
    from: &ObjectKey,
    path: &str,
    namespace: &str,
    name: &str,
    port: u16,
    findings: &mut Findings,
) -> Option<()> {
    let key = ObjectKey { kind: Kind::Service, namespace: namespace.to_owned(), name: name.to_owned() };
    let Some(service) = index.objects.service(namespace, name) else {
        let absence = index.objects.absence(&key);
        findings.error(from, path, absence.message, absence.remedy);
        return None;
    };
    if index.closed.whole(&key) || index.closed.section(&key, &port.to_string()) {
        // The policy that closes it says so.
        return None;
    }
    if service.spec.as_ref().and_then(|spec| spec.type_.as_deref()) == Some("ExternalName") {
        let remedy = "use an AgentgatewayBackend with `static`";
        findings.not_served(from, path, "a Service of type ExternalName", remedy);
        return None;
    }
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_ref());
    if ports.into_iter().flatten().any(|known| known.port == i32::from(port)) {
        return Some(());
    }
    let known: Vec<_> = ports.into_iter().flatten().map(|known| known.port.to_string()).collect();
    findings.error(from, path, format!("{key} has no port {port}"), &format!("it has: {}", known.join(", ")));
    None
}
