//! The exported hooks with exchanges that do as they are told, in a fake Envoy.

use std::sync::Arc;

use crate::fake_envoy::{FakeEnvoy, take_log};
use filter_core::{
    Attribute, BodyFlow, BodyMode, CallAnswer, Callout, Direction, HeaderMap, HeadersFlow, Host, Level,
    LocalReply, OVER_STATE, Overflow, Phases,
};
use testkit::{Expected, Headers, LogLevel, Outcome, Script, Splits, Subject, check_every_split};
use weir::hooks::{self, Configuration};

/// What an exchange does in one direction.
#[derive(Debug, Clone)]
struct Plan {
    headers: HeadersFlow,
    body: fn(&[u8], bool) -> BodyFlow,
    overflow: Overflow,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            headers: HeadersFlow::Continue(BodyMode::Skip),
            body: |_, _| BodyFlow::Keep,
            overflow: Overflow::Release,
        }
    }
}

impl Plan {
    fn chunks(body: fn(&[u8], bool) -> BodyFlow) -> Self {
        Self { headers: HeadersFlow::Continue(BodyMode::Chunks), body, ..Self::default() }
    }

    fn whole(limit: usize, body: fn(&[u8], bool) -> BodyFlow) -> Self {
        Self { headers: HeadersFlow::Continue(BodyMode::Whole { limit }), body, ..Self::default() }
    }
}

#[derive(Debug)]
struct Scripted(Arc<(Plan, Plan)>);

impl Phases for Scripted {
    fn headers(&mut self, host: &mut dyn Host, direction: Direction, end: bool) -> HeadersFlow {
        let (map, plan) = match direction {
            Direction::Request => (HeaderMap::Request, &self.0.0),
            Direction::Response => (HeaderMap::Response, &self.0.1),
        };
        host.set_header(map, "x-seen", if end { "end" } else { "more" });
        plan.headers.clone()
    }

    fn body(&mut self, host: &mut dyn Host, direction: Direction, body: &[u8], end: bool) -> BodyFlow {
        let (map, plan) = match direction {
            Direction::Request => (HeaderMap::Request, &self.0.0),
            Direction::Response => (HeaderMap::Response, &self.0.1),
        };
        if end {
            host.set_header(map, "x-length", &body.len().to_string());
        }
        (plan.body)(body, end)
    }

    fn answered(
        &mut self,
        host: &mut dyn Host,
        direction: Direction,
        answer: Option<CallAnswer>,
    ) -> BodyFlow {
        let map = match direction {
            Direction::Request => HeaderMap::Request,
            Direction::Response => HeaderMap::Response,
        };
        host.set_header(map, "x-answered", if answer.is_some() { "yes" } else { "no" });
        BodyFlow::Replace(b"masked".to_vec())
    }

    fn request_overflow(&mut self, _host: &mut dyn Host) -> LocalReply {
        refusal("weir_too_large")
    }

    fn response_overflow(&mut self, host: &mut dyn Host) -> Overflow {
        host.set_header(HeaderMap::Response, ":status", "502");
        self.0.1.overflow.clone()
    }
}

fn refusal(details: &'static str) -> LocalReply {
    LocalReply {
        status: 413,
        headers: vec![("content-type".into(), "application/json".to_owned())],
        body: b"{}".to_vec(),
        details,
    }
}

fn envoy(request: Plan, response: Plan) -> FakeEnvoy {
    let plans = Arc::new((request, response));
    let configuration = Configuration::new(move || Box::new(Scripted(Arc::clone(&plans))));
    FakeEnvoy::with_configuration(configuration.into_raw())
}

fn upper(body: &[u8], _end: bool) -> BodyFlow {
    BodyFlow::Replace(body.to_ascii_uppercase())
}

fn script() -> Script {
    Script::json("/v1/chat/completions", "the request", "the response")
}

fn with_trailers() -> Script {
    let mut script = script();
    script.request.trailers = Some(Headers::from(&[("x-trailer", "1")][..]));
    script.response.trailers = Some(Headers::from(&[("x-trailer", "2")][..]));
    script
}

fn run(mut envoy: FakeEnvoy, script: &Script) -> Outcome {
    envoy.exchange(script, &Splits::whole())
}

#[test]
fn a_service_that_cannot_be_asked_has_not_answered() {
    let asking = |_: &[u8], _| {
        BodyFlow::Call(Callout {
            cluster: "missing".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: 1,
        })
    };
    let plan = Plan::whole(100, asking);
    let expected = Expected::nothing().request_body("masked").response_body("masked").status(200);
    for script in [script(), with_trailers()] {
        let mut envoy = envoy(plan.clone(), plan.clone());
        let outcome = check_every_split(&mut envoy, &script, &expected).unwrap();
        assert_eq!(outcome.request.headers.unwrap().get("x-answered"), Some("no"));
    }
}

#[test]
fn names_the_abi() {
    // SAFETY: the module returns a static C string.
    let version = unsafe { std::ffi::CStr::from_ptr(hooks::envoy_dynamic_module_on_program_init()) };
    assert_eq!(version.to_str(), Ok("v0.2.0"));
}

#[test]
fn every_mode_is_independent_of_the_split() {
    let plans = [Plan::default(), Plan::chunks(upper), Plan::whole(100, upper)];
    for request in &plans {
        for response in &plans {
            let changed = |plan: &Plan, body: &str| match plan.headers {
                HeadersFlow::Continue(BodyMode::Skip) => body.to_owned(),
                _ => body.to_uppercase(),
            };
            let expected = Expected::nothing()
                .request_body(changed(request, "the request"))
                .response_body(changed(response, "the response"))
                .status(200);
            for script in [script(), with_trailers()] {
                for piece in [1, 3, usize::MAX] {
                    let mut envoy = envoy(request.clone(), response.clone()).in_pieces_of(piece);
                    let outcome = check_every_split(&mut envoy, &script, &expected).unwrap();
                    outcome.passed_through().unwrap();
                    assert_eq!(outcome.response.trailers, script.response.trailers);
                }
            }
        }
    }
}

#[test]
fn chunks_pass_one_by_one() {
    let mut envoy = envoy(Plan::default(), Plan::chunks(upper));
    let splits = Splits { response: vec![3, 4], ..Splits::whole() };
    let outcome = envoy.exchange(&script(), &splits);
    assert_eq!(outcome.response.chunks, [b"THE".to_vec(), b" ".to_vec(), b"RESPONSE".to_vec()]);
}

#[test]
fn headers_can_be_edited_while_the_body_is_held() {
    let outcome = run(envoy(Plan::whole(100, upper), Plan::whole(100, upper)), &script());
    assert_eq!(outcome.request.header("x-length"), Some("11"));
    assert_eq!(outcome.response.header("x-length"), Some("12"));
    assert_eq!(outcome.request.header("x-seen"), Some("more"));
}

#[test]
fn a_message_without_a_body_ends_in_the_headers_phase() {
    let mut script = script();
    script.request.body.clear();
    script.response.body.clear();
    let fill: fn(&[u8], bool) -> BodyFlow = |body, end| {
        assert!(body.is_empty() && end);
        BodyFlow::Replace(b"filled".to_vec())
    };
    for plan in [Plan::chunks(fill), Plan::whole(100, fill)] {
        let outcome = run(envoy(plan.clone(), plan), &script);
        outcome.passed_through().unwrap();
        assert_eq!(outcome.request.body(), b"filled");
        assert_eq!(outcome.response.body(), b"filled");
        assert_eq!(outcome.request.header("x-seen"), Some("end"));
    }
}

#[test]
fn bytes_may_be_added_before_trailers() {
    let count: fn(&[u8], bool) -> BodyFlow =
        |body, end| BodyFlow::Replace(format!("[{}{}]", body.len(), if end { "." } else { "" }).into_bytes());
    let outcome = run(envoy(Plan::chunks(count), Plan::whole(100, count)), &with_trailers());
    assert_eq!(outcome.request.body(), b"[11][0.]");
    assert_eq!(outcome.response.body(), b"[12.]");
    assert!(outcome.request.trailers.is_some() && outcome.response.trailers.is_some());
}

/// Ends the response with the chunk that holds an `s`.
fn ending(on_cluster: bool) -> Plan {
    let on_listener: fn(&[u8], bool) -> BodyFlow = |body, _| match body.contains(&b's') {
        true => BodyFlow::End { last: b"!".to_vec(), on_cluster: false },
        false => BodyFlow::Keep,
    };
    let on_a_cluster: fn(&[u8], bool) -> BodyFlow = |body, _| match body.contains(&b's') {
        true => BodyFlow::End { last: b"!".to_vec(), on_cluster: true },
        false => BodyFlow::Keep,
    };
    Plan::chunks(if on_cluster { on_a_cluster } else { on_listener })
}

#[test]
fn a_response_can_be_ended_early() {
    for on_cluster in [false, true] {
        // "the re", "spo", "nse"
        let splits = Splits { response: vec![6, 9], ..Splits::whole() };
        for script in [script(), with_trailers()] {
            let outcome = envoy(Plan::default(), ending(on_cluster)).exchange(&script, &splits);
            assert_eq!(outcome.response.body(), b"the re!");
            assert!(outcome.response.ended && !outcome.reset);
            // On a cluster it goes on to its own end.
            assert_eq!(outcome.response.trailers.is_some(), on_cluster && script.response.trailers.is_some());
            assert!(outcome.filter_state.contains_key(OVER_STATE));
        }
        // With its last chunk there is nothing to be ended.
        let splits = Splits { response: vec![6], ..Splits::whole() };
        let outcome = envoy(Plan::default(), ending(on_cluster)).exchange(&script(), &splits);
        assert_eq!(outcome.response.body(), b"the re!");
        assert!(outcome.response.ended && outcome.filter_state.is_empty());
    }
}

#[test]
fn a_body_as_large_as_the_limit_is_held() {
    let size = 3 * 1024 * 1024;
    let big = Script::json("/", vec![b'a'; size], vec![b'b'; size]);
    let splits = Splits { request: vec![size / 2], response: vec![1, size - 1], ..Splits::whole() };
    let outcome = envoy(Plan::whole(size, upper), Plan::whole(size, upper)).exchange(&big, &splits);
    outcome.passed_through().unwrap();
    assert_eq!(outcome.request.body(), vec![b'A'; size]);
    assert_eq!(outcome.response.body(), vec![b'B'; size]);
}

#[test]
fn a_body_may_grow_past_the_limit_when_it_is_replaced() {
    // Seen on the real Envoy: the new bytes are counted too, and answered with 413 or 500.
    let size = 3 * 1024 * 1024;
    let twice: fn(&[u8], bool) -> BodyFlow = |body, _| BodyFlow::Replace([body, body].concat());
    let big = Script::json("/", vec![b'a'; size], vec![b'b'; size]);
    let outcome = run(envoy(Plan::whole(size, twice), Plan::whole(size, twice)), &big);
    outcome.passed_through().unwrap();
    assert_eq!(outcome.request.body().len(), 2 * size);
    assert_eq!(outcome.response.body().len(), 2 * size);
}

#[test]
fn a_request_past_the_limit_is_answered() {
    for splits in [Splits::whole(), Splits { request: vec![10], ..Splits::whole() }] {
        let outcome = envoy(Plan::whole(10, upper), Plan::default()).exchange(&script(), &splits);
        let reply = outcome.local_reply.unwrap();
        assert_eq!((reply.status, reply.details.as_str()), (413, "weir_too_large"));
        assert_eq!(outcome.response.header("content-type"), Some("application/json"));
        assert_eq!(outcome.request.headers, None);
    }
}

#[test]
fn a_response_past_the_limit_is_released_or_replaced() {
    let mut release = envoy(Plan::default(), Plan::whole(5, upper));
    let expected = Expected::nothing().response_body("the response");
    check_every_split(&mut release, &script(), &expected).unwrap();

    // Also when that is more than Envoy would hold by itself.
    let size = 3 * 1024 * 1024;
    let big = Script::json("/", "", vec![b'b'; size]);
    let splits = Splits { response: (1..4).map(|at| at * size / 4).collect(), ..Splits::whole() };
    let outcome = envoy(Plan::default(), Plan::whole(size - 1, upper)).exchange(&big, &splits);
    outcome.passed_through().unwrap();
    assert_eq!(outcome.response.body(), big.response.body);

    let replace = Plan { overflow: Overflow::Replace(b"too large".to_vec()), ..Plan::whole(5, upper) };
    let mut replace = envoy(Plan::default(), replace);
    let expected = Expected::nothing().response_body("too large").status(502);
    for script in [script(), with_trailers()] {
        let outcome = check_every_split(&mut replace, &script, &expected).unwrap();
        outcome.passed_through().unwrap();
    }
}

#[test]
fn replies_from_every_phase() {
    let in_headers = Plan { headers: HeadersFlow::Reply(refusal("weir_headers")), ..Plan::default() };
    let in_body: fn(&[u8], bool) -> BodyFlow = |_, _| BodyFlow::Reply(refusal("weir_body"));
    let cases = [
        (in_headers.clone(), Plan::default(), "weir_headers"),
        (Plan::whole(100, in_body), Plan::default(), "weir_body"),
        (Plan::chunks(in_body), Plan::default(), "weir_body"),
        (Plan::default(), in_headers, "weir_headers"),
        (Plan::default(), Plan::whole(100, in_body), "weir_body"),
    ];
    for (request, response, details) in cases {
        let outcome = run(envoy(request, response), &script());
        assert_eq!(outcome.local_reply.as_ref().unwrap().details, details);
        assert_eq!(outcome.response.status(), Some(413));
        assert_eq!(outcome.response.body(), b"{}");
        assert!(!outcome.reset);
    }
}

#[test]
fn a_panic_fails_the_exchange_closed_and_is_logged_once() {
    hooks::envoy_dynamic_module_on_program_init();
    let panics: fn(&[u8], bool) -> BodyFlow = |_, _| panic!("a bug");
    for (request, response, reset) in [
        (Plan::chunks(panics), Plan::default(), false),
        (Plan::whole(100, panics), Plan::default(), false),
        (Plan::default(), Plan::whole(100, panics), false),
        (Plan::default(), Plan::chunks(panics), true),
    ] {
        for script in [script(), with_trailers()] {
            let outcome = run(envoy(request.clone(), response.clone()), &script);
            let reply = outcome.local_reply.as_ref().unwrap();
            assert_eq!((reply.status, reply.details.as_str()), (500, hooks::PANIC_DETAILS));
            assert_eq!(outcome.reset, reset);
            assert_eq!(outcome.response.body().is_empty(), reset, "{outcome:?}");
            let critical: Vec<_> =
                outcome.logs.iter().filter(|line| line.level == LogLevel::Critical).collect();
            assert_eq!(critical.len(), 1, "{:?}", outcome.logs);
            assert!(outcome.logged(LogLevel::Critical, "a bug"));
            assert!(outcome.logged(LogLevel::Critical, "hooks.rs"));
        }
    }
}

#[test]
fn a_panic_at_the_start_refuses_the_stream() {
    hooks::envoy_dynamic_module_on_program_init();
    let configuration = Configuration::new(|| panic!("cannot start")).into_raw();
    // SAFETY: the configuration is alive; the filter pointer is not used before the first phase.
    let driver =
        unsafe { hooks::envoy_dynamic_module_on_http_filter_new(configuration, std::ptr::null_mut()) };
    assert!(driver.is_null());
    // SAFETY: nothing uses the configuration any more.
    unsafe { hooks::envoy_dynamic_module_on_http_filter_config_destroy(configuration) };
    assert!(take_log().iter().any(|line| line.message.contains("cannot start")));
}

#[test]
fn refuses_configurations_with_the_reason() {
    let refused = |name: &str, json: &str| FakeEnvoy::with_filter(name, json).err().unwrap();
    let unknown = refused("lmm", "{}");
    assert!(
        unknown.contains("no filter `lmm`")
            && unknown.contains("llm, api-keys, guard, limit, order, provider, usage"),
        "{unknown}"
    );
    assert!(refused("provider", "").contains("missing field `name`"));
    assert!(refused("llm", r#"{"version":2}"#).contains("version 2"));
}

/// Every method of the host, in one request headers phase.
#[derive(Debug)]
struct Probe;

impl Phases for Probe {
    fn headers(&mut self, host: &mut dyn Host, direction: Direction, _end: bool) -> HeadersFlow {
        if direction == Direction::Response {
            assert_eq!(host.attribute(Attribute::ResponseCodeDetails).as_deref(), Some("via_upstream"));
            assert_eq!(host.header(HeaderMap::Request, ":path").as_deref(), Some("/new"));
            return HeadersFlow::Continue(BodyMode::Skip);
        }
        assert!(host.now_ms() > 1_700_000_000_000);
        assert_eq!(host.header(HeaderMap::Request, ":method").as_deref(), Some("POST"));
        assert_eq!(host.header(HeaderMap::Request, "x-none"), None);
        assert_eq!(host.header(HeaderMap::Request, "x-binary"), None);
        assert_eq!(host.header_values(HeaderMap::Request, "x-binary"), [b"\xff", b"2"]);
        assert_eq!(host.header_values(HeaderMap::Request, "x-none"), [b""; 0]);
        assert_eq!(host.header(HeaderMap::Response, ":status"), None);
        assert_eq!(host.attribute(Attribute::Jwt).as_deref(), Some("{}"));
        assert_eq!(host.attribute(Attribute::RouteDefaultEndpoint).as_deref(), Some("openai_chat"));
        host.set_header(HeaderMap::Request, ":path", "/new");
        host.set_header(HeaderMap::Request, "x-empty", "");
        host.remove_header(HeaderMap::Request, "content-type");
        host.remove_headers(HeaderMap::Request, &["x-none", "x-twice"]);
        host.remove_headers(HeaderMap::Response, &["x-none"]);
        host.set_header(HeaderMap::Response, "x-early", "nowhere to go");
        assert_eq!(host.state("before").as_deref(), Some(&b"earlier filter"[..]));
        assert_eq!(host.state("after"), None);
        host.publish("after", b"1");
        host.publish("after", b"2\xff");
        host.publish("empty", b"");
        assert_eq!(host.state("empty").as_deref(), Some(&b""[..]));
        host.reroute();
        host.log(Level::Warn, "hello");
        HeadersFlow::Continue(BodyMode::Skip)
    }

    fn body(&mut self, _: &mut dyn Host, _: Direction, _: &[u8], _: bool) -> BodyFlow {
        panic!("the body is skipped");
    }

    fn request_overflow(&mut self, _: &mut dyn Host) -> LocalReply {
        panic!("nothing is held");
    }

    fn response_overflow(&mut self, _: &mut dyn Host) -> Overflow {
        panic!("nothing is held");
    }
}

#[test]
fn the_host_reads_and_edits_the_stream() {
    let mut script = script()
        .with_property(&["response", "code_details"], "via_upstream")
        .with_property(
            &["xds", "route_metadata", "filter_metadata", "weir", "default_endpoint"],
            "openai_chat",
        )
        .with_property(&["before"], "earlier filter")
        .with_property(&[filter_config::JWT_STATE], "{}");
    script.request.headers.add("x-binary", b"\xff".to_vec());
    script.request.headers.add("x-binary", "2");
    script.request.headers.add("x-twice", "1");
    script.request.headers.add("x-twice", "2");
    script.request.headers.add("x-twice-kept", "3");
    let envoy = FakeEnvoy::with_configuration(Configuration::new(|| Box::new(Probe)).into_raw());
    let outcome = run(envoy, &script);
    outcome.passed_through().unwrap();
    assert_eq!(outcome.request.header(":path"), Some("/new"));
    assert_eq!(outcome.request.header("x-empty"), Some(""));
    assert_eq!(outcome.request.header("content-type"), None);
    assert_eq!(outcome.request.header("x-twice"), None);
    assert_eq!(outcome.request.header("x-twice-kept"), Some("3"));
    assert_eq!(outcome.filter_state["after"], b"2\xff");
    assert_eq!(outcome.route_cache_clears, 1);
    assert!(outcome.logged(LogLevel::Warn, "hello"));
}
