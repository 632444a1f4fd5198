//! The texts of one body, and the body written anew.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use filter_config::Endpoint;
use llm_dialects::signature;
use serde_json::value::RawValue;

use crate::Error;
use crate::collect::{Collector, Seal};
use crate::dialects::{self, Holds};
use crate::json::{Doc, Fault, Shape, Span, encode};
use crate::passage::{ChangedReasoning, Passage};
use crate::slot::{Form, Slot, Thread};
use crate::stream::EventReader;

/// The texts of one body, and what they are to be replaced by.
#[derive(Debug)]
pub struct Views<'a> {
    body: Cow<'a, [u8]>,
    found: Collector<'a>,
    ends: Vec<Thread>,
    /// Of the slots that are replaced: the new text, and how it is written.
    new: BTreeMap<usize, New>,
    without_echoes: bool,
    /// Of the signatures that are marked: how they are written.
    marked: BTreeMap<usize, String>,
}

#[derive(Debug)]
struct New {
    text: String,
    json: String,
}

impl<'a> Views<'a> {
    /// The texts of a request as a client sends it to `endpoint`.
    ///
    /// # Errors
    /// [`Error::Opaque`] for bodies that hold no text anyone could read here: multipart uploads, token ids, endpoints
    /// that pass through. Every other [`Error`] but [`Error::Replacement`] when the body is not what the endpoint
    /// takes.
    pub fn of_request(endpoint: Endpoint, body: &'a [u8]) -> Result<Self, Error> {
        match dialects::of_request(endpoint) {
            Holds::Texts => Self::read(body, |root, found| dialects::request(endpoint, root, found)),
            Holds::Nothing => Ok(Self::without_texts(body)),
            Holds::Unreadable(reason) => Err(Error::opaque(reason)),
        }
    }

    /// The texts of a whole answer with a 2xx status, in the dialect of the client. Bodies that hold an error have
    /// none.
    ///
    /// # Errors
    /// As [`Self::of_request`]; also [`Error::Opaque`] for audio.
    pub fn of_answer(endpoint: Endpoint, body: &'a [u8]) -> Result<Self, Error> {
        match dialects::of_answer(endpoint) {
            Holds::Texts
                if endpoint == Endpoint::OpenaiAudio && !body.trim_ascii_start().starts_with(b"{") =>
            {
                Err(Error::opaque("it is sound, or text that is no JSON"))
            }
            Holds::Texts => Self::read(body, |root, found| dialects::answer(endpoint, root, found)),
            Holds::Nothing => Ok(Self::without_texts(body)),
            Holds::Unreadable(reason) => Err(Error::opaque(reason)),
        }
    }

    /// The texts of the data of one Server-Sent Event, seen alone: [`EventReader`] knows more, as events refer to
    /// others. Here every event that can repeat text is taken to do so.
    ///
    /// # Errors
    /// As [`Self::of_request`].
    pub fn of_event(endpoint: Endpoint, data: &'a [u8]) -> Result<Self, Error> {
        EventReader::alone(endpoint).views("", data)
    }

    /// The texts of the payload of one message of a Bedrock `ConverseStream`, seen alone. `event_type` is its header
    /// `:event-type`.
    ///
    /// # Errors
    /// As [`Self::of_request`].
    pub fn of_bedrock_event(event_type: &str, payload: &'a [u8]) -> Result<Self, Error> {
        EventReader::alone(Endpoint::BedrockConverseStream).views(event_type, payload)
    }

    pub(crate) fn read(
        body: &'a [u8],
        read: impl for<'d> FnOnce(crate::json::Value<'d, 'a>, &mut Collector<'a>) -> Result<(), Fault>,
    ) -> Result<Self, Error> {
        let mut found = Collector::default();
        if body.trim_ascii_start().starts_with(b"--") {
            return Err(Error::opaque("a multipart body is not looked into"));
        }
        Doc::scan(body)
            .and_then(|doc| doc.root().map_or(Ok(()), |root| read(root, &mut found)))
            .map_err(|fault| fault.in_body(body))?;
        Ok(Self { found, ..Self::without_texts(body) })
    }

    /// Views of a body that says nothing.
    pub(crate) fn without_texts(body: &'a [u8]) -> Self {
        let found = Collector::default();
        Self {
            body: Cow::Borrowed(body),
            found,
            ends: Vec::new(),
            new: BTreeMap::new(),
            without_echoes: false,
            marked: BTreeMap::new(),
        }
    }

    pub(crate) fn with_ends(self, ends: Vec<Thread>) -> Self {
        Self { ends, ..self }
    }

    /// The texts as they came: system prompt first, then message by message.
    pub fn slots(&self) -> &[Slot<'a>] {
        &self.found.slots
    }

    /// In stream events: threads that end with this event, with nothing more to come behind the slots it has. What is
    /// held back of them must leave before the event does.
    pub fn ends(&self) -> &[Thread] {
        &self.ends
    }

    /// Replaces the text of the slot at `index`. The text it already has takes an earlier replacement back.
    ///
    /// In requests, signed reasoning loses its signature with its text, or goes altogether; in answers its signature is
    /// marked; see the crate.
    ///
    /// # Errors
    /// [`Error::Replacement`] when there is no such slot; for [`Form::JsonValue`] when the text is no JSON value, or
    /// no object where an object stood: what the providers refuse.
    pub fn replace(&mut self, index: usize, text: &str) -> Result<(), Error> {
        let refuse = |problem| Error::Replacement { slot: index, problem };
        let slot = self.found.slots.get(index).ok_or_else(|| refuse("there is no such text"))?;
        if slot.text == text {
            self.new.remove(&index);
            return Ok(());
        }
        let json = match slot.form {
            Form::Text | Form::JsonText => encode(text),
            Form::JsonValue => {
                let value: &RawValue =
                    serde_json::from_str(text).map_err(|_| refuse("the new text is not JSON"))?;
                let object = self.found.places.get(index).is_some_and(|place| place.shape == Shape::Object);
                if object && !value.get().starts_with('{') {
                    return Err(refuse("the new text is not a JSON object"));
                }
                value.get().to_owned()
            }
        };
        self.new.insert(index, New { text: text.to_owned(), json });
        Ok(())
    }

    /// Takes out what repeats texts of slots in other fields, in a way that SDKs still parse. To be called whenever a
    /// slot is replaced; the crate lists the fields.
    pub fn drop_echoes(&mut self) {
        self.without_echoes = true;
    }

    /// In streams: adds the reasoning that has been replaced here to `changed`, and marks the signatures in this event
    /// that are over any of it. To be called for every event, in order, when its texts have been replaced.
    pub fn mark_signatures(&mut self, changed: &mut ChangedReasoning) {
        changed.0.extend(self.replaced_passages());
        self.mark(|passage| changed.0.contains(&passage));
    }

    fn replaced_passages(&self) -> impl Iterator<Item = Passage> {
        self.new.keys().filter_map(|index| self.found.places.get(*index)?.passage)
    }

    fn mark(&mut self, changed: impl Fn(Passage) -> bool) {
        for (index, signature) in self.found.signatures.iter().enumerate() {
            if changed(signature.passage)
                && let Some(marked) = signature::changed(signature.dialect, &signature.text)
            {
                self.marked.insert(index, encode(&marked));
            }
        }
    }

    /// Whether the body will differ from the one that came.
    pub fn changed(&self) -> bool {
        let without_echoes = self.without_echoes && !self.found.echoes.is_empty();
        !self.new.is_empty() || without_echoes || !self.marked.is_empty()
    }

    /// The same with a body of its own, for an event that waits.
    pub fn into_owned(self) -> Views<'static> {
        let Self { body, found, ends, new, without_echoes, marked } = self;
        let (body, found) = (Cow::Owned(body.into_owned()), found.into_owned());
        Views { body, found, ends, new, without_echoes, marked }
    }

    /// The body with the new texts, signatures over them marked, every other byte as it came.
    pub fn into_bytes(self) -> Vec<u8> {
        self.into_body().into_owned()
    }

    /// As [`Self::into_bytes`]; a body that nothing was changed in is the one that came.
    pub fn into_body(mut self) -> Cow<'a, [u8]> {
        if !self.changed() {
            return self.body;
        }
        let replaced: BTreeSet<Passage> = self.replaced_passages().collect();
        self.mark(|passage| replaced.contains(&passage));
        let mut edits: Vec<(Span, &str)> = Vec::new();
        let mut filled: Vec<(Span, String)> = Vec::new();
        let places = &self.found.places;
        edits.extend(
            self.new.iter().filter_map(|(index, new)| Some((places.get(*index)?.span, new.json.as_str()))),
        );
        let signatures = &self.found.signatures;
        edits.extend(
            self.marked.iter().filter_map(|(index, new)| Some((signatures.get(*index)?.span, new.as_str()))),
        );
        if self.without_echoes {
            edits.extend(self.found.echoes.iter().map(|echo| (echo.span, echo.with)));
        }
        // What goes of each container, and the last new text that was tied to it.
        let mut gone: BTreeMap<usize, (BTreeSet<usize>, &str)> = BTreeMap::new();
        for (index, new) in &self.new {
            if let Some(Seal { container, child }) = places.get(*index).and_then(|place| place.seal) {
                let (children, text) = gone.entry(container).or_default();
                children.insert(child);
                *text = &new.text;
            }
        }
        for (container, (children, text)) in gone {
            self.remove(container, &children, text, &mut edits, &mut filled);
        }
        edits.extend(filled.iter().map(|(span, with)| (*span, with.as_str())));
        Cow::Owned(write(&self.body, edits))
    }

    /// Takes children out of a container, each with the comma before it, or behind it where nothing before it stays.
    fn remove(
        &self,
        container: usize,
        gone: &BTreeSet<usize>,
        text: &str,
        edits: &mut Vec<(Span, &str)>,
        filled: &mut Vec<(Span, String)>,
    ) {
        let Some(found) = self.found.containers.get(container) else { return };
        let all = gone.len() == found.children.len();
        let mut stays_before = false;
        for (child, span) in found.children.iter().enumerate() {
            if !gone.contains(&child) {
                stays_before = true;
                continue;
            }
            if let (true, 0, Some([before, behind])) = (all, child, found.never_empty) {
                let text = encode(if text.trim().is_empty() { "[removed]" } else { text });
                filled.push((*span, format!("{before}{text}{behind}")));
                stays_before = true;
                continue;
            }
            let neighbour = |nth: Option<usize>| nth.and_then(|nth| found.children.get(nth));
            let span = match (stays_before, neighbour(child.checked_sub(1)), neighbour(child.checked_add(1)))
            {
                (true, Some(previous), _) => Span { start: previous.end, end: span.end },
                (false, _, Some(next)) => Span { start: span.start, end: next.start },
                _ => *span,
            };
            edits.push((span, ""));
        }
    }
}

/// `body` with spans written differently. Of spans inside one another the outer counts.
fn write(body: &[u8], mut edits: Vec<(Span, &str)>) -> Vec<u8> {
    edits.sort_by_key(|(span, _)| (span.start, std::cmp::Reverse(span.end)));
    let mut written = Vec::with_capacity(body.len());
    let mut at = 0;
    for (span, with) in edits {
        let (start, end) = (span.start as usize, span.end as usize);
        if start < at {
            continue;
        }
        written.extend_from_slice(body.get(at..start).unwrap_or_default());
        written.extend_from_slice(with.as_bytes());
        at = end;
    }
    written.extend_from_slice(body.get(at..).unwrap_or_default());
    written
}
