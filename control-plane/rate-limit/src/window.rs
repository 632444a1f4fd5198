//! Windows of time: when the budget that holds now began, and when it starts anew.
//!
//! Windows either have a fixed length and are counted from 1970, as those of `envoyproxy/ratelimit` are (a *month* is 30
//! days there, a *week* begins on a Thursday), or they follow the calendar of a place.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::clock::Millis;

/// The unit of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "units of time say what they are")]
pub enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Unit {
    /// All units, shortest first.
    pub const ALL: [Self; 7] =
        [Self::Second, Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    /// The name in configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// The unit of that name, in any case.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.name().eq_ignore_ascii_case(name))
    }

    /// Length in milliseconds where the calendar does not matter: months of 30 days, years of 365.
    pub fn millis(self) -> Millis {
        let days = |days: Millis| days * 24 * 3_600_000;
        match self {
            Self::Second => 1_000,
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => days(1),
            Self::Week => days(7),
            Self::Month => days(30),
            Self::Year => days(365),
        }
    }
}

/// A window: from `start` up to, but not including, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// When it began.
    pub start: Millis,
    /// When the next one begins.
    pub end: Millis,
}

impl Window {
    /// Its length in milliseconds, at least 1.
    pub fn length(&self) -> Millis {
        self.end.saturating_sub(self.start).max(1)
    }
}

/// How time is cut into windows.
#[derive(Debug, Clone, PartialEq)]
pub enum Windows {
    /// Of equal length, counted from 1970.
    Fixed {
        /// Length in milliseconds, at least 1.
        millis: Millis,
    },
    /// Days, weeks from Monday, months or years of a place.
    Calendar {
        /// Which of them; shorter units count as days.
        unit: Unit,
        /// The place.
        zone: TimeZone,
    },
}

impl Windows {
    /// The window that holds `now`.
    pub fn at(&self, now: Millis) -> Window {
        match self {
            Self::Fixed { millis } => fixed(now, *millis),
            // Only dates outside the years -9999 to 9999 have no place in a calendar.
            Self::Calendar { unit, zone } => {
                calendar(now, *unit, zone).unwrap_or_else(|_| fixed(now, unit.millis()))
            }
        }
    }

    /// A text that differs where windows do.
    pub(crate) fn identity(&self) -> String {
        match self {
            Self::Fixed { millis } => format!("{millis}"),
            Self::Calendar { unit, zone } => {
                format!("{}@{}", unit.name(), zone.iana_name().unwrap_or("UTC"))
            }
        }
    }
}

fn fixed(now: Millis, millis: Millis) -> Window {
    let millis = millis.max(1);
    let start = now.div_euclid(millis).saturating_mul(millis);
    Window { start, end: start.saturating_add(millis) }
}

fn calendar(now: Millis, unit: Unit, zone: &TimeZone) -> Result<Window, jiff::Error> {
    let today = Timestamp::from_millisecond(now)?.to_zoned(zone.clone()).date();
    let (first, next) = match unit {
        Unit::Week => {
            let monday = today.checked_sub(i64::from(today.weekday().to_monday_zero_offset()).days())?;
            (monday, monday.checked_add(7.days())?)
        }
        Unit::Month => (today.first_of_month(), today.first_of_month().checked_add(1.month())?),
        Unit::Year => (today.first_of_year(), today.first_of_year().checked_add(1.year())?),
        Unit::Second | Unit::Minute | Unit::Hour | Unit::Day => (today, today.tomorrow()?),
    };
    Ok(Window { start: midnight(first, zone)?, end: midnight(next, zone)? })
}

/// When a day begins: midnight, or the first moment of a day whose midnight a change of clocks skips.
fn midnight(day: Date, zone: &TimeZone) -> Result<Millis, jiff::Error> {
    Ok(day.to_zoned(zone.clone())?.start_of_day()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Millis {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn window(unit: Unit, name: &str, now: &str) -> (Millis, Millis) {
        let window = Windows::Calendar { unit, zone: zone(name) }.at(at(now));
        (window.start, window.end)
    }

    #[test]
    fn fixed_windows_are_counted_from_1970() {
        let minute = Windows::Fixed { millis: Unit::Minute.millis() };
        assert_eq!(minute.at(0), Window { start: 0, end: 60_000 });
        assert_eq!(minute.at(59_999), Window { start: 0, end: 60_000 });
        assert_eq!(minute.at(60_000), Window { start: 60_000, end: 120_000 });
        assert_eq!(minute.at(-1), Window { start: -60_000, end: 0 });
        // The first week began on a Thursday.
        let week = Windows::Fixed { millis: Unit::Week.millis() };
        assert_eq!(week.at(at("1970-01-08T00:00:00Z")).start, at("1970-01-08T00:00:00Z"));
    }

    #[test]
    fn calendar_months_have_their_own_lengths() {
        assert_eq!(
            window(Unit::Month, "UTC", "2028-02-29T23:59:59.999Z"),
            (at("2028-02-01T00:00:00Z"), at("2028-03-01T00:00:00Z"))
        );
        assert_eq!(
            window(Unit::Month, "Asia/Kolkata", "2026-11-30T18:30:00Z"),
            (at("2026-11-30T18:30:00Z"), at("2026-12-31T18:30:00Z"))
        );
        assert_eq!(
            window(Unit::Year, "America/New_York", "2026-01-01T04:59:59.999Z"),
            (at("2025-01-01T05:00:00Z"), at("2026-01-01T05:00:00Z"))
        );
    }

    #[test]
    fn calendar_weeks_begin_on_monday() {
        // 2026-11-22 is a Sunday.
        let week = (at("2026-11-16T00:00:00Z"), at("2026-11-23T00:00:00Z"));
        assert_eq!(window(Unit::Week, "UTC", "2026-11-22T23:59:59Z"), week);
        assert_eq!(window(Unit::Week, "UTC", "2026-11-16T00:00:00Z"), week);
    }

    #[test]
    fn days_are_as_long_as_the_clocks_make_them() {
        let hours = |(start, end): (Millis, Millis)| (end - start) / 3_600_000;
        assert_eq!(hours(window(Unit::Day, "Europe/Berlin", "2026-03-29T12:00:00Z")), 23);
        assert_eq!(hours(window(Unit::Day, "Europe/Berlin", "2026-10-25T12:00:00Z")), 25);
        assert_eq!(hours(window(Unit::Day, "Europe/Berlin", "2026-07-01T12:00:00Z")), 24);
        // In Santiago the clocks skip the midnight with which 2026-09-06 would begin.
        let day = window(Unit::Day, "America/Santiago", "2026-09-06T12:00:00Z");
        assert_eq!((day.0, hours(day)), (at("2026-09-06T04:00:00Z"), 23));
    }

    proptest! {
        /// Whatever the place and the time, windows hold their time and follow each other without a gap.
        #[test]
        fn windows_are_seamless(now in 0i64..4_102_444_800_000, unit in 0usize..7, place in 0usize..6) {
            let names = ["UTC", "Europe/Berlin", "America/New_York", "America/Santiago", "Asia/Kolkata", "Pacific/Apia"];
            let unit = Unit::ALL[unit];
            for windows in [
                Windows::Fixed { millis: unit.millis() },
                Windows::Calendar { unit, zone: zone(names[place]) },
            ] {
                let window = windows.at(now);
                prop_assert!(window.start <= now && now < window.end);
                prop_assert_eq!(windows.at(window.start), window);
                prop_assert_eq!(windows.at(window.end - 1), window);
                prop_assert_eq!(windows.at(window.end).start, window.end);
            }
        }
    }
}
