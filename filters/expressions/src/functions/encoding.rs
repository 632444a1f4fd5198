//! Base64, URLs and digests.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha2::Digest as _;

use super::{Function, made, mismatch, plain, text};
use crate::Error;
use crate::evaluate::Budget;
use crate::value::Val;

/// Writes padding and reads text with and without.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(crate) const FUNCTIONS: &[Function] = &[
    plain("base64.encode", 1, 1, base64_encode),
    plain("base64Encode", 1, 1, base64_encode),
    plain("base64.decode", 1, 1, base64_decode),
    plain("base64Decode", 1, 1, base64_decode),
    plain("url.encode", 1, 1, url_encode),
    plain("url.decode", 1, 1, url_decode),
    plain("sha1.encode", 1, 1, |budget, all| hex(budget, all, |bytes| sha1::Sha1::digest(bytes).to_vec())),
    plain("sha256.encode", 1, 1, |budget, all| {
        hex(budget, all, |bytes| sha2::Sha256::digest(bytes).to_vec())
    }),
    plain("md5.encode", 1, 1, |budget, all| hex(budget, all, |bytes| md5::Md5::digest(bytes).to_vec())),
];

/// The bytes of text or bytes.
fn bytes<'a>(operation: &'static str, all: &'a [Val<'_>]) -> Result<&'a [u8], Error> {
    match all {
        [Val::Str(text)] => Ok(text.as_str().as_bytes()),
        [Val::Bytes(bytes)] => Ok(bytes),
        _ => Err(mismatch(operation, all)),
    }
}

fn base64_encode<'v>(budget: &mut Budget, all: &[Val<'v>]) -> Result<Val<'v>, Error> {
    let bytes = bytes("base64.encode", all)?;
    budget.look(bytes.len())?;
    made(budget, LENIENT.encode(bytes))
}

fn base64_decode<'v>(budget: &mut Budget, all: &[Val<'v>]) -> Result<Val<'v>, Error> {
    let text = text(budget, "base64.decode", all, 0)?;
    budget.build(text.len())?;
    let bytes = LENIENT.decode(text).map_err(|_| Error::value("base64.decode", "the text is no base64"))?;
    Ok(Val::Bytes(bytes.into()))
}

/// Percent-encodes everything but unreserved characters (RFC 3986, section 2.3).
fn url_encode<'v>(budget: &mut Budget, all: &[Val<'v>]) -> Result<Val<'v>, Error> {
    let bytes = bytes("url.encode", all)?;
    budget.look(bytes.len())?;
    budget.build(bytes.len().saturating_mul(3))?;
    let mut encoded = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            // Writing into a String does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    Ok(Val::text(encoded))
}

fn url_decode<'v>(budget: &mut Budget, all: &[Val<'v>]) -> Result<Val<'v>, Error> {
    let text = text(budget, "url.decode", all, 0)?;
    budget.build(text.len())?;
    let malformed = || Error::value("url.decode", "a % is not followed by two hexadecimal digits");
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16)).ok_or_else(malformed);
        let value = digit()? * 16 + digit()?;
        decoded.push(u8::try_from(value).map_err(|_| malformed())?);
    }
    String::from_utf8(decoded)
        .map(Val::text)
        .map_err(|_| Error::value("url.decode", "the result is not UTF-8"))
}

/// A digest in lower-case hexadecimal.
fn hex<'v>(budget: &mut Budget, all: &[Val<'v>], digest: fn(&[u8]) -> Vec<u8>) -> Result<Val<'v>, Error> {
    let bytes = bytes("a digest", all)?;
    budget.look(bytes.len().saturating_mul(64))?;
    let mut text = String::new();
    for byte in digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    made(budget, text)
}
