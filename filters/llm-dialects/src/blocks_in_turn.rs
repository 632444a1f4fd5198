//! Blocks one after another. The hub's may overlap (OpenAI's parallel calls do), but a stream of Anthropic or Bedrock
//! has one open block at a time.

use std::collections::VecDeque;
use std::mem::take;

use crate::hub::{Block, Citation, Delta, StopReason, StreamEvent, Usage};

/// What a block is, as far as it decides how it is written.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Text or a refusal.
    Text,
    /// Reasoning.
    Thinking,
    /// Encrypted reasoning, whole.
    Redacted {
        /// The provider's data.
        data: String,
    },
    /// A call, whose arguments come piece by piece.
    ToolCall {
        /// Its id.
        id: String,
        /// The tool.
        name: String,
    },
}

/// More of the open block.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Piece<'a> {
    /// Of a text.
    Text(&'a str),
    /// Of reasoning.
    Thinking(&'a str),
    /// Of a call's arguments.
    Arguments(&'a str),
    /// A source of the text so far.
    Citation(&'a Citation<'a>),
    /// The signature of reasoning, whole.
    Signature(&'a str),
}

/// How a dialect writes blocks. `index` counts, from 0, those that are written.
pub(crate) trait Write {
    /// Whether it has a form for such a block; if not, the block is left out.
    fn takes(&self, kind: &Kind) -> bool;
    /// A block begins.
    fn begin(&mut self, index: u32, kind: &Kind, out: &mut Vec<u8>);
    /// More of it.
    fn piece(&mut self, index: u32, piece: Piece<'_>, out: &mut Vec<u8>);
    /// It ends.
    fn end(&mut self, index: u32, out: &mut Vec<u8>);
}

/// Puts the blocks of a message in order.
///
/// * Blocks are written in the order they started. What comes for one behind the open one is held until it is its turn.
/// * A text begins with its first words, and reasoning with those or its signature: one that stays empty is left out.
/// * A source that comes before the text it belongs to waits for it.
/// * Arguments that stay blank are written as `{}`.
/// * A signature is written whole, at the end of its block.
#[derive(Debug, Default)]
pub(crate) struct BlocksInTurn {
    /// Those not written completely, in the order they started. The first may be open.
    blocks: VecDeque<Pending>,
    /// The index of the block that is open, or comes next.
    index: u32,
    ending: Ending,
}

/// What is known of a message when it ends.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// Totals of all counts.
    pub(crate) usage: Usage,
    /// Why it ends; the model was done when nothing else is said.
    pub(crate) reason: Option<StopReason>,
    /// The stop sequence that matched.
    pub(crate) stop_sequence: Option<String>,
    /// It has a tool call.
    pub(crate) calls: bool,
    /// It has a refusal.
    pub(crate) refuses: bool,
}

/// A hub block that is not written completely.
#[derive(Debug)]
struct Pending {
    hub_index: u32,
    kind: Kind,
    /// What came while other blocks were open.
    held: Vec<Held>,
    /// Sources that came before their text.
    early: Vec<Citation<'static>>,
    signature: String,
    /// Its beginning is written.
    opened: bool,
    /// Something that is not blank is written: a call needs no `{}`.
    filled: bool,
    /// The hub has stopped it.
    stopped: bool,
}

#[derive(Debug)]
enum Held {
    Text(String),
    Citation(Citation<'static>),
}

impl BlocksInTurn {
    /// Takes an event of a message that has started and not ended, and writes what can be written. Events that are not
    /// about blocks, usage or the end of the message are ignored.
    pub(crate) fn event(&mut self, event: &StreamEvent<'_>, to: &mut impl Write, out: &mut Vec<u8>) {
        match event {
            StreamEvent::BlockStart { index, block } => {
                let pending = self.pending(*index, block);
                self.blocks.push_back(pending);
                self.advance(to, out);
            }
            StreamEvent::Delta { index, delta } => self.delta(*index, delta, to, out),
            StreamEvent::BlockStop { index } => {
                if let Some(block) = self.blocks.iter_mut().find(|block| block.hub_index == *index) {
                    block.stopped = true;
                }
                self.advance(to, out);
            }
            StreamEvent::Usage(usage) => self.ending.usage = *usage,
            StreamEvent::Finish { reason, stop_sequence } => {
                self.ending.reason = Some(*reason);
                self.ending.stop_sequence = stop_sequence.as_deref().map(str::to_owned);
            }
            StreamEvent::Start { .. } | StreamEvent::Ping | StreamEvent::Error(_) | StreamEvent::End => {}
        }
    }

    /// Writes all that is left: the message ends.
    pub(crate) fn end(&mut self, to: &mut impl Write, out: &mut Vec<u8>) -> Ending {
        for block in &mut self.blocks {
            block.stopped = true;
        }
        self.advance(to, out);
        take(&mut self.ending)
    }

    fn pending(&mut self, hub_index: u32, block: &Block<'_>) -> Pending {
        let kind = match block {
            Block::Text => Kind::Text,
            Block::Refusal => {
                self.ending.refuses = true;
                Kind::Text
            }
            Block::Thinking => Kind::Thinking,
            Block::RedactedThinking(data) => Kind::Redacted { data: data.to_string() },
            Block::ToolCall { id, name, .. } => {
                self.ending.calls = true;
                Kind::ToolCall { id: id.to_string(), name: name.to_string() }
            }
        };
        Pending {
            hub_index,
            kind,
            held: Vec::new(),
            early: Vec::new(),
            signature: String::new(),
            opened: false,
            filled: false,
            stopped: false,
        }
    }

    fn delta(&mut self, hub_index: u32, delta: &Delta<'_>, to: &mut impl Write, out: &mut Vec<u8>) {
        let Some(place) = self.blocks.iter().position(|block| block.hub_index == hub_index) else { return };
        let Some(block) = self.blocks.get_mut(place) else { return };
        match (&block.kind, delta) {
            (Kind::Text, Delta::Text(text) | Delta::Refusal(text))
            | (Kind::Thinking, Delta::Thinking(text))
            | (Kind::ToolCall { .. }, Delta::Arguments(text)) => match block.held.last_mut() {
                _ if text.is_empty() => {}
                _ if place == 0 => block.text(self.index, text, to, out),
                Some(Held::Text(held)) => held.push_str(text),
                _ => block.held.push(Held::Text(text.to_string())),
            },
            (Kind::Text, Delta::Citation(citation)) if place == 0 => {
                block.citation(self.index, citation, to, out);
            }
            (Kind::Text, Delta::Citation(citation)) => block.held.push(Held::Citation(citation.owned())),
            (Kind::Thinking, Delta::Signature(signature)) => block.signature.push_str(signature),
            // Log probabilities have no form in these dialects; otherwise the hub keeps deltas and blocks in step.
            _ => {}
        }
    }

    /// Writes what can be written of the first block, and goes on to the next where it is complete.
    fn advance(&mut self, to: &mut impl Write, out: &mut Vec<u8>) {
        while let Some(front) = self.blocks.front_mut() {
            if matches!(front.kind, Kind::Redacted { .. } | Kind::ToolCall { .. }) {
                front.open(self.index, to, out);
            }
            for held in take(&mut front.held) {
                match held {
                    Held::Text(text) => front.text(self.index, &text, to, out),
                    Held::Citation(citation) => front.citation(self.index, &citation, to, out),
                }
            }
            if !front.stopped {
                return;
            }
            if front.close(self.index, to, out) {
                self.index = self.index.saturating_add(1);
            }
            self.blocks.pop_front();
        }
    }
}

impl Pending {
    /// Begins the block, once.
    fn open(&mut self, index: u32, to: &mut impl Write, out: &mut Vec<u8>) {
        if !self.opened && to.takes(&self.kind) {
            self.opened = true;
            to.begin(index, &self.kind, out);
        }
    }

    fn text(&mut self, index: u32, text: &str, to: &mut impl Write, out: &mut Vec<u8>) {
        self.open(index, to, out);
        self.filled = self.filled || !text.trim().is_empty();
        match self.kind {
            Kind::Text => to.piece(index, Piece::Text(text), out),
            Kind::Thinking => to.piece(index, Piece::Thinking(text), out),
            Kind::ToolCall { .. } => to.piece(index, Piece::Arguments(text), out),
            Kind::Redacted { .. } => {}
        }
        for citation in take(&mut self.early) {
            to.piece(index, Piece::Citation(&citation), out);
        }
    }

    fn citation(&mut self, index: u32, citation: &Citation<'_>, to: &mut impl Write, out: &mut Vec<u8>) {
        if self.opened {
            to.piece(index, Piece::Citation(citation), out);
        } else {
            self.early.push(citation.owned());
        }
    }

    /// Ends the block; whether anything of it was written.
    fn close(&mut self, index: u32, to: &mut impl Write, out: &mut Vec<u8>) -> bool {
        if !self.signature.is_empty() {
            self.open(index, to, out);
        }
        if !self.opened {
            return false;
        }
        if matches!(self.kind, Kind::ToolCall { .. }) && !self.filled {
            to.piece(index, Piece::Arguments("{}"), out);
        }
        if !self.signature.is_empty() {
            to.piece(index, Piece::Signature(&self.signature), out);
        }
        to.end(index, out);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a line for each call, and takes no redacted reasoning.
    struct Lines;

    impl Write for Lines {
        fn takes(&self, kind: &Kind) -> bool {
            !matches!(kind, Kind::Redacted { .. })
        }
        fn begin(&mut self, index: u32, kind: &Kind, out: &mut Vec<u8>) {
            out.extend(format!("{index} {kind:?}\n").bytes());
        }
        fn piece(&mut self, index: u32, piece: Piece<'_>, out: &mut Vec<u8>) {
            match piece {
                Piece::Citation(citation) => {
                    out.extend(format!("{index} source {:?}\n", citation.title).bytes())
                }
                piece => out.extend(format!("{index} {piece:?}\n").bytes()),
            }
        }
        fn end(&mut self, index: u32, out: &mut Vec<u8>) {
            out.extend(format!("{index} end\n").bytes());
        }
    }

    fn written(events: &[StreamEvent<'_>]) -> (String, Ending) {
        let (mut blocks, mut out) = (BlocksInTurn::default(), Vec::new());
        for event in events {
            blocks.event(event, &mut Lines, &mut out);
        }
        let ending = blocks.end(&mut Lines, &mut out);
        (String::from_utf8(out).unwrap(), ending)
    }

    fn begin(index: u32, block: Block<'static>) -> StreamEvent<'static> {
        StreamEvent::BlockStart { index, block }
    }

    fn more(index: u32, delta: Delta<'static>) -> StreamEvent<'static> {
        StreamEvent::Delta { index, delta }
    }

    fn source(title: &'static str) -> Delta<'static> {
        Delta::Citation(Citation { title: Some(title.into()), ..Citation::default() })
    }

    #[test]
    fn what_comes_for_later_blocks_waits_in_its_order() {
        let call = Block::ToolCall { id: "a".into(), name: "f".into(), signature: None };
        let (lines, ending) = written(&[
            begin(0, call),
            begin(1, Block::Text),
            more(1, source("early")),
            more(1, Delta::Text("one ".into())),
            more(1, Delta::Text("two".into())),
            more(1, source("late")),
            more(1, Delta::Text("three".into())),
            StreamEvent::BlockStop { index: 1 },
            StreamEvent::BlockStop { index: 0 },
        ]);
        assert_eq!(
            lines,
            "0 ToolCall { id: \"a\", name: \"f\" }\n0 Arguments(\"{}\")\n0 end\n\
             1 Text\n1 Text(\"one two\")\n1 source Some(\"early\")\n1 source Some(\"late\")\n1 Text(\"three\")\n1 end\n"
        );
        assert!(ending.calls && !ending.refuses);
    }

    #[test]
    fn empty_blocks_and_those_without_a_form_are_left_out() {
        let (lines, ending) = written(&[
            begin(0, Block::Text),
            more(0, source("of nothing")),
            begin(1, Block::RedactedThinking("x".into())),
            begin(2, Block::Thinking),
            begin(3, Block::Thinking),
            more(3, Delta::Signature("si".into())),
            more(3, Delta::Signature("gned".into())),
            begin(4, Block::Refusal),
            more(4, Delta::Refusal("No.".into())),
        ]);
        assert_eq!(lines, "0 Thinking\n0 Signature(\"signed\")\n0 end\n1 Text\n1 Text(\"No.\")\n1 end\n");
        assert!(ending.refuses && ending.reason.is_none());
    }
}
