//! A running module.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use wasmtime::{Instance, Store, TypedFunc, WasmParams, WasmResults};

use super::abi::Status;
use super::exchange::Exchange;
use super::flow::{Role, StreamState};
use super::host::{CallAnswer, ForeignCall, Host, HttpCall};
use super::hostcalls;
use super::module::Module;
use super::stream::Stream;
use crate::error::Error;
use crate::message::Headers;
use crate::outcome::{LogLine, Metric};

/// Envoy's default buffer limit per stream (`per_connection_buffer_limit_bytes`), in bytes.
const DEFAULT_BUFFER_LIMIT: usize = 1 << 20;
/// Exports that tell Envoy the module's ABI; it refuses a module without one.
const ABI_VERSIONS: [&str; 2] = ["proxy_abi_version_0_2_1", "proxy_abi_version_0_2_0"];

/// An exported callback, `None` if the module does not have it.
type Callback<P, R> = Option<TypedFunc<P, R>>;

/// The module's callbacks; an absent one behaves as if it returned "continue" or "accepted".
pub(super) struct Callbacks {
    context_create: Callback<(u32, u32), ()>,
    vm_start: Callback<(u32, u32), u32>,
    configure: Callback<(u32, u32), u32>,
    tick: Callback<u32, ()>,
    pub(super) request_headers: Callback<(u32, u32, u32), u32>,
    pub(super) request_body: Callback<(u32, u32, u32), u32>,
    pub(super) request_trailers: Callback<(u32, u32), u32>,
    pub(super) response_headers: Callback<(u32, u32, u32), u32>,
    pub(super) response_body: Callback<(u32, u32, u32), u32>,
    pub(super) response_trailers: Callback<(u32, u32), u32>,
    pub(super) done: Callback<u32, u32>,
    pub(super) log: Callback<u32, ()>,
    pub(super) delete: Callback<u32, ()>,
    http_call_response: Callback<(u32, u32, u32, u32, u32), ()>,
}

impl Callbacks {
    fn find(instance: &Instance, store: &mut Store<Host>) -> Result<Self, Error> {
        Ok(Self {
            context_create: export(instance, store, "proxy_on_context_create")?,
            vm_start: export(instance, store, "proxy_on_vm_start")?,
            configure: export(instance, store, "proxy_on_configure")?,
            tick: export(instance, store, "proxy_on_tick")?,
            request_headers: export(instance, store, "proxy_on_request_headers")?,
            request_body: export(instance, store, "proxy_on_request_body")?,
            request_trailers: export(instance, store, "proxy_on_request_trailers")?,
            response_headers: export(instance, store, "proxy_on_response_headers")?,
            response_body: export(instance, store, "proxy_on_response_body")?,
            response_trailers: export(instance, store, "proxy_on_response_trailers")?,
            done: export(instance, store, "proxy_on_done")?,
            log: export(instance, store, "proxy_on_log")?,
            delete: export(instance, store, "proxy_on_delete")?,
            http_call_response: export(instance, store, "proxy_on_http_call_response")?,
        })
    }
}

/// An exported function with the signature the ABI gives it; `None` if it is absent.
fn export<P: WasmParams, R: WasmResults>(
    instance: &Instance,
    store: &mut Store<Host>,
    name: &str,
) -> Result<Callback<P, R>, Error> {
    let Some(function) = instance.get_func(&mut *store, name) else { return Ok(None) };
    function
        .typed(&*store)
        .map(Some)
        .map_err(|error| Error::NotInstantiable { reason: format!("export {name}: {error:#}") })
}

pub(super) struct Machine {
    pub(super) store: Store<Host>,
    pub(super) callbacks: Rc<Callbacks>,
    dead: bool,
    next_context: u32,
    pub(super) buffer_limit: usize,
}

impl Machine {
    pub(super) fn host(&mut self) -> &mut Host {
        self.store.data_mut()
    }

    /// Calls into the module in the given context; `absent` is the result if the callback is not exported. After a trap
    /// every further call fails.
    pub(super) fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        callback: &'static str,
        function: Option<&TypedFunc<P, R>>,
        context: u32,
        arguments: P,
        absent: R,
    ) -> Result<R, Error> {
        if self.dead {
            return Err(Error::VmDead);
        }
        let Some(function) = function else { return Ok(absent) };
        let host = self.store.data_mut();
        host.current = context;
        host.effective = 0;
        function.call(&mut self.store, arguments).map_err(|error| {
            self.dead = true;
            Error::Trapped { callback, message: format!("{error:#}"), logs: self.store.data().logs.clone() }
        })
    }

    /// Creates the module's context for a stream.
    pub(super) fn create_context(&mut self, id: u32) -> Result<(), Error> {
        let callbacks = Rc::clone(&self.callbacks);
        let root = self.host().root_context;
        self.call("proxy_on_context_create", callbacks.context_create.as_ref(), id, (id, root), ())
    }

    fn configure(&mut self) -> Result<(), Error> {
        let callbacks = Rc::clone(&self.callbacks);
        let root = self.host().root_context;
        let size = self.host().plugin_configuration.len() as u32;
        self.host().configuring = true;
        self.call("proxy_on_context_create", callbacks.context_create.as_ref(), root, (root, 0), ())?;
        self.host().configuring = false;
        let started =
            self.call("proxy_on_vm_start", callbacks.vm_start.as_ref(), root, (root, 0), 1)? & 0xff != 0;
        self.host().configuring = true;
        let accepted = started
            && self.call("proxy_on_configure", callbacks.configure.as_ref(), root, (root, size), 1)? & 0xff
                != 0;
        self.host().configuring = false;
        if accepted {
            return Ok(());
        }
        let host = self.host();
        Err(Error::ConfigurationRejected { root_id: host.root_id.clone(), logs: host.logs.clone() })
    }

    fn answer_call(&mut self, token: u32, answer: Option<CallAnswer>) -> Result<(), Error> {
        let callbacks = Rc::clone(&self.callbacks);
        let host = self.host();
        if !host.waiting_calls.remove(&token) {
            return Err(Error::UnknownCall { token });
        }
        let root = host.root_context;
        // 11 is BrokenConnection, which Envoy reports for every failed call.
        host.call_status = if answer.is_some() { (0, "") } else { (11, "reset") };
        let sizes = answer.as_ref().map_or((0, 0, 0), |answer| {
            (answer.headers.len() as u32, answer.body.len() as u32, answer.trailers.len() as u32)
        });
        host.call_answer = answer;
        let result = self.call(
            "proxy_on_http_call_response",
            callbacks.http_call_response.as_ref(),
            root,
            (root, token, sizes.0, sizes.1, sizes.2),
            (),
        );
        let host = self.host();
        host.call_answer = None;
        host.call_status = (0, "");
        result?;
        self.settle()
    }
}

/// A module instance with a root context. Clones are handles to the same VM.
#[derive(Clone)]
pub struct Vm(pub(super) Rc<RefCell<Machine>>);

impl Vm {
    /// Instantiates the module and configures its plugin, as Envoy does when it loads the filter: `_initialize` or
    /// `_start`, then the root context, `proxy_on_vm_start` and `proxy_on_configure`.
    ///
    /// # Errors
    /// [`Error::MissingExport`] without an ABI version; [`Error::NotInstantiable`]; [`Error::ConfigurationRejected`] with
    /// the logs; [`Error::Trapped`].
    pub fn start(module: &Module, root_id: &str, plugin_configuration: &[u8]) -> Result<Self, Error> {
        let compiled = module.compiled();
        if !ABI_VERSIONS.iter().any(|name| compiled.get_export(name).is_some()) {
            return Err(Error::MissingExport { name: "proxy_abi_version_0_2_1" });
        }
        if compiled.get_export("memory").is_none() {
            return Err(Error::MissingExport { name: "memory" });
        }
        let broken = |error: wasmtime::Error| Error::NotInstantiable { reason: format!("{error:#}") };
        let mut store = Store::new(Module::engine(), Host::new(root_id, plugin_configuration));
        let mut linker = hostcalls::linker(Module::engine()).map_err(broken)?;
        hostcalls::link_unknown(&mut linker, &mut store, compiled).map_err(broken)?;
        let instance = linker.instantiate(&mut store, compiled).map_err(broken)?;
        let callbacks = Rc::new(Callbacks::find(&instance, &mut store)?);
        let initialize: Callback<(), ()> = export(&instance, &mut store, "_initialize")?;
        let begin: Callback<(), ()> = export(&instance, &mut store, "_start")?;
        let mut machine =
            Machine { store, callbacks, dead: false, next_context: 2, buffer_limit: DEFAULT_BUFFER_LIMIT };
        machine.call("_initialize", initialize.or(begin).as_ref(), 0, (), ())?;
        machine.configure()?;
        Ok(Self(Rc::new(RefCell::new(machine))))
    }

    /// Opens a stream. The module sees it when the request headers are sent.
    pub fn stream(&self, role: Role, exchange: &Exchange) -> Stream {
        let mut machine = self.0.borrow_mut();
        let id = machine.next_context;
        machine.next_context += 1;
        machine.host().streams.insert(id, StreamState::new(role, exchange.clone()));
        Stream::new(self.clone(), id, &machine.store.data().logs, machine.store.data().metrics.clone())
    }

    /// Scripts a property that all streams of this VM can read unless their exchange has its own; see
    /// [`Exchange::set_property`] for the encoding.
    pub fn set_property(&self, path: &[&str], value: &[u8]) {
        self.0.borrow_mut().host().properties.insert(path.join("\0"), value.to_vec());
    }

    /// Moves the clock forward, which else stands still; ticks are not delivered by this.
    pub fn advance(&self, by: Duration) {
        let mut machine = self.0.borrow_mut();
        let host = machine.host();
        host.clock = host.clock.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The period the module asked to be ticked with.
    pub fn tick_period(&self) -> Option<Duration> {
        let period = self.0.borrow_mut().host().tick_period;
        (period != 0).then(|| Duration::from_millis(period.into()))
    }

    /// Delivers one tick to the root context.
    ///
    /// # Errors
    /// [`Error::Trapped`], [`Error::VmDead`].
    pub fn tick(&self) -> Result<(), Error> {
        let mut machine = self.0.borrow_mut();
        let callbacks = Rc::clone(&machine.callbacks);
        let root = machine.host().root_context;
        machine.call("proxy_on_tick", callbacks.tick.as_ref(), root, root, ())?;
        machine.settle()
    }

    /// Sets how many bytes of a request or response body a stream may buffer (1 MiB by default). More gives a 413 for
    /// requests, and a 500 or a reset for responses.
    pub fn set_buffer_limit(&self, bytes: usize) {
        self.0.borrow_mut().buffer_limit = bytes;
    }

    /// Restricts the clusters that HTTP calls may name; without this every name is a cluster.
    pub fn set_clusters(&self, clusters: &[&str]) {
        self.0.borrow_mut().host().clusters = Some(clusters.iter().map(|name| (*name).to_owned()).collect());
    }

    /// Scripts what a foreign function returns.
    pub fn answer_foreign_function(&self, name: &str, result: &[u8]) {
        self.0.borrow_mut().host().foreign_answers.insert(name.to_owned(), result.to_vec());
    }

    /// HTTP calls the module made, oldest first.
    pub fn http_calls(&self) -> Vec<HttpCall> {
        self.0.borrow_mut().host().http_calls.clone()
    }

    /// Answers an HTTP call.
    ///
    /// # Errors
    /// [`Error::UnknownCall`], [`Error::Trapped`], [`Error::VmDead`].
    pub fn answer_call(&self, token: u32, headers: &[(&str, &str)], body: &[u8]) -> Result<(), Error> {
        let answer = CallAnswer { headers: headers.into(), body: body.to_vec(), trailers: Headers::new() };
        self.0.borrow_mut().answer_call(token, Some(answer))
    }

    /// Lets an HTTP call fail by reset or timeout: the module is told of no headers, body and trailers.
    ///
    /// # Errors
    /// [`Error::UnknownCall`], [`Error::Trapped`], [`Error::VmDead`].
    pub fn fail_call(&self, token: u32) -> Result<(), Error> {
        self.0.borrow_mut().answer_call(token, None)
    }

    /// Foreign functions the module called, oldest first.
    pub fn foreign_calls(&self) -> Vec<ForeignCall> {
        self.0.borrow_mut().host().foreign_calls.clone()
    }

    /// Everything logged since the VM started.
    pub fn logs(&self) -> Vec<LogLine> {
        self.0.borrow_mut().host().logs.clone()
    }

    /// All metrics since the VM started.
    pub fn metrics(&self) -> BTreeMap<String, Metric> {
        self.0.borrow_mut().host().metrics.all().clone()
    }

    /// An entry of the shared data.
    pub fn shared_data(&self, key: &str) -> Option<Vec<u8>> {
        self.0.borrow_mut().host().shared.get(key.as_bytes()).map(|(value, _)| value.clone())
    }

    /// Hostcalls that returned an error other than `NotFound`, with their status, oldest first.
    pub fn failed_hostcalls(&self) -> Vec<(&'static str, Status)> {
        self.0.borrow_mut().host().failed_calls.clone()
    }

    /// Imports the module called that the testkit does not implement.
    pub fn unimplemented_hostcalls(&self) -> Vec<String> {
        self.0.borrow_mut().host().unimplemented.iter().cloned().collect()
    }
}
