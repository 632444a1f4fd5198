//! Compares what came of an exchange with what must.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::Case;
use crate::error::Error;
use crate::message::{Headers, Message};
use crate::outcome::Outcome;
use crate::script::{Script, Splits, Subject};
use crate::split_check::{Density, check_splits};

impl Case {
    /// Runs the exchange cut in many ways, as [`check_splits`] does, and compares what came of it with the expected file.
    ///
    /// The same must come of it whoever runs it, but for what [`normalised`] evens out.
    ///
    /// # Errors
    /// Those of [`check_splits`]; [`Error::Unexpected`] if the outcome is not that of the file;
    /// [`Error::ExpectedUnreadable`]. With `UPDATE_GOLDEN` set the file is written instead of compared.
    pub fn check(&self, subject: &mut dyn Subject, density: &Density) -> Result<Outcome, Error> {
        let outcome = check_splits(&mut Normalising(subject), &self.script, &self.expected, density)?;
        let report = report(&outcome);
        let path = self.expected_path();
        let unreadable = |error: std::io::Error| Error::ExpectedUnreadable {
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &report).map_err(unreadable)?;
            return Ok(outcome);
        }
        let expected = std::fs::read_to_string(&path).map_err(unreadable)?;
        match expected.lines().zip(report.lines()).find(|(expected, got)| expected != got) {
            None if expected == report => Ok(outcome),
            difference => Err(Error::Unexpected {
                split: format!("`{}`, no split", self.name),
                what: "the outcome",
                detail: match difference {
                    Some((expected, got)) => {
                        format!("{} says `{expected}`, got `{got}`; all of it:\n{report}", path.display())
                    }
                    None => format!("{} is longer or shorter than what came:\n{report}", path.display()),
                },
            }),
        }
    }

    fn expected_path(&self) -> PathBuf {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts/expected");
        folder.join(format!("{}.txt", self.name))
    }
}

/// A subject whose outcomes can be compared with those of other subjects.
struct Normalising<'a>(&'a mut dyn Subject);

impl Subject for Normalising<'_> {
    fn exchange(&mut self, script: &Script, splits: &Splits) -> Outcome {
        normalised(self.0.exchange(script, splits))
    }
}

/// The outcome without what depends on who ran the exchange:
///
/// * The order of header fields: hosts set a header in its place or behind the others.
/// * The time of translation, `"created":<seconds>` in OpenAI's responses: the clock is the VM's, the fake host's, or the
///   real one. The number becomes 0, and `content-length` stays that of the real bytes.
/// * The number of times the route was chosen again becomes 0 or 1: under wasm each edit of a request header does it,
///   natively the filter asks for it once.
/// * Where the bodies were cut.
/// * Log lines: each ABI adds its own.
///
/// Not evened out, because [`Outcome::filter_state`] leaves it out already: under wasm Envoy puts `wasm.` in front of the
/// keys of filter state.
pub fn normalised(mut outcome: Outcome) -> Outcome {
    for message in [&mut outcome.request, &mut outcome.response] {
        message.headers = message.headers.as_ref().map(sorted);
        let body = message.body();
        message.chunks = if body.is_empty() { Vec::new() } else { vec![body] };
    }
    outcome.response.chunks = outcome.response.chunks.iter().map(|body| without_clock(body)).collect();
    if let Some(reply) = &mut outcome.local_reply {
        reply.headers = sorted(&reply.headers);
        reply.body = without_clock(&reply.body);
    }
    outcome.route_cache_clears = outcome.route_cache_clears.min(1);
    outcome.logs.clear();
    outcome
}

fn sorted(headers: &Headers) -> Headers {
    let mut fields: Vec<(&str, &[u8])> = headers.iter().collect();
    fields.sort_by_key(|(name, _)| *name);
    let mut sorted = Headers::new();
    for (name, value) in fields {
        sorted.add(name, value);
    }
    sorted
}

fn without_clock(body: &[u8]) -> Vec<u8> {
    const CREATED: &[u8] = b"\"created\":";
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.windows(CREATED.len()).position(|window| window == CREATED) {
        let (before, behind) = rest.split_at(at + CREATED.len());
        let digits = behind.iter().take_while(|byte| byte.is_ascii_digit()).count();
        out.extend_from_slice(before);
        let (number, behind) = behind.split_at(digits);
        // The scripts' own answers say 1.
        out.extend_from_slice(if digits < 10 { number } else { b"0" });
        rest = behind;
    }
    out.extend_from_slice(rest);
    out
}

/// A normalised outcome for people to read and to compare.
fn report(outcome: &Outcome) -> String {
    let mut out = String::new();
    section(&mut out, "What the provider receives", &outcome.request);
    section(&mut out, "What the client receives", &outcome.response);
    out.push_str("=== What else happened\n");
    if let Some(reply) = &outcome.local_reply {
        let _ = writeln!(out, "answered here: {} {} ({:?})", reply.status, reply.details, reply.origin);
    }
    if outcome.reset {
        out.push_str("the stream was reset\n");
    }
    if outcome.route_cache_clears > 0 {
        out.push_str("the route was chosen again\n");
    }
    for (key, value) in &outcome.timeless_filter_state() {
        let _ = writeln!(out, "{key} = {}", String::from_utf8_lossy(value));
    }
    out
}

fn section(out: &mut String, title: &str, message: &Message) {
    let _ = writeln!(out, "=== {title}");
    let Some(headers) = &message.headers else {
        out.push_str("nothing\n\n");
        return;
    };
    fields(out, headers);
    // Carriage returns would get lost in editors.
    let body = String::from_utf8_lossy(&message.body()).replace('\r', "␍");
    let _ = writeln!(out, "\n{body}");
    if let Some(trailers) = &message.trailers {
        out.push('\n');
        fields(out, trailers);
    }
    out.push_str(if message.ended { "\n" } else { "… and no end\n\n" });
}

fn fields(out: &mut String, headers: &Headers) {
    for (name, value) in headers.iter() {
        let _ = writeln!(out, "{name}: {}", String::from_utf8_lossy(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripts::cases;

    #[test]
    fn the_clock_is_taken_out_wherever_it_stands() {
        let body = br#"{"created":1700000000,"x":{"created":5},"created":null} "created":"#;
        assert_eq!(without_clock(body), br#"{"created":0,"x":{"created":5},"created":null} "created":"#);
    }

    #[test]
    fn headers_are_compared_in_one_order() {
        let headers = Headers::from(&[("b", "1"), ("a", "1"), ("b", "0")][..]);
        assert_eq!(sorted(&headers), Headers::from(&[("a", "1"), ("b", "1"), ("b", "0")][..]));
    }

    #[test]
    fn every_case_has_one_expected_file_and_every_file_a_case() {
        let mut named: Vec<PathBuf> = cases().iter().map(Case::expected_path).collect();
        named.sort();
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts/expected");
        let mut there: Vec<PathBuf> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        there.sort();
        assert_eq!(named, there);
    }
}
