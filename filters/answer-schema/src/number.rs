//! Numbers as mathematics has them: `1` and `1.0` are the same.

use std::cmp::Ordering;

use serde_json::Number;

/// A number of JSON: what fits into 64 bits is exact, all else is the nearest double.
#[derive(Clone, Copy)]
enum Exact {
    Whole(i128),
    Double(f64),
}

fn exact(number: &Number) -> Exact {
    if let Some(whole) = number.as_i64() {
        return Exact::Whole(whole.into());
    }
    match number.as_u64() {
        Some(whole) => Exact::Whole(whole.into()),
        None => Exact::Double(number.as_f64().unwrap_or_default()),
    }
}

/// Which is the larger.
pub(crate) fn compare(a: &Number, b: &Number) -> Ordering {
    match (exact(a), exact(b)) {
        (Exact::Whole(a), Exact::Whole(b)) => a.cmp(&b),
        (Exact::Double(a), Exact::Double(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        (Exact::Whole(a), Exact::Double(b)) => whole_and_double(a, b),
        (Exact::Double(a), Exact::Whole(b)) => whole_and_double(b, a).reverse(),
    }
}

fn whole_and_double(whole: i128, double: f64) -> Ordering {
    // Above 2^64 in size every double is larger than any whole number here; below, its whole part fits.
    if double.abs() >= 18_446_744_073_709_551_616.0 {
        return if double > 0.0 { Ordering::Less } else { Ordering::Greater };
    }
    #[expect(clippy::cast_possible_truncation, reason = "cut to its whole part, which fits")]
    let cut = double as i128;
    whole.cmp(&cut).then_with(|| 0.0_f64.partial_cmp(&double.fract()).unwrap_or(Ordering::Equal))
}

/// Whether it is a whole number, however it is written.
pub(crate) fn is_whole(number: &Number) -> bool {
    match exact(number) {
        Exact::Whole(_) => true,
        Exact::Double(double) => double.fract() == 0.0,
    }
}

/// A limit such as `minLength`: a whole number, not below zero.
pub(crate) fn count(number: &Number) -> Option<u64> {
    if let Some(count) = number.as_u64() {
        return Some(count);
    }
    let double = number.as_f64()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to fit and to be whole"
    )]
    (double.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&double)).then_some(double as u64)
}

/// Whether it is above zero.
pub(crate) fn is_positive(number: &Number) -> bool {
    compare(number, &Number::from(0_u8)) == Ordering::Greater
}

/// Whether `value` is a whole multiple of `divisor`, both taken as the decimal numbers they are written as.
pub(crate) fn is_multiple(value: &Number, divisor: &Number) -> bool {
    let ((value, value_exponent), (divisor, divisor_exponent)) = (decimal(value), decimal(divisor));
    if value == 0 || divisor == 0 {
        return value == 0;
    }
    match value_exponent.checked_sub(divisor_exponent).map(|shift| (shift >= 0, shift.unsigned_abs())) {
        // value · 10^shift over divisor
        Some((true, shift)) => {
            multiply_modulo(value % divisor, power_of_ten_modulo(shift, divisor), divisor) == 0
        }
        // value over divisor · 10^shift: if that is too large for 128 bits, it is larger than the value.
        Some((false, shift)) => 10_u128
            .checked_pow(shift)
            .and_then(|power| divisor.checked_mul(power))
            .is_some_and(|divisor| value % divisor == 0),
        None => false,
    }
}

/// Digits and exponent of ten; without the sign. The digits of a double are at most 17, those of a whole number 20.
fn decimal(number: &Number) -> (u128, i32) {
    match exact(number) {
        Exact::Whole(whole) => (whole.unsigned_abs(), 0),
        Exact::Double(double) => {
            // Such as 1.25e-7: the shortest decimal that means this double.
            let text = format!("{:e}", double.abs());
            let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
            let exponent: i32 = exponent.parse().unwrap_or_default();
            let digits = format!("{whole}{fraction}").parse().unwrap_or_default();
            (digits, exponent - i32::try_from(fraction.len()).unwrap_or_default())
        }
    }
}

/// `a · b mod modulus`; all are below 2^64 as long as the modulus is, which the digits above guarantee.
fn multiply_modulo(a: u128, b: u128, modulus: u128) -> u128 {
    a.wrapping_mul(b) % modulus
}

fn power_of_ten_modulo(mut exponent: u32, modulus: u128) -> u128 {
    let mut result = 1 % modulus;
    let mut base = 10 % modulus;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = multiply_modulo(result, base, modulus);
        }
        base = multiply_modulo(base, base, modulus);
        exponent >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Number {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn compares_whole_numbers_and_doubles_exactly() {
        for (a, b, expected) in [
            ("1", "1.0", Ordering::Equal),
            ("-1", "-1.5", Ordering::Greater),
            ("1", "1.5", Ordering::Less),
            ("9007199254740993", "9007199254740992.0", Ordering::Greater),
            ("18446744073709551615", "18446744073709551616.0", Ordering::Less),
            ("-9223372036854775808", "-1e300", Ordering::Greater),
            ("0", "-0.0", Ordering::Equal),
            ("0.1", "1e-1", Ordering::Equal),
        ] {
            assert_eq!(compare(&number(a), &number(b)), expected, "{a} {b}");
            assert_eq!(compare(&number(b), &number(a)), expected.reverse(), "{b} {a}");
        }
    }

    #[test]
    fn multiples_are_decimal() {
        for (value, divisor, expected) in [
            ("10", "2", true),
            ("7", "2", false),
            ("0", "2", true),
            ("-4.5", "1.5", true),
            ("0.0075", "0.0001", true),
            ("0.00751", "0.0001", false),
            ("0.3", "0.1", true),
            ("1e308", "0.123456789", false),
            ("1e308", "0.5", true),
            ("1e-308", "1e300", false),
            ("12391239123", "1e-8", true),
            ("18446744073709551615", "5", true),
        ] {
            assert_eq!(is_multiple(&number(value), &number(divisor)), expected, "{value} {divisor}");
        }
    }

    #[test]
    fn counts_are_whole() {
        assert_eq!(count(&number("2")), Some(2));
        assert_eq!(count(&number("2.0")), Some(2));
        for bad in ["-1", "1.5", "1e300"] {
            assert_eq!(count(&number(bad)), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn products_are_multiples(factor in -100_000_i64..100_000, cents in 1_i64..10_000) {
            let divisor = number(&format!("{}.{:02}", cents / 100, cents % 100));
            let product = factor * cents;
            let sign = if product < 0 { "-" } else { "" };
            let size = product.unsigned_abs();
            let value = number(&format!("{sign}{}.{:02}", size / 100, size % 100));
            prop_assert!(is_multiple(&value, &divisor), "{} {}", value, divisor);
        }

        #[test]
        fn any_numbers_compare(a in any::<f64>(), b in any::<i64>()) {
            if let Some(a) = Number::from_f64(a) {
                let b = Number::from(b);
                prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
                is_multiple(&a, &b);
                is_multiple(&b, &a);
            }
        }
    }
}
