//! The downstream `limit` filter: lets through what its limits allow, and charges what was used.
//!
//! It stands behind `llm`, whose hand-off says what a request asks for. Before the request goes on, what it can use at
//! most is taken from every bucket, or, where one has not enough, from none; when it is over, the difference to what it
//! has used is given back. So no number of requests at the same time can use more than there is.

mod amounts;
mod bucket;
mod overrides;
mod plan;
mod told;

use std::sync::Arc;

use filter_config::{OnUnknownUsage, Reserve, RouteLimit, Sends, Unit};
use llm_dialects::hub::Usage;
use price_catalogue::Model;
use serde_json::{Value, json};

use self::amounts::{Expected, Fit, MOST_COUNTED, Used};
use self::bucket::{Shape, Standing};
use self::overrides::Overrides;
pub(crate) use self::plan::LimitPlan;
use self::plan::{Bucket, Descriptor, Policy};
use self::told::{Shown, refuse};
use crate::handoff::Handoff;
use crate::metrics::{Labels, Metric};
use crate::phases::Phases;
use crate::record::{self, RECORD_STATE, Record};
use crate::request_view::AskedModel;
use crate::{Attribute, BodyMode, HeaderMap, HeadersFlow, Host, endpoints};

/// One request in the filter.
#[derive(Debug)]
pub(crate) struct LimitExchange {
    plan: Arc<LimitPlan>,
    taken: Vec<Taken>,
    asked: Vec<Asked>,
    /// How the bucket stands that has least left.
    shown: Option<Shown>,
    /// The rate limit service refused, and so took nothing.
    refused_by_service: bool,
}

/// What was taken from a bucket.
#[derive(Debug)]
struct Taken {
    key: String,
    shape: Shape,
    unit: Unit,
    amount: u64,
    /// When, in milliseconds since 1970.
    at_ms: u64,
    on_unknown: OnUnknownUsage,
}

/// What the rate limit service is asked for.
#[derive(Debug)]
struct Asked {
    descriptor: Arc<Descriptor>,
    amount: u64,
    on_unknown: OnUnknownUsage,
}

impl Phases for LimitExchange {
    fn request_headers(&mut self, host: &mut dyn Host, _end: bool) -> HeadersFlow {
        overrides::forget(host);
        let names = host.attribute(Attribute::RouteLimits);
        let names = names.map(|names| serde_json::from_str::<Vec<RouteLimit>>(&names)).transpose();
        let handoff = Handoff::read(host);
        let Ok(names) = names else {
            return HeadersFlow::Reply(told::refuse_unreadable(host, handoff.as_ref()));
        };
        let asking = handoff.as_ref().map_or(AskedModel::default(), |handoff| AskedModel {
            model: &handoff.model,
            stream: handoff.stream,
        });
        let plan = Arc::clone(&self.plan);
        let policies = plan.select(names.as_deref(), host, asking);
        if policies.is_empty() {
            return HeadersFlow::Continue(BodyMode::Skip);
        }
        let expected = handoff.as_ref().map_or(Expected::default(), expected);
        // Looking for prices is for those who count money.
        let prices = plan.prices.as_ref().filter(|_| policies.iter().any(|policy| policy.counts_money()));
        let models = amounts::possible_prices(prices, asking.model, sends(names.as_deref()));
        let now_ms = host.now_ms();
        let taken = self.take_local(host, &policies, now_ms, &mut |bucket, reserve, there| {
            expected.fit(bucket.unit, reserve, &models, there, bucket.shape.capacity)
        });
        let cap = match taken {
            Ok(cap) => cap,
            Err((unit, shown)) => {
                self.shown = Some(shown);
                self.give_back(host, now_ms);
                return HeadersFlow::Reply(refuse(host, handoff.as_ref(), unit, shown));
            }
        };
        self.ask_service(host, &policies, expected, &models, asking);
        cap_output(host, &policies, expected, cap);
        HeadersFlow::Continue(BodyMode::Skip)
    }

    fn response_headers(&mut self, host: &mut dyn Host, _end: bool) -> HeadersFlow {
        if !self.asked.is_empty() {
            let details = host.attribute(Attribute::ResponseCodeDetails).unwrap_or_default();
            // A call that failed may have been carried out all the same; what it was not is not given back either.
            self.refused_by_service = details == "request_rate_limited";
        }
        if let Some(shown) = self.shown.filter(|shown| shown.is_strictest(host)) {
            for (name, value) in shown.headers() {
                host.set_header(HeaderMap::Response, name, &value);
            }
        }
        HeadersFlow::Continue(BodyMode::Skip)
    }

    fn complete(&mut self, host: &mut dyn Host) {
        if self.taken.is_empty() && self.asked.is_empty() {
            return;
        }
        let json = host.state(RECORD_STATE);
        let record = json.as_deref().and_then(|json| serde_json::from_slice::<Record<'_>>(json).ok());
        let sent = host.attribute(Attribute::Attempts).is_some_and(|attempts| attempts != "0");
        let used = Used::of(record.as_ref(), sent);
        let plan = Arc::clone(&self.plan);
        let answered = record.as_ref().and_then(|record| amounts::price(plan.prices.as_ref(), record));
        self.count_unknown(host, used, answered.is_some());
        let now_ms = host.now_ms();
        for taken in self.taken.drain(..).filter(|taken| taken.unit != Unit::Requests) {
            let charge = used.charge(taken.unit, taken.amount, taken.on_unknown, answered);
            settle(host, &taken, now_ms, i128::from(charge) - i128::from(taken.amount));
        }
        // What was refused was not taken; and requests are charged when they come.
        let refused = self.refused_by_service;
        let asked = self.asked.drain(..).filter(|asked| !refused && asked.descriptor.unit != Unit::Requests);
        for asked in asked {
            let own = match used {
                Used::Known(usage) => asked.descriptor.cost(&llm(&usage, record.as_ref(), answered)),
                Used::Nothing | Used::Unknown => None,
            };
            let unit = asked.descriptor.unit;
            let charge = own.unwrap_or_else(|| used.charge(unit, asked.amount, asked.on_unknown, answered));
            let (what, difference) = match charge.checked_sub(asked.amount) {
                Some(more) => ("charge", more),
                None => ("refund", asked.amount.saturating_sub(charge)),
            };
            if difference > 0 {
                let key = format!("{}.{what}", asked.descriptor.state);
                host.publish(&key, difference.min(MOST_COUNTED).to_string().as_bytes());
            }
        }
    }
}

impl LimitExchange {
    pub(crate) fn new(plan: Arc<LimitPlan>) -> Self {
        Self { plan, taken: Vec::new(), asked: Vec::new(), shown: None, refused_by_service: false }
    }

    /// Takes what `fit` says of all buckets. The fewest tokens of output that any of them has, where one counts tokens.
    ///
    /// # Errors
    /// Of the buckets that have not enough, the one to wait for longest: who waits for that passes all of them.
    fn take_local(
        &mut self,
        host: &mut dyn Host,
        policies: &[&Policy],
        now_ms: u64,
        fit: &mut dyn FnMut(&Bucket, &Reserve, u64) -> Result<Fit, u64>,
    ) -> Result<Option<u64>, (Unit, Shown)> {
        let mut cap = None;
        let mut refused: Option<(Unit, Shown)> = None;
        let all =
            policies.iter().flat_map(|policy| policy.local.iter().map(|bucket| (bucket, &policy.reserve)));
        for (bucket, reserve) in all {
            // Once one has refused, the others are only looked at.
            let takes = refused.is_none();
            if !takes && bucket.shadow {
                continue;
            }
            let (fits, standing) =
                take(host, bucket, now_ms, takes, &mut |there| fit(bucket, reserve, there));
            let shown = Shown { limit: bucket.shape.capacity, standing };
            if let Some((_, longest)) = refused {
                if fits.is_none() && standing.wait() > longest.standing.wait() {
                    refused = Some((bucket.unit, shown));
                }
                continue;
            }
            if !bucket.shadow && self.shown.is_none_or(|least| standing.remaining < least.standing.remaining)
            {
                self.shown = Some(shown);
            }
            if let Some(fits) = fits {
                if bucket.unit != Unit::Requests && !bucket.shadow && reserve.enabled {
                    cap = Some(cap.unwrap_or(fits.output).min(fits.output));
                }
                self.taken.push(Taken {
                    key: bucket.key.clone(),
                    shape: bucket.shape,
                    unit: bucket.unit,
                    amount: fits.amount,
                    at_ms: standing.at_ms,
                    on_unknown: reserve.on_unknown_usage,
                });
                continue;
            }
            let action = if bucket.shadow { "shadow_limited" } else { "limited" };
            host.observe(Metric::LimitDecisions, &Labels::new([unit_name(bucket.unit), action]), 1);
            // A shadow limit takes nothing it would have refused: so it is seen as it would be.
            if !bucket.shadow {
                refused = Some((bucket.unit, shown));
            }
        }
        refused.map_or(Ok(cap), Err)
    }

    /// Counts what is charged without being known.
    fn count_unknown(&self, host: &mut dyn Host, used: Used, priced: bool) {
        let units = self.taken.iter().map(|taken| taken.unit);
        let units = units.chain(self.asked.iter().map(|asked| asked.descriptor.unit));
        let (mut tokens, mut money) = (false, false);
        for unit in units {
            tokens |= unit != Unit::Requests;
            money |= unit == Unit::MicroUsd;
        }
        if tokens && used == Used::Unknown {
            host.observe(Metric::LimitDecisions, &Labels::new(["tokens", "unknown_usage"]), 1);
        }
        if money && !priced && matches!(used, Used::Known(_)) {
            host.observe(Metric::LimitDecisions, &Labels::new(["micro_usd", "unknown_price"]), 1);
        }
    }

    /// Gives back all that was taken.
    fn give_back(&mut self, host: &mut dyn Host, now_ms: u64) {
        for taken in self.taken.drain(..) {
            settle(host, &taken, now_ms, -i128::from(taken.amount));
        }
    }

    /// Publishes what Envoy's own filter asks the service.
    fn ask_service(
        &mut self,
        host: &mut dyn Host,
        policies: &[&Policy],
        expected: Expected,
        models: &[&Model],
        asking: AskedModel<'_>,
    ) {
        let mut overrides = Overrides::default();
        for policy in policies {
            for descriptor in &policy.descriptors {
                let Some(evaluated) = descriptor.evaluate(host, asking) else {
                    host.observe(
                        Metric::LimitDecisions,
                        &Labels::new([unit_name(descriptor.unit), "descriptor_failed"]),
                        1,
                    );
                    continue;
                };
                for (index, value) in evaluated.values.iter().enumerate() {
                    host.publish(&format!("{}.{index}", descriptor.state), value.as_bytes());
                }
                if let Some(limit) = evaluated.limit {
                    overrides.add(&descriptor.name, limit);
                }
                let amount = match descriptor.unit {
                    Unit::Requests => descriptor.requests(host, asking),
                    unit => expected.reservation(unit, &policy.reserve, models),
                };
                let amount = amount.min(MOST_COUNTED);
                host.publish(&format!("{}.hits", descriptor.state), amount.to_string().as_bytes());
                self.asked.push(Asked {
                    descriptor: Arc::clone(descriptor),
                    amount,
                    on_unknown: policy.reserve.on_unknown_usage,
                });
            }
        }
        overrides.hand_on(host);
    }
}

/// What a hand-off says of a request's size.
fn expected(handoff: &Handoff) -> Expected {
    if amounts::is_free(handoff.client) {
        return Expected::default();
    }
    Expected {
        // Most texts have more than three bytes for a token; what is no text is no better guessed otherwise.
        input: handoff.traits.input_tokens.unwrap_or(handoff.body_bytes.div_ceil(3)),
        output: handoff.traits.max_output,
        generates: endpoints::limited(handoff.client).is_some(),
    }
}

/// What the providers of a route are sent, where that is not what was asked for.
fn sends(of_route: Option<&[RouteLimit]>) -> &[Sends] {
    let sent = of_route.unwrap_or_default().iter().find_map(|limit| match limit {
        RouteLimit::Sent { sends } => Some(sends.as_slice()),
        RouteLimit::Of(_) | RouteLimit::FirstOf(_) => None,
    });
    sent.unwrap_or_default()
}

/// Takes as much out of a bucket of this Envoy as fits what is there, or, unless it `takes`, says what would fit.
fn take(
    host: &mut dyn Host,
    bucket: &Bucket,
    now_ms: u64,
    takes: bool,
    fit: &mut dyn FnMut(u64) -> Result<Fit, u64>,
) -> (Option<Fit>, Standing) {
    let (mut taken, mut standing) = (None, Standing::default());
    host.update_shared(&bucket.key, &mut |stored| {
        let (new, now) = bucket.shape.take(stored, now_ms, &mut |there| {
            let fits = fit(there);
            taken = fits.ok();
            fits.map(|fit| fit.amount)
        });
        standing = now;
        (takes && now.taken).then_some(new)
    });
    (taken.filter(|_| standing.taken), standing)
}

/// Takes `more` out of a bucket than was taken before, or gives it back, whatever is there.
fn settle(host: &mut dyn Host, taken: &Taken, now_ms: u64, more: i128) {
    if more != 0 {
        host.update_shared(&taken.key, &mut |stored| {
            Some(taken.shape.settle(stored, now_ms, taken.at_ms, more))
        });
    }
}

/// Tells the provider filter how many tokens were reserved for the answer.
fn cap_output(host: &mut dyn Host, policies: &[&Policy], expected: Expected, local: Option<u64>) {
    let counts = |policy: &&&Policy| {
        policy.reserve.enabled
            && policy.descriptors.iter().any(|descriptor| descriptor.unit != Unit::Requests)
    };
    let global = policies.iter().filter(counts).map(|policy| expected.output_cap(&policy.reserve));
    let cap = global.chain(local).min();
    let Some(cap) = cap.filter(|_| expected.generates) else { return };
    record::edit(host, |record| record.traits.output_cap = Some(cap));
}

/// A finished request as cost expressions see it, with the field names of agentgateway.
fn llm(usage: &Usage, record: Option<&Record<'_>>, model: Option<&Model>) -> Value {
    let text = |field: Option<&std::borrow::Cow<'_, str>>| field.map(|text| text.clone().into_owned());
    let mut llm = json!({
        "inputTokens": usage.input_total(),
        "outputTokens": usage.output,
        "totalTokens": usage.total(),
        "cachedInputTokens": usage.cache_read,
        "cacheCreationInputTokens": usage.cache_write,
        "reasoningTokens": usage.reasoning,
        "requestModel": record.and_then(|record| text(record.model.as_ref())),
        "responseModel": record.and_then(|record| text(record.answered_model.as_ref())),
        "provider": record.and_then(|record| text(record.provider.as_ref())),
        "streaming": record.is_some_and(|record| record.stream),
    });
    if let (Some(model), Some(llm)) = (model, llm.as_object_mut()) {
        #[expect(clippy::cast_precision_loss, reason = "dollars, for expressions that calculate with them")]
        let usd = model.cost(usage).total().nano_usd() as f64 / 1e9;
        llm.insert("cost".to_owned(), json!({"total": usd}));
    }
    llm
}

fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Requests => "requests",
        Unit::Tokens => "tokens",
        Unit::MicroUsd => "micro_usd",
    }
}

#[cfg(test)]
mod tests {
    use filter_config::variables::LLM_OF_USAGE;
    use price_catalogue::Catalogue;

    use super::*;

    #[test]
    fn what_was_used_is_what_is_said_to_be_there() {
        let json = br#"{"providers": {"p": {"models": {"m": {"rates": {"input": "1", "output": "1"}}}}}}"#;
        let catalogue = Catalogue::parse(json).unwrap();
        let value = llm(&Usage::default(), None, catalogue.lookup("p", "m").model());
        let mut members: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        let mut said = LLM_OF_USAGE.members.unwrap().to_vec();
        members.sort_unstable();
        said.sort_unstable();
        assert_eq!(members, said);
    }
}
