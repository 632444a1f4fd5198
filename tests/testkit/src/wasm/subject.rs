//! Scripts run in VMs: one filter, or a downstream filter and the upstream filters behind it.

use super::exchange::Exchange;
use super::flow::Role;
use super::module::Module;
use super::stream::Stream;
use super::vm::Vm;
use crate::chain::{Chain, combined};
use crate::error::Error;
use crate::outcome::Outcome;
use crate::script::{Script, Splits, Subject};

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
}

impl VmSubject {
    /// A subject for one plugin of the module.
    ///
    /// # Errors
    /// Those of [`Vm::start`].
    pub fn new(module: &Module, root_id: &str, configuration: &[u8], role: Role) -> Result<Self, Error> {
        Ok(Self { plugins: vec![Plugin::checked(module, root_id, configuration, role)?] })
    }

    /// Puts another downstream filter behind those given so far, as [`Self::with_upstream`] does.
    ///
    /// # Errors
    /// Those of [`Vm::start`].
    pub fn with_downstream(
        mut self,
        module: &Module,
        root_id: &str,
        configuration: &[u8],
    ) -> Result<Self, Error> {
        self.plugins.push(Plugin::checked(module, root_id, configuration, Role::Downstream)?);
        Ok(self)
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

    fn open(&self, exchange: &Exchange) -> Result<Chain<Stream>, Error> {
        let mut streams = Vec::with_capacity(self.plugins.len());
        for plugin in &self.plugins {
            let vm = plugin.start()?;
            streams.push(vm.stream(plugin.role, exchange));
        }
        Ok(Chain::new(streams))
    }
}

/// Ends the streams as Envoy does: the upstream ones first. Hostcalls that failed become notes.
fn finish(chain: Chain<Stream>) -> Result<Outcome, Error> {
    let mut outcomes = Vec::new();
    for stream in chain.into_links().into_iter().rev() {
        let vm = stream.vm();
        let mut outcome = stream.finish()?;
        let failed = vm.failed_hostcalls();
        outcome.notes.extend(failed.iter().map(|(name, status)| format!("{name} answered {status:?}")));
        outcomes.push(outcome);
    }
    outcomes.reverse();
    Ok(combined(outcomes))
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
        match sent.and_then(|()| finish(chain)) {
            Ok(outcome) => outcome,
            Err(error) => Outcome { trap: Some(error.to_string()), ..before },
        }
    }
}
