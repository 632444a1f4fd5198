//! Messages inside `google.protobuf.Any`.

use prost::{Message, Name};
use prost_types::{Any, Struct};

use crate::Error;

/// Wraps `message` into an `Any` with its type URL (`type.googleapis.com/<full name>`), as every `typed_config`
/// field takes it.
pub fn pack<M: Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}

/// Wraps a `google.protobuf.Struct` into an `Any`: [`pack`] for the one type that many filters take as their
/// configuration and that prost gives no [`Name`]. (The wrapper types have one: `pack(&String::from("x"))` is a
/// `google.protobuf.StringValue`.)
pub fn pack_struct(fields: &Struct) -> Any {
    Any { type_url: "type.googleapis.com/google.protobuf.Struct".into(), value: fields.encode_to_vec() }
}

/// The message inside `any`.
///
/// # Errors
/// [`Error::OtherType`] if `any` is not an `M`, [`Error::Malformed`] if its bytes do not decode as one.
pub fn unpack<M: Name + Default>(any: &Any) -> Result<M, Error> {
    if type_name(&any.type_url) != M::full_name() {
        return Err(Error::OtherType { expected: M::full_name(), found: any.type_url.clone() });
    }
    M::decode(any.value.as_slice())
        .map_err(|e| Error::Malformed { type_name: M::full_name(), reason: e.to_string() })
}

/// The full message name in a type URL: what follows the last slash.
pub(crate) fn type_name(type_url: &str) -> &str {
    type_url.rsplit_once('/').map_or(type_url, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::config::{cluster::v3::Cluster, listener::v3::Listener};

    #[test]
    fn unpack_reverses_pack() {
        let cluster = Cluster { name: "openai".into(), ..Cluster::default() };
        let any = pack(&cluster);
        assert_eq!(any.type_url, "type.googleapis.com/envoy.config.cluster.v3.Cluster");
        assert_eq!(unpack::<Cluster>(&any), Ok(cluster));
    }

    #[test]
    fn well_known_configurations_print() {
        let text = crate::to_json_value(&pack(&String::from("{}"))).unwrap();
        assert_eq!(
            text,
            serde_json::json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": "{}"})
        );
    }

    #[test]
    fn unpack_refuses_another_type_and_broken_bytes() {
        let mut any = pack(&Cluster::default());
        assert!(matches!(unpack::<Listener>(&any), Err(Error::OtherType { .. })));
        any.value = vec![0x0a, 0x05, b'x'];
        assert!(matches!(unpack::<Cluster>(&any), Err(Error::Malformed { .. })));
    }
}
