//! Tokens of Google Cloud: <https://cloud.google.com/docs/authentication/application-default-credentials>.

use std::path::PathBuf;

use reqwest::RequestBuilder;
use serde_json::json;
use translate::{GcpCredential, GcpToken};

use crate::environment::Environment;
use crate::fetcher::{ask, checked, lifetime_of, now, token_in};
use crate::{Error, FetchedToken, Fetcher, assertion, external};

/// The scope of access tokens: everything the account may do.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Where the metadata server is on every machine of Google's.
const METADATA_HOST: &str = "metadata.google.internal";

/// Life of an assertion, in seconds: the longest Google takes.
const ASSERTION_LIFE: u64 = 3600;

pub(crate) async fn fetch(
    fetcher: &Fetcher,
    credential: &GcpCredential,
    wanted: &GcpToken,
) -> Result<FetchedToken, Error> {
    match credential {
        GcpCredential::Default => match file(fetcher.environment())? {
            Some(credential) => with_credential(fetcher, &credential, wanted).await,
            None => from_metadata(fetcher, wanted).await,
        },
        fixed => with_credential(fetcher, fixed, wanted).await,
    }
}

/// The credentials file the environment leads to.
fn file(environment: &Environment) -> Result<Option<GcpCredential>, Error> {
    let named = environment.get("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from);
    let folder = match (environment.get("CLOUDSDK_CONFIG"), environment.get("HOME")) {
        (Some(folder), _) => Some(PathBuf::from(folder)),
        (None, Some(home)) => Some(PathBuf::from(home).join(".config/gcloud")),
        (None, None) => None,
    };
    let usual = folder.map(|folder| folder.join("application_default_credentials.json"));
    let must_exist = named.is_some();
    let Some(path) = named.or(usual) else { return Ok(None) };
    let problem = |reason: String| Error::Credential { what: path.display().to_string(), reason };
    match std::fs::read_to_string(&path) {
        Ok(text) => GcpCredential::from_json(&text).map(Some).map_err(problem),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => Ok(None),
        Err(error) => Err(problem(format!("cannot be read: {error}"))),
    }
}

async fn with_credential(
    fetcher: &Fetcher,
    credential: &GcpCredential,
    wanted: &GcpToken,
) -> Result<FetchedToken, Error> {
    match credential {
        GcpCredential::ServiceAccountKey { email, key_id, private_key, token_uri } => {
            let issued = now();
            let mut claims =
                json!({ "iss": email, "aud": token_uri, "iat": issued, "exp": issued + ASSERTION_LIFE });
            if let Some(claims) = claims.as_object_mut() {
                let (name, value) = match wanted {
                    GcpToken::Access => ("scope", SCOPE),
                    GcpToken::Id { audience } => ("target_audience", audience.as_str()),
                };
                claims.insert(name.to_owned(), value.into());
            }
            let key = private_key.reveal_text().unwrap_or_default();
            let assertion = assertion::sign(&claims, key, key_id.as_deref()).map_err(|reason| {
                Error::Credential { what: format!("the private key of {email}"), reason: reason.to_owned() }
            })?;
            let form = [
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                ("assertion", assertion.as_str()),
            ];
            let answer = ask(token_uri, fetcher.internet()?.post(token_uri).form(&form)).await?;
            let field = match wanted {
                GcpToken::Access => "access_token",
                GcpToken::Id { .. } => "id_token",
            };
            token_in(token_uri, &answer, field)
        }
        GcpCredential::AuthorizedUser { client_id, client_secret, refresh_token, token_uri } => {
            if matches!(wanted, GcpToken::Id { .. }) {
                let reason =
                    "gives no id tokens for an audience; use the key of a service account".to_owned();
                return Err(Error::Credential { what: "the login of a person".to_owned(), reason });
            }
            let form = [
                ("grant_type", "refresh_token"),
                ("client_id", client_id),
                ("client_secret", client_secret.reveal_text().unwrap_or_default()),
                ("refresh_token", refresh_token.reveal_text().unwrap_or_default()),
            ];
            let answer = ask(token_uri, fetcher.internet()?.post(token_uri).form(&form)).await?;
            token_in(token_uri, &answer, "access_token")
        }
        GcpCredential::ExternalAccount { audience, subject_token_type, token_uri, subject } => {
            if matches!(wanted, GcpToken::Id { .. }) {
                let reason = "gives no id tokens; add `service_account_impersonation_url`".to_owned();
                return Err(Error::Credential { what: "the external account".to_owned(), reason });
            }
            external::exchange(fetcher, (audience, subject_token_type), token_uri, subject, SCOPE).await
        }
        GcpCredential::Impersonated { url, delegates, source } => {
            let proof = Box::pin(with_credential(fetcher, source, &GcpToken::Access)).await?;
            impersonate(fetcher, url, delegates, &proof, wanted).await
        }
        // A file never leads to the default again.
        GcpCredential::Default => from_metadata(fetcher, wanted).await,
    }
}

/// A token of a service account, made for one who may act for it:
/// <https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts>.
async fn impersonate(
    fetcher: &Fetcher,
    url: &str,
    delegates: &[String],
    proof: &FetchedToken,
    wanted: &GcpToken,
) -> Result<FetchedToken, Error> {
    let lifetime = format!("{ASSERTION_LIFE}s");
    let (url, field, body) = match wanted {
        GcpToken::Access => {
            let body = json!({ "scope": [SCOPE], "delegates": delegates, "lifetime": lifetime });
            (url.to_owned(), "accessToken", body)
        }
        GcpToken::Id { audience } => {
            let body = json!({ "audience": audience, "delegates": delegates, "includeEmail": true });
            (url.replace(":generateAccessToken", ":generateIdToken"), "token", body)
        }
    };
    let request = fetcher.internet()?.post(&url).bearer_auth(proof.token.reveal_text().unwrap_or_default());
    let request = request.header("content-type", "application/json").body(body.to_string());
    token_in(&url, &ask(&url, request).await?, field)
}

/// Asks the metadata server: <https://cloud.google.com/compute/docs/access/authenticate-workloads>.
async fn from_metadata(fetcher: &Fetcher, wanted: &GcpToken) -> Result<FetchedToken, Error> {
    let host = fetcher.environment().get("GCE_METADATA_HOST").unwrap_or(METADATA_HOST);
    let server = format!("Google's metadata server ({host})");
    let base = format!("http://{host}/computeMetadata/v1/instance/service-accounts/default");
    let get = |path: &str, query: &[(&str, &str)]| -> Result<RequestBuilder, Error> {
        let request = fetcher.nearby()?.get(format!("{base}/{path}")).query(query);
        Ok(request.header("metadata-flavor", "Google"))
    };
    match wanted {
        GcpToken::Access => {
            let answer = ask(&server, get("token", &[("scopes", SCOPE)])?).await?;
            token_in(&server, &answer, "access_token")
        }
        GcpToken::Id { audience } => {
            let token = ask(&server, get("identity", &[("audience", audience), ("format", "full")])?).await?;
            checked(&server, &token, lifetime_of(token.trim()))
        }
    }
}
