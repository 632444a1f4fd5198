//! An order of clusters as Envoy's `priority_group` cluster specifier reads it from dynamic metadata: attempt n of the
//! request goes to the n-th cluster.
//!
//! The value is a `google.protobuf.Value`: a list of `{name, clusters: [{cluster_name, weight}]}`. Both builds need its
//! bytes, the wasm build in base64, so it is written here, in the few fields of protobuf it takes
//! (<https://protobuf.dev/programming-guides/encoding/>).
#![forbid(unsafe_code)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Field numbers of `google.protobuf.Value`, `Struct` and `ListValue`.
mod field {
    pub(crate) const NUMBER_VALUE: u8 = 2;
    pub(crate) const STRING_VALUE: u8 = 3;
    pub(crate) const STRUCT_VALUE: u8 = 5;
    pub(crate) const LIST_VALUE: u8 = 6;
    pub(crate) const FIELDS: u8 = 1;
    pub(crate) const VALUES: u8 = 1;
    pub(crate) const KEY: u8 = 1;
    pub(crate) const VALUE: u8 = 2;
}

/// The list as a serialised `google.protobuf.Value`.
pub fn value(clusters: &[String]) -> Vec<u8> {
    let groups = clusters.iter().enumerate().map(|(index, cluster)| {
        let member = object(&[("cluster_name", string(cluster)), ("weight", number(1.0))]);
        object(&[("clusters", list([member])), ("name", string(&index.to_string()))])
    });
    list(groups)
}

/// A serialised `google.protobuf.Struct` with the list under `key`.
pub fn metadata(key: &str, clusters: &[String]) -> Vec<u8> {
    fields(&[(key, value(clusters))])
}

/// The list in base64.
pub fn header_value(clusters: &[String]) -> String {
    STANDARD.encode(value(clusters))
}

fn string(text: &str) -> Vec<u8> {
    bytes(field::STRING_VALUE, text.as_bytes())
}

fn number(value: f64) -> Vec<u8> {
    const FIXED64: u8 = 1;
    let mut out = vec![field::NUMBER_VALUE << 3 | FIXED64];
    out.extend_from_slice(&value.to_le_bytes());
    out
}

fn list(values: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let values: Vec<u8> = values.into_iter().flat_map(|value| bytes(field::VALUES, &value)).collect();
    bytes(field::LIST_VALUE, &values)
}

fn object(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    bytes(field::STRUCT_VALUE, &fields(members))
}

fn fields(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let entry = |(key, value): &(&str, Vec<u8>)| {
        let mut entry = bytes(field::KEY, key.as_bytes());
        entry.extend(bytes(field::VALUE, value));
        bytes(field::FIELDS, &entry)
    };
    members.iter().flat_map(entry).collect()
}

/// A field with a length.
fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
    const LENGTH_DELIMITED: u8 = 2;
    let mut out = vec![number << 3 | LENGTH_DELIMITED];
    let mut length = content.len();
    while length >= 0x80 {
        out.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
        length >>= 7;
    }
    out.push(u8::try_from(length).unwrap_or_default());
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::value::Kind;

    use super::*;

    #[test]
    fn protobuf_reads_what_is_written() {
        let long = "c".repeat(300);
        let clusters = ["a".to_owned(), long.clone()];
        let read = prost_types::Struct::decode(&*metadata("k", &clusters)).unwrap();
        assert_eq!(read.encode_to_vec(), metadata("k", &clusters), "fields come in the order of their names");
        let Some(Kind::ListValue(groups)) = read.fields["k"].kind.clone() else { panic!() };
        let Some(Kind::StructValue(group)) = groups.values[1].kind.clone() else { panic!() };
        let Some(Kind::ListValue(members)) = group.fields["clusters"].kind.clone() else { panic!() };
        let Some(Kind::StructValue(member)) = members.values[0].kind.clone() else { panic!() };
        assert_eq!(member.fields["cluster_name"].kind, Some(Kind::StringValue(long)));
        assert_eq!(member.fields["weight"].kind, Some(Kind::NumberValue(1.0)));
    }
}
