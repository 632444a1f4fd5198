//! The canonical proto JSON mapping (<https://protobuf.dev/programming-guides/json/>) and its YAML form, through
//! reflection over the embedded descriptors.

use std::sync::LazyLock;

use prost::{Message, Name};
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, Kind, MessageDescriptor, SerializeOptions,
};
use prost_types::Any;
use serde_json::Value;

use crate::{DESCRIPTORS, Error, any::type_name};

/// `Err` holds the decoder's message. The tests decode the embedded bytes, so it cannot be seen in a release.
static POOL: LazyLock<Result<DescriptorPool, String>> =
    LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).map_err(|e| e.to_string()));

/// The embedded schema for reflection, decoded on first use.
///
/// # Errors
/// [`Error::Malformed`] if the committed descriptor set is damaged.
pub fn descriptor_pool() -> Result<&'static DescriptorPool, Error> {
    POOL.as_ref().map_err(|reason| Error::Malformed {
        type_name: "google.protobuf.FileDescriptorSet".into(),
        reason: reason.clone(),
    })
}

fn descriptor(type_name: &str) -> Result<MessageDescriptor, Error> {
    descriptor_pool()?
        .get_message_by_name(type_name)
        .ok_or_else(|| Error::UnknownType { type_name: type_name.to_owned() })
}

/// The message inside `any` as proto JSON, with its type in `"@type"` (also of every `Any` nested in it).
///
/// Field names are the snake_case ones of the `.proto` files, enums are names, durations look like `"1.500s"`,
/// 64-bit integers are strings, and fields with their default value are left out.
///
/// # Errors
/// [`Error::UnknownType`] or [`Error::NotPrintable`] if the outer or an inner type is not in the schema,
/// [`Error::Malformed`] if the bytes do not decode.
pub fn to_json_value(any: &Any) -> Result<Value, Error> {
    let name = type_name(&any.type_url);
    // Checked here for an error that names the type; the serializer would only say that it failed.
    descriptor(name)?;
    print(name, "google.protobuf.Any", &any.encode_to_vec())
}

/// [`to_json_value`] as a YAML document.
///
/// # Errors
/// As [`to_json_value`].
pub fn to_yaml(any: &Any) -> Result<String, Error> {
    yaml(type_name(&any.type_url), &to_json_value(any)?)
}

/// `message` as proto JSON without an outer `"@type"`: the form of a file such as Envoy's bootstrap.
///
/// # Errors
/// As [`to_json_value`].
pub fn message_to_json_value<M: Name>(message: &M) -> Result<Value, Error> {
    let name = M::full_name();
    print(&name, &name, &message.encode_to_vec())
}

/// [`message_to_json_value`] as a YAML document.
///
/// # Errors
/// As [`to_json_value`].
pub fn message_to_yaml<M: Name>(message: &M) -> Result<String, Error> {
    yaml(&M::full_name(), &message_to_json_value(message)?)
}

/// Reads `message` from proto JSON; snake_case and lowerCamelCase field names are both accepted.
///
/// # Errors
/// [`Error::NotThisMessage`] if a field is unknown or a value has the wrong form.
pub fn message_from_json<M: Name + Default>(json: &Value) -> Result<M, Error> {
    let type_name = M::full_name();
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let dynamic = DynamicMessage::deserialize_with_options(descriptor(&type_name)?, json, &options)
        .map_err(|e| Error::NotThisMessage { type_name: type_name.clone(), reason: e.to_string() })?;
    dynamic.transcode_to().map_err(|e| Error::Malformed { type_name, reason: e.to_string() })
}

/// The JSON of `bytes`, a message of type `printed_as`; `subject` is the type that errors speak of.
fn print(subject: &str, printed_as: &str, bytes: &[u8]) -> Result<Value, Error> {
    let message = descriptor(printed_as)?;
    let dynamic = DynamicMessage::decode(message.clone(), bytes)
        .map_err(|e| Error::Malformed { type_name: subject.to_owned(), reason: e.to_string() })?;
    let options = SerializeOptions::new().use_proto_field_name(true);
    let mut json = dynamic
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|e| Error::NotPrintable { type_name: subject.to_owned(), reason: e.to_string() })?;
    sort_maps(&mut json, &message);
    Ok(json)
}

/// Puts the entries of every map into the order of their keys: reflection keeps them in none.
fn sort_maps(json: &mut Value, message: &MessageDescriptor) {
    if message.full_name() == "google.protobuf.Any" {
        let inner = json.get("@type").and_then(Value::as_str).map(|url| descriptor(type_name(url)));
        if let Some(Ok(inner)) = inner {
            sort_maps(json, &inner);
        }
        return;
    }
    for field in message.fields() {
        let Some(value) = json.get_mut(field.name()) else { continue };
        let Kind::Message(inner) = field.kind() else { continue };
        if let (true, Value::Object(map)) = (field.is_map(), &mut *value) {
            map.sort_keys();
            if let Kind::Message(inner) = inner.map_entry_value_field().kind() {
                map.values_mut().for_each(|value| sort_maps(value, &inner));
            }
        } else if let Value::Array(items) = value {
            items.iter_mut().for_each(|item| sort_maps(item, &inner));
        } else {
            sort_maps(value, &inner);
        }
    }
}

fn yaml(subject: &str, json: &Value) -> Result<String, Error> {
    serde_saphyr::to_string(json)
        .map_err(|e| Error::NotPrintable { type_name: subject.to_owned(), reason: e.to_string() })
}

#[cfg(test)]
mod tests {
    use prost_types::Duration;
    use serde_json::json;

    use super::*;
    use crate::{
        envoy::{
            config::cluster::v3::{Cluster, cluster::LbPolicy},
            extensions::{
                filters::{
                    http::{router::v3::Router, upstream_codec::v3::UpstreamCodec},
                    network::http_connection_manager::v3::{HttpFilter, http_filter::ConfigType},
                },
                upstreams::http::v3::HttpProtocolOptions,
            },
        },
        pack,
    };

    fn cluster() -> Cluster {
        let options = HttpProtocolOptions {
            http_filters: vec![HttpFilter {
                name: "codec".into(),
                config_type: Some(ConfigType::TypedConfig(pack(&UpstreamCodec {}))),
                ..HttpFilter::default()
            }],
            ..HttpProtocolOptions::default()
        };
        Cluster {
            name: "openai".into(),
            connect_timeout: Some(Duration { seconds: 1, nanos: 500_000_000 }),
            lb_policy: LbPolicy::LeastRequest.into(),
            typed_extension_protocol_options: [("o".to_owned(), pack(&options))].into(),
            ..Cluster::default()
        }
    }

    fn printed() -> Value {
        json!({
            "name": "openai",
            "connect_timeout": "1.500s",
            "lb_policy": "LEAST_REQUEST",
            "typed_extension_protocol_options": {"o": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "http_filters": [{
                    "name": "codec",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec",
                    },
                }],
            }},
        })
    }

    #[test]
    fn nested_any_prints_with_proto_names_and_reads_back() {
        assert_eq!(message_to_json_value(&cluster()), Ok(printed()));
        assert_eq!(message_from_json(&printed()), Ok(cluster()));
    }

    #[test]
    fn maps_are_printed_in_the_order_of_their_keys() {
        let names: Vec<String> = (0..20).map(|place| format!("{place:02}")).collect();
        let codec = pack(&cluster());
        let options = names.iter().rev().map(|name| (name.clone(), codec.clone())).collect();
        let many = Cluster { typed_extension_protocol_options: options, ..cluster() };
        let outer =
            HttpFilter { config_type: Some(ConfigType::TypedConfig(pack(&many))), ..HttpFilter::default() };
        let json = message_to_json_value(&outer).unwrap();
        let printed = json["typed_config"]["typed_extension_protocol_options"].as_object().unwrap();
        assert!(printed.keys().eq(&names), "{printed:?}");
    }

    #[test]
    fn an_any_carries_its_type() {
        let json = to_json_value(&pack(&cluster())).unwrap();
        assert_eq!(json["@type"], "type.googleapis.com/envoy.config.cluster.v3.Cluster");
        assert_eq!(json["connect_timeout"], "1.500s");
    }

    #[test]
    fn yaml_reads_back_as_the_same_json() {
        let mut tricky = cluster();
        // Texts that YAML readers take for something else when unquoted, and one that needs escapes.
        for text in [
            "yes",
            "1.5",
            "null",
            "~",
            "0x10",
            "2026-11-21",
            "a: b",
            "# x",
            "%A%",
            "",
            "two\nlines\n",
            "'\"\\",
        ] {
            tricky.alt_stat_name = text.to_owned();
            let yaml = message_to_yaml(&tricky).unwrap();
            let read: Value = serde_saphyr::from_str(&yaml).unwrap();
            assert_eq!(read, message_to_json_value(&tricky).unwrap(), "{yaml}");
        }
    }

    #[test]
    fn unknown_types_and_fields_are_named() {
        let any = Any { type_url: "type.googleapis.com/no.such.Type".into(), value: vec![] };
        assert_eq!(to_json_value(&any), Err(Error::UnknownType { type_name: "no.such.Type".into() }));

        let mut outer = cluster();
        outer.typed_extension_protocol_options.insert("bad".into(), any);
        let error = message_to_json_value(&outer).unwrap_err();
        assert!(error.to_string().contains("no.such.Type"), "{error}");

        let error = message_from_json::<Router>(&json!({"start_child_spam": true})).unwrap_err();
        assert!(error.to_string().contains("start_child_spam"), "{error}");
    }
}
