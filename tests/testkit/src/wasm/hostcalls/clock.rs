//! Log, time and ticks.

use crate::outcome::{LogLevel, LogLine};
use crate::wasm::abi::Status;
use crate::wasm::guest::{Answer, Guest};

pub(super) fn log(guest: &mut Guest<'_>, level: u32, message: u32, size: u32) -> Answer {
    let level = LogLevel::from_number(level).ok_or(Status::BadArgument)?;
    let message = guest.text(message, size)?;
    guest.host().logs.push(LogLine { level, message });
    Ok(())
}

pub(super) fn log_level(guest: &mut Guest<'_>, level_to: u32) -> Answer {
    guest.write_u32(level_to, LogLevel::Trace as u32)
}

pub(super) fn now(guest: &mut Guest<'_>, time_to: u32) -> Answer {
    let now = guest.host().clock;
    guest.write_u64(time_to, now)
}

pub(super) fn set_tick_period(guest: &mut Guest<'_>, period: u32) -> Answer {
    guest.host().tick_period = period;
    Ok(())
}
