//! Objects from files.

mod files;
mod layers;
mod prices;
mod secret_env;
mod watch;

pub(crate) use layers::{Loaded, Sources, key_of};
pub(crate) use watch::Watch;
