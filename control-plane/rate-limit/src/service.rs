//! The gRPC service.

use std::sync::Arc;

use envoy_proto::envoy::service::ratelimit::v3::rate_limit_service_server::RateLimitService;
use envoy_proto::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use tonic::{Request, Response, Status};

use crate::error::Error;
use crate::limiter::Limiter;

/// [`Limiter`] over gRPC.
#[derive(Debug)]
pub(crate) struct Service(pub(crate) Arc<Limiter>);

#[tonic::async_trait]
impl RateLimitService for Service {
    async fn should_rate_limit(
        &self,
        request: Request<RateLimitRequest>,
    ) -> Result<Response<RateLimitResponse>, Status> {
        self.0.answer(request.into_inner()).await.map(Response::new).map_err(|error| status(&error))
    }
}

/// The status of a failed call. With any of them Envoy does what its `failure_mode_deny` says.
fn status(error: &Error) -> Status {
    let message = error.to_string();
    match error {
        Error::InvalidCall(_) => Status::invalid_argument(message),
        Error::Full { .. } => Status::resource_exhausted(message),
        Error::Store(_) => {
            tracing::warn!(target: "weir", %error, "a call was not counted");
            Status::unavailable(message)
        }
        _ => Status::internal(message),
    }
}
