//! Headers and trailers.

use crate::chain::Direction;
use crate::message::Headers;
use crate::wasm::abi::{Status, encode_pairs, map};
use crate::wasm::flow::Flow;
use crate::wasm::guest::{Answer, Fault, Guest};

fn target(kind: u32) -> Option<(Direction, bool)> {
    match kind {
        map::REQUEST_HEADERS => Some((Direction::Request, false)),
        map::REQUEST_TRAILERS => Some((Direction::Request, true)),
        map::RESPONSE_HEADERS => Some((Direction::Response, false)),
        map::RESPONSE_TRAILERS => Some((Direction::Response, true)),
        _ => None,
    }
}

/// A map the module may read now.
fn readable(guest: &mut Guest<'_>, kind: u32) -> Option<Headers> {
    let host = guest.host();
    let Some((direction, trailers)) = target(kind) else {
        let answer = host.call_answer.as_ref()?;
        return match kind {
            map::CALL_RESPONSE_HEADERS => Some(answer.headers.clone()),
            map::CALL_RESPONSE_TRAILERS => Some(answer.trailers.clone()),
            _ => None,
        };
    };
    let stream = host.stream()?;
    let log_phase = stream.log_phase;
    let flow = stream.flow(direction);
    let (map, visible) = if trailers {
        (&flow.trailers, flow.trailers_visible || (log_phase && direction == Direction::Response))
    } else {
        (&flow.headers, flow.headers_visible || log_phase)
    };
    if visible { map.clone() } else { None }
}

fn editable(flow: &mut Flow, trailers: bool) -> Option<&mut Headers> {
    if !trailers {
        return if flow.headers_visible { flow.headers.as_mut() } else { None };
    }
    // Envoy creates trailers when the module writes some in the last body callback.
    if flow.trailers.is_none() && flow.body_visible && flow.input_ended {
        flow.trailers = Some(Headers::new());
        flow.trailers_visible = true;
    }
    if flow.trailers_visible { flow.trailers.as_mut() } else { None }
}

/// Runs `change` on a map the module may edit now.
fn edit(guest: &mut Guest<'_>, kind: u32, change: impl FnOnce(&mut Headers)) -> Answer {
    let (direction, trailers) = target(kind).ok_or(Fault::Status(Status::BadArgument))?;
    let stream = guest.host().stream().ok_or(Status::BadArgument)?;
    let flow = stream.flow(direction);
    let sent = !trailers && flow.out.headers.is_some();
    change(editable(flow, trailers).ok_or(Status::BadArgument)?);
    if sent {
        stream.note(format!("edited the {direction:?} headers after they had been forwarded: no effect"));
    }
    if kind == map::REQUEST_HEADERS && stream.role == crate::wasm::flow::Role::Downstream {
        stream.route_cache_clears += 1;
    }
    Ok(())
}

/// A missing map reads as empty here, unlike in [`get`].
pub(super) fn all(guest: &mut Guest<'_>, kind: u32, data_to: u32, size_to: u32) -> Answer {
    let headers = readable(guest, kind).unwrap_or_default();
    let bytes = if headers.is_empty() { Vec::new() } else { encode_pairs(&headers) };
    guest.give(&bytes, data_to, size_to)
}

pub(super) fn set_all(guest: &mut Guest<'_>, kind: u32, data: u32, size: u32) -> Answer {
    let headers = guest.pairs(data, size)?;
    edit(guest, kind, |map| *map = headers)
}

pub(super) fn get(
    guest: &mut Guest<'_>,
    kind: u32,
    key: u32,
    key_size: u32,
    data_to: u32,
    size_to: u32,
) -> Answer {
    let key = guest.text(key, key_size)?;
    let Some(headers) = readable(guest, kind) else {
        let log_phase = guest.host().stream().is_some_and(|stream| stream.log_phase);
        return Err(if log_phase { Status::NotFound } else { Status::BadArgument }.into());
    };
    let value = headers.get_bytes(&key).ok_or(Status::NotFound)?;
    guest.give(value, data_to, size_to)
}

pub(super) fn replace(
    guest: &mut Guest<'_>,
    kind: u32,
    key: u32,
    key_size: u32,
    value: u32,
    value_size: u32,
) -> Answer {
    let key = guest.text(key, key_size)?;
    let value = guest.read(value, value_size)?;
    edit(guest, kind, |map| map.set(&key, value))
}

pub(super) fn add(
    guest: &mut Guest<'_>,
    kind: u32,
    key: u32,
    key_size: u32,
    value: u32,
    value_size: u32,
) -> Answer {
    let key = guest.text(key, key_size)?;
    let value = guest.read(value, value_size)?;
    edit(guest, kind, |map| map.add(&key, value))
}

pub(super) fn remove(guest: &mut Guest<'_>, kind: u32, key: u32, key_size: u32) -> Answer {
    let key = guest.text(key, key_size)?;
    edit(guest, kind, |map| map.remove(&key))
}
