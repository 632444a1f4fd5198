//! From what a file says to rules, or to what is wrong with it.

use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde_saphyr::Spanned;

use super::file::{Descriptor, File, RateLimit, ResponseHeaders};
use super::{Domain, HeaderNames, Limit, MOST_HITS, Rule};
use crate::cell::Algorithm;
use crate::error::Error;
use crate::matching::{Level, Node};
use crate::request::RESERVED;
use crate::window::{Unit, Windows};

/// Compiles a file.
///
/// # Errors
/// [`Error::Config`].
pub(super) fn domain(path: &Path, file: &File) -> Result<(Spanned<String>, Domain), Error> {
    let builder = Builder { path, zone: file.time_zone.as_ref() };
    if file.domain.value.is_empty() {
        return Err(builder.wrong(Some(&file.domain), "domain", "it is empty; a domain needs a name"));
    }
    if let Some(zone) = &file.time_zone {
        builder.zone(zone, "time_zone")?;
    }
    let level = builder.level(&file.descriptors, "descriptors", "")?;
    let headers = file.response_headers.as_ref().map(|headers| builder.headers(headers)).transpose()?;
    Ok((file.domain.clone(), Domain { all_or_nothing: file.all_or_nothing, headers, level }))
}

struct Builder<'a> {
    path: &'a Path,
    /// The file's zone.
    zone: Option<&'a Spanned<String>>,
}

impl Builder<'_> {
    fn wrong<T>(&self, place: Option<&Spanned<T>>, field: &str, reason: impl Into<String>) -> Error {
        Error::Config {
            file: self.path.to_owned(),
            line: place.map(|place| place.referenced.line()).filter(|line| *line > 0),
            field: field.to_owned(),
            reason: reason.into(),
        }
    }

    /// The descriptors of a list. `field` is its name in the file, `id` that of the rule it is in.
    fn level(&self, descriptors: &[Descriptor], field: &str, id: &str) -> Result<Level, Error> {
        let mut level = Level::default();
        for (index, descriptor) in descriptors.iter().enumerate() {
            let field = format!("{field}[{index}]");
            let key = &descriptor.key;
            if key.value.is_empty() {
                return Err(self.wrong(
                    Some(key),
                    &format!("{field}.key"),
                    "it is empty; a descriptor needs a key",
                ));
            }
            if key.value.starts_with(RESERVED) {
                let reason =
                    format!("{:?}: keys that begin with {RESERVED:?} steer how a call is charged", key.value);
                return Err(self.wrong(Some(key), &format!("{field}.key"), reason));
            }
            if key.value.ends_with('*') && descriptor.value.is_empty() {
                let reason = "a key cannot end in \"*\"; write the key, and value: \"prefix*\"";
                return Err(self.wrong(Some(key), &format!("{field}.key"), reason));
            }
            let dot = if id.is_empty() { "" } else { "." };
            let underscore = if descriptor.value.is_empty() { "" } else { "_" };
            let segment = format!("{}{underscore}{}", key.value, descriptor.value);
            let id = format!("{id}{dot}{segment}");
            if descriptor.share_threshold && !descriptor.value.ends_with('*') {
                let reason =
                    "it shares one limit among the values of a wildcard, but the value does not end in \"*\"";
                return Err(self.wrong(Some(key), &format!("{field}.share_threshold"), reason));
            }
            let rule = match &descriptor.rate_limit {
                Some(limit) => Some(Arc::new(self.rule(
                    descriptor,
                    limit,
                    &format!("{field}.rate_limit"),
                    id.clone(),
                )?)),
                None => None,
            };
            let node = Node {
                segment,
                rule,
                share: descriptor.share_threshold,
                in_metric: descriptor.value_to_metric,
                below: self.level(&descriptor.descriptors, &format!("{field}.descriptors"), &id)?,
            };
            if !level.add(&key.value, &descriptor.value, node) {
                let reason = format!("{id:?} is there twice");
                return Err(self.wrong(Some(key), &field, reason));
            }
        }
        Ok(level)
    }

    fn rule(
        &self,
        descriptor: &Descriptor,
        limit: &Spanned<RateLimit>,
        field: &str,
        id: String,
    ) -> Result<Rule, Error> {
        let said = &limit.value;
        let mut replaces = Vec::new();
        for (index, replaced) in said.replaces.iter().enumerate() {
            let name = &replaced.name;
            let field = format!("{field}.replaces[{index}].name");
            if name.value.is_empty() {
                return Err(self.wrong(Some(name), &field, "it is empty; name the rule that is replaced"));
            }
            if name.value == said.name {
                return Err(self.wrong(Some(name), &field, "a rule cannot replace itself"));
            }
            replaces.push(name.value.clone());
        }
        Ok(Rule {
            id,
            limit: self.limit(limit, field)?,
            shadow: descriptor.shadow_mode,
            quota: descriptor.quota_mode,
            name: said.name.clone(),
            replaces,
            detailed_metric: descriptor.detailed_metric,
        })
    }

    fn limit(&self, limit: &Spanned<RateLimit>, field: &str) -> Result<Option<Limit>, Error> {
        let said = &limit.value;
        let of = |name: &str| format!("{field}.{name}");
        if said.unlimited {
            if let Some(unit) = &said.unit {
                return Err(self.wrong(Some(unit), &of("unit"), "it means nothing with unlimited: true"));
            }
            if let Some(hits) = &said.requests_per_unit {
                return Err(self.wrong(
                    Some(hits),
                    &of("requests_per_unit"),
                    "it means nothing with unlimited: true",
                ));
            }
            return Ok(None);
        }
        let names = Unit::ALL.map(Unit::name).join(", ");
        let Some(unit_said) = &said.unit else {
            return Err(self.wrong(Some(limit), &of("unit"), format!("it is missing; one of {names}")));
        };
        let Some(unit) = Unit::of_name(&unit_said.value) else {
            let reason = format!("{:?} is no unit; one of {names}", unit_said.value);
            return Err(self.wrong(Some(unit_said), &of("unit"), reason));
        };
        let Some(hits) = &said.requests_per_unit else {
            let reason = "it is missing; how many hits are allowed, 0 for none";
            return Err(self.wrong(Some(limit), &of("requests_per_unit"), reason));
        };
        if hits.value > MOST_HITS {
            return Err(self.wrong(
                Some(hits),
                &of("requests_per_unit"),
                format!("more than {MOST_HITS} cannot be counted"),
            ));
        }
        let multiplier = said.unit_multiplier.as_ref().map_or(1, |multiplier| multiplier.value);
        if multiplier == 0 {
            return Err(self.wrong(
                said.unit_multiplier.as_ref(),
                &of("unit_multiplier"),
                "0 units are no window; at least 1",
            ));
        }
        let algorithm = self.algorithm(said, &of("algorithm"))?;
        let mut limit = Limit { algorithm, ..Limit::plain(hits.value, unit, multiplier) };
        if said.calendar {
            if matches!(unit, Unit::Second | Unit::Minute | Unit::Hour) {
                let reason = "the calendar has days, weeks, months and years";
                return Err(self.wrong(Some(unit_said), &of("unit"), reason));
            }
            if multiplier != 1 {
                let reason = "windows of the calendar are one unit long";
                return Err(self.wrong(said.unit_multiplier.as_ref(), &of("unit_multiplier"), reason));
            }
            if algorithm != Algorithm::FixedWindow {
                let reason = "windows of the calendar are fixed windows";
                return Err(self.wrong(said.algorithm.as_ref(), &of("algorithm"), reason));
            }
            let zone = match (&said.time_zone, self.zone) {
                (Some(zone), _) => self.zone(zone, &of("time_zone"))?,
                (None, Some(zone)) => self.zone(zone, "time_zone")?,
                (None, None) => TimeZone::UTC,
            };
            limit.windows = Windows::Calendar { unit, zone };
        } else if let Some(zone) = &said.time_zone {
            return Err(self.wrong(Some(zone), &of("time_zone"), "it means nothing without calendar: true"));
        }
        limit.soft_percent = self.soft_percent(said, &of("soft_limit"))?;
        Ok(Some(limit))
    }

    fn algorithm(&self, said: &RateLimit, field: &str) -> Result<Algorithm, Error> {
        let all = [Algorithm::FixedWindow, Algorithm::SlidingWindow, Algorithm::TokenBucket];
        let Some(name) = &said.algorithm else { return Ok(Algorithm::FixedWindow) };
        all.into_iter().find(|one| one.name() == name.value).ok_or_else(|| {
            let reason = format!("{:?} is none; one of {}", name.value, all.map(Algorithm::name).join(", "));
            self.wrong(Some(name), field, reason)
        })
    }

    fn soft_percent(&self, said: &RateLimit, field: &str) -> Result<Option<u8>, Error> {
        let Some(text) = &said.soft_limit else { return Ok(None) };
        let percent = text.value.strip_suffix('%').and_then(|number| number.trim().parse::<u8>().ok());
        match percent {
            Some(percent) if (1..100).contains(&percent) => Ok(Some(percent)),
            _ => Err(self.wrong(
                Some(text),
                field,
                format!("{:?} is not like 80%, from 1% to 99%", text.value),
            )),
        }
    }

    fn zone(&self, name: &Spanned<String>, field: &str) -> Result<TimeZone, Error> {
        TimeZone::get(&name.value).map_err(|_| {
            let reason = format!("{:?} is no time zone; one like Europe/Berlin or UTC", name.value);
            self.wrong(Some(name), field, reason)
        })
    }

    fn headers(&self, said: &ResponseHeaders) -> Result<HeaderNames, Error> {
        let name = |said: &Option<Spanned<String>>, field: &str, usual: &str| match said {
            None => Ok(usual.to_owned()),
            Some(name) if hyper::header::HeaderName::try_from(&name.value).is_ok() => {
                Ok(name.value.to_lowercase())
            }
            Some(name) => {
                let field = format!("response_headers.{field}");
                Err(self.wrong(Some(name), &field, format!("{:?} is no name of a header", name.value)))
            }
        };
        Ok(HeaderNames {
            limit: name(&said.limit, "limit", "x-ratelimit-limit")?,
            remaining: name(&said.remaining, "remaining", "x-ratelimit-remaining")?,
            reset: name(&said.reset, "reset", "x-ratelimit-reset")?,
            soft_limit: name(&said.soft_limit, "soft_limit", "x-ratelimit-soft-limit")?,
        })
    }
}
