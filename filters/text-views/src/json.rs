//! JSON with places: a body is scanned once into a flat list of values, each with the bytes it stands in.
//!
//! A tree of copies would lose white space, number formats and key order, and lending raw values level by level scans
//! a body once per level. This scanner sees every byte once, keeps spans only, and refuses what readers disagree
//! about: members named twice, invalid UTF-8, unbounded nesting.

mod place;
mod scan;
mod string;
mod value;

pub(crate) use place::place;
pub(crate) use scan::{Doc, Fault, Span};
pub(crate) use string::encode;
pub(crate) use value::{Shape, Value};
