//! The downstream `llm` filter: recognises LLM requests, publishes what routing and the provider need,
//! and gives every answer that Envoy makes itself (no route, no endpoint, time-out) the caller's dialect.

use std::sync::Arc;

use filter_config::Llm;
use llm_dialects::hub::{ApiError, ErrorKind};
use llm_dialects::{Dialect, inspect};

use crate::endpoints::Endpoints;
use crate::handoff::{Handoff, Invalid, keep_credential, too_large};
use crate::record::{Outcome, RECORD_STATE, Record};
use crate::{Attribute, BodyFlow, BodyMode, HeaderMap, HeadersFlow, Host, LocalReply, Overflow};

/// Headers of a provider's error that clients act on.
const ERROR_HEADERS: [&str; 4] = ["retry-after", "retry-after-ms", "request-id", "x-request-id"];

/// Compiled configuration of the filter.
#[derive(Debug)]
pub(crate) struct LlmPlan {
    config: Llm,
    endpoints: Endpoints,
}

impl LlmPlan {
    pub(crate) fn new(config: Llm) -> Self {
        Self { endpoints: Endpoints::new(&config.endpoints), config }
    }

    fn limit(&self) -> usize {
        usize::try_from(self.config.max_request_body_bytes).unwrap_or(usize::MAX)
    }
}

/// One request in the filter.
#[derive(Debug)]
pub(crate) struct LlmExchange {
    plan: Arc<LlmPlan>,
    /// The client's dialect, once the request is known to be an LLM request.
    client: Option<Dialect>,
    /// The client's path, without its query, which may hold secrets.
    path: String,
    handoff: Option<Handoff>,
    /// The answer is ours; nothing in it needs changing on its way out.
    replied: bool,
    /// The body that takes the place of an answer Envoy made.
    replacement: Option<Vec<u8>>,
}

impl LlmExchange {
    pub(crate) fn new(plan: Arc<LlmPlan>) -> Self {
        Self { plan, client: None, path: String::new(), handoff: None, replied: false, replacement: None }
    }

    pub(crate) fn request_headers(&mut self, host: &mut dyn Host, end: bool) -> HeadersFlow {
        self.client = self.recognise(host);
        let Some(client) = self.client else {
            // What a client claims in the header must not steer any route.
            self.drop_claimed_model(host);
            return HeadersFlow::Continue(BodyMode::Skip);
        };
        if self.plan.config.keep_client_credential {
            keep_credential(host);
        }
        let announced = host.header(HeaderMap::Request, "content-length").and_then(|v| v.parse::<u64>().ok());
        if announced.is_some_and(|length| length > self.plan.config.max_request_body_bytes) {
            return HeadersFlow::Reply(self.refuse_too_large(host, client));
        }
        if end {
            self.inspect(host, client, b"");
            return HeadersFlow::Continue(BodyMode::Skip);
        }
        HeadersFlow::Continue(BodyMode::Whole { limit: self.plan.limit() })
    }

    pub(crate) fn request_body(&mut self, host: &mut dyn Host, body: &[u8], _end: bool) -> BodyFlow {
        if let Some(client) = self.client {
            self.inspect(host, client, body);
        }
        BodyFlow::Keep
    }

    pub(crate) fn request_overflow(&mut self, host: &mut dyn Host) -> LocalReply {
        self.refuse_too_large(host, self.client.unwrap_or(Dialect::OpenaiChat))
    }

    pub(crate) fn response_headers(&mut self, host: &mut dyn Host, end: bool) -> HeadersFlow {
        let Some(client) = self.client.filter(|_| !self.replied) else {
            return HeadersFlow::Continue(BodyMode::Skip);
        };
        let status =
            host.header(HeaderMap::Response, ":status").and_then(|v| v.parse::<u16>().ok()).unwrap_or(0);
        if status < 400 {
            return HeadersFlow::Continue(BodyMode::Skip);
        }
        let is_json = host
            .header(HeaderMap::Response, "content-type")
            .is_some_and(|value| value.starts_with("application/json"));
        if is_json && !end {
            return HeadersFlow::Continue(BodyMode::Skip);
        }
        // Either Envoy made this answer, or the provider sent an error without a body.
        let details = host.attribute(Attribute::ResponseCodeDetails).unwrap_or_default();
        let error = self.explain(status, &details);
        self.record_failure(host, &error, &details);
        let body = client.encode_error(&error);
        let status = client.error_status(&error);
        if end {
            self.replied = true;
            let mut answer = reply(status, body, "weir_upstream_error");
            // A reply starts without headers: when to come back, and what to ask support about, come along.
            let kept = ERROR_HEADERS
                .iter()
                .filter_map(|&name| Some((name, host.header(HeaderMap::Response, name)?)));
            answer.headers.extend(kept);
            return HeadersFlow::Reply(answer);
        }
        host.set_header(HeaderMap::Response, ":status", &status.to_string());
        host.set_header(HeaderMap::Response, "content-type", "application/json");
        host.set_header(HeaderMap::Response, "content-length", &body.len().to_string());
        self.replacement = Some(body);
        HeadersFlow::Continue(BodyMode::Chunks)
    }

    pub(crate) fn response_body(&mut self, _host: &mut dyn Host, _body: &[u8], _end: bool) -> BodyFlow {
        // The first chunk becomes the error; whatever else Envoy wrote is dropped.
        BodyFlow::Replace(self.replacement.take().unwrap_or_default())
    }

    pub(crate) fn response_overflow(&mut self, _host: &mut dyn Host) -> Overflow {
        Overflow::Release
    }

    fn recognise(&mut self, host: &dyn Host) -> Option<Dialect> {
        if host.header(HeaderMap::Request, ":method")? != "POST" {
            return None;
        }
        let mut path = host.header(HeaderMap::Request, ":path")?;
        path.truncate(path.find('?').unwrap_or(path.len()));
        self.path = path;
        self.plan.endpoints.find(&self.path).or_else(|| {
            host.attribute(Attribute::RouteDefaultEndpoint).and_then(|name| Dialect::from_name(&name))
        })
    }

    /// Reads what is needed of the body and publishes it. A body that cannot be read is handed on as
    /// such: only the `provider` filter knows that the request really is for a provider.
    fn inspect(&mut self, host: &mut dyn Host, client: Dialect, body: &[u8]) {
        let body_bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let handoff = match inspect::request(body) {
            Ok(facts) => {
                if let Some(name) = self.plan.config.model_header.clone() {
                    host.set_header(HeaderMap::Request, &name, &header_value(&facts.model));
                    host.reroute();
                }
                let (stream, model) = (facts.stream, facts.model.into_owned());
                Handoff { client, path: self.path.clone(), stream, model, body_bytes, invalid: None }
            }
            Err(error) => {
                self.drop_claimed_model(host);
                Handoff {
                    client,
                    path: self.path.clone(),
                    stream: false,
                    model: String::new(),
                    body_bytes,
                    invalid: Some(Invalid::new(&error)),
                }
            }
        };
        handoff.publish(host);
        self.handoff = Some(handoff);
    }

    fn drop_claimed_model(&self, host: &mut dyn Host) {
        if let Some(name) = &self.plan.config.model_header
            && host.header(HeaderMap::Request, name).is_some()
        {
            host.remove_header(HeaderMap::Request, name);
            host.reroute();
        }
    }

    fn refuse_too_large(&mut self, host: &mut dyn Host, client: Dialect) -> LocalReply {
        self.replied = true;
        let error = too_large(self.plan.config.max_request_body_bytes);
        let record = Record {
            path: Some(self.path.as_str().into()),
            client: Some(client.name().into()),
            outcome: Outcome::Refused,
            error: Some(error.message.as_str().into()),
            ..Record::default()
        };
        host.publish(RECORD_STATE, &record.to_json());
        reply(client.error_status(&error), client.encode_error(&error), "weir_request_too_large")
    }

    /// What an answer without a body of ours means.
    fn explain(&self, status: u16, details: &str) -> ApiError {
        let handoff = self.handoff.as_ref();
        if let Some(invalid) = handoff.and_then(|handoff| handoff.invalid.as_ref())
            && details == "route_not_found"
        {
            return invalid.to_api_error();
        }
        let model = handoff.map_or("", |handoff| handoff.model.as_str());
        let (status, kind, code, message) = match details {
            "route_not_found" => (
                404,
                ErrorKind::NotFound,
                Some("model_not_found"),
                format!("No route of this gateway serves the model `{model}` at this path and host."),
            ),
            "via_upstream" => (
                status,
                ErrorKind::from_status(status),
                None,
                format!("The provider answered with status {status} and no explanation."),
            ),
            "cluster_not_found" => (
                status,
                ErrorKind::from_status(status),
                Some("backend_not_found"),
                "The route for this request leads to a backend that is not configured.".to_owned(),
            ),
            "no_healthy_upstream" => (
                503,
                ErrorKind::Overloaded,
                Some("no_healthy_provider"),
                "No provider for this request is available at the moment.".to_owned(),
            ),
            "request_payload_too_large" => {
                return ApiError {
                    message: "The request body is larger than Envoy's buffer limit for this route."
                        .to_owned(),
                    ..too_large(0)
                };
            }
            _ if details.contains("timeout") => (
                504,
                ErrorKind::Timeout,
                Some("provider_timeout"),
                "The provider did not answer in time.".to_owned(),
            ),
            _ if details.starts_with("upstream_reset") => (
                502,
                ErrorKind::Upstream,
                Some("provider_unreachable"),
                "The connection to the provider failed before it answered.".to_owned(),
            ),
            _ => (
                status,
                ErrorKind::from_status(status),
                None,
                format!("The gateway answered with status {status}."),
            ),
        };
        ApiError { status, kind, code: code.map(str::to_owned), param: None, message }
    }

    fn record_failure(&self, host: &mut dyn Host, error: &ApiError, details: &str) {
        // What was handed on, or what an attempt that reached a provider has added to it, stays.
        let mut record = host
            .state(RECORD_STATE)
            .and_then(|json| serde_json::from_slice::<Record>(&json).ok())
            .unwrap_or_default();
        let ours =
            matches!(error.kind, ErrorKind::InvalidRequest | ErrorKind::NotFound | ErrorKind::TooLarge);
        record.outcome = if ours && details != "via_upstream" { Outcome::Refused } else { Outcome::Failed };
        // What is wrong with a request says more than where Envoy stopped.
        let invalid = self.handoff.as_ref().is_some_and(|handoff| handoff.invalid.is_some());
        let say_message = details.is_empty() || invalid;
        record.error = Some(if say_message { error.message.as_str().into() } else { details.into() });
        host.publish(RECORD_STATE, &record.to_json());
    }
}

/// A JSON error as a reply.
pub(crate) fn reply(status: u16, body: Vec<u8>, details: &'static str) -> LocalReply {
    LocalReply { status, headers: vec![("content-type", "application/json".to_owned())], body, details }
}

/// A model name as a header value: what no header may hold is percent-encoded, so that a route never
/// matches something other than what was asked for.
fn header_value(model: &str) -> String {
    let mut value = String::with_capacity(model.len());
    for c in model.chars() {
        if c.is_ascii_graphic() || c == ' ' {
            value.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                value.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    value
}
