//! Sums of money.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;

use crate::Price;
use crate::price::write_decimal;

/// Pico-dollars in a dollar, and its zeros.
const PICO_PER_USD: u128 = 1_000_000_000_000;
const DECIMALS: usize = 12;

/// A sum of money, in whole pico-dollars (10⁻¹² USD). Shown in US dollars, exactly: `0.000123`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(u128);

impl Amount {
    /// What so many tokens cost. It cannot overflow: 2⁶⁴ tokens at the highest price are below 2¹⁰⁴ pico-dollars.
    pub fn of(tokens: u64, price: Price) -> Self {
        Self(u128::from(tokens) * u128::from(price.pico_usd_per_token()))
    }

    /// In pico-dollars.
    pub fn pico_usd(self) -> u128 {
        self.0
    }

    /// In nano-dollars (10⁻⁹ USD), rounded half up; at most `u64::MAX`, which is 18 thousand million dollars.
    pub fn nano_usd(self) -> u64 {
        u64::try_from(self.0.saturating_add(500) / 1000).unwrap_or(u64::MAX)
    }
}

impl Add for Amount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), Add::add)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(f, self.0, PICO_PER_USD, DECIMALS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_once_and_half_up() {
        let pico = |tokens| Amount::of(tokens, Price::parse("0.000001").unwrap());
        assert_eq!(pico(499).nano_usd(), 0);
        assert_eq!(pico(500).nano_usd(), 1);
        assert_eq!(pico(1499).nano_usd(), 1);
        assert_eq!(pico(1500).nano_usd(), 2);
        assert_eq!((pico(400) + pico(400)).nano_usd(), 1, "the sum is rounded, not its parts");
    }

    #[test]
    fn shows_dollars() {
        let amount = |tokens, price| Amount::of(tokens, Price::parse(price).unwrap()).to_string();
        assert_eq!(amount(0, "3"), "0");
        assert_eq!(amount(1, "0.000001"), "0.000000000001");
        assert_eq!(amount(1_000_000, "3"), "3");
        assert_eq!(amount(1500, "0.25"), "0.000375");
    }

    #[test]
    fn holds_the_largest() {
        let most = Amount::of(u64::MAX, Price::parse("1000000").unwrap());
        assert_eq!(most.pico_usd(), u128::from(u64::MAX) * PICO_PER_USD);
        assert_eq!(most.nano_usd(), u64::MAX);
    }
}
