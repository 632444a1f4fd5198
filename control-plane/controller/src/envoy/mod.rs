//! The data plane: finding Envoy and the filters, and keeping Envoy running.

mod filters;
mod find;
pub(crate) mod leash;
mod logs;
mod supervisor;

pub(crate) use filters::{find_filters, nominal};
pub(crate) use find::find;
pub(crate) use supervisor::{Launch, supervise};
