//! Changes of headers on the way to a model's provider and back.

use envoy_proto::envoy::config::cluster::v3::Cluster;
use envoy_proto::envoy::config::common::mutation_rules::v3::HeaderMutation as Change;
use envoy_proto::envoy::config::common::mutation_rules::v3::header_mutation::Action;
use envoy_proto::envoy::config::core::v3::{
    HeaderValue, HeaderValueOption, header_value_option::HeaderAppendAction,
};
use envoy_proto::envoy::extensions::filters::http::header_mutation::v3::{HeaderMutation, Mutations};
use envoy_proto::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpFilter, http_filter,
};
use envoy_proto::envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
use envoy_proto::{pack, unpack};
use resources::{HeaderChanges, ModelHeaders};

use crate::output::{ResourceKind, Translation};

/// Name of the protocol options among those of a cluster.
const OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// Adds the changes to a cluster that is written: behind the `provider` filter, which sets headers absolutely, and
/// before credentials, which nothing overwrites.
pub(super) fn change(cluster: &str, headers: &ModelHeaders, out: &mut Translation) {
    let Some(resource) = out.resources.get_mut(&(ResourceKind::Cluster, cluster.to_owned())) else { return };
    let Ok(mut message) = unpack::<Cluster>(&resource.body) else { return };
    let Some(options) = message.typed_extension_protocol_options.get_mut(OPTIONS) else { return };
    let Ok(mut read) = unpack::<HttpProtocolOptions>(options) else { return };
    let provider = crate::names::provider_filter(cluster);
    let behind = read.http_filters.iter().position(|filter| filter.name == provider).map_or(0, |at| at + 1);
    read.http_filters.insert(behind, filter(headers));
    *options = pack(&read);
    resource.body = pack(&message);
}

fn filter(headers: &ModelHeaders) -> HttpFilter {
    let mutation = HeaderMutation {
        mutations: Some(Mutations {
            request_mutations: headers.request.as_ref().map(changes).unwrap_or_default(),
            response_mutations: headers.response.as_ref().map(changes).unwrap_or_default(),
            ..Mutations::default()
        }),
        ..HeaderMutation::default()
    };
    HttpFilter {
        name: "weir/headers".to_owned(),
        config_type: Some(http_filter::ConfigType::TypedConfig(pack(&mutation))),
        ..HttpFilter::default()
    }
}

fn changes(changes: &HeaderChanges) -> Vec<Change> {
    let set = changes.set.iter().flatten().map(|one| Action::Append(set_header(&one.name, &one.value)));
    let add = changes.add.iter().flatten().map(|one| Action::Append(add_header(&one.name, &one.value)));
    let remove = changes.remove.iter().flatten().map(|name| Action::Remove(name.clone()));
    set.chain(add).chain(remove).map(|action| Change { action: Some(action) }).collect()
}

/// A header instead of those of its name.
pub(crate) fn set_header(name: &str, value: &str) -> HeaderValueOption {
    header(name, value, HeaderAppendAction::OverwriteIfExistsOrAdd)
}

/// A header beside those of its name.
pub(crate) fn add_header(name: &str, value: &str) -> HeaderValueOption {
    header(name, value, HeaderAppendAction::AppendIfExistsOrAdd)
}

fn header(name: &str, value: &str, action: HeaderAppendAction) -> HeaderValueOption {
    HeaderValueOption {
        // A `%` begins a command for Envoy; values in objects are literal.
        header: Some(HeaderValue {
            key: name.to_owned(),
            value: value.replace('%', "%%"),
            raw_value: Vec::new(),
        }),
        append_action: action.into(),
        ..HeaderValueOption::default()
    }
}
