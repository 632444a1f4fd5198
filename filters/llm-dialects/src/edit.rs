//! Changing single fields of a JSON body while keeping every other byte.
//!
//! When client and provider speak the same dialect, unknown fields, key order and white space survive, and
//! provider prompt caches stay warm.
//!
//! [`set_model`] is the common case. [`Object`] changes several top-level fields in one pass, [`Array`] changes
//! elements of a list inside it; both lend from the body and copy it once, when the edited bytes are written. A body
//! of 20 MB is scanned, never turned into a tree.

mod array;
mod object;
mod text;

pub use array::{Array, MAX_ELEMENTS};
pub use object::{MAX_MEMBERS, Object};
pub use text::Text;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Error;
use crate::json::is_object;

/// The body with its top-level `model` set to `model`, every other byte as it was.
///
/// # Errors
/// [`Error::ClientSent`] when the body is no JSON object with one `model`.
pub fn set_model(body: &[u8], model: &str) -> Result<Vec<u8>, Error> {
    #[derive(Deserialize)]
    struct Model<'a> {
        #[serde(borrow)]
        model: &'a RawValue,
    }
    if !is_object(body) {
        return Err(Error::client("", "the body must be a JSON object"));
    }
    let found: Model<'_> =
        serde_json::from_slice(body).map_err(|error| Error::client("model", error.to_string()))?;
    let value = found.model.get();
    // The raw value is lent from the body, so its address says where in the body it stands.
    let start = (value.as_ptr() as usize).wrapping_sub(body.as_ptr() as usize);
    let (Some(before), Some(after)) = (body.get(..start), body.get(start + value.len()..)) else {
        return Err(Error::client("model", "could not be located in the body"));
    };
    let quoted = serde_json::to_vec(model).map_err(|error| Error::client("model", error.to_string()))?;
    Ok([before, &quoted, after].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_model_changes() {
        let body = br#"{ "x":1.0, "model" : "a\"b" ,"messages":[{"model":"inner"}]}"#;
        let edited = set_model(body, "gpt \"4\"").unwrap();
        assert_eq!(
            String::from_utf8(edited).unwrap(),
            r#"{ "x":1.0, "model" : "gpt \"4\"" ,"messages":[{"model":"inner"}]}"#
        );
    }

    #[test]
    fn refuses_what_it_cannot_place() {
        assert!(set_model(b"{}", "m").is_err());
        assert!(set_model(b"[1]", "m").is_err());
        assert!(set_model(br#"{"model":"a","model":"b"}"#, "m").is_err());
    }
}
