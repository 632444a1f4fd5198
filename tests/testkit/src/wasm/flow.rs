//! State of one stream: what arrived, what the module may see of it, and what was forwarded.

use super::abi::Action;
use super::exchange::Exchange;
use crate::chain::Direction;
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

/// One direction of a stream.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Set once the headers arrived. The module edits this map.
    pub(super) headers: Option<Headers>,
    /// True while the module may touch the headers: in the header callback, and later if that one paused.
    pub(super) headers_visible: bool,
    pub(super) trailers: Option<Headers>,
    pub(super) trailers_visible: bool,
    /// Body bytes that arrived, were not forwarded and can be touched by the module.
    pub(super) buffer: Vec<u8>,
    /// Body bytes in front of [`Self::buffer`] that the module cannot touch: it held them as a stream.
    pub(super) parked: Vec<u8>,
    /// True while a body callback runs, and after it if it paused.
    pub(super) body_visible: bool,
    /// True if the last body callback answered [`Action::Pause`]: the next one sees these bytes again.
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
        let held = self.take_held();
        if !held.is_empty() {
            self.out.chunks.push(held);
        }
        if self.input_ended {
            self.out.trailers = self.trailers.clone();
            self.out.ended = true;
        }
    }

    fn take_held(&mut self) -> Vec<u8> {
        let mut held = std::mem::take(&mut self.parked);
        held.append(&mut self.buffer);
        held
    }

    /// Holds the body as the answer of the body callback that just returned says.
    pub(super) fn hold(&mut self, action: Action) {
        match action {
            Action::Pause => {
                self.buffer = self.take_held();
                self.buffering = true;
                return;
            }
            // What was buffered before is Envoy's already, and only the new bytes could be dropped.
            Action::PauseAndDrop if !self.buffering => self.buffer.clear(),
            _ => self.parked = self.take_held(),
        }
        self.buffering = false;
        self.body_visible = false;
    }

    /// Replaces whatever was held by a finished message, as a direct local reply does. `proxy_on_log` reads its headers.
    pub(super) fn replace_with(&mut self, headers: Headers, body: Vec<u8>) {
        self.headers = Some(headers.clone());
        let chunks = if body.is_empty() { Vec::new() } else { vec![body] };
        self.out = Message { headers: Some(headers), chunks, trailers: None, ended: true, held: Vec::new() };
        self.take_held();
        self.closed = true;
    }

    /// What the next hop saw, including what is still held.
    pub(super) fn message(&self) -> Message {
        Message { held: [self.parked.as_slice(), &self.buffer].concat(), ..self.out.clone() }
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
