//! One stream with one filter.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::c_void;
use std::rc::Rc;

use filter_core::Direction;
use testkit::{Headers, Link, LocalReply, Message, Outcome, ReplyOrigin, Step};
use weir::hooks;

use super::take_log;

/// Envoy's default buffer limit.
const BUFFER_LIMIT: usize = 1024 * 1024;

/// One direction of the stream.
#[derive(Debug, Default)]
pub struct Half {
    pub headers: Option<Headers>,
    /// What the filter makes Envoy hold, in the pieces it came in.
    pub held: Vec<Vec<u8>>,
    /// The chunk of the running body hook.
    pub received: Option<Vec<Vec<u8>>>,
    /// The filter stopped the chain and has not let it go on yet.
    pub stopped: bool,
    pub forwarded: Message,
}

/// Filter state, which all filters of an exchange share.
pub type FilterState = Rc<RefCell<BTreeMap<String, Vec<u8>>>>;

/// Everything the callbacks read and change.
#[derive(Debug)]
pub struct State {
    pub request: Half,
    pub response: Half,
    pub limit: usize,
    pub attributes: BTreeMap<i32, Vec<u8>>,
    pub route_metadata: BTreeMap<(String, String), Vec<u8>>,
    pub filter_state: FilterState,
    pub reply: Option<LocalReply>,
    pub reset: bool,
    /// The response was ended by the filter.
    pub over: bool,
    /// How often the filter has asked to be called back.
    pub scheduled: u32,
    pub route_clears: u32,
    /// `route_clears` when the route was chosen.
    pub route_chosen_after: u32,
    /// The module's filter object; null once destroyed.
    pub driver: *const c_void,
}

impl State {
    pub fn half(&mut self, direction: Direction) -> &mut Half {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }

    /// The answer takes the place of the response; if that is under way already, the stream is reset.
    pub fn answer(&mut self, reply: LocalReply) {
        if self.reply.is_some() || self.reset {
            return;
        }
        if self.response.forwarded.headers.is_some() {
            self.reset = true;
        } else {
            let mut headers = Headers::new();
            headers.add(":status", reply.status.to_string());
            for (name, value) in reply.headers.iter() {
                headers.add(name, value);
            }
            headers.set("content-length", reply.body.len().to_string());
            let chunks = if reply.body.is_empty() { Vec::new() } else { vec![reply.body.clone()] };
            self.response.forwarded =
                Message { headers: Some(headers), chunks, ended: true, ..Message::default() };
        }
        self.reply = Some(reply);
    }

    fn ended(&self) -> bool {
        self.reply.is_some() || self.reset || self.over
    }
}

/// A stream of the fake Envoy. The address of `state` is what the module gets as Envoy's filter object.
pub struct FakeStream {
    pub state: Box<RefCell<State>>,
    /// Cut what the filter reads into pieces of this size, as Envoy's buffers are.
    piece: usize,
}

impl FakeStream {
    /// A stream of a filter with this configuration (a pointer from `config_new` or `Configuration::into_raw`).
    pub fn new(configuration: *const c_void, piece: usize, filter_state: &FilterState) -> Self {
        let state = Box::new(RefCell::new(State {
            request: Half::default(),
            response: Half::default(),
            limit: BUFFER_LIMIT,
            attributes: BTreeMap::new(),
            route_metadata: BTreeMap::new(),
            filter_state: Rc::clone(filter_state),
            reply: None,
            reset: false,
            over: false,
            scheduled: 0,
            route_clears: 0,
            route_chosen_after: 0,
            driver: std::ptr::null(),
        }));
        let stream = Self { state, piece };
        // SAFETY: the configuration is alive, as the caller promises by passing it.
        let driver =
            unsafe { hooks::envoy_dynamic_module_on_http_filter_new(configuration, stream.filter()) };
        assert!(!driver.is_null());
        stream.state.borrow_mut().driver = driver;
        stream
    }

    fn filter(&self) -> *mut c_void {
        std::ptr::from_ref::<RefCell<State>>(&self.state).cast_mut().cast()
    }

    /// False when the stream is over and nothing more is to be sent.
    fn alive(&self) -> bool {
        !self.state.borrow().ended()
    }

    fn driver(&self) -> *const c_void {
        self.state.borrow().driver
    }

    /// Headers arrive.
    pub fn headers(&self, direction: Direction, headers: Headers, end: bool) {
        if !self.alive() {
            return;
        }
        self.state.borrow_mut().half(direction).headers = Some(headers);
        // SAFETY: filter and driver are of this stream and alive.
        let status = unsafe {
            match direction {
                Direction::Request => hooks::envoy_dynamic_module_on_http_filter_request_headers(
                    self.filter(),
                    self.driver(),
                    end,
                ),
                Direction::Response => hooks::envoy_dynamic_module_on_http_filter_response_headers(
                    self.filter(),
                    self.driver(),
                    end,
                ),
            }
        };
        match status {
            0 => self.release(direction, end),
            1 => self.state.borrow_mut().half(direction).stopped = true,
            other => panic!("headers status {other}"),
        }
    }

    /// A chunk arrives.
    pub fn chunk(&self, direction: Direction, chunk: &[u8], end: bool) {
        if !self.alive() {
            return;
        }
        self.state.borrow_mut().half(direction).received =
            Some(chunk.chunks(self.piece).map(<[u8]>::to_vec).collect());
        // SAFETY: as above.
        let status = unsafe {
            match direction {
                Direction::Request => {
                    hooks::envoy_dynamic_module_on_http_filter_request_body(self.filter(), self.driver(), end)
                }
                Direction::Response => hooks::envoy_dynamic_module_on_http_filter_response_body(
                    self.filter(),
                    self.driver(),
                    end,
                ),
            }
        };
        let received = self.state.borrow_mut().half(direction).received.take().unwrap_or_default();
        match status {
            0 | 1 => {
                self.state.borrow_mut().half(direction).held.extend(received);
                // Envoy moves the chunk into its buffer also when it goes on after having stopped.
                if (status == 1 || self.state.borrow_mut().half(direction).stopped)
                    && !self.within_limit(direction)
                {
                    return;
                }
                if status == 0 {
                    self.release(direction, end);
                }
            }
            3 => {}
            other => panic!("body status {other}"),
        }
        self.call_back();
    }

    /// What the filter has asked for comes when its hook is done.
    fn call_back(&self) {
        while self.alive() && std::mem::take(&mut self.state.borrow_mut().scheduled) > 0 {
            // SAFETY: as above.
            unsafe {
                hooks::envoy_dynamic_module_on_http_filter_scheduled(self.filter(), self.driver(), 0);
            }
        }
    }

    /// Trailers arrive.
    pub fn trailers(&self, direction: Direction, trailers: Headers) {
        if !self.alive() {
            return;
        }
        // SAFETY: as above.
        let status = unsafe {
            match direction {
                Direction::Request => {
                    hooks::envoy_dynamic_module_on_http_filter_request_trailers(self.filter(), self.driver())
                }
                Direction::Response => {
                    hooks::envoy_dynamic_module_on_http_filter_response_trailers(self.filter(), self.driver())
                }
            }
        };
        if status == 0 {
            self.release(direction, false);
            let mut state = self.state.borrow_mut();
            if !state.ended() {
                let half = state.half(direction);
                half.forwarded.trailers = Some(trailers);
                half.forwarded.ended = true;
            }
        }
    }

    /// Passes on headers, if not yet done, and everything held.
    fn release(&self, direction: Direction, end: bool) {
        let mut state = self.state.borrow_mut();
        if state.ended() {
            return;
        }
        let half = state.half(direction);
        half.stopped = false;
        if half.forwarded.headers.is_none() {
            half.forwarded.headers.clone_from(&half.headers);
        }
        let held = std::mem::take(&mut half.held).concat();
        if !held.is_empty() {
            half.forwarded.chunks.push(held);
        }
        half.forwarded.ended |= end;
    }

    fn within_limit(&self, direction: Direction) -> bool {
        let mut state = self.state.borrow_mut();
        let held: usize = state.half(direction).held.iter().map(Vec::len).sum();
        if held <= state.limit {
            return true;
        }
        state.answer(LocalReply {
            status: if direction == Direction::Request { 413 } else { 500 },
            headers: Headers::new(),
            body: Vec::new(),
            details: "payload_too_large".to_owned(),
            origin: ReplyOrigin::Host,
        });
        false
    }
}

fn ours(direction: testkit::Direction) -> Direction {
    match direction {
        testkit::Direction::Request => Direction::Request,
        testkit::Direction::Response => Direction::Response,
    }
}

impl Link for FakeStream {
    type Error = Infallible;

    fn send(&self, direction: testkit::Direction, step: Step) -> Result<(), Infallible> {
        let direction = ours(direction);
        match step {
            Step::Headers(headers, end) => self.headers(direction, headers, end),
            Step::Chunk(chunk, end) => self.chunk(direction, &chunk, end),
            Step::Trailers(trailers) => self.trailers(direction, trailers),
        }
        Ok(())
    }

    fn with_forwarded<T>(&self, direction: testkit::Direction, look: impl FnOnce(&Message) -> T) -> T {
        look(&self.state.borrow_mut().half(ours(direction)).forwarded)
    }

    fn outcome(&self) -> Outcome {
        let state = self.state.borrow();
        let message = |half: &Half| Message { held: half.held.concat(), ..half.forwarded.clone() };
        Outcome {
            request: message(&state.request),
            response: message(&state.response),
            local_reply: state.reply.clone(),
            reset: state.reset,
            logs: take_log(),
            filter_state: state.filter_state.borrow().clone(),
            route_cache_clears: state.route_clears,
            ..Outcome::default()
        }
    }
}

impl Drop for FakeStream {
    fn drop(&mut self) {
        let driver = std::mem::replace(&mut self.state.borrow_mut().driver, std::ptr::null());
        if !driver.is_null() {
            // SAFETY: `filter_new` made it and nothing has destroyed it.
            unsafe { hooks::envoy_dynamic_module_on_http_filter_destroy(driver) };
        }
    }
}
