//! Maps Envoy's callbacks to the phases of an exchange, and what the exchange answers to what Envoy is told.
//!
//! A driver reads the stream and lets the exchange edit headers. It does not hold, change or answer anything
//! itself: that is in the [`Step`] it returns.

use std::borrow::Cow;

use filter_core::{
    BodyFlow, BodyMode, CallAnswer, Callout, Direction, Exchange, HeadersFlow, Host, LocalReply, OVER_STATE,
    Overflow,
};

use crate::metrics::Metrics;
use crate::native_host::NativeHost;
use crate::stream::Stream;

/// What Envoy is told, and what is to be done before telling it.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// Whether the filter chain goes on.
    pub flow: Flow,
    /// What is to be done.
    pub effect: Effect,
}

/// Whether the filter chain goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// On with it, and with everything held.
    Continue,
    /// Hold headers and body.
    Hold,
    /// The stream has been answered or reset.
    Stop,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// Allow this many bytes to be held.
    AllowToHold(usize),
    /// Put these bytes in place of the chunk that has just come.
    ReplaceChunk(Vec<u8>),
    /// The same, and call back to end the response behind them ([`Driver::is_ending`]).
    ReplaceChunkAndEnd(Vec<u8>),
    /// Call back to end the response behind the chunk that has just come ([`Driver::is_ending`]).
    End,
    /// Put these bytes in place of the body so far. In a headers phase they become the body.
    ReplaceBody(Vec<u8>),
    /// Add these bytes to the body, between the last chunk and the trailers.
    AppendToBody(Vec<u8>),
    /// Answer the client.
    Reply(LocalReply),
    /// Ask a service, and say what it answered with [`Driver::answered`].
    Call(Callout),
}

/// What becomes of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Passes unseen.
    Skip,
    /// Shown chunk by chunk.
    Chunks,
    /// Held until it is complete.
    Whole { limit: usize },
    /// Already answered in full: the rest is dropped.
    Drop,
    /// Ended early: the rest is shown, and dropped.
    Over,
}

impl From<BodyMode> for Mode {
    fn from(mode: BodyMode) -> Self {
        match mode {
            BodyMode::Skip => Self::Skip,
            BodyMode::Chunks => Self::Chunks,
            BodyMode::Whole { limit } => Self::Whole { limit },
        }
    }
}

/// One exchange and how far it is.
pub struct Driver {
    exchange: Exchange,
    request: Mode,
    response: Mode,
    /// A service is being asked about this body.
    asking: Option<Direction>,
    /// It ends responses that filters of the cluster have ended.
    ends_for_cluster: bool,
    /// The response is to be ended.
    ending: bool,
    metrics: Metrics,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Driver")
            .field("request", &self.request)
            .field("response", &self.response)
            .finish_non_exhaustive()
    }
}

impl Driver {
    /// A driver at the start of an exchange.
    pub fn new(exchange: Exchange, metrics: Metrics) -> Self {
        Self {
            exchange,
            request: Mode::Skip,
            response: Mode::Skip,
            asking: None,
            ends_for_cluster: false,
            ending: false,
            metrics,
        }
    }

    /// The same, ending responses that filters of the cluster have ended ([`BodyFlow::End`]). For one filter of the
    /// downstream chain.
    #[must_use]
    pub fn ending_for_cluster(self) -> Self {
        Self { ends_for_cluster: true, ..self }
    }

    /// The response is to be ended now, unless it has ended in the meantime.
    pub fn is_ending(&self) -> bool {
        self.ending
    }

    /// The request is over.
    pub fn complete(&mut self, stream: &Stream) {
        self.exchange.complete(&mut NativeHost::new(stream, self.metrics));
    }

    /// Lets everything pass from now on, unseen: the exchange has failed and the stream is being ended.
    pub fn disengage(&mut self) {
        self.request = Mode::Skip;
        self.response = Mode::Skip;
        self.asking = None;
        self.ending = false;
    }

    /// About which body a service is being asked.
    pub fn asking(&self) -> Option<Direction> {
        self.asking
    }

    /// The service asked last has answered, or, with `None`, has not.
    pub fn answered(&mut self, stream: &Stream, answer: Option<CallAnswer>) -> Step {
        let Some(direction) = self.asking.take() else { return go_on(Effect::None) };
        let flow = self.exchange.answered(&mut NativeHost::new(stream, self.metrics), direction, answer);
        self.finish(direction, flow, Effect::ReplaceBody)
    }

    /// Headers have arrived; `end` when neither body nor trailers follow.
    pub fn headers(&mut self, direction: Direction, stream: &Stream, end: bool) -> Step {
        let mut host = NativeHost::new(stream, self.metrics);
        let mode = match self.exchange.headers(&mut host, direction, end) {
            HeadersFlow::Reply(reply) => return self.answer(reply),
            HeadersFlow::Continue(BodyMode::Skip) => return go_on(Effect::None),
            HeadersFlow::Continue(mode) => mode,
        };
        if end {
            let flow = self.exchange.body(&mut host, direction, &[], true);
            return self.finish(direction, flow, Effect::ReplaceBody);
        }
        *self.mode(direction) = mode.into();
        match mode {
            BodyMode::Whole { limit } => Step { flow: Flow::Hold, effect: Effect::AllowToHold(limit) },
            BodyMode::Skip | BodyMode::Chunks => go_on(Effect::None),
        }
    }

    /// A chunk has arrived, the last one when `end`.
    pub fn body(&mut self, direction: Direction, stream: &Stream, end: bool) -> Step {
        if direction == Direction::Response && end {
            self.ending = false;
        }
        let mode = *self.mode(direction);
        let limit = match mode {
            Mode::Skip if self.has_ended(direction, stream, end) => return go_on(Effect::End),
            Mode::Skip => return go_on(Effect::None),
            Mode::Drop => return go_on(Effect::ReplaceChunk(Vec::new())),
            Mode::Over => {
                let chunk = stream.chunk(direction);
                self.pass(direction, stream, &chunk, end);
                return go_on(Effect::ReplaceChunk(Vec::new()));
            }
            Mode::Chunks => {
                let chunk = stream.chunk(direction);
                if chunk.is_empty() && !end {
                    return go_on(Effect::None);
                }
                let flow = self.pass(direction, stream, &chunk, end);
                return match flow {
                    BodyFlow::End { last, on_cluster } if !end => {
                        self.end(direction, stream, last, on_cluster)
                    }
                    flow => self.finish(direction, flow, Effect::ReplaceChunk),
                };
            }
            Mode::Whole { limit } => limit,
        };
        if stream.length_so_far(direction) > limit {
            return self.overflow(direction, stream);
        }
        if !end {
            return Step { flow: Flow::Hold, effect: Effect::None };
        }
        let flow = self.pass(direction, stream, &stream.body_so_far(direction), true);
        self.finish(direction, flow, Effect::ReplaceBody)
    }

    /// Trailers have arrived: the body is over.
    pub fn trailers(&mut self, direction: Direction, stream: &Stream) -> Step {
        if direction == Direction::Response {
            self.ending = false;
        }
        let (body, replace): (_, fn(Vec<u8>) -> Effect) = match *self.mode(direction) {
            Mode::Skip | Mode::Drop | Mode::Over => return go_on(Effect::None),
            Mode::Chunks => (Cow::Borrowed(&[][..]), Effect::AppendToBody),
            Mode::Whole { .. } => (stream.body_so_far(direction), Effect::ReplaceBody),
        };
        let flow = self.pass(direction, stream, &body, true);
        self.finish(direction, flow, replace)
    }

    fn mode(&mut self, direction: Direction) -> &mut Mode {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }

    fn pass(&mut self, direction: Direction, stream: &Stream, body: &[u8], end: bool) -> BodyFlow {
        if end {
            *self.mode(direction) = Mode::Skip;
        }
        self.exchange.body(&mut NativeHost::new(stream, self.metrics), direction, body, end)
    }

    /// Whether a filter of the cluster has ended the response of which a chunk has come, and nobody has seen to it.
    fn has_ended(&mut self, direction: Direction, stream: &Stream, end: bool) -> bool {
        if !self.ends_for_cluster || direction == Direction::Request || end || self.ending {
            return false;
        }
        self.ending = stream.has_state(OVER_STATE);
        self.ending
    }

    /// Ends a response behind `last`. Of several filters that end one, the first sees to it.
    fn end(&mut self, direction: Direction, stream: &Stream, last: Vec<u8>, on_cluster: bool) -> Step {
        *self.mode(direction) = Mode::Over;
        if stream.has_state(OVER_STATE) {
            return go_on(Effect::ReplaceChunk(last));
        }
        NativeHost::new(stream, self.metrics).publish(OVER_STATE, b"1");
        if on_cluster {
            return go_on(Effect::ReplaceChunk(last));
        }
        self.ending = true;
        go_on(Effect::ReplaceChunkAndEnd(last))
    }

    fn overflow(&mut self, direction: Direction, stream: &Stream) -> Step {
        let mut host = NativeHost::new(stream, self.metrics);
        match direction {
            Direction::Request => {
                let reply = self.exchange.request_overflow(&mut host);
                self.answer(reply)
            }
            Direction::Response => match self.exchange.response_overflow(&mut host) {
                Overflow::Release => {
                    self.response = Mode::Skip;
                    // Envoy puts the chunk to what it holds before it lets both go.
                    go_on(Effect::AllowToHold(stream.length_so_far(direction)))
                }
                Overflow::Replace(body) => {
                    self.response = Mode::Drop;
                    go_on(Effect::ReplaceBody(body))
                }
            },
        }
    }

    fn finish(
        &mut self,
        direction: Direction,
        flow: BodyFlow,
        replace: impl FnOnce(Vec<u8>) -> Effect,
    ) -> Step {
        match flow {
            BodyFlow::Keep => go_on(Effect::None),
            BodyFlow::Replace(bytes) | BodyFlow::End { last: bytes, .. } => go_on(replace(bytes)),
            BodyFlow::Reply(reply) => self.answer(reply),
            BodyFlow::Call(callout) => {
                self.asking = Some(direction);
                Step { flow: Flow::Hold, effect: Effect::Call(callout) }
            }
        }
    }

    fn answer(&mut self, reply: LocalReply) -> Step {
        self.disengage();
        Step { flow: Flow::Stop, effect: Effect::Reply(reply) }
    }
}

fn go_on(effect: Effect) -> Step {
    Step { flow: Flow::Continue, effect }
}
