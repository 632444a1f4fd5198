//! Generates the message (and, with feature `grpc`, service) code from the committed descriptor set. No
//! `protoc` is involved.

use std::{env, error::Error, fs};

use prost::Message;
use prost_types::FileDescriptorSet;

const DESCRIPTORS: &str = "envoy-1.40.0.binpb";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={DESCRIPTORS}");
    println!("cargo::rerun-if-changed=build.rs");
    let descriptors = FileDescriptorSet::decode(fs::read(DESCRIPTORS)?.as_slice())?;

    let mut config = prost_build::Config::new();
    config
        // prost::Name for every message, with the type URLs Envoy uses inside Any.
        .enable_type_names()
        .type_name_domain(["."], "type.googleapis.com")
        // Ordered maps: equal messages must encode to equal bytes, because versions are content hashes.
        .btree_map(["."])
        .include_file("envoy_proto.rs");

    if env::var_os("CARGO_FEATURE_GRPC").is_some() {
        tonic_prost_build::configure().compile_fds_with_config(descriptors, config)?;
    } else {
        config.compile_fds(descriptors)?;
    }
    Ok(())
}
