//! The `api-keys` filter on a fake host: who passes, what of a key goes further, and what others are told.

use filter_config::API_KEY_STATE;
use filter_core::fake_host::{FakeStream, Passed, SharedState};
use filter_core::{Attribute, FilterKind, HeaderMap, LocalReply, Outcome, Plan, RECORD_STATE, Record};
use serde_json::{Value, json};

/// SHA-256 of `weir-key`.
const DIGEST: &str = "316dcc5c738abd11a94bd40ed2edcd6c7b7ec1ef40555f5cd004517c14750d54";

const CHAT: &str = "/v1/chat/completions";

fn plan(policy: &Value) -> Plan {
    let config = json!({"policies": {"p": policy}});
    Plan::compile(FilterKind::ApiKeys, config.to_string().as_bytes()).unwrap()
}

/// A policy that knows the owner of `weir-key`.
fn policy(mode: &str, location: Value) -> Value {
    json!({"mode": mode, "location": location,
        "keys": {DIGEST: {"team": "red", "key": "an owner must not choose it"}}})
}

fn bearer() -> Value {
    json!({"header": {"name": "authorization", "prefix": "Bearer "}})
}

fn x_key() -> Value {
    json!({"header": {"name": "x-key"}})
}

/// A request on a route with the policy; `client` is the endpoint it was recognised as.
struct Request {
    plan: Plan,
    state: SharedState,
    client: Option<&'static str>,
}

impl Request {
    fn new(mode: &str, location: Value) -> Self {
        let plan = plan(&policy(mode, location));
        Self { plan, state: SharedState::default(), client: Some("openai_chat") }
    }

    fn send(&self, headers: &[(&str, &str)]) -> (FakeStream, Passed) {
        self.send_to("p", headers)
    }

    fn send_to(&self, policy: &str, headers: &[(&str, &str)]) -> (FakeStream, Passed) {
        if let Some(client) = self.client {
            let record = Record { path: Some(CHAT.into()), client: Some(client.into()), ..Record::default() };
            self.state.borrow_mut().insert(RECORD_STATE.to_owned(), record.to_json());
        }
        let mut stream = FakeStream::start(&self.plan, &self.state);
        stream.host.attributes.insert(Attribute::RouteApiKeys, policy.to_owned());
        let passed = stream.request(headers, &[b"{}"]);
        (stream, passed)
    }

    /// What the filter published of the owner.
    fn owner(&self) -> Option<Value> {
        Some(serde_json::from_slice(self.state.borrow().get(API_KEY_STATE)?).unwrap())
    }

    fn record(&self) -> Record<'static> {
        serde_json::from_slice(&self.state.borrow()[RECORD_STATE]).unwrap()
    }
}

fn sent(stream: &FakeStream) -> &[(String, String)] {
    &stream.host.headers[&HeaderMap::Request]
}

fn refused(passed: Passed) -> LocalReply {
    let Passed::Replied(reply) = passed else { panic!("it passed") };
    let told = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(!told.contains("weir-key") && !told.contains("nobodys"), "{told}");
    reply
}

#[test]
fn a_known_key_goes_no_further_and_says_whose_it_is() {
    for (location, headers, rest) in [
        (bearer(), [(":path", CHAT), ("authorization", "bearer weir-key")], vec![(":path", CHAT)]),
        (x_key(), [(":path", CHAT), ("x-key", "weir-key")], vec![(":path", CHAT)]),
        (
            json!({"query_parameter": {"name": "key"}}),
            [(":path", "/v1/x?a=%20&key=weir%2Dkey&b"), ("cookie", "key=other")],
            vec![("cookie", "key=other"), (":path", "/v1/x?a=%20&b")],
        ),
        (
            json!({"cookie": {"name": "key"}}),
            [(":path", "/v1/x?key=other"), ("cookie", "a=1; key=weir-key")],
            vec![(":path", "/v1/x?key=other"), ("cookie", "a=1")],
        ),
    ] {
        for mode in ["strict", "optional", "permissive"] {
            let request = Request::new(mode, location.clone());
            let (stream, passed) = request.send(&headers);
            assert_eq!(passed, Passed::On(b"{}".to_vec()));
            let rest: Vec<_> =
                rest.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!(sent(&stream), rest);
            let owner = json!({"team": "red", "key": format!("sha256:{DIGEST}")});
            assert_eq!(request.owner(), Some(owner));
        }
    }
}

#[test]
fn others_pass_or_not_as_the_mode_says() {
    let missing: &[(&str, &str)] = &[(":path", CHAT)];
    let basic: &[(&str, &str)] = &[(":path", CHAT), ("authorization", "Basic weir-key")];
    let unknown: &[(&str, &str)] = &[(":path", CHAT), ("authorization", "Bearer nobodys")];
    for (mode, headers, details) in [
        ("strict", missing, Some("weir_api_key_missing")),
        ("strict", basic, Some("weir_api_key_missing")),
        ("strict", unknown, Some("weir_api_key_unknown")),
        ("optional", missing, None),
        ("optional", basic, None),
        ("optional", unknown, Some("weir_api_key_unknown")),
        ("permissive", missing, None),
        ("permissive", unknown, None),
    ] {
        let request = Request::new(mode, bearer());
        let (stream, passed) = request.send(headers);
        match details {
            Some(details) => {
                let reply = refused(passed);
                assert_eq!((reply.status, reply.details), (401, details));
                assert!(reply.headers.contains(&("www-authenticate".into(), "Bearer".to_owned())));
                let record = request.record();
                assert_eq!(record.outcome, Outcome::Refused);
                assert_eq!(record.error.as_deref(), details.strip_prefix("weir_"));
            }
            None => {
                assert_eq!(passed, Passed::On(b"{}".to_vec()), "{mode} {headers:?}");
                assert_eq!(sent(&stream).len(), headers.len());
                assert_eq!(request.record().outcome, Outcome::Partial);
            }
        }
        assert_eq!(request.owner(), None);
    }
}

#[test]
fn no_unknown_key_passes_beside_another() {
    for values in
        [["weir-key", "nobodys"], ["nobodys", "weir-key"], ["weir-key", "weir-key"], ["", "nobodys"]]
    {
        for mode in ["strict", "optional"] {
            let request = Request::new(mode, x_key());
            let (_, passed) = request.send(&[(":path", CHAT), ("x-key", values[0]), ("x-key", values[1])]);
            assert_eq!(refused(passed).details, "weir_api_key_unknown");
            assert_eq!(request.owner(), None);
        }
        // Where both would pass, neither goes further.
        let request = Request::new("permissive", x_key());
        let (stream, passed) = request.send(&[(":path", CHAT), ("x-key", values[0]), ("x-key", values[1])]);
        assert_eq!((passed, sent(&stream).len()), (Passed::On(b"{}".to_vec()), 1));
        assert_eq!(request.owner(), None);
    }
    // As Envoy joins them.
    for value in ["Bearer weir-key,Bearer nobodys", "Basic a,Bearer nobodys", "Basic a, Bearer weir-key"] {
        let request = Request::new("optional", bearer());
        let (_, passed) = request.send(&[(":path", CHAT), ("authorization", value)]);
        assert_eq!(refused(passed).details, "weir_api_key_unknown");
    }
}

#[test]
fn each_dialect_is_told_in_its_words() {
    let told = |client: Option<&'static str>| {
        let request = Request { client, ..Request::new("strict", x_key()) };
        let (_, passed) = request.send(&[(":path", CHAT), ("x-key", "nobodys")]);
        let reply = refused(passed);
        assert!(!reply.headers.iter().any(|(name, _)| name == "www-authenticate"));
        reply
    };
    let json = |client| {
        let reply = told(Some(client));
        (reply.status, serde_json::from_slice::<Value>(&reply.body).unwrap())
    };
    for client in ["openai_chat", "openai_responses", "openai_embeddings", "openai_models"] {
        let (status, body) = json(client);
        assert_eq!((status, &body["error"]["type"]), (401, &json!("invalid_request_error")), "{client}");
        assert_eq!(body["error"]["code"], "invalid_api_key", "{client}");
    }
    let (status, body) = json("anthropic_messages");
    assert_eq!((status, &body["error"]["type"]), (401, &json!("authentication_error")));
    let (status, body) = json("gemini_generate_content");
    assert_eq!((status, &body["error"]["status"]), (401, &json!("UNAUTHENTICATED")));
    let bedrock = told(Some("bedrock_converse"));
    let kind = ("x-amzn-errortype".into(), "UnrecognizedClientException".to_owned());
    assert!(bedrock.status == 403 && bedrock.headers.contains(&kind));
    let plain = told(None);
    assert_eq!(plain.headers, [("content-type".into(), "text/plain; charset=utf-8".to_owned())]);
    assert_eq!(plain.body, b"The API key in the header `x-key` is not known to this gateway.");
}

#[test]
fn without_a_policy_nothing_is_touched_and_one_that_is_not_there_lets_nobody_through() {
    let request = Request::new("permissive", bearer());
    let mut stream = FakeStream::start(&request.plan, &request.state);
    let headers = [(":path", CHAT), ("authorization", "Bearer weir-key")];
    assert_eq!(stream.request(&headers, &[]), Passed::On(Vec::new()));
    assert!(sent(&stream).len() == 2 && request.owner().is_none());

    let (_, passed) = request.send_to("elsewhere", &headers);
    let reply = refused(passed);
    assert_eq!((reply.status, reply.details), (500, "weir_api_key_policy"));

    let config = json!({"policies": {"p": policy("strict", bearer())}, "default_policy": "p"});
    let plan = Plan::compile(FilterKind::ApiKeys, config.to_string().as_bytes()).unwrap();
    let mut stream = FakeStream::start(&plan, &request.state);
    assert_eq!(refused(stream.request(&[(":path", CHAT)], &[])).details, "weir_api_key_missing");
}

#[test]
fn a_refused_key_does_not_stand_in_logged_paths() {
    let request = Request::new("strict", json!({"query_parameter": {"name": "key"}}));
    let (stream, passed) = request.send(&[(":path", "/v1/x?key=nobodys&a")]);
    refused(passed);
    assert_eq!(sent(&stream), [(":path".to_owned(), "/v1/x?a".to_owned())]);
}

/// A request through `llm`, which keeps credentials, and then this filter: the credential a provider would get.
fn credential(mode: &str, location: Value, headers: &[(&str, &str)]) -> Option<String> {
    let request = Request { client: None, ..Request::new(mode, location) };
    let keep = Plan::compile(FilterKind::Llm, br#"{"keep_client_credential":true}"#).unwrap();
    let all = [&[(":method", "POST"), (":path", "/v1beta/models/m:generateContent?key=query-key")], headers]
        .concat();
    let body: &[u8] = br#"{"contents":[]}"#;
    assert_eq!(FakeStream::start(&keep, &request.state).request(&all, &[body]), Passed::On(body.to_vec()));
    let (_, passed) = request.send(&all);
    assert_eq!(passed, Passed::On(b"{}".to_vec()));
    let state = request.state.borrow();
    Some(String::from_utf8(state.get("weir.credential")?.clone()).unwrap()).filter(|kept| !kept.is_empty())
}

#[test]
fn no_provider_gets_a_key_of_this_gateway() {
    let kept = |mode, location, headers: &[_]| credential(mode, location, headers);
    let weir = ("authorization", "Bearer weir-key");
    // The client's own key takes its place.
    assert_eq!(kept("strict", bearer(), &[weir, ("x-api-key", "own")]).as_deref(), Some("own"));
    assert_eq!(kept("strict", bearer(), &[weir]).as_deref(), Some("query-key"));
    assert_eq!(
        kept("strict", x_key(), &[("x-key", "weir-key"), ("authorization", "Bearer own")]).as_deref(),
        Some("own")
    );
    // Not where it stands a second time, nor at another place than the one it is expected at.
    assert_eq!(
        kept("strict", x_key(), &[("x-key", "weir-key"), weir, ("x-api-key", "weir-key")]).as_deref(),
        Some("query-key")
    );
    assert_eq!(kept("optional", x_key(), &[weir]).as_deref(), Some("query-key"));
    assert_eq!(kept("permissive", bearer(), &[weir, ("authorization", "Bearer own")]), None);
    // A key that is not known here may be the provider's.
    assert_eq!(kept("permissive", bearer(), &[("authorization", "Bearer own")]).as_deref(), Some("own"));
}

/// What the `limit` filter behind this one tells a rate limit service.
#[test]
fn limits_see_who_it_is() {
    let request = Request::new("optional", bearer());
    let limit = json!({"default_policies": ["p"], "policies": {"p": {"descriptors": [
        {"name": "team", "unit": "requests", "entries": [{"name": "team", "expression": "apiKey.team"}]},
        {"name": "user", "unit": "requests", "entries": [{"name": "user", "expression": "jwt.sub"}]},
    ]}}});
    let limit = Plan::compile(FilterKind::Limit, limit.to_string().as_bytes()).unwrap();
    let told = |headers: &[(&str, &str)], jwt: Option<&str>| {
        request.state.borrow_mut().clear();
        request.send(headers);
        let mut stream = FakeStream::start(&limit, &request.state);
        stream.host.attributes.extend(jwt.map(|jwt| (Attribute::Jwt, jwt.to_owned())));
        stream.request(&[(":path", CHAT)], &[b"{}"]);
        let state = request.state.borrow();
        let value = |name: &str| {
            state.get(&format!("weir.limit.{name}.0")).map(|v| String::from_utf8_lossy(v).into_owned())
        };
        (value("team"), value("user"), stream.host.observed.len())
    };
    let key = [(":path", CHAT), ("authorization", "Bearer weir-key")];
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(told(&key, Some(r#"{"sub":"ann"}"#)), (text("red"), text("ann"), 0));
    // Each that fails is counted.
    assert_eq!(told(&key, None), (text("red"), None, 1));
    assert_eq!(told(&[(":path", CHAT)], Some("-")), (None, None, 2));
}

#[test]
fn logs_are_told_who_calls_and_nothing_where_nobody_knows() {
    let config = json!({
        "policies": {"p": policy("optional", x_key())},
        "told": {
            "weir.told.team": "apiKey.team",
            "weir.told.who": "default(jwt.sub, default(apiKey.team, 'nobody'))",
            "weir.told.roles": "jwt.roles",
            "weir.told.model": "llm.requestModel",
            "weir.told.null": "null",
            "weir.told.first": "request.path.split('/')[1]",
            "weir.told.is-red": "default(apiKey.team == 'red', false)",
        },
    });
    let plan = Plan::compile(FilterKind::ApiKeys, config.to_string().as_bytes()).unwrap();
    let told = |route: &str, headers: &[(&str, &str)], claims: Option<&str>| {
        let state = SharedState::default();
        let record = Record {
            path: Some(CHAT.into()),
            client: Some("openai_chat".into()),
            model: Some("m".into()),
            ..Record::default()
        };
        state.borrow_mut().insert(RECORD_STATE.to_owned(), record.to_json());
        let mut stream = FakeStream::start(&plan, &state);
        stream.host.attributes.insert(Attribute::RouteApiKeys, route.to_owned());
        if let Some(claims) = claims {
            stream.host.attributes.insert(Attribute::Jwt, claims.to_owned());
        }
        stream.request(&[&[(":path", CHAT)], headers].concat(), &[b"{}"]);
        let state = state.borrow();
        let found = state.iter().filter_map(|(key, value)| {
            Some((key.strip_prefix("weir.told.")?.to_owned(), String::from_utf8(value.clone()).unwrap()))
        });
        found.collect::<std::collections::BTreeMap<_, _>>()
    };
    let expected = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let key = ("x-key", "weir-key");
    assert_eq!(
        told("p", &[key], None),
        expected(&[("team", "red"), ("who", "red"), ("model", "m"), ("first", "v1"), ("is-red", "true")])
    );
    assert_eq!(
        told("p", &[], Some(r#"{"sub":"ann","roles":["a"]}"#)),
        expected(&[
            ("who", "ann"),
            ("roles", r#"["a"]"#),
            ("model", "m"),
            ("first", "v1"),
            ("is-red", "false")
        ])
    );
    // Who is refused is told of as well.
    let nobody = expected(&[("who", "nobody"), ("model", "m"), ("first", "v1"), ("is-red", "false")]);
    assert_eq!(told("p", &[("x-key", "nobodys")], None), nobody);
    assert_eq!(told("elsewhere", &[key], None), nobody);

    let broken = Plan::compile(FilterKind::ApiKeys, br#"{"told":{"weir.told.x":"apiKey."}}"#);
    assert!(broken.unwrap_err().to_string().contains("told[\"weir.told.x\"]"));
}
