//! What tokens cost.
//!
//! [`Catalogue::parse`] reads a catalogue in agentgateway's format (`examples/prices.json` is one); a later file is laid
//! over an earlier one with [`Catalogue::merge`]. [`Catalogue::lookup`] finds a model, [`Model::cost`] or [`cost`] says
//! what an exchange cost.
//!
//! ```json
//! {"providers": {"anthropic": {"models": {"claude-haiku-5-5": {
//!   "rates": {"input": "0.10", "output": "0.50", "cacheRead": "0.01"},
//!   "tiers": [{"contextOver": 100000, "input": "0.50", "output": "2.50", "cacheRead": "0.05"}]
//! }}}}}
//! ```
//!
//! # Format
//! Prices are US dollars per million tokens, as strings or numbers. A price that is not there falls back:
//!
//! | price | of | if absent |
//! |---|---|---|
//! | `input` | input tokens neither read from nor written to the prompt cache | not priced |
//! | `cacheRead` | input tokens read from the cache | `input` |
//! | `cacheWrite` | input tokens written to the cache | `input` |
//! | `cacheWrite1h` | those of them that are kept for an hour | `cacheWrite`, then `input` |
//! | `inputAudio`, `inputImage` | audio and images in the uncached input | `input` |
//! | `output` | generated tokens | not priced |
//! | `reasoning`, `outputAudio`, `outputImage` | those of them that are reasoning, audio, images | `output` |
//!
//! `cacheWrite1h`, `inputImage` and `outputImage` are Weir's additions. Fallbacks to `input` charge rather too much than
//! too little for the cache of a model whose discount is not in the catalogue. Tokens without any price are counted in
//! [`Cost::unpriced_tokens`] and cost nothing.
//!
//! A tier holds for a whole request, output included, when its input (cached or not) has more than `contextOver` tokens;
//! the one with the largest `contextOver` that is exceeded counts. What it does not price keeps the price outside of
//! tiers.
//!
//! A model's name may hold one `*`, which stands for any characters: the name itself is looked for first, then patterns,
//! longest first, as in `modelAliases`. agentgateway knows exact names only. `tags` are kept and not used. Unknown fields
//! of the catalogue, a provider, rates and tiers are refused; those of a model are ignored.
//!
//! # Exactness
//! Prices are whole pico-dollars per token (a millionth of a dollar per million tokens; what is finer is rounded, half
//! up), sums are whole pico-dollars in 128 bits. Only [`Amount::nano_usd`] rounds again, once, at the end.
#![forbid(unsafe_code)]

#[cfg(feature = "cost")]
mod amount;
mod catalogue;
#[cfg(feature = "cost")]
mod cost;
mod error;
mod price;
mod rates;

#[cfg(feature = "cost")]
pub use amount::Amount;
pub use catalogue::{Catalogue, Lookup, Model};
#[cfg(feature = "cost")]
pub use cost::{Cost, cost};
pub use error::Error;
pub use price::Price;
pub use rates::{Rates, Tier};
