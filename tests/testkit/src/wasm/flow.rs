//! State of one stream: what arrived, what the module may see of it, and what was forwarded.

use super::exchange::Exchange;
use crate::message::{Headers, Message};
use crate::outcome::LocalReply;

/// Where the filter sits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// In the listener's filter chain: gets `on_log`, and sees its own local replies as a response.
    Downstream,
    /// In a cluster's upstream filter chain: no `on_log`; a local reply goes straight to the client.
    Upstream,
}

/// Request or response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Request,
    Response,
}

/// A step of a message on its way to the next filter; the flags say that it ends the stream.
pub(super) enum Event {
    Headers(Headers, bool),
    Chunk(Vec<u8>, bool),
    Trailers(Headers),
}

/// How much of a forwarded message the next filter has got.
#[derive(Debug, Default)]
pub(super) struct Seen {
    headers: bool,
    chunks: usize,
    ended: bool,
}

/// One direction of a stream.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Set once the headers arrived. The module edits this map.
    pub(super) headers: Option<Headers>,
    /// True while the module may touch the headers: in the header callback, and later if that one paused.
    pub(super) headers_visible: bool,
    pub(super) trailers: Option<Headers>,
    pub(super) trailers_visible: bool,
    /// Body bytes that arrived and were not forwarded.
    pub(super) buffer: Vec<u8>,
    /// True while a body callback runs, and after it if it paused.
    pub(super) body_visible: bool,
    /// True if the last body callback paused.
    pub(super) buffering: bool,
    /// True once the last callback was told that the stream ends.
    pub(super) input_ended: bool,
    /// True once nothing more is delivered in this direction.
    pub(super) closed: bool,
    pub(super) out: Message,
}

impl Flow {
    /// Forwards everything held: headers, buffered bytes as one chunk, trailers.
    pub(super) fn release(&mut self) {
        let Some(headers) = &self.headers else { return };
        if self.out.headers.is_none() {
            self.out.headers = Some(headers.clone());
        }
        self.body_visible = false;
        self.buffering = false;
        if !self.buffer.is_empty() {
            self.out.chunks.push(std::mem::take(&mut self.buffer));
        }
        if self.input_ended {
            self.out.trailers = self.trailers.clone();
            self.out.ended = true;
        }
    }

    /// Replaces whatever was held by a finished message, as a direct local reply does. `proxy_on_log` reads its headers.
    pub(super) fn replace_with(&mut self, headers: Headers, body: Vec<u8>) {
        self.headers = Some(headers.clone());
        let chunks = if body.is_empty() { Vec::new() } else { vec![body] };
        self.out = Message { headers: Some(headers), chunks, trailers: None, ended: true, held: Vec::new() };
        self.buffer.clear();
        self.closed = true;
    }

    /// What was forwarded since `seen`, in the form it has to be sent on.
    pub(super) fn forwarded_since(&self, seen: &mut Seen) -> Vec<Event> {
        let mut events = Vec::new();
        if let (Some(headers), false) = (&self.out.headers, seen.headers) {
            events.push(Event::Headers(headers.clone(), false));
            seen.headers = true;
        }
        let new = self.out.chunks.get(seen.chunks..).unwrap_or_default();
        events.extend(new.iter().map(|chunk| Event::Chunk(chunk.clone(), false)));
        seen.chunks = self.out.chunks.len();
        if self.out.ended && !seen.ended {
            seen.ended = true;
            match (&self.out.trailers, events.last_mut()) {
                (Some(trailers), _) => events.push(Event::Trailers(trailers.clone())),
                (None, Some(Event::Headers(_, end) | Event::Chunk(_, end))) => *end = true,
                (None, _) => events.push(Event::Chunk(Vec::new(), true)),
            }
        }
        events
    }

    /// What the next hop saw, including what is still held.
    pub(super) fn message(&self) -> Message {
        Message { held: self.buffer.clone(), ..self.out.clone() }
    }
}

/// What hostcalls asked for; carried out after the callback returned, as Envoy does.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) local_reply: Option<LocalReply>,
    pub(super) continue_request: bool,
    pub(super) continue_response: bool,
    pub(super) close: bool,
}

/// A stream context of the module.
#[derive(Debug)]
pub(super) struct StreamState {
    pub(super) role: Role,
    pub(super) exchange: Exchange,
    pub(super) request: Flow,
    pub(super) response: Flow,
    /// True during `proxy_on_log`: maps are readable again and cannot be edited.
    pub(super) log_phase: bool,
    pub(super) pending: Pending,
    pub(super) local_reply: Option<LocalReply>,
    /// `:status` of the response as it reached the filter.
    pub(super) received_status: Option<u64>,
    pub(super) reset: bool,
    pub(super) route_cache_clears: u32,
    pub(super) notes: Vec<String>,
}

impl StreamState {
    pub(super) fn new(role: Role, exchange: Exchange) -> Self {
        Self {
            role,
            exchange,
            request: Flow::default(),
            response: Flow::default(),
            log_phase: false,
            pending: Pending::default(),
            local_reply: None,
            received_status: None,
            reset: false,
            route_cache_clears: 0,
            notes: Vec::new(),
        }
    }

    pub(super) fn flow(&mut self, direction: Direction) -> &mut Flow {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }

    /// Notes a mistake once.
    pub(super) fn note(&mut self, text: String) {
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    pub(super) fn close_both(&mut self) {
        self.request.closed = true;
        self.response.closed = true;
    }
}
