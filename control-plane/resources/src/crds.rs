//! The definitions of Weir's own kinds, as published to a cluster.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceValidation,
};
use kube::core::CustomResourceExt;

use crate::definitions::published_schema;
use crate::{AgentgatewayBackend, AgentgatewayModel, AgentgatewayPolicy, Kind};

/// The definitions of AgentgatewayBackend, AgentgatewayModel and AgentgatewayPolicy, in this order.
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![
        with_schema(AgentgatewayBackend::crd(), Kind::AgentgatewayBackend),
        with_schema(AgentgatewayModel::crd(), Kind::AgentgatewayModel),
        with_schema(AgentgatewayPolicy::crd(), Kind::AgentgatewayPolicy),
    ]
}

/// All of [`crds`] as one YAML text of several documents. It is the same text every time.
pub fn crds_yaml() -> String {
    crds().iter().map(crd_yaml).collect()
}

/// One definition as a YAML document that starts with `---`.
pub fn crd_yaml(crd: &CustomResourceDefinition) -> String {
    // Through JSON values, whose maps this sorts: neither field order in a struct nor in a map shows.
    let value = serde_json::to_value(crd).map(sorted);
    // Writing a tree of strings, numbers and maps to a String has no way to fail.
    let text = value.ok().and_then(|value| serde_saphyr::to_string(&value).ok()).unwrap_or_default();
    format!("---\n{text}")
}

/// `value` with the keys of all its maps in order.
fn sorted(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(map) => {
            let ordered: std::collections::BTreeMap<_, _> =
                map.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            Value::Object(ordered.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// `crd` with the schema that validation uses, minus the markers that only Weir understands.
fn with_schema(mut crd: CustomResourceDefinition, kind: Kind) -> CustomResourceDefinition {
    let schema = published_schema(kind).and_then(|schema| serde_json::from_value(schema).ok());
    for version in &mut crd.spec.versions {
        version.schema = Some(CustomResourceValidation { open_api_v3_schema: schema.clone() });
    }
    crd
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn committed_definitions_are_the_generated_ones() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds");
        for crd in crds() {
            let path = folder.join(format!("{}_{}.yaml", crd.spec.group, crd.spec.names.plural));
            let generated = crd_yaml(&crd);
            if std::env::var_os("WEIR_UPDATE").is_some() {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(&path, &generated).unwrap();
            }
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                committed == generated,
                "{} is out of date: run WEIR_UPDATE=1 cargo test -p resources",
                path.display()
            );
        }
    }

    #[test]
    fn definitions_carry_the_published_names() {
        for (crd, plural, short, columns) in [
            (&crds()[0], "agentgatewaybackends", "agbe", &["Accepted", "Age"][..]),
            (&crds()[1], "agentgatewaymodels", "agmodel", &["Model Match", "Age"]),
            (&crds()[2], "agentgatewaypolicies", "agpol", &["Accepted", "Attached", "Age"][..]),
        ] {
            assert_eq!(crd.metadata.name.as_deref(), Some(&*format!("{plural}.agentgateway.dev")));
            assert_eq!(crd.spec.names.plural, plural);
            assert_eq!(crd.spec.names.short_names.as_deref(), Some(&[short.to_owned()][..]));
            assert_eq!(crd.spec.names.categories.as_deref(), Some(&["agentgateway".to_owned()][..]));
            assert_eq!(crd.spec.scope, "Namespaced");
            assert_eq!(crd.metadata.labels.as_ref().unwrap()["app"], "agentgateway");
            let version = &crd.spec.versions[0];
            assert_eq!(version.name, "v1alpha1");
            assert!(version.subresources.as_ref().unwrap().status.is_some());
            let names: Vec<_> = version
                .additional_printer_columns
                .iter()
                .flatten()
                .map(|column| column.name.as_str())
                .collect();
            assert_eq!(names, columns);
        }
    }

    #[test]
    fn no_marker_of_ours_is_published() {
        let yaml = crds_yaml();
        assert!(!yaml.contains(crate::unserved::KEYWORD));
        assert!(!yaml.contains("nullable"));
        assert!(yaml.contains("promptGuard"));
    }
}
