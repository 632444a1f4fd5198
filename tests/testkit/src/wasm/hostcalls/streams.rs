//! Flow of a stream: local replies, continuing, closing, contexts. All take effect after the callback returned.

use crate::outcome::{LocalReply, ReplyOrigin};
use crate::wasm::abi::Status;
use crate::wasm::guest::{Answer, Guest};

#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub(super) fn local_response(
    guest: &mut Guest<'_>,
    status: u32,
    details: u32,
    details_size: u32,
    body: u32,
    body_size: u32,
    headers: u32,
    headers_size: u32,
    grpc_status: i32,
) -> Answer {
    // Envoy replaces white space, which would break access log formats.
    let details = guest.text(details, details_size)?.replace(char::is_whitespace, "_");
    let body = guest.read(body, body_size)?;
    let headers = guest.pairs(headers, headers_size)?;
    let status = u16::try_from(status).map_err(|_| Status::BadArgument)?;
    let Some(stream) = guest.host().stream() else { return Ok(()) };
    // -1 means none; Envoy uses a valid one for gRPC requests only.
    if (0..=16).contains(&grpc_status) {
        stream.note(format!("gRPC status {grpc_status} of a local reply is ignored by the testkit"));
    }
    if stream.pending.local_reply.is_none() {
        stream.pending.local_reply =
            Some(LocalReply { status, headers, body, details, origin: ReplyOrigin::Filter });
    }
    Ok(())
}

/// Envoy takes the request's headers away from the module here, whichever direction continues.
pub(super) fn continue_stream(guest: &mut Guest<'_>, stream: u32) -> Answer {
    let kind = stream;
    let Some(stream) = guest.host().stream() else {
        return if kind < 3 { Ok(()) } else { Err(Status::Unimplemented.into()) };
    };
    match kind {
        0 => stream.pending.continue_request = true,
        1 => stream.pending.continue_response = true,
        // A downstream connection: only network filters have one.
        2 => return Ok(()),
        3 => return Err(Status::Unimplemented.into()),
        _ => return Err(Status::BadArgument.into()),
    }
    stream.request.headers_visible = false;
    stream.request.body_visible = false;
    stream.request.trailers_visible = false;
    Ok(())
}

pub(super) fn close_stream(guest: &mut Guest<'_>, stream: u32) -> Answer {
    match stream {
        0 | 1 => {
            if let Some(stream) = guest.host().stream() {
                stream.pending.close = true;
            }
            Ok(())
        }
        // Connections: only network filters have them.
        2 | 3 => Ok(()),
        _ => Err(Status::BadArgument.into()),
    }
}

pub(super) fn set_effective_context(guest: &mut Guest<'_>, context: u32) -> Answer {
    let host = guest.host();
    if context != host.root_context && !host.streams.contains_key(&context) {
        return Err(Status::BadArgument.into());
    }
    host.effective = context;
    Ok(())
}

/// Only matters to contexts that delay their deletion; HTTP streams cannot.
pub(super) fn done(_guest: &mut Guest<'_>) -> Answer {
    Ok(())
}
