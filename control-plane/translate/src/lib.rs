//! From Kubernetes, Gateway API and agentgateway objects to the configuration of Envoy and its filters.
//!
//! [`translate`] is a function of its inputs: no clock, no client, no file. It never fails as a whole: a
//! bad object is reported as a [`Finding`](resources::Finding) and costs only itself, and a reference that
//! leads nowhere costs only the share of traffic that would have followed it.
//!
//! A policy that guards something and is not in force closes what it guards: see [`Objects::refuse`].
//!
//! The way through the code: `gateway` finds the listeners and the routes attached to them (`attachment`), `route` turns rules
//! into Envoy routes, `destination` follows their backend references, `backend` and `policy` resolve an
//! `AgentgatewayBackend` into `provider`s, once for each set of policies on the way to it, `model` an `AgentgatewayModel`,
//! and `envoy/` writes each kind of Envoy resource. `index` is what all of them look things up in.
#![forbid(unsafe_code)]

mod attachment;
mod authentication;
mod backend;
pub mod bootstrap;
mod destination;
mod envoy;
mod error;
mod expression;
mod findings;
mod gateway;
mod guard;
mod index;
mod limit;
mod model;
mod names;
mod objects;
mod output;
mod policy;
mod provider;
mod route;
mod service;
mod settings;
mod telemetry;
mod token_source;

pub use envoy::token_secret;
pub use error::Error;
pub use objects::Objects;
pub use output::{Resource, ResourceKind, ServedRoute, Translation};
pub use settings::{Delivery, Runtime, Settings};
pub use token_source::{
    AzureCredential, GcpCredential, GcpToken, ManagedIdentity, SubjectPlace, SubjectToken, Token, TokenSource,
};

/// Translates all objects. The result depends on nothing else, and equal inputs give equal bytes.
pub fn translate(objects: &Objects, settings: &Settings) -> Translation {
    gateway::translate(objects, settings)
}
