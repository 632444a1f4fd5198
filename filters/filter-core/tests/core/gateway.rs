//! The downstream and the upstream filter of one request, one behind the other.

use filter_core::fake_host::{FakeStream, Passed, SharedState};
use filter_core::{Attribute, FilterKind, HeaderMap, Plan, Record};
use serde_json::Value;
use testkit::{Headers, LocalReply, Message, Outcome, ReplyOrigin, Script, Splits, Subject};

/// Compiled configurations of both filters.
pub(crate) struct Gateway {
    llm: Plan,
    provider: Plan,
}

/// A response as it comes from somewhere: headers and the chunks of its body.
pub(crate) type Reply<'a> = (&'a [(&'a str, &'a str)], &'a [&'a [u8]]);

/// What became of a request.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// Headers as the provider gets them; empty when it was not asked.
    pub(crate) sent_headers: Vec<(String, String)>,
    /// Body as the provider gets it.
    pub(crate) sent: Option<Vec<u8>>,
    /// Headers as the client gets them.
    pub(crate) headers: Vec<(String, String)>,
    /// Body as the client gets it.
    pub(crate) body: Vec<u8>,
    /// Set when a filter answered instead of the provider: why.
    pub(crate) replied: Option<&'static str>,
    /// Published state.
    pub(crate) state: SharedState,
    reroutes: usize,
}

impl Run {
    pub(crate) fn status(&self) -> &str {
        self.header(":status").unwrap_or_default()
    }

    /// A header of the answer.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A header the provider got.
    pub(crate) fn sent_header(&self, name: &str) -> Option<&str> {
        self.sent_headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The answer as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The body the provider got, as JSON.
    pub(crate) fn sent_json(&self) -> Value {
        serde_json::from_slice(self.sent.as_deref().unwrap()).unwrap()
    }

    /// The record for the access log.
    pub(crate) fn record(&self) -> Record<'static> {
        serde_json::from_slice(&self.state.borrow()[filter_core::RECORD_STATE]).unwrap()
    }
}

impl Gateway {
    pub(crate) fn new(llm: &str, provider: &str) -> Self {
        Self {
            llm: Plan::compile(FilterKind::Llm, llm.as_bytes()).unwrap(),
            provider: Plan::compile(FilterKind::Provider, provider.as_bytes()).unwrap(),
        }
    }

    /// A JSON request on `path`, answered by the provider with `answer`.
    pub(crate) fn post(&self, path: &str, body: &str, answer: Reply<'_>) -> Run {
        self.send(&[(":method", "POST"), (":path", path), ("content-type", "application/json")], body, answer)
    }

    /// A request with these headers.
    pub(crate) fn send(&self, headers: &[(&str, &str)], body: &str, answer: Reply<'_>) -> Run {
        let chunks: &[&[u8]] = if body.is_empty() { &[] } else { &[body.as_bytes()] };
        self.exchange(headers, chunks, answer)
    }

    /// A request that Envoy answers itself, with `details` as its reason.
    pub(crate) fn local(&self, path: &str, body: &str, details: &str, answer: Reply<'_>) -> Run {
        let mut run = Run::default();
        let mut downstream = FakeStream::start(&self.llm, &run.state);
        let method = if body.is_empty() { "GET" } else { "POST" };
        downstream.request(&[(":method", method), (":path", path)], &[body.as_bytes()]);
        downstream.host.attributes.insert(Attribute::ResponseCodeDetails, details.to_owned());
        let passed = downstream.response(answer.0, answer.1);
        run.finish(&downstream, passed);
        run
    }

    pub(crate) fn exchange(&self, headers: &[(&str, &str)], chunks: &[&[u8]], answer: Reply<'_>) -> Run {
        let mut run = Run::default();
        let mut downstream = FakeStream::start(&self.llm, &run.state);
        let body = match downstream.request(headers, chunks) {
            Passed::On(body) => body,
            replied @ Passed::Replied(_) => {
                run.finish(&downstream, replied);
                return run;
            }
        };
        run.reroutes = downstream.host.reroutes;
        let mut upstream = FakeStream::start(&self.provider, &run.state);
        let whole = [&body[..]];
        let passed = upstream
            .request(&borrowed(&downstream, HeaderMap::Request), if body.is_empty() { &[] } else { &whole });
        let passed = match passed {
            Passed::On(sent) => {
                run.sent = Some(sent);
                run.sent_headers = upstream.host.headers[&HeaderMap::Request].clone();
                upstream.response(answer.0, answer.1)
            }
            replied @ Passed::Replied(_) => replied,
        };
        let (headers, body, details) = match passed {
            Passed::On(body) => (upstream.host.headers[&HeaderMap::Response].clone(), body, "via_upstream"),
            Passed::Replied(reply) => {
                run.replied = Some(reply.details);
                let (headers, body, details) = opened(reply);
                (headers, body, details)
            }
        };
        downstream.host.attributes.insert(Attribute::ResponseCodeDetails, details.to_owned());
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let whole = [&body[..]];
        let passed = downstream.response(&headers, if body.is_empty() { &[] } else { &whole });
        run.finish(&downstream, passed);
        run
    }
}

impl Run {
    fn finish(&mut self, downstream: &FakeStream, passed: Passed) {
        match passed {
            Passed::On(body) => {
                self.headers = downstream.host.headers[&HeaderMap::Response].clone();
                self.body = body;
            }
            Passed::Replied(reply) => {
                self.replied = Some(reply.details);
                (self.headers, self.body, _) = opened(reply);
            }
        }
    }
}

fn opened(reply: filter_core::LocalReply) -> (Vec<(String, String)>, Vec<u8>, &'static str) {
    let mut headers = vec![(":status".to_owned(), reply.status.to_string())];
    headers.extend(reply.headers.into_iter().map(|(key, value)| (key.into_owned(), value)));
    (headers, reply.body, reply.details)
}

fn borrowed(stream: &FakeStream, map: HeaderMap) -> Vec<(&str, &str)> {
    stream.host.headers[&map].iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

impl Subject for Gateway {
    fn exchange(&mut self, script: &Script, splits: &Splits) -> Outcome {
        let text = |headers: &Headers| -> Vec<(String, String)> {
            headers
                .iter()
                .map(|(key, value)| (key.to_owned(), String::from_utf8_lossy(value).into_owned()))
                .collect()
        };
        let (request, response) = (text(&script.request.headers), text(&script.response.headers));
        let request: Vec<(&str, &str)> = request.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let response: Vec<(&str, &str)> = response.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let sent: Vec<&[u8]> =
            splits.chunks(&script.request.body, &splits.request, false).map(|(chunk, _)| chunk).collect();
        let answered: Vec<&[u8]> =
            splits.chunks(&script.response.body, &splits.response, false).map(|(chunk, _)| chunk).collect();
        let run = Gateway::exchange(self, &request, &sent, (&response, &answered));
        let message = |headers: &[(String, String)], body: Vec<u8>| Message {
            headers: Some(headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect()),
            chunks: vec![body],
            ended: true,
            ..Message::default()
        };
        Outcome {
            request: message(&run.sent_headers, run.sent.clone().unwrap_or_default()),
            local_reply: run.replied.map(|details| LocalReply {
                status: run.status().parse().unwrap(),
                headers: Headers::new(),
                body: run.body.clone(),
                details: details.to_owned(),
                origin: ReplyOrigin::Filter,
            }),
            filter_state: run.state.borrow().clone(),
            route_cache_clears: u32::try_from(run.reroutes).unwrap(),
            response: message(&run.headers, run.body),
            ..Outcome::default()
        }
    }
}
