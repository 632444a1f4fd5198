//! Regular expressions that find their matches as text arrives.
//!
//! An NFA is walked for all starts at once, as in Pike's algorithm: a thread is a state and where its match would
//! begin, threads stand in order of preference, and of two threads in one state only the preferred one goes on. So a
//! byte costs no more than there are states, and the first thread's start is the earliest at which a match is still
//! possible. A look-around that depends on the next character waits for it as a thread.

use regex_automata::nfa::thompson::{BuildError, Compiler, Config, NFA, State as NfaState, WhichCaptures};
use regex_automata::util::look::{Look, LookMatcher};
use regex_automata::util::primitives::StateID;
use regex_syntax::hir::Hir;

use crate::error::PatternProblem;
use crate::view::{ByteSet, Progress, Span, View};

/// Largest automaton, in bytes: the default of the `regex` crate.
const AUTOMATON_LIMIT: usize = 10 << 20;
/// How deep groups may be nested; parsing and compiling recurse.
const NEST_LIMIT: u32 = 100;
/// The character behind a match that decides a look-around at its end, in bytes.
pub(crate) const LOOK_AHEAD: usize = 4;

/// A compiled regular expression.
pub(crate) struct Pattern {
    nfa: NFA,
    looks: LookMatcher,
    /// Bytes that a match can begin with.
    begins: ByteSet,
    /// Longest match with look-ahead, in bytes.
    longest: Option<usize>,
    /// How long matches get if nothing else bounds them, in bytes.
    window: usize,
}

/// What is known of a text.
#[derive(Default)]
pub(crate) struct Search {
    threads: Vec<Thread>,
    /// Some thread waits for the next character.
    waiting: bool,
    /// The match that may begin at `at` has its threads.
    begun: bool,
    /// How far the text has been walked.
    at: usize,
    /// The preferred match so far. Only threads that are preferred to it are left.
    best: Option<Span>,
    /// Where it began before the window cut it.
    best_from: usize,
    /// It is final.
    decided: bool,
}

#[derive(Clone, Copy)]
struct Thread {
    state: StateID,
    start: usize,
}

/// Memory for a step, shared by all searches of a text.
#[derive(Default)]
pub(crate) struct Scratch {
    /// Per state: the step in which it was reached last.
    reached: Vec<u32>,
    step: u32,
    next: Vec<Thread>,
    stack: Vec<StateID>,
    /// How many states have been reached, all in all.
    #[cfg(test)]
    pub reached_total: u64,
}

impl Scratch {
    fn begin_step(&mut self, states: usize) {
        if self.reached.len() < states {
            self.reached.resize(states, 0);
        }
        self.step = match self.step.checked_add(1) {
            Some(step) => step,
            None => {
                self.reached.fill(0);
                1
            }
        };
        self.next.clear();
    }

    /// Whether a state is reached for the first time in this step.
    fn reach(&mut self, state: StateID) -> bool {
        #[cfg(test)]
        {
            self.reached_total += 1;
        }
        match self.reached.get_mut(state.as_usize()) {
            Some(step) if *step != self.step => {
                *step = self.step;
                true
            }
            _ => false,
        }
    }
}

/// Longest match of a regular expression in bytes, with the character behind it where a look-around wants to see it.
/// `None`: there is no bound.
pub(crate) fn longest_match(regex: &str) -> Result<Option<usize>, PatternProblem> {
    let hir = parse(regex)?;
    Ok(longest(&hir))
}

fn parse(regex: &str) -> Result<Hir, PatternProblem> {
    let hir =
        regex_syntax::ParserBuilder::new().nest_limit(NEST_LIMIT).build().parse(regex).map_err(|e| {
            let problem = match &e {
                regex_syntax::Error::Parse(e) => format!("{} at byte {}", e.kind(), e.span().start.offset),
                regex_syntax::Error::Translate(e) => {
                    format!("{} at byte {}", e.kind(), e.span().start.offset)
                }
                other => other.to_string(),
            };
            PatternProblem::Syntax(problem)
        })?;
    if hir.properties().maximum_len() == Some(0) || hir.properties().minimum_len().is_none() {
        return Err(PatternProblem::MatchesNothing);
    }
    Ok(hir)
}

fn longest(hir: &Hir) -> Option<usize> {
    let properties = hir.properties();
    let ahead = if properties.look_set_suffix_any().is_empty() { 0 } else { LOOK_AHEAD };
    properties.maximum_len().map(|length| length.saturating_add(ahead))
}

impl Pattern {
    /// Compiles a regular expression. `window`: where its matches have no bound, how many bytes of one are found at
    /// most, counted from its end.
    pub fn compile(regex: &str, window: usize) -> Result<Self, PatternProblem> {
        let hir = parse(regex)?;
        let config = Config::new()
            .utf8(true)
            .nfa_size_limit(Some(AUTOMATON_LIMIT))
            .which_captures(WhichCaptures::None);
        let nfa = Compiler::new().configure(config).build_from_hir(&hir).map_err(|e: BuildError| match e
            .size_limit()
        {
            Some(limit) => PatternProblem::TooLarge { limit },
            None => PatternProblem::Syntax(e.to_string()),
        })?;
        let begins = beginnings(&nfa);
        Ok(Self { begins, longest: longest(&hir), looks: LookMatcher::new(), nfa, window: window.max(1) })
    }

    /// See [`longest_match`].
    pub fn longest(&self) -> Option<usize> {
        self.longest
    }

    /// Walks what has arrived.
    pub fn advance(&self, search: &mut Search, view: &View<'_>, scratch: &mut Scratch) -> Progress {
        let end = view.end();
        while !search.decided {
            if search.threads.is_empty() {
                if search.best.is_some() {
                    search.decided = true;
                    break;
                }
                let ahead = view.bytes_from(search.at);
                match ahead.iter().position(|byte| self.begins.contains(*byte)) {
                    Some(skip) => search.at += skip,
                    None => {
                        search.at = end;
                        return Progress::Open(end);
                    }
                }
            }
            let next = view.byte(search.at);
            if next.is_none() && !view.ended {
                break;
            }
            if search.waiting {
                self.resolve(search, view, scratch);
            }
            let Some(byte) = next else {
                // The end of the text: no thread goes on.
                search.threads.clear();
                if search.best.is_none() {
                    return Progress::Open(end);
                }
                continue;
            };
            if search.best.is_none() && !search.begun && self.begins.contains(byte) {
                self.begin(search, view, scratch);
            }
            self.step(search, byte, view, scratch);
            if self.is_overdue(search) {
                search.threads.clear();
                search.waiting = false;
                search.begun = false;
            }
        }
        match search.best {
            Some(span) if search.decided => Progress::Found(span),
            best => {
                let first =
                    search.threads.first().map(|thread| self.in_window(thread.start, search.at, view));
                Progress::Open(
                    [first, best.map(|span| span.start)].into_iter().flatten().min().unwrap_or(end),
                )
            }
        }
    }

    /// Searches from a position on: what stands before it is done with.
    pub fn resume(&self, search: &mut Search, from: usize) {
        let starts = search.threads.first().map(|thread| thread.start).into_iter();
        if starts.chain(search.best.map(|_| search.best_from)).any(|start| start < from) {
            search.threads.clear();
            search.waiting = false;
            search.begun = false;
            search.best = None;
            search.decided = false;
            search.at = from;
        }
        if search.at < from {
            search.at = from;
            search.begun = false;
        }
    }

    /// Starts a match at the present position, as what is preferred least. The next character is known.
    fn begin(&self, search: &mut Search, view: &View<'_>, scratch: &mut Scratch) {
        scratch.begin_step(self.nfa.states().len());
        for thread in &search.threads {
            scratch.reach(thread.state);
        }
        let start = self.nfa.start_anchored();
        // A match of no length is none, so nothing is found here.
        self.follow(start, search.at, search, view, scratch);
        search.threads.append(&mut scratch.next);
    }

    /// Decides the look-arounds that wait at the present position.
    fn resolve(&self, search: &mut Search, view: &View<'_>, scratch: &mut Scratch) {
        scratch.begin_step(self.nfa.states().len());
        search.waiting = false;
        let threads = std::mem::take(&mut search.threads);
        for thread in &threads {
            if self.follow(thread.state, thread.start, search, view, scratch) {
                break;
            }
        }
        search.threads = threads;
        std::mem::swap(&mut search.threads, &mut scratch.next);
    }

    /// Moves every thread over a byte.
    fn step(&self, search: &mut Search, byte: u8, view: &View<'_>, scratch: &mut Scratch) {
        scratch.begin_step(self.nfa.states().len());
        search.at += 1;
        let threads = std::mem::take(&mut search.threads);
        for thread in &threads {
            let next = match self.nfa.state(thread.state) {
                NfaState::ByteRange { trans } => trans.matches_byte(byte).then_some(trans.next),
                NfaState::Sparse(transitions) => transitions.matches_byte(byte),
                NfaState::Dense(transitions) => transitions.matches_byte(byte),
                _ => None,
            };
            if let Some(next) = next
                && self.follow(next, thread.start, search, view, scratch)
            {
                break;
            }
        }
        // If the next byte is known, so is whether another match may begin; what `begin` does costs more.
        search.begun =
            search.best.is_none() && view.byte(search.at).is_some_and(|byte| self.begins.contains(byte));
        if search.begun {
            self.follow(self.nfa.start_anchored(), search.at, search, view, scratch);
        }
        search.threads = threads;
        std::mem::swap(&mut search.threads, &mut scratch.next);
    }

    /// Adds the threads that a state leads to without a byte. True: it led to a match, and what is preferred less need
    /// not be followed.
    fn follow(
        &self,
        state: StateID,
        start: usize,
        search: &mut Search,
        view: &View<'_>,
        scratch: &mut Scratch,
    ) -> bool {
        scratch.stack.clear();
        scratch.stack.push(state);
        while let Some(state) = scratch.stack.pop() {
            if !scratch.reach(state) {
                continue;
            }
            match self.nfa.state(state) {
                NfaState::ByteRange { .. } | NfaState::Sparse(_) | NfaState::Dense(_) => {
                    scratch.next.push(Thread { state, start });
                }
                NfaState::Look { look, next } => match self.holds(*look, search.at, view) {
                    Some(true) => scratch.stack.push(*next),
                    Some(false) => {}
                    None => {
                        search.waiting = true;
                        scratch.next.push(Thread { state, start });
                    }
                },
                NfaState::Union { alternates } => scratch.stack.extend(alternates.iter().rev()),
                NfaState::BinaryUnion { alt1, alt2 } => scratch.stack.extend([*alt2, *alt1]),
                NfaState::Capture { next, .. } => scratch.stack.push(*next),
                NfaState::Fail => {}
                NfaState::Match { .. } => {
                    if search.at > start {
                        search.best_from = start;
                        search.best =
                            Some(Span { start: self.in_window(start, search.at, view), end: search.at });
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Whether a look-around holds; `None`: the next character tells.
    fn holds(&self, look: Look, at: usize, view: &View<'_>) -> Option<bool> {
        let looks_back = matches!(
            look,
            Look::Start | Look::StartLF | Look::WordStartHalfAscii | Look::WordStartHalfUnicode
        );
        if !looks_back && at == view.end() && !view.ended {
            return None;
        }
        Some(self.looks.matches(look, view.text.as_bytes(), at - view.base))
    }

    /// Where a match that began at `start` and has come to `at` begins, if the window is all that bounds it.
    fn in_window(&self, start: usize, at: usize, view: &View<'_>) -> usize {
        match self.longest {
            None if at.saturating_sub(start) > self.window => view.ceil(at - self.window),
            _ => start,
        }
    }

    /// Whether the match found has to leave the window before it is known if there is a better one.
    fn is_overdue(&self, search: &Search) -> bool {
        self.longest.is_none()
            && search.best.is_some_and(|best| search.at.saturating_sub(best.start) > self.window)
    }
}

/// The bytes that matches can begin with, whatever look-arounds say.
fn beginnings(nfa: &NFA) -> ByteSet {
    let mut begins = ByteSet::default();
    let mut reached = vec![false; nfa.states().len()];
    let mut stack = vec![nfa.start_anchored()];
    let mut allow = |from: u8, to: u8| (from..=to).for_each(|byte| begins.insert(byte));
    while let Some(state) = stack.pop() {
        match reached.get_mut(state.as_usize()) {
            Some(reached) if !*reached => *reached = true,
            _ => continue,
        }
        match nfa.state(state) {
            NfaState::ByteRange { trans } => allow(trans.start, trans.end),
            NfaState::Sparse(transitions) => {
                transitions.transitions.iter().for_each(|trans| allow(trans.start, trans.end));
            }
            NfaState::Dense(transitions) => {
                let member = |byte: &u8| transitions.matches_byte(*byte).is_some();
                (0..=u8::MAX).filter(member).for_each(|byte| allow(byte, byte));
            }
            NfaState::Look { next, .. } | NfaState::Capture { next, .. } => stack.push(*next),
            NfaState::Union { alternates } => stack.extend(alternates.iter()),
            NfaState::BinaryUnion { alt1, alt2 } => stack.extend([*alt1, *alt2]),
            NfaState::Fail | NfaState::Match { .. } => {}
        }
    }
    begins
}
