//! TLS to a destination.

use std::net::IpAddr;

use resources::{BackendTls, CaCertificateKind, HttpVersion, Kind, ObjectKey, SkipVerify};

use crate::findings::Findings;
use crate::index::Index;
use crate::names;
use crate::policy::From;

/// TLS to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tls {
    /// Server name asked for; none for IP addresses.
    pub(crate) sni: Option<String>,
    /// Names of which the certificate must hold one; empty leaves the name unchecked.
    pub(crate) names: Vec<String>,
    /// What is trusted.
    pub(crate) trust: Trust,
    /// Protocols offered, preferred first.
    pub(crate) alpn: Vec<String>,
    /// What Weir proves its own identity with.
    pub(crate) client_certificate: Option<ClientCertificate>,
}

/// Trusted certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Those of the system.
    System,
    /// These, in PEM.
    Pem(String),
    /// Anything.
    Anything,
}

/// A client certificate, in PEM. The key is a secret and leaves only by SDS.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ClientCertificate {
    /// Name of the secret, as Envoy asks for it.
    pub(crate) secret_name: String,
    /// The Secret it is from.
    pub(crate) source: ObjectKey,
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl std::fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientCertificate").field("secret_name", &self.secret_name).finish_non_exhaustive()
    }
}

impl Tls {
    /// TLS with the system's trusted certificates. Only what the HTTP version allows is offered.
    pub(super) fn system(host: &str, version: Option<HttpVersion>) -> Self {
        let offered: &[&str] = match version {
            None => &["h2", "http/1.1"],
            Some(HttpVersion::Http1) => &["http/1.1"],
            Some(HttpVersion::Http2) => &["h2"],
        };
        Self {
            sni: host.parse::<IpAddr>().is_err().then(|| host.to_owned()),
            names: vec![host.to_owned()],
            trust: Trust::System,
            alpn: offered.iter().map(|&protocol| protocol.to_owned()).collect(),
            client_certificate: None,
        }
    }
}

/// TLS as settings ask for it. `None` when a certificate it needs is missing, which has then been reported.
pub(crate) fn tls_settings(
    index: &Index<'_>,
    from: &From<'_, BackendTls>,
    host: &str,
    version: Option<HttpVersion>,
    findings: &mut Findings,
) -> Option<Tls> {
    let (settings, object, path) = (from.value, &from.object, &from.path);
    let mut tls = Tls::system(host, version);
    if let Some(sni) = &settings.sni {
        tls.sni = Some(sni.clone());
        tls.names = vec![sni.clone()];
    }
    if let Some(names) = &settings.verify_subject_alt_names {
        tls.names.clone_from(names);
    }
    if let Some(alpn) = &settings.alpn_protocols {
        tls.alpn.clone_from(alpn);
    }
    for (place, reference) in settings.ca_certificate_refs.iter().flatten().enumerate() {
        let field = format!("{path}.caCertificateRefs[{place}]");
        let kind = match reference.kind {
            CaCertificateKind::ConfigMap => Kind::ConfigMap,
            CaCertificateKind::Secret => Kind::Secret,
        };
        let key = ObjectKey { kind, namespace: object.namespace.clone(), name: reference.name.clone() };
        tls.trust = Trust::Pem(pem(index, &key, "ca.crt", object, &field, findings)?);
    }
    for (place, reference) in settings.mtls_certificate_ref.iter().flatten().enumerate() {
        let field = format!("{path}.mtlsCertificateRef[{place}]");
        let source = ObjectKey {
            kind: Kind::Secret,
            namespace: object.namespace.clone(),
            name: reference.name.clone(),
        };
        let chain = pem(index, &source, "tls.crt", object, &field, findings)?;
        let key = pem(index, &source, "tls.key", object, &field, findings)?;
        if entry(index, &source, "ca.crt").is_some() {
            tls.trust = Trust::Pem(pem(index, &source, "ca.crt", object, &field, findings)?);
        }
        let secret_name = names::certificate_secret(&object.namespace, &reference.name);
        tls.client_certificate = Some(ClientCertificate { secret_name, source, chain, key });
    }
    match settings.insecure_skip_verify {
        Some(SkipVerify::All) => {
            tls.trust = Trust::Anything;
            tls.names.clear();
        }
        Some(SkipVerify::Hostname) => tls.names.clear(),
        None => {}
    }
    Some(tls)
}

/// An entry in PEM. Envoy would refuse a whole cluster for one that is not, so its outline is checked here.
fn pem(
    index: &Index<'_>,
    holder: &ObjectKey,
    name: &str,
    object: &ObjectKey,
    path: &str,
    findings: &mut Findings,
) -> Option<String> {
    if !index.objects.contains(holder) || index.objects.is_refused(holder) {
        let absence = index.objects.absence(holder);
        findings.error(object, path, absence.message, absence.remedy);
        return None;
    }
    let Some(text) = entry(index, holder, name) else {
        let message = format!("{holder} has no entry `{name}`, so no connection can be made");
        findings.error(object, path, message, "add it, in PEM");
        return None;
    };
    if !text.contains("-----BEGIN ") {
        let message = format!("entry `{name}` of {holder} is not in PEM, so no connection can be made");
        findings.error(object, path, message, "it must begin with -----BEGIN");
        return None;
    }
    Some(text.to_owned())
}

fn entry<'a>(index: &Index<'a>, holder: &ObjectKey, name: &str) -> Option<&'a str> {
    match holder.kind {
        Kind::ConfigMap => {
            let map = index.objects.config_map(&holder.namespace, &holder.name)?;
            map.data.as_ref()?.get(name).map(String::as_str)
        }
        _ => index.objects.secret(&holder.namespace, &holder.name)?.data.get(name)?.reveal_text(),
    }
}
