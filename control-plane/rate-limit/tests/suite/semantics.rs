//! What calls mean: the same with both stores.

use std::time::{Duration, Instant};

use envoy_proto::envoy::extensions::common::ratelimit::v3::RateLimitDescriptor;
use envoy_proto::envoy::extensions::common::ratelimit::v3::rate_limit_descriptor::RateLimitOverride;
use envoy_proto::envoy::service::ratelimit::v3::RateLimitRequest;
use envoy_proto::envoy::service::ratelimit::v3::rate_limit_response::Code;
use envoy_proto::envoy::r#type::v3::RateLimitUnit;
use rate_limit::Error;

use crate::calls::{NOON, Setup, descriptor, hits, refund};

const STOCK: &str = "
domain: d
response_headers: {}
descriptors:
  - key: user
    rate_limit: {unit: minute, requests_per_unit: 10, name: per-user}
  - key: shadow
    shadow_mode: true
    rate_limit: {unit: minute, requests_per_unit: 1}
  - key: quota
    quota_mode: true
    rate_limit: {unit: minute, requests_per_unit: 1}
  - key: free
    rate_limit: {unlimited: true}
  - key: vip
    rate_limit: {unit: minute, requests_per_unit: 100, replaces: [{name: per-user}]}
  - key: file
    value: a*
    share_threshold: true
    rate_limit: {unit: hour, requests_per_unit: 3}
";

const BUDGET: &str = "
domain: d
all_or_nothing: true
response_headers: {}
descriptors:
  - key: user
    rate_limit: {unit: month, requests_per_unit: 1000, calendar: true, time_zone: Europe/Berlin, soft_limit: 80%}
  - key: team
    rate_limit: {unit: hour, requests_per_unit: 600}
";

#[tokio::test]
async fn hits_are_counted_until_the_window_ends() {
    for setup in Setup::both(STOCK) {
        for left in (0..10).rev() {
            assert_eq!(setup.one(descriptor(&["user=a"])).await, (true, left));
        }
        assert_eq!(setup.one(descriptor(&["user=a"])).await, (false, 0));
        assert_eq!(setup.one(descriptor(&["user=b"])).await, (true, 9));
        let answer = setup.ask(vec![descriptor(&["user=a"])]).await;
        assert_eq!(answer.statuses[0].duration_until_reset.as_ref().unwrap().seconds, 30);
        let headers: Vec<_> =
            answer.response_headers_to_add.iter().map(|one| (one.key.as_str(), one.value.as_str())).collect();
        assert_eq!(
            headers,
            [("x-ratelimit-limit", "10"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "30")]
        );
        // The last moment of the window, and the first of the next.
        setup.clock.set(NOON + 29_999);
        assert_eq!(setup.one(descriptor(&["user=a"])).await, (false, 0));
        setup.clock.set(NOON + 30_000);
        assert_eq!(setup.one(descriptor(&["user=a"])).await, (true, 9));
        assert_eq!(setup.metric("hits_total{domain=\"d\",rule=\"user\"}"), 15);
        assert_eq!(setup.metric("over_limit_total{domain=\"d\",rule=\"user\"}"), 3);
        assert_eq!(setup.metric("near_limit_total{domain=\"d\",rule=\"user\"}"), 2);
    }
}

#[tokio::test]
async fn what_the_stock_service_charges_is_charged() {
    for setup in Setup::both(STOCK) {
        // A descriptor over its limit does not keep others from being charged, and is charged itself.
        assert_eq!(setup.one(hits(&["user=a"], 11)).await, (false, 0));
        let answer = setup.ask(vec![descriptor(&["user=a"]), descriptor(&["user=b"])]).await;
        assert_eq!(answer.overall_code(), Code::OverLimit);
        assert_eq!((answer.statuses[1].code(), answer.statuses[1].limit_remaining), (Code::Ok, 9));
        assert_eq!(setup.spent().await, 13);
    }
}

#[tokio::test]
async fn rules_that_do_not_refuse() {
    for setup in Setup::both(STOCK) {
        assert_eq!(setup.one(hits(&["shadow=a"], 5)).await, (true, 0));
        assert_eq!(setup.metric("shadow_total{domain=\"d\",rule=\"shadow\"}"), 1);
        assert_eq!(setup.one(hits(&["free=a"], 5)).await, (true, u32::MAX));
        assert_eq!(setup.one(hits(&["unknown=a"], 5)).await, (true, 0));
        let answer = setup.ask(vec![descriptor(&["unknown=a"]), hits(&["quota=a"], 2)]).await;
        assert_eq!(answer.overall_code(), Code::Ok);
        let metadata = answer.dynamic_metadata.unwrap();
        assert!(format!("{:?}", metadata.fields["quotaModeViolations"]).contains("NumberValue(1.0)"));
        // Replaced by another rule of the same call, and not charged.
        let answer = setup.ask(vec![hits(&["user=r"], 50), descriptor(&["vip=r"])]).await;
        assert_eq!((answer.overall_code(), answer.statuses[0].current_limit.is_none()), (Code::Ok, true));
        assert_eq!(setup.one(descriptor(&["user=r"])).await, (true, 9));
        // Values that share a wildcard's limit.
        for (file, left) in [("file=a1", 2), ("file=a2", 1), ("file=a1", 0)] {
            assert_eq!(setup.one(descriptor(&[file])).await, (true, left));
        }
        assert_eq!(setup.one(descriptor(&["file=a3"])).await, (false, 0));
    }
}

#[tokio::test]
async fn a_call_can_bring_its_limit() {
    for setup in Setup::both(STOCK) {
        let with = |number, multiplier| RateLimitDescriptor {
            limit: Some(RateLimitOverride {
                requests_per_unit: number,
                unit: RateLimitUnit::Hour.into(),
                unit_multiplier: multiplier,
            }),
            ..descriptor(&["any=key", "user=a"])
        };
        assert_eq!(setup.one(with(2, None)).await, (true, 1));
        assert_eq!(setup.one(with(2, None)).await, (true, 0));
        assert_eq!(setup.one(with(2, None)).await, (false, 0));
        // A raised limit keeps what was spent; a longer window is another counter.
        assert_eq!(setup.one(with(5, None)).await, (true, 1));
        let answer = setup.ask(vec![with(5, Some(3))]).await;
        let limit = answer.statuses[0].current_limit.as_ref().unwrap();
        assert_eq!((limit.unit_multiplier, answer.statuses[0].limit_remaining), (Some(3), 4));
    }
}

/// T-26: a refused call leaves nothing behind.
#[tokio::test]
async fn all_or_nothing_does_not_leak() {
    for setup in Setup::both(BUDGET) {
        let both = |number| vec![hits(&["user=a"], number), hits(&["team=t"], number)];
        assert_eq!(setup.ask(both(500)).await.overall_code(), Code::Ok);
        let answer = setup.ask(both(200)).await;
        let codes: Vec<_> = answer.statuses.iter().map(|one| (one.code(), one.limit_remaining)).collect();
        assert_eq!(codes, [(Code::Ok, 500), (Code::OverLimit, 100)]);
        assert_eq!(setup.spent().await, 1_000);
        assert_eq!(setup.ask(both(100)).await.overall_code(), Code::Ok);
        // Asking for nothing tells whether anything is left.
        assert_eq!(setup.one(hits(&["user=a"], 0)).await, (true, 400));
        assert_eq!(setup.one(hits(&["team=t"], 0)).await, (false, 0));
        assert_eq!(setup.spent().await, 1_200);
    }
}

/// T-24: what is read back is what was used.
#[tokio::test]
async fn reservations_are_settled_and_refunded_once() {
    for setup in Setup::both(BUDGET) {
        let reserve = |id: &str| hits(&["user=a", &format!("weir.request={id}")], 300);
        let extra =
            |id: &str, number| hits(&["user=a", &format!("weir.request={id}"), "weir.settle=true"], number);
        let unused =
            |id: &str, number| refund(&["user=a", &format!("weir.request={id}"), "weir.settle=true"], number);
        assert_eq!(setup.one(reserve("r1")).await, (true, 700));
        // The same call again, as gRPC retries make it.
        assert_eq!(setup.one(reserve("r1")).await, (true, 700));
        assert_eq!(setup.one(reserve("r2")).await, (true, 400));
        assert_eq!(setup.one(unused("r1", 120)).await, (true, 520));
        assert_eq!(setup.one(unused("r1", 120)).await, (true, 520));
        assert_eq!(setup.one(extra("r2", 600)).await, (true, 0));
        assert_eq!(setup.one(extra("r2", 600)).await, (true, 0));
        assert_eq!(setup.spent().await, 300 - 120 + 300 + 600);
        assert_eq!(setup.metric("overrun_total{domain=\"d\",rule=\"user\"}"), 80);
        assert_eq!(setup.metric("repeated_total{domain=\"d\",rule=\"user\"}"), 3);
        // Nothing was reserved under this name, so nothing is given back; nor more than was reserved.
        assert_eq!(setup.one(unused("r3", 50)).await, (true, 0));
        assert_eq!(setup.metric("refunds_dropped_total{domain=\"d\",rule=\"user\"}"), 1);
        assert_eq!(setup.spent().await, 1_080);
        // A refused reservation can be asked for again, and has nothing to give back.
        assert_eq!(setup.one(reserve("r4")).await, (false, 0));
        assert_eq!(setup.one(unused("r4", 300)).await, (true, 0));
        assert_eq!(setup.spent().await, 1_080);
    }
}

/// A request can be given up while the service is asked; then its refund may be carried out first.
#[tokio::test]
async fn a_refund_that_overtakes_its_reservation_counts() {
    for setup in Setup::both(BUDGET) {
        let charges = |id: &str, number| {
            let named = format!("weir.request={id}");
            vec![hits(&["user=a", &named], number), hits(&["team=t", &named], number)]
        };
        let unused = |id: &str, number| {
            let named = format!("weir.request={id}");
            vec![refund(&["user=a", &named], number), refund(&["team=t", &named], number)]
        };
        for _ in 0..2 {
            assert_eq!(setup.ask(unused("r1", 300)).await.overall_code(), Code::Ok);
            assert_eq!(setup.ask(charges("r1", 300)).await.overall_code(), Code::Ok);
            assert_eq!(setup.spent().await, 0);
        }
        // What was used of it stays.
        setup.ask(unused("r2", 250)).await;
        setup.ask(charges("r2", 300)).await;
        assert_eq!(setup.spent().await, 2 * 50);
        // A refund is for its own request, and never for more than was reserved.
        setup.ask(unused("r3", 500)).await;
        setup.ask(charges("r3", 300)).await;
        setup.ask(charges("r4", 300)).await;
        setup.ask(unused("r3", 500)).await;
        assert_eq!(setup.spent().await, 2 * 350);
    }
}

#[tokio::test]
async fn a_reservation_of_last_month_is_not_refunded_this_month() {
    for setup in Setup::both(BUDGET) {
        // A second before December begins in Berlin.
        setup.clock.set(1_796_079_599_000);
        assert_eq!(setup.one(hits(&["user=a", "weir.request=r1"], 900)).await, (true, 100));
        setup.clock.advance(1_000);
        assert_eq!(setup.one(hits(&["user=a", "weir.request=r2"], 900)).await, (true, 100));
        assert_eq!(setup.one(refund(&["user=a", "weir.request=r1"], 800)).await, (true, 100));
        assert_eq!(setup.one(refund(&["user=a", "weir.request=r2"], 800)).await, (true, 900));
    }
}

/// What has drained was there for others: giving it back would give it out twice.
#[tokio::test]
async fn a_reservation_that_has_drained_out_of_a_bucket_is_not_refunded() {
    let bucket = BUDGET
        .replace("unit: month", "unit: minute")
        .replace("calendar: true, time_zone: Europe/Berlin", "algorithm: token_bucket");
    assert!(bucket.contains("token_bucket") && bucket.contains("unit: minute"), "{bucket}");
    for setup in Setup::both(&bucket) {
        setup.clock.set(1_796_079_599_000);
        assert_eq!(setup.one(hits(&["user=a", "weir.request=r1"], 900)).await, (true, 100));
        setup.clock.advance(60_000);
        assert_eq!(setup.one(hits(&["user=a", "weir.request=r2"], 900)).await, (true, 100));
        assert_eq!(setup.one(refund(&["user=a", "weir.request=r1"], 800)).await, (true, 100));
        setup.clock.advance(6_000);
        assert_eq!(setup.one(refund(&["user=a", "weir.request=r2"], 700)).await, (true, 900));
    }
}

#[tokio::test]
async fn soft_limits_warn() {
    for setup in Setup::both(BUDGET) {
        let soft = |answer: &envoy_proto::envoy::service::ratelimit::v3::RateLimitResponse| {
            let mut headers = answer.response_headers_to_add.iter();
            headers.find(|one| one.key == "x-ratelimit-soft-limit").map(|one| one.value.clone())
        };
        let passed = "soft_limit_total{domain=\"d\",rule=\"user\"}";
        assert_eq!(soft(&setup.ask(vec![hits(&["user=a"], 799)]).await), None);
        assert_eq!(setup.metric(passed), 0);
        assert_eq!(soft(&setup.ask(vec![hits(&["user=a"], 1)]).await).as_deref(), Some("80%"));
        assert_eq!(soft(&setup.ask(vec![hits(&["user=a"], 1)]).await).as_deref(), Some("80%"));
        assert_eq!(setup.metric(passed), 1);
    }
}

#[tokio::test]
async fn calls_the_protocol_does_not_allow_are_refused() {
    let setup = Setup::memory(STOCK);
    let call =
        |domain: &str, descriptors| RateLimitRequest { domain: domain.into(), descriptors, hits_addend: 0 };
    for request in
        [call("", vec![descriptor(&["a=b"])]), call("d", vec![]), call("d", vec![descriptor(&["a=b"]); 101])]
    {
        assert!(matches!(setup.limiter.answer(request).await, Err(Error::InvalidCall(_))));
    }
    assert_eq!(setup.metric("invalid_calls_total"), 3);
    let answer = setup.limiter.answer(call("other", vec![descriptor(&["user=a"])])).await.unwrap();
    assert_eq!((answer.overall_code(), setup.metric("unknown_domains_total")), (Code::Ok, 1));
}

#[tokio::test]
async fn what_no_rule_is_for_is_counted() {
    let setup = Setup::memory(BUDGET);
    let unmatched = "unmatched_total{domain=\"d\"}";
    for (entries, count) in [(["user=a"].as_slice(), 0), (&["usr=a"], 1), (&["user=a", "path=/"], 2)] {
        assert!(setup.one(hits(entries, 1)).await.0);
        assert_eq!(setup.metric(unmatched), count, "{entries:?}");
    }
    // What is settled was admitted before, and has been counted then.
    setup.one(hits(&["usr=a", "weir.settle=true"], 1)).await;
    assert_eq!(setup.metric(unmatched), 2);
}

#[tokio::test]
async fn no_value_of_a_request_is_shown() {
    for setup in Setup::both(STOCK) {
        setup.one(hits(&["user=sk-very-secret", "weir.request=req-secret"], 1)).await;
        let counters = setup.limiter.counters(10).await.unwrap();
        assert_eq!(counters.len(), 1);
        let shown = serde_json::to_string(&counters).unwrap() + &setup.limiter.metrics().unwrap();
        assert!(!shown.contains("secret"), "{shown}");
        let fingerprint = rate_limit::fingerprint("sk-very-secret");
        assert_eq!(counters[0].descriptor, format!("d user user={fingerprint}"));
    }
}

#[tokio::test]
async fn a_store_that_fails_is_an_error_and_comes_back() {
    let mut setup = Setup::redis(STOCK);
    setup.one(descriptor(&["user=a"])).await;
    setup.redis.as_mut().unwrap().kill();
    let request =
        RateLimitRequest { domain: "d".into(), descriptors: vec![descriptor(&["user=a"])], hits_addend: 0 };
    let error = setup.limiter.answer(request).await.unwrap_err();
    assert!(matches!(error, Error::Store(_)), "{error}");
    assert!(!error.to_string().contains("user"), "{error}");
    assert_eq!(setup.metric("store_errors_total{store=\"redis\"}"), 1);
    setup.redis.as_mut().unwrap().start_again();
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let request = RateLimitRequest {
            domain: "d".into(),
            descriptors: vec![descriptor(&["user=a"])],
            hits_addend: 0,
        };
        match setup.limiter.answer(request).await {
            Ok(answer) => break assert_eq!(answer.statuses[0].limit_remaining, 9),
            Err(error) => assert!(Instant::now() < end, "{error}"),
        }
    }
}
