//! From a call to the charges it means: which rules apply, to which counters, in which windows.

use std::collections::HashSet;
use std::sync::Arc;

use crate::charge::{Batch, Charge, Key, Kind};
use crate::clock::Millis;
use crate::config::{Config, HeaderNames, Limit, Rule, SharedRule};
use crate::matching::{self, Metric};
use crate::request::{Call, Descriptor, fingerprint};

/// What a call means.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) domain: String,
    /// One for each descriptor of the call.
    pub(crate) items: Vec<Item>,
    /// The headers the domain wants.
    pub(crate) headers: Option<HeaderNames>,
    pub(crate) batch: Batch,
    /// The keys of the descriptors to be admitted that no rule of a configured domain is for.
    pub(crate) unmatched: Vec<Vec<String>>,
}

/// What a descriptor means.
#[derive(Debug)]
pub(crate) struct Item {
    /// What applies to it, if anything does.
    pub(crate) rule: Option<SharedRule>,
    pub(crate) metric: Metric,
    /// Its charge, by its place in the batch.
    pub(crate) charge: Option<usize>,
}

impl Plan {
    /// What `call` means at `now`.
    pub(crate) fn of(config: &Config, call: Call, now: Millis) -> Self {
        let domain = config.domain(&call.domain);
        let key = Key::of([call.domain.as_str()]);
        let all_or_nothing = domain.is_some_and(|domain| domain.all_or_nothing);
        let mut batch = Batch { now, all_or_nothing, domain: key, charges: Vec::new() };
        let matched: Vec<_> = call.descriptors.iter().map(|one| applies(config, &call.domain, one)).collect();
        let replaced: HashSet<&str> =
            matched.iter().flatten().flat_map(|one| &one.rule.replaces).map(String::as_str).collect();
        let unmatched = call.descriptors.iter().zip(&matched).filter(|(descriptor, matched)| {
            domain.is_some() && matched.is_none() && descriptor.kind == Kind::Admit
        });
        let unmatched =
            unmatched.map(|(descriptor, _)| keys(descriptor).map(str::to_owned).collect()).collect();
        let mut items = Vec::with_capacity(matched.len());
        for (descriptor, matched) in call.descriptors.iter().zip(&matched) {
            let Some(matched) = matched
                .as_ref()
                .filter(|one| one.rule.name.is_empty() || !replaced.contains(one.rule.name.as_str()))
            else {
                items.push(Item { rule: None, metric: Metric::Plain, charge: None });
                continue;
            };
            let charge = matched.rule.limit.as_ref().map(|limit| {
                batch.charges.push(charge(&call.domain, descriptor, matched, limit, now));
                batch.charges.len() - 1
            });
            items.push(Item { rule: Some(matched.rule.clone()), metric: matched.metric.clone(), charge });
        }
        Self {
            domain: call.domain,
            items,
            headers: domain.and_then(|domain| domain.headers.clone()),
            batch,
            unmatched,
        }
    }
}

/// The rule for a descriptor: the limit it brings, or the one of the file.
fn applies(config: &Config, domain: &str, descriptor: &Descriptor) -> Option<matching::Matched> {
    let Some(limit) = &descriptor.limit else {
        return matching::find(config, domain, &descriptor.entries);
    };
    // As in the stock service, limits that calls bring count only in domains that are configured, and are enforced.
    config.domain(domain)?;
    let rule = Rule {
        id: keys(descriptor).collect::<Vec<_>>().join("."),
        limit: Some(limit.clone()),
        shadow: false,
        quota: false,
        name: String::new(),
        replaces: Vec::new(),
        detailed_metric: false,
    };
    let shared = vec![None; descriptor.entries.len()];
    Some(matching::Matched { rule: Arc::new(rule), shared, metric: Metric::Plain })
}

fn keys(descriptor: &Descriptor) -> impl Iterator<Item = &str> {
    descriptor.entries.iter().map(|entry| entry.key.as_str())
}

fn charge(
    domain: &str,
    said: &Descriptor,
    matched: &matching::Matched,
    limit: &Limit,
    now: Millis,
) -> Charge {
    let windows = limit.windows.identity();
    // Another kind of window is another counter; another number of hits is not, so that a raised limit keeps what is
    // spent.
    let mut parts = vec![domain, limit.algorithm.name(), &windows];
    let mut label = format!("{domain} {}", matched.rule.id);
    for (entry, shared) in said.entries.iter().zip(&matched.shared) {
        let value = shared.as_deref().unwrap_or(&entry.value);
        parts.extend([entry.key.as_str(), if shared.is_some() { "*" } else { "=" }, value]);
        let shown = shared.clone().unwrap_or_else(|| fingerprint(&entry.value));
        label.push_str(&format!(" {}={shown}", entry.key));
    }
    let key = Key::of(parts);
    let hex = key.hex();
    let named =
        |kind: &str| said.request.as_deref().map(|request| Key::beside(key, [hex.as_str(), kind, request]));
    Charge {
        key,
        kind: said.kind,
        hits: said.hits,
        limit: limit.hits,
        enforced: !matched.rule.shadow && !matched.rule.quota,
        algorithm: limit.algorithm,
        window: limit.windows.at(now),
        once: named(match said.kind {
            Kind::Admit => "admit",
            Kind::Settle => "settle",
            Kind::Refund => "refund",
        }),
        counterpart: match said.kind {
            Kind::Admit => named("refund"),
            Kind::Settle => None,
            Kind::Refund => named("admit"),
        },
        label: label.into(),
    }
}
