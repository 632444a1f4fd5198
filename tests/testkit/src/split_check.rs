//! Replays a script cut at every place and compares the outcomes.

use crate::error::Error;
use crate::message::Headers;
use crate::outcome::{Metric, Outcome};
use crate::script::{Ending, Script, Splits, Subject};

/// How densely bodies are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Density {
    /// The first so many bytes of each body are cut at every single place.
    pub every_up_to: usize,
    /// Longer bodies are also cut at this many seeded places beyond.
    pub sampled: usize,
    /// Runs with several cuts in both bodies.
    pub random: usize,
}

impl Density {
    /// Every place up to 400 bytes, 50 beyond, 20 random runs: for one script in a VM, or many natively.
    pub const FULL: Self = Self { every_up_to: 400, sampled: 50, random: 20 };
    /// Every place, and 20 random runs.
    pub const EVERY: Self = Self { every_up_to: usize::MAX, sampled: 0, random: 20 };
    /// 30 seeded places in each body and 10 random runs: for many scripts in a VM.
    pub const SAMPLED: Self = Self { every_up_to: 0, sampled: 30, random: 10 };
}

/// Fixed, so that a failure can be repeated.
const SEED: u64 = 0x5745_4952;

/// What the unsplit run must have produced. Unset parts are only checked for not depending on the split.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// Forwarded request body.
    pub request_body: Option<Vec<u8>>,
    /// Response body the client receives.
    pub response_body: Option<Vec<u8>>,
    /// Response status the client receives.
    pub status: Option<u16>,
}

impl Expected {
    /// Nothing but independence of the split.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Expects this forwarded request body.
    #[must_use]
    pub fn request_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.request_body = Some(body.into());
        self
    }

    /// Expects this response body.
    #[must_use]
    pub fn response_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.response_body = Some(body.into());
        self
    }

    /// Expects this response status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }
}

/// Runs `script` whole, byte by byte, at every two-way split of each body (every place up to 400 bytes, 50 seeded places
/// beyond) and at 20 seeded random multi-splits, with both kinds of ending.
///
/// Headers, concatenated bodies, trailers, the local reply, filter state and metrics must be the same each time; where the
/// output was cut may differ. Returns the outcome of the unsplit run.
///
/// # Errors
/// [`Error::Unexpected`] if the unsplit run differs from `expected` or trapped, [`Error::DependsOnSplit`] naming the first
/// split with another outcome.
pub fn check_every_split(
    subject: &mut dyn Subject,
    script: &Script,
    expected: &Expected,
) -> Result<Outcome, Error> {
    check_splits(subject, script, expected, &Density::FULL)
}

/// Like [`check_every_split`], with the splits one can afford.
///
/// # Errors
/// The same.
pub fn check_splits(
    subject: &mut dyn Subject,
    script: &Script,
    expected: &Expected,
    density: &Density,
) -> Result<Outcome, Error> {
    let whole = Splits::whole();
    let reference = subject.exchange(script, &whole);
    check_expected(&reference, expected).map_err(|(what, detail)| Error::Unexpected {
        split: describe(&whole, script),
        what,
        detail,
    })?;
    for splits in plan(script.request.body.len(), script.response.body.len(), density) {
        let outcome = subject.exchange(script, &splits);
        same(&reference, &outcome).map_err(|(what, detail)| Error::DependsOnSplit {
            split: describe(&splits, script),
            what,
            detail,
        })?;
    }
    Ok(reference)
}

fn plan(request: usize, response: usize, density: &Density) -> Vec<Splits> {
    let mut random = Random(SEED);
    let mut plan = vec![Splits { ending: Ending::EmptyChunk, ..Splits::whole() }];
    for ending in [Ending::WithLastChunk, Ending::EmptyChunk] {
        plan.push(Splits { request: (1..request).collect(), response: (1..response).collect(), ending });
    }
    for at in two_way(request, density, &mut random) {
        plan.push(Splits { request: vec![at], ..Splits::whole() });
    }
    for at in two_way(response, density, &mut random) {
        plan.push(Splits { response: vec![at], ..Splits::whole() });
    }
    for run in 0..density.random {
        let ending = if run % 2 == 0 { Ending::WithLastChunk } else { Ending::EmptyChunk };
        plan.push(Splits {
            request: several(request, &mut random),
            response: several(response, &mut random),
            ending,
        });
    }
    plan
}

fn two_way(length: usize, density: &Density, random: &mut Random) -> Vec<usize> {
    let beyond = density.every_up_to.saturating_add(1);
    let mut places: Vec<usize> = (1..length.min(beyond)).collect();
    if length > beyond {
        places.extend((0..density.sampled).map(|_| random.between(beyond, length)));
        places.sort_unstable();
        places.dedup();
    }
    places
}

fn several(length: usize, random: &mut Random) -> Vec<usize> {
    if length < 2 {
        return Vec::new();
    }
    let count = random.between(1, 12.min(length));
    let mut places: Vec<usize> = (0..count).map(|_| random.between(1, length)).collect();
    places.sort_unstable();
    places.dedup();
    places
}

/// The splitmix64 generator (Steele, Lea, Flood 2014): enough for choosing places to cut, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `low..high`; `low` if that range is empty.
    fn between(&mut self, low: usize, high: usize) -> usize {
        let width = high.saturating_sub(low).max(1) as u64;
        low + (self.next() % width) as usize
    }
}

type Difference = (&'static str, String);

fn check_expected(outcome: &Outcome, expected: &Expected) -> Result<(), Difference> {
    if let Some(trap) = &outcome.trap {
        return Err(("the run", format!("trapped: {trap}")));
    }
    if let Some(status) = expected.status
        && outcome.response.status() != Some(status)
    {
        let got = outcome.response.status();
        return Err(("the response status", format!("expected {status}, got {got:?}")));
    }
    if let Some(body) = &expected.request_body {
        bytes("the forwarded request body", body, &outcome.request.body())?;
    }
    if let Some(body) = &expected.response_body {
        bytes("the response body", body, &outcome.response.body())?;
    }
    Ok(())
}

fn same(reference: &Outcome, outcome: &Outcome) -> Result<(), Difference> {
    if let Some(trap) = &outcome.trap {
        return Err(("the run", format!("trapped: {trap}")));
    }
    value("the local reply", &reference.local_reply, &outcome.local_reply)?;
    value("the reset", &reference.reset, &outcome.reset)?;
    headers("the request headers", &reference.request.headers, &outcome.request.headers)?;
    bytes("the forwarded request body", &reference.request.body(), &outcome.request.body())?;
    headers("the request trailers", &reference.request.trailers, &outcome.request.trailers)?;
    value("the end of the request", &reference.request.ended, &outcome.request.ended)?;
    headers("the response headers", &reference.response.headers, &outcome.response.headers)?;
    bytes("the response body", &reference.response.body(), &outcome.response.body())?;
    headers("the response trailers", &reference.response.trailers, &outcome.response.trailers)?;
    value("the end of the response", &reference.response.ended, &outcome.response.ended)?;
    value("the filter state", &reference.timeless_filter_state(), &outcome.timeless_filter_state())?;
    let touched = |outcome: &Outcome| -> Vec<(String, Metric)> {
        outcome.metrics.iter().map(|(name, metric)| (name.clone(), metric.clone())).collect()
    };
    value("the metrics", &touched(reference), &touched(outcome))
}

fn value<T: PartialEq + std::fmt::Debug>(what: &'static str, wanted: &T, got: &T) -> Result<(), Difference> {
    if wanted == got { Ok(()) } else { Err((what, format!("expected {wanted:?}, got {got:?}"))) }
}

fn headers(what: &'static str, wanted: &Option<Headers>, got: &Option<Headers>) -> Result<(), Difference> {
    value(what, wanted, got)
}

fn bytes(what: &'static str, wanted: &[u8], got: &[u8]) -> Result<(), Difference> {
    if wanted == got {
        return Ok(());
    }
    let at = wanted.iter().zip(got).take_while(|(a, b)| a == b).count();
    let excerpt = |bytes: &[u8]| {
        let from = at.saturating_sub(20);
        let to = (at + 60).min(bytes.len());
        String::from_utf8_lossy(bytes.get(from..to).unwrap_or_default()).into_owned()
    };
    Err((
        what,
        format!(
            "first difference at byte {at} (lengths {} and {}): expected …{:?}…, got …{:?}…",
            wanted.len(),
            got.len(),
            excerpt(wanted),
            excerpt(got)
        ),
    ))
}

fn describe(splits: &Splits, script: &Script) -> String {
    let side = |name: &str, offsets: &[usize], body: &[u8]| match offsets {
        [] => format!("the {name} whole"),
        _ if offsets.len() + 1 == body.len() => format!("the {name} byte by byte"),
        [at] => {
            let near = |from: usize, to: usize| {
                String::from_utf8_lossy(body.get(from..to).unwrap_or_default()).into_owned()
            };
            format!(
                "the {name} cut at byte {at} ({:?} | {:?})",
                near(at.saturating_sub(12), *at),
                near(*at, (at + 12).min(body.len()))
            )
        }
        _ => format!("the {name} cut at bytes {offsets:?}"),
    };
    let ending = match splits.ending {
        Ending::WithLastChunk => "",
        Ending::EmptyChunk => ", ended by an empty chunk",
    };
    format!(
        "{}, {}{ending}",
        side("request", &splits.request, &script.request.body),
        side("response", &splits.response, &script.response.body)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Forwards both bodies; `flaw` sees each response chunk and may change it.
    struct Echo<F>(F);

    impl<F: FnMut(&[u8]) -> Vec<u8>> Subject for Echo<F> {
        fn exchange(&mut self, script: &Script, splits: &Splits) -> Outcome {
            let mut outcome = Outcome::default();
            outcome.request.headers = Some(script.request.headers.clone());
            for (chunk, end) in splits.chunks(&script.request.body, &splits.request, false) {
                outcome.request.chunks.push(chunk.to_vec());
                outcome.request.ended |= end;
            }
            outcome.response.headers = Some(script.response.headers.clone());
            for (chunk, end) in splits.chunks(&script.response.body, &splits.response, false) {
                outcome.response.chunks.push((self.0)(chunk));
                outcome.response.ended |= end;
            }
            outcome
        }
    }

    #[test]
    fn accepts_a_subject_that_ignores_the_split() {
        let mut runs = 0;
        let script = Script::json("/", "request", "response");
        let mut echo = Echo(|chunk: &[u8]| {
            runs += 1;
            chunk.to_vec()
        });
        let expected = Expected::nothing().request_body("request").response_body("response").status(200);
        let outcome = check_every_split(&mut echo, &script, &expected).unwrap();
        assert_eq!(outcome.response.body(), b"response");
        // Whole twice, byte by byte twice, 6 + 7 two-way splits, 20 random ones: each has at least one chunk.
        assert!(runs > 2 + 2 * 8 + 13 + 20, "{runs}");
    }

    #[test]
    fn names_the_split_that_breaks_a_naive_replacement() {
        let script = Script::json("/", "{}", "abc SECRET def");
        let mut naive =
            Echo(|chunk: &[u8]| String::from_utf8_lossy(chunk).replace("SECRET", "******").into_bytes());
        let expected = Expected::nothing().response_body("abc ****** def");
        let error = check_every_split(&mut naive, &script, &expected).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::DependsOnSplit { what: "the response body", .. }), "{text}");
        assert!(text.contains("the response byte by byte"), "{text}");
    }

    #[test]
    fn a_wrong_whole_run_is_not_blamed_on_the_split() {
        let script = Script::json("/", "{}", "abc");
        let error =
            check_every_split(&mut Echo(<[u8]>::to_vec), &script, &Expected::nothing().response_body("abd"))
                .unwrap_err();
        assert!(matches!(error, Error::Unexpected { what: "the response body", .. }));
        assert!(error.to_string().contains("byte 2"), "{error}");
    }

    #[test]
    fn long_bodies_are_sampled() {
        let mut random = Random(SEED);
        let full = Density::FULL;
        let places = two_way(10_000, &full, &mut random);
        assert!(
            (full.every_up_to + full.sampled / 2..=full.every_up_to + full.sampled).contains(&places.len())
        );
        assert!(places.iter().all(|at| (1..10_000).contains(at)));
        assert!(two_way(1, &full, &mut random).is_empty());
        assert_eq!(two_way(3, &full, &mut random), [1, 2]);
        assert!(two_way(1, &Density::SAMPLED, &mut random).is_empty());
        assert!(two_way(900, &Density::SAMPLED, &mut random).len() > 20);
    }
}
