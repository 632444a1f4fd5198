//! The real Envoy signs for AWS with what is translated for it, and shows the key to nobody.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use envoy_proto::envoy::config::cluster::v3::Cluster;
use envoy_proto::envoy::config::core::v3::{ConfigSource, PathConfigSource, config_source};
use envoy_proto::envoy::extensions::filters::network::http_connection_manager::v3::http_filter::ConfigType;
use envoy_proto::envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
use envoy_proto::{message_to_json_value, pack, to_json_value, unpack};
use serde_json::json;
use translate::{ResourceKind, Translation, translate};

use crate::envoy::{ENVOY, located};
use crate::fixture;

const OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// SHA-256 of the body that is sent.
const BODY: (&str, &str) = ("{\"a\":1}", "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862");

struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn envoy_signs_and_hides_the_key() {
    let envoy = located("WEIR_ENVOY", ENVOY);
    if !envoy.exists() {
        eprintln!("skipped: needs {} (WEIR_ENVOY)", envoy.display());
        return;
    }
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("envoy.json");
    let translation = translation(upstream.local_addr().unwrap().port());
    std::fs::write(&config, bootstrap(&translation, folder.path())).unwrap();
    let envoy = Command::new(envoy)
        .args(["--disable-hot-restart", "--log-level", "off", "-c"])
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _envoy = Stopped(envoy);
    let admin = folder.path().join("admin.sock");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !ask(&admin, "GET /ready HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").contains("LIVE") {
        assert!(Instant::now() < deadline, "Envoy does not get ready");
        std::thread::sleep(Duration::from_millis(50));
    }

    let answering = std::thread::spawn(move || answer(upstream.accept().unwrap().0));
    let request = format!(
        "POST /model/m/converse HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nx-other: 1\r\n\
         x-amz-security-token: left\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{}",
        BODY.0.len(),
        BODY.0
    );
    let reply = ask(&folder.path().join("listener.sock"), &request);
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    let asked = answering.join().unwrap();
    let header = |name: &str| {
        let line = asked.iter().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name} in {asked:#?}"))
    };
    let authorization = header("authorization");
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/"), "{authorization}");
    assert!(authorization.contains("/eu-west-1/bedrock/aws4_request"), "{authorization}");
    let signed = "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token,";
    assert!(authorization.contains(signed), "{authorization}");
    assert_eq!(header("x-amz-content-sha256"), BODY.1);
    assert_eq!(header("x-amz-security-token"), "hunter2-token");

    let dump = ask(&admin, "GET /config_dump HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert!(dump.contains("AKIAEXAMPLE") && dump.contains("[redacted]"));
    assert!(!dump.contains("hunter2"), "the key shows in the config dump");
}

/// A Bedrock provider whose host is the test's own server.
fn translation(port: u16) -> Translation {
    let objects = format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: gw}}\n\
         spec: {{gatewayClassName: agentgateway, listeners: [{{name: http, port: 8080, protocol: HTTP}}]}}\n\
         ---\napiVersion: v1\nkind: Secret\nmetadata: {{name: aws}}\n\
         stringData: {{accessKey: AKIAEXAMPLE, secretKey: hunter2-key, sessionToken: hunter2-token}}\n\
         ---\napiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayBackend\nmetadata: {{name: llm}}\n\
         spec: {{ai: {{provider: {{bedrock: {{region: eu-west-1}}, host: 127.0.0.1, port: {port}}}}}, \
         policies: {{auth: {{aws: {{secretRef: {{name: aws}}}}}}}}}}\n\
         ---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: llm}}\n\
         spec: {{parentRefs: [{{name: gw}}], rules: [{{backendRefs: [{{group: agentgateway.dev, \
         kind: AgentgatewayBackend, name: llm}}]}}]}}\n"
    );
    let settings = fixture::native();
    let translation = translate(&fixture::objects(&fixture::decode("signing.yaml", &objects)), &settings);
    assert_eq!(translation.findings, []);
    translation
}

/// A bootstrap with the provider's cluster as it was translated, but for Weir's own filter and for the source of the
/// signing filter, which is a file in `folder` here.
fn bootstrap(translation: &Translation, folder: &Path) -> String {
    let one = |kind: ResourceKind, start: &str| {
        let mut found =
            translation.resources.iter().filter(|((k, name), _)| *k == kind && name.starts_with(start));
        &found.next().unwrap().1.body
    };
    let extension = to_json_value(one(ResourceKind::Extension, "weir/aws/")).unwrap();
    let file = folder.join("ecds.json");
    std::fs::write(&file, json!({ "resources": [extension] }).to_string()).unwrap();
    let mut cluster: Cluster = unpack(one(ResourceKind::Cluster, "ai/")).unwrap();
    let mut options: HttpProtocolOptions =
        unpack(&cluster.typed_extension_protocol_options[OPTIONS]).unwrap();
    options.http_filters.retain(|filter| !filter.name.starts_with("weir/provider/"));
    let Some(ConfigType::ConfigDiscovery(discovery)) = &mut options.http_filters[0].config_type else {
        panic!("the signing filter comes first, over discovery");
    };
    let path = PathConfigSource { path: file.display().to_string(), ..PathConfigSource::default() };
    discovery.config_source = Some(ConfigSource {
        config_source_specifier: Some(config_source::ConfigSourceSpecifier::PathConfigSource(path)),
        ..discovery.config_source.clone().unwrap()
    });
    cluster.typed_extension_protocol_options.insert(OPTIONS.to_owned(), pack(&options));
    let socket = |name: &str| json!({ "address": { "pipe": { "path": folder.join(name) } } });
    let hcm = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    let router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
    let route = json!({
        "match": { "prefix": "/" },
        "route": { "cluster": cluster.name, "host_rewrite_literal": "bedrock-runtime.eu-west-1.amazonaws.com" },
    });
    let manager = json!({
        "@type": hcm, "stat_prefix": "a",
        "route_config": { "virtual_hosts": [{ "name": "a", "domains": ["*"], "routes": [route] }] },
        "http_filters": [{ "name": "router", "typed_config": { "@type": router } }],
    });
    let chain = json!({ "filters": [{ "name": "hcm", "typed_config": manager }] });
    let mut listener = socket("listener.sock");
    listener["filter_chains"] = json!([chain]);
    json!({
        "node": { "id": "a", "cluster": "a" },
        "admin": socket("admin.sock"),
        "static_resources": { "listeners": [listener], "clusters": [message_to_json_value(&cluster).unwrap()] },
    })
    .to_string()
}

/// The answer at a socket; empty when nobody is there.
fn ask(socket: &Path, request: &str) -> String {
    let Ok(mut stream) = UnixStream::connect(socket) else { return String::new() };
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Answers one request; the lines of its head.
fn answer(mut stream: TcpStream) -> Vec<String> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let lines = std::iter::from_fn(|| {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        Some(line.trim_end().to_owned()).filter(|line| !line.is_empty())
    });
    let head = lines.collect();
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").unwrap();
    head
}
