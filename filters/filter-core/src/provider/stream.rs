//! Streams: event by event from the provider's dialect to the client's, or passing as they come.

use filter_config::Endpoint;
use llm_dialects::dialect::{Framing, StreamDecoder, StreamEncoder};
use llm_dialects::hub::{ApiError, Delta, ErrorKind, StreamEvent, Usage};
use llm_dialects::inspect::AnswerFacts;
use llm_dialects::tool_names::ToolNames;
use llm_dialects::{Dialect, Error};
use token_count::{RunningCount, Tokeniser};

use super::json_array::JsonArray;
use super::pass_through::PassThrough;
use crate::frames::{Event, Frames};
use crate::handoff::Handoff;
use crate::record::Outcome;
use crate::watched::Watched;
use crate::{BodyFlow, endpoints};

/// A streamed answer.
#[derive(Debug)]
pub(super) struct Stream {
    work: Work,
    state: State,
    /// The stream goes out as a JSON array.
    array: Option<JsonArray>,
}

#[derive(Debug)]
enum Work {
    /// Client and provider speak the same.
    Pass(Box<PassThrough>),
    /// They do not.
    Translate(Box<Translation>),
}

#[derive(Debug)]
struct Translation {
    frames: Frames,
    decoder: StreamDecoder,
    encoder: StreamEncoder,
    names: ToolNames,
    /// The model sent: some providers do not say which one answers.
    model: String,
    /// The id of the answer, where it stands in its headers.
    id: Option<String>,
    facts: AnswerFacts,
    tokeniser: Tokeniser,
    /// The tokens of what has been generated so far.
    generated: RunningCount,
}

/// How far a stream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Open,
    /// The provider said that the answer is complete.
    Complete,
    /// The provider reported an error, and will say no more.
    Failed(String),
    /// Something went wrong here; nothing more is read.
    Broken(String),
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

/// How a translated stream gets from one dialect to the other.
pub(super) struct Translated {
    pub(super) client: Dialect,
    pub(super) upstream: Dialect,
    /// Seconds since 1970.
    pub(super) now: u64,
    /// The client is told the usage.
    pub(super) wants_usage: bool,
    pub(super) names: ToolNames,
    /// The model the provider was asked for.
    pub(super) model: String,
    /// The id of the answer, where it stands in its headers.
    pub(super) id: Option<String>,
}

impl Stream {
    /// A stream that passes.
    /// `closely`: what is generated decides over it.
    pub(super) fn watched(endpoint: Endpoint, framing: Framing, take_usage_out: bool, closely: bool) -> Self {
        let client = endpoints::family(endpoint);
        let watched = Watched::new(endpoint, framing);
        let watched = if closely { watched.closely() } else { watched };
        let stream = PassThrough::new(client, watched, take_usage_out);
        Self { work: Work::Pass(Box::new(stream)), state: State::Open, array: None }
    }

    /// A stream that is translated.
    pub(super) fn translated(way: Translated) -> Self {
        let tokeniser = Tokeniser::for_model(&way.model);
        let translation = Translation {
            frames: Frames::new(way.upstream.framing()),
            decoder: way.upstream.stream_decoder(),
            encoder: way.client.stream_encoder(way.now, way.wants_usage),
            names: way.names,
            model: way.model,
            id: way.id,
            facts: AnswerFacts::default(),
            tokeniser,
            generated: tokeniser.running(),
        };
        Self { work: Work::Translate(Box::new(translation)), state: State::Open, array: None }
    }

    /// The stream as a JSON array of its events.
    pub(super) fn into_json_array(mut self) -> Self {
        self.array = Some(JsonArray::default());
        self
    }

    pub(super) fn facts(&self) -> &AnswerFacts {
        match &self.work {
            Work::Pass(stream) => stream.watched.facts(),
            Work::Translate(translation) => &translation.facts,
        }
    }

    /// About how many tokens have been generated so far.
    pub(super) fn estimated_output(&self) -> u64 {
        match &self.work {
            Work::Pass(stream) => stream.watched.estimated_output(),
            Work::Translate(translation) => {
                let tokens = translation.tokeniser.scale(translation.generated.total());
                u64::try_from(tokens).unwrap_or(u64::MAX)
            }
        }
    }

    /// How the stream went, as soon as that is certain; always once its end has been seen.
    pub(super) fn settled(&self) -> Option<Outcome> {
        match (&self.state, &self.work) {
            (State::Failed(_) | State::Broken(_), _) => Some(Outcome::Failed),
            (State::Complete, _) => Some(Outcome::Complete),
            (State::Open, Work::Pass(stream)) => stream.watched.complete().then_some(Outcome::Complete),
            (State::Open, Work::Translate(_)) => None,
        }
    }

    /// Why it failed, if it did.
    pub(super) fn failure(&self) -> Option<String> {
        match &self.state {
            State::Failed(why) | State::Broken(why) => Some(why.clone()),
            State::Open | State::Complete => None,
        }
    }

    /// Takes a chunk; `end` with the last one. The stream ends when it has passed `cap` tokens of output, which is all that
    /// was reserved for it.
    pub(super) fn chunk(&mut self, bytes: &[u8], end: bool, cap: Option<u64>) -> BodyFlow {
        if matches!(self.state, State::Broken(_)) {
            if let Work::Pass(stream) = &mut self.work {
                stream.drop_chunk(bytes, end);
            }
            return BodyFlow::Replace(Vec::new());
        }
        let flow = match &mut self.work {
            Work::Pass(stream) => match cap {
                Some(cap) => stream.chunk_up_to(cap, bytes, end, &mut self.state),
                None => stream.chunk(bytes, end, &mut self.state),
            },
            Work::Translate(translation) => {
                let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 2);
                let open = self.state == State::Open;
                if open {
                    self.state = translation.chunk(bytes, end, cap, &mut out);
                }
                let broke = open && matches!(self.state, State::Broken(_));
                if broke && !end { ended(out) } else { BodyFlow::Replace(out) }
            }
        };
        match (&mut self.array, flow) {
            (Some(array), BodyFlow::Keep) => BodyFlow::Replace(array.chunk(bytes, end)),
            (Some(array), BodyFlow::Replace(out)) => BodyFlow::Replace(array.chunk(&out, end)),
            (Some(array), BodyFlow::End { last, .. }) => ended(array.chunk(&last, true)),
            (_, flow) => flow,
        }
    }
}

/// What is not counted yet is one word, mostly. A longer one is counted when a chunk ends, lest it has no end.
const LONGEST_WORD: usize = 1024;

/// The most tokens of output that pass where `cap` are reserved. Providers were told of them; one that goes on nevertheless
/// is given room for a count that differs from ours.
pub(super) fn with_room(cap: u64) -> u64 {
    cap.saturating_add(cap / 8).saturating_add(32)
}

pub(super) fn too_long(cap: u64) -> ApiError {
    ApiError {
        status: 429,
        kind: ErrorKind::RateLimit,
        code: Some("token_limit_reached".to_owned()),
        param: None,
        message: format!("The answer has passed the {cap} tokens that were reserved for it."),
    }
}

/// The end of a stream whose provider goes on.
pub(super) fn ended(last: Vec<u8>) -> BodyFlow {
    BodyFlow::End { last, on_cluster: true }
}

impl Translation {
    fn chunk(&mut self, bytes: &[u8], end: bool, cap: Option<u64>, out: &mut Vec<u8>) -> State {
        let mut state = State::Open;
        let Self { frames, decoder, encoder, names, model, id, facts, tokeniser, generated } = self;
        let beyond = |tokens: usize| {
            let tokens = u64::try_from(tokeniser.scale(tokens)).unwrap_or(u64::MAX);
            cap.filter(|cap| tokens > with_room(*cap)).map(too_long)
        };
        let mut sink = |mut event: StreamEvent<'_>| {
            // Whatever a provider sends behind its own end is not for the client.
            if state != State::Open {
                return;
            }
            match &mut event {
                StreamEvent::Start { id: own, model: answered, .. } => {
                    if let Some(id) = id {
                        *own = id.clone().into();
                    }
                    if answered.is_empty() {
                        *answered = model.clone().into();
                    }
                    facts.model = Some(answered.clone().into_owned());
                }
                StreamEvent::Usage(usage) => facts.usage = Some(*usage),
                StreamEvent::End => state = State::Complete,
                StreamEvent::Error(error) => {
                    state = State::Failed(format!(
                        "the provider reported an error in the stream ({})",
                        error.status
                    ));
                }
                StreamEvent::Delta {
                    delta:
                        Delta::Text(text) | Delta::Refusal(text) | Delta::Thinking(text) | Delta::Arguments(text),
                    ..
                } => {
                    generated.push(text);
                    if let Some(error) = beyond(generated.decided()) {
                        encoder.event(&StreamEvent::Error(error.clone()), out);
                        state = State::Broken(error.message);
                        return;
                    }
                }
                _ => {}
            }
            if !names.is_empty() {
                names.restore_event(&mut event);
            }
            encoder.event(&event, out);
        };
        let mut result = frames.feed(bytes, end, |event| match event {
            Event::Data { name, data } => decoder.event(name, data, &mut sink).map_err(StreamError::from),
            Event::KeepAlive => {
                sink(StreamEvent::Ping);
                Ok(())
            }
        });
        if result.is_ok() && end {
            result = decoder.finish(&mut sink).map_err(StreamError::from);
        }
        let error = match result {
            Ok(()) if generated.held_bytes() > LONGEST_WORD => beyond(generated.total()),
            Ok(()) => None,
            Err(error) => Some(error.to_api_error()),
        };
        if let Some(error) = error
            && state == State::Open
        {
            encoder.event(&StreamEvent::Error(error.clone()), out);
            state = State::Broken(error.message);
        }
        state
    }
}

pub(super) fn cut_short(framing: Option<&framing::Error>) -> ApiError {
    let why = framing.map_or_else(|| "it ended before it was complete".to_owned(), ToString::to_string);
    ApiError {
        status: 502,
        kind: ErrorKind::Upstream,
        code: Some("stream_cut_short".to_owned()),
        param: None,
        message: format!("The provider's stream is broken: {why}."),
    }
}

/// Usage made up of an estimate.
pub(super) fn estimate(handoff: &Handoff, output: u64) -> Usage {
    let input = handoff.traits.input_tokens.unwrap_or(handoff.body_bytes.div_ceil(4));
    Usage { input_uncached: input, output, ..Usage::default() }
}
