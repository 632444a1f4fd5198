//! Providers, their models, and how a model is found.

use std::collections::BTreeMap;

use serde::Deserialize;

#[cfg(feature = "cost")]
use llm_dialects::hub::Usage;

#[cfg(feature = "cost")]
use crate::{Cost, cost};
use crate::{Error, Price, Rates, Tier};

/// Prices of models. Without any provider it is no catalogue: [`Lookup::NoCatalogue`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    providers: BTreeMap<String, Provider>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Provider {
    exact: BTreeMap<String, Model>,
    /// Longest first.
    patterns: Vec<Pattern>,
}

/// A name with one `*`, cut there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    prefix: String,
    suffix: String,
    model: Model,
}

impl Pattern {
    fn matches(&self, name: &str) -> bool {
        name.strip_prefix(&self.prefix).is_some_and(|rest| rest.ends_with(&self.suffix))
    }

    fn length(&self) -> usize {
        self.prefix.len() + self.suffix.len()
    }
}

/// What a catalogue says of one model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    /// Its prices, tiers aside.
    pub rates: Rates,
    /// Its tiers, lowest first.
    pub tiers: Vec<Tier>,
    /// Words agentgateway's Copilot provider uses; kept only.
    pub tags: Vec<String>,
}

impl Model {
    /// The prices of a request with so many input tokens, cached or not.
    pub fn rates_for(&self, input_tokens: u64) -> Rates {
        match self.tiers.iter().rfind(|tier| input_tokens > tier.context_over) {
            Some(tier) => self.rates.overlaid(&tier.rates),
            None => self.rates,
        }
    }

    /// What an exchange cost, in the tier its input puts it into.
    #[cfg(feature = "cost")]
    pub fn cost(&self, usage: &Usage) -> Cost {
        cost(&self.rates_for(usage.input_total()), usage)
    }

    /// The most that so many tokens can cost, in pico-dollars (10⁻¹² USD), whatever is cached, reasoned, heard or seen.
    /// What has no price costs nothing.
    pub fn highest_pico_usd(&self, input: u64, output: u64) -> u128 {
        let rates = self.rates_for(input);
        let of = |prices: &[Option<Price>]| {
            prices.iter().flatten().map(|price| u128::from(price.pico_usd_per_token())).max().unwrap_or(0)
        };
        let into = of(&[
            rates.input,
            rates.cache_read,
            rates.cache_write,
            rates.cache_write_1h,
            rates.input_audio,
            rates.input_image,
        ]);
        let out = of(&[rates.output, rates.reasoning, rates.output_audio, rates.output_image]);
        into.saturating_mul(input.into()).saturating_add(out.saturating_mul(output.into()))
    }

    fn is_priced(&self) -> bool {
        !self.rates.is_empty() || self.tiers.iter().any(|tier| !tier.rates.is_empty())
    }
}

/// What was found of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// The model under its own name.
    Exact(&'a Model),
    /// A pattern its name matches.
    Pattern(&'a Model),
    /// The model or its pattern is there, without a price.
    Unpriced,
    /// It is not there, or its provider is not.
    Missing,
    /// The catalogue holds no provider.
    NoCatalogue,
}

impl<'a> Lookup<'a> {
    /// The model, if it has a price.
    pub fn model(self) -> Option<&'a Model> {
        match self {
            Self::Exact(model) | Self::Pattern(model) => Some(model),
            Self::Unpriced | Self::Missing | Self::NoCatalogue => None,
        }
    }

    /// Its name in metrics: agentgateway's `exact`, `unpriced`, `missing`, `noCatalog`, and `pattern`.
    pub fn status(self) -> &'static str {
        match self {
            Self::Exact(_) => "exact",
            Self::Pattern(_) => "pattern",
            Self::Unpriced => "unpriced",
            Self::Missing => "missing",
            Self::NoCatalogue => "noCatalog",
        }
    }
}

impl Catalogue {
    /// Reads a catalogue.
    ///
    /// # Errors
    /// [`Error`] with the place that is wrong.
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let read: CatalogueJson = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            Error::Format { path: error.path().to_string(), message: error.inner().to_string() }
        })?;
        deserializer
            .end()
            .map_err(|error| Error::Format { path: ".".to_owned(), message: error.to_string() })?;
        let mut catalogue = Self::default();
        for (provider, ProviderJson { models }) in read.providers {
            let mut known = Provider::default();
            for (name, model) in models {
                let model = model.checked(&provider, &name)?;
                match name.split_once('*') {
                    None => {
                        known.exact.insert(name, model);
                    }
                    Some((_, suffix)) if suffix.contains('*') => {
                        return Err(Error::Pattern { provider, model: name });
                    }
                    Some((prefix, suffix)) => known.patterns.push(Pattern {
                        prefix: prefix.to_owned(),
                        suffix: suffix.to_owned(),
                        model,
                    }),
                }
            }
            known.sort();
            catalogue.providers.insert(provider, known);
        }
        Ok(catalogue)
    }

    /// Lays a later catalogue over this one: price by price where both know a model; its tiers and its tags, if it has
    /// any, replace this one's.
    pub fn merge(&mut self, later: Self) {
        for (name, provider) in later.providers {
            let known = self.providers.entry(name).or_default();
            for (name, model) in provider.exact {
                known.exact.entry(name).or_default().merge(model);
            }
            for pattern in provider.patterns {
                let same =
                    |other: &&mut Pattern| other.prefix == pattern.prefix && other.suffix == pattern.suffix;
                match known.patterns.iter_mut().find(same) {
                    Some(other) => other.model.merge(pattern.model),
                    None => known.patterns.push(pattern),
                }
            }
            known.sort();
        }
    }

    /// Finds a model of a provider, by its own name, then by pattern.
    pub fn lookup(&self, provider: &str, model: &str) -> Lookup<'_> {
        if self.providers.is_empty() {
            return Lookup::NoCatalogue;
        }
        let Some(known) = self.providers.get(provider) else {
            return Lookup::Missing;
        };
        let found = match known.exact.get(model) {
            Some(exact) => Lookup::Exact(exact),
            None => match known.patterns.iter().find(|pattern| pattern.matches(model)) {
                Some(pattern) => Lookup::Pattern(&pattern.model),
                None => return Lookup::Missing,
            },
        };
        if found.model().is_some_and(Model::is_priced) { found } else { Lookup::Unpriced }
    }
}

impl Catalogue {
    /// The model at every provider that has a price for it. For whoever must know what a request may cost before it is
    /// known who serves it: who is dearest depends on how much goes in and comes out.
    pub fn everywhere(&self, model: &str) -> impl Iterator<Item = &Model> {
        self.providers.keys().filter_map(|provider| self.lookup(provider, model).model())
    }

    /// The model with the highest price of input and output together, whoever serves it; `None` when nothing has a price.
    /// For names that stand for a model, which it is not known yet.
    pub fn dearest_of_all(&self) -> Option<&Model> {
        let models = self.providers.values().flat_map(|provider| {
            provider.exact.values().chain(provider.patterns.iter().map(|pattern| &pattern.model))
        });
        models.filter(|model| model.is_priced()).max_by_key(|model| price_of_both(model))
    }
}

/// What a token of input and one of output cost together, in 10⁻¹² of a dollar.
fn price_of_both(model: &Model) -> u64 {
    let price = |price: Option<Price>| price.map_or(0, Price::pico_usd_per_token);
    price(model.rates.input).saturating_add(price(model.rates.output))
}

impl Provider {
    fn sort(&mut self) {
        self.patterns.sort_by(|a, b| {
            b.length().cmp(&a.length()).then_with(|| (&a.prefix, &a.suffix).cmp(&(&b.prefix, &b.suffix)))
        });
    }
}

impl Model {
    fn merge(&mut self, later: Self) {
        self.rates = self.rates.overlaid(&later.rates);
        if !later.tiers.is_empty() {
            self.tiers = later.tiers;
        }
        if !later.tags.is_empty() {
            self.tags = later.tags;
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CatalogueJson {
    providers: BTreeMap<String, ProviderJson>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderJson {
    models: BTreeMap<String, ModelJson>,
}

#[derive(Deserialize)]
struct ModelJson {
    #[serde(default)]
    rates: Rates,
    #[serde(default)]
    tiers: Vec<Tier>,
    #[serde(default)]
    tags: Vec<String>,
}

impl ModelJson {
    fn checked(self, provider: &str, name: &str) -> Result<Model, Error> {
        let Self { rates, mut tiers, tags } = self;
        tiers.sort_by_key(|tier| tier.context_over);
        for (tier, next) in tiers.iter().zip(tiers.iter().skip(1)) {
            if tier.context_over == next.context_over {
                return Err(Error::Tiers {
                    provider: provider.to_owned(),
                    model: name.to_owned(),
                    context_over: tier.context_over,
                });
            }
        }
        Ok(Model { rates, tiers, tags })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Price;

    fn catalogue(json: &str) -> Catalogue {
        Catalogue::parse(json.as_bytes()).unwrap()
    }

    fn input(lookup: Lookup<'_>) -> String {
        lookup.model().unwrap().rates.input.unwrap().to_string()
    }

    #[test]
    fn finds_names_before_patterns_and_long_patterns_before_short_ones() {
        let known = catalogue(
            r#"{"providers":{"openai":{"models":{
                "gpt-5":{"rates":{"input":"1"}},
                "gpt-*":{"rates":{"input":"2"}},
                "gpt-*-mini":{"rates":{"input":"3"}},
                "*":{"rates":{"input":"4"}},
                "gpt-secret":{"tags":["openai_completions"]}
            }},"empty":{"models":{}}}}"#,
        );
        for (model, status, price) in [
            ("gpt-5", "exact", "1"),
            ("gpt-5-2026-01-01", "pattern", "2"),
            ("gpt-5-mini", "pattern", "3"),
            ("gpt--mini", "pattern", "3"),
            ("gpt-mini", "pattern", "2"),
            ("o3", "pattern", "4"),
            ("", "pattern", "4"),
        ] {
            let found = known.lookup("openai", model);
            assert_eq!((found.status(), input(found).as_str()), (status, price), "{model}");
        }
        assert_eq!(known.lookup("openai", "gpt-secret").status(), "unpriced");
        assert_eq!(known.lookup("empty", "gpt-5").status(), "missing");
        assert_eq!(known.lookup("anthropic", "gpt-5").status(), "missing");
        assert_eq!(Catalogue::default().lookup("openai", "gpt-5").status(), "noCatalog");
        assert_eq!(catalogue(r#"{"providers":{}}"#).lookup("openai", "gpt-5"), Lookup::NoCatalogue);
    }

    #[test]
    fn the_highest_tier_exceeded_holds_for_the_whole_request() {
        let known = catalogue(
            r#"{"providers":{"p":{"models":{"m":{
                "rates":{"input":"1","output":"10","cacheRead":"0.1"},
                "tiers":[{"contextOver":1000,"input":"3"},{"contextOver":100,"input":"2","output":"20"}]
            }}}}}"#,
        );
        let model = known.lookup("p", "m").model().unwrap();
        let prices = |tokens| {
            let rates = model.rates_for(tokens);
            [rates.input, rates.output, rates.cache_read].map(|price| price.unwrap().to_string())
        };
        assert_eq!(prices(0), ["1", "10", "0.1"]);
        assert_eq!(prices(100), ["1", "10", "0.1"]);
        assert_eq!(prices(101), ["2", "20", "0.1"]);
        assert_eq!(prices(1001), ["3", "10", "0.1"], "tiers do not build on each other");

        // Cached input counts towards the tier.
        let usage = Usage { input_uncached: 1, cache_read: 100, output: 1, ..Usage::default() };
        assert_eq!(model.cost(&usage).total().pico_usd(), 2_000_000 + 10_000_000 + 20_000_000);
    }

    #[test]
    fn later_catalogues_win_price_by_price() {
        let mut known = catalogue(
            r#"{"providers":{"p":{"models":{
                "m":{"rates":{"input":"1","output":"2"},"tiers":[{"contextOver":5,"input":"9"}],"tags":["a"]},
                "x-*":{"rates":{"input":"1","output":"2"}}
            }}}}"#,
        );
        known.merge(catalogue(
            r#"{"providers":{
                "p":{"models":{"m":{"rates":{"output":"3"}},"x-*":{"rates":{"input":"7"}},"x-y*":{"rates":{"input":"8"}}}},
                "q":{"models":{"n":{"rates":{"input":"5"}}}}
            }}"#,
        ));
        let price = |text| Price::parse(text);
        let m = known.lookup("p", "m").model().unwrap();
        assert_eq!((m.rates.input, m.rates.output), (price("1"), price("3")));
        assert_eq!((m.tiers.len(), m.tags.len()), (1, 1));
        let x = known.lookup("p", "x-1").model().unwrap();
        assert_eq!((x.rates.input, x.rates.output), (price("7"), price("2")));
        assert_eq!(input(known.lookup("p", "x-y1")), "8");
        assert_eq!(input(known.lookup("q", "n")), "5");

        known.merge(catalogue(
            r#"{"providers":{"p":{"models":{"m":{"tiers":[{"contextOver":6,"input":"8"}]}}}}}"#,
        ));
        assert_eq!(known.lookup("p", "m").model().unwrap().tiers.first().unwrap().context_over, 6);
    }

    #[test]
    fn refuses_with_the_place() {
        let error = |json: &str| Catalogue::parse(json.as_bytes()).unwrap_err().to_string();
        assert!(error("").contains("EOF"));
        assert!(error("{}").contains("missing field `providers`"));
        assert!(error(r#"{"providers":{},"currency":"EUR"}"#).contains("unknown field `currency`"));
        assert!(
            error(r#"{"providers":{"p":{"models":{},"url":""}}}"#)
                .starts_with("providers.p.url: unknown field")
                || error(r#"{"providers":{"p":{"models":{},"url":""}}}"#)
                    .starts_with("providers.p: unknown field")
        );
        let inside = error(r#"{"providers":{"p":{"models":{"m":{"rates":{"input":"-1"}}}}}}"#);
        assert!(inside.starts_with("providers.p.models.m.rates.input: invalid value"), "{inside}");
        let misspelt = error(r#"{"providers":{"p":{"models":{"m":{"rates":{"inputs":"1"}}}}}}"#);
        assert!(misspelt.contains("unknown field `inputs`"), "{misspelt}");
        assert!(
            error(r#"{"providers":{"p":{"models":{"a*b*":{}}}}}"#).contains("a*b*: a pattern has one `*`")
        );
        assert!(
            error(r#"{"providers":{"p":{"models":{"m":{"tiers":[{"contextOver":1},{"contextOver":1}]}}}}}"#)
                .contains("two of them have contextOver 1")
        );
        assert!(error(r#"{"providers":{}} trailing"#).contains("trailing"));
    }

    #[test]
    fn a_model_may_say_more_than_is_known() {
        let known = catalogue(
            r#"{"providers":{"p":{"models":{"m":{"rates":{"input":1},"limit":{"context":200000},"name":"M"}}}}}"#,
        );
        assert_eq!(known.lookup("p", "m").status(), "exact");
    }
}
