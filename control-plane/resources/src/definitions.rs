//! The schema of every kind, generated from its Rust types: one source for validation and for the
//! definitions published to a cluster.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::core::ObjectMeta;
use kube::core::schema::{OptionalEnum, OptionalIntOrString, StructuralSchemaRewriter};
use kube_cel::CompiledSchema;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::AddNullable;
use serde_json::{Value, json};

use crate::gateway_api::{gatewayclasses, gateways, httproutes, referencegrants};
use crate::schema::Schema;
use crate::{
    AgentgatewayBackendSpec, AgentgatewayBackendStatus, AgentgatewayModelSpec, AgentgatewayModelStatus,
    AgentgatewayPolicySpec, AgentgatewayPolicyStatus, Kind,
};

/// The schema of one kind in the forms its users need.
pub(crate) struct Definition {
    /// Structure: types, required and known fields, ranges.
    pub(crate) structure: Schema,
    /// CEL rules.
    pub(crate) rules: CompiledSchema,
}

static DEFINITIONS: LazyLock<BTreeMap<Kind, Definition>> = LazyLock::new(|| {
    let define = |kind: &Kind| {
        let schema = object_schema(*kind);
        (*kind, Definition { structure: Schema::read(&schema), rules: kube_cel::compile_schema(&schema) })
    };
    Kind::ALL.iter().map(define).collect()
});

/// The definition of `kind`.
pub(crate) fn definition(kind: Kind) -> Option<&'static Definition> {
    DEFINITIONS.get(&kind)
}

/// The schema of objects of `kind` as JSON, markers of unserved fields included.
pub(crate) fn object_schema(kind: Kind) -> Value {
    let custom = |spec: Value, status: Value| json!({ "type": "object", "required": ["spec"], "properties": { "spec": spec, "status": status } });
    // What a controller wrote is of no concern to a reader of manifests.
    let any = || json!({ "x-kubernetes-preserve-unknown-fields": true });
    let mut schema = match kind {
        Kind::GatewayClass => custom(schema_of::<gatewayclasses::GatewayClassSpec>(), any()),
        Kind::Gateway => custom(schema_of::<gateways::GatewaySpec>(), any()),
        Kind::HttpRoute => custom(schema_of::<httproutes::HttpRouteSpec>(), any()),
        Kind::ReferenceGrant => custom(schema_of::<referencegrants::ReferenceGrantSpec>(), any()),
        Kind::AgentgatewayBackend => custom(schema_of::<AgentgatewayBackendSpec>(), any()),
        Kind::AgentgatewayModel => custom(schema_of::<AgentgatewayModelSpec>(), any()),
        Kind::AgentgatewayPolicy => custom(schema_of::<AgentgatewayPolicySpec>(), any()),
        Kind::Secret => schema_of::<core::Secret>(),
        Kind::ConfigMap => schema_of::<core::ConfigMap>(),
        Kind::Service => schema_of::<core::Service>(),
        Kind::EndpointSlice => schema_of::<EndpointSlice>(),
        Kind::Namespace => schema_of::<core::Namespace>(),
    };
    let mut metadata = schema_of::<ObjectMeta>();
    if let Some(fields) = metadata.get_mut("properties").and_then(Value::as_object_mut) {
        fields.insert("managedFields".to_owned(), any());
    }
    if let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        fields.insert("apiVersion".to_owned(), json!({ "type": "string" }));
        fields.insert("kind".to_owned(), json!({ "type": "string" }));
        fields.insert("metadata".to_owned(), metadata);
        if fields.contains_key("status") {
            fields.insert("status".to_owned(), any());
        }
    }
    schema
}

/// The schemas of spec and status as they are published, for the kinds Weir defines.
pub(crate) fn published_schema(kind: Kind) -> Option<Value> {
    let (spec, status) = match kind {
        Kind::AgentgatewayBackend => {
            (schema_of::<AgentgatewayBackendSpec>(), schema_of::<AgentgatewayBackendStatus>())
        }
        Kind::AgentgatewayModel => {
            (schema_of::<AgentgatewayModelSpec>(), schema_of::<AgentgatewayModelStatus>())
        }
        Kind::AgentgatewayPolicy => {
            (schema_of::<AgentgatewayPolicySpec>(), schema_of::<AgentgatewayPolicyStatus>())
        }
        _ => return None,
    };
    Some(json!({
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": { "type": "string" },
            "kind": { "type": "string" },
            "metadata": { "type": "object" },
            "spec": spec,
            "status": status,
        },
    }))
}

/// The schema of `T` in the structural form Kubernetes asks for, without `nullable`: a field set to null is
/// then absent for the API server too, and `has()` in a rule means what it says.
fn schema_of<T: JsonSchema>() -> Value {
    let generator = SchemaSettings::openapi3()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .with_transform(AddNullable::default())
        .with_transform(StructuralSchemaRewriter)
        .with_transform(OptionalEnum)
        .with_transform(OptionalIntOrString)
        .into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    drop_null(&mut schema);
    schema
}

/// Removes every trace of null from `schema` and those below it.
fn drop_null(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.remove("nullable");
            map.remove("title");
            map.retain(|key, value| key != "default" || !value.is_null());
            if let Some(Value::Array(branches)) = map.get_mut("anyOf") {
                branches.retain(|branch| branch.get("enum") != Some(&json!([null])));
                if let [Value::Object(only)] = branches.as_mut_slice() {
                    let only = std::mem::take(only);
                    map.remove("anyOf");
                    for (key, value) in only {
                        // The description of the field says more than that of its type.
                        map.entry(key).or_insert(value);
                    }
                    map.remove("nullable");
                }
            }
            map.values_mut().for_each(drop_null);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_null),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `visit` for every schema in `schema`, with its path.
    fn walk(path: &str, schema: &Value, visit: &mut dyn FnMut(&str, &serde_json::Map<String, Value>)) {
        match schema {
            Value::Object(map) => {
                visit(path, map);
                map.iter().for_each(|(key, value)| walk(&format!("{path}/{key}"), value, visit));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(path, item, visit)),
            _ => {}
        }
    }

    #[test]
    fn every_pattern_and_every_rule_compiles() {
        for kind in Kind::ALL {
            let schema = object_schema(*kind);
            walk(kind.name(), &schema, &mut |path, map| {
                if let Some(Value::String(pattern)) = map.get("pattern") {
                    assert!(regex::Regex::new(pattern).is_ok(), "{path}: {pattern}");
                }
                if let Some(rules @ Value::Array(_)) = map.get("x-kubernetes-validations") {
                    let alone = kube_cel::compile_schema(&json!({ "x-kubernetes-validations": rules }));
                    assert!(!alone.has_errors(), "{path}: {:?}", alone.compilation_errors());
                }
            });
        }
    }

    #[test]
    fn schemas_are_structural() {
        for kind in Kind::ALL {
            walk(kind.name(), &object_schema(*kind), &mut |path, map| {
                for keyword in ["$ref", "oneOf", "anyOf", "allOf", "nullable", "const"] {
                    let as_field = path.ends_with("/properties");
                    assert!(as_field || !map.contains_key(keyword), "{path} has {keyword}: {map:?}");
                }
            });
        }
    }

    /// The API server leaves a field without a type out of what rules can see, so `has()` on it would not compile.
    #[test]
    fn every_published_field_has_a_type() {
        for kind in [Kind::AgentgatewayBackend, Kind::AgentgatewayModel, Kind::AgentgatewayPolicy] {
            walk(kind.name(), &published_schema(kind).unwrap(), &mut |path, map| {
                if path.ends_with("/properties") {
                    for (name, field) in map {
                        let typed =
                            field.get("type").is_some() || field.get("x-kubernetes-int-or-string").is_some();
                        // The value of a request field is any JSON; no rule looks at it.
                        let is_any = path.ends_with("/items/properties") && name == "value";
                        assert!(typed || is_any, "{path}/{name}");
                    }
                }
            });
        }
    }
}
