//! Access tokens of Google Cloud and Microsoft Entra: fetched as a [`TokenSource`](translate::TokenSource) says, and
//! renewed before they expire.
//!
//! A [`Fetcher`] makes one request for one token; a [`Keeper`] holds a set of them up to date. Tokens go to Envoy as
//! secrets over discovery, so that neither the filters nor Envoy's own configuration know where they come from.
//! Neither credentials nor tokens are in any error, log or `Debug` output.

#![forbid(unsafe_code)]

mod assertion;
mod entra;
mod environment;
mod error;
mod external;
mod fetcher;
mod google;
mod keeper;

pub use environment::Environment;
pub use error::Error;
pub use fetcher::{FetchedToken, Fetcher};
pub use keeper::{Held, Keeper};
