//! Guards in order over one text, whole or as it arrives.

use std::fmt;
use std::sync::Arc;

use filter_config::{Action, TextCheck};

use crate::detector::Detector;
use crate::error::Error;
use crate::json::{Reader, Token, escape};
use crate::segment::{Origin, Segment};
use crate::stage::{self, GuardStage, Refusal, Restorer, Sight, Stage};
use crate::vault::Vault;

/// One guard. Cloning shares the detector.
#[derive(Debug, Clone)]
pub struct Guard {
    /// What it looks for.
    pub detector: Arc<Detector>,
    /// What it does about it.
    pub action: Action,
    /// It masks with placeholders of the vault.
    pub reversible: bool,
    /// It counts, holds nothing back and changes nothing.
    pub shadow: bool,
}

impl Guard {
    /// Compiles a check.
    ///
    /// # Errors
    /// As [`Detector::compile`].
    pub fn compile(check: &TextCheck, shadow: bool, window_bytes: usize) -> Result<Self, Error> {
        Ok(Self {
            detector: Arc::new(Detector::compile(check, window_bytes)?),
            action: check.action,
            reversible: check.reversible,
            shadow,
        })
    }
}

/// Guards in order. Each sees what the one before it has left.
#[derive(Debug, Clone, Default)]
pub struct Guards {
    guards: Vec<Guard>,
}

/// How a text is to be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    #[default]
    Text,
    /// As JSON: arguments of tool calls. Every string, object key and number is a text of its own, seen without its
    /// escapes; everything else passes. What does not read as JSON is, from there on, one plain text.
    Json,
}

/// Text with the tag of the stream event it came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The text; not empty.
    pub text: String,
    /// The tag given to [`Chain::push`].
    pub tag: u64,
}

impl Piece {
    /// Adds text behind other pieces, to the last one if that has the same tag.
    pub(crate) fn add(pieces: &mut Vec<Self>, text: &str, tag: u64) {
        match pieces.last_mut() {
            _ if text.is_empty() => {}
            Some(last) if last.tag == tag => last.text.push_str(text),
            _ => pieces.push(Self { text: text.to_owned(), tag }),
        }
    }
}

/// A guard rejects the text. Nothing of what it found, nor anything behind, has been let out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("guard {guard} rejects the text")]
pub struct Rejected {
    /// Which one, from 0.
    pub guard: usize,
}

/// What became of a whole text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// What it is now; `None`: what it was.
    pub text: Option<String>,
    /// Matches per guard.
    pub tally: Vec<u64>,
}

impl Guards {
    /// Guards in order.
    #[must_use]
    pub fn new(guards: Vec<Guard>) -> Self {
        Self { guards }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.guards.is_empty()
    }

    /// Begins a text.
    #[must_use]
    pub fn start(&self, form: Form) -> Chain {
        self.start_with(form, &[Sight::Whole])
    }

    /// Begins a text that consists of blocks, which [`Chain::next_block`] tells apart. What stands in one of them is
    /// found whatever stands in the next, and what begins in one and ends in another is found, too. JSON has no blocks.
    #[must_use]
    pub fn start_in_blocks(&self, form: Form) -> Chain {
        match form {
            Form::Text => self.start_with(form, &[Sight::Block, Sight::Whole]),
            Form::Json => self.start(form),
        }
    }

    fn start_with(&self, form: Form, sights: &[Sight]) -> Chain {
        let stages = sights.iter().flat_map(|sight| {
            let guards = self.guards.iter().enumerate();
            guards.map(|(index, guard)| Stage::Guard(Box::new(GuardStage::new(guard.clone(), index, *sight))))
        });
        Chain {
            flow: Flow { stages: stages.collect(), segments: Vec::new(), writing: Writing::Plain },
            guards: self.guards.iter().map(|guard| guard.shadow).collect(),
            reader: match form {
                Form::Text => None,
                Form::Json => Some(Reader::default()),
            },
            rejected: None,
        }
    }

    /// Passes a whole text through. What looks like a placeholder in it is reserved in the vault first; with several
    /// texts, [`Vault::reserve`] is to be called for all of them before.
    ///
    /// # Errors
    /// [`Rejected`] if a guard rejects it.
    pub fn apply(&self, text: &str, form: Form, vault: &mut Vault) -> Result<Applied, Rejected> {
        if self.guards.iter().any(|guard| guard.reversible) {
            vault.reserve(text);
        }
        let mut chain = self.start(form);
        let changed = chain.pass(text, vault)?;
        Ok(Applied { text: changed, tally: chain.tally() })
    }
}

impl Vault {
    /// Puts values back into a whole text; `None`: there was nothing to put back.
    pub fn restore(&mut self, text: &str, form: Form) -> Option<String> {
        // Without guards nothing rejects.
        Guards::default().start(form).restoring().pass(text, self).unwrap_or_default()
    }
}

/// One text on its way through guards.
pub struct Chain {
    flow: Flow,
    /// Of each guard: whether it only looks.
    guards: Vec<bool>,
    reader: Option<Reader>,
    rejected: Option<Rejected>,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the text that is held: it may be what nobody is to see.
        f.debug_struct("Chain")
            .field("held_since", &self.held_since())
            .field("rejected", &self.rejected)
            .finish_non_exhaustive()
    }
}

impl Chain {
    /// Puts values back behind the last guard, where placeholders of the vault stand. In a text that is JSON so far,
    /// as of a model that was asked for JSON, a value in a string is written with escapes.
    #[must_use]
    pub fn restoring(mut self) -> Self {
        let restorer = if self.reader.is_some() { Restorer::inside_strings() } else { Restorer::default() };
        self.flow.stages.push(Stage::Restorer(restorer));
        self
    }

    /// Adds text, and puts behind `out` what is decided now. Tags must not become smaller. A replacement has the tag
    /// of the first byte it stands for; other text keeps its tag.
    ///
    /// # Errors
    /// [`Rejected`] once a guard rejects the text, and ever after.
    pub fn push(
        &mut self,
        text: &str,
        tag: u64,
        vault: &mut Vault,
        out: &mut Vec<Piece>,
    ) -> Result<(), Rejected> {
        let flow = &mut self.flow;
        let result = match (self.rejected, &mut self.reader) {
            (Some(rejected), _) => return Err(rejected),
            (None, None) => flow.text(text, tag, Origin::Input, vault, out),
            (None, Some(reader)) => reader.push(text, tag, &mut |token| flow.token(token, vault, out)),
        };
        self.note(result)
    }

    /// Ends a block: what follows is the next one of the same text.
    ///
    /// # Errors
    /// As [`Chain::push`].
    pub fn next_block(&mut self, vault: &mut Vault, out: &mut Vec<Piece>) -> Result<(), Rejected> {
        if let Some(rejected) = self.rejected {
            return Err(rejected);
        }
        let flow = &mut self.flow;
        let result = stage::end_block(&mut flow.stages, vault, &mut flow.segments);
        flow.write(out);
        self.note(result)
    }

    /// Ends the text: what is held is decided and put behind `out`.
    ///
    /// # Errors
    /// As [`Chain::push`].
    pub fn finish(&mut self, vault: &mut Vault, out: &mut Vec<Piece>) -> Result<(), Rejected> {
        let flow = &mut self.flow;
        let mut result = match (self.rejected, &mut self.reader) {
            (Some(rejected), _) => return Err(rejected),
            (None, None) => Ok(()),
            (None, Some(reader)) => reader.finish(&mut |token| flow.token(token, vault, out)),
        };
        if result.is_ok() {
            result = flow.end(vault, out);
        }
        self.note(result)
    }

    /// The smallest tag of which text is held; `None`: nothing is.
    #[must_use]
    pub fn held_since(&self) -> Option<u64> {
        let stages = self.flow.stages.iter().filter_map(|stage| match stage {
            Stage::Guard(stage) => stage.held_since(),
            Stage::Restorer(stage) => stage.held_since(),
        });
        stages.chain(self.reader.as_ref().and_then(Reader::held_since)).min()
    }

    /// Matches per guard so far: masked, or in the shadow. Of a guard that rejects, the first.
    #[must_use]
    pub fn tally(&self) -> Vec<u64> {
        let mut tally = vec![0; self.guards.len()];
        for stage in &self.flow.stages {
            if let Stage::Guard(stage) = stage
                && let (Some(matches), Some(shadow)) =
                    (tally.get_mut(stage.index), self.guards.get(stage.index))
            {
                // What is not masked in its block is found in the whole once more.
                *matches = if *shadow { stage.matches.max(*matches) } else { *matches + stage.matches };
            }
        }
        tally
    }

    fn note(&mut self, result: Result<(), Refusal>) -> Result<(), Rejected> {
        result.map_err(|Refusal(guard)| *self.rejected.insert(Rejected { guard }))
    }

    fn pass(&mut self, text: &str, vault: &mut Vault) -> Result<Option<String>, Rejected> {
        let mut out = Vec::new();
        self.push(text, 0, vault, &mut out)?;
        self.finish(vault, &mut out)?;
        let whole = out.pop().map(|piece| piece.text).unwrap_or_default();
        Ok((whole != text).then_some(whole))
    }
}

/// The stages of a chain and what is written behind them.
struct Flow {
    stages: Vec<Stage>,
    /// What came out of the last stage and is not written yet.
    segments: Vec<Segment>,
    writing: Writing,
}

/// How text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    /// As it is.
    Plain,
    /// Inside of a JSON string.
    Quoted,
}

impl Flow {
    fn text(
        &mut self,
        text: &str,
        tag: u64,
        origin: Origin,
        vault: &mut Vault,
        out: &mut Vec<Piece>,
    ) -> Result<(), Refusal> {
        let segment = Segment { text: text.to_owned(), tag, origin };
        let result = stage::feed(&mut self.stages, segment, vault, &mut self.segments);
        self.write(out);
        result
    }

    fn end(&mut self, vault: &mut Vault, out: &mut Vec<Piece>) -> Result<(), Refusal> {
        let result = stage::end(&mut self.stages, vault, &mut self.segments);
        self.write(out);
        result
    }

    fn write(&mut self, out: &mut Vec<Piece>) {
        for segment in self.segments.drain(..) {
            match (self.writing, segment.origin) {
                (Writing::Quoted, Origin::Escaped(raw)) => Piece::add(out, &raw, segment.tag),
                (Writing::Quoted, Origin::Replacement(_)) => {
                    let mut escaped = String::new();
                    escape(&segment.text, &mut escaped);
                    Piece::add(out, &escaped, segment.tag);
                }
                _ => Piece::add(out, &segment.text, segment.tag),
            }
        }
    }

    fn token(&mut self, token: Token<'_>, vault: &mut Vault, out: &mut Vec<Piece>) -> Result<(), Refusal> {
        match token {
            Token::Structure(text, tag) => {
                Piece::add(out, text, tag);
                Ok(())
            }
            Token::Open(tag) => {
                Piece::add(out, "\"", tag);
                self.writing = Writing::Quoted;
                Ok(())
            }
            Token::Text(text, tag, origin) => self.text(text, tag, origin, vault, out),
            Token::Close(tag) => {
                self.end(vault, out)?;
                self.writing = Writing::Plain;
                Piece::add(out, "\"", tag);
                Ok(())
            }
            Token::Number(pieces) => self.number(pieces, vault, out),
            Token::Plain(text, tag) => self.text(text, tag, Origin::Input, vault, out),
        }
    }

    /// A number passes as it is, or becomes a string if something in it was replaced.
    fn number(&mut self, pieces: &[Piece], vault: &mut Vault, out: &mut Vec<Piece>) -> Result<(), Refusal> {
        let mut behind = Vec::new();
        for piece in pieces {
            let digits = piece.text.trim_end_matches([' ', '\t', '\n', '\r']);
            if !digits.is_empty() {
                let segment = Segment { text: digits.to_owned(), tag: piece.tag, origin: Origin::Input };
                stage::feed(&mut self.stages, segment, vault, &mut self.segments)?;
            }
            Piece::add(&mut behind, piece.text.get(digits.len()..).unwrap_or_default(), piece.tag);
        }
        stage::end(&mut self.stages, vault, &mut self.segments)?;
        let replaced = self.segments.iter().any(|segment| matches!(segment.origin, Origin::Replacement(_)));
        let tags = |pieces: &[Piece]| (pieces.first().map(|piece| piece.tag), pieces.last().map(|p| p.tag));
        if let (true, (Some(first), _)) = (replaced, tags(pieces)) {
            let last = self.segments.last().map_or(first, |segment| segment.tag);
            self.writing = Writing::Quoted;
            Piece::add(out, "\"", first);
            self.write(out);
            Piece::add(out, "\"", last);
            self.writing = Writing::Plain;
        } else {
            self.write(out);
        }
        behind.iter().for_each(|piece| Piece::add(out, &piece.text, piece.tag));
        Ok(())
    }
}
