//! The committed descriptor set against the Envoy binary, and what the binary says about what we print.
//!
//! The tests that need the binary take its path from `WEIR_ENVOY` and say so when it is not set.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helper functions too")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use envoy_proto::{
    DESCRIPTORS, ENVOY_VERSION, descriptor_pool,
    envoy::{
        config::{
            bootstrap::v3::{Bootstrap, bootstrap::StaticResources},
            core::v3::{
                Address, AsyncDataSource, DataSource, SocketAddress, address, async_data_source, data_source,
                socket_address,
            },
            listener::v3::{Filter, FilterChain, Listener, filter},
            route::v3::{
                DirectResponseAction, Route, RouteConfiguration, RouteMatch, VirtualHost, route, route_match,
            },
        },
        extensions::{
            filters::{
                http::{router::v3::Router, wasm::v3::Wasm},
                network::http_connection_manager::v3::{
                    HttpConnectionManager, HttpFilter, http_connection_manager::RouteSpecifier, http_filter,
                },
            },
            router::cluster_specifiers::priority_group::v3::PriorityGroupClusterSpecifier,
            wasm::v3::{PluginConfig, VmConfig, plugin_config},
        },
    },
    message_to_yaml, pack,
    prost::Name,
    prost_types,
};
use prost_reflect::{DynamicMessage, Kind, Value};

/// The Envoy binary to test with, or `None` after saying why the test does nothing.
fn envoy() -> Option<PathBuf> {
    let path = std::env::var_os("WEIR_ENVOY").map(PathBuf::from);
    if path.is_none() {
        eprintln!("skipped: set WEIR_ENVOY to the path of an Envoy {ENVOY_VERSION} binary");
    }
    path
}

/// A value of one field that differs from its default.
fn sample(kind: Kind) -> Value {
    match kind {
        Kind::Double => Value::F64(1.5),
        Kind::Float => Value::F32(1.5),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(-7),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(i64::MIN),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(7),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(u64::MAX),
        Kind::Bool => Value::Bool(true),
        Kind::String => Value::String("text".into()),
        Kind::Bytes => Value::Bytes(vec![0, 255].into()),
        Kind::Enum(e) => Value::EnumNumber(e.values().last().unwrap().number()),
        Kind::Message(m) => {
            let mut message = DynamicMessage::new(m.clone());
            match m.full_name() {
                // These two have no JSON form while empty.
                "google.protobuf.Any" => message.transcode_from(&pack(&Router::default())).unwrap(),
                "google.protobuf.Value" => {
                    message.set_field_by_name("string_value", Value::String("x".into()))
                }
                _ => {}
            }
            Value::Message(message)
        }
    }
}

#[test]
fn every_field_of_every_message_survives_json() {
    let mut fields = 0;
    for message in descriptor_pool().unwrap().all_messages() {
        if message.is_map_entry() || message.parent_file().package_name() == "google.protobuf" {
            continue;
        }
        for field in message.fields() {
            let value = match field.kind() {
                Kind::Message(entry) if field.is_map() => {
                    let key = sample(entry.map_entry_key_field().kind()).into_map_key().unwrap();
                    Value::Map([(key, sample(entry.map_entry_value_field().kind()))].into())
                }
                kind if field.is_list() => Value::List(vec![sample(kind)]),
                kind => sample(kind),
            };
            let mut filled = DynamicMessage::new(message.clone());
            filled.set_field(&field, value);
            let json = serde_json::to_value(&filled).unwrap();
            let read = DynamicMessage::deserialize(message.clone(), json).unwrap();
            assert_eq!(read, filled, "{}", field.full_name());
            fields += 1;
        }
    }
    assert!(fields > 1000, "only {fields} fields in the schema");
}

#[test]
fn the_priority_group_specifier_is_there() {
    let type_name = PriorityGroupClusterSpecifier::full_name();
    assert_eq!(
        type_name,
        "envoy.extensions.router.cluster_specifiers.priority_group.v3.PriorityGroupClusterSpecifier"
    );
    let message = descriptor_pool().unwrap().get_message_by_name(&type_name).unwrap();
    assert!(message.get_field_by_name("priority_groups").is_some());
}

#[test]
fn the_descriptors_are_those_of_the_binary() {
    let Some(envoy) = envoy() else { return };
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = tempfile::tempdir().unwrap();
    let extracted = out.path().join("extracted.binpb");
    let run = Command::new("python3")
        .arg(here.join("extract_descriptors.py"))
        .args([&envoy, &here.join("roots.txt"), &extracted])
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert!(
        std::fs::read(&extracted).unwrap() == DESCRIPTORS,
        "envoy-{ENVOY_VERSION}.binpb is not what extract_descriptors.py finds in {}; extract it again",
        envoy.display()
    );
}

/// The least that Envoy accepts as a proxy-wasm module: the ABI marker, a memory and an allocator.
const SMALLEST_WASM: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "malloc") (param i32) (result i32) (i32.const 0)))"#;

fn http_filter(name: &str, config: prost_types::Any) -> HttpFilter {
    HttpFilter {
        name: name.into(),
        config_type: Some(http_filter::ConfigType::TypedConfig(config)),
        ..HttpFilter::default()
    }
}

/// A listener on a free port with the wasm filter in front of a direct response.
fn listener() -> Listener {
    let module = DataSource {
        specifier: Some(data_source::Specifier::InlineBytes(wat::parse_str(SMALLEST_WASM).unwrap())),
        ..DataSource::default()
    };
    let vm = VmConfig {
        vm_id: "test".into(),
        runtime: "envoy.wasm.runtime.v8".into(),
        code: Some(AsyncDataSource { specifier: Some(async_data_source::Specifier::Local(module)) }),
        ..VmConfig::default()
    };
    let wasm = Wasm {
        config: Some(PluginConfig {
            name: "weir".into(),
            vm: Some(plugin_config::Vm::VmConfig(vm)),
            allow_on_headers_stop_iteration: Some(true),
            ..PluginConfig::default()
        }),
    };
    let route = Route {
        r#match: Some(RouteMatch {
            path_specifier: Some(route_match::PathSpecifier::Prefix("/".into())),
            ..RouteMatch::default()
        }),
        action: Some(route::Action::DirectResponse(DirectResponseAction {
            status: 204,
            ..Default::default()
        })),
        ..Route::default()
    };
    let routes = RouteConfiguration {
        name: "routes".into(),
        virtual_hosts: vec![VirtualHost {
            name: "all".into(),
            domains: vec!["*".into()],
            routes: vec![route],
            ..VirtualHost::default()
        }],
        ..RouteConfiguration::default()
    };
    let hcm = HttpConnectionManager {
        stat_prefix: "test".into(),
        http_filters: vec![http_filter("wasm", pack(&wasm)), http_filter("router", pack(&Router::default()))],
        route_specifier: Some(RouteSpecifier::RouteConfig(routes)),
        ..HttpConnectionManager::default()
    };
    let any_free_port = SocketAddress {
        address: "127.0.0.1".into(),
        port_specifier: Some(socket_address::PortSpecifier::PortValue(0)),
        ..SocketAddress::default()
    };
    Listener {
        name: "test".into(),
        address: Some(Address { address: Some(address::Address::SocketAddress(any_free_port)) }),
        filter_chains: vec![FilterChain {
            filters: vec![Filter {
                name: "http".into(),
                config_type: Some(filter::ConfigType::TypedConfig(pack(&hcm))),
            }],
            ..FilterChain::default()
        }],
        ..Listener::default()
    }
}

#[test]
fn envoy_accepts_what_we_print() {
    let bootstrap = Bootstrap {
        static_resources: Some(StaticResources { listeners: vec![listener()], ..StaticResources::default() }),
        ..Bootstrap::default()
    };
    let yaml = message_to_yaml(&bootstrap).unwrap();
    assert!(yaml.contains("allow_on_headers_stop_iteration: true"), "{yaml}");

    let Some(envoy) = envoy() else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("envoy.yaml");
    std::fs::write(&file, &yaml).unwrap();
    let run = Command::new(envoy).args(["--mode", "validate", "-c"]).arg(&file).output().unwrap();
    assert!(run.status.success(), "{yaml}\n{}", String::from_utf8_lossy(&run.stderr));
}
