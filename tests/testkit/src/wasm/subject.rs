//! Scripts run in VMs: one filter, or a downstream filter and the upstream filters behind it.

use super::exchange::Exchange;
use super::flow::{Direction, Event, Role, Seen};
use super::module::Module;
use super::stream::Stream;
use super::vm::Vm;
use crate::error::Error;
use crate::outcome::Outcome;
use crate::script::{Script, Side, Splits, Subject};

type Prepare = Box<dyn Fn(&Vm, &Exchange)>;

struct Plugin {
    module: Module,
    root_id: String,
    configuration: Vec<u8>,
    role: Role,
}

impl Plugin {
    /// Starts a VM once to see that the configuration is accepted.
    fn checked(module: &Module, root_id: &str, configuration: &[u8], role: Role) -> Result<Self, Error> {
        Vm::start(module, root_id, configuration)?;
        Ok(Self {
            module: module.clone(),
            root_id: root_id.to_owned(),
            configuration: configuration.to_vec(),
            role,
        })
    }

    fn start(&self) -> Result<Vm, Error> {
        Vm::start(&self.module, &self.root_id, &self.configuration)
    }
}

/// Runs each script in fresh VMs, so that runs cannot influence each other.
pub struct VmSubject {
    plugins: Vec<Plugin>,
    prepare: Option<Prepare>,
}

impl VmSubject {
    /// A subject for one plugin of the module.
    ///
    /// # Errors
    /// Those of [`Vm::start`].
    pub fn new(module: &Module, root_id: &str, configuration: &[u8], role: Role) -> Result<Self, Error> {
        Ok(Self { plugins: vec![Plugin::checked(module, root_id, configuration, role)?], prepare: None })
    }

    /// Puts an upstream filter behind those given so far. It has its own VM and shares the exchange; what one forwards
    /// the next receives, as far as the router would pass it on.
    ///
    /// # Errors
    /// Those of [`Vm::start`].
    pub fn with_upstream(
        mut self,
        module: &Module,
        root_id: &str,
        configuration: &[u8],
    ) -> Result<Self, Error> {
        self.plugins.push(Plugin::checked(module, root_id, configuration, Role::Upstream)?);
        Ok(self)
    }

    /// Prepares each VM and the exchange before each run: limits, filter state of another filter, and so on.
    #[must_use]
    pub fn prepared(mut self, prepare: impl Fn(&Vm, &Exchange) + 'static) -> Self {
        self.prepare = Some(Box::new(prepare));
        self
    }

    fn open(&self, exchange: &Exchange) -> Result<Chain, Error> {
        let mut chain = Chain { links: Vec::new() };
        for plugin in &self.plugins {
            let vm = plugin.start()?;
            if let Some(prepare) = &self.prepare {
                prepare(&vm, exchange);
            }
            let stream = vm.stream(plugin.role, exchange);
            chain.links.push(Link { stream, request: Seen::default(), response: Seen::default() });
        }
        Ok(chain)
    }
}

impl Subject for VmSubject {
    fn exchange(&mut self, script: &Script, splits: &Splits) -> Outcome {
        let exchange = Exchange::new();
        for (path, value) in &script.properties {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            exchange.set_property(&path, value);
        }
        let mut chain = match self.open(&exchange) {
            Ok(chain) => chain,
            Err(error) => return Outcome { trap: Some(error.to_string()), ..Outcome::default() },
        };
        let sent = chain.run(script, splits);
        let before = chain.outcome();
        match sent.and_then(|()| chain.finish()) {
            Ok(outcome) => outcome,
            Err(error) => Outcome { trap: Some(error.to_string()), ..before },
        }
    }
}

struct Link {
    stream: Stream,
    /// What was passed on from this filter.
    request: Seen,
    response: Seen,
}

/// Filters in the order the request meets them.
struct Chain {
    links: Vec<Link>,
}

impl Chain {
    fn run(&mut self, script: &Script, splits: &Splits) -> Result<(), Error> {
        self.send(Direction::Request, &script.request, &splits.request, splits)?;
        // The upstream answers only a request it has got completely.
        if self.links.last().is_some_and(|last| last.stream.outcome().request.ended) {
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
    ) -> Result<(), Error> {
        let trailers = side.trailers.is_some();
        let headers = Event::Headers(side.headers.clone(), side.body.is_empty() && !trailers);
        let chunks = splits.chunks(&side.body, offsets, trailers);
        let events = std::iter::once(headers)
            .chain(chunks.map(|(chunk, end)| Event::Chunk(chunk.to_vec(), end)))
            .chain(side.trailers.clone().map(Event::Trailers));
        for event in events {
            let entry = match direction {
                Direction::Request => self.links.first(),
                Direction::Response => self.links.last(),
            };
            if let Some(entry) = entry {
                entry.stream.send(direction, event)?;
            }
            self.pass_on()?;
        }
        Ok(())
    }

    /// Moves everything forwarded to the neighbour until nothing moves any more.
    fn pass_on(&mut self) -> Result<(), Error> {
        let mut moved = true;
        while moved {
            moved = false;
            let count = self.links.len();
            for index in 0..count {
                for direction in [Direction::Request, Direction::Response] {
                    let Some(link) = self.links.get_mut(index) else { continue };
                    let (seen, next) = match direction {
                        Direction::Request => (&mut link.request, index.checked_add(1)),
                        Direction::Response => (&mut link.response, index.checked_sub(1)),
                    };
                    let Some(next) = next.filter(|next| *next < count) else { continue };
                    let events = link.stream.forwarded_since(direction, seen);
                    moved |= !events.is_empty();
                    if let Some(neighbour) = self.links.get(next) {
                        for event in events {
                            neighbour.stream.send(direction, event)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// What went in and out at the ends of the chain, with everything its filters did on the way.
    fn outcome(&self) -> Outcome {
        combined(self.links.iter().map(|link| link.stream.outcome()).collect())
    }

    /// Ends the streams as Envoy does: the upstream ones first.
    fn finish(self) -> Result<Outcome, Error> {
        let mut outcomes = Vec::with_capacity(self.links.len());
        for link in self.links.into_iter().rev() {
            outcomes.push(link.stream.finish()?);
        }
        outcomes.reverse();
        Ok(combined(outcomes))
    }
}

fn combined(outcomes: Vec<Outcome>) -> Outcome {
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
