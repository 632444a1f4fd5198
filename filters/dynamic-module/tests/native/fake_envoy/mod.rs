//! An Envoy for tests: the callbacks the module imports, and streams that behave as Envoy 1.40 was seen
//! to behave towards a single filter. The hooks called are the ones that ship.

pub mod callbacks;
mod script;
mod stream;

pub use callbacks::take_log;
pub use script::FakeEnvoy;
pub use stream::{FakeStream, FilterState};
