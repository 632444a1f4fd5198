//! A host made of maps, for tests that need no Envoy.
//!
//! [`FakeStream`] drives one exchange as an adapter would and keeps what comes out. Several streams of one
//! request (the downstream filter, each attempt's upstream filter) share their [`SharedState`].

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::{
    Attribute, BodyFlow, BodyMode, CallAnswer, Callout, Change, Direction, Exchange, HeaderMap, HeadersFlow,
    Host, Labels, Level, LocalReply, Metric, Overflow, Plan,
};

/// What filters of one request publish to each other.
pub type SharedState = Rc<RefCell<BTreeMap<String, Vec<u8>>>>;

/// A scripted host.
#[derive(Debug, Default)]
pub struct FakeHost {
    /// Request and response headers.
    pub headers: BTreeMap<HeaderMap, Vec<(String, String)>>,
    /// Attributes of the stream.
    pub attributes: BTreeMap<Attribute, String>,
    /// Published state.
    pub state: SharedState,
    /// Milliseconds since 1970.
    pub now_ms: u64,
    /// How often the route was chosen again.
    pub reroutes: usize,
    /// What was observed: metric, values of its labels, value.
    pub observed: Vec<(Metric, Vec<String>, u64)>,
    /// What is shared among all requests.
    pub shared: SharedState,
    /// The order of clusters that was asked for.
    pub preferred: Option<Vec<String>>,
    /// Log lines.
    pub logs: RefCell<Vec<(Level, String)>>,
}

impl Host for FakeHost {
    fn now_ms(&self) -> u64 {
        self.now_ms
    }

    fn header(&self, map: HeaderMap, name: &str) -> Option<String> {
        self.headers.get(&map)?.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    fn header_values(&self, map: HeaderMap, name: &str) -> Vec<Vec<u8>> {
        let headers = self.headers.get(&map).into_iter().flatten();
        headers.filter(|(key, _)| key == name).map(|(_, value)| value.clone().into_bytes()).collect()
    }

    fn set_header(&mut self, map: HeaderMap, name: &str, value: &str) {
        self.remove_header(map, name);
        self.headers.entry(map).or_default().push((name.to_owned(), value.to_owned()));
    }

    fn remove_header(&mut self, map: HeaderMap, name: &str) {
        self.headers.entry(map).or_default().retain(|(key, _)| key != name);
    }

    fn attribute(&self, attribute: Attribute) -> Option<String> {
        self.attributes.get(&attribute).cloned()
    }

    fn state(&self, key: &str) -> Option<Vec<u8>> {
        self.state.borrow().get(key).cloned()
    }

    fn publish(&mut self, key: &str, value: &[u8]) {
        self.state.borrow_mut().insert(key.to_owned(), value.to_vec());
    }

    fn reroute(&mut self) {
        self.reroutes += 1;
    }

    fn observe(&mut self, metric: Metric, labels: &Labels<'_>, value: u64) {
        let labels = labels.values().iter().map(|&label| label.to_owned()).collect();
        self.observed.push((metric, labels, value));
    }

    fn shared(&self, key: &str) -> Option<Vec<u8>> {
        self.shared.borrow().get(key).cloned()
    }

    fn share(&mut self, key: &str, value: &[u8]) {
        self.shared.borrow_mut().insert(key.to_owned(), value.to_vec());
    }

    fn update_shared(&mut self, key: &str, change: &mut Change<'_>) {
        let mut shared = self.shared.borrow_mut();
        if let Some(new) = change(shared.get(key).map(Vec::as_slice)) {
            shared.insert(key.to_owned(), new);
        }
    }

    fn prefer(&mut self, clusters: &[String]) {
        self.preferred = Some(clusters.to_vec());
    }

    fn log(&self, level: Level, message: &str) {
        self.logs.borrow_mut().push((level, message.to_owned()));
    }
}

/// What became of one direction of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passed {
    /// Headers (in the host) and this body went on.
    On(Vec<u8>),
    /// The filter answered itself.
    Replied(LocalReply),
}

/// One exchange and its host.
#[derive(Debug)]
pub struct FakeStream {
    /// The host, to look at headers and state.
    pub host: FakeHost,
    /// What services answer, in order; `None` for none. What they were asked is in `asked`.
    pub answers: VecDeque<Option<CallAnswer>>,
    /// What services were asked.
    pub asked: Vec<Callout>,
    /// The response was ended early; what came behind was dropped.
    pub over: bool,
    exchange: Exchange,
}

impl FakeStream {
    /// A stream of `plan` that shares `state` with the request's other filters.
    pub fn start(plan: &Plan, state: &SharedState) -> Self {
        let host = FakeHost { state: Rc::clone(state), now_ms: 1_700_000_000_000, ..FakeHost::default() };
        Self { host, answers: VecDeque::new(), asked: Vec::new(), over: false, exchange: plan.start() }
    }

    /// Passes a request through, its body in these chunks.
    pub fn request(&mut self, headers: &[(&str, &str)], chunks: &[&[u8]]) -> Passed {
        self.host.headers.insert(HeaderMap::Request, owned(headers));
        let end = chunks.is_empty();
        match self.exchange.request_headers(&mut self.host, end) {
            HeadersFlow::Reply(reply) => Passed::Replied(reply),
            HeadersFlow::Continue(mode) => self.body(Direction::Request, mode, chunks),
        }
    }

    /// Passes a response through, its body in these chunks.
    pub fn response(&mut self, headers: &[(&str, &str)], chunks: &[&[u8]]) -> Passed {
        self.host.headers.insert(HeaderMap::Response, owned(headers));
        let end = chunks.is_empty();
        match self.exchange.response_headers(&mut self.host, end) {
            HeadersFlow::Reply(reply) => Passed::Replied(reply),
            HeadersFlow::Continue(mode) => self.body(Direction::Response, mode, chunks),
        }
    }

    /// Ends the request.
    pub fn complete(&mut self) {
        self.exchange.complete(&mut self.host);
    }

    /// Passes the beginning of a streamed response through.
    pub fn response_so_far(&mut self, headers: &[(&str, &str)], chunk: &[u8]) -> Passed {
        self.host.headers.insert(HeaderMap::Response, owned(headers));
        let _ = self.exchange.response_headers(&mut self.host, false);
        match self.call(Direction::Response, chunk, false) {
            BodyFlow::Replace(bytes) => Passed::On(bytes),
            BodyFlow::End { last, .. } => {
                self.over = true;
                Passed::On(last)
            }
            BodyFlow::Reply(reply) => Passed::Replied(reply),
            BodyFlow::Keep | BodyFlow::Call(_) => Passed::On(chunk.to_vec()),
        }
    }

    fn body(&mut self, direction: Direction, mode: BodyMode, chunks: &[&[u8]]) -> Passed {
        let whole = chunks.concat();
        match mode {
            BodyMode::Skip => Passed::On(whole),
            BodyMode::Whole { limit } if whole.len() > limit => match direction {
                Direction::Request => Passed::Replied(self.exchange.request_overflow(&mut self.host)),
                Direction::Response => match self.exchange.response_overflow(&mut self.host) {
                    Overflow::Release => Passed::On(whole),
                    Overflow::Replace(body) => Passed::On(body),
                },
            },
            BodyMode::Whole { .. } => match self.call(direction, &whole, true) {
                BodyFlow::Keep | BodyFlow::Call(_) => Passed::On(whole),
                BodyFlow::Replace(body) | BodyFlow::End { last: body, .. } => Passed::On(body),
                BodyFlow::Reply(reply) => Passed::Replied(reply),
            },
            BodyMode::Chunks => {
                let mut out = Vec::new();
                for (index, chunk) in chunks.iter().enumerate() {
                    match self.call(direction, chunk, index + 1 == chunks.len()) {
                        BodyFlow::End { last, .. } => {
                            out.extend_from_slice(&last);
                            self.over = true;
                        }
                        _ if self.over => {}
                        BodyFlow::Keep => out.extend_from_slice(chunk),
                        BodyFlow::Replace(bytes) => out.extend_from_slice(&bytes),
                        BodyFlow::Reply(reply) => return Passed::Replied(reply),
                        BodyFlow::Call(_) => {}
                    }
                }
                Passed::On(out)
            }
        }
    }

    fn call(&mut self, direction: Direction, bytes: &[u8], end: bool) -> BodyFlow {
        let mut flow = match direction {
            Direction::Request => self.exchange.request_body(&mut self.host, bytes, end),
            Direction::Response => self.exchange.response_body(&mut self.host, bytes, end),
        };
        while let BodyFlow::Call(callout) = flow {
            self.asked.push(callout);
            let answer = self.answers.pop_front().flatten();
            flow = self.exchange.answered(&mut self.host, direction, answer);
        }
        flow
    }
}

fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
