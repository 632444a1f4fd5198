//! Bearer tokens of Google Cloud and Microsoft Entra as credentials.

use resources::{AzureAuth, GcpAuth, GcpTokenType, Kind, ObjectKey, SecretValue};

use super::credentials::{CredentialValue, InjectedCredential, entry};
use crate::findings::Findings;
use crate::index::Index;
use crate::names;
use crate::policy::From;
use crate::token_source::{AzureCredential, GcpCredential, GcpToken, ManagedIdentity, TokenSource};

/// Google's application default credentials.
pub(super) fn ambient_gcp(backend: &ObjectKey) -> InjectedCredential {
    let (credential, wanted) = (GcpCredential::Default, GcpToken::Access);
    let name = names::token_secret("gcp", "default", &format!("{wanted:?}"));
    bearer(name, TokenSource::Gcp { credential, wanted }, backend)
}

/// The platform's Entra identity.
pub(super) fn ambient_azure(scope: &str, backend: &ObjectKey) -> InjectedCredential {
    let source = TokenSource::Azure { credential: AzureCredential::Default, scope: scope.to_owned() };
    bearer(names::token_secret("azure", "default", scope), source, backend)
}

/// A Google token as settings ask for it; `host` is the provider's.
pub(super) fn gcp(
    index: &Index<'_>,
    from: &From<'_, GcpAuth>,
    host: &str,
    findings: &mut Findings,
) -> Option<InjectedCredential> {
    let (settings, object, path) = (from.value, &from.object, &from.path);
    let wanted = match settings.type_.unwrap_or_default() {
        GcpTokenType::AccessToken => GcpToken::Access,
        GcpTokenType::IdToken => {
            GcpToken::Id { audience: settings.audience.clone().unwrap_or_else(|| format!("https://{host}")) }
        }
    };
    let (credential, name) = match &settings.secret_ref {
        None => (GcpCredential::Default, "default".to_owned()),
        Some(reference) => {
            let path = format!("{path}.secretRef");
            let secret = secret(object, &reference.name);
            let key = reference.key.as_deref().unwrap_or(GcpAuth::CREDENTIALS);
            let text = super::credentials::text_entry(index, object, &path, &secret, key, findings)?;
            let credential = GcpCredential::from_json(&text)
                .map_err(|problem| {
                    let message = format!("entry `{key}` of {secret} {problem}");
                    findings.error(object, &path, message, "store the credentials file as Google made it");
                })
                .ok()?;
            if credential.is_person() && matches!(wanted, GcpToken::Id { .. }) {
                let message = "the login of a person gives no id tokens for an audience";
                findings.error(object, &path, message, "use the key of a service account");
                return None;
            }
            if credential.reads_the_machine() {
                let message = format!(
                    "entry `{key}` of {secret} is an external account, for which files or servers of Weir's own \
                     machine would be read"
                );
                let remedy = "name its file with GOOGLE_APPLICATION_CREDENTIALS and leave out secretRef";
                findings.error(object, &path, message, remedy);
                return None;
            }
            (credential, format!("secret/{}/{}/{key}", secret.namespace, secret.name))
        }
    };
    let name = names::token_secret("gcp", &name, &format!("{wanted:?}"));
    Some(bearer(name, TokenSource::Gcp { credential, wanted }, object))
}

/// An Entra token as settings ask for it.
pub(super) fn azure(
    index: &Index<'_>,
    from: &From<'_, AzureAuth>,
    scope: &str,
    findings: &mut Findings,
) -> Option<InjectedCredential> {
    let (settings, object, path) = (from.value, &from.object, &from.path);
    let (credential, name) = if let Some(reference) = &settings.secret_ref {
        let path = format!("{path}.secretRef");
        let secret = secret(object, &reference.name);
        let mut entry = |name| entry(index, object, &path, &secret, name, findings);
        let (tenant, client_id, client_secret) =
            (entry(AzureAuth::TENANT_ID), entry(AzureAuth::CLIENT_ID), entry(AzureAuth::CLIENT_SECRET));
        let credential = AzureCredential::ClientSecret {
            tenant: tenant?,
            client_id: client_id?,
            client_secret: SecretValue::new(client_secret?),
        };
        (credential, format!("secret/{}/{}", secret.namespace, secret.name))
    } else if let Some(identity) = &settings.managed_identity {
        let (identity, name) = match (&identity.client_id, &identity.object_id, &identity.resource_id) {
            (Some(id), ..) => (ManagedIdentity::ClientId(id.clone()), format!("client/{id}")),
            (_, Some(id), _) => (ManagedIdentity::ObjectId(id.clone()), format!("object/{id}")),
            (_, _, Some(id)) => (ManagedIdentity::ResourceId(id.clone()), format!("resource{id}")),
            (None, None, None) => (ManagedIdentity::System, "system".to_owned()),
        };
        (AzureCredential::ManagedIdentity(identity), format!("managed/{name}"))
    } else if settings.workload_identity.is_some() {
        (AzureCredential::WorkloadIdentity, "workload".to_owned())
    } else {
        (AzureCredential::Default, "default".to_owned())
    };
    let name = names::token_secret("azure", &name, scope);
    Some(bearer(name, TokenSource::Azure { credential, scope: scope.to_owned() }, object))
}

fn bearer(secret_name: String, source: TokenSource, object: &ObjectKey) -> InjectedCredential {
    InjectedCredential {
        header: "authorization".to_owned(),
        prefix: "Bearer ".to_owned(),
        secret_name,
        source: object.clone(),
        value: CredentialValue::Token(source),
    }
}

fn secret(object: &ObjectKey, name: &str) -> ObjectKey {
    ObjectKey { kind: Kind::Secret, namespace: object.namespace.clone(), name: name.to_owned() }
}
