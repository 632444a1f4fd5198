//! The same calls to `envoyproxy/ratelimit` and to us.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use envoy_proto::envoy::extensions::common::ratelimit::v3::RateLimitDescriptor;
use envoy_proto::envoy::extensions::common::ratelimit::v3::rate_limit_descriptor::RateLimitOverride;
use envoy_proto::envoy::service::ratelimit::v3::rate_limit_response::Code;
use envoy_proto::envoy::service::ratelimit::v3::rate_limit_service_client::RateLimitServiceClient;
use envoy_proto::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use envoy_proto::envoy::r#type::v3::RateLimitUnit;
use rate_limit::Limiter;
use rate_limit::clock::SystemClock;
use rate_limit::config::Config;
use rate_limit::store::MemoryStore;

use crate::calls::{descriptor, hits};
use crate::redis_server::RedisServer;

const CONFIG: &str = "
domain: d
descriptors:
  - key: user
    rate_limit: {unit: hour, requests_per_unit: 10, name: per-user}
  - key: user
    value: alice
    rate_limit: {unit: hour, requests_per_unit: 3}
  - key: user
    value: team-*
    rate_limit: {unit: hour, requests_per_unit: 4}
  - key: path
    descriptors:
      - key: user
        value: 7
        rate_limit: {unit: hour, requests_per_unit: 4}
      - key: method
        value: G*
        rate_limit: {unit: hour, requests_per_unit: 5}
  - key: file
    value: a*
    share_threshold: true
    rate_limit: {unit: hour, requests_per_unit: 3}
  - key: shadow
    shadow_mode: true
    rate_limit: {unit: hour, requests_per_unit: 1}
  - key: quota
    quota_mode: true
    rate_limit: {unit: hour, requests_per_unit: 1}
  - key: free
    rate_limit: {unlimited: true}
  - key: vip
    rate_limit: {unit: hour, requests_per_unit: 100, replaces: [{name: per-user}]}
  - key: none
    rate_limit: {unit: hour, requests_per_unit: 0}
  - {key: day, rate_limit: {unit: day, requests_per_unit: 5}}
  - {key: week, rate_limit: {unit: week, requests_per_unit: 5}}
  - {key: month, rate_limit: {unit: month, requests_per_unit: 5}}
  - {key: year, rate_limit: {unit: YEAR, requests_per_unit: 5}}
";

struct Stock {
    service: Child,
    _folder: tempfile::TempDir,
    _redis: RedisServer,
}

impl Drop for Stock {
    fn drop(&mut self) {
        let _ = self.service.kill();
        let _ = self.service.wait();
    }
}

fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

/// Starts the stock service. Its address.
fn start(program: &str) -> (Stock, String) {
    let redis = RedisServer::start();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("ratelimit/config");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("limits.yaml"), CONFIG).unwrap();
    let port = free_port();
    let socket = redis.address().replace("redis+unix://", "");
    let service = Command::new(program)
        .envs([("USE_STATSD", "false"), ("LOG_LEVEL", "error"), ("REDIS_SOCKET_TYPE", "unix")])
        .env("RESPONSE_DYNAMIC_METADATA", "true")
        .envs([("RUNTIME_SUBDIRECTORY", "ratelimit"), ("RUNTIME_WATCH_ROOT", "false")])
        .envs([("REDIS_URL", socket.as_str()), ("GRPC_HOST", "127.0.0.1"), ("GRPC_PORT", &port)])
        .envs([("HOST", "127.0.0.1"), ("DEBUG_HOST", "127.0.0.1")])
        .envs([("PORT", free_port()), ("DEBUG_PORT", free_port())])
        .env("RUNTIME_ROOT", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (Stock { service, _folder: folder, _redis: redis }, format!("http://127.0.0.1:{port}"))
}

fn with_limit(entries: &[&str], number: u32, unit: RateLimitUnit) -> RateLimitDescriptor {
    let limit = RateLimitOverride { requests_per_unit: number, unit: unit.into(), unit_multiplier: None };
    RateLimitDescriptor { limit: Some(limit), ..descriptor(entries) }
}

/// The calls: what they are about, and their descriptors.
fn script() -> Vec<(&'static str, Vec<RateLimitDescriptor>)> {
    let mut calls = Vec::new();
    let mut call = |about, descriptors: Vec<RateLimitDescriptor>| calls.push((about, descriptors));
    for _ in 0..12 {
        call("up to the limit and beyond", vec![descriptor(&["user=a"])]);
    }
    call("several at once", vec![hits(&["user=b"], 9)]);
    call("nothing, with some left", vec![hits(&["user=b"], 0)]);
    call("more than is left", vec![hits(&["user=b"], 5)]);
    call("what was refused was charged", vec![descriptor(&["user=b"])]);
    call("nothing, beyond the limit", vec![hits(&["user=b"], 0)]);
    call("the value comes before the key", vec![hits(&["user=alice"], 2)]);
    for user in ["team-x", "team-y", "team-x", "team-", "team", ""] {
        call("wildcards have a counter for each value", vec![descriptor(&[&format!("user={user}")])]);
    }
    for file in ["a1", "a2", "a3", "a4", "b"] {
        call("wildcards that share", vec![descriptor(&[&format!("file={file}")])]);
    }
    for entries in [
        &["path=/x"][..],
        &["path=/x", "user=7"],
        &["path=/x", "user=8"],
        &["path=/x", "method=GET"],
        &["path=/x", "method=PUT"],
        &["path=/x", "user=7", "user=7"],
        &["user=a", "path=/x"],
        &["unknown=a"],
    ] {
        call("depth", vec![descriptor(entries)]);
    }
    call("several descriptors, none over", vec![descriptor(&["user=c"]), descriptor(&["user=d"])]);
    call("several descriptors, one over", vec![descriptor(&["user=a"]), descriptor(&["user=c"])]);
    call("the others were charged", vec![hits(&["user=c"], 8)]);
    call("the same counter twice", vec![hits(&["user=e"], 6), hits(&["user=e"], 6)]);
    call("shadow", vec![hits(&["shadow=a"], 3)]);
    call("quota within", vec![descriptor(&["quota=a"])]);
    call("quota beyond", vec![descriptor(&["unknown=a"]), descriptor(&["quota=a"])]);
    call("unlimited", vec![hits(&["free=a"], 3)]);
    call("replaced", vec![hits(&["user=f"], 50), descriptor(&["vip=f"])]);
    call("the replaced was not charged", vec![descriptor(&["user=f"])]);
    call("a limit of nothing", vec![descriptor(&["none=a"])]);
    for unit in ["day=a", "week=a", "month=a", "year=a"] {
        call("units", vec![hits(&[unit], 2)]);
    }
    for unit in [RateLimitUnit::Minute, RateLimitUnit::Hour, RateLimitUnit::Day, RateLimitUnit::Year] {
        call("a limit of the call", vec![with_limit(&["any=x", "user=y"], 2, unit)]);
    }
    call("a limit of the call in place of a rule's", vec![with_limit(&["user=g"], 99, RateLimitUnit::Hour)]);
    calls
}

/// The answer without what differs by intent: asked to, the stock service sends dynamic metadata with every answer, and in
/// them the descriptors of the call, values and all; and its statuses of quota rules have no time of reset.
fn comparable(mut answer: RateLimitResponse, about: &str) -> RateLimitResponse {
    if !about.starts_with("quota") {
        answer.dynamic_metadata = None;
    } else {
        if let Some(metadata) = &mut answer.dynamic_metadata {
            metadata.fields.retain(|name, _| name != "descriptors" && name != "hitsAddend");
        }
        answer.statuses.iter_mut().for_each(|status| status.duration_until_reset = None);
    }
    answer
}

/// Waits until neither the minute nor the second is about to change, and tells the second.
async fn steady() -> u64 {
    loop {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        if now.as_secs() % 60 < 55 && now.subsec_millis() < 500 {
            return now.as_secs();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
#[ignore = "needs the stock service: WEIR_STOCK_RATELIMIT=$(scripts/stock-ratelimit)"]
async fn the_stock_service_answers_the_same() {
    let program =
        std::env::var("WEIR_STOCK_RATELIMIT").expect("run scripts/stock-ratelimit and name what it prints");
    let (_stock, address) = start(&program);
    let end = Instant::now() + Duration::from_secs(20);
    let mut stock = loop {
        match RateLimitServiceClient::connect(address.clone()).await {
            Ok(client) => break client,
            Err(error) if Instant::now() > end => panic!("the stock service does not listen: {error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let config = Config::parse(&[("limits.yaml".into(), CONFIG.to_owned())]).unwrap();
    let ours = Limiter::new(config, Arc::new(MemoryStore::new(1_000)), Arc::new(SystemClock));
    let mut different = Vec::new();
    for (about, descriptors) in script() {
        let request = RateLimitRequest { domain: "d".into(), descriptors, hits_addend: 0 };
        steady().await;
        let theirs = stock.should_rate_limit(request.clone()).await.unwrap().into_inner();
        let ours = ours.answer(request.clone()).await.unwrap();
        let (theirs, ours) = (comparable(theirs, about), comparable(ours, about));
        if theirs != ours {
            different
                .push(format!("{about}: {:?}\n  stock {theirs:?}\n  weir  {ours:?}", request.descriptors));
        }
    }
    // The differences that docs/rate-limit-service.md tells of.
    let negative = RateLimitDescriptor { is_negative_hits: true, ..hits(&["user=z"], 3) };
    for (descriptor, theirs, our) in [
        (hits(&["user=z"], 10), (Code::Ok, 0), (Code::Ok, 0)),
        (hits(&["user=z"], 0), (Code::Ok, 0), (Code::OverLimit, 0)),
        (negative, (Code::OverLimit, 0), (Code::Ok, 3)),
    ] {
        let request = RateLimitRequest { domain: "d".into(), descriptors: vec![descriptor], hits_addend: 0 };
        steady().await;
        let found = stock.should_rate_limit(request.clone()).await.unwrap().into_inner();
        let told = |answer: &RateLimitResponse| (answer.overall_code(), answer.statuses[0].limit_remaining);
        assert_eq!((told(&found), told(&ours.answer(request.clone()).await.unwrap())), (theirs, our));
    }
    assert!(
        different.is_empty(),
        "{} of {} calls:\n{}",
        different.len(),
        script().len(),
        different.join("\n")
    );
}
