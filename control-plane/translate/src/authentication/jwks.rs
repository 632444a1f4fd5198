//! Key sets that are written into policies.
//!
//! Envoy refuses a whole listener for a key set without a key it can use, so only keys that it can use are handed on,
//! each checked here as Envoy and BoringSSL check it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::agreement;
use ring::rand::SystemRandom;
use serde_json::{Map, Value};

/// Sizes of RSA keys that are taken, in bits: smaller ones are not safe (RFC 7518, 3.3), larger ones too slow.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Exponents of RSA keys that BoringSSL takes.
const RSA_EXPONENTS: [u64; 2] = [3, 65_537];

/// Length of an Ed25519 key in bytes (RFC 8032, 5.1.5).
const ED25519_BYTES: usize = 32;

/// A key set, read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KeySet {
    /// The keys that can be used, as a key set in JSON.
    pub(super) json: String,
    /// Places of the others, and what is wrong with each.
    pub(super) unusable: Vec<(usize, String)>,
}

/// Reads a key set (RFC 7517).
///
/// # Errors
/// What is wrong with all of it, as a sentence about it.
pub(super) fn read(text: &str) -> Result<KeySet, String> {
    let set: Value = serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?;
    let Some(Value::Array(keys)) = set.get("keys") else {
        return Err("has no list `keys`".to_owned());
    };
    let mut usable = Vec::new();
    let mut unusable = Vec::new();
    for (place, key) in keys.iter().enumerate() {
        match read_key(key) {
            Ok(key) => usable.push(Value::Object(key)),
            Err(problem) => unusable.push((place, problem)),
        }
    }
    if usable.is_empty() {
        let why: Vec<String> =
            unusable.iter().map(|(place, problem)| format!("keys[{place}] {problem}")).collect();
        let why = if why.is_empty() { "it is empty".to_owned() } else { why.join(", ") };
        return Err(format!("has no key that can be used: {why}"));
    }
    Ok(KeySet { json: serde_json::json!({ "keys": usable }).to_string(), unusable })
}

/// The public part of a key, or what is wrong with it.
fn read_key(key: &Value) -> Result<Map<String, Value>, String> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    if text("use").is_some_and(|purpose| purpose != "sig") {
        return Err("is not for signatures".to_owned());
    }
    let (algorithms, parts): (&[&str], Vec<(&str, String)>) = match text("kty") {
        Some("RSA") => {
            let modulus = bytes(key, "n")?;
            let exponent = bytes(key, "e")?;
            check_rsa(&modulus, &exponent)?;
            let parts = vec![("n", encode(&modulus)), ("e", encode(&exponent))];
            (&["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"], parts)
        }
        Some("EC") => {
            let curve = text("crv").unwrap_or_default();
            let (agreement, length, algorithm): (_, _, &[&str]) = match curve {
                "P-256" => (&agreement::ECDH_P256, 32, &["ES256"]),
                "P-384" => (&agreement::ECDH_P384, 48, &["ES384"]),
                _ => return Err(format!("has the curve {curve:?}: only P-256 and P-384 are known")),
            };
            let (x, y) = (bytes(key, "x")?, bytes(key, "y")?);
            check_point(agreement, length, &x, &y)?;
            (algorithm, vec![("crv", curve.to_owned()), ("x", encode(&x)), ("y", encode(&y))])
        }
        Some("OKP") => {
            let x = bytes(key, "x")?;
            if text("crv") != Some("Ed25519") || x.len() != ED25519_BYTES {
                return Err("is not of the curve Ed25519".to_owned());
            }
            (&["EdDSA"], vec![("crv", "Ed25519".to_owned()), ("x", encode(&x))])
        }
        Some(kind) => return Err(format!("is of the type {kind:?}: only RSA, EC and OKP are known")),
        None => return Err("has no type `kty`".to_owned()),
    };
    if let Some(algorithm) = text("alg")
        && !algorithms.contains(&algorithm)
    {
        return Err(format!("has the algorithm {algorithm:?}, which does not go with its type"));
    }
    let named = ["kty", "kid", "alg"].into_iter().filter_map(|name| Some((name, text(name)?.to_owned())));
    Ok(named.chain(parts).map(|(name, value)| (name.to_owned(), Value::String(value))).collect())
}

/// A part of a key: base64url, with or without its padding.
fn bytes(key: &Value, name: &str) -> Result<Vec<u8>, String> {
    let text = key.get(name).and_then(Value::as_str).ok_or_else(|| format!("has no `{name}`"))?;
    let decoded = URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
    decoded.map_err(|_| format!("has a `{name}` that is not base64url"))
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn check_rsa(modulus: &[u8], exponent: &[u8]) -> Result<(), String> {
    let bits = match modulus.iter().position(|byte| *byte != 0) {
        Some(at) => {
            let rest = modulus.get(at..).unwrap_or_default();
            let spare = rest.first().map_or(0, |byte| byte.leading_zeros());
            (rest.len() * 8).saturating_sub(spare as usize)
        }
        None => 0,
    };
    if !RSA_BITS.contains(&bits) {
        return Err(format!("has {bits} bits, not {} to {}", RSA_BITS.start(), RSA_BITS.end()));
    }
    let odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
    let exponent = exponent.iter().fold(0_u64, |all, byte| all.saturating_mul(256) | u64::from(*byte));
    if !odd(modulus) || !RSA_EXPONENTS.contains(&exponent) {
        return Err("is no public key of RSA with the exponent 3 or 65537".to_owned());
    }
    Ok(())
}

/// Whether a point is on its curve: an exchange of keys with one that is not fails.
fn check_point(
    curve: &'static agreement::Algorithm,
    length: usize,
    x: &[u8],
    y: &[u8],
) -> Result<(), String> {
    if x.len() != length || y.len() != length {
        return Err(format!("has coordinates of {} and {} bytes, not {length}", x.len(), y.len()));
    }
    let point = [&[4], x, y].concat();
    let own = agreement::EphemeralPrivateKey::generate(curve, &SystemRandom::new());
    let met = own.and_then(|own| {
        agreement::agree_ephemeral(own, &agreement::UnparsedPublicKey::new(curve, point), |_| ())
    });
    met.map_err(|_| "is no point of its curve".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Public keys of RFC 7517, appendix A.1, and RFC 8037, appendix A.2.
    const EC: &str = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"sig","kid":"1"}"#;
    const ED: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    const RSA_MODULUS: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc\
        _BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqz\
        s8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0L\
        s1jF44-csFCur-kEgU8awapJzKnqDKgw";

    fn rsa(exponent: &str) -> String {
        format!(r#"{{"kty":"RSA","n":"{RSA_MODULUS}","e":"{exponent}","alg":"RS256","kid":"2011-04-29"}}"#)
    }

    fn set(keys: &[&str]) -> Result<KeySet, String> {
        read(&format!(r#"{{"keys":[{}]}}"#, keys.join(",")))
    }

    #[test]
    fn usable_keys_are_kept_and_others_named() {
        let secret = r#"{"kty":"oct","k":"AAAA"}"#;
        let of_another_use = ED.replace(r#""kty""#, r#""use":"enc","kty""#);
        let read = set(&[secret, EC, &rsa("AQAB"), &of_another_use, ED]).unwrap();
        let kept: Value = serde_json::from_str(&read.json).unwrap();
        let kinds: Vec<_> = kept["keys"].as_array().unwrap().iter().map(|key| &key["kty"]).collect();
        assert_eq!(kinds, ["EC", "RSA", "OKP"]);
        assert_eq!(read.unusable.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [0, 3]);
        // A private part that somebody has put there goes nowhere.
        let private = ED.replace(r#""kty""#, r#""d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","kty""#);
        assert!(!set(&[&private]).unwrap().json.contains("nWGxne"));
    }

    #[test]
    fn what_envoy_would_refuse_is_refused() {
        let off_the_curve = EC.replace("4Etl", "5Etl");
        let short = EC.replace("MKBC", "");
        let even = rsa("AQAC");
        let five = rsa("BQ");
        let small = rsa("AQAB").replace(RSA_MODULUS, "qqqqqqqqqqs");
        let mixed = rsa("AQAB").replace("RS256", "ES256");
        let broken = rsa("AQ*B");
        let curve = EC.replace("P-256", "P-521");
        for key in [&off_the_curve, &short, &even, &five, &small, &mixed, &broken, &curve, "{}", "7"] {
            assert!(set(&[key]).is_err(), "{key}");
        }
        for text in ["", "keys", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]}"#] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(
            set(&["{}", ED, &small]).unwrap().unusable,
            [(0, "has no type `kty`".to_owned()), (2, "has 64 bits, not 2048 to 8192".to_owned())]
        );
    }
}
