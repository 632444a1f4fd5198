//! The `limit` filter, alone on a fake host: what it takes, gives back and tells the rate limit service.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use filter_config::LIMIT_OVERRIDES_HEADER;
use filter_core::fake_host::{FakeStream, Passed, SharedState};
use filter_core::{
    Attribute, FilterKind, HeaderMap, Metric, Outcome, Plan, RECORD_STATE, Record, RecordedUsage, Traits,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn plan(config: &Value) -> Plan {
    Plan::compile(FilterKind::Limit, config.to_string().as_bytes()).unwrap()
}

/// A plan with one policy, which holds for every request.
fn policy(policy: &Value) -> Plan {
    plan(&json!({"default_policies": ["p"], "policies": {"p": policy}, "prices": prices()}))
}

fn prices() -> Value {
    json!({"providers": {"openai": {"models": {
        "m": {"rates": {"input": "1", "cacheWrite": "3", "output": "10"}},
        "dear": {"rates": {"input": "100", "output": "100"}},
    }}}})
}

/// A bucket that never gains anything worth mentioning.
fn bucket(id: &str, unit: &str, holds: u64) -> Value {
    json!({"id": id, "unit": unit, "amount": 1, "per_ms": 1_000_000_000_000_u64, "burst": holds - 1})
}

/// A request: so many tokens of input, and the most of output.
struct Asked {
    input: u64,
    most: Option<u64>,
}

/// All requests of a test, which share memory.
struct Requests {
    plan: Plan,
    shared: SharedState,
}

impl Requests {
    fn new(plan: Plan) -> Self {
        Self { plan, shared: SharedState::default() }
    }

    fn start(&self, asked: &Asked) -> (FakeStream, Passed) {
        self.start_on(asked, None)
    }

    /// A request on a route that names these limits.
    fn start_on(&self, asked: &Asked, limits: Option<&Value>) -> (FakeStream, Passed) {
        self.start_as("openai_chat", asked, limits)
    }

    fn start_as(&self, client: &'static str, asked: &Asked, limits: Option<&Value>) -> (FakeStream, Passed) {
        let state = SharedState::default();
        let record = Record {
            path: Some("/v1/chat/completions".into()),
            client: Some(client.into()),
            model: Some("m".into()),
            request_bytes: Some(100),
            traits: Traits { input_tokens: Some(asked.input), max_output: asked.most, ..Traits::default() },
            ..Record::default()
        };
        state.borrow_mut().insert(RECORD_STATE.to_owned(), record.to_json());
        let mut stream = FakeStream::start(&self.plan, &state);
        stream.host.shared = Rc::clone(&self.shared);
        if let Some(limits) = limits {
            stream.host.attributes.insert(Attribute::RouteLimits, limits.to_string());
        }
        let headers = [(":method", "POST"), (":path", "/v1/chat/completions"), ("x-user", "ann")];
        let passed = stream.request(&headers, &[b"{}"]);
        (stream, passed)
    }

    /// What is left, as a request is told that reserves nothing.
    fn left(&self) -> u64 {
        let (mut stream, _) = self.start(&Asked { input: 0, most: Some(0) });
        told(&mut stream, "x-ratelimit-remaining").parse().unwrap()
    }
}

/// A header of the answer.
fn told(stream: &mut FakeStream, name: &str) -> String {
    stream.response(&[(":status", "200")], &[]);
    let headers = &stream.host.headers[&HeaderMap::Response];
    headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

/// Ends a request of which the provider has said this.
fn end(stream: &mut FakeStream, usage: Option<(u64, u64)>, outcome: Outcome) {
    let json = stream.host.state.borrow()[RECORD_STATE].clone();
    let record: Record<'_> = serde_json::from_slice(&json).unwrap();
    let usage = usage.map(|(input, output)| RecordedUsage { input, output, ..RecordedUsage::default() });
    let provider = Some(Cow::from("openai"));
    let record = Record { provider, usage, outcome, ..record };
    stream.host.state.borrow_mut().insert(RECORD_STATE.to_owned(), record.to_json());
    stream.complete();
}

fn passes(passed: &Passed) -> bool {
    matches!(passed, Passed::On(_))
}

fn published(stream: &FakeStream) -> BTreeMap<String, String> {
    let state = stream.host.state.borrow();
    let of_limits = state.iter().filter(|(key, _)| key.starts_with("weir.limit."));
    of_limits.map(|(key, value)| (key.clone(), String::from_utf8(value.clone()).unwrap())).collect()
}

fn observed(stream: &FakeStream) -> Vec<[&str; 2]> {
    let of_limits = stream.host.observed.iter().filter(|(metric, _, _)| *metric == Metric::LimitDecisions);
    of_limits.map(|(_, labels, _)| [labels[0].as_str(), labels[1].as_str()]).collect()
}

#[test]
fn what_is_refused_leaves_nothing_behind() {
    let all = Requests::new(policy(&json!({"local": [
        bucket("first", "tokens", 1000), bucket("second", "requests", 1), bucket("third", "tokens", 1000),
    ]})));
    let (mut first, passed) = all.start(&Asked { input: 10, most: Some(90) });
    assert!(passes(&passed));
    let (_, refused) = all.start(&Asked { input: 10, most: Some(90) });
    let Passed::Replied(reply) = refused else { panic!("it passed") };
    assert_eq!((reply.status, reply.details), (429, "weir_rate_limited"));
    let text = String::from_utf8(reply.body).unwrap();
    assert!(text.contains("The limit of 1 requests is used up"), "{text}");
    end(&mut first, Some((10, 5)), Outcome::Complete);
    let shared = all.shared.borrow();
    let level = |id: &str| i128::from_le_bytes(shared[&format!("weir.limit.{id}")][..16].try_into().unwrap());
    let tokens = 985 * 1_000_000_000_000_i128;
    assert!((level("first") - tokens).abs() < 1_000_000_000_000 && level("first") == level("third"));
}

#[test]
fn reservations_are_settled_by_what_is_known() {
    let all = Requests::new(policy(&json!({"local": [bucket("a", "tokens", 10_000)]})));
    let mut left = 10_000;
    for (usage, outcome, charged) in [
        (Some((20, 30)), Outcome::Complete, 50),
        // Beyond the reservation.
        (Some((20, 900)), Outcome::Complete, 920),
        (None, Outcome::Failed, 0),
        (None, Outcome::Refused, 0),
        // Nobody says: what was reserved.
        (None, Outcome::Complete, 120),
        (None, Outcome::Partial, 120),
    ] {
        let (mut stream, passed) = all.start(&Asked { input: 20, most: Some(100) });
        assert!(passes(&passed));
        assert_eq!(all.left(), left - 120);
        end(&mut stream, usage, outcome);
        left -= charged;
        assert_eq!(all.left(), left, "{usage:?} {outcome:?}");
        let unknown = usage.is_none() && charged > 0;
        assert_eq!(observed(&stream).contains(&["tokens", "unknown_usage"]), unknown);
    }
}

#[test]
fn what_was_never_sent_is_given_back_and_what_was_is_not() {
    let all = Requests::new(policy(&json!({"local": [bucket("a", "tokens", 10_000)]})));
    for (attempts, charged) in [(None, 0), (Some("0"), 0), (Some("1"), 120)] {
        let before = all.left();
        let (mut stream, _) = all.start(&Asked { input: 20, most: Some(100) });
        if let Some(attempts) = attempts {
            stream.host.attributes.insert(Attribute::Attempts, attempts.to_owned());
        }
        // The client went away before any provider's answer began.
        stream.complete();
        assert_eq!(all.left(), before - charged, "{attempts:?}");
    }
}

#[test]
fn answers_without_a_maximum_get_what_there_is() {
    let all = Requests::new(policy(&json!({
        "local": [bucket("a", "tokens", 1000)], "reserve": {"output_tokens": 1600},
    })));
    let cap = |stream: &FakeStream| {
        let json = stream.host.state.borrow()[RECORD_STATE].clone();
        serde_json::from_slice::<Record<'_>>(&json).unwrap().traits.output_cap
    };
    let (mut open, passed) = all.start(&Asked { input: 100, most: None });
    assert!(passes(&passed));
    assert_eq!((cap(&open), all_of(&mut open)), (Some(900), 0));
    // Nothing is left for another one, and what could never be there is told so.
    assert!(!passes(&all.start(&Asked { input: 1, most: None }).1));
    let Passed::Replied(reply) = all.start(&Asked { input: 1, most: Some(1000) }).1 else {
        panic!("it passed")
    };
    assert!(String::from_utf8(reply.body).unwrap().contains("ever allows"));
    assert!(reply.headers.iter().all(|(name, _)| name != "retry-after"));
    end(&mut open, Some((100, 850)), Outcome::Complete);
    // Fifty tokens: less than a sixteenth of an answer is no answer.
    assert!(!passes(&all.start(&Asked { input: 1, most: None }).1));
    let (small, passed) = all.start(&Asked { input: 1, most: Some(20) });
    assert!(passes(&passed) && cap(&small) == Some(20));
}

fn all_of(stream: &mut FakeStream) -> u64 {
    told(stream, "x-ratelimit-remaining").parse().unwrap()
}

#[test]
fn money_is_reserved_at_the_highest_price_and_charged_at_the_true_one() {
    let all = Requests::new(policy(&json!({"local": [bucket("a", "micro_usd", 10_000)]})));
    let (mut stream, _) = all.start(&Asked { input: 100, most: Some(50) });
    // 100 tokens written to the cache at $3, 50 of output at $10 a million.
    assert_eq!(all_of(&mut stream), 10_000 - 800);
    end(&mut stream, Some((100, 20)), Outcome::Complete);
    assert_eq!(all.left(), 10_000 - 300);
}

/// The provider that answers may be sent another model than was asked for, and who is dearest depends on the request.
#[test]
fn money_is_reserved_for_whatever_may_be_sent() {
    let prices = json!({"providers": {
        "openai": {"models": {"m": {"rates": {"input": "1", "output": "10"}}, "second": {"rates": {"input": "5", "output": "50"}}}},
        "other": {"models": {"m": {"rates": {"input": "8", "output": "2"}}}},
        "dearest": {"models": {"dear": {"rates": {"input": "100", "output": "100"}}}},
    }});
    let local = json!({"local": [bucket("a", "micro_usd", 1_000_000)]});
    let all = Requests::new(plan(&json!({"policies": {"p": local}, "prices": prices})));
    let table: [(u64, u64, Value, u64); 8] = [
        (100, 50, json!([]), 900),
        // Much input, little output: another one asks more.
        (100, 5, json!([]), 810),
        (100, 50, json!([{}]), 900),
        (100, 50, json!([{}, {"model": "second"}]), 3_000),
        (100, 50, json!([{"model": "second"}]), 3_000),
        (100, 50, json!([{"aliases": {"m*": "second"}}]), 3_000),
        // Nobody knows it, or which it is.
        (100, 50, json!([{"model": "unknown"}]), 15_000),
        (100, 50, json!([{}, {"any": true}]), 15_000),
    ];
    for (input, most, sends, reserved) in table {
        let before = left_of(&all, &json!(["p"]));
        let (mut stream, passed) =
            all.start_on(&Asked { input, most: Some(most) }, Some(&json!(["p", {"sends": sends}])));
        assert!(passes(&passed));
        assert_eq!(before - all_of(&mut stream), reserved, "{sends}");
        end(&mut stream, None, Outcome::Failed);
        assert_eq!(left_of(&all, &json!(["p"])), before);
    }
}

fn left_of(all: &Requests, names: &Value) -> u64 {
    let (mut stream, _) = all.start_on(&Asked { input: 0, most: Some(0) }, Some(names));
    told(&mut stream, "x-ratelimit-remaining").parse().unwrap()
}

/// Who waits as long as it is told passes, whatever the limits are.
#[test]
fn the_wait_is_that_of_the_slowest_bucket() {
    let filling = |id: &str, unit: &str, holds: u64, per_ms: u64| json!({"id": id, "unit": unit, "amount": holds, "per_ms": per_ms});
    let all = Requests::new(policy(&json!({"local": [
        filling("requests", "requests", 1, 1_000), filling("tokens", "tokens", 100, 60_000),
        filling("fine", "tokens", 1000, 1_000),
    ]})));
    let asked = Asked { input: 10, most: Some(90) };
    let (mut first, _) = all.start(&asked);
    end(&mut first, Some((10, 90)), Outcome::Complete);
    let (stream, refused) = all.start(&asked);
    let Passed::Replied(reply) = refused else { panic!("it passed") };
    let header =
        |name: &str| reply.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!((header("retry-after"), header("x-ratelimit-limit")), (Some("60"), Some("100")));
    assert!(
        String::from_utf8_lossy(&reply.body)
            .contains("The limit of 100 tokens is used up; try again in 60 s.")
    );
    // It is one refusal.
    assert_eq!(observed(&stream), [["requests", "limited"]]);
    // What never fits is said at once, whichever bucket refused before.
    let (_, refused) = all.start(&Asked { input: 10, most: Some(200) });
    let Passed::Replied(reply) = refused else { panic!("it passed") };
    assert!(!reply.headers.iter().any(|(key, _)| key == "retry-after"));
}

/// What a client calls a model says nothing of the price of another that was sent.
#[test]
fn the_price_is_that_of_what_was_sent() {
    for (sent, answered, charged) in [
        (None, None, 300),
        (Some("dear"), None, 12_000),
        (Some("unknown"), Some("dear"), 12_000),
        // What was reserved.
        (Some("unknown"), Some("of-nobody"), 800),
        (None, Some("m-2026"), 300),
    ] {
        let all = Requests::new(policy(&json!({"local": [bucket("a", "micro_usd", 100_000)]})));
        let (mut stream, _) = all.start(&Asked { input: 100, most: Some(50) });
        let json = stream.host.state.borrow()[RECORD_STATE].clone();
        let record: Record<'_> = serde_json::from_slice(&json).unwrap();
        let record =
            Record { sent_model: sent.map(Into::into), answered_model: answered.map(Into::into), ..record };
        let json = record.to_json();
        stream.host.state.borrow_mut().insert(RECORD_STATE.to_owned(), json);
        end(&mut stream, Some((100, 20)), Outcome::Complete);
        assert_eq!(100_000 - all.left(), charged, "{sent:?} {answered:?}");
        let unknown = observed(&stream).contains(&["micro_usd", "unknown_price"]);
        assert_eq!(unknown, charged == 800);
    }
}

/// Nobody charges for counts of tokens and lists of models.
#[test]
fn counting_tokens_uses_none() {
    for client in ["anthropic_count_tokens", "gemini_count_tokens", "bedrock_count_tokens", "openai_models"] {
        let all = Requests::new(policy(&json!({"local": [bucket("a", "tokens", 1000)]})));
        let (mut stream, passed) = all.start_as(client, &Asked { input: 5_000, most: None }, None);
        assert!(passes(&passed), "{client}");
        end(&mut stream, None, Outcome::Complete);
        assert_eq!((all.left(), observed(&stream)), (1000, Vec::new()), "{client}");
    }
}

#[test]
fn the_service_is_told_what_is_reserved_and_what_differs() {
    let descriptor = |name: &str, unit: &str, more: Value| {
        let mut descriptor = json!({"name": name, "unit": unit, "entries": [
            {"name": "user", "expression": "request.headers['x-user']"},
            {"name": "model", "expression": "llm.requestModel"},
        ]});
        descriptor.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        descriptor
    };
    let failing = json!({"name": "f", "unit": "tokens", "entries": [
        {"name": "team", "expression": "request.headers['x-team']"},
    ]});
    let all = Requests::new(policy(&json!({"descriptors": [
        descriptor("t", "tokens", json!({})),
        descriptor("r", "requests", json!({"cost": "llm.streaming ? 3 : 2"})),
        descriptor("c", "tokens", json!({"cost": "llm.outputTokens * 1.5"})),
        failing,
    ]})));
    let asked = Asked { input: 20, most: Some(100) };
    let (mut stream, passed) = all.start(&asked);
    assert!(passes(&passed));
    let before = published(&stream);
    let get = |name: &str| before[&format!("weir.limit.{name}")].as_str();
    assert_eq!([get("t.0"), get("t.1"), get("t.hits")], ["ann", "m", "120"]);
    assert_eq!([get("r.hits"), get("c.hits")], ["2", "120"]);
    assert!(before.keys().all(|key| !key.starts_with("weir.limit.f.")));
    assert_eq!(observed(&stream), [["tokens", "descriptor_failed"]]);
    end(&mut stream, Some((30, 101)), Outcome::Complete);
    let after = published(&stream);
    assert_eq!(after["weir.limit.t.charge"], "11");
    // 1.5 × 101 = 151.5
    assert_eq!(after["weir.limit.c.charge"], "32");
    assert!(!after.contains_key("weir.limit.r.charge") && !after.contains_key("weir.limit.r.refund"));
    let (mut stream, _) = all.start(&asked);
    end(&mut stream, Some((30, 10)), Outcome::Complete);
    assert_eq!(published(&stream)["weir.limit.t.refund"], "80");
    // What the service refused, it did not take.
    let (mut stream, _) = all.start(&asked);
    stream.host.attributes.insert(Attribute::ResponseCodeDetails, "request_rate_limited".to_owned());
    stream.response(&[(":status", "429")], &[]);
    end(&mut stream, None, Outcome::Refused);
    assert!(published(&stream).keys().all(|key| !key.ends_with(".refund") && !key.ends_with(".charge")));
    // A call that failed may have been carried out.
    let (mut stream, _) = all.start(&asked);
    stream.host.attributes.insert(Attribute::ResponseCodeDetails, "rate_limiter_error".to_owned());
    stream.response(&[(":status", "500")], &[]);
    end(&mut stream, None, Outcome::Failed);
    assert_eq!(published(&stream)["weir.limit.t.refund"], "120");
}

#[test]
fn limits_go_to_the_service_with_what_it_is_asked() {
    let descriptor = |name: &str, limit: &str| {
        json!({"name": name, "unit": "tokens", "limit_override": limit,
            "entries": [{"name": "all", "expression": "'x'"}]})
    };
    let all = Requests::new(policy(&json!({"descriptors": [
        descriptor("a", "{'unit': 'hour', 'requestsPerUnit': request.headers['x-user'] == 'ann' ? 7 : 8}"),
        descriptor("fails", "request.headers['x-plan']"),
        descriptor("is-none", "{'unit': 'fortnight', 'requestsPerUnit': 7}"),
        json!({"name": "b", "unit": "tokens", "entries": [{"name": "all", "expression": "'x'"}]}),
    ]})));
    let header = |stream: &FakeStream| {
        let headers = &stream.host.headers[&HeaderMap::Request];
        let of_limits = headers.iter().filter(|(name, _)| name == LIMIT_OVERRIDES_HEADER);
        of_limits.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    let (mut stream, passed) = all.start(&Asked { input: 20, most: Some(100) });
    assert!(passes(&passed));
    // A google.protobuf.Value: {"a": {"requests_per_unit": 7, "unit": "HOUR"}}.
    assert_eq!(
        header(&stream),
        ["KjkKNwoBYRIyKjAKHgoRcmVxdWVzdHNfcGVyX3VuaXQSCREAAAAAAAAcQAoOCgR1bml0EgYaBEhPVVI="]
    );
    // Where an override fails, the descriptor is left out, as where an entry does.
    let hits = published(&stream).into_keys().filter(|key| key.ends_with(".hits")).collect::<Vec<_>>();
    assert_eq!(hits, ["weir.limit.a.hits", "weir.limit.b.hits"]);
    assert_eq!(observed(&stream), [["tokens", "descriptor_failed"]; 2]);
    end(&mut stream, Some((100, 80)), Outcome::Complete);
    let charges = published(&stream).into_keys().filter(|key| key.ends_with(".charge")).collect::<Vec<_>>();
    assert_eq!(charges, ["weir.limit.a.charge", "weir.limit.b.charge"]);
    // Nobody but this filter says what is in the header.
    for config in [json!({"local": [bucket("x", "tokens", 1000)]}), json!({})] {
        let plan = if config == json!({}) { plan(&config) } else { policy(&config) };
        let mut stream = FakeStream::start(&plan, &SharedState::default());
        let headers = [(":method", "POST"), (":path", "/"), (LIMIT_OVERRIDES_HEADER, "KgA=")];
        assert!(passes(&stream.request(&headers, &[])));
        assert!(header(&stream).is_empty());
    }
}

#[test]
fn without_reservations_it_is_only_looked() {
    let config = json!({
        "local": [bucket("a", "tokens", 100)],
        "descriptors": [{"name": "d", "unit": "tokens", "entries": [{"name": "all", "expression": "'x'"}]}],
        "reserve": {"enabled": false},
    });
    let all = Requests::new(policy(&config));
    let (mut stream, _) = all.start(&Asked { input: 20, most: Some(1000) });
    assert_eq!(published(&stream)["weir.limit.d.hits"], "0");
    end(&mut stream, Some((20, 1000)), Outcome::Complete);
    assert_eq!(published(&stream)["weir.limit.d.charge"], "1020");
    assert!(!passes(&all.start(&Asked { input: 1, most: Some(1) }).1));
}

#[test]
fn no_error_lifts_a_limit_and_the_strictest_is_told() {
    let all = Requests::new(plan(&json!({
        "default_policies": ["skipped", "failing"],
        "policies": {
            "skipped": {"when": "request.headers['x-user'] != 'ann'", "local": [bucket("a", "requests", 1)]},
            "failing": {"when": "request.headers['missing'] == 'x'", "local": [bucket("b", "requests", 3)]},
        },
    })));
    let asked = Asked { input: 1, most: None };
    let (mut stream, _) = all.start(&asked);
    assert_eq!(told(&mut stream, "x-ratelimit-limit"), "3");
    // A rate limit service has told of less.
    let (mut stream, _) = all.start(&asked);
    stream.response(&[(":status", "200"), ("x-ratelimit-remaining", "0")], &[]);
    let headers = &stream.host.headers[&HeaderMap::Response];
    assert!(headers.iter().all(|(name, value)| name != "x-ratelimit-limit" && value != "1"));
}

/// What a concurrent request does next.
#[derive(Debug, Clone)]
enum Step {
    Start {
        input: u64,
        most: Option<u64>,
    },
    /// Ends the request at this place, which has used this share of what it might, in percent.
    End {
        at: usize,
        share: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1_u64..50, proptest::option::of(1_u64..200)).prop_map(|(input, most)| Step::Start { input, most }),
        (0_usize..20, 0_u64..=100).prop_map(|(at, share)| Step::End { at, share }),
    ]
}

proptest! {
    /// T-26: however requests overlap, all together use no more than there is, as long as none uses more than it may;
    /// and when all are over, exactly what they used is gone.
    #[test]
    fn t26_no_overlap_overruns_a_bucket(steps in proptest::collection::vec(step(), 1..80)) {
        const HOLDS: u64 = 1000;
        let all = Requests::new(policy(&json!({
            "local": [bucket("a", "tokens", HOLDS)], "reserve": {"output_tokens": 160},
        })));
        let (mut open, mut used) = (Vec::new(), 0);
        let finish = |(mut stream, input, cap): (FakeStream, u64, u64), share: u64| {
            let output = cap * share / 100;
            end(&mut stream, Some((input, output)), Outcome::Complete);
            input + output
        };
        for step in steps {
            match step {
                Step::Start { input, most } => {
                    let (stream, passed) = all.start(&Asked { input, most });
                    if passes(&passed) {
                        let json = stream.host.state.borrow()[RECORD_STATE].clone();
                        let cap = serde_json::from_slice::<Record<'_>>(&json).unwrap().traits.output_cap;
                        open.push((stream, input, cap.unwrap()));
                    }
                }
                Step::End { at, share } if !open.is_empty() => {
                    let at = at % open.len();
                    used += finish(open.swap_remove(at), share);
                }
                Step::End { .. } => {}
            }
            let could: u64 = open.iter().map(|(_, input, cap)| input + cap).sum();
            prop_assert!(used + could <= HOLDS);
        }
        for one in open {
            used += finish(one, 100);
        }
        prop_assert!(used <= HOLDS);
        if used < HOLDS {
            prop_assert_eq!(all.left(), HOLDS - used);
        }
    }
}

/// The plan of a customer decides; what its first condition says of others, and when it fails, the next one.
#[test]
fn the_first_choice_that_holds_counts_alone() {
    let limit = |when: Option<&str>, id: &str| json!({"when": when, "local": [bucket(id, "requests", 10)]});
    let mut policies = json!({
        "gold": limit(Some("request.headers['x-plan'] == 'gold'"), "gold"),
        "gold too": {"local": [bucket("gold too", "requests", 10)]},
        "broken": limit(Some("request.headers['x-user'] + 1 == 2"), "broken"),
        "rest": {"local": [bucket("rest", "requests", 10)]},
        "always": {"local": [bucket("always", "requests", 100)]},
    });
    policies["rest"].as_object_mut().unwrap().remove("when");
    let plan = plan(&json!({"policies": policies}));
    let choices = json!(["always", [["gold", "gold too"], ["broken"], ["rest"]]]).to_string();
    for (header, taken) in [
        (("x-plan", "gold"), ["always", "gold", "gold too"].as_slice()),
        (("x-plan", "tin"), &["always", "rest"]),
        (("x-other", "gold"), &["always", "rest"]),
    ] {
        let mut stream = FakeStream::start(&plan, &SharedState::default());
        stream.host.attributes.insert(Attribute::RouteLimits, choices.clone());
        let headers = [(":method", "POST"), (":path", "/v1/chat/completions"), ("x-user", "ann"), header];
        stream.request(&headers, &[b"{}"]);
        let shared = stream.host.shared.borrow();
        let keys: Vec<&str> = shared.keys().filter_map(|key| key.strip_prefix("weir.limit.")).collect();
        assert_eq!(keys, taken, "{header:?}");
    }
}

#[test]
fn limits_nobody_can_read_let_nothing_through() {
    let plan = policy(&json!({"local": [bucket("b", "requests", 10)]}));
    for names in ["", "p", "{}", r#"["p", ["p"]]"#, "[1]"] {
        let mut stream = FakeStream::start(&plan, &SharedState::default());
        stream.host.attributes.insert(Attribute::RouteLimits, names.to_owned());
        let passed = stream.request(&[(":method", "POST"), (":path", "/v1/chat/completions")], &[b"{}"]);
        assert!(matches!(&passed, Passed::Replied(reply) if reply.status == 500), "{names:?}: {passed:?}");
    }
}
