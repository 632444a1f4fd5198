//! What can go wrong when messages are converted.

/// A conversion between messages, `Any` and JSON that is not possible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The type is not part of the embedded schema.
    #[error(
        "message type {type_name:?} is not in the schema taken from Envoy {}; add its file to proto/roots.txt and \
         extract again",
        crate::ENVOY_VERSION
    )]
    UnknownType {
        /// Full protobuf name, without the type URL's domain.
        type_name: String,
    },
    /// An `Any` holds another type than the caller asked for.
    #[error("expected a message of type {expected}, found type URL {found:?}")]
    OtherType {
        /// Full protobuf name of the type asked for.
        expected: String,
        /// The type URL of the `Any`.
        found: String,
    },
    /// The bytes are not a message of the type they claim to be.
    #[error("the bytes are not a valid {type_name}: {reason}")]
    Malformed {
        /// Full protobuf name.
        type_name: String,
        /// The decoder's message.
        reason: String,
    },
    /// The message has no JSON form, e.g. a nested `Any` of a type that is not in the schema or a timestamp out of
    /// range.
    #[error("{type_name} cannot be printed as JSON: {reason}")]
    NotPrintable {
        /// Full protobuf name of the outermost message.
        type_name: String,
        /// The serializer's message.
        reason: String,
    },
    /// The JSON is not a message of this type: unknown field, wrong kind of value, unknown enum name.
    #[error("the JSON is not a valid {type_name}: {reason}")]
    NotThisMessage {
        /// Full protobuf name.
        type_name: String,
        /// The parser's message.
        reason: String,
    },
    /// `google.protobuf.Value` holds numbers as doubles, which cannot represent this one.
    #[error("number {number} cannot be a google.protobuf.Value without loss; write it as a string")]
    NumberTooPrecise {
        /// The number as written in the JSON.
        number: String,
    },
}
