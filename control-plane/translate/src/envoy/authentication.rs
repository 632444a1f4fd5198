//! Envoy's own `jwt_authn`, and the claims of a good token for the filters behind it.
//!
//! One filter serves a whole listener. It knows the issuers of every policy and one requirement for each; routes name the
//! requirement that is for them, and a name that is not there is refused with 403, so that a route never gets ahead of the
//! filter. What a token claims becomes dynamic metadata, and from there filter state that filters of either build can read.

use std::collections::BTreeMap;
use std::sync::Arc;

use envoy_proto::envoy::config::core::v3::{
    DataSource, HttpUri, SubstitutionFormatString, data_source, http_uri, substitution_format_string,
};
use envoy_proto::envoy::config::route::v3::Route;
use envoy_proto::envoy::extensions::filters::common::set_filter_state::v3::{
    FilterStateValue, filter_state_value,
};
use envoy_proto::envoy::extensions::filters::http::jwt_authn::v3::{
    JwksAsyncFetch, JwtAuthentication, JwtHeader, JwtProvider, JwtRequirement, JwtRequirementOrList,
    PerRouteConfig, RemoteJwks, jwt_provider, jwt_requirement, per_route_config,
};
use envoy_proto::envoy::extensions::filters::http::set_filter_state::v3::Config as SetFilterState;
use envoy_proto::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpFilter, http_filter,
};
use envoy_proto::pack;
use filter_config::{JWT_STATE, ROUTE_API_KEYS, ROUTE_METADATA};
use resources::AuthenticationMode;

use super::filter::Filter;
use super::text;
use crate::authentication::{ApiKeys, Issuer, Jwt, Keys, Location};
use crate::names;
use crate::route::proto_duration;
use crate::settings::Settings;

/// Key of the claims in the dynamic metadata of `jwt_authn`, whatever the filter is called.
const CLAIMS: &str = "claims";

/// The claims of a token that has been found good, as text; empty when there is none.
const CLAIMS_FORMAT: &str = "%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:claims)%";

/// The filter that checks tokens on a listener.
pub(super) fn jwt(settings: &Settings, listener: &str, policies: &BTreeMap<String, Arc<Jwt>>) -> Filter {
    let providers = policies.values().flat_map(|policy| {
        let issuers = policy.issuers.iter().enumerate();
        issuers.map(|(place, issuer)| (provider_name(policy, place), provider(policy, issuer)))
    });
    let config = JwtAuthentication {
        providers: providers.collect(),
        requirement_map: policies.iter().map(|(name, policy)| (name.clone(), requirement(policy))).collect(),
        ..JwtAuthentication::default()
    };
    Filter::jwt(settings, names::jwt_filter(listener), &config)
}

fn provider_name(policy: &Jwt, place: usize) -> String {
    format!("{}/{place}", policy.name)
}

fn provider(policy: &Jwt, issuer: &Issuer) -> JwtProvider {
    let mut provider = JwtProvider {
        issuer: issuer.name.clone(),
        audiences: issuer.audiences.clone(),
        require_expiration: true,
        // What is passed on to providers is what the `llm` filter has kept; nobody else gets a token.
        forward: false,
        payload_in_metadata: CLAIMS.to_owned(),
        jwks_source_specifier: Some(match &issuer.keys {
            Keys::Inline(json) => jwt_provider::JwksSourceSpecifier::LocalJwks(text(json)),
            Keys::Remote { service, url, cache, timeout } => {
                jwt_provider::JwksSourceSpecifier::RemoteJwks(RemoteJwks {
                    http_uri: Some(HttpUri {
                        uri: url.clone(),
                        timeout: Some(proto_duration(*timeout)),
                        http_upstream_type: Some(http_uri::HttpUpstreamType::Cluster(
                            service.cluster.clone(),
                        )),
                    }),
                    cache_duration: Some(proto_duration(*cache)),
                    // Fetched before they are needed; a service that does not answer does not hold up the listener.
                    async_fetch: Some(JwksAsyncFetch { fast_listener: true, ..JwksAsyncFetch::default() }),
                    ..RemoteJwks::default()
                })
            }
        }),
        ..JwtProvider::default()
    };
    match &policy.location {
        Location::Header { name, prefix } => {
            provider.from_headers = vec![JwtHeader { name: name.clone(), value_prefix: prefix.clone() }];
        }
        Location::QueryParameter(name) => provider.from_params = vec![name.clone()],
        Location::Cookie(name) => provider.from_cookies = vec![name.clone()],
    }
    provider
}

/// Any of the issuers; and, by mode, no token or a bad one.
fn requirement(policy: &Jwt) -> JwtRequirement {
    use jwt_requirement::RequiresType;
    let of = |requires: RequiresType| JwtRequirement { requires_type: Some(requires) };
    let mut any: Vec<JwtRequirement> = (0..policy.issuers.len())
        .map(|place| of(RequiresType::ProviderName(provider_name(policy, place))))
        .collect();
    match policy.mode {
        AuthenticationMode::Strict => {}
        AuthenticationMode::Optional => any.push(of(RequiresType::AllowMissing(()))),
        AuthenticationMode::Permissive => any.push(of(RequiresType::AllowMissingOrFailed(()))),
    }
    // Envoy takes no choice of one.
    match <[JwtRequirement; 1]>::try_from(any) {
        Ok([only]) => only,
        Err(any) => of(RequiresType::RequiresAny(JwtRequirementOrList { requirements: any })),
    }
}

/// Puts the claims where filters find them. A client cannot: filter state comes from filters only.
pub(super) fn claims() -> HttpFilter {
    let config = SetFilterState {
        on_request_headers: vec![FilterStateValue {
            factory_key: "envoy.string".to_owned(),
            key: Some(filter_state_value::Key::ObjectKey(JWT_STATE.to_owned())),
            value: Some(filter_state_value::Value::FormatString(SubstitutionFormatString {
                format: Some(substitution_format_string::Format::TextFormatSource(DataSource {
                    specifier: Some(data_source::Specifier::InlineString(CLAIMS_FORMAT.to_owned())),
                    ..DataSource::default()
                })),
                omit_empty_values: true,
                ..SubstitutionFormatString::default()
            })),
            skip_if_empty: true,
            ..FilterStateValue::default()
        }],
        clear_route_cache: false,
    };
    HttpFilter {
        name: names::CLAIMS_FILTER.to_owned(),
        config_type: Some(http_filter::ConfigType::TypedConfig(pack(&config))),
        ..HttpFilter::default()
    }
}

/// Makes requests of a route of a listener show a token.
pub(crate) fn require_token(listener: &str, policy: &Jwt, route: &mut Route) {
    let config = PerRouteConfig {
        requirement_specifier: Some(per_route_config::RequirementSpecifier::RequirementName(
            policy.name.clone(),
        )),
    };
    route.typed_per_filter_config.insert(names::jwt_filter(listener), pack(&config));
}

/// Makes requests of a route show an API key.
pub(crate) fn require_api_key(policy: &ApiKeys, route: &mut Route) {
    let (namespace, _) = ROUTE_METADATA;
    let metadata = route.metadata.get_or_insert_default();
    let known = metadata.filter_metadata.entry(namespace.to_owned()).or_default();
    let name = serde_json::Value::from(policy.name.clone());
    let fields = serde_json::Map::from_iter([(ROUTE_API_KEYS.to_owned(), name)]);
    if let Ok(fields) = envoy_proto::struct_from_json(&fields) {
        known.fields.extend(fields.fields);
    }
}
