//! One HTTP exchange through one filter.

use std::rc::Rc;

use super::abi::Action;
use super::flow::{Flow, Role, StreamState};
use super::host::Metrics;
use super::vm::{Machine, Vm};
use crate::chain::{Direction, Link, Step};
use crate::error::Error;
use crate::message::{Headers, Message};
use crate::outcome::{LocalReply, LogLine, Outcome, ReplyOrigin};

const FINISHED: Error = Error::OutOfOrder { what: "the stream was finished" };

/// A stream through one filter. Feed it in HTTP order; what comes out is in [`Stream::outcome`] at any time.
pub struct Stream {
    vm: Vm,
    id: u32,
    logs_before: usize,
    metrics_before: Metrics,
}

impl Stream {
    pub(super) fn new(vm: Vm, id: u32, logs: &[LogLine], metrics: Metrics) -> Self {
        Self { vm, id, logs_before: logs.len(), metrics_before: metrics }
    }

    /// The VM it runs in.
    pub(super) fn vm(&self) -> Vm {
        self.vm.clone()
    }

    /// Sends the request headers, pseudo headers included. `end` says there is no body.
    ///
    /// # Errors
    /// [`Error::Trapped`], [`Error::VmDead`], [`Error::OutOfOrder`]; the same for all callbacks below.
    pub fn request_headers(&self, headers: &[(&str, &str)], end: bool) -> Result<Action, Error> {
        self.headers(Direction::Request, headers.into(), end)
    }

    /// Sends a part of the request body.
    pub fn request_body(&self, chunk: &[u8], end: bool) -> Result<Action, Error> {
        self.vm.0.borrow_mut().body(self.id, Direction::Request, chunk, end)
    }

    /// Sends the request trailers, which end the request.
    pub fn request_trailers(&self, trailers: &[(&str, &str)]) -> Result<Action, Error> {
        self.vm.0.borrow_mut().trailers(self.id, Direction::Request, trailers.into())
    }

    /// Sends the response headers with `:status`. `end` says there is no body.
    pub fn response_headers(&self, headers: &[(&str, &str)], end: bool) -> Result<Action, Error> {
        self.headers(Direction::Response, headers.into(), end)
    }

    /// Sends a part of the response body.
    pub fn response_body(&self, chunk: &[u8], end: bool) -> Result<Action, Error> {
        self.vm.0.borrow_mut().body(self.id, Direction::Response, chunk, end)
    }

    /// Sends the response trailers, which end the response.
    pub fn response_trailers(&self, trailers: &[(&str, &str)]) -> Result<Action, Error> {
        self.vm.0.borrow_mut().trailers(self.id, Direction::Response, trailers.into())
    }

    fn headers(&self, direction: Direction, headers: Headers, end: bool) -> Result<Action, Error> {
        self.vm.0.borrow_mut().headers(self.id, direction, headers, end)
    }

    /// What happened so far.
    pub fn outcome(&self) -> Outcome {
        let mut machine = self.vm.0.borrow_mut();
        let host = machine.host();
        let mut outcome = Outcome {
            logs: host.logs.get(self.logs_before..).unwrap_or_default().to_vec(),
            metrics: host.metrics.since(&self.metrics_before),
            ..Outcome::default()
        };
        if let Some(stream) = host.streams.get(&self.id) {
            outcome.request = stream.request.message();
            outcome.response = stream.response.message();
            outcome.local_reply = stream.local_reply.clone();
            outcome.reset = stream.reset;
            outcome.filter_state = stream.exchange.all_filter_state();
            outcome.route_cache_clears = stream.route_cache_clears;
            outcome.notes = stream.notes.clone();
        }
        outcome
    }

    /// Ends the stream: `proxy_on_log` (downstream only), `proxy_on_done`, `proxy_on_delete`, in Envoy's order. The client
    /// may have gone away before the messages were complete; then this is the first the filter hears of it.
    ///
    /// # Errors
    /// [`Error::Trapped`], [`Error::VmDead`].
    pub fn finish(self) -> Result<Outcome, Error> {
        self.vm.0.borrow_mut().end(self.id)?;
        let outcome = self.outcome();
        self.vm.0.borrow_mut().host().streams.remove(&self.id);
        Ok(outcome)
    }
}

impl Link for Stream {
    type Error = Error;

    fn send(&self, direction: Direction, step: Step) -> Result<(), Error> {
        let mut machine = self.vm.0.borrow_mut();
        match step {
            Step::Headers(headers, end) => machine.headers(self.id, direction, headers, end),
            Step::Chunk(chunk, end) => machine.body(self.id, direction, &chunk, end),
            Step::Trailers(trailers) => machine.trailers(self.id, direction, trailers),
        }
        .map(drop)
    }

    fn with_forwarded<T>(&self, direction: Direction, look: impl FnOnce(&Message) -> T) -> T {
        match self.vm.0.borrow_mut().flow(self.id, direction) {
            Ok(flow) => look(&flow.out),
            Err(_) => look(&Message::default()),
        }
    }

    fn outcome(&self) -> Outcome {
        self.outcome()
    }
}

impl Machine {
    fn state(&mut self, id: u32) -> Result<&mut StreamState, Error> {
        self.host().streams.get_mut(&id).ok_or(FINISHED)
    }

    fn flow(&mut self, id: u32, direction: Direction) -> Result<&mut Flow, Error> {
        self.state(id).map(|stream| stream.flow(direction))
    }

    fn headers(
        &mut self,
        id: u32,
        direction: Direction,
        headers: Headers,
        end: bool,
    ) -> Result<Action, Error> {
        let stream = self.state(id)?;
        if direction == Direction::Response && stream.request.headers.is_none() {
            return Err(Error::OutOfOrder { what: "response headers before request headers" });
        }
        if stream.flow(direction).closed {
            return Ok(Action::NotDelivered);
        }
        if direction == Direction::Response && stream.received_status.is_none() {
            stream.received_status = headers.get(":status").and_then(|status| status.parse().ok());
        }
        let flow = stream.flow(direction);
        if flow.headers.is_some() {
            return Err(Error::OutOfOrder { what: "headers sent twice" });
        }
        let count = headers.len() as u32;
        flow.headers = Some(headers);
        flow.headers_visible = true;
        flow.input_ended = end;
        let callbacks = Rc::clone(&self.callbacks);
        let (name, function) = match direction {
            Direction::Request => {
                self.create_context(id)?;
                ("proxy_on_request_headers", &callbacks.request_headers)
            }
            Direction::Response => ("proxy_on_response_headers", &callbacks.response_headers),
        };
        let answer = self.call(name, function.as_ref(), id, (id, count, u32::from(end)), 0)?;
        let action = Action::of_headers(answer);
        if action == Action::Continue && !self.stopped(id)? {
            let flow = self.flow(id, direction)?;
            flow.headers_visible = false;
            flow.release();
        }
        self.settle()?;
        Ok(action)
    }

    fn body(&mut self, id: u32, direction: Direction, chunk: &[u8], end: bool) -> Result<Action, Error> {
        let limit = self.buffer_limit;
        let flow = self.flow(id, direction)?;
        if flow.closed {
            return Ok(Action::NotDelivered);
        }
        if flow.headers.is_none() {
            return Err(Error::OutOfOrder { what: "body before headers" });
        }
        if flow.input_ended {
            return Err(Error::OutOfOrder { what: "body after the end of the stream" });
        }
        flow.buffer.extend_from_slice(chunk);
        // Envoy adds new bytes to those it already buffers before it asks the filter, so the limit comes first then.
        if flow.buffering && flow.buffer.len() > limit {
            self.overflow(id, direction)?;
            return Ok(Action::NotDelivered);
        }
        let flow = self.flow(id, direction)?;
        flow.input_ended = end;
        flow.body_visible = true;
        let size = flow.buffer.len() as u32;
        let callbacks = Rc::clone(&self.callbacks);
        let (name, function) = match direction {
            Direction::Request => ("proxy_on_request_body", &callbacks.request_body),
            Direction::Response => ("proxy_on_response_body", &callbacks.response_body),
        };
        let answer = self.call(name, function.as_ref(), id, (id, size, u32::from(end)), 0)?;
        let action = Action::of_body(answer);
        let stopped = self.stopped(id)?;
        let flow = self.flow(id, direction)?;
        match action {
            // The answer of a callback that replied or closed the stream does not count.
            _ if stopped => {}
            Action::Continue => flow.release(),
            pause => flow.hold(pause),
        }
        let stalls = flow.parked.len() > limit;
        let overflows = flow.buffering && flow.buffer.len() > limit && !stopped;
        self.settle()?;
        if overflows && self.flow(id, direction)?.buffering {
            self.overflow(id, direction)?;
        }
        if stalls {
            let note = format!(
                "a {direction:?} body held as a stream is over the buffer limit: Envoy stops reading it"
            );
            self.state(id)?.note(note);
        }
        Ok(action)
    }

    fn trailers(&mut self, id: u32, direction: Direction, trailers: Headers) -> Result<Action, Error> {
        let flow = self.flow(id, direction)?;
        if flow.closed {
            return Ok(Action::NotDelivered);
        }
        if flow.headers.is_none() || flow.input_ended {
            return Err(Error::OutOfOrder { what: "trailers before headers or after the end of the stream" });
        }
        let count = trailers.len() as u32;
        flow.trailers = Some(trailers);
        flow.trailers_visible = true;
        flow.input_ended = true;
        let callbacks = Rc::clone(&self.callbacks);
        let (name, function) = match direction {
            Direction::Request => ("proxy_on_request_trailers", &callbacks.request_trailers),
            Direction::Response => ("proxy_on_response_trailers", &callbacks.response_trailers),
        };
        let action = Action::of_headers(self.call(name, function.as_ref(), id, (id, count), 0)?);
        if action == Action::Continue && !self.stopped(id)? {
            let flow = self.flow(id, direction)?;
            flow.trailers_visible = false;
            flow.release();
        }
        self.settle()?;
        Ok(action)
    }

    /// True if the callback asked for a local reply or a reset: its return value does not count then.
    fn stopped(&mut self, id: u32) -> Result<bool, Error> {
        let pending = &self.state(id)?.pending;
        Ok(pending.local_reply.is_some() || pending.close)
    }

    /// Carries out what hostcalls asked for during the last callback, on whatever streams.
    pub(super) fn settle(&mut self) -> Result<(), Error> {
        let mut ids: Vec<u32> = self.host().streams.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let pending = std::mem::take(&mut self.state(id)?.pending);
            if let Some(reply) = pending.local_reply {
                self.local_reply(id, reply)?;
            }
            let stream = self.state(id)?;
            if pending.close {
                stream.reset = true;
                stream.close_both();
            }
            if pending.continue_request && !stream.request.closed {
                stream.request.release();
            }
            if pending.continue_response && !stream.reset {
                stream.response.release();
            }
        }
        Ok(())
    }

    /// Answers instead of the upstream. In the listener's chain the reply passes the filter's own response callbacks; a
    /// reply to a response that has begun replaces it if nothing was sent, and resets the stream otherwise.
    fn local_reply(&mut self, id: u32, reply: LocalReply) -> Result<(), Error> {
        let stream = self.state(id)?;
        if stream.local_reply.is_some() || stream.reset {
            return Ok(());
        }
        stream.local_reply = Some(reply.clone());
        stream.request.closed = true;
        let headers = reply_headers(&reply);
        if stream.role == Role::Downstream && stream.response.headers.is_none() {
            let empty = reply.body.is_empty();
            self.headers(id, Direction::Response, headers, empty)?;
            if !empty {
                self.body(id, Direction::Response, &reply.body, true)?;
            }
            self.flow(id, Direction::Response)?.closed = true;
        } else if stream.response.out.headers.is_none() {
            stream.received_status = Some(reply.status.into());
            stream.response.replace_with(headers, reply.body);
        } else {
            stream.reset = true;
            stream.close_both();
        }
        Ok(())
    }

    /// What Envoy does when a paused body outgrows the buffer limit.
    fn overflow(&mut self, id: u32, direction: Direction) -> Result<(), Error> {
        let (status, body, details) = match direction {
            Direction::Request => (413, "Payload Too Large", "request_payload_too_large"),
            Direction::Response => (500, "Internal Server Error", "response_payload_too_large"),
        };
        let reply = LocalReply {
            status,
            headers: Headers::new(),
            body: body.into(),
            details: details.to_owned(),
            origin: ReplyOrigin::Host,
        };
        self.local_reply(id, reply)
    }

    fn end(&mut self, id: u32) -> Result<(), Error> {
        let callbacks = Rc::clone(&self.callbacks);
        let stream = self.state(id)?;
        if stream.request.headers.is_none() {
            return Ok(());
        }
        let role = stream.role;
        stream.close_both();
        if role == Role::Downstream {
            stream.log_phase = true;
            self.call("proxy_on_log", callbacks.log.as_ref(), id, id, ())?;
            self.state(id)?.log_phase = false;
        }
        self.call("proxy_on_done", callbacks.done.as_ref(), id, id, 1)?;
        self.call("proxy_on_delete", callbacks.delete.as_ref(), id, id, ())
    }
}

/// The header map Envoy makes of a local reply (`Utility::prepareLocalReply`).
fn reply_headers(reply: &LocalReply) -> Headers {
    let mut headers = Headers::new();
    headers.add(":status", reply.status.to_string());
    for (name, value) in reply.headers.iter() {
        headers.add(name, value);
    }
    if reply.body.is_empty() {
        headers.remove("content-length");
        headers.remove("content-type");
    } else {
        headers.set("content-length", reply.body.len().to_string());
        if headers.get("content-type").is_none() {
            headers.add("content-type", "text/plain");
        }
    }
    headers
}
