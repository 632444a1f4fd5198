//! Gathering slots while a body is read.

use llm_dialects::Dialect;

use crate::json::{Fault, Shape, Span, Value};
use crate::passage::{Passage, Passages, Signature};
use crate::slot::{At, Form, Slot, ThreadKind};

/// What reading a body gathers.
#[derive(Debug, Default)]
pub(crate) struct Collector<'a> {
    pub(crate) slots: Vec<Slot<'a>>,
    /// Of each slot.
    pub(crate) places: Vec<Place>,
    pub(crate) containers: Vec<Container>,
    pub(crate) echoes: Vec<Edit>,
    /// Over reasoning, in answers and events.
    pub(crate) signatures: Vec<Signature<'a>>,
    /// Of the answer, or of the stream so far.
    pub(crate) passages: Passages,
}

/// Where a slot stands.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) span: Span,
    pub(crate) shape: Shape,
    /// What goes when it is replaced.
    pub(crate) seal: Option<Seal>,
    /// What it is a part of, in answers and events.
    pub(crate) passage: Option<Passage>,
}

/// A child of a container that goes when the text it vouches for is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seal {
    pub(crate) container: usize,
    pub(crate) child: usize,
}

/// An object or a list whose children can go.
#[derive(Debug)]
pub(crate) struct Container {
    /// Of each child, with its key.
    pub(crate) children: Vec<Span>,
    /// How the first child is written when all are to go, and the list must not become empty: what stands around the
    /// new text of the last one that had any.
    pub(crate) never_empty: Option<[&'static str; 2]>,
}

/// Bytes to be written instead of others.
#[derive(Debug, Clone)]
pub(crate) struct Edit {
    pub(crate) span: Span,
    pub(crate) with: &'static str,
}

impl<'a> Collector<'a> {
    /// The same with texts of its own.
    pub(crate) fn into_owned(self) -> Collector<'static> {
        let Self { slots, places, containers, echoes, signatures, passages } = self;
        let slots = slots.into_iter().map(Slot::into_owned).collect();
        let signatures = signatures.into_iter().map(Signature::into_owned).collect();
        Collector { slots, places, containers, echoes, signatures, passages }
    }

    /// Takes a string; nothing for null.
    pub(crate) fn text(&mut self, value: Option<Value<'_, 'a>>, at: At) -> Result<(), Fault> {
        self.string(value, at, Form::Text)
    }

    /// Takes a string that holds JSON; nothing for null. An object is taken as it is: some providers write arguments
    /// so.
    pub(crate) fn json_text(&mut self, value: Option<Value<'_, 'a>>, at: At) -> Result<(), Fault> {
        match value {
            Some(value) if value.shape() == Shape::Object => self.json_value(Some(value), at),
            value => self.string(value, at, Form::JsonText),
        }
    }

    /// Takes a JSON value as it is; nothing for null.
    pub(crate) fn json_value(&mut self, value: Option<Value<'_, 'a>>, at: At) -> Result<(), Fault> {
        if let Some(value) = value.filter(|value| value.shape() != Shape::Null) {
            self.push(value, at, Form::JsonValue, value.raw().into());
        }
        Ok(())
    }

    fn string(&mut self, value: Option<Value<'_, 'a>>, at: At, form: Form) -> Result<(), Fault> {
        let Some(value) = value.filter(|value| value.shape() != Shape::Null) else { return Ok(()) };
        let text = value.text().ok_or_else(|| value.wrong("a string"))?;
        self.push(value, at, form, text);
        Ok(())
    }

    fn push(&mut self, value: Value<'_, 'a>, at: At, form: Form, text: std::borrow::Cow<'a, str>) {
        let At { scope, role, thread, block, snapshot } = at;
        self.slots.push(Slot { scope, role, message: thread.message, thread, block, form, snapshot, text });
        self.places.push(Place { span: value.span(), shape: value.shape(), seal: None, passage: None });
    }

    /// Notes a value that repeats text of slots, and what makes it harmless. Values that are so already are left.
    pub(crate) fn echo(&mut self, value: Option<Value<'_, 'a>>, with: &'static str) {
        if let Some(value) = value.filter(|value| value.shape() != Shape::Null && value.raw() != with) {
            self.echoes.push(Edit { span: value.span(), with });
        }
    }

    /// Whether some text of this value has been taken.
    pub(crate) fn reads(&self, value: Value<'_, '_>) -> bool {
        let Span { start, end } = value.span();
        self.places.iter().any(|place| start <= place.span.start && place.span.end <= end)
    }

    /// The number of the message behind those that texts have been taken of.
    pub(crate) fn messages(&self) -> u32 {
        self.slots.iter().map(|slot| slot.message.saturating_add(1)).max().unwrap_or(0)
    }

    /// A container whose children can go.
    pub(crate) fn container(
        &mut self,
        value: Value<'_, 'a>,
        never_empty: Option<[&'static str; 2]>,
    ) -> usize {
        let children = value.children().map(Value::outer_span).collect();
        self.containers.push(Container { children, never_empty });
        self.containers.len() - 1
    }

    /// Ties the slots from index `from` on that have no seal to a child of a container.
    pub(crate) fn seal(&mut self, from: usize, seal: Seal) {
        for place in self.places.iter_mut().skip(from) {
            place.seal.get_or_insert(seal);
        }
    }

    /// The slots from index `from` on that are reasoning are of this passage, unless they are of another.
    pub(crate) fn passage(&mut self, from: usize, passage: Passage) {
        for (slot, place) in self.slots.iter().zip(&mut self.places).skip(from) {
            if slot.thread.kind == ThreadKind::Reasoning {
                place.passage.get_or_insert(passage);
            }
        }
    }

    /// Notes the signature over a passage, written as clients of `dialect` get it. Whether there is one: null and the
    /// empty string are none.
    pub(crate) fn signature(
        &mut self,
        value: Option<Value<'_, 'a>>,
        dialect: Dialect,
        passage: Passage,
    ) -> bool {
        let Some(value) = value.filter(|value| value.shape() == Shape::String) else { return false };
        let Some(text) = value.text().filter(|text| !text.is_empty()) else { return false };
        self.signatures.push(Signature { span: value.span(), text, dialect, passage });
        true
    }
}
