//! Why a catalogue is refused.

/// Why a catalogue is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is no JSON, or not of the format.
    #[error("{path}: {message}")]
    Format {
        /// Where, such as `providers.openai.models.gpt-4o.rates.input`; `.` is the whole.
        path: String,
        /// What is wrong.
        message: String,
    },
    /// A model's name with more than one `*`.
    #[error("providers.{provider}.models.{model}: a pattern has one `*`, no more")]
    Pattern {
        /// The provider.
        provider: String,
        /// The model's name.
        model: String,
    },
    /// Two tiers of a model that begin at the same place.
    #[error(
        "providers.{provider}.models.{model}.tiers: two of them have contextOver {context_over}: remove one"
    )]
    Tiers {
        /// The provider.
        provider: String,
        /// The model's name.
        model: String,
        /// Where both begin.
        context_over: u64,
    },
}
