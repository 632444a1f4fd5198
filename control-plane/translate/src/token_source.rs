//! Tokens that somebody has to fetch: a description of how, for the caller of the translation.

use std::collections::BTreeMap;

use resources::{ObjectKey, SecretValue};
use serde_json::{Map, Value};

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
    /// A workload of another platform, which has a token of that (`external_account`).
    ExternalAccount {
        /// `audience`: the provider of a workload identity pool.
        audience: String,
        /// `subject_token_type`: the kind of the platform's token.
        subject_token_type: String,
        /// `token_url`: where it is exchanged.
        token_uri: String,
        /// `credential_source`: where it is found.
        subject: SubjectToken,
    },
    /// A service account that another credential may act for.
    Impersonated {
        /// `service_account_impersonation_url`: where its tokens are made; ends with `:generateAccessToken`.
        url: String,
        /// `delegates`: accounts between the two.
        delegates: Vec<String>,
        /// What proves who asks.
        source: Box<GcpCredential>,
    },
}

/// Where the token of another platform is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectToken {
    /// The place.
    pub place: SubjectPlace,
    /// The field of a JSON object that holds it; `None` when there is nothing but the token.
    pub field: Option<String>,
}

/// A place of this machine or its platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectPlace {
    /// A file, which somebody renews.
    File(String),
    /// A server.
    Url {
        /// What is asked for with GET.
        url: String,
        /// Headers to send.
        headers: BTreeMap<String, String>,
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

/// Google's endpoint for tokens of other platforms.
const GOOGLE_STS_URI: &str = "https://sts.googleapis.com/v1/token";

impl GcpCredential {
    /// Reads a credentials file: a service account's key, a person's login, or what leads from another identity to an
    /// account (<https://google.aip.dev/auth/4117>, <https://google.aip.dev/auth/4118>).
    ///
    /// # Errors
    /// What is wrong with it, in words that quote nothing of it but the names of fields.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let fields: Map<String, Value> =
            serde_json::from_str(text).map_err(|_| "is not a JSON object".to_owned())?;
        Self::from_fields(&fields)
    }

    /// Whether files or servers of the machine are read for it, which a Secret may not ask for: who writes it would get
    /// their contents.
    pub fn reads_the_machine(&self) -> bool {
        match self {
            Self::Default | Self::ExternalAccount { .. } => true,
            Self::ServiceAccountKey { .. } | Self::AuthorizedUser { .. } => false,
            Self::Impersonated { source, .. } => source.reads_the_machine(),
        }
    }

    /// Whether it is the login of a person, who gets no id tokens for an audience.
    pub fn is_person(&self) -> bool {
        matches!(self, Self::AuthorizedUser { .. })
    }

    fn from_fields(fields: &Map<String, Value>) -> Result<Self, String> {
        let optional = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let field = |name: &str| {
            optional(name).map(str::to_owned).ok_or_else(|| format!("has no text in its field `{name}`"))
        };
        let secure = |name: &str, url: &str| {
            if url.starts_with("https://") || is_loopback(url) {
                return Ok(url.to_owned());
            }
            Err(format!("has a `{name}` that is not https"))
        };
        let token_uri = secure("token_uri", optional("token_uri").unwrap_or(GOOGLE_TOKEN_URI))?;
        let impersonation = optional("service_account_impersonation_url")
            .map(|url| secure("service_account_impersonation_url", url))
            .transpose()?;
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
            Some("external_account") => {
                let account = Self::ExternalAccount {
                    audience: field("audience")?,
                    subject_token_type: field("subject_token_type")?,
                    token_uri: secure("token_url", optional("token_url").unwrap_or(GOOGLE_STS_URI))?,
                    subject: SubjectToken::from_fields(fields)?,
                };
                Ok(match impersonation {
                    Some(url) => Self::Impersonated { url, delegates: Vec::new(), source: Box::new(account) },
                    None => account,
                })
            }
            Some("impersonated_service_account") => {
                let source = fields.get("source_credentials").and_then(Value::as_object);
                let source = source.ok_or("has no object in its field `source_credentials`")?;
                let delegates = fields.get("delegates").and_then(Value::as_array).into_iter().flatten();
                Ok(Self::Impersonated {
                    url: impersonation
                        .ok_or("has no text in its field `service_account_impersonation_url`")?,
                    delegates: delegates.filter_map(Value::as_str).map(str::to_owned).collect(),
                    source: Box::new(Self::from_fields(source)?),
                })
            }
            Some("external_account_authorized_user") => {
                Err("is of a type this version of Weir does not support; use external_account".to_owned())
            }
            _ => Err("has no `type` that is service_account, authorized_user, external_account or \
                      impersonated_service_account"
                .to_owned()),
        }
    }
}

impl SubjectToken {
    fn from_fields(fields: &Map<String, Value>) -> Result<Self, String> {
        let source = fields.get("credential_source").and_then(Value::as_object);
        let source = source.ok_or("has no object in its field `credential_source`")?;
        let text = |name: &str| source.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let format = source.get("format").and_then(Value::as_object);
        let of_format = |name: &str| format?.get(name)?.as_str();
        let field = match of_format("type") {
            None | Some("text") => None,
            Some("json") => Some(
                of_format("subject_token_field_name")
                    .ok_or("has no `subject_token_field_name` for its source of format json")?
                    .to_owned(),
            ),
            Some(_) => {
                return Err("has a `credential_source` whose format is neither text nor json".to_owned());
            }
        };
        let place = match (text("file"), text("url"), text("environment_id")) {
            (Some(file), _, _) => SubjectPlace::File(file.to_owned()),
            (None, Some(url), None) => {
                let headers = source.get("headers").and_then(Value::as_object).into_iter().flatten();
                let text =
                    |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
                SubjectPlace::Url { url: url.to_owned(), headers: headers.filter_map(text).collect() }
            }
            _ => {
                return Err(
                    "has a `credential_source` this version of Weir does not support; give it a file or a \
                            url with a token"
                        .to_owned(),
                );
            }
        };
        Ok(Self { place, field })
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
        let federated = r#"{"type":"external_account","audience":"a","subject_token_type":"t","credential_source":{"file":"/f"},"service_account_impersonation_url":"https://i"}"#;
        let credential = GcpCredential::from_json(federated).unwrap();
        assert!(credential.reads_the_machine() && matches!(credential, GcpCredential::Impersonated { .. }));
        for (text, words) in [
            ("hunter2", "not a JSON object"),
            ("{}", "no `type`"),
            (r#"{"type":"hunter2"}"#, "no `type`"),
            (r#"{"type":"external_account_authorized_user"}"#, "does not support"),
            (r#"{"type":"external_account","audience":"a"}"#, "`subject_token_type`"),
            (r#"{"type":"external_account","audience":"a","subject_token_type":"t"}"#, "`credential_source`"),
            (
                r#"{"type":"external_account","audience":"a","subject_token_type":"t","credential_source":{"executable":{}}}"#,
                "does not support",
            ),
            (
                r#"{"type":"external_account","audience":"a","subject_token_type":"t","credential_source":{"file":"f"},"token_url":"http://x"}"#,
                "`token_url`",
            ),
            (r#"{"type":"impersonated_service_account"}"#, "`source_credentials`"),
            (
                r#"{"type":"impersonated_service_account","source_credentials":{"type":"hunter2"},"service_account_impersonation_url":"https://i"}"#,
                "no `type`",
            ),
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
