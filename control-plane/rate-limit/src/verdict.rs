//! From what the charges came to, to the answer Envoy gets.

use envoy_proto::envoy::config::core::v3::HeaderValue;
use envoy_proto::envoy::service::ratelimit::v3::RateLimitResponse;
use envoy_proto::envoy::service::ratelimit::v3::rate_limit_response::{
    Code, DescriptorStatus, RateLimit, rate_limit,
};
use prost_types::{ListValue, Struct, Value, value};

use crate::cell::Algorithm;
use crate::charge::{Charge, Kind, Reading};
use crate::clock::Millis;
use crate::config::{HeaderNames, Limit, Rule};
use crate::plan::{Item, Plan};
use crate::window::Unit;

/// The answer to a call whose charges came to `readings`.
pub(crate) fn answer(plan: &Plan, readings: &[Reading]) -> RateLimitResponse {
    let mut response = RateLimitResponse { overall_code: Code::Ok.into(), ..Default::default() };
    let (mut violations, mut has_quota) = (Vec::new(), false);
    for (index, item) in plan.items.iter().enumerate() {
        let rule = item.rule.as_deref();
        has_quota |= rule.is_some_and(|rule| rule.quota);
        let status = match charged(plan, item, readings) {
            Some((rule, limit, charge, reading)) => {
                if rule.quota && reading.over {
                    violations.push(index);
                }
                status(limit, charge, reading, rule, plan.batch.now)
            }
            // No limit by intent has no end; no rule has no limit to speak of.
            None => DescriptorStatus {
                code: Code::Ok.into(),
                limit_remaining: rule.map_or(0, |_| u32::MAX),
                ..Default::default()
            },
        };
        if status.code() == Code::OverLimit {
            response.overall_code = Code::OverLimit.into();
        }
        response.statuses.push(status);
    }
    if let Some(names) = &plan.headers {
        response.response_headers_to_add = headers(names, plan, &response.statuses, readings);
    }
    if has_quota {
        response.dynamic_metadata = Some(quota_metadata(&plan.domain, &violations));
    }
    response
}

/// The charge of an item and what it came to.
pub(crate) fn charged<'a>(
    plan: &'a Plan,
    item: &'a Item,
    readings: &'a [Reading],
) -> Option<(&'a Rule, &'a Limit, &'a Charge, &'a Reading)> {
    let at = item.charge?;
    let rule = item.rule.as_deref()?;
    Some((rule, rule.limit.as_ref()?, plan.batch.charges.get(at)?, readings.get(at)?))
}

fn status(limit: &Limit, charge: &Charge, reading: &Reading, rule: &Rule, now: Millis) -> DescriptorStatus {
    let unit = match limit.unit {
        Unit::Second => rate_limit::Unit::Second,
        Unit::Minute => rate_limit::Unit::Minute,
        Unit::Hour => rate_limit::Unit::Hour,
        Unit::Day => rate_limit::Unit::Day,
        Unit::Week => rate_limit::Unit::Week,
        Unit::Month => rate_limit::Unit::Month,
        Unit::Year => rate_limit::Unit::Year,
    };
    let code = if reading.over && charge.enforced { Code::OverLimit } else { Code::Ok };
    DescriptorStatus {
        code: code.into(),
        current_limit: Some(RateLimit {
            name: rule.name.clone(),
            requests_per_unit: narrow(limit.hits),
            unit: unit.into(),
            unit_multiplier: (limit.multiplier != 1).then_some(limit.multiplier),
        }),
        limit_remaining: narrow(limit.hits.saturating_sub(reading.after)),
        duration_until_reset: Some(prost_types::Duration {
            seconds: seconds_until_reset(limit, charge, reading, now),
            nanos: 0,
        }),
        quota: None,
    }
}

/// Whole seconds, rounded up, until a window ends; of a bucket until it has room for the call, or is empty.
fn seconds_until_reset(limit: &Limit, charge: &Charge, reading: &Reading, now: Millis) -> i64 {
    let millis = if limit.algorithm == Algorithm::TokenBucket {
        let wanted = if charge.kind == Kind::Admit && reading.over {
            reading.after.saturating_add(charge.hits.max(1)).saturating_sub(limit.hits)
        } else {
            reading.after
        };
        let length = charge.window.length().unsigned_abs();
        let millis = (u128::from(wanted) * u128::from(length)).div_ceil(u128::from(limit.hits.max(1)));
        i64::try_from(millis).unwrap_or(i64::MAX)
    } else {
        reading.window.end.saturating_sub(now)
    };
    millis.max(0).saturating_add(999) / 1_000
}

/// What the headers tell: the limit with the least left, and whether a soft limit is passed.
fn headers(
    names: &HeaderNames,
    plan: &Plan,
    statuses: &[DescriptorStatus],
    readings: &[Reading],
) -> Vec<HeaderValue> {
    let header = |key: &str, value: String| HeaderValue { key: key.to_owned(), value, ..Default::default() };
    let mut headers = Vec::new();
    let limited = plan.items.iter().zip(statuses).filter_map(|(item, status)| {
        let (_, limit, _, reading) = charged(plan, item, readings)?;
        Some((limit, limit.hits.saturating_sub(reading.after), status))
    });
    // A limit that refuses is the one to tell, even if another has less left.
    let tightest =
        limited.min_by_key(|(_, remaining, status)| (status.code() != Code::OverLimit, *remaining));
    if let Some((limit, remaining, status)) = tightest {
        let reset = status.duration_until_reset.as_ref().map_or(0, |duration| duration.seconds);
        headers.push(header(&names.limit, limit.hits.to_string()));
        headers.push(header(&names.remaining, remaining.to_string()));
        headers.push(header(&names.reset, reset.to_string()));
    }
    let passed = plan.items.iter().filter_map(|item| {
        let (_, limit, _, reading) = charged(plan, item, readings)?;
        (reading.after >= limit.soft_hits()?).then_some(limit.soft_percent?)
    });
    if let Some(percent) = passed.max() {
        headers.push(header(&names.soft_limit, format!("{percent}%")));
    }
    headers
}

/// What Envoy's dynamic metadata is told of rules in quota mode, with the names `envoyproxy/ratelimit` uses.
fn quota_metadata(domain: &str, violations: &[usize]) -> Struct {
    let value = |kind| Value { kind: Some(kind) };
    let number =
        |index: &usize| value(value::Kind::NumberValue(f64::from(u32::try_from(*index).unwrap_or(u32::MAX))));
    let mut fields = std::collections::BTreeMap::new();
    fields.insert("domain".to_owned(), value(value::Kind::StringValue(domain.to_owned())));
    fields.insert("quotaModeEnabled".to_owned(), value(value::Kind::BoolValue(true)));
    if !violations.is_empty() {
        let values = violations.iter().map(number).collect();
        fields.insert("quotaModeViolations".to_owned(), value(value::Kind::ListValue(ListValue { values })));
    }
    Struct { fields }
}

/// The protocol has 32 bits for hits; more is told as the most it can say.
fn narrow(hits: u64) -> u32 {
    u32::try_from(hits).unwrap_or(u32::MAX)
}
