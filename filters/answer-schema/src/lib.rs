//! Whether a text is JSON that a JSON Schema holds for.
//!
//! [`Schema::compile`] reads a schema once, [`Schema::check`] looks at one answer.
//!
//! # What is understood
//! The assertions and applicators of [JSON Schema 2020-12](https://json-schema.org/draft/2020-12): `type`, `enum`,
//! `const`; `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, `multipleOf`; `minLength`, `maxLength`,
//! `pattern`; `items`, `prefixItems`, `contains`, `minContains`, `maxContains`, `minItems`, `maxItems`, `uniqueItems`;
//! `properties`, `patternProperties`, `additionalProperties`, `propertyNames`, `required`, `minProperties`,
//! `maxProperties`, `dependentRequired`, `dependentSchemas`; `allOf`, `anyOf`, `oneOf`, `not`, `if`, `then`, `else`;
//! `$ref` to a JSON Pointer of the same document (`#/$defs/…`).
//!
//! `format` and the content keywords are annotations, and unknown keywords are ignored, both as the standard says. What
//! would assert something and is not understood is refused instead of being ignored: `unevaluatedProperties`,
//! `unevaluatedItems`, `$dynamicRef`, `$recursiveRef`, `$id` below the root, `$ref` to anchors and to other documents.
//! Nothing is ever fetched.
//!
//! A `$schema` of draft 6, draft 7 or 2019-09 is accepted, as most schemas made by tools mean the same in 2020-12; where
//! the meaning differs (`items` as an array, `additionalItems`, `dependencies`) the schema is refused.
//!
//! # Why not a crate
//! `weir.wasm` imports nothing but the host's functions, and the crates of this folder reach no randomness. Measured
//! 2026-11-21 as `cdylib` for `wasm32-unknown-unknown` (release, `lto = "fat"`, one codegen unit, stripped), where
//! `serde_json` and `regex` alone, which other filters need as well, make 521 KB:
//!
//! | | module | |
//! |---|---|---|
//! | `jsonschema` 0.60, no default features | 4529 KB | imports `__wbindgen…`, does not run in Envoy |
//! | `boon` 0.6 | 612 KB | a compile error without a `getrandom` backend (for `ahash`); measured with a stub of one |
//! | this crate | 663 KB | |
//!
//! Neither bounds the work of a check, and `boon` reads files for `file:` references in native builds.
//!
//! # Bounds
//! * A text is strictly JSON, with white space around it; a Markdown fence is not JSON. Of a name that stands twice in
//!   an object the last value counts.
//! * It is nested at most 128 deep; schemas within schemas, references followed, at most 256 deep.
//! * The steps of a check are limited in proportion to the text; a schema that would need more, by alternatives within
//!   alternatives, fails the check. Regular expressions are linear; ones with look-around or back-references are refused.
//! * A [`Violation`] says where and what in words of the schema: nothing in it comes from the text.
#![forbid(unsafe_code)]

mod check;
mod circle;
mod compile;
mod equality;
mod error;
mod keyword;
mod number;
mod object;
mod pattern;
mod violation;

use serde_json::Value;

pub use error::Error;
pub use violation::Violation;

use keyword::Node;

/// A compiled schema.
#[derive(Debug)]
pub struct Schema {
    /// The root is the first.
    nodes: Vec<Node>,
}

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// [`Error`] with the place in the schema that is wrong or not understood.
    pub fn compile(schema: &Value) -> Result<Self, Error> {
        compile::compile(schema).map(|nodes| Self { nodes })
    }

    /// Whether a text is JSON of this schema.
    ///
    /// # Errors
    /// The first [`Violation`] found.
    pub fn check(&self, text: &str) -> Result<(), Violation> {
        let value = serde_json::from_str(text).map_err(|error| Violation::not_json(&error))?;
        check::check(&self.nodes, &value, text.len())
    }
}
