//! Streams: event by event from the provider's dialect to the client's, or watched as they pass.

use framing::sse;
use llm_dialects::hub::{ApiError, ErrorKind, StreamEvent};
use llm_dialects::inspect::{AnswerFacts, StreamWatch};
use llm_dialects::{Dialect, Error};

use crate::BodyFlow;
use crate::record::Outcome;

/// A streamed answer.
#[derive(Debug)]
pub(super) struct Stream {
    framing: sse::Decoder,
    work: Work,
    state: State,
}

#[derive(Debug)]
enum Work {
    /// Client and provider speak the same dialect: the bytes pass, usage is read off.
    Watch { client: Dialect, watch: StreamWatch },
    /// They do not.
    Translate(Box<Translation>),
}

#[derive(Debug)]
struct Translation {
    decoder: llm_dialects::dialect::StreamDecoder,
    encoder: llm_dialects::dialect::StreamEncoder,
    facts: AnswerFacts,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Open,
    /// The provider said that the answer is complete.
    Complete,
    /// Something went wrong; nothing more is read.
    Failed(String),
}

/// What can go wrong while an event is read.
#[derive(Debug)]
enum StreamError {
    Framing(framing::Error),
    Dialect(Error),
}

impl From<framing::Error> for StreamError {
    fn from(error: framing::Error) -> Self {
        Self::Framing(error)
    }
}

impl From<Error> for StreamError {
    fn from(error: Error) -> Self {
        Self::Dialect(error)
    }
}

impl StreamError {
    fn to_api_error(&self) -> ApiError {
        match self {
            Self::Framing(error) => Error::upstream(error.to_string()).to_api_error(),
            Self::Dialect(error) => error.to_api_error(),
        }
    }
}

impl Stream {
    /// A stream from `upstream` to `client`; `now` in seconds since 1970; `wants_usage` says whether the client
    /// is told the usage when it is translated.
    pub(super) fn new(client: Dialect, upstream: Dialect, now: u64, wants_usage: bool) -> Self {
        let work = if client == upstream {
            Work::Watch { client, watch: StreamWatch::new(upstream) }
        } else {
            Work::Translate(Box::new(Translation {
                decoder: upstream.stream_decoder(),
                encoder: client.stream_encoder(now, wants_usage),
                facts: AnswerFacts::default(),
            }))
        };
        Self { framing: sse::Decoder::new(sse::Limits::default()), work, state: State::Open }
    }

    pub(super) fn facts(&self) -> &AnswerFacts {
        match &self.work {
            Work::Watch { watch, .. } => &watch.facts,
            Work::Translate(translation) => &translation.facts,
        }
    }

    /// How the stream went, as soon as that is certain; always once its end has been seen.
    pub(super) fn settled(&self) -> Option<Outcome> {
        match (&self.state, &self.work) {
            (State::Failed(_), _) => Some(Outcome::Failed),
            (State::Complete, _) => Some(Outcome::Complete),
            (State::Open, Work::Watch { watch, .. }) => watch.complete.then_some(Outcome::Complete),
            (State::Open, Work::Translate(_)) => None,
        }
    }

    /// Why it failed, if it did.
    pub(super) fn failure(&self) -> Option<String> {
        match &self.state {
            State::Failed(why) => Some(why.clone()),
            State::Open | State::Complete => None,
        }
    }

    /// Takes a chunk; `end` with the last one.
    pub(super) fn chunk(&mut self, bytes: &[u8], end: bool) -> BodyFlow {
        match &mut self.work {
            Work::Watch { client, watch } => {
                let more = watch_chunk(&mut self.framing, watch, bytes, end);
                if watch.failed && self.state == State::Open {
                    self.state = State::Failed("the provider reported an error in the stream".to_owned());
                }
                if !end || watch.complete || watch.failed {
                    return BodyFlow::Keep;
                }
                let error = cut_short(more);
                self.state = State::Failed(error.message.clone());
                let mut out = bytes.to_vec();
                // The last event may lack its blank line; the error must be an event of its own.
                out.extend_from_slice(b"\n\n");
                client.stream_encoder(0, false).event(&StreamEvent::Error(error), &mut out);
                BodyFlow::Replace(out)
            }
            Work::Translate(translation) => {
                let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 2);
                if self.state == State::Open {
                    self.state = translation.chunk(&mut self.framing, bytes, end, &mut out);
                }
                BodyFlow::Replace(out)
            }
        }
    }
}

/// Shows a passing chunk to the watch. A stream that cannot be read is not watched any further.
fn watch_chunk(
    framing: &mut sse::Decoder,
    watch: &mut StreamWatch,
    bytes: &[u8],
    end: bool,
) -> Option<framing::Error> {
    let mut sink = |frame: sse::Frame<'_>| {
        if let sse::Frame::Event(event) = frame {
            watch.event(event.event, event.data);
        }
        Ok::<(), framing::Error>(())
    };
    let result = framing
        .feed(bytes, &mut sink)
        .and_then(|()| if end { framing.finish(&mut sink).map(drop) } else { Ok(()) });
    result.err()
}

impl Translation {
    fn chunk(&mut self, framing: &mut sse::Decoder, bytes: &[u8], end: bool, out: &mut Vec<u8>) -> State {
        let mut state = State::Open;
        let Self { decoder, encoder, facts } = self;
        let mut sink = |event: StreamEvent<'_>| {
            // Whatever a provider sends behind its own end is not for the client.
            if state != State::Open {
                return;
            }
            match &event {
                StreamEvent::Start { model, .. } => facts.model = Some(model.clone().into_owned()),
                StreamEvent::Usage(usage) => facts.usage = Some(*usage),
                StreamEvent::End => state = State::Complete,
                StreamEvent::Error(error) => {
                    state = State::Failed(format!(
                        "the provider reported an error in the stream ({})",
                        error.status
                    ));
                }
                _ => {}
            }
            encoder.event(&event, out);
        };
        let mut read = |frame: sse::Frame<'_>| match frame {
            sse::Frame::Event(event) => {
                decoder.event(event.event, event.data, &mut sink).map_err(StreamError::from)
            }
            sse::Frame::Comment(_) => {
                sink(StreamEvent::Ping);
                Ok(())
            }
        };
        let mut result = framing.feed(bytes, &mut read);
        if result.is_ok() && end {
            result = framing.finish(&mut read).map(drop);
        }
        if result.is_ok() && end {
            result = decoder.finish(&mut sink).map_err(StreamError::from);
        }
        if let Err(error) = result
            && state == State::Open
        {
            let error = error.to_api_error();
            encoder.event(&StreamEvent::Error(error.clone()), out);
            state = State::Failed(error.message);
        }
        state
    }
}

fn cut_short(framing: Option<framing::Error>) -> ApiError {
    let why = framing.map_or_else(|| "it ended before it was complete".to_owned(), |error| error.to_string());
    ApiError {
        status: 502,
        kind: ErrorKind::Upstream,
        code: Some("stream_cut_short".to_owned()),
        param: None,
        message: format!("The provider's stream is broken: {why}."),
    }
}
