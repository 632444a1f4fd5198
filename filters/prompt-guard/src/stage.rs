//! What text passes on its way: guards, and the restorer behind them.

use filter_config::Action;

use crate::chain::Guard;
use crate::json::{Reader, escape};
use crate::scanner::{Decided, Scanner};
use crate::segment::{Origin, Runs, Segment};
use crate::vault::Vault;

/// One stage of a chain.
pub(crate) enum Stage {
    Guard(Box<GuardStage>),
    Restorer(Restorer),
}

/// The guard of this index rejects the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal(pub usize);

/// Sends a segment through stages; what comes out behind the last goes to `out`.
pub(crate) fn feed(
    stages: &mut [Stage],
    segment: Segment,
    vault: &mut Vault,
    out: &mut Vec<Segment>,
) -> Result<(), Refusal> {
    match stages.split_first_mut() {
        None => {
            out.push(segment);
            Ok(())
        }
        Some((Stage::Guard(stage), rest)) => stage.push(segment, rest, vault, out),
        Some((Stage::Restorer(stage), rest)) => stage.push(segment, rest, vault, out),
    }
}

/// Ends the text in all stages, the first before the second.
pub(crate) fn end(stages: &mut [Stage], vault: &mut Vault, out: &mut Vec<Segment>) -> Result<(), Refusal> {
    let Some((stage, rest)) = stages.split_first_mut() else { return Ok(()) };
    match stage {
        Stage::Guard(stage) => stage.end(rest, vault, out)?,
        Stage::Restorer(stage) => stage.end(rest, vault, out)?,
    }
    end(rest, vault, out)
}

/// Ends the block in the stages that look at each block alone, the first before the second.
pub(crate) fn end_block(
    stages: &mut [Stage],
    vault: &mut Vault,
    out: &mut Vec<Segment>,
) -> Result<(), Refusal> {
    let Some((stage, rest)) = stages.split_first_mut() else { return Ok(()) };
    if let Stage::Guard(stage) = stage
        && stage.sight == Sight::Block
    {
        stage.end(rest, vault, out)?;
    }
    end_block(rest, vault, out)
}

/// What a guard takes for one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// All of it.
    Whole,
    /// Each of its blocks.
    Block,
}

/// A guard.
pub(crate) struct GuardStage {
    guard: Guard,
    pub index: usize,
    sight: Sight,
    scanner: Scanner,
    runs: Runs,
    /// Matches found.
    pub matches: u64,
}

impl GuardStage {
    pub fn new(guard: Guard, index: usize, sight: Sight) -> Self {
        let scanner = Scanner::new(guard.detector.clone());
        Self { guard, index, sight, scanner, runs: Runs::default(), matches: 0 }
    }

    fn end(&mut self, rest: &mut [Stage], vault: &mut Vault, out: &mut Vec<Segment>) -> Result<(), Refusal> {
        self.drain(true, rest, vault, out)?;
        self.scanner.restart();
        self.runs.clear();
        Ok(())
    }

    /// The tag of the first byte that is held.
    pub fn held_since(&self) -> Option<u64> {
        self.runs.first_tag()
    }

    fn push(
        &mut self,
        segment: Segment,
        rest: &mut [Stage],
        vault: &mut Vault,
        out: &mut Vec<Segment>,
    ) -> Result<(), Refusal> {
        if segment.origin == Origin::Replacement(Some(self.index)) {
            // Its own, of a block: not to be masked again.
            self.end(rest, vault, out)?;
            return feed(rest, segment, vault, out);
        }
        self.scanner.push(&segment.text);
        if self.guard.shadow {
            feed(rest, segment, vault, out)?;
        } else {
            self.runs.push(&segment);
        }
        self.drain(false, rest, vault, out)
    }

    fn drain(
        &mut self,
        ended: bool,
        rest: &mut [Stage],
        vault: &mut Vault,
        out: &mut Vec<Segment>,
    ) -> Result<(), Refusal> {
        while let Some(decided) = self.scanner.next(ended) {
            match decided {
                Decided::Match { .. } if self.guard.shadow => self.matches += 1,
                Decided::Text(_) if self.guard.shadow => {}
                Decided::Text(range) => {
                    let mut parts = Vec::new();
                    let mut from = range.start;
                    self.runs.take(range.end, |to, tag, origin| {
                        parts.push((from..to, tag, origin.clone()));
                        from = to;
                    });
                    for (range, tag, origin) in parts {
                        let text = self.scanner.read(range).to_owned();
                        feed(rest, Segment { text, tag, origin }, vault, out)?;
                    }
                }
                Decided::Match { range, finder } => {
                    self.matches += 1;
                    if self.guard.action == Action::Reject {
                        return Err(Refusal(self.index));
                    }
                    let replacement = self.scanner.detector().replacement(finder);
                    let text = if self.guard.reversible {
                        vault.placeholder(replacement, self.scanner.read(range.clone()))
                    } else {
                        replacement.to_owned()
                    };
                    let mut first = None;
                    self.runs.take(range.end, |_, tag, _| first = first.or(Some(tag)));
                    let tag = first.unwrap_or_default();
                    let origin = Origin::Replacement(Some(self.index));
                    feed(rest, Segment { text, tag, origin }, vault, out)?;
                }
            }
        }
        Ok(())
    }
}

/// Puts values back where their placeholders stand. Holds what may still become one of the vault's, and no more.
#[derive(Default)]
pub(crate) struct Restorer {
    held: Vec<Segment>,
    surroundings: Surroundings,
}

/// What values are put into.
#[derive(Default)]
enum Surroundings {
    /// A text that may be JSON: it has not begun yet.
    #[default]
    Unknown,
    /// A text that has been JSON so far: what a model says where it was asked for JSON.
    Json(Box<Reader>),
    /// Whatever takes a value as it is.
    Plain,
}

impl Surroundings {
    /// Reads text that goes on.
    fn read(&mut self, text: &str) {
        if matches!(self, Self::Unknown) {
            match text.trim_start().chars().next() {
                None => {}
                Some('{' | '[') => *self = Self::Json(Box::default()),
                Some(_) => *self = Self::Plain,
            }
        }
        if let Self::Json(reader) = self {
            // Nobody needs to be told, so nothing fails.
            let _ = reader.push(text, 0, &mut |_| Ok::<(), ()>(()));
            if reader.has_given_up() {
                *self = Self::Plain;
            }
        }
    }

    /// How a value is written here.
    fn written(&self, value: &str) -> String {
        match self {
            Self::Json(reader) if reader.is_in_string() => {
                let mut escaped = String::new();
                escape(value, &mut escaped);
                escaped
            }
            _ => value.to_owned(),
        }
    }
}

impl Restorer {
    /// For the strings of a text that others write as JSON.
    pub fn inside_strings() -> Self {
        Self { held: Vec::new(), surroundings: Surroundings::Plain }
    }

    /// The tag of the first byte that is held.
    pub fn held_since(&self) -> Option<u64> {
        self.held.first().map(|segment| segment.tag)
    }

    fn push(
        &mut self,
        segment: Segment,
        rest: &mut [Stage],
        vault: &mut Vault,
        out: &mut Vec<Segment>,
    ) -> Result<(), Refusal> {
        if vault.is_empty() && self.held.is_empty() {
            return feed(rest, segment, vault, out);
        }
        let Segment { text, tag, origin } = segment;
        let mut plain = 0;
        for (at, c) in text.char_indices() {
            if self.held.is_empty() && c != '<' {
                continue;
            }
            let behind = at + c.len_utf8();
            if c == '<' || !self.may_become(c, vault) {
                // Nothing that is held can be a placeholder; another may begin here.
                self.let_go(rest, vault, out)?;
                if c != '<' {
                    continue;
                }
                let before = text.get(plain..at).unwrap_or_default();
                if !before.is_empty() {
                    let segment = Segment { text: before.to_owned(), tag, origin: origin.clone() };
                    self.pass(segment, rest, vault, out)?;
                }
            }
            self.hold(c, tag, &origin);
            plain = behind;
            if c == '>' && self.held_text().as_str() != ">" {
                self.restore(rest, vault, out)?;
            }
        }
        match text.get(plain..) {
            Some(after) if !after.is_empty() => {
                self.pass(Segment { text: after.to_owned(), tag, origin }, rest, vault, out)
            }
            _ => Ok(()),
        }
    }

    fn end(&mut self, rest: &mut [Stage], vault: &mut Vault, out: &mut Vec<Segment>) -> Result<(), Refusal> {
        self.let_go(rest, vault, out)
    }

    /// What is held is no placeholder.
    fn let_go(
        &mut self,
        rest: &mut [Stage],
        vault: &mut Vault,
        out: &mut Vec<Segment>,
    ) -> Result<(), Refusal> {
        std::mem::take(&mut self.held).into_iter().try_for_each(|held| self.pass(held, rest, vault, out))
    }

    fn pass(
        &mut self,
        segment: Segment,
        rest: &mut [Stage],
        vault: &mut Vault,
        out: &mut Vec<Segment>,
    ) -> Result<(), Refusal> {
        self.surroundings.read(&segment.text);
        feed(rest, segment, vault, out)
    }

    fn held_text(&self) -> String {
        self.held.iter().map(|segment| segment.text.as_str()).collect()
    }

    fn may_become(&self, c: char, vault: &Vault) -> bool {
        let mut text = self.held_text();
        text.push(c);
        vault.begins_placeholder(&text)
    }

    fn hold(&mut self, c: char, tag: u64, origin: &Origin) {
        match self.held.last_mut() {
            Some(last)
                if last.tag == tag && last.origin == *origin && !matches!(origin, Origin::Escaped(_)) =>
            {
                last.text.push(c);
            }
            _ => self.held.push(Segment { text: c.to_string(), tag, origin: origin.clone() }),
        }
    }

    /// What is held is a prefix of a placeholder that ends with `>`: it is the placeholder.
    fn restore(
        &mut self,
        rest: &mut [Stage],
        vault: &mut Vault,
        out: &mut Vec<Segment>,
    ) -> Result<(), Refusal> {
        let value = vault.value(&self.held_text()).map(|value| self.surroundings.written(value));
        match (value, self.held_since()) {
            (Some(text), Some(tag)) => {
                self.held.clear();
                let segment = Segment { text, tag, origin: Origin::Replacement(None) };
                self.pass(segment, rest, vault, out)
            }
            _ => self.let_go(rest, vault, out),
        }
    }
}
