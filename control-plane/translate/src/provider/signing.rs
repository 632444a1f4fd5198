//! AWS request signing.

use resources::{AwsAuth, Kind, ObjectKey, SecretRef};

use super::preset::SigningScope;
use crate::findings::Findings;
use crate::index::Index;
use crate::names;
use crate::policy::From;

/// How Envoy signs every request to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signing {
    /// Service the signature is for, such as `bedrock`.
    pub(crate) service: String,
    /// Region the signature is for.
    pub(crate) region: String,
    pub(crate) keys: AwsKeys,
}

/// Where the keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AwsKeys {
    /// The environment of Envoy: variables, files, web identity, container, instance.
    Environment,
    /// A Secret.
    Fixed(AccessKey),
    /// A role that is assumed with the keys of the environment.
    Role { arn: String, session_name: Option<String> },
}

/// An access key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AccessKey {
    /// Name by which an Envoy without a control plane asks for it.
    pub(crate) secret_name: String,
    /// The Secret it is from.
    pub(crate) source: ObjectKey,
    pub(crate) id: String,
    /// The secret; never printed.
    pub(crate) secret: String,
    /// Of temporary credentials; never printed.
    pub(crate) session_token: Option<String>,
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKey").field("secret_name", &self.secret_name).finish_non_exhaustive()
    }
}

impl Signing {
    /// Signatures with the keys of the environment.
    pub(super) fn ambient(scope: &SigningScope) -> Self {
        let SigningScope { service, region } = scope.clone();
        Self { service, region, keys: AwsKeys::Environment }
    }
}

/// Signatures as settings ask for them. `None` when something they need is missing, which has then been reported.
pub(super) fn signing(
    index: &Index<'_>,
    from: &From<'_, AwsAuth>,
    scope: Option<&SigningScope>,
    findings: &mut Findings,
) -> Option<Signing> {
    let (settings, object, path) = (from.value, &from.object, &from.path);
    let service = settings.service_name.clone().or_else(|| scope.map(|scope| scope.service.clone()));
    let region = settings.region.clone().or_else(|| scope.map(|scope| scope.region.clone()));
    let (Some(service), Some(region)) = (service, region) else {
        let message = "nothing says for which service and region of AWS requests are to be signed";
        findings.error(object, path, message, "add serviceName and region");
        return None;
    };
    let keys = if let Some(reference) = &settings.secret_ref {
        AwsKeys::Fixed(access_key(index, object, &format!("{path}.secretRef"), reference, findings)?)
    } else if let Some(role) = &settings.assume_role {
        // Validation refuses what depends on the request.
        AwsKeys::Role { arn: role.role_arn.clone(), session_name: role.session_name.clone() }
    } else {
        AwsKeys::Environment
    };
    Some(Signing { service, region, keys })
}

fn access_key(
    index: &Index<'_>,
    object: &ObjectKey,
    path: &str,
    reference: &SecretRef,
    findings: &mut Findings,
) -> Option<AccessKey> {
    let source =
        ObjectKey { kind: Kind::Secret, namespace: object.namespace.clone(), name: reference.name.clone() };
    let mut entry = |name| super::credentials::entry(index, object, path, &source, name, findings);
    let (id, secret) = (entry(AwsAuth::ACCESS_KEY), entry(AwsAuth::SECRET_KEY));
    let has_token = index
        .objects
        .secret(&source.namespace, &source.name)
        .is_some_and(|secret| secret.data.contains_key(AwsAuth::SESSION_TOKEN));
    let session_token = if has_token { Some(entry(AwsAuth::SESSION_TOKEN)?) } else { None };
    Some(AccessKey {
        secret_name: names::aws_secret(&source.namespace, &source.name),
        id: id?,
        secret: secret?,
        session_token,
        source,
    })
}
