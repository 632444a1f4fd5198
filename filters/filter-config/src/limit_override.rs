//! Limits that go to a rate limit service with what it is asked, in place of its own.

use serde_json::Value;

/// Most bytes that names and limits of the overrides of a policy may have, so that they fit into one header for Envoy's
/// `header_to_metadata`, which ignores values of 8 KiB and more: 8188 characters of base64, without the 3 bytes around all.
pub(crate) const MOST_OVERRIDE_BYTES: usize = 6138;

/// Most bytes of one of them, beside its name: a `google.protobuf.Struct` with both fields, and the entry it stands in.
pub(crate) const OVERRIDE_BYTES: usize = 60;

/// Units of time, as `envoy.type.v3.RateLimitUnit` names them.
const UNITS: [&str; 6] = ["SECOND", "MINUTE", "HOUR", "DAY", "MONTH", "YEAR"];

/// What the expression of a descriptor's [`limit_override`](crate::Descriptor::limit_override) must give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitOverride {
    /// How much of what the descriptor counts may be used in one unit of time.
    pub requests_per_unit: u32,
    /// The unit of time: a name of `envoy.type.v3.RateLimitUnit`.
    pub unit: &'static str,
}

impl LimitOverride {
    /// Reads an object with `requestsPerUnit` (or `requests_per_unit`), a whole number below 2³², and `unit`, one of
    /// `second`, `minute`, `hour`, `day`, `month` and `year` in letters of any case. `None` for anything else. Other fields
    /// do not matter, as in agentgateway.
    pub fn read(value: &Value) -> Option<Self> {
        let number = value.get("requestsPerUnit").or_else(|| value.get("requests_per_unit"))?;
        let said = value.get("unit")?.as_str()?;
        Some(Self {
            requests_per_unit: u32::try_from(whole(number)?).ok()?,
            unit: UNITS.into_iter().find(|unit| said.eq_ignore_ascii_case(unit))?,
        })
    }
}

/// A whole number, which calculations in CEL may have made a double.
fn whole(number: &Value) -> Option<u64> {
    number.as_u64().or_else(|| {
        let double = number.as_f64().filter(|double| *double >= 0.0 && double.fract() == 0.0)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        Some(double as u64)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_agentgateway_takes() {
        let read = |value: Value| LimitOverride::read(&value).map(|read| (read.requests_per_unit, read.unit));
        assert_eq!(read(json!({"unit": "minute", "requestsPerUnit": 5})), Some((5, "MINUTE")));
        assert_eq!(read(json!({"unit": "Hour", "requests_per_unit": 0, "more": 1})), Some((0, "HOUR")));
        assert_eq!(read(json!({"unit": "YEAR", "requestsPerUnit": 2.5e9})), Some((2_500_000_000, "YEAR")));
        for wrong in [
            json!(5),
            json!(null),
            json!({"unit": "minute"}),
            json!({"requestsPerUnit": 5}),
            json!({"unit": "minutes", "requestsPerUnit": 5}),
            json!({"unit": 2, "requestsPerUnit": 5}),
            json!({"unit": "minute", "requestsPerUnit": "5"}),
            json!({"unit": "minute", "requestsPerUnit": -1}),
            json!({"unit": "minute", "requestsPerUnit": 2.5}),
            json!({"unit": "minute", "requestsPerUnit": 4_294_967_296_u64}),
        ] {
            assert_eq!(read(wrong.clone()), None, "{wrong}");
        }
    }
}
