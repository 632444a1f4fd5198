//! T-26: many at once never get more than there is.

use std::sync::Arc;

use envoy_proto::envoy::service::ratelimit::v3::RateLimitRequest;
use envoy_proto::envoy::service::ratelimit::v3::rate_limit_response::Code;

use crate::calls::{Setup, hits};

const TASKS: usize = 200;

fn config(all_or_nothing: bool, algorithm: &str) -> String {
    format!(
        "
domain: d
all_or_nothing: {all_or_nothing}
descriptors:
  - key: user
    rate_limit: {{unit: hour, requests_per_unit: 5000, algorithm: {algorithm}}}
  - key: team
    rate_limit: {{unit: day, requests_per_unit: 100000}}
"
    )
}

/// Makes 200 calls for `number` hits at once. How many were admitted.
async fn rush(setup: &Setup, number: u64) -> usize {
    let barrier = Arc::new(tokio::sync::Barrier::new(TASKS));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..TASKS {
        let (limiter, barrier) = (setup.limiter.clone(), barrier.clone());
        tasks.spawn(async move {
            let descriptors = vec![hits(&["user=a"], number), hits(&["team=t"], number)];
            barrier.wait().await;
            let answer =
                limiter.answer(RateLimitRequest { domain: "d".into(), descriptors, hits_addend: 0 }).await;
            answer.unwrap().overall_code() == Code::Ok
        });
    }
    tasks.join_all().await.into_iter().filter(|admitted| *admitted).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reservations_never_exceed_the_budget() {
    for algorithm in ["fixed_window", "sliding_window", "token_bucket"] {
        for setup in Setup::both(&config(true, algorithm)) {
            // 5000 hold seven reservations of 700, and no eighth.
            assert_eq!(rush(&setup, 700).await, 7, "{algorithm}");
            assert_eq!(
                setup.spent().await,
                2 * 7 * 700,
                "both limits hold what was admitted, and nothing else"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_as_many_requests_pass_as_the_limit_says() {
    for setup in Setup::both(&config(false, "fixed_window").replace("5000", "50")) {
        assert_eq!(rush(&setup, 1).await, 50);
        assert_eq!(setup.spent().await, 400);
    }
}
