//! The service over the network.

use std::sync::Arc;
use std::time::Duration;

use envoy_proto::envoy::service::ratelimit::v3::RateLimitRequest;
use envoy_proto::envoy::service::ratelimit::v3::rate_limit_response::Code;
use envoy_proto::envoy::service::ratelimit::v3::rate_limit_service_client::RateLimitServiceClient;
use rate_limit::clock::{Clock, ManualClock};
use rate_limit::store::{MemoryStore, StateFile, Store};
use rate_limit::{keep, serve_grpc, serve_pages};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::calls::{NOON, Setup, descriptor};

const CONFIG: &str = "
domain: d
descriptors:
  - key: user
    rate_limit: {unit: day, requests_per_unit: 2}
";

fn call(entry: &str) -> RateLimitRequest {
    RateLimitRequest { domain: "d".into(), descriptors: vec![descriptor(&[entry])], hits_addend: 0 }
}

#[tokio::test]
async fn calls_are_answered_and_the_end_is_graceful() {
    let setup = Setup::memory(CONFIG);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve_grpc(setup.limiter.clone(), listener, async {
        stopped.await.ok();
    }));
    let mut client = RateLimitServiceClient::connect(address.clone()).await.unwrap();
    for wanted in [Code::Ok, Code::Ok, Code::OverLimit] {
        assert_eq!(client.should_rate_limit(call("user=a")).await.unwrap().get_ref().overall_code(), wanted);
    }
    let wrong = client.should_rate_limit(call("weir.other=1")).await.unwrap_err();
    assert_eq!(wrong.code(), tonic::Code::InvalidArgument);
    let channel = tonic::transport::Endpoint::from_shared(address).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel);
    for service in ["", "envoy.service.ratelimit.v3.RateLimitService"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        assert_eq!(health.check(request).await.unwrap().get_ref().status(), ServingStatus::Serving);
    }
    stop.send(()).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(20), server).await;
    assert_eq!(ended.unwrap().unwrap(), Ok(()));
}

#[tokio::test]
async fn pages_show_metrics_and_counters() {
    let setup = Setup::memory(CONFIG);
    setup.one(descriptor(&["user=a"])).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let pages = tokio::spawn(serve_pages(setup.limiter.clone(), listener));
    let get = async |path: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    assert!(get("/healthz").await.starts_with("HTTP/1.1 200"));
    let metrics = get("/metrics").await;
    assert!(metrics.contains("weir_ratelimit_hits_total{domain=\"d\",rule=\"user\"} 1"), "{metrics}");
    assert!(metrics.contains("weir_ratelimit_call_duration_seconds_count 1"), "{metrics}");
    let counters = get("/counters").await;
    assert!(counters.contains("\"spent\":1") && counters.contains("\"limit\":2"), "{counters}");
    assert!(get("/other").await.starts_with("HTTP/1.1 404"));
    pages.abort();
}

#[tokio::test]
async fn a_restart_does_not_forget_what_was_spent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    for wanted in [(true, 1), (true, 0), (false, 0)] {
        let store = Arc::new(MemoryStore::new(1_000));
        let file = StateFile::open(&path, &store).unwrap();
        let setup = Setup::new(CONFIG, store.clone() as Arc<dyn Store>, None);
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(NOON));
        let (stop, stopped) = oneshot::channel::<()>();
        let keeper = tokio::spawn(keep(store, Some(file), clock, async {
            stopped.await.ok();
        }));
        assert_eq!(setup.one(descriptor(&["user=a"])).await, wanted);
        stop.send(()).unwrap();
        assert_eq!(keeper.await.unwrap(), Ok(()));
    }
}
