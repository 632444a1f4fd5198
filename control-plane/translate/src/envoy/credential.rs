//! Credentials in requests to a provider: headers from secrets, and signatures for AWS.

use envoy_proto::envoy::config::core::v3::{
    DataSource, ExtensionConfigSource, TypedExtensionConfig, data_source,
};
use envoy_proto::envoy::extensions::common::aws::v3::{
    AssumeRoleCredentialProvider, AwsCredentialProvider, CredentialsFileCredentialProvider,
    InlineCredentialProvider,
};
use envoy_proto::envoy::extensions::filters::http::aws_request_signing::v3::AwsRequestSigning;
use envoy_proto::envoy::extensions::filters::http::credential_injector::v3::CredentialInjector;
use envoy_proto::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpFilter, http_filter,
};
use envoy_proto::envoy::extensions::http::injected_credentials::generic::v3::Generic;
use envoy_proto::envoy::extensions::transport_sockets::tls::v3::{
    GenericSecret, SdsSecretConfig, Secret, secret,
};
use envoy_proto::envoy::r#type::matcher::v3::{StringMatcher, string_matcher};
use envoy_proto::pack;
use envoy_proto::prost_types::Any;

use super::{ads, text};
use crate::names;
use crate::output::{ResourceKind, Translation};
use crate::provider::{AccessKey, AwsKeys, CredentialValue, InjectedCredential, Provider, Signing};
use crate::settings::{Delivery, Settings};
use crate::token_source::Token;

/// The secret, as Envoy takes it over discovery, that holds a fetched token: `name` is its key in
/// [`Translation::tokens`].
pub fn token_secret(name: &str, token: &str) -> Any {
    pack(&generic_secret(name, text(token)))
}

/// Adds the filters that inject credentials, and the secrets with them.
pub(super) fn inject(
    settings: &Settings,
    provider: &Provider,
    http_filters: &mut Vec<HttpFilter>,
    out: &mut Translation,
) {
    for (index, credential) in provider.credentials.iter().enumerate() {
        http_filters.push(credential_injector(settings, index, credential));
        let name = &credential.secret_name;
        let value = match (settings.delivery, &credential.value) {
            (Delivery::Discovery, CredentialValue::Text(value)) => text(value),
            (Delivery::Discovery, CredentialValue::Token(source)) => {
                let token = Token { source: source.clone(), object: credential.source.clone() };
                out.tokens.insert(name.clone(), token);
                continue;
            }
            (Delivery::Static, _) => environment(name),
        };
        out.add(ResourceKind::Secret, name, pack(&generic_secret(name, value)), &credential.source);
    }
}

fn generic_secret(name: &str, value: DataSource) -> Secret {
    Secret {
        name: name.to_owned(),
        r#type: Some(secret::Type::GenericSecret(GenericSecret {
            secret: Some(value),
            ..GenericSecret::default()
        })),
    }
}

/// Envoy's filter that adds a credential from a secret. It overwrites: the headers of an earlier attempt
/// at another provider may still be there.
fn credential_injector(settings: &Settings, index: usize, credential: &InjectedCredential) -> HttpFilter {
    let generic = Generic {
        credential: Some(secret_reference(settings, &credential.secret_name)),
        header: credential.header.clone(),
        header_value_prefix: credential.prefix.clone(),
    };
    let injector = CredentialInjector {
        overwrite: true,
        allow_request_without_credential: false,
        credential: Some(TypedExtensionConfig {
            name: "envoy.http.injected_credentials.generic".to_owned(),
            typed_config: Some(pack(&generic)),
        }),
    };
    HttpFilter {
        name: format!("weir/credential/{index}"),
        config_type: Some(http_filter::ConfigType::TypedConfig(pack(&injector))),
        ..HttpFilter::default()
    }
}

/// Adds Envoy's filter that signs requests for AWS. It must come last: it signs the body as the filters before it
/// leave it.
pub(super) fn sign(
    settings: &Settings,
    provider: &Provider,
    http_filters: &mut Vec<HttpFilter>,
    out: &mut Translation,
) {
    let Some(signing) = &provider.signing else { return };
    let name = names::signing_filter(&provider.cluster);
    let config = pack(&request_signing(settings, signing));
    let config_type = match (&signing.keys, settings.delivery) {
        // A configuration with a key in it is a resource of its own: the key can change without a new cluster, and
        // Envoy keeps it out of its dumps there.
        (AwsKeys::Fixed(key), Delivery::Discovery) => {
            let type_urls = vec![config.type_url.clone()];
            let extension = TypedExtensionConfig { name: name.clone(), typed_config: Some(config) };
            out.add(ResourceKind::Extension, &name, pack(&extension), &key.source);
            http_filter::ConfigType::ConfigDiscovery(ExtensionConfigSource {
                config_source: Some(ads()),
                type_urls,
                ..ExtensionConfigSource::default()
            })
        }
        (AwsKeys::Fixed(key), Delivery::Static) => {
            out.variables.insert(names::environment_variable(&key.secret_name), key.secret_name.clone());
            http_filter::ConfigType::TypedConfig(config)
        }
        (AwsKeys::Environment | AwsKeys::Role { .. }, _) => http_filter::ConfigType::TypedConfig(config),
    };
    http_filters.push(HttpFilter { name, config_type: Some(config_type), ..HttpFilter::default() });
}

fn request_signing(settings: &Settings, signing: &Signing) -> AwsRequestSigning {
    let credential_provider = match &signing.keys {
        AwsKeys::Environment => None,
        AwsKeys::Fixed(key) => Some(fixed(settings, key)),
        AwsKeys::Role { arn, session_name } => Some(AwsCredentialProvider {
            assume_role_credential_provider: Some(Box::new(AssumeRoleCredentialProvider {
                role_arn: arn.clone(),
                role_session_name: session_name.clone().unwrap_or_default(),
                ..AssumeRoleCredentialProvider::default()
            })),
            ..only_these()
        }),
    };
    let matcher = |pattern| StringMatcher { match_pattern: Some(pattern), ..StringMatcher::default() };
    AwsRequestSigning {
        service_name: signing.service.clone(),
        region: signing.region.clone(),
        // Headers of tracing and of earlier attempts are not signed: what stands behind the filter may change them.
        match_included_headers: vec![
            matcher(string_matcher::MatchPattern::Exact("content-type".to_owned())),
            matcher(string_matcher::MatchPattern::Prefix("x-amz-".to_owned())),
        ],
        credential_provider,
        ..AwsRequestSigning::default()
    }
}

/// Without this Envoy would first look for keys in the whole environment, and use those.
fn only_these() -> AwsCredentialProvider {
    AwsCredentialProvider { custom_credential_provider_chain: true, ..AwsCredentialProvider::default() }
}

fn fixed(settings: &Settings, key: &AccessKey) -> AwsCredentialProvider {
    match settings.delivery {
        Delivery::Discovery => AwsCredentialProvider {
            inline_credential: Some(InlineCredentialProvider {
                access_key_id: key.id.clone(),
                secret_access_key: key.secret.clone(),
                session_token: key.session_token.clone().unwrap_or_default(),
            }),
            ..AwsCredentialProvider::default()
        },
        Delivery::Static => AwsCredentialProvider {
            credentials_file_provider: Some(CredentialsFileCredentialProvider {
                credentials_data_source: Some(environment(&key.secret_name)),
                profile: "default".to_owned(),
            }),
            ..only_these()
        },
    }
}

pub(super) fn secret_reference(settings: &Settings, name: &str) -> SdsSecretConfig {
    // Without a source, the name is that of a static secret.
    SdsSecretConfig {
        name: name.to_owned(),
        sds_config: (settings.delivery == Delivery::Discovery).then(ads),
    }
}

pub(super) fn environment(secret_name: &str) -> DataSource {
    DataSource {
        specifier: Some(data_source::Specifier::EnvironmentVariable(names::environment_variable(
            secret_name,
        ))),
        ..DataSource::default()
    }
}
