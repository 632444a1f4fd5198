//! Tokens of Microsoft Entra: <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>.

use translate::{AzureCredential, ManagedIdentity};

use crate::fetcher::{ask, token_in};
use crate::{Error, FetchedToken, Fetcher};

/// Entra in the public cloud.
const AUTHORITY: &str = "https://login.microsoftonline.com";

/// The instance metadata service of every machine of Azure's.
const METADATA: &str = "http://169.254.169.254";

pub(crate) async fn fetch(
    fetcher: &Fetcher,
    credential: &AzureCredential,
    scope: &str,
) -> Result<FetchedToken, Error> {
    match credential {
        AzureCredential::ClientSecret { tenant, client_id, client_secret } => {
            let secret = client_secret.reveal_text().unwrap_or_default();
            with_proof(fetcher, tenant, client_id, &[("client_secret", secret)], scope).await
        }
        AzureCredential::WorkloadIdentity => with_workload_identity(fetcher, scope).await,
        AzureCredential::ManagedIdentity(identity) => with_managed_identity(fetcher, identity, scope).await,
        AzureCredential::Default => {
            let environment = fetcher.environment();
            let get = |name| environment.get(name);
            let id = get("AZURE_CLIENT_ID");
            match (get("AZURE_TENANT_ID"), id, get("AZURE_CLIENT_SECRET")) {
                (Some(tenant), Some(id), Some(secret)) => {
                    with_proof(fetcher, tenant, id, &[("client_secret", secret)], scope).await
                }
                _ if get("AZURE_FEDERATED_TOKEN_FILE").is_some() => {
                    with_workload_identity(fetcher, scope).await
                }
                _ => {
                    let identity =
                        id.map_or(ManagedIdentity::System, |id| ManagedIdentity::ClientId(id.to_owned()));
                    with_managed_identity(fetcher, &identity, scope).await
                }
            }
        }
    }
}

/// The client credentials grant, with the application's proof of who it is.
async fn with_proof(
    fetcher: &Fetcher,
    tenant: &str,
    client_id: &str,
    proof: &[(&str, &str)],
    scope: &str,
) -> Result<FetchedToken, Error> {
    // The tenant becomes part of a path.
    if tenant.is_empty() || !tenant.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) {
        let reason = "is no id or domain".to_owned();
        return Err(Error::Credential { what: "the tenant of Entra".to_owned(), reason });
    }
    let authority = fetcher.environment().get("AZURE_AUTHORITY_HOST").unwrap_or(AUTHORITY);
    let url = format!("{}/{tenant}/oauth2/v2.0/token", authority.trim_end_matches('/'));
    let mut form = vec![("grant_type", "client_credentials"), ("client_id", client_id), ("scope", scope)];
    form.extend_from_slice(proof);
    let answer = ask(&url, fetcher.internet()?.post(&url).form(&form)).await?;
    token_in(&url, &answer, "access_token")
}

/// A token of the cluster is the proof: <https://azure.github.io/azure-workload-identity/docs/>.
async fn with_workload_identity(fetcher: &Fetcher, scope: &str) -> Result<FetchedToken, Error> {
    let get = |name: &str| {
        fetcher.environment().get(name).ok_or_else(|| Error::Credential {
            what: "the workload identity".to_owned(),
            reason: format!("needs the environment variable {name}, which AKS sets"),
        })
    };
    let (tenant, id, file) =
        (get("AZURE_TENANT_ID")?, get("AZURE_CLIENT_ID")?, get("AZURE_FEDERATED_TOKEN_FILE")?);
    // Read anew every time: the kubelet renews it.
    let assertion = std::fs::read_to_string(file).map_err(|error| Error::Credential {
        what: file.to_owned(),
        reason: format!("cannot be read: {error}"),
    })?;
    let proof = [
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion.trim()),
    ];
    with_proof(fetcher, tenant, id, &proof, scope).await
}

/// The machine's own service is asked; App Service and its kin have one of another form.
/// <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>
async fn with_managed_identity(
    fetcher: &Fetcher,
    identity: &ManagedIdentity,
    scope: &str,
) -> Result<FetchedToken, Error> {
    let environment = fetcher.environment();
    let resource = scope.strip_suffix("/.default").unwrap_or(scope);
    let app_service = environment.get("IDENTITY_ENDPOINT").zip(environment.get("IDENTITY_HEADER"));
    let (object_id, resource_id) =
        if app_service.is_some() { ("principal_id", "mi_res_id") } else { ("object_id", "msi_res_id") };
    let selector = match identity {
        ManagedIdentity::System => None,
        ManagedIdentity::ClientId(id) => Some(("client_id", id.as_str())),
        ManagedIdentity::ObjectId(id) => Some((object_id, id.as_str())),
        ManagedIdentity::ResourceId(id) => Some((resource_id, id.as_str())),
    };
    let client = fetcher.nearby()?;
    let (server, request) = match app_service {
        Some((endpoint, header)) => {
            let request =
                client.get(endpoint).query(&[("api-version", "2019-08-01"), ("resource", resource)]);
            (format!("the identity endpoint ({endpoint})"), request.header("x-identity-header", header))
        }
        None => {
            let host = environment.get("AZURE_POD_IDENTITY_AUTHORITY_HOST").unwrap_or(METADATA);
            let url = format!("{}/metadata/identity/oauth2/token", host.trim_end_matches('/'));
            let request = client.get(url).query(&[("api-version", "2018-02-01"), ("resource", resource)]);
            (format!("Azure's metadata service ({host})"), request.header("metadata", "true"))
        }
    };
    let answer = ask(&server, request.query(&selector.into_iter().collect::<Vec<_>>())).await?;
    token_in(&server, &answer, "access_token")
}
