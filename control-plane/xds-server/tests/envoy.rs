//! The server against the real Envoy: configuration changes under load cost no request.
//!
//! Takes the path of the Envoy binary from `WEIR_ENVOY` and says so when it is not set. Everything listens on Unix
//! sockets in a temporary directory, so no port is needed.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helper functions too")]

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use envoy_proto::{
    envoy::config::{
        cluster::v3::Cluster, endpoint::v3::ClusterLoadAssignment, listener::v3::Listener,
        route::v3::RouteConfiguration,
    },
    message_from_json,
    prost::Name,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    process::{Child, Command},
    sync::oneshot,
    time::timeout,
};
use xds_server::{Error, Kind, Resource, UnixSocket, XdsServer};

/// Longer than Envoy needs to start on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn resource<M: Name + Default>(name: &str, json: &Value) -> Resource {
    Resource::of(name, &message_from_json::<M>(json).unwrap()).unwrap()
}

fn ads() -> Value {
    json!({"ads": {}, "resource_api_version": "V3"})
}

/// A server that answers every request with 200 and `name`.
fn upstream(directory: &Path, name: &'static str) {
    let listener = UnixListener::bind(directory.join(name)).unwrap();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = Vec::new();
                while connection.read_buf(&mut request).await.is_ok_and(|n| n > 0) {
                    if request.ends_with(b"\r\n\r\n") {
                        request.clear();
                        let answer =
                            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len());
                        if connection.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
}

/// One request through Envoy on a connection of its own: the whole answer, or what went wrong.
async fn get(listener: &Path) -> Result<String, std::io::Error> {
    let mut connection = UnixStream::connect(listener).await?;
    connection.write_all(b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// The configuration that routes everything to `cluster`, whose endpoint is the upstream `backend`.
fn routed_to(
    directory: &Path,
    cluster: &str,
    backend: &str,
    connect_timeout: &str,
    filter: &str,
) -> Vec<Resource> {
    let pipe = |name: &str| json!({"pipe": {"path": directory.join(name)}});
    vec![
        resource::<Cluster>(
            cluster,
            &json!({
                "name": cluster, "type": "EDS", "connect_timeout": connect_timeout, "eds_cluster_config": {"eds_config": ads()},
            }),
        ),
        resource::<ClusterLoadAssignment>(
            cluster,
            &json!({
                "cluster_name": cluster,
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": pipe(backend)}}]}],
            }),
        ),
        resource::<Listener>(
            "web",
            &json!({
                "name": "web",
                "address": pipe("web"),
                "filter_chains": [{"filters": [{"name": "http", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                    "stat_prefix": "web",
                    "rds": {"route_config_name": "routes", "config_source": ads()},
                    "http_filters": [{"name": filter, "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                    }}],
                }}]}],
            }),
        ),
        resource::<RouteConfiguration>(
            "routes",
            &json!({
                "name": "routes",
                "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                    {"match": {"prefix": "/"}, "route": {"cluster": cluster}},
                ]}],
            }),
        ),
    ]
}

/// A control plane on `path`, and what stops it.
fn serve(path: &Path) -> (XdsServer, impl AsyncFnOnce()) {
    let server = XdsServer::new();
    let socket = UnixSocket::bind(path).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn({
        let server = server.clone();
        async move { server.serve_unix(socket, async { stopped.await.unwrap() }).await }
    });
    let stop = async move || {
        stop.send(()).unwrap();
        timeout(PATIENCE, serving).await.unwrap().unwrap().unwrap();
    };
    (server, stop)
}

/// Starts Envoy with nothing but the way to the control plane; killed on drop.
fn start(envoy: PathBuf, directory: &Path, xds: &Path) -> Child {
    let bootstrap = json!({
        "node": {"id": "test", "cluster": "test"},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": true,
                "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}],
            },
            "cds_config": ads(),
            "lds_config": ads(),
        },
        "static_resources": {"clusters": [{
            "name": "xds",
            "connect_timeout": "1s",
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }},
            "load_assignment": {"cluster_name": "xds", "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": xds}}}}]},
            ]},
        }]},
    });
    let file = directory.join("bootstrap.json");
    std::fs::write(&file, bootstrap.to_string()).unwrap();
    let log = std::fs::File::create(directory.join("envoy.log")).unwrap();
    Command::new(envoy)
        .args(["--disable-hot-restart", "--concurrency", "1", "-l", "info", "-c"])
        .arg(file)
        .stdin(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_under_load_cost_no_request() {
    let Some(envoy) = std::env::var_os("WEIR_ENVOY") else {
        eprintln!("skipped: set WEIR_ENVOY to the path of an Envoy {} binary", envoy_proto::ENVOY_VERSION);
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path().to_owned();
    let web = here.join("web");
    upstream(&here, "one");
    upstream(&here, "two");
    let xds = here.join("run/xds.sock");
    let (server, stop_server) = serve(&xds);

    let generation = server.publish(routed_to(&here, "c0", "one", "1s", "router")).unwrap();
    let envoy = start(envoy.into(), &here, &xds);
    let log = || std::fs::read_to_string(here.join("envoy.log")).unwrap();
    let programmed = |generation| timeout(PATIENCE, server.programmed(generation));
    programmed(generation)
        .await
        .unwrap_or_else(|_| panic!("{:?}\n{}", server.sessions().borrow(), log()))
        .unwrap();
    let first = get(&web).await.unwrap();
    assert!(first.starts_with("HTTP/1.1 200") && first.ends_with("one"), "{first}\n{}", log());

    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let load = tokio::spawn({
        let (web, stop, answered) = (web.clone(), Arc::clone(&stop), Arc::clone(&answered));
        async move {
            let mut failures = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                match get(&web).await {
                    Ok(answer) if answer.starts_with("HTTP/1.1 200") => {
                        _ = answered.fetch_add(1, Ordering::Relaxed)
                    }
                    other => failures.push(other),
                }
            }
            failures
        }
    });

    // A new cluster each time, and the old one goes away.
    for round in 1..=100 {
        let backend = if round % 2 == 0 { "one" } else { "two" };
        let generation =
            server.publish(routed_to(&here, &format!("c{round}"), backend, "1s", "router")).unwrap();
        programmed(generation).await.unwrap_or_else(|_| panic!("{:?}", server.sessions().borrow())).unwrap();
        assert!(get(&web).await.unwrap().ends_with(backend));
    }

    // A changed cluster does not wait for Envoy's initial_fetch_timeout of 15 s to be warm.
    let begun = Instant::now();
    let generation = server.publish(routed_to(&here, "c100", "one", "2s", "router")).unwrap();
    programmed(generation).await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "took {:?}", begun.elapsed());
    assert!(get(&web).await.unwrap().ends_with("one"));

    // A refused listener is reported, and what was there before stays.
    let mut bad = routed_to(&here, "c100", "two", "2s", "router");
    bad.retain(|r| r.kind() != Kind::Listener);
    bad.push(resource::<Listener>(
        "web",
        &json!({"name": "web", "filter_chains": [{"filters": [{"name": "no such filter"}]}]}),
    ));
    let generation = server.publish(bad).unwrap();
    match programmed(generation).await.unwrap() {
        Err(Error::Rejected(rejected)) => {
            assert_eq!(
                (rejected.len(), rejected[0].kind, rejected[0].name.as_str()),
                (1, Kind::Listener, "web")
            );
            assert!(!rejected[0].message.is_empty());
        }
        other => panic!("{other:?}"),
    }
    assert!(get(&web).await.unwrap().ends_with("two"), "the endpoints of the same publish are in effect");

    // The control plane restarts, and something has changed in the meantime.
    stop_server().await;
    let (server, stop_server) = serve(&xds);
    let generation = server.publish(routed_to(&here, "after", "one", "1s", "router")).unwrap();
    timeout(PATIENCE, server.programmed(generation)).await.unwrap().unwrap();
    assert!(get(&web).await.unwrap().ends_with("one"));

    stop.store(true, Ordering::Relaxed);
    let failures = load.await.unwrap();
    assert!(
        failures.is_empty(),
        "{} of {} failed: {:?}\n{}",
        failures.len(),
        answered.load(Ordering::Relaxed),
        failures,
        log()
    );
    assert!(answered.load(Ordering::Relaxed) > 100);
    drop(envoy);
    stop_server().await;
}
