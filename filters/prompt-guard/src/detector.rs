//! What a check looks for, compiled.

use std::fmt;

use filter_config::{Builtin, TextCheck};

use crate::builtin::{self, Lookout, Recogniser};
use crate::error::Error;
use crate::keywords::{KeywordList, KeywordSearch};
use crate::pattern::{self, Pattern, Scratch, Search};
use crate::view::{Progress, View};

/// What own patterns and keywords become when masked.
const MASKED: &str = "<masked>";

/// What a [`TextCheck`] looks for: recognisers, patterns and keywords, in this order. Immutable; one serves any number
/// of texts.
pub struct Detector {
    finders: Vec<Finder>,
}

impl fmt::Debug for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Automata and lists are too long to read.
        f.debug_struct("Detector").field("finders", &self.finders.len()).finish_non_exhaustive()
    }
}

/// One thing to look for.
struct Finder {
    engine: Engine,
    /// What a masked match becomes.
    replacement: String,
}

enum Engine {
    Builtin(Recogniser),
    Pattern(Box<Pattern>),
    Keywords(KeywordList),
}

/// What one finder knows of a text.
pub(crate) enum Knowledge {
    Builtin(Lookout),
    Pattern(Search),
    Keywords(KeywordSearch),
}

/// Longest match of a regular expression, in bytes, as [`Detector::longest_match`] counts it.
///
/// # Errors
/// [`Error::Pattern`] with index 0 if it is no expression of this syntax or matches nothing.
pub fn longest_match(pattern: &str) -> Result<Option<usize>, Error> {
    pattern::longest_match(pattern).map_err(|problem| Error::Pattern { index: 0, problem })
}

impl Detector {
    /// Compiles a check. `window_bytes`: of matches that nothing else bounds, only so many bytes at the end are found.
    ///
    /// # Errors
    /// [`Error`] with the entry at fault.
    pub fn compile(check: &TextCheck, window_bytes: usize) -> Result<Self, Error> {
        let mut builtins: Vec<Builtin> = Vec::new();
        for builtin in &check.builtins {
            if !builtins.contains(builtin) {
                builtins.push(*builtin);
            }
        }
        let mut finders: Vec<Finder> = builtins
            .into_iter()
            .map(|builtin| Finder {
                engine: Engine::Builtin(Recogniser::new(builtin)),
                replacement: builtin::label(builtin).to_owned(),
            })
            .collect();
        for (index, pattern) in check.patterns.iter().enumerate() {
            let compiled = Pattern::compile(&pattern.regex, window_bytes)
                .map_err(|problem| Error::Pattern { index, problem })?;
            finders.push(Finder {
                engine: Engine::Pattern(Box::new(compiled)),
                replacement: pattern.replacement.clone().unwrap_or_else(|| MASKED.to_owned()),
            });
        }
        if let Some(keywords) = &check.keywords {
            let list = KeywordList::compile(&keywords.words, keywords.case_sensitive, keywords.inside_words)
                .map_err(|(index, problem)| Error::Keyword { index, problem })?;
            finders.push(Finder { engine: Engine::Keywords(list), replacement: MASKED.to_owned() });
        }
        Ok(Self { finders })
    }

    /// The most text that is ever held back for what this looks for, in bytes: its longest match, with the character
    /// behind it where that decides. `None`: a pattern's matches have no bound, and the window is what is held.
    pub fn longest_match(&self) -> Option<usize> {
        self.finders
            .iter()
            .map(|finder| match &finder.engine {
                Engine::Builtin(recogniser) => Some(recogniser.longest()),
                Engine::Pattern(pattern) => pattern.longest(),
                Engine::Keywords(list) => Some(list.longest()),
            })
            .try_fold(0, |longest, length| length.map(|length| longest.max(length)))
    }

    /// What a masked match of a finder becomes.
    pub(crate) fn replacement(&self, finder: usize) -> &str {
        self.finders.get(finder).map_or(MASKED, |finder| &finder.replacement)
    }

    /// What is known before a text has begun.
    pub(crate) fn start(&self) -> Vec<Knowledge> {
        self.finders
            .iter()
            .map(|finder| match finder.engine {
                Engine::Builtin(_) => Knowledge::Builtin(Lookout::default()),
                Engine::Pattern(_) => Knowledge::Pattern(Search::default()),
                Engine::Keywords(_) => Knowledge::Keywords(KeywordSearch::default()),
            })
            .collect()
    }

    /// Lets every finder look at what has arrived.
    pub(crate) fn advance<'a>(
        &'a self,
        known: &'a mut [Knowledge],
        view: &'a View<'_>,
        scratch: &'a mut Scratch,
    ) -> impl Iterator<Item = Progress> + 'a {
        self.finders.iter().zip(known).map(|(finder, known)| match (&finder.engine, known) {
            (Engine::Builtin(recogniser), Knowledge::Builtin(lookout)) => recogniser.advance(lookout, view),
            (Engine::Pattern(pattern), Knowledge::Pattern(search)) => pattern.advance(search, view, scratch),
            (Engine::Keywords(list), Knowledge::Keywords(search)) => list.advance(search, view),
            // `start` made them alike.
            _ => Progress::Open(view.end()),
        })
    }

    /// Tells every finder that what stands before a position is done with.
    pub(crate) fn resume(&self, known: &mut [Knowledge], from: usize, view: &View<'_>) {
        for (finder, known) in self.finders.iter().zip(known) {
            match (&finder.engine, known) {
                (Engine::Builtin(recogniser), Knowledge::Builtin(lookout)) => {
                    recogniser.resume(lookout, from)
                }
                (Engine::Pattern(pattern), Knowledge::Pattern(search)) => pattern.resume(search, from),
                (Engine::Keywords(list), Knowledge::Keywords(search)) => list.resume(search, from, view),
                _ => {}
            }
        }
    }
}
