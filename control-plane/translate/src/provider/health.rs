//! When a provider counts as unhealthy, for the filter.

use expressions::Expression;
use filter_config::Health;

use crate::findings::Findings;
use crate::policy::Effective;

/// What the filter is told. A condition that is no CEL is reported, and the default holds instead.
pub(super) fn health(effective: &Effective<'_>, findings: &mut Findings) -> Health {
    let mut health = Health::default();
    let Some(set) = &effective.health else { return health };
    if let Some(condition) = &set.value.unhealthy_condition {
        match Expression::compile(condition) {
            Ok(_) => health.unhealthy = Some(condition.clone()),
            Err(error) => {
                let path = format!("{}.unhealthyCondition", set.path);
                let remedy = "correct it; codes from 500 on are unhealthy until then";
                findings.error(&set.object, &path, error.to_string(), remedy);
            }
        }
    }
    if let Some(eviction) = &set.value.eviction {
        let failures = eviction.consecutive_failures.and_then(|failures| u32::try_from(failures).ok());
        // agentgateway: the first unhealthy answer is enough unless a number is set.
        health.consecutive_failures = failures.unwrap_or(1).max(1);
        if let Some(duration) = &eviction.duration {
            health.duration_ms = u64::try_from(duration.value().as_millis()).unwrap_or(u64::MAX);
        }
    }
    health
}
