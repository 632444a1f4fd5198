//! HTTP calls and foreign functions.

use crate::wasm::abi::Status;
use crate::wasm::guest::{Answer, Guest};
use crate::wasm::host::{ForeignCall, HttpCall};

/// Records the call; the test answers it with `Vm::answer_call`. Like Envoy it wants a known cluster and the headers
/// `:method`, `:path` and `:authority`.
#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub(super) fn http_call(
    guest: &mut Guest<'_>,
    cluster: u32,
    cluster_size: u32,
    headers: u32,
    headers_size: u32,
    body: u32,
    body_size: u32,
    trailers: u32,
    trailers_size: u32,
    timeout_ms: u32,
    token_to: u32,
) -> Answer {
    let cluster = guest.text(cluster, cluster_size)?;
    let headers = guest.pairs(headers, headers_size)?;
    let body = guest.read(body, body_size)?;
    let trailers = guest.pairs(trailers, trailers_size)?;
    let host = guest.host();
    let known = host.clusters.as_ref().is_none_or(|clusters| clusters.contains(&cluster));
    let complete = [":method", ":path", ":authority"].iter().all(|name| headers.get(name).is_some());
    // Envoy reads the timeout as a signed number.
    if !known || !complete || i32::try_from(timeout_ms).is_err() {
        return Err(Status::BadArgument.into());
    }
    let token = host.http_calls.len() as u32 + 1;
    host.http_calls.push(HttpCall { token, cluster, headers, body, trailers, timeout_ms });
    host.waiting_calls.insert(token);
    guest.write_u32(token_to, token)
}

pub(super) fn get_status(guest: &mut Guest<'_>, code_to: u32, data_to: u32, size_to: u32) -> Answer {
    let (code, message) = guest.host().call_status;
    guest.write_u32(code_to, code)?;
    guest.give(message.as_bytes(), data_to, size_to)
}

/// `clear_route_cache` is known; others answer what `Vm::answer_foreign_function` scripted, else `NotFound`.
pub(super) fn foreign_function(
    guest: &mut Guest<'_>,
    name: u32,
    name_size: u32,
    arguments: u32,
    arguments_size: u32,
    data_to: u32,
    size_to: u32,
) -> Answer {
    let name = guest.text(name, name_size)?;
    let arguments = guest.read(arguments, arguments_size)?;
    let host = guest.host();
    host.foreign_calls.push(ForeignCall { name: name.clone(), arguments });
    let scripted = host.foreign_answers.get(&name).cloned();
    if name == "clear_route_cache"
        && let Some(stream) = host.stream()
    {
        stream.route_cache_clears += 1;
    }
    match scripted {
        Some(result) => guest.give(&result, data_to, size_to),
        None if name == "clear_route_cache" => guest.give(&[], data_to, size_to),
        None => Err(Status::NotFound.into()),
    }
}
