//! Filters one behind the other, whoever runs them: what one forwards the next receives.

use crate::message::{Headers, Message};
use crate::outcome::Outcome;
use crate::script::{Script, Side, Splits};

/// Request or response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the upstream.
    Request,
    /// From the upstream to the client.
    Response,
}

/// A step of a message on its way through a filter; the flags say that it ends the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Its headers.
    Headers(Headers, bool),
    /// Some of its body; empty only if it ends the stream.
    Chunk(Vec<u8>, bool),
    /// Its trailers, which end the stream.
    Trailers(Headers),
}

/// One stream through one filter.
pub trait Link {
    /// Why a step could not be delivered.
    type Error;

    /// Delivers a step to the filter; ignored when the stream is over.
    ///
    /// # Errors
    /// The filter failed, or the step is out of order.
    fn send(&self, direction: Direction, step: Step) -> Result<(), Self::Error>;

    /// Looks at what the filter has forwarded so far.
    fn with_forwarded<T>(&self, direction: Direction, look: impl FnOnce(&Message) -> T) -> T;

    /// What happened so far.
    fn outcome(&self) -> Outcome;
}

/// How much of a forwarded message the next filter has got.
#[derive(Debug, Default)]
struct Seen {
    headers: bool,
    chunks: usize,
    ended: bool,
}

impl Seen {
    /// What is new in `message`, in the form it has to be sent on.
    fn steps(&mut self, message: &Message) -> Vec<Step> {
        let mut steps = Vec::new();
        if let (Some(headers), false) = (&message.headers, self.headers) {
            steps.push(Step::Headers(headers.clone(), false));
            self.headers = true;
        }
        let new = message.chunks.get(self.chunks..).unwrap_or_default();
        steps.extend(new.iter().map(|chunk| Step::Chunk(chunk.clone(), false)));
        self.chunks = message.chunks.len();
        if message.ended && !self.ended {
            self.ended = true;
            match (&message.trailers, steps.last_mut()) {
                (Some(trailers), _) => steps.push(Step::Trailers(trailers.clone())),
                (None, Some(Step::Headers(_, end) | Step::Chunk(_, end))) => *end = true,
                (None, _) => steps.push(Step::Chunk(Vec::new(), true)),
            }
        }
        steps
    }
}

struct Place<L> {
    link: L,
    /// What was passed on from this filter.
    request: Seen,
    response: Seen,
}

/// Streams of one exchange through several filters, in the order the request meets them: the downstream filter, then an
/// upstream filter. A local reply of an upstream filter is the response the one before it receives.
pub struct Chain<L> {
    places: Vec<Place<L>>,
}

impl<L: Link> Chain<L> {
    /// A chain in which nothing was sent yet.
    pub fn new(links: Vec<L>) -> Self {
        let place = |link| Place { link, request: Seen::default(), response: Seen::default() };
        Self { places: links.into_iter().map(place).collect() }
    }

    /// Sends the request of `script` and, once it has come out complete, the response.
    ///
    /// # Errors
    /// Those of [`Link::send`].
    pub fn run(&mut self, script: &Script, splits: &Splits) -> Result<(), L::Error> {
        self.send(Direction::Request, &script.request, &splits.request, splits)?;
        let arrived = |last: &Place<L>| last.link.with_forwarded(Direction::Request, |message| message.ended);
        if self.places.last().is_some_and(arrived) {
            self.send(Direction::Response, &script.response, &splits.response, splits)?;
        }
        Ok(())
    }

    /// Sends a message into the end of the chain it comes from.
    fn send(
        &mut self,
        direction: Direction,
        side: &Side,
        offsets: &[usize],
        splits: &Splits,
    ) -> Result<(), L::Error> {
        let trailers = side.trailers.is_some();
        let headers = Step::Headers(side.headers.clone(), side.body.is_empty() && !trailers);
        let chunks = splits.chunks(&side.body, offsets, trailers);
        let steps = std::iter::once(headers)
            .chain(chunks.map(|(chunk, end)| Step::Chunk(chunk.to_vec(), end)))
            .chain(side.trailers.clone().map(Step::Trailers));
        for step in steps {
            let entry = match direction {
                Direction::Request => self.places.first(),
                Direction::Response => self.places.last(),
            };
            if let Some(entry) = entry {
                entry.link.send(direction, step)?;
            }
            self.pass_on()?;
        }
        Ok(())
    }

    /// Moves everything forwarded to the neighbour until nothing moves any more.
    fn pass_on(&mut self) -> Result<(), L::Error> {
        let mut moved = true;
        while moved {
            moved = false;
            let count = self.places.len();
            for index in 0..count {
                for direction in [Direction::Request, Direction::Response] {
                    let Some(place) = self.places.get_mut(index) else { continue };
                    let (seen, next) = match direction {
                        Direction::Request => (&mut place.request, index.checked_add(1)),
                        Direction::Response => (&mut place.response, index.checked_sub(1)),
                    };
                    let Some(next) = next.filter(|next| *next < count) else { continue };
                    let steps = place.link.with_forwarded(direction, |message| seen.steps(message));
                    moved |= !steps.is_empty();
                    if let Some(neighbour) = self.places.get(next) {
                        for step in steps {
                            neighbour.link.send(direction, step)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// What went in and out at the ends of the chain, with everything its filters did on the way.
    pub fn outcome(&self) -> Outcome {
        combined(self.places.iter().map(|place| place.link.outcome()).collect())
    }

    /// The streams, in the order the request met them.
    pub fn into_links(self) -> Vec<L> {
        self.places.into_iter().map(|place| place.link).collect()
    }
}

/// The outcomes of the filters of one exchange, in the order the request met them, as one.
pub fn combined(outcomes: Vec<Outcome>) -> Outcome {
    let mut outcomes = outcomes.into_iter();
    let mut all = outcomes.next().unwrap_or_default();
    for next in outcomes {
        all.request = next.request;
        all.local_reply = all.local_reply.or(next.local_reply);
        all.reset |= next.reset;
        all.logs.extend(next.logs);
        all.metrics.extend(next.metrics);
        all.filter_state.extend(next.filter_state);
        all.route_cache_clears += next.route_cache_clears;
        all.notes.extend(next.notes);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_message_is_passed_on_once() {
        let headers = Headers::from(&[("a", "1")][..]);
        let mut seen = Seen::default();
        let mut message = Message::default();
        assert_eq!(seen.steps(&message), []);
        message.headers = Some(headers.clone());
        message.chunks.push(b"x".to_vec());
        assert_eq!(
            seen.steps(&message),
            [Step::Headers(headers.clone(), false), Step::Chunk(b"x".to_vec(), false)]
        );
        message.chunks.push(b"y".to_vec());
        message.ended = true;
        assert_eq!(seen.steps(&message), [Step::Chunk(b"y".to_vec(), true)]);
        assert_eq!(seen.steps(&message), []);

        let mut seen = Seen { headers: true, chunks: 2, ended: false };
        assert_eq!(seen.steps(&message), [Step::Chunk(Vec::new(), true)]);
        let mut seen = Seen { headers: true, chunks: 2, ended: false };
        message.trailers = Some(headers.clone());
        assert_eq!(seen.steps(&message), [Step::Trailers(headers)]);
    }
}
