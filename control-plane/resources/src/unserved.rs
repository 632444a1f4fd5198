//! Markers for parts of the published API that this version of Weir does not serve.
//!
//! Such a part is accepted by the schema, so that a manifest written for the published API applies
//! unchanged, and reported by validation, so that nobody believes it is in force.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Schema keyword that carries the marker. It exists only in the schema used for validation: the
/// published definitions drop keywords Kubernetes does not know.
pub(crate) const KEYWORD: &str = "x-weir-unserved";

/// A published field that is not served and whose absence would change who may call, what is sent or
/// where it goes. Setting it is an error: the object is unusable rather than silently weaker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Refused(Value);

/// A published field that is not served and only tunes or observes. Setting it is a warning: the rest of
/// the object is in force without it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ignored(Value);

impl JsonSchema for Refused {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Refused".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true, (KEYWORD): "refused" })
    }
}

impl JsonSchema for Ignored {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Ignored".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true, (KEYWORD): "ignored" })
    }
}

// Schemas for fields of other types than object. The API server compiles rules against declared types only: in
// a schema without `type`, `has(self.field)` would not compile.

/// A refused list of objects.
pub(crate) fn refused_objects(_: &mut SchemaGenerator) -> Schema {
    let item = json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    json_schema!({ "type": "array", "items": item, (KEYWORD): "refused" })
}

/// A refused list of strings.
pub(crate) fn refused_strings(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "string" }, (KEYWORD): "refused" })
}

/// A refused string.
pub(crate) fn refused_string(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", (KEYWORD): "refused" })
}

/// An ignored string.
pub(crate) fn ignored_string(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", (KEYWORD): "ignored" })
}

/// An ignored integer.
pub(crate) fn ignored_integer(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "format": "int32", (KEYWORD): "ignored" })
}

/// An ignored quantity.
pub(crate) fn ignored_quantity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "x-kubernetes-int-or-string": true, (KEYWORD): "ignored" })
}
