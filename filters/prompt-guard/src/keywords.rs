//! Keyword lists: one walk over the text whatever their length.
//!
//! The words are a trie whose states are numbered level by level, so that a state's children follow one another and
//! need no more than their characters; what Aho and Corasick added, a state to go on from where no child fits, makes
//! the walk linear. A state's level is how much of the text could still become a keyword: the hold-back is exact, which
//! is why this is not the `aho-corasick` crate, whose automata do not tell.

use crate::error::KeywordProblem;
use crate::pattern::LOOK_AHEAD;
use crate::view::{Progress, Span, View, is_word};

/// Longest keyword, in characters.
const LONGEST_WORD: usize = 4096;
/// Most characters of all keywords together: 16 bytes of memory each.
const MOST_CHARACTERS: usize = 1 << 24;
/// The state before any character.
const ROOT: u32 = 0;

/// A compiled list of keywords.
pub(crate) struct KeywordList {
    /// Per state: the character that leads to it.
    label: Vec<char>,
    /// Per state, and one more: its first child. Its last is before the first child of the next state.
    children: Vec<u32>,
    /// Per state: the state of the longest proper suffix that is in the trie.
    fallback: Vec<u32>,
    /// Per state: the longest suffix, itself included, that is a keyword; `ROOT` if none.
    output: Vec<u32>,
    /// Per length of prefixes: the first state of that length.
    levels: Vec<u32>,
    case_sensitive: bool,
    inside_words: bool,
    /// Longest match in bytes, with look-ahead.
    longest: usize,
}

/// What is known of a text.
#[derive(Default)]
pub(crate) struct KeywordSearch {
    state: u32,
    at: usize,
    /// The keywords that end at `at` have been looked at.
    settled: bool,
    best: Option<Span>,
    decided: bool,
    /// How many characters have been walked, all in all.
    #[cfg(test)]
    pub walked: u64,
}

impl KeywordList {
    /// Compiles a list; the error names the word at fault.
    pub fn compile(
        words: &[String],
        case_sensitive: bool,
        inside_words: bool,
    ) -> Result<Self, (usize, KeywordProblem)> {
        let mut list = Self {
            label: vec!['\0'],
            children: Vec::new(),
            fallback: vec![ROOT],
            output: vec![ROOT],
            levels: vec![ROOT],
            case_sensitive,
            inside_words,
            longest: 0,
        };
        let folded = list.fold_all(words)?;
        list.build(&folded);
        for parts in [&mut list.children, &mut list.fallback, &mut list.output, &mut list.levels] {
            parts.shrink_to_fit();
        }
        list.label.shrink_to_fit();
        Ok(list)
    }

    /// Longest match in bytes, with the character behind it if that has to be seen.
    pub fn longest(&self) -> usize {
        self.longest
    }

    fn fold_all(&mut self, words: &[String]) -> Result<Vec<Box<[char]>>, (usize, KeywordProblem)> {
        let mut total = 0;
        let mut folded = Vec::with_capacity(words.len());
        for (index, word) in words.iter().enumerate() {
            let word: Box<[char]> = word.chars().map(|c| self.fold(c)).collect();
            total += word.len();
            match word.len() {
                0 => return Err((index, KeywordProblem::Empty)),
                1..=LONGEST_WORD => {}
                _ => return Err((index, KeywordProblem::TooLong { limit: LONGEST_WORD })),
            }
            if total > MOST_CHARACTERS {
                return Err((index, KeywordProblem::TooMany { limit: MOST_CHARACTERS }));
            }
            let bytes: usize = word.iter().map(|c| self.widest(*c)).sum();
            self.longest = self.longest.max(bytes);
            folded.push(word);
        }
        if !self.inside_words {
            self.longest += LOOK_AHEAD;
        }
        folded.sort_unstable();
        folded.dedup();
        Ok(folded)
    }

    /// How long what folds to a character can be, in bytes.
    fn widest(&self, c: char) -> usize {
        match c {
            _ if self.case_sensitive => c.len_utf8(),
            'k' => 'K'.len_utf8(),
            's' => 'ſ'.len_utf8(),
            _ if c.is_ascii() => 1,
            _ => 4,
        }
    }

    /// Numbers the states level by level. `words` is sorted and without doubles.
    fn build(&mut self, words: &[Box<[char]>]) {
        // Per state: which words begin with it.
        let mut ranges: Vec<_> = std::iter::once(0..words.len()).collect();
        let mut level = 0;
        let (mut state, mut level_end) = (0, 1);
        while let Some(range) = ranges.get(state).cloned() {
            if state == level_end {
                self.levels.push(number(state));
                level += 1;
                level_end = ranges.len();
            }
            self.children.push(number(ranges.len()));
            let mut child: Option<(char, usize)> = None;
            for (offset, word) in words.get(range.clone()).unwrap_or_default().iter().enumerate() {
                let Some(c) = word.get(level).copied() else {
                    // The word ends here; it is the first of the range.
                    if let Some(output) = self.output.get_mut(state) {
                        *output = number(state);
                    }
                    continue;
                };
                match child {
                    Some((before, _)) if before == c => {}
                    _ => {
                        if let Some((_, first)) = child {
                            ranges.push(first..range.start + offset);
                        }
                        child = Some((c, range.start + offset));
                        self.label.push(c);
                        self.fallback.push(ROOT);
                        self.output.push(ROOT);
                    }
                }
            }
            if let Some((_, first)) = child {
                ranges.push(first..range.end);
            }
            state += 1;
        }
        self.children.push(number(ranges.len()));
        self.link();
    }

    /// Finds every state's fallback and output; those of shorter prefixes are known before.
    fn link(&mut self) {
        for parent in 0..number(self.label.len()) {
            let before = self.fallback_of(parent);
            for child in self.children_of(parent) {
                let (Some(c), Ok(index)) = (self.label_of(child), usize::try_from(child)) else { continue };
                let fallback = if parent == ROOT { ROOT } else { self.next(before, c) };
                let inherited = self.output_of(fallback);
                if let Some(slot) = self.fallback.get_mut(index) {
                    *slot = fallback;
                }
                if let Some(slot) = self.output.get_mut(index)
                    && *slot == ROOT
                {
                    *slot = inherited;
                }
            }
        }
    }

    fn label_of(&self, state: u32) -> Option<char> {
        self.label.get(state as usize).copied()
    }

    fn fallback_of(&self, state: u32) -> u32 {
        self.fallback.get(state as usize).copied().unwrap_or(ROOT)
    }

    fn output_of(&self, state: u32) -> u32 {
        self.output.get(state as usize).copied().unwrap_or(ROOT)
    }

    fn children_of(&self, state: u32) -> std::ops::Range<u32> {
        let state = state as usize;
        match (self.children.get(state), self.children.get(state + 1)) {
            (Some(first), Some(end)) => *first..*end,
            _ => 0..0,
        }
    }

    /// How many characters lead to a state.
    fn length_of(&self, state: u32) -> usize {
        self.levels.partition_point(|first| *first <= state).saturating_sub(1)
    }

    fn child(&self, state: u32, c: char) -> Option<u32> {
        let children = self.children_of(state);
        let labels = self.label.get(children.start as usize..children.end as usize)?;
        labels.binary_search(&c).ok().map(|index| children.start + number(index))
    }

    /// The state of the longest suffix that is in the trie, after one more character.
    fn next(&self, mut state: u32, c: char) -> u32 {
        loop {
            if let Some(child) = self.child(state, c) {
                return child;
            }
            if state == ROOT {
                return ROOT;
            }
            state = self.fallback_of(state);
        }
    }

    fn fold(&self, c: char) -> char {
        if self.case_sensitive { c } else { fold(c) }
    }

    /// Walks what has arrived.
    pub fn advance(&self, search: &mut KeywordSearch, view: &View<'_>) -> Progress {
        while !search.decided {
            let next = view.char_at(search.at);
            if !search.settled {
                let known = next.is_some() || view.ended;
                search.settled = self.settle(search, next, known, view);
            }
            if search.best.is_some_and(|best| self.earliest(search, view) > best.start) {
                search.decided = true;
                break;
            }
            let Some(c) = next else {
                if !view.ended {
                    return Progress::Open(self.earliest(search, view));
                }
                search.state = ROOT;
                search.decided = search.best.is_some();
                break;
            };
            #[cfg(test)]
            {
                search.walked += 1;
            }
            search.state = self.next(search.state, self.fold(c));
            search.at += c.len_utf8();
            search.settled = false;
        }
        match search.best {
            Some(span) if search.decided => Progress::Found(span),
            _ => Progress::Open(view.end()),
        }
    }

    /// Searches from a position on: what stands before it is done with.
    pub fn resume(&self, search: &mut KeywordSearch, from: usize, view: &View<'_>) {
        let began = back(view, search.at, self.length_of(search.state));
        if began < from || search.best.is_some_and(|best| best.start < from) {
            search.state = ROOT;
            search.best = None;
            search.decided = false;
            search.settled = true;
            search.at = from;
        }
    }

    /// Takes note of the keywords that end at the present position. False: the next character has to be known first.
    fn settle(&self, search: &mut KeywordSearch, next: Option<char>, known: bool, view: &View<'_>) -> bool {
        let mut output = self.output_of(search.state);
        if output == ROOT {
            return true;
        }
        let ends = self.inside_words || !view.word_before(search.at) || !next.is_some_and(is_word);
        if !self.inside_words && view.word_before(search.at) && !known {
            return false;
        }
        while ends && output != ROOT {
            let start = back(view, search.at, self.length_of(output));
            let span = Span { start, end: search.at };
            let better = search.best.is_none_or(|best| {
                span.start < best.start || (span.start == best.start && span.end > best.end)
            });
            if better && self.may_begin(start, view) {
                search.best = Some(span);
            }
            output = self.output_of(self.fallback_of(output));
        }
        true
    }

    /// The earliest start from which a keyword may still be found.
    fn earliest(&self, search: &KeywordSearch, view: &View<'_>) -> usize {
        let mut state = search.state;
        while state != ROOT {
            let start = back(view, search.at, self.length_of(state));
            let goes_on = !self.children_of(state).is_empty();
            // What ends here is open until the next character is known.
            let ends = !search.settled && self.output_of(state) == state;
            if (goes_on || ends) && self.may_begin(start, view) {
                return start;
            }
            state = self.fallback_of(state);
        }
        search.at
    }

    /// Whether a keyword may begin at a position.
    fn may_begin(&self, start: usize, view: &View<'_>) -> bool {
        self.inside_words || !view.word_before(start) || !view.char_at(start).is_some_and(is_word)
    }
}

/// The position so many characters before another.
fn back(view: &View<'_>, at: usize, characters: usize) -> usize {
    let Some(count) = characters.checked_sub(1) else { return at };
    let before = view.text.get(..at.saturating_sub(view.base)).unwrap_or_default();
    before.char_indices().rev().nth(count).map_or(view.base, |(index, _)| view.base + index)
}

/// Numbers of states fit: [`MOST_CHARACTERS`].
fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// What a character and its other cases have in common: Unicode's simple folding, by way of upper case so that `ς`
/// and `σ` meet. Characters whose other case is several characters stay.
fn fold(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    // Folding does not take the dotless i for an i.
    if c == 'ı' {
        return c;
    }
    let upper = only(c.to_uppercase()).unwrap_or(c);
    only(upper.to_lowercase()).unwrap_or(upper)
}

/// The one item of an iterator that has one.
fn only(mut chars: impl Iterator<Item = char>) -> Option<char> {
    chars.next().filter(|_| chars.next().is_none())
}
