//! Keys and tokens.

use super::cursor::{Cursor, Stop};
use super::private_key;
use crate::view::{View, mentions};

/// Longest JSON Web Token, in bytes: what fits into one header line of most servers.
const LONGEST_JWT: usize = 8192;
/// Longest token, in bytes; private keys aside.
pub(super) const LONGEST: usize = LONGEST_JWT;
/// Length of AWS's secret access keys.
const AWS_SECRET: usize = 40;

/// Tokens that begin with a word of their own.
struct Token {
    prefix: &'static str,
    /// What follows.
    class: fn(u8) -> bool,
    min: usize,
    max: usize,
    /// Letters and digits are in it, which words joined by hyphens do not have.
    mixed: bool,
}

const fn token(prefix: &'static str, class: fn(u8) -> bool, min: usize, max: usize) -> Token {
    Token { prefix, class, min, max, mixed: false }
}

const fn mixed(prefix: &'static str, class: fn(u8) -> bool, min: usize, max: usize) -> Token {
    Token { prefix, class, min, max, mixed: true }
}

/// As the vendors document them, or as their secret scanners know them.
const TOKENS: &[Token] = &[
    // AWS access key ids: four letters and 16 characters of base 32.
    token("AKIA", upper, 16, 16),
    token("ASIA", upper, 16, 16),
    token("ghp_", alphanumeric, 36, 255),
    token("gho_", alphanumeric, 36, 255),
    token("ghu_", alphanumeric, 36, 255),
    token("ghs_", alphanumeric, 36, 255),
    token("ghr_", alphanumeric, 36, 255),
    token("github_pat_", word, 36, 255),
    mixed("glpat-", dotted, 20, 300),
    mixed("xoxa-", hyphened, 10, 255),
    mixed("xoxb-", hyphened, 10, 255),
    mixed("xoxe-", hyphened, 10, 255),
    mixed("xoxo-", hyphened, 10, 255),
    mixed("xoxp-", hyphened, 10, 255),
    mixed("xoxr-", hyphened, 10, 255),
    mixed("xoxs-", hyphened, 10, 255),
    mixed("xapp-", hyphened, 10, 255),
    mixed("sk_live_", alphanumeric, 16, 255),
    mixed("rk_live_", alphanumeric, 16, 255),
    // OpenAI (`sk-…`, `sk-proj-…`) and Anthropic (`sk-ant-…`).
    mixed("sk-", url_safe, 20, 512),
    token("AIza", url_safe, 35, 35),
    token("npm_", alphanumeric, 36, 36),
    mixed("hf_", alphanumeric, 30, 64),
];

/// Whether a secret can begin with a byte.
pub(super) fn begins(byte: u8) -> bool {
    base64(byte) || byte == b'-'
}

fn upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn hyphened(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

fn url_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn dotted(byte: u8) -> bool {
    url_safe(byte) || byte == b'.'
}

fn base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+')
}

/// A key or token: of AWS, GitHub, GitLab, Slack, Stripe, OpenAI, Anthropic, Google, npm and Hugging Face, a JSON Web
/// Token, or a private key in PEM.
pub(super) fn at(view: &View<'_>, start: usize) -> Result<usize, Stop> {
    match view.byte(start) {
        Some(b'-') => return private_key::at(view, start),
        // Not inside of something longer of the same letters: each run of them is gone over once.
        Some(byte) if !view.char_before(start).is_some_and(|c| u8::try_from(c).is_ok_and(url_safe)) => {
            let mut open = None;
            for token in TOKENS.iter().filter(|token| token.prefix.as_bytes().first() == Some(&byte)) {
                match prefixed(view, start, token) {
                    Ok(end) => return Ok(end),
                    Err(stop @ (Stop::Open | Stop::OpenUntil { .. })) => open = Some(stop),
                    Err(_) => {}
                }
            }
            if let Some(stop) = open {
                return Err(stop);
            }
            if byte == b'e' {
                match json_web_token(view, start) {
                    Err(Stop::No) => {}
                    known => return known,
                }
            }
        }
        _ => {}
    }
    aws_secret(view, start)
}

fn prefixed(view: &View<'_>, start: usize, token: &Token) -> Result<usize, Stop> {
    let mut cursor = Cursor { view, at: start };
    cursor.exactly(token.prefix)?;
    let body = cursor.at;
    // One more than fits tells that it is something else, if its length is fixed.
    let fixed = token.min == token.max;
    cursor.run(token.class, body + token.max + usize::from(fixed))?;
    let text = view.slice(body, cursor.at);
    let text = if fixed { text } else { text.trim_end_matches(['.', '-']) };
    if text.len() < token.min || text.len() > token.max {
        return Err(Stop::No);
    }
    let letters = text.bytes().any(|byte| byte.is_ascii_alphabetic());
    let digits = text.bytes().any(|byte| byte.is_ascii_digit());
    if token.mixed && !(letters && digits) {
        return Err(Stop::No);
    }
    Ok(body + text.len())
}

/// A signed token, RFC 7519: header and claims are JSON objects, so that both begin with `eyJ`.
fn json_web_token(view: &View<'_>, start: usize) -> Result<usize, Stop> {
    let until = start + LONGEST_JWT;
    let mut cursor = Cursor { view, at: start };
    for _ in 0..2 {
        cursor.exactly("eyJ")?;
        let from = cursor.at;
        cursor.run(url_safe, until)?;
        if cursor.at - from < 8 {
            return Err(Stop::No);
        }
        cursor.exactly(".")?;
    }
    let signature = cursor.at;
    cursor.run(url_safe, until)?;
    if cursor.at - signature < 16 { Err(Stop::No) } else { Ok(cursor.at) }
}

/// 40 characters of base 64 with small and capital letters and digits, where the text speaks of AWS or a secret.
fn aws_secret(view: &View<'_>, start: usize) -> Result<usize, Stop> {
    if view.char_before(start).is_some_and(|c| u8::try_from(c).is_ok_and(base64)) {
        return Err(Stop::No);
    }
    let mut cursor = Cursor { view, at: start };
    let ran = cursor.run(base64, start + AWS_SECRET + 1);
    if ran.is_ok() && cursor.at - start != AWS_SECRET {
        return Err(Stop::No);
    }
    if !mentions(view.context_before(start), &["aws", "secret"]) {
        return Err(Stop::No);
    }
    ran?;
    let text = view.slice(start, cursor.at);
    let has = |class: fn(&u8) -> bool| text.as_bytes().iter().any(class);
    if has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_digit) {
        Ok(cursor.at)
    } else {
        Err(Stop::No)
    }
}
