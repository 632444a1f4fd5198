//! Finds the matches of a detector in a text that arrives in pieces.

use std::ops::Range;
use std::sync::Arc;

use crate::detector::{Detector, Knowledge};
use crate::pattern::Scratch;
use crate::view::{CONTEXT, Progress, Span, View};

/// Decided text is cut off when it has become so long, in bytes: seldom, as what is left is moved.
const CUT_OFF: usize = 4096;

/// How far finders walk before they are asked again, in bytes. One that has walked further than a match of another
/// walks that way again, so they keep together.
const STEP: usize = 128;

/// What has been decided, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decided {
    /// No match begins here.
    Text(Range<usize>),
    /// A match.
    Match {
        /// Where, in positions of the whole text.
        range: Range<usize>,
        /// What found it.
        finder: usize,
    },
}

/// One text on its way through a detector.
pub(crate) struct Scanner {
    detector: Arc<Detector>,
    known: Vec<Knowledge>,
    scratch: Scratch,
    text: String,
    base: usize,
    /// Text before this position is decided.
    done: usize,
    /// Finders have been shown the text before this position.
    shown: usize,
    /// A match that is known, behind text that was told first.
    found: Option<(Span, usize)>,
    /// Everything that has arrived was looked at.
    looked: bool,
}

impl Scanner {
    pub fn new(detector: Arc<Detector>) -> Self {
        let known = detector.start();
        Self {
            detector,
            known,
            scratch: Scratch::default(),
            text: String::new(),
            base: 0,
            done: 0,
            shown: 0,
            found: None,
            looked: true,
        }
    }

    /// Forgets the text: another one follows.
    pub fn restart(&mut self) {
        self.known = self.detector.start();
        self.text.clear();
        (self.base, self.done, self.shown, self.found, self.looked) = (0, 0, 0, None, true);
    }

    pub fn detector(&self) -> &Detector {
        &self.detector
    }

    /// Adds text. What was decided before cannot be read any more.
    pub fn push(&mut self, text: &str) {
        let view = View { text: &self.text, base: self.base, ended: false };
        if self.done - self.base > CUT_OFF {
            let mut keep = self.done - CONTEXT;
            while !self.text.is_char_boundary(keep - view.base) {
                keep -= 1;
            }
            self.text.drain(..keep - self.base);
            self.base = keep;
        }
        self.text.push_str(text);
        self.looked = false;
    }

    /// The text between two positions of the whole text; to be read before more text is added.
    pub fn read(&self, range: Range<usize>) -> &str {
        View { text: &self.text, base: self.base, ended: false }.slice(range.start, range.end)
    }

    /// What is decided next. `ended`: nothing follows.
    pub fn next(&mut self, ended: bool) -> Option<Decided> {
        if let Some((span, finder)) = self.found.take() {
            return Some(self.conclude(span, finder, ended));
        }
        if self.looked && !ended {
            return None;
        }
        let all = self.base + self.text.len();
        let (decided, until) = loop {
            let view = shown(&self.text, self.base, self.shown, ended);
            let end = view.end();
            let mut open = end;
            let mut best: Option<(Span, usize)> = None;
            let progress = self.detector.advance(&mut self.known, &view, &mut self.scratch);
            for (finder, progress) in progress.enumerate() {
                match progress {
                    Progress::Open(from) => open = open.min(from),
                    Progress::Found(span) => {
                        let better = best.is_none_or(|(best, _)| {
                            span.start < best.start || (span.start == best.start && span.end > best.end)
                        });
                        if better {
                            best = Some((span, finder));
                        }
                    }
                }
            }
            // Of what begins where another match may still begin, that one may be longer.
            match best {
                Some((span, _)) if span.start < open || view.ended => break (best, span.start),
                _ if end == all => {
                    let until = best.map_or(open, |(span, _)| open.min(span.start));
                    break (None, until);
                }
                _ => self.shown = View { text: &self.text, base: self.base, ended }.ceil(end + STEP).min(all),
            }
        };
        self.looked = decided.is_none();
        let text = self.done..until;
        if !text.is_empty() {
            self.found = decided;
            self.done = until;
            return Some(Decided::Text(text));
        }
        let (span, finder) = decided?;
        Some(self.conclude(span, finder, ended))
    }

    fn conclude(&mut self, span: Span, finder: usize, ended: bool) -> Decided {
        self.done = span.end;
        let view = shown(&self.text, self.base, self.shown, ended);
        self.detector.resume(&mut self.known, span.end, &view);
        Decided::Match { range: span.start..span.end, finder }
    }

    /// How often states of automata, starts of recognisers and characters of keywords have been looked at.
    #[cfg(test)]
    pub fn steps(&self) -> u64 {
        let others: u64 = self
            .known
            .iter()
            .map(|known| match known {
                Knowledge::Builtin(lookout) => lookout.looks,
                Knowledge::Pattern(_) => 0,
                Knowledge::Keywords(search) => search.walked,
            })
            .sum();
        others + self.scratch.reached_total
    }
}

/// What finders are shown of a text that begins at `base`: what stands before `until`.
fn shown(text: &str, base: usize, until: usize, ended: bool) -> View<'_> {
    let shown = text.get(..until.saturating_sub(base)).unwrap_or(text);
    View { text: shown, base, ended: ended && shown.len() == text.len() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use filter_config::{Builtin, Keywords, Pattern, TextCheck};

    /// Steps for a text that is pushed in pieces of a size.
    fn steps(check: &TextCheck, text: &str, size: usize) -> u64 {
        let mut scanner = Scanner::new(Arc::new(Detector::compile(check, 256).unwrap()));
        for piece in text.as_bytes().chunks(size) {
            scanner.push(std::str::from_utf8(piece).unwrap());
            while scanner.next(false).is_some() {}
        }
        while scanner.next(true).is_some() {}
        scanner.steps()
    }

    #[test]
    fn work_grows_with_the_text_and_not_with_its_square_or_its_pieces() {
        let of_pattern = |regex: &str| TextCheck {
            patterns: vec![Pattern { regex: regex.to_owned(), replacement: None }],
            ..TextCheck::default()
        };
        let keywords = |inside_words| TextCheck {
            keywords: Some(Keywords {
                words: vec!["aaaaaaaaaaaaaaab".to_owned(), "a a a a a a a b".to_owned(), "aaaac".to_owned()],
                case_sensitive: false,
                inside_words,
            }),
            ..TextCheck::default()
        };
        let both = |regexes: &[&str]| TextCheck {
            patterns: regexes.iter().flat_map(|regex| of_pattern(regex).patterns).collect(),
            ..TextCheck::default()
        };
        let builtins = TextCheck {
            builtins: vec![Builtin::Email, Builtin::PhoneNumber, Builtin::Url, Builtin::Secret],
            ..TextCheck::default()
        };
        for (check, name) in [
            (of_pattern("[a-z]{1,64}!"), "bounded"),
            (of_pattern("(a|aa){1,32}x"), "ambiguous"),
            (of_pattern(r"a.*b"), "unbounded"),
            (keywords(true), "keywords"),
            (keywords(false), "whole words"),
            (builtins, "builtins"),
            (both(&["a", "[a-z]{1,64}!"]), "a match in the way of another"),
            (both(&["@", "a.*b"]), "a match in the way of one without a bound"),
            (both(&["a(.*b)?"]), "a match that may get longer"),
        ] {
            for part in ["a", "a ", "1", "@a.", "http://a"] {
                let (small, large) = (part.repeat(700), part.repeat(5600));
                let [once, eight_times] =
                    [small, large].map(|text| steps(&check, &text, text.len()).max(500));
                // Eight times, and what the end of a short text saves; a square would be 64 times.
                assert!(eight_times <= once * 12, "{name} on {part}: {once}, then {eight_times}");
                // Every piece asks anew whether what is open still is.
                let (pieces, cut) = (part.len() * 700, steps(&check, &part.repeat(700), 1));
                assert!(
                    cut <= once * 2 + 4 * pieces as u64,
                    "{name} on {part}: {once} in one piece, {cut} in many"
                );
            }
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let check = TextCheck { builtins: vec![Builtin::Email, Builtin::Ssn], ..TextCheck::default() };
        let mut scanner = Scanner::new(Arc::new(Detector::compile(&check, 256).unwrap()));
        for _ in 0..10_000 {
            scanner.push("é text a@b.org 123-45-6789, ");
            while scanner.next(false).is_some() {}
            assert!(scanner.text.len() < 2 * CUT_OFF);
        }
    }
}
