//! Limits in place of the service's own, on their way to Envoy's `ratelimit` filter.
//!
//! That filter takes them from dynamic metadata, which wasm modules cannot write. So in both builds they go in a header,
//! which Envoy's `header_to_metadata` behind this filter turns into metadata and removes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use filter_config::{LIMIT_OVERRIDES_HEADER, LimitOverride};
use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{Struct, Value};

use crate::{HeaderMap, Host};

/// The overrides of a request by the names of their descriptors.
#[derive(Debug, Default)]
pub(super) struct Overrides(Struct);

impl Overrides {
    pub(super) fn add(&mut self, descriptor: &str, limit: LimitOverride) {
        let number = Kind::NumberValue(f64::from(limit.requests_per_unit));
        let fields =
            [("requests_per_unit", number), ("unit", Kind::StringValue(limit.unit.to_owned()))].map(field);
        let limit = Kind::StructValue(Struct { fields: fields.into() });
        self.0.fields.extend([field((descriptor, limit))]);
    }

    /// Hands them on, where there are any.
    pub(super) fn hand_on(self, host: &mut dyn Host) {
        if self.0.fields.is_empty() {
            return;
        }
        let value = Value { kind: Some(Kind::StructValue(self.0)) };
        let text = STANDARD.encode(value.encode_to_vec());
        host.set_header(HeaderMap::Request, LIMIT_OVERRIDES_HEADER, &text);
    }
}

fn field((name, kind): (&str, Kind)) -> (String, Value) {
    (name.to_owned(), Value { kind: Some(kind) })
}

/// Removes what a client says of its limits.
pub(super) fn forget(host: &mut dyn Host) {
    if host.header(HeaderMap::Request, LIMIT_OVERRIDES_HEADER).is_some() {
        host.remove_header(HeaderMap::Request, LIMIT_OVERRIDES_HEADER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_host::FakeHost;

    fn handed_on(overrides: Overrides) -> Option<String> {
        let mut host = FakeHost::default();
        overrides.hand_on(&mut host);
        host.header(HeaderMap::Request, LIMIT_OVERRIDES_HEADER)
    }

    #[test]
    fn envoy_reads_what_is_handed_on() {
        assert_eq!(handed_on(Overrides::default()), None);
        let mut overrides = Overrides::default();
        overrides.add("b", LimitOverride { requests_per_unit: u32::MAX, unit: "HOUR" });
        overrides.add("a", LimitOverride { requests_per_unit: 0, unit: "SECOND" });
        let bytes = STANDARD.decode(handed_on(overrides).unwrap()).unwrap();
        let value = Value::decode(bytes.as_slice()).unwrap();
        let Some(Kind::StructValue(all)) = value.kind else { panic!() };
        let limit = |name: &str| {
            let Some(Kind::StructValue(limit)) = all.fields[name].kind.clone() else { panic!() };
            let Some(Kind::NumberValue(number)) = limit.fields["requests_per_unit"].kind else { panic!() };
            let Some(Kind::StringValue(unit)) = limit.fields["unit"].kind.clone() else { panic!() };
            (number, unit)
        };
        assert_eq!(limit("a"), (0.0, "SECOND".to_owned()));
        assert_eq!(limit("b"), (4_294_967_295.0, "HOUR".to_owned()));
    }

    /// `header_to_metadata` takes 8191 bytes.
    #[test]
    fn as_many_as_a_configuration_may_have_fit_into_a_header() {
        let mut overrides = Overrides::default();
        for place in 0..16 {
            let limit = LimitOverride { requests_per_unit: u32::MAX, unit: "SECOND" };
            overrides.add(&format!("{place:0323}"), limit);
        }
        let length = handed_on(overrides).unwrap().len();
        assert!((8100..8192).contains(&length), "{length}");
    }
}
