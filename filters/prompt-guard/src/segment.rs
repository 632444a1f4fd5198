//! Text on its way through a chain.

use std::collections::VecDeque;

/// Text of one origin.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub text: String,
    pub tag: u64,
    pub origin: Origin,
}

/// Where text comes from, which decides how it is written.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It stands so in the input.
    Input,
    /// It is one character that is written so in the input's JSON.
    Escaped(Box<str>),
    /// It was put in by the guard of this index; by the restorer: by none.
    Replacement(Option<usize>),
}

/// Of which segments text that is held consists.
#[derive(Default)]
pub(crate) struct Runs {
    runs: VecDeque<Run>,
    /// Where the first run begins.
    start: usize,
}

struct Run {
    end: usize,
    tag: u64,
    origin: Origin,
}

impl Runs {
    pub fn clear(&mut self) {
        self.runs.clear();
        self.start = 0;
    }

    /// Adds a segment behind the others.
    pub fn push(&mut self, segment: &Segment) {
        let end = self.runs.back().map_or(self.start, |run| run.end) + segment.text.len();
        match self.runs.back_mut() {
            Some(last)
                if last.tag == segment.tag
                    && last.origin == segment.origin
                    && !matches!(last.origin, Origin::Escaped(_)) =>
            {
                last.end = end;
            }
            _ => self.runs.push_back(Run { end, tag: segment.tag, origin: segment.origin.clone() }),
        }
    }

    /// The tag of the first byte that is held.
    pub fn first_tag(&self) -> Option<u64> {
        self.runs.front().map(|run| run.tag)
    }

    /// Takes text away up to a position, run by run: `each` gets where a part ends, its tag and origin.
    pub fn take(&mut self, until: usize, mut each: impl FnMut(usize, u64, &Origin)) {
        while let Some(run) = self.runs.front()
            && self.start < until
        {
            let end = run.end.min(until);
            each(end, run.tag, &run.origin);
            self.start = end;
            if end == run.end {
                self.runs.pop_front();
            }
        }
    }
}
