//! Bodies and configuration buffers.

use crate::chain::Direction;
use crate::wasm::abi::{Status, buffer};
use crate::wasm::flow::Flow;
use crate::wasm::guest::{Answer, Fault, Guest};

fn direction(kind: u32) -> Option<Direction> {
    match kind {
        buffer::REQUEST_BODY => Some(Direction::Request),
        buffer::RESPONSE_BODY => Some(Direction::Response),
        _ => None,
    }
}

/// The body of a stream if the module may touch it now.
fn body<'a>(guest: &'a mut Guest<'_>, direction: Direction) -> Option<&'a mut Flow> {
    let flow = guest.host().stream()?.flow(direction);
    (flow.body_visible || flow.buffering).then_some(flow)
}

pub(super) fn get(
    guest: &mut Guest<'_>,
    kind: u32,
    start: u32,
    length: u32,
    data_to: u32,
    size_to: u32,
) -> Answer {
    // ABI 0.2.1 has buffer types 0 to 8.
    if kind > 8 {
        return Err(Status::BadArgument.into());
    }
    let bytes = match direction(kind) {
        // Outside body callbacks Envoy answers Ok without data.
        Some(direction) => body(guest, direction).map(|flow| flow.buffer.clone()).unwrap_or_default(),
        None => {
            let host = guest.host();
            match kind {
                buffer::PLUGIN_CONFIGURATION if host.configuring => host.plugin_configuration.clone(),
                buffer::VM_CONFIGURATION => Vec::new(),
                buffer::CALL_RESPONSE_BODY => {
                    host.call_answer.as_ref().map(|answer| answer.body.clone()).ok_or(Status::NotFound)?
                }
                _ => return Err(Status::NotFound.into()),
            }
        }
    };
    let start = start as usize;
    let end = start.checked_add(length as usize).map_or(bytes.len(), |end| end.min(bytes.len()));
    let part = match bytes.get(start..end) {
        Some(part) => part,
        None => return Err(Status::BadArgument.into()),
    };
    if part.is_empty() {
        return Ok(());
    }
    guest.give(part, data_to, size_to)
}

/// Envoy knows three forms: from the start replacing `length` bytes (0: prepend), and from the end or beyond (append).
/// Anything in the middle is refused.
pub(super) fn set(guest: &mut Guest<'_>, kind: u32, start: u32, length: u32, data: u32, size: u32) -> Answer {
    let direction = direction(kind).ok_or(Fault::Status(Status::BadArgument))?;
    let mut data = guest.read(data, size)?;
    let flow = body(guest, direction).ok_or(Status::BadArgument)?;
    if start == 0 {
        let replaced = (length as usize).min(flow.buffer.len());
        flow.buffer.splice(..replaced, data);
    } else if start as usize >= flow.buffer.len() {
        flow.buffer.append(&mut data);
    } else {
        return Err(Status::BadArgument.into());
    }
    Ok(())
}
