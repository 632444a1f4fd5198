//! Finds, masks and restores in text, whole or as it streams, with the same code: a whole text is one piece.
//!
//! Knows nothing of HTTP, dialects or hosts. A [`Guard`] is a check compiled; [`Guards`] are several in order, each of
//! which sees what the one before it has left; a [`Chain`] is one text on its way through them, and [`Guards::apply`]
//! does it for a text that is all there.
//!
//! ```
//! use filter_config::{Builtin, TextCheck};
//! use prompt_guard::{Form, Guard, Guards, Vault};
//!
//! let check = TextCheck { builtins: vec![Builtin::Email], ..TextCheck::default() };
//! let guards = Guards::new(vec![Guard::compile(&check, false, 1024)?]);
//! let (mut chain, mut vault, mut out) = (guards.start(Form::Text), Vault::new(), Vec::new());
//! for (tag, text) in [(1, "Write to jo"), (2, "e@exam"), (3, "ple.com, he said")] {
//!     chain.push(text, tag, &mut vault, &mut out)?;
//! }
//! chain.finish(&mut vault, &mut out)?;
//! let pieces: Vec<(&str, u64)> = out.iter().map(|piece| (piece.text.as_str(), piece.tag)).collect();
//! assert_eq!(pieces, [("Write to <EMAIL_ADDRESS>", 1), (", he said", 3)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is found
//!
//! A check has recognisers, patterns and keywords, in this order. Each finds its next match from where the last one
//! ended: a recogniser or pattern the leftmost, a pattern what Rust's `regex` crate prefers among those that begin
//! there (lazy repetitions stay short), a keyword list the longest. Of these the one that begins first wins, then the
//! longest, then the first in the order above. Then the search goes on behind it, so matches do not overlap.
//! Look-arounds see the text as it was. Matches of no length are none.
//!
//! # What is held back
//!
//! After every piece, text is let out up to the earliest position at which some match is still possible or still
//! undecided, so most prose passes at once. Each engine knows that position: a pattern's NFA is walked for all starts
//! in parallel and its first live thread has it; the depth in the keywords' trie is it; a recogniser tells. It is never
//! further back than [`Detector::longest_match`], which is the longest match with the one character behind it that a
//! look-around may ask for. A pattern without a bound (`a.*b`) is held for the window: of a match that is longer, only
//! the last `window_bytes` are found and masked, in streams and in whole texts alike.
//!
//! A text in blocks ([`Guards::start_in_blocks`]) is held twice as long at most: each block is looked at alone, and what
//! that leaves as one text.
//!
//! # Promises
//!
//! * What comes out does not depend on how a text was cut into pieces, nor does a rejection and which guard it is of.
//! * No byte of a match comes out before the match is masked, or at all if it is rejected; of a match without a bound,
//!   none of its last `window_bytes`. After a rejection nothing comes out.
//! * Text keeps the tags it came with, in their order; a replacement has the tag of the first byte it stands for.
//! * Time grows with the text: a byte costs at most as much as the patterns have states, and is looked at again for a
//!   pattern's next match within the longest match (or the window) behind the last one. Memory per text is what is held,
//!   4 KiB, and the threads of live matches.
//! * Masked JSON is JSON, with all bytes as they were that no guard has replaced; a number of which something was masked
//!   becomes a string.
//! * Reversible guards give a value the same placeholder as long as the [`Vault`] lives and, since they are numbered by
//!   first appearance, whenever the conversation is sent again with more behind it. The vault is the only place that
//!   holds values, and `Debug` does not show them. What looks like a placeholder and is none of the vault's stays.
//!
//! # Limits
//!
//! * Character classes: Perl's (`\d`, `\s`, `\w`) and case folding know Unicode; other tables (`\p{…}`) are left out for the
//!   size of the module, and such a pattern is refused.
//! * A pattern's automaton has at most 10 MiB, the default of the `regex` crate.
//! * Recognisers read ASCII digits, and people's usual separators. National telephone numbers outside of North America
//!   are found only with `+` and country code.
//! * A match that goes on in another string of JSON arguments, or another text, is not found.
//!
//! # Cost
//!
//! Measured natively, optimised, in time of one CPU: all eight recognisers read 100 KB of prose in 1.5 ms, and a stream
//! in pieces of four bytes takes 0.35 µs for each; a pattern that seldom begins takes 0.2 ms for 100 KB, one that is
//! alive all the time (`[a-z0-9._]{1,64}@corp\.com`) 4.5 ms.
//!
//! Keywords take 16 bytes per distinct prefix, in wasm as natively. 100 000 of them with 1.2 million characters are
//! compiled in 0.13 s with a process that grows by 25 MB at its peak, and 100 KB of text are read in 1 ms.
#![forbid(unsafe_code)]

mod builtin;
mod chain;
mod detector;
mod error;
mod json;
mod keywords;
mod pattern;
mod scanner;
mod segment;
mod stage;
mod vault;
mod view;

pub use chain::{Applied, Chain, Form, Guard, Guards, Piece, Rejected};
pub use detector::{Detector, longest_match};
pub use error::{Error, KeywordProblem, PatternProblem};
pub use vault::Vault;
