//! Counting tokens without any Envoy: the crate `token-count` beside `tiktoken-rs`.

use std::hint::black_box;
use std::time::Duration;

use anyhow::ensure;
use nix::time::{ClockId, clock_gettime};
use tiktoken_rs::CoreBPE;
use token_count::Encoding;

use crate::arguments::Run;
use crate::measurement::Spread;
use crate::payloads::prose;

/// The name on the command line.
pub(crate) const NAME: &str = "tokeniser";

/// Bytes of the prompts.
const PROMPTS: [usize; 2] = [2_000, 100_000];

/// Time of each measurement.
const DURATION: Duration = Duration::from_millis(200);

/// One prompt in one encoding.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Counting {
    /// `o200k_base` or `cl100k_base`.
    pub(crate) encoding: &'static str,
    /// Bytes of the prompt.
    pub(crate) bytes: usize,
    /// Its tokens.
    pub(crate) tokens: usize,
    /// CPU nanoseconds per KB (1000 bytes) of `token-count`.
    pub(crate) ours: Spread,
    /// CPU nanoseconds per KB of `tiktoken-rs`.
    pub(crate) theirs: Spread,
    /// The same of every round, ours divided by theirs.
    pub(crate) ratio: Spread,
}

/// Both prompts in both encodings, and what the first count of a process costs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Countings {
    /// CPU time of the first count of 2 KB.
    pub(crate) first_ours: Duration,
    /// The same of `tiktoken-rs`, which makes its tables then.
    pub(crate) first_theirs: Duration,
    /// The prompts.
    pub(crate) rows: Vec<Counting>,
}

/// Measures on this thread.
///
/// # Errors
/// When the two disagree on a count.
pub(crate) fn measure(run: &Run) -> anyhow::Result<Countings> {
    let first = prose(PROMPTS[0]);
    let first_ours = cpu(|| {
        black_box(Encoding::O200k.count(black_box(&first)));
    });
    let first_theirs = cpu(|| {
        black_box(tiktoken_rs::o200k_base_singleton().count_ordinary(black_box(&first)));
    });
    let mut rows = Vec::new();
    for (encoding, name, theirs) in [
        (Encoding::O200k, "o200k_base", tiktoken_rs::o200k_base_singleton()),
        (Encoding::Cl100k, "cl100k_base", tiktoken_rs::cl100k_base_singleton()),
    ] {
        for bytes in PROMPTS {
            let row = compare(encoding, name, theirs, &prose(bytes), run.rounds)?;
            eprintln!(
                "{NAME}, {name}, {bytes} bytes: {:.0} ns/KB, tiktoken-rs {:.0} ns/KB",
                row.ours.median, row.theirs.median
            );
            rows.push(row);
        }
    }
    Ok(Countings { first_ours, first_theirs, rows })
}

fn compare(
    encoding: Encoding,
    name: &'static str,
    theirs: &CoreBPE,
    prompt: &str,
    rounds: u32,
) -> anyhow::Result<Counting> {
    let tokens = encoding.count(prompt);
    let expected = theirs.count_ordinary(prompt);
    ensure!(tokens == expected, "{name}: {tokens} tokens, tiktoken-rs counts {expected}");
    let mut times: (Vec<f64>, Vec<f64>) = Default::default();
    for _ in 0..rounds {
        times.0.push(per_kb(prompt, |text| encoding.count(text)));
        times.1.push(per_kb(prompt, |text| theirs.count_ordinary(text)));
    }
    let ratios = times.0.iter().zip(&times.1).map(|(ours, theirs)| ours / theirs);
    let spread = |values: Option<Spread>| values.ok_or_else(|| anyhow::anyhow!("no rounds"));
    Ok(Counting {
        encoding: name,
        bytes: prompt.len(),
        tokens,
        ratio: spread(Spread::of(ratios))?,
        ours: spread(Spread::of(times.0))?,
        theirs: spread(Spread::of(times.1))?,
    })
}

/// CPU nanoseconds of counting 1000 bytes, of as many counts as [`DURATION`] has room for.
#[expect(clippy::cast_precision_loss, reason = "fewer than 2^52 bytes")]
fn per_kb(prompt: &str, count: impl Fn(&str) -> usize) -> f64 {
    let mut bytes = 0_u64;
    let mut spent = Duration::ZERO;
    while spent < DURATION {
        spent += cpu(|| {
            // Several at once, so that reading the clock does not count.
            for _ in 0..16 {
                black_box(count(black_box(prompt)));
                bytes += prompt.len() as u64;
            }
        });
    }
    spent.as_secs_f64() * 1e9 / (bytes as f64 / 1000.0)
}

/// CPU time of this thread while something is done.
fn cpu(work: impl FnOnce()) -> Duration {
    let now = || clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from);
    let start = now();
    work();
    now().saturating_sub(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_count_the_same() {
        let row = compare(Encoding::O200k, "o200k_base", tiktoken_rs::o200k_base_singleton(), &prose(500), 1)
            .unwrap();
        assert!((80..250).contains(&row.tokens), "{} tokens", row.tokens);
        assert!(row.ours.median > 0.0 && row.theirs.median > 0.0);
        let wrong = tiktoken_rs::cl100k_base_singleton();
        let text = "völlig andere Wörter: Überprüfungsausschussvorsitzender";
        assert!(compare(Encoding::O200k, "o200k_base", wrong, text, 1).is_err());
    }
}
