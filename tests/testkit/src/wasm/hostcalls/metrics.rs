//! Metrics.

use crate::outcome::MetricKind;
use crate::wasm::abi::Status;
use crate::wasm::guest::{Answer, Guest};

pub(super) fn define(guest: &mut Guest<'_>, kind: u32, name: u32, name_size: u32, id_to: u32) -> Answer {
    let kind = match kind {
        0 => MetricKind::Counter,
        1 => MetricKind::Gauge,
        2 => MetricKind::Histogram,
        _ => return Err(Status::BadArgument.into()),
    };
    let name = guest.text(name, name_size)?;
    let id = guest.host().metrics.define(kind, &name);
    guest.write_u32(id_to, id)
}

pub(super) fn increment(guest: &mut Guest<'_>, id: u32, offset: i64) -> Answer {
    Ok(guest.host().metrics.increment(id, offset)?)
}

pub(super) fn record(guest: &mut Guest<'_>, id: u32, value: u64) -> Answer {
    Ok(guest.host().metrics.record(id, value)?)
}

pub(super) fn get(guest: &mut Guest<'_>, id: u32, value_to: u32) -> Answer {
    let value = guest.host().metrics.value(id)?;
    guest.write_u64(value_to, value)
}
