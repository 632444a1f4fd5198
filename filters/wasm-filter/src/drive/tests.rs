//! The driver against a model of Envoy's buffering: paused bytes stay in the buffer, continued bytes leave it.

use std::cell::RefCell;
use std::rc::Rc;

use filter_core::{Attribute, Labels, Level, Metric, Phases};

use super::*;

/// What happened, in order.
type Journal = Rc<RefCell<Vec<String>>>;

struct FakeHost(Option<HeaderMap>, Journal);

impl Host for FakeHost {
    fn now_ms(&self) -> u64 {
        0
    }
    fn header(&self, _: HeaderMap, _: &str) -> Option<String> {
        None
    }
    fn header_values(&self, _: HeaderMap, _: &str) -> Vec<Vec<u8>> {
        Vec::new()
    }
    fn set_header(&mut self, map: HeaderMap, name: &str, _: &str) {
        assert_eq!(self.0, Some(map), "Envoy does not lend the {map:?} headers now");
        self.1.borrow_mut().push(format!("set {name}"));
    }
    fn remove_header(&mut self, map: HeaderMap, name: &str) {
        assert_eq!(self.0, Some(map), "Envoy does not lend the {map:?} headers now");
        self.1.borrow_mut().push(format!("remove {name}"));
    }
    fn attribute(&self, _: Attribute) -> Option<String> {
        None
    }
    fn state(&self, key: &str) -> Option<Vec<u8>> {
        self.1.borrow().contains(&format!("publish {key}")).then(Vec::new)
    }
    fn publish(&mut self, key: &str, _: &[u8]) {
        self.1.borrow_mut().push(format!("publish {key}"));
    }
    fn reroute(&mut self) {}
    fn observe(&mut self, _: Metric, _: &Labels<'_>, _: u64) {}
    fn shared(&self, _: &str) -> Option<Vec<u8>> {
        None
    }
    fn share(&mut self, _: &str, _: &[u8]) {}
    fn update_shared(&mut self, _: &str, _: &mut filter_core::Change<'_>) {}
    fn prefer(&mut self, _: &[String]) {}
    fn log(&self, _: Level, _: &str) {}
}

/// One direction of a stream in Envoy.
struct Fake {
    journal: Journal,
    buffer: Vec<u8>,
    writable: bool,
}

impl Envoy for Fake {
    type Host = FakeHost;
    fn host(&self, lent: Option<HeaderMap>) -> FakeHost {
        FakeHost(lent, Rc::clone(&self.journal))
    }
    fn read(&self, _: HeaderMap, size: usize) -> Vec<u8> {
        self.buffer[..size].to_vec()
    }
    fn replace(&mut self, _: HeaderMap, size: usize, bytes: &[u8]) {
        assert!(self.writable || (size == 0 && bytes.is_empty()), "no buffer to write to");
        self.buffer.splice(..size, bytes.iter().copied());
    }
    fn reply(&mut self, reply: &LocalReply) {
        let body = String::from_utf8_lossy(&reply.body);
        self.journal.borrow_mut().push(format!("reply {} {body}", reply.status));
    }
    fn call(&mut self, callout: &Callout) -> bool {
        self.journal.borrow_mut().push(format!("call {}", callout.cluster));
        callout.cluster != "none"
    }
    fn go_on(&mut self, of: HeaderMap) {
        self.journal.borrow_mut().push(format!("go on {of:?}"));
    }
    fn end_soon(&mut self) {
        self.journal.borrow_mut().push("end soon".to_owned());
    }
    fn log_lost(&self, bytes: usize) {
        self.journal.borrow_mut().push(format!("lost {bytes}"));
    }
}

/// Answers as it was told and notes what it was shown.
#[derive(Debug)]
struct Scripted {
    mode: HeadersFlow,
    last: BodyFlow,
    overflow: Overflow,
    edits: bool,
    journal: Journal,
}

impl Phases for Scripted {
    fn headers(&mut self, _: &mut dyn Host, _: Direction, _: bool) -> HeadersFlow {
        self.mode.clone()
    }
    fn body(&mut self, host: &mut dyn Host, direction: Direction, body: &[u8], end: bool) -> BodyFlow {
        let last = if end { "!" } else { "" };
        self.journal.borrow_mut().push(format!("saw {}{last}", String::from_utf8_lossy(body)));
        if self.edits {
            host.set_header(map(direction), "x", "");
        }
        match &self.last {
            BodyFlow::End { .. } if body.ends_with(b"x") => self.last.clone(),
            BodyFlow::End { .. } => BodyFlow::Keep,
            last if end => last.clone(),
            _ => BodyFlow::Keep,
        }
    }
    fn answered(
        &mut self,
        host: &mut dyn Host,
        direction: Direction,
        answer: Option<CallAnswer>,
    ) -> BodyFlow {
        let status = answer.map_or(0, |answer| answer.status);
        self.journal.borrow_mut().push(format!("answered {status}"));
        host.set_header(map(direction), "y", "");
        BodyFlow::Replace(format!("masked {status}").into_bytes())
    }
    fn request_overflow(&mut self, _: &mut dyn Host) -> LocalReply {
        reply(413)
    }
    fn response_overflow(&mut self, host: &mut dyn Host) -> Overflow {
        host.set_header(HeaderMap::Response, "x", "");
        self.overflow.clone()
    }
}

fn map(direction: Direction) -> HeaderMap {
    match direction {
        Direction::Request => HeaderMap::Request,
        Direction::Response => HeaderMap::Response,
    }
}

fn reply(status: u16) -> LocalReply {
    LocalReply { status, headers: Vec::new(), body: Vec::new(), details: "test" }
}

fn continuing(mode: BodyMode) -> Scripted {
    Scripted {
        mode: HeadersFlow::Continue(mode),
        last: BodyFlow::Keep,
        overflow: Overflow::Release,
        edits: matches!(mode, BodyMode::Whole { .. }),
        journal: Journal::default(),
    }
}

fn whole(limit: usize) -> Scripted {
    continuing(BodyMode::Whole { limit })
}

fn replacing(exchange: Scripted, body: &str) -> Scripted {
    Scripted { last: BodyFlow::Replace(body.into()), ..exchange }
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    /// The last chunk says so.
    WithChunk,
    /// Trailers follow the last chunk.
    WithTrailers,
}

/// Sends headers and chunks through a driver. Gives what came out, what happened, and the most bytes Envoy
/// ever held.
fn run(of: HeaderMap, exchange: Scripted, chunks: &[&str], end: End) -> (String, Vec<String>, usize) {
    let journal = Rc::clone(&exchange.journal);
    let mut envoy = Fake { journal: Rc::clone(&journal), buffer: Vec::new(), writable: false };
    let mut driver = Driver::new(Box::new(exchange));
    let (mut out, mut peak) = (Vec::new(), 0);
    let mut stopped = false;
    let mut step = |envoy: &mut Fake, flow: Flow| {
        if flow == Flow::Continue {
            out.append(&mut envoy.buffer);
            envoy.writable = false;
        }
        stopped = journal.borrow().iter().any(|entry| entry.starts_with("reply"));
        peak = peak.max(envoy.buffer.len());
        stopped
    };
    let flow = driver.headers(of, &mut envoy, false);
    let mut over = step(&mut envoy, flow);
    for (index, chunk) in chunks.iter().enumerate() {
        if over {
            break;
        }
        envoy.buffer.extend_from_slice(chunk.as_bytes());
        envoy.writable = true;
        let last = end == End::WithChunk && index + 1 == chunks.len();
        let size = envoy.buffer.len();
        let flow = driver.body(of, &mut envoy, size, last);
        over = step(&mut envoy, flow);
    }
    if end == End::WithTrailers && !over {
        let flow = driver.trailers(of, &mut envoy);
        step(&mut envoy, flow);
    }
    let journal = journal.borrow().clone();
    (String::from_utf8(out).unwrap(), journal, peak)
}

const BOTH: [HeaderMap; 2] = [HeaderMap::Request, HeaderMap::Response];
const ENDS: [End; 2] = [End::WithChunk, End::WithTrailers];

#[test]
fn skipped_bodies_are_not_read() {
    for of in BOTH {
        let (out, journal, _) = run(of, continuing(BodyMode::Skip), &["ab", "cd"], End::WithChunk);
        assert_eq!((out.as_str(), journal.len()), ("abcd", 0));
    }
}

#[test]
fn chunks_are_shown_once_each_and_the_last_can_be_replaced() {
    for of in BOTH {
        let exchange = replacing(continuing(BodyMode::Chunks), "END");
        let (out, journal, _) = run(of, exchange, &["ab", "", "cd"], End::WithChunk);
        assert_eq!(out, "abEND");
        assert_eq!(journal, ["saw ab", "saw cd!"]);
    }
}

#[test]
fn a_response_that_is_ended_drops_what_still_comes() {
    let ending = || Scripted {
        last: BodyFlow::End { last: "END".into(), on_cluster: true },
        ..continuing(BodyMode::Chunks)
    };
    for end in ENDS {
        let (out, journal, _) = run(HeaderMap::Response, ending(), &["ab", "cx", "d", "e"], end);
        assert_eq!(out, "abEND");
        let over = format!("publish {OVER_STATE}");
        let last = if end == End::WithChunk { "saw e!" } else { "saw e" };
        assert_eq!(journal, ["saw ab", "saw cx", &over, "end soon", "saw d", last]);
    }
    // Its upstream has ended as well.
    let (out, journal, _) = run(HeaderMap::Response, ending(), &["ab", "cx"], End::WithChunk);
    assert_eq!((out.as_str(), journal), ("abEND", vec!["saw ab".to_owned(), "saw cx!".to_owned()]));
}

#[test]
fn of_two_filters_that_end_a_response_one_sees_to_it() {
    let last = BodyFlow::End { last: "END".into(), on_cluster: true };
    let exchange = Scripted { last, ..continuing(BodyMode::Chunks) };
    exchange.journal.borrow_mut().push(format!("publish {OVER_STATE}"));
    let (out, journal, _) = run(HeaderMap::Response, exchange, &["cx", "d"], End::WithTrailers);
    assert_eq!(out, "END");
    assert!(!journal.contains(&"end soon".to_owned()), "{journal:?}");
}

#[test]
fn trailers_end_chunks_and_what_cannot_be_added_is_logged() {
    for of in BOTH {
        let exchange = replacing(continuing(BodyMode::Chunks), "END");
        let (out, journal, _) = run(of, exchange, &["ab"], End::WithTrailers);
        assert_eq!(out, "ab");
        assert_eq!(journal, ["saw ab", "saw !", "lost 3"]);
    }
}

#[test]
fn whole_bodies_are_shown_once_while_headers_are_held() {
    for of in BOTH {
        for chunks in [&["abcdef"][..], &["ab", "cd", "ef"], &["", "abcdef", ""], &["abc", "def", ""]] {
            let (out, journal, _) = run(of, whole(6), chunks, End::WithChunk);
            assert_eq!(out, "abcdef");
            assert_eq!(journal, ["saw abcdef!", "set x"]);
            let (out, ..) = run(of, replacing(whole(6), "new"), chunks, End::WithChunk);
            assert_eq!(out, "new");
        }
    }
}

#[test]
fn a_held_response_with_trailers_is_sent_as_a_local_reply() {
    for chunks in [&["abcdef"][..], &["ab", "cd", "ef"]] {
        let (out, journal, _) = run(HeaderMap::Response, whole(6), chunks, End::WithTrailers);
        assert_eq!(out, "");
        assert_eq!(journal, ["saw abcdef!", "set x", "reply 502 abcdef"]);
        let (_, journal, _) = run(HeaderMap::Response, replacing(whole(6), "new"), chunks, End::WithTrailers);
        assert_eq!(journal, ["saw abcdef!", "set x", "reply 502 new"]);
    }
}

#[test]
fn a_held_request_with_trailers_is_refused() {
    let (out, journal, _) = run(HeaderMap::Request, whole(6), &["abc"], End::WithTrailers);
    assert_eq!(out, "");
    assert_eq!(journal, ["reply 400 requests with trailers are not supported"]);
}

#[test]
fn trailers_without_a_body_end_it() {
    for of in BOTH {
        let (_, journal, _) = run(of, whole(6), &[], End::WithTrailers);
        assert_eq!(journal, ["saw !", "set x"]);
    }
}

#[test]
fn held_bodies_are_not_left_to_envoy() {
    for of in BOTH {
        let (out, _, peak) = run(of, whole(100), &["abcd"; 8], End::WithChunk);
        assert_eq!(out, "abcd".repeat(8));
        assert_eq!(peak, 0);
    }
}

#[test]
fn a_request_over_the_limit_is_answered() {
    let (out, journal, _) = run(HeaderMap::Request, whole(5), &["abc", "def", "ghi"], End::WithChunk);
    assert_eq!((out.as_str(), journal), ("", vec!["reply 413 ".to_owned()]));
}

#[test]
fn a_response_over_the_limit_is_released_in_order() {
    for chunks in [&["abcdef", "ghi"][..], &["abc", "def", "ghi"], &["ab", "cd", "efghi"], &["abcdefghi"]] {
        let (out, journal, _) = run(HeaderMap::Response, whole(5), chunks, End::WithChunk);
        assert_eq!(out, "abcdefghi");
        assert_eq!(journal, ["set x"]);
    }
}

#[test]
fn a_response_over_the_limit_can_be_replaced_and_its_rest_dropped() {
    for end in ENDS {
        for chunks in [&["abcdef", "ghi"][..], &["abc", "def", "ghi"], &["abcdefghi"]] {
            let exchange = Scripted { overflow: Overflow::Replace("error".into()), ..whole(5) };
            let (out, ..) = run(HeaderMap::Response, exchange, chunks, end);
            assert_eq!(out, "error");
        }
    }
}

#[test]
fn replies_end_the_exchange() {
    for of in BOTH {
        let exchange = Scripted { mode: HeadersFlow::Reply(reply(400)), ..whole(5) };
        let (out, journal, _) = run(of, exchange, &["ab"], End::WithChunk);
        assert_eq!((out.as_str(), journal), ("", vec!["reply 400 ".to_owned()]));
    }
    let exchange = Scripted { last: BodyFlow::Reply(reply(422)), ..whole(5) };
    let (out, journal, _) = run(HeaderMap::Request, exchange, &["ab", "c"], End::WithChunk);
    assert_eq!(out, "");
    assert_eq!(journal, ["saw abc!", "set x", "reply 422 "]);
}

#[test]
fn headers_without_a_body_are_not_held() {
    for of in BOTH {
        for mode in [BodyMode::Skip, BodyMode::Chunks, BodyMode::Whole { limit: 5 }] {
            let mut envoy = Fake { journal: Journal::default(), buffer: Vec::new(), writable: false };
            assert_eq!(Driver::new(Box::new(continuing(mode))).headers(of, &mut envoy, true), Flow::Continue);
        }
    }
}

/// A body that makes the exchange ask `cluster`.
fn asking(cluster: &str) -> Scripted {
    let callout =
        Callout { cluster: cluster.to_owned(), headers: Vec::new(), body: Vec::new(), timeout_ms: 1 };
    Scripted { last: BodyFlow::Call(callout), ..whole(9) }
}

#[test]
fn a_whole_body_waits_for_an_answer_in_the_buffer() {
    for of in BOTH {
        for chunks in [&["abcdef"][..], &["ab", "cd", "ef"]] {
            let exchange = asking("service");
            let journal = Rc::clone(&exchange.journal);
            let mut envoy = Fake { journal: Rc::clone(&journal), buffer: Vec::new(), writable: true };
            let mut driver = Driver::new(Box::new(exchange));
            driver.headers(of, &mut envoy, false);
            for (index, chunk) in chunks.iter().enumerate() {
                envoy.buffer.extend_from_slice(chunk.as_bytes());
                let size = envoy.buffer.len();
                let end = index + 1 == chunks.len();
                let expected = if end { Flow::Hold } else { Flow::HoldAsStream };
                assert_eq!(driver.body(of, &mut envoy, size, end), expected);
            }
            assert_eq!(envoy.buffer, b"abcdef");
            driver.answered(&mut envoy, Some(CallAnswer { status: 200, body: Vec::new() }));
            assert_eq!(envoy.buffer, b"masked 200");
            let went_on = format!("go on {of:?}");
            let expected = ["saw abcdef!", "set x", "call service", "answered 200", "set y", &went_on];
            assert_eq!(*journal.borrow(), expected);
        }
    }
}

#[test]
fn who_cannot_be_asked_has_not_answered() {
    for of in BOTH {
        let (out, journal, _) = run(of, asking("none"), &["ab", "c"], End::WithChunk);
        assert_eq!(out, "masked 0");
        assert_eq!(journal, ["saw abc!", "set x", "call none", "answered 0", "set y"]);
    }
}
