//! The root context: one per plugin configuration and worker.

use filter_core::{FilterKind, Plan};

use crate::abi::{Buffer, LogLevel, hostcalls};
use crate::stream::Stream;

/// Starts a [`Stream`] for every request by the plugin's compiled configuration.
#[derive(Debug, Default)]
pub(crate) struct Root {
    plan: Option<Plan>,
}

impl Root {
    /// The root with the configuration of `size` bytes that Envoy holds ready now; `None`, with the reason in
    /// Envoy's log, when it has a fault. Envoy rejects the listener or cluster then.
    pub(crate) fn configured(size: usize) -> Option<Self> {
        match compile(size) {
            Ok(plan) => Some(Self { plan: Some(plan) }),
            Err(message) => {
                hostcalls::log(LogLevel::Error, &message);
                None
            }
        }
    }

    /// A new request. `None` before the configuration, when Envoy starts no streams.
    pub(crate) fn start(&self) -> Option<Stream> {
        self.plan.as_ref().map(|plan| Stream::new(plan.start()))
    }
}

fn compile(size: usize) -> Result<Plan, String> {
    let root_id = hostcalls::property("plugin_root_id").unwrap_or_default();
    let root_id = String::from_utf8_lossy(&root_id);
    let filter = FilterKind::from_name(&root_id).ok_or_else(|| {
        let known = FilterKind::ALL.map(FilterKind::name).join("`, `");
        format!("`root_id` is `{root_id}`, but weir's filters are `{known}`")
    })?;
    let json = hostcalls::buffer(Buffer::PluginConfiguration, size);
    let plan = Plan::compile(filter, &json).map_err(|error| error.to_string())?;
    // Envoy compares versions only of what is there. It configures a module on its main thread before it does on any
    // worker, so none of them finds a key missing.
    for key in plan.shared_keys() {
        if hostcalls::shared_data(key).is_none() {
            hostcalls::set_shared_data(key, &[]);
        }
    }
    Ok(plan)
}
