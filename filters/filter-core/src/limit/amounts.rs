//! What a request may use at most, and what it has used.

use filter_config::{Endpoint, OnUnknownUsage, Reserve, Sends, Unit};
use llm_dialects::hub::Usage;
use price_catalogue::{Catalogue, Model};

use crate::provider::Aliases;
use crate::record::{Outcome, Record, RecordedUsage};

/// What is known of a request before it is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Expected {
    /// Tokens of its input, counted here.
    pub(super) input: u64,
    /// Most tokens of output it asks for, all answers together; `None` when it does not say.
    pub(super) output: Option<u64>,
    /// Tokens are generated.
    pub(super) generates: bool,
}

impl Expected {
    /// Most output tokens that are reserved.
    pub(super) fn output_cap(self, reserve: &Reserve) -> u64 {
        if !self.generates {
            return 0;
        }
        let asked = self.output.unwrap_or(reserve.output_tokens);
        reserve.clamp_output_tokens.map_or(asked, |most| asked.min(most))
    }

    /// What is reserved of `unit`.
    pub(super) fn reservation(self, unit: Unit, reserve: &Reserve, models: &[&Model]) -> u64 {
        match unit {
            Unit::Requests => 1,
            _ if !reserve.enabled => 0,
            Unit::Tokens => self.input.saturating_add(self.output_cap(reserve)),
            Unit::MicroUsd => self.highest_price(reserve, models),
        }
    }

    /// What is taken of a bucket in which `there` is left of at most `capacity`: the reservation, or, where the client does
    /// not say how long the answer may be, as much of it as there is, and fewer tokens of output then.
    ///
    /// # Errors
    /// What would be needed.
    pub(super) fn fit(
        self,
        unit: Unit,
        reserve: &Reserve,
        models: &[&Model],
        there: u64,
        capacity: u64,
    ) -> Result<Fit, u64> {
        let most = self.reservation(unit, reserve, models);
        let output = self.output_cap(reserve);
        // Looking takes nothing, but there must be something to be taken.
        if most.max(1) <= there {
            return Ok(Fit { amount: most, output });
        }
        if unit == Unit::Requests || !reserve.enabled || self.output.is_some() || output == 0 {
            return Err(most.max(1));
        }
        let of = |output| Self { output: Some(output), ..self }.reservation(unit, reserve, models);
        // Shorter answers are of no use, unless the bucket never holds more.
        let useful = of((output / USEFUL_PART).max(1)).min(capacity).max(of(1));
        if useful > there {
            return Err(useful);
        }
        let (mut fits, mut exceeds) = (1, output);
        while fits + 1 < exceeds {
            let middle = fits + (exceeds - fits) / 2;
            if of(middle) <= there { fits = middle } else { exceeds = middle }
        }
        Ok(Fit { amount: of(fits), output: fits })
    }

    /// What it can cost at most at any of these prices, in millionths of a dollar: who answers, caches, reasons or does
    /// not is known later.
    fn highest_price(self, reserve: &Reserve, models: &[&Model]) -> u64 {
        let (input, output) = (self.input, self.output_cap(reserve));
        let highest = models.iter().map(|model| model.highest_pico_usd(input, output)).max().unwrap_or(0);
        u64::try_from(highest.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

/// What is taken for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fit {
    pub(super) amount: u64,
    /// Tokens of output among it.
    pub(super) output: u64,
}

/// Most tokens, or millionths of a dollar, that one request counts: Envoy 1.40 leaves out descriptors with more, and a
/// usage nobody can have must not empty a bucket for years.
pub(super) const MOST_COUNTED: u64 = 1_000_000_000;

/// Whether requests to an endpoint use nothing: lists of models, and counts of tokens, which no provider charges for.
pub(super) fn is_free(endpoint: Endpoint) -> bool {
    matches!(
        endpoint,
        Endpoint::OpenaiModels
            | Endpoint::AnthropicCountTokens
            | Endpoint::GeminiCountTokens
            | Endpoint::BedrockCountTokens
    )
}

/// An answer that has less than this part of the tokens it could have is not begun.
const USEFUL_PART: u64 = 16;

/// What a finished request has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Used {
    /// So many tokens.
    Known(Usage),
    /// No provider was asked, or it failed before it did anything.
    Nothing,
    /// Nobody says.
    Unknown,
}

impl Used {
    /// What the record of a finished request says, for which `sent` says whether any server was asked.
    pub(super) fn of(record: Option<&Record<'_>>, sent: bool) -> Self {
        // Nobody has taken it for a request to a model.
        let Some(record) = record else { return Self::Nothing };
        let client = record.client.as_deref().and_then(Endpoint::from_name);
        if client.is_some_and(is_free) {
            return Self::Nothing;
        }
        if let Some(usage) = record.usage {
            return Self::Known(usage_of(usage));
        }
        let asked = sent || record.provider.is_some();
        match record.outcome {
            Outcome::Refused | Outcome::Failed => Self::Nothing,
            Outcome::Partial if !asked => Self::Nothing,
            Outcome::Partial | Outcome::Complete => Self::Unknown,
        }
    }

    /// What is charged of `unit` for which `reserved` was reserved. A price nobody knows counts as a usage nobody knows.
    pub(super) fn charge(
        self,
        unit: Unit,
        reserved: u64,
        on_unknown: OnUnknownUsage,
        model: Option<&Model>,
    ) -> u64 {
        match (unit, self, model) {
            // A request is one, whatever became of it.
            (Unit::Requests, _, _) => reserved,
            (_, Self::Nothing, _) => 0,
            (Unit::Tokens, Self::Known(usage), _) => tokens(&usage).min(MOST_COUNTED),
            (Unit::MicroUsd, Self::Known(usage), Some(model)) => micro_usd(model, &usage).min(MOST_COUNTED),
            (_, Self::Unknown, _) | (Unit::MicroUsd, Self::Known(_), None) => match on_unknown {
                OnUnknownUsage::ChargeReserved => reserved,
                OnUnknownUsage::Refund => 0,
            },
        }
    }
}

/// All tokens, cached ones included.
fn tokens(usage: &Usage) -> u64 {
    [usage.input_uncached, usage.cache_read, usage.cache_write, usage.output]
        .into_iter()
        .fold(0, u64::saturating_add)
}

/// Millionths of a dollar; parts of one count as one.
fn micro_usd(model: &Model, usage: &Usage) -> u64 {
    model.cost(usage).total().nano_usd().div_ceil(1000)
}

/// The prices of which the highest is reserved before it is known who serves a request for the model `asked`: all that
/// anybody asks for what the providers of its route may be sent. A name in no catalogue may stand for any model.
pub(super) fn possible_prices<'c>(
    prices: Option<&'c Catalogue>,
    asked: &str,
    sends: &[Sends],
) -> Vec<&'c Model> {
    let Some(prices) = prices else { return Vec::new() };
    let mut possible = Vec::new();
    let mut add = |name: Option<&str>| {
        let before = possible.len();
        possible.extend(name.into_iter().flat_map(|name| prices.everywhere(name)));
        if possible.len() == before {
            possible.extend(prices.dearest_of_all());
        }
    };
    if sends.is_empty() {
        add(Some(asked));
    }
    for sent in sends {
        let model = sent.model.as_deref().unwrap_or(asked);
        let aliases = Aliases::new(&sent.aliases);
        add(Some(aliases.resolve(model).unwrap_or(model)).filter(|_| !sent.any));
    }
    possible
}

/// The price of what has answered a request.
pub(super) fn price<'c>(prices: Option<&'c Catalogue>, record: &Record<'_>) -> Option<&'c Model> {
    let (prices, provider) = (prices?, record.provider.as_deref()?);
    // Providers answer with the full name of what they were sent; not all of them say. What the client called it is a name
    // for something else where another was sent.
    let sent = record.sent_model.as_ref().or(record.model.as_ref());
    let names = [record.answered_model.as_ref(), sent];
    names.into_iter().flatten().find_map(|name| prices.lookup(provider, name).model())
}

/// The usage a record holds.
pub(super) fn usage_of(recorded: RecordedUsage) -> Usage {
    Usage {
        input_uncached: recorded.input,
        cache_read: recorded.cache_read,
        cache_write: recorded.cache_write,
        output: recorded.output,
        reasoning: recorded.reasoning,
        cache_write_1h: recorded.cache_write_1h,
        audio_input: recorded.audio_input,
        audio_output: recorded.audio_output,
        image_input: recorded.image_input,
        image_output: recorded.image_output,
    }
}
