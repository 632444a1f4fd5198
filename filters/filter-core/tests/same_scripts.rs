//! The scripts of `testkit::scripts` on a fake host. `weir.wasm` in a VM (`tests/testkit/tests/same_scripts.rs`) and the
//! dynamic module's entry points (`filters/dynamic-module/tests/native/same_scripts.rs`) have to come to the same.
#![allow(clippy::unwrap_used, clippy::panic)] // A panic is a failed test.

use std::rc::Rc;

use filter_core::fake_host::{FakeStream, Passed, SharedState};
use filter_core::{Attribute, FilterKind, HeaderMap, LocalReply, Plan};
use testkit::scripts::{self, Case};
use testkit::{Density, Headers, Message, Outcome, ReplyOrigin, Script, Side, Splits, Subject};

/// The filters of an exchange, one behind the other, each driven as an adapter does it.
struct Filters(Vec<Plan>);

impl Filters {
    fn of(case: &Case) -> Self {
        let llm = (FilterKind::Llm, case.llm);
        let api_keys = case.api_keys.map(|json| (FilterKind::ApiKeys, json));
        let provider = (FilterKind::Provider, case.provider.as_str());
        let filters = [Some(llm), api_keys, Some(provider)].into_iter().flatten();
        Self(filters.map(|(kind, json)| Plan::compile(kind, json.as_bytes()).unwrap()).collect())
    }
}

impl Subject for Filters {
    fn exchange(&mut self, script: &Script, splits: &Splits) -> Outcome {
        let state = SharedState::default();
        let mut outcome = Outcome::default();
        let start = |plan: &Plan| {
            let mut stream = FakeStream::start(plan, &state);
            for (path, value) in &script.properties {
                assert_eq!(path, &["response", "code_details"]);
                let value = String::from_utf8(value.clone()).unwrap();
                stream.host.attributes.insert(Attribute::ResponseCodeDetails, value);
            }
            stream
        };
        let mut streams: Vec<FakeStream> = self.0.iter().map(start).collect();
        let request = Parts::of(&script.request, &splits.request, splits);
        let provider = |request: Parts, outcome: &mut Outcome| {
            outcome.request = request.message();
            Parts::of(&script.response, &splits.response, splits)
        };
        outcome.response = request.answer(&mut streams, &mut outcome, &provider).message();
        let reroutes: usize = streams.iter().map(|stream| stream.host.reroutes).sum();
        outcome.route_cache_clears = u32::try_from(reroutes).unwrap();
        outcome.filter_state = Rc::clone(&state).take();
        outcome
    }
}

/// Notes a reply, and gives it the headers that adapters and Envoy give it.
trait Answered {
    fn answered(&mut self, reply: LocalReply) -> Message;
}

impl Answered for Outcome {
    fn answered(&mut self, reply: LocalReply) -> Message {
        let given: Headers =
            reply.headers.iter().map(|(name, value)| (name.as_ref(), value.as_str())).collect();
        let mut headers = Headers::new();
        headers.add(":status", reply.status.to_string());
        for (name, value) in given.iter() {
            headers.add(name, value);
        }
        headers.set("content-length", reply.body.len().to_string());
        self.local_reply = Some(testkit::LocalReply {
            status: reply.status,
            headers: given,
            body: reply.body.clone(),
            details: reply.details.to_owned(),
            origin: ReplyOrigin::Filter,
        });
        Message { headers: Some(headers), chunks: vec![reply.body], ended: true, ..Message::default() }
    }
}

/// A message on its way.
struct Parts {
    headers: Vec<(String, String)>,
    chunks: Vec<Vec<u8>>,
    trailers: Option<Headers>,
}

impl Parts {
    fn of(side: &Side, offsets: &[usize], splits: &Splits) -> Self {
        let mut chunks: Vec<Vec<u8>> = splits
            .chunks(&side.body, offsets, side.trailers.is_some())
            .map(|(chunk, _)| chunk.to_vec())
            .collect();
        if side.trailers.is_some() {
            // Trailers end the body without adding to it.
            chunks.push(Vec::new());
        }
        Self { headers: text(&side.headers), chunks, trailers: side.trailers.clone() }
    }

    /// What the client of these filters is answered.
    fn answer(
        self,
        filters: &mut [FakeStream],
        outcome: &mut Outcome,
        provider: &dyn Fn(Self, &mut Outcome) -> Self,
    ) -> Self {
        let Some((filter, behind)) = filters.split_first_mut() else { return provider(self, outcome) };
        let answered = match self.through(filter, HeaderMap::Request) {
            Err(reply) => return Self::from(outcome.answered(reply)),
            Ok(request) => request.answer(behind, outcome, provider),
        };
        answered
            .through(filter, HeaderMap::Response)
            .unwrap_or_else(|reply| Self::from(outcome.answered(reply)))
    }

    /// What comes out of a filter, unless it answers.
    fn through(self, stream: &mut FakeStream, map: HeaderMap) -> Result<Self, LocalReply> {
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let chunks: Vec<&[u8]> = self.chunks.iter().map(Vec::as_slice).collect();
        let passed = match map {
            HeaderMap::Request => stream.request(&headers, &chunks),
            HeaderMap::Response => stream.response(&headers, &chunks),
        };
        match passed {
            Passed::Replied(reply) => Err(reply),
            Passed::On(body) => Ok(Self {
                headers: stream.host.headers.remove(&map).unwrap(),
                chunks: if self.chunks.is_empty() && body.is_empty() { Vec::new() } else { vec![body] },
                trailers: self.trailers,
            }),
        }
    }

    fn message(self) -> Message {
        Message {
            headers: Some(self.headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect()),
            chunks: self.chunks,
            trailers: self.trailers,
            ended: true,
            ..Message::default()
        }
    }
}

impl From<Message> for Parts {
    fn from(message: Message) -> Self {
        Self { headers: text(&message.headers.unwrap()), chunks: message.chunks, trailers: message.trailers }
    }
}

fn text(headers: &Headers) -> Vec<(String, String)> {
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    headers.iter().map(|(name, value)| (name.to_owned(), text(value))).collect()
}

#[test]
fn the_core_does_what_every_build_does() {
    let mut failures = Vec::new();
    for case in scripts::cases() {
        if let Err(error) = case.check(&mut Filters::of(&case), &Density::FULL) {
            failures.push(format!("{}: {error}", case.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
