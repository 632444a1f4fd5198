//! Maps Envoy's callbacks to the phases of an exchange, and what the exchange answers to what Envoy is told.
//!
//! Held bodies do not stay in Envoy's buffer, which has a limit of its own: Envoy stops reading when it is
//! full. So every chunk but the last is taken out of Envoy's buffer and kept here.

use filter_core::{
    BodyFlow, BodyMode, CallAnswer, Callout, Direction, Exchange, HeaderMap, HeadersFlow, Host, LocalReply,
    OVER_STATE, Overflow,
};

use crate::abi::Flow;

/// What Envoy does for a driver during a callback.
pub(crate) trait Envoy {
    /// What it offers to the exchange.
    type Host: Host;
    /// The host during a callback in which `lent` headers may be touched.
    fn host(&self, lent: Option<HeaderMap>) -> Self::Host;
    /// The first `size` bytes of the body in Envoy's buffer.
    fn read(&self, body: HeaderMap, size: usize) -> Vec<u8>;
    /// Puts `bytes` in place of the first `size` bytes of Envoy's buffer.
    fn replace(&mut self, body: HeaderMap, size: usize, bytes: &[u8]);
    /// Answers the client.
    fn reply(&mut self, reply: &LocalReply);
    /// Asks a service; false when it cannot be asked.
    fn call(&mut self, callout: &Callout) -> bool;
    /// Lets go on what a callback has held.
    fn go_on(&mut self, of: HeaderMap);
    /// Has the stream reset when what is on its way to the client has left, unless its response has ended by then.
    fn end_soon(&mut self);
    /// Notes in the log that the last `bytes` of a body could not be sent.
    fn log_lost(&self, bytes: usize);
}

/// What becomes of a body.
#[derive(Debug)]
enum Body {
    /// Passes unseen.
    Skip,
    /// Shown chunk by chunk.
    Chunks,
    /// Held here until it is complete, at most `limit` bytes. `None` before the first chunk: Envoy has no
    /// buffer yet that could be written to. With `announced` bytes it is complete even before Envoy says so,
    /// which for HTTP/1 it does with an empty chunk of its own: most bodies are then read where they are and
    /// never put back.
    Whole { limit: usize, announced: Option<usize>, held: Option<Vec<u8>> },
    /// To be answered with this once Envoy has seen the end of the request: before that, it would close the connection
    /// behind the answer.
    Answer(LocalReply),
    /// Already answered in full: the rest is dropped.
    Drop,
    /// Ended early: the rest is shown, and dropped.
    Over,
    /// Complete, and in Envoy's buffer, while a service is asked: so many bytes.
    Asking(usize),
}

/// Whether a service is being asked.
enum Asked {
    /// Its answer is to come.
    Waiting,
    /// Nobody is asked (any more).
    Done(BodyFlow),
}

/// One exchange and how far it is.
#[derive(Debug)]
pub(crate) struct Driver {
    exchange: Exchange,
    request: Body,
    response: Body,
}

impl Driver {
    /// A driver at the start of an exchange.
    pub(crate) fn new(exchange: Exchange) -> Self {
        Self { exchange, request: Body::Skip, response: Body::Skip }
    }

    /// Headers have arrived; `end` when neither body nor trailers follow.
    pub(crate) fn headers(&mut self, of: HeaderMap, envoy: &mut impl Envoy, end: bool) -> Flow {
        let mut host = envoy.host(Some(of));
        let (body, flow) = match self.exchange.headers(&mut host, direction(of), end) {
            HeadersFlow::Reply(reply) => return self.reply(envoy, &reply),
            // Nothing follows that could be shown or held.
            HeadersFlow::Continue(_) if end => return Flow::Continue,
            HeadersFlow::Continue(BodyMode::Skip) => return Flow::Continue,
            HeadersFlow::Continue(BodyMode::Chunks) => (Body::Chunks, Flow::Continue),
            HeadersFlow::Continue(BodyMode::Whole { limit }) => {
                let announced = host.header(of, "content-length").and_then(|length| length.parse().ok());
                (Body::Whole { limit, announced, held: None }, Flow::Hold)
            }
        };
        *self.of(of) = body;
        flow
    }

    /// Body has arrived: `size` bytes are in Envoy's buffer, including those it was told to hold before.
    pub(crate) fn body(&mut self, of: HeaderMap, envoy: &mut impl Envoy, size: usize, end: bool) -> Flow {
        match self.of(of) {
            Body::Skip => Flow::Continue,
            Body::Drop => {
                envoy.replace(of, size, &[]);
                Flow::Continue
            }
            // The end of a body that was complete without it.
            Body::Asking(_) => Flow::Hold,
            Body::Answer(reply) => {
                if !end {
                    return Flow::HoldAsStream;
                }
                let reply = reply.clone();
                self.reply(envoy, &reply)
            }
            Body::Chunks => {
                if size == 0 && !end {
                    return Flow::Continue;
                }
                if end {
                    *self.of(of) = Body::Skip;
                }
                let chunk = envoy.read(of, size);
                let flow = self.exchange.body(&mut envoy.host(None), direction(of), &chunk, end);
                if !end && matches!(flow, BodyFlow::End { .. }) {
                    *self.of(of) = Body::Over;
                    end_soon(envoy);
                }
                self.perform(of, envoy, flow, size)
            }
            Body::Over => {
                if end {
                    *self.of(of) = Body::Skip;
                }
                let chunk = envoy.read(of, size);
                let _ = self.exchange.body(&mut envoy.host(None), direction(of), &chunk, end);
                envoy.replace(of, size, &[]);
                Flow::Continue
            }
            Body::Whole { limit, announced, held } => {
                let so_far = held.as_ref().map_or(0, Vec::len).saturating_add(size);
                if so_far > *limit {
                    return self.overflow(of, envoy, size);
                }
                if end || (size > 0 && *announced == Some(so_far)) {
                    return self.finish(of, envoy, size, end);
                }
                let mut chunk = envoy.read(of, size);
                envoy.replace(of, size, &[]);
                match held {
                    Some(bytes) => bytes.append(&mut chunk),
                    None => *held = Some(chunk),
                }
                Flow::HoldAsStream
            }
        }
    }

    /// Trailers have arrived: the body is over. Envoy's buffer cannot be touched any more.
    pub(crate) fn trailers(&mut self, of: HeaderMap, envoy: &mut impl Envoy) -> Flow {
        let held = match std::mem::replace(self.of(of), Body::Skip) {
            Body::Skip | Body::Drop | Body::Over => return Flow::Continue,
            asking @ Body::Asking(_) => {
                *self.of(of) = asking;
                return Flow::Hold;
            }
            Body::Answer(reply) => return self.reply(envoy, &reply),
            Body::Whole { held, .. } => Some(held.unwrap_or_default()),
            Body::Chunks => None,
        };
        if of == HeaderMap::Request && held.as_ref().is_some_and(|held| !held.is_empty()) {
            return self.reply(envoy, &trailers_refused());
        }
        let mut host = envoy.host(held.is_some().then_some(of));
        let mut flow =
            self.exchange.body(&mut host, direction(of), held.as_deref().unwrap_or_default(), true);
        while let BodyFlow::Call(_) = flow {
            // What is held cannot be put back any more: whoever is asked now has not answered.
            flow = self.exchange.answered(&mut host, direction(of), None);
        }
        let bytes = match (flow, held) {
            (BodyFlow::Reply(reply), _) => return self.reply(envoy, &reply),
            (BodyFlow::Keep | BodyFlow::Call(_), Some(held)) => held,
            (BodyFlow::Keep | BodyFlow::Call(_), None) => return Flow::Continue,
            (BodyFlow::Replace(bytes) | BodyFlow::End { last: bytes, .. }, Some(_)) => bytes,
            (BodyFlow::Replace(bytes) | BodyFlow::End { last: bytes, .. }, None) => {
                if !bytes.is_empty() {
                    envoy.log_lost(bytes.len());
                }
                return Flow::Continue;
            }
        };
        if bytes.is_empty() {
            return Flow::Continue;
        }
        let reply = match of {
            HeaderMap::Request => trailers_refused(),
            HeaderMap::Response => restated(&host, bytes),
        };
        self.reply(envoy, &reply)
    }

    /// The request is over.
    pub(crate) fn complete(&mut self, envoy: &impl Envoy) {
        self.exchange.complete(&mut envoy.host(None));
    }

    /// The response was ended, and its upstream still goes on.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.response, Body::Over)
    }

    fn of(&mut self, map: HeaderMap) -> &mut Body {
        match map {
            HeaderMap::Request => &mut self.request,
            HeaderMap::Response => &mut self.response,
        }
    }

    /// Takes what is held here.
    fn take_held(&mut self, of: HeaderMap) -> Vec<u8> {
        match std::mem::replace(self.of(of), Body::Skip) {
            Body::Whole { held, .. } => held.unwrap_or_default(),
            Body::Skip | Body::Chunks | Body::Answer(_) | Body::Drop | Body::Over | Body::Asking(_) => {
                Vec::new()
            }
        }
    }

    /// A held body is complete: what is held here and, behind it, `size` bytes in Envoy's buffer.
    fn finish(&mut self, of: HeaderMap, envoy: &mut impl Envoy, size: usize, end: bool) -> Flow {
        let mut whole = self.take_held(of);
        let kept = !whole.is_empty();
        if kept {
            whole.append(&mut envoy.read(of, size));
        } else {
            whole = envoy.read(of, size);
        }
        let flow = self.exchange.body(&mut envoy.host(Some(of)), direction(of), &whole, true);
        let flow = match self.ask(of, envoy, flow) {
            Asked::Waiting => {
                if kept {
                    envoy.replace(of, size, &whole);
                }
                *self.of(of) = Body::Asking(whole.len());
                return Flow::Hold;
            }
            Asked::Done(flow) => flow,
        };
        match flow {
            BodyFlow::Keep if kept => {
                envoy.replace(of, size, &whole);
                Flow::Continue
            }
            BodyFlow::Reply(reply) if of == HeaderMap::Request && !end => {
                self.request = Body::Answer(reply);
                Flow::HoldAsStream
            }
            flow => self.perform(of, envoy, flow, size),
        }
    }

    /// Asks whom `flow` says, and takes one who cannot be asked for one who does not answer.
    fn ask(&mut self, of: HeaderMap, envoy: &mut impl Envoy, mut flow: BodyFlow) -> Asked {
        while let BodyFlow::Call(callout) = flow {
            if envoy.call(&callout) {
                return Asked::Waiting;
            }
            flow = self.exchange.answered(&mut envoy.host(Some(of)), direction(of), None);
        }
        Asked::Done(flow)
    }

    /// The service asked last has answered, or has not.
    pub(crate) fn answered(&mut self, envoy: &mut impl Envoy, answer: Option<CallAnswer>) {
        let (of, size) = match (&self.request, &self.response) {
            (Body::Asking(size), _) => (HeaderMap::Request, *size),
            (_, Body::Asking(size)) => (HeaderMap::Response, *size),
            // It was answered otherwise in the meantime.
            _ => return,
        };
        let flow = self.exchange.answered(&mut envoy.host(Some(of)), direction(of), answer);
        let flow = match self.ask(of, envoy, flow) {
            Asked::Waiting => return,
            Asked::Done(flow) => flow,
        };
        *self.of(of) = Body::Skip;
        if self.perform(of, envoy, flow, size) == Flow::Continue {
            envoy.go_on(of);
        }
    }

    /// A held body grew past its limit: what is held here and, behind it, `size` bytes in Envoy's buffer.
    fn overflow(&mut self, of: HeaderMap, envoy: &mut impl Envoy, size: usize) -> Flow {
        let held = self.take_held(of);
        let mut host = envoy.host(Some(of));
        if of == HeaderMap::Request {
            let reply = self.exchange.request_overflow(&mut host);
            return self.reply(envoy, &reply);
        }
        match self.exchange.response_overflow(&mut host) {
            // In place of no bytes at the start: in front of the rest.
            Overflow::Release => envoy.replace(of, 0, &held),
            Overflow::Replace(bytes) => {
                self.response = Body::Drop;
                envoy.replace(of, size, &bytes);
            }
        }
        Flow::Continue
    }

    /// Performs the answer of a body phase whose bytes are the first `size` of Envoy's buffer.
    fn perform(&mut self, of: HeaderMap, envoy: &mut impl Envoy, flow: BodyFlow, size: usize) -> Flow {
        match flow {
            // Only whole bodies wait for an answer.
            BodyFlow::Keep | BodyFlow::Call(_) => Flow::Continue,
            BodyFlow::Replace(bytes) | BodyFlow::End { last: bytes, .. } => {
                envoy.replace(of, size, &bytes);
                Flow::Continue
            }
            BodyFlow::Reply(reply) => self.reply(envoy, &reply),
        }
    }

    /// Answers the client; what else arrives in either direction is no concern of the exchange any more.
    fn reply(&mut self, envoy: &mut impl Envoy, reply: &LocalReply) -> Flow {
        self.request = Body::Skip;
        self.response = Body::Skip;
        envoy.reply(reply);
        Flow::Hold
    }
}

/// Which way a body goes whose headers these are.
fn direction(of: HeaderMap) -> Direction {
    match of {
        HeaderMap::Request => Direction::Request,
        HeaderMap::Response => Direction::Response,
    }
}

/// Has a response end that the exchange has ended. Of several filters that end one, the first sees to it.
fn end_soon(envoy: &mut impl Envoy) {
    let mut host = envoy.host(None);
    if host.state(OVER_STATE).is_none() {
        host.publish(OVER_STATE, b"1");
        envoy.end_soon();
    }
}

/// The answer to a request that was held and ends with trailers: its body could not be put back. No client of
/// a provider is known to send trailers.
fn trailers_refused() -> LocalReply {
    LocalReply {
        status: 400,
        headers: Vec::new(),
        body: b"requests with trailers are not supported".to_vec(),
        details: "weir_request_trailers",
    }
}

/// A response whose headers are held, as a local reply: the one way left to send a body once its trailers have
/// come. The trailers are dropped, and the headers but for those that clients act on.
fn restated(host: &impl Host, body: Vec<u8>) -> LocalReply {
    const KEPT: [&str; 4] = ["content-type", "retry-after", "x-request-id", "request-id"];
    let header = |name| host.header(HeaderMap::Response, name);
    LocalReply {
        status: header(":status").and_then(|status| status.parse().ok()).unwrap_or(502),
        headers: KEPT.into_iter().filter_map(|name| Some((name.into(), header(name)?))).collect(),
        body,
        details: "weir_response_trailers",
    }
}

#[cfg(test)]
mod tests;
