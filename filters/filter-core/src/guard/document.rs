//! Whole bodies: requests, answers, and streams that are held until they are complete.

use filter_config::Endpoint;
use framing::{aws_event_stream, sse};
use llm_dialects::dialect::Framing;
use serde_json::value::RawValue;
use text_views::{ChangedReasoning, EventReader, Views};

use super::texts::{Parts, Texts};

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A request.
    Request,
    /// One JSON answer.
    Answer,
    /// The events of a stream.
    Stream(Framing),
    /// The events of a stream, as the elements of a JSON array.
    Array,
    /// Text, and nothing around it.
    Plain,
}

/// Why the texts of a body cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It is not what the endpoint speaks.
    Broken(String),
    /// There may be text in it that cannot be seen.
    Opaque,
}

impl From<text_views::Error> for Unreadable {
    fn from(error: text_views::Error) -> Self {
        match error {
            text_views::Error::Opaque { .. } => Self::Opaque,
            other => Self::Broken(other.to_string()),
        }
    }
}

impl From<framing::Error> for Unreadable {
    fn from(error: framing::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

/// Reads the texts of a body.
pub(super) fn read(endpoint: Endpoint, kind: Kind, body: &[u8]) -> Result<Texts, Unreadable> {
    let mut texts = Texts::default();
    let parts = Parts::of_answer(endpoint);
    match kind {
        Kind::Request => texts.add(Views::of_request(endpoint, body)?.slots(), Parts::Slots),
        Kind::Answer => texts.add(Views::of_answer(endpoint, body)?.slots(), parts),
        Kind::Plain => {
            let text = std::str::from_utf8(body).map_err(|_| Unreadable::Opaque)?;
            texts.add_plain(text);
        }
        Kind::Array | Kind::Stream(_) => {
            let mut reader = EventReader::new(endpoint);
            each_event(kind, body, |event| {
                if let Some((name, data)) = event.content() {
                    texts.add(reader.views(name, data)?.slots(), parts);
                }
                Ok(())
            })?;
        }
    }
    Ok(texts)
}

/// The body with these texts, which [`read`] gave and guards have changed since. `acts`: some guard may have changed
/// them, so what repeats or quotes them is taken out. It is not looked at, so it goes whether or not they have
/// changed, as in streams.
pub(super) fn write(
    endpoint: Endpoint,
    kind: Kind,
    body: &[u8],
    texts: &Texts,
    acts: bool,
) -> Result<Vec<u8>, Unreadable> {
    let mut next = 0;
    // Of a stream; a whole body marks its own signatures.
    let mut changed = ChangedReasoning::default();
    let mut renew = |mut views: Views<'_>| -> Result<Vec<u8>, Unreadable> {
        for index in 0..views.slots().len() {
            if let Some(text) = texts.get(next) {
                views.replace(index, text)?;
            }
            next += 1;
        }
        views.mark_signatures(&mut changed);
        if acts {
            views.drop_echoes();
        }
        Ok(views.into_bytes())
    };
    match kind {
        Kind::Request => renew(Views::of_request(endpoint, body)?),
        Kind::Answer => renew(Views::of_answer(endpoint, body)?),
        Kind::Plain => Ok(texts.get(0).unwrap_or_default().as_bytes().to_vec()),
        Kind::Array | Kind::Stream(_) => {
            let mut reader = EventReader::new(endpoint);
            let mut out = Vec::with_capacity(body.len());
            let mut elements = 0_usize;
            each_event(kind, body, |event| {
                let new = match event.content() {
                    Some((name, data)) => Some(renew(reader.views(name, data)?)?),
                    None => None,
                };
                if kind == Kind::Array {
                    out.extend_from_slice(if elements == 0 { b"[" } else { b",\r\n" });
                    elements += 1;
                }
                event.write(new.as_deref(), &mut out)?;
                Ok(())
            })?;
            if kind == Kind::Array {
                out.extend_from_slice(if elements == 0 { b"[]" } else { b"]" });
            }
            Ok(out)
        }
    }
}

/// One event, however it is framed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event<'a> {
    Sse(sse::Event<'a>),
    Comment(&'a [u8]),
    Aws(aws_event_stream::Message<'a>),
    Element(&'a [u8]),
}

impl<'a> Event<'a> {
    /// Its name and data; `None` for what has no data.
    pub(super) fn content(&self) -> Option<(&'a str, &'a [u8])> {
        match self {
            Self::Sse(event) => {
                let name = event.event.and_then(|name| std::str::from_utf8(name).ok());
                Some((name.unwrap_or_default(), event.data))
            }
            // Exceptions say no text of the model.
            Self::Aws(message) => message.event_type().map(|name| (name, message.payload)),
            Self::Element(data) => Some(("", data)),
            Self::Comment(_) => None,
        }
    }

    /// Writes it with other data, or, with `None`, as it is.
    pub(super) fn write(&self, data: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), framing::Error> {
        match self {
            Self::Sse(event) => sse::Event { data: data.unwrap_or(event.data), ..*event }.write(out),
            Self::Comment(text) => {
                sse::write_comment(out, text);
                Ok(())
            }
            Self::Aws(message) => {
                let headers: Vec<_> = message.headers.collect();
                aws_event_stream::encode(out, &headers, data.unwrap_or(message.payload))
            }
            Self::Element(element) => {
                out.extend_from_slice(data.unwrap_or(element));
                Ok(())
            }
        }
    }
}

fn each_event(
    kind: Kind,
    body: &[u8],
    mut sink: impl FnMut(Event<'_>) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    match kind {
        Kind::Stream(Framing::AwsEventStream) => {
            let mut decoder = aws_event_stream::Decoder::new(aws_event_stream::Limits::default());
            decoder.feed(body, |message| sink(Event::Aws(message)))?;
            Ok(decoder.finish()?)
        }
        Kind::Array => {
            let elements: Vec<&RawValue> = serde_json::from_slice(body)
                .map_err(|error| Unreadable::Broken(format!("the answer is no JSON array: {error}")))?;
            elements.into_iter().try_for_each(|element| sink(Event::Element(element.get().as_bytes())))
        }
        _ => {
            let mut decoder = sse::Decoder::new(sse::Limits::default());
            let mut read = |frame: sse::Frame<'_>| match frame {
                sse::Frame::Event(event) => sink(Event::Sse(event)),
                sse::Frame::Comment(text) => sink(Event::Comment(text)),
            };
            decoder.feed(body, &mut read)?;
            decoder.finish(&mut read)?;
            Ok(())
        }
    }
}
