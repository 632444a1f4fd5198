//! Errors as clients are told them.

/// An error as a client is told it, in no dialect yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status, 400..=599.
    pub status: u16,
    /// What kind.
    pub kind: ErrorKind,
    /// A machine-readable code, where there is one (`insufficient_quota`, `model_not_found`).
    pub code: Option<String>,
    /// The offending parameter, where there is one.
    pub param: Option<String>,
    /// For people.
    pub message: String,
}

/// Kinds of errors all dialects tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// 400, 422: the request is wrong.
    InvalidRequest,
    /// 401
    Authentication,
    /// 402: billing.
    Billing,
    /// 403
    Permission,
    /// 404
    NotFound,
    /// 413
    TooLarge,
    /// 429: too many requests or tokens.
    RateLimit,
    /// 408, 504
    Timeout,
    /// 529, 503: the provider is overloaded or away.
    Overloaded,
    /// 500: the provider failed.
    Internal,
    /// 502: the provider's answer makes no sense.
    Upstream,
}

impl ErrorKind {
    /// The kind an HTTP status stands for when the body does not say.
    pub fn from_status(status: u16) -> Self {
        match status {
            401 => Self::Authentication,
            402 => Self::Billing,
            403 => Self::Permission,
            404 => Self::NotFound,
            408 | 504 => Self::Timeout,
            413 => Self::TooLarge,
            429 => Self::RateLimit,
            502 => Self::Upstream,
            503 | 529 => Self::Overloaded,
            400..=499 => Self::InvalidRequest,
            _ => Self::Internal,
        }
    }
}
