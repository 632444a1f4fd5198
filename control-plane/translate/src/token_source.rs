//! Tokens that somebody has to fetch: a description of how, for the caller of the translation.

use std::collections::BTreeMap;

use resources::{ObjectKey, SecretValue};
use serde_json::Value;

/// A token some provider needs. It is to be served to Envoy as a generic secret ([`crate::token_secret`]) and renewed
/// before it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Where it comes from.
    pub source: TokenSource,
    /// The object that asks for it.
    pub object: ObjectKey,
}

/// Where a token comes from. Secrets in it are hidden from `Debug`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// Google Cloud.
    Gcp {
        /// What is proven to Google.
        credential: GcpCredential,
        /// What is asked for.
        wanted: GcpToken,
    },
    /// Microsoft Entra.
    Azure {
        /// What is proven to Entra.
        credential: AzureCredential,
        /// What the token is for: `https://cognitiveservices.azure.com/.default`.
        scope: String,
    },
}

/// What is proven to Google.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GcpCredential {
    /// Application default credentials: the file that `GOOGLE_APPLICATION_CREDENTIALS` names, that of `gcloud`, or the
    /// metadata server.
    Default,
    /// A key of a service account.
    ServiceAccountKey {
        /// `client_email`: the account.
        email: String,
        /// `private_key_id`, which tells Google which of the account's keys it is.
        key_id: Option<String>,
        /// `private_key`: an RSA key in PEM (PKCS #8).
        private_key: SecretValue,
        /// `token_uri`: where the token is fetched.
        token_uri: String,
    },
    /// What `gcloud auth application-default login` stores for a person.
    AuthorizedUser {
        /// `client_id` of gcloud.
        client_id: String,
        /// `client_secret` of gcloud.
        client_secret: SecretValue,
        /// `refresh_token` of the person.
        refresh_token: SecretValue,
        /// `token_uri`: where the token is fetched.
        token_uri: String,
    },
}

/// A kind of Google token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GcpToken {
    /// An access token with the scope `https://www.googleapis.com/auth/cloud-platform`.
    Access,
    /// An id token.
    Id {
        /// `aud` of the token.
        audience: String,
    },
}

/// What is proven to Entra.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AzureCredential {
    /// What the platform has: a client secret in the environment, a workload identity, or a managed identity.
    Default,
    /// A service principal with a secret.
    ClientSecret {
        /// The tenant.
        tenant: String,
        /// The application.
        client_id: String,
        /// Its secret.
        client_secret: SecretValue,
    },
    /// The identity of the machine.
    ManagedIdentity(ManagedIdentity),
    /// The identity of the pod, by the variables and the token file that AKS gives it.
    WorkloadIdentity,
}

/// Which identity of the machine is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManagedIdentity {
    /// The one the system assigned.
    System,
    /// By client id.
    ClientId(String),
    /// By object id.
    ObjectId(String),
    /// By resource id.
    ResourceId(String),
}

/// Google's token endpoint, where a credentials file names none.
const GOOGLE_TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

impl GcpCredential {
    /// Reads a credentials file: a service account's key or a person's login.
    ///
    /// # Errors
    /// What is wrong with it, in words that quote nothing of it but the names of fields.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let fields: BTreeMap<String, Value> =
            serde_json::from_str(text).map_err(|_| "is not a JSON object".to_owned())?;
        let optional = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let field = |name: &str| {
            optional(name).map(str::to_owned).ok_or_else(|| format!("has no text in its field `{name}`"))
        };
        let token_uri = optional("token_uri").unwrap_or(GOOGLE_TOKEN_URI).to_owned();
        if !token_uri.starts_with("https://") && !is_loopback(&token_uri) {
            return Err("has a `token_uri` that is not https".to_owned());
        }
        match optional("type") {
            Some("service_account") => Ok(Self::ServiceAccountKey {
                email: field("client_email")?,
                key_id: optional("private_key_id").map(str::to_owned),
                private_key: SecretValue::new(field("private_key")?),
                token_uri,
            }),
            Some("authorized_user") => Ok(Self::AuthorizedUser {
                client_id: field("client_id")?,
                client_secret: SecretValue::new(field("client_secret")?),
                refresh_token: SecretValue::new(field("refresh_token")?),
                token_uri,
            }),
            Some(
                "external_account" | "impersonated_service_account" | "external_account_authorized_user",
            ) => Err("is of a type this version of Weir does not support; use service_account or \
                     authorized_user"
                .to_owned()),
            _ => Err("has no `type` that is service_account or authorized_user".to_owned()),
        }
    }
}

/// Token servers on the same machine, for tests, need no TLS.
fn is_loopback(uri: &str) -> bool {
    ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"].iter().any(|start| uri.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_files_are_read_without_showing_what_is_in_them() {
        let key =
            r#"{"type":"service_account","client_email":"a@b","private_key":"hunter2","private_key_id":"k"}"#;
        let credential = GcpCredential::from_json(key).unwrap();
        let GcpCredential::ServiceAccountKey { email, token_uri, .. } = &credential else { panic!() };
        assert_eq!((email.as_str(), token_uri.as_str()), ("a@b", GOOGLE_TOKEN_URI));
        assert!(!format!("{credential:?}").contains("hunter2"));
        let user = r#"{"type":"authorized_user","client_id":"i","client_secret":"hunter2","refresh_token":"hunter2"}"#;
        assert!(!format!("{:?}", GcpCredential::from_json(user).unwrap()).contains("hunter2"));
        for (text, words) in [
            ("hunter2", "not a JSON object"),
            ("{}", "no `type`"),
            (r#"{"type":"hunter2"}"#, "no `type`"),
            (r#"{"type":"external_account"}"#, "does not support"),
            (r#"{"type":"service_account","client_email":"a"}"#, "`private_key`"),
            (
                r#"{"type":"service_account","client_email":"a","private_key":"k","token_uri":"http://x"}"#,
                "https",
            ),
        ] {
            let error = GcpCredential::from_json(text).unwrap_err();
            assert!(error.contains(words) && !error.contains("hunter2"), "{error}");
        }
    }
}
