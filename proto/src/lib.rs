//! The xDS messages exactly as the pinned Envoy binary knows them.
//!
//! The schema is not vendored from a `.proto` repository: `extract_descriptors.py` reads it out of the Envoy
//! binary that Weir ships with, and `envoy-1.40.0.binpb` is its committed output. A field that exists here is a
//! field the data path decodes, and `tests/pinned_binary.rs` fails when the two differ.
//!
//! * Messages live in modules named after their protobuf package, e.g.
//!   [`envoy::config::cluster::v3::Cluster`]. Well-known types are those of [`prost_types`]. Maps are ordered,
//!   so equal messages encode to equal bytes.
//! * [`pack`] and [`unpack`] convert between messages and `google.protobuf.Any`.
//! * [`to_json_value`], [`to_yaml`] and their `message_` variants print the canonical proto JSON mapping with the
//!   field names of Envoy's documentation; [`message_from_json`] reads it.
//! * [`struct_from_json`] builds the `google.protobuf.Struct` that metadata and some filters take.
//! * Feature `grpc` (also under the name `ads`) adds clients and servers of the AggregatedDiscoveryService in
//!   `envoy::service::discovery::v3` and of the RateLimitService in `envoy::service::ratelimit::v3`.
#![forbid(unsafe_code)]

mod any;
mod error;
mod generated;
mod json;
mod value;

pub use any::{pack, pack_struct, unpack};
pub use error::Error;
pub use generated::{envoy, google, opentelemetry, xds};
pub use json::{
    descriptor_pool, message_from_json, message_to_json_value, message_to_yaml, to_json_value, to_yaml,
};
pub use prost;
pub use prost_types;
pub use value::struct_from_json;

/// The Envoy release whose binary the messages were taken from.
pub const ENVOY_VERSION: &str = "1.40.0";

/// The schema as a serialized `google.protobuf.FileDescriptorSet`: only the files Weir needs (`roots.txt`) and
/// what they import, without custom options and source comments.
pub const DESCRIPTORS: &[u8] = include_bytes!("../envoy-1.40.0.binpb");
