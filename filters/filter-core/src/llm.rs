//! The downstream `llm` filter: recognises LLM requests, publishes what routing and the provider need,
//! and gives every answer that Envoy makes itself (no route, no endpoint, time-out) the caller's dialect.

use std::sync::Arc;

use filter_config::{Endpoint, Llm, ORDER_HEADER};
use llm_dialects::hub::{ApiError, ErrorKind};
use llm_dialects::{Error, inspect, output_limit, signature};

use crate::endpoints::{self, Endpoints, Found};
use crate::error_form::ErrorForm;
use crate::failover::{self, Failover};
use crate::handoff::{Handoff, Invalid, keep_credential, too_large};
use crate::phases::Phases;
use crate::provider::is_json;
use crate::record::{self, Outcome, Published, RECORD_STATE, Record, Traits};
use crate::request_view::AskedModel;
use crate::virtual_model::VirtualModels;
use crate::{Attribute, BodyFlow, BodyMode, HeaderMap, HeadersFlow, Host, LocalReply};
use crate::{cooldown, guard, metrics, multipart, tokens};

/// What the details of a refusal by Envoy's own `jwt_authn` begin with; why stands behind it in braces.
const TOKEN_REFUSED: &str = "jwt_authn_access_denied";

/// Headers of a provider's error that clients act on.
const ERROR_HEADERS: [&str; 7] = [
    "retry-after",
    "retry-after-ms",
    "request-id",
    "x-request-id",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
];

/// Compiled configuration of the filter.
#[derive(Debug)]
pub(crate) struct LlmPlan {
    config: Llm,
    endpoints: Endpoints,
    virtual_models: VirtualModels,
}

impl LlmPlan {
    pub(crate) fn new(config: Llm) -> Result<Self, filter_config::Error> {
        let virtual_models = VirtualModels::new(&config.virtual_models)?;
        Ok(Self { endpoints: Endpoints::new(&config.endpoints), virtual_models, config })
    }

    fn limit(&self) -> usize {
        usize::try_from(self.config.max_request_body_bytes).unwrap_or(usize::MAX)
    }
}

/// One request in the filter.
#[derive(Debug)]
pub(crate) struct LlmExchange {
    plan: Arc<LlmPlan>,
    /// What the client called, once the request is known to be an LLM request.
    called: Option<Found>,
    /// The client's path, without its query, which may hold secrets.
    path: String,
    /// What its query says of the answer.
    json_array: bool,
    /// When the request came, in milliseconds since 1970.
    started_ms: u64,
    /// The status the client gets; 0 before there is one.
    status: u16,
    handoff: Option<Handoff>,
    /// The answer is ours; nothing in it needs changing on its way out.
    replied: bool,
    /// The body that takes the place of an answer Envoy made.
    replacement: Option<Vec<u8>>,
}

impl LlmExchange {
    pub(crate) fn new(plan: Arc<LlmPlan>) -> Self {
        Self {
            plan,
            called: None,
            path: String::new(),
            json_array: false,
            started_ms: 0,
            status: 0,
            handoff: None,
            replied: false,
            replacement: None,
        }
    }
}

impl Phases for LlmExchange {
    fn request_headers(&mut self, host: &mut dyn Host, end: bool) -> HeadersFlow {
        // What a client says here must not steer anything.
        if host.header(HeaderMap::Request, ORDER_HEADER).is_some() {
            host.remove_header(HeaderMap::Request, ORDER_HEADER);
        }
        self.called = self.recognise(host);
        let Some(endpoint) = self.called.as_ref().map(|called| called.endpoint) else {
            // What a client claims in the header must not steer any route.
            self.drop_claimed_model(host);
            return HeadersFlow::Continue(BodyMode::Skip);
        };
        self.started_ms = host.now_ms();
        if self.plan.config.keep_client_credential {
            keep_credential(host);
        }
        let announced = host.header(HeaderMap::Request, "content-length").and_then(|v| v.parse::<u64>().ok());
        if announced.is_some_and(|length| length > self.plan.config.max_request_body_bytes) {
            return HeadersFlow::Reply(self.refuse_too_large(host));
        }
        let bodiless =
            matches!(endpoint, Endpoint::OpenaiModels | Endpoint::OpenaiRealtime | Endpoint::Passthrough);
        if bodiless {
            let facts = Ok(Facts { model: self.model_of_path_or_query(host), ..Facts::default() });
            let refusal = self.hand_on(host, facts, announced.unwrap_or_default(), b"");
            return refusal.map_or(HeadersFlow::Continue(BodyMode::Skip), HeadersFlow::Reply);
        }
        if end {
            let refusal = self.inspect(host, b"");
            return refusal.map_or(HeadersFlow::Continue(BodyMode::Skip), HeadersFlow::Reply);
        }
        HeadersFlow::Continue(BodyMode::Whole { limit: self.plan.limit() })
    }

    fn request_body(&mut self, host: &mut dyn Host, body: &[u8], _end: bool) -> BodyFlow {
        self.inspect(host, body).map_or(BodyFlow::Keep, BodyFlow::Reply)
    }

    fn request_overflow(&mut self, host: &mut dyn Host) -> LocalReply {
        self.refuse_too_large(host)
    }

    fn response_headers(&mut self, host: &mut dyn Host, end: bool) -> HeadersFlow {
        let Some(client) = self.error_form() else {
            return HeadersFlow::Continue(BodyMode::Skip);
        };
        let status =
            host.header(HeaderMap::Response, ":status").and_then(|v| v.parse::<u16>().ok()).unwrap_or(0);
        self.status = status;
        if self.replied {
            return HeadersFlow::Continue(BodyMode::Skip);
        }
        if status < 400 {
            return HeadersFlow::Continue(BodyMode::Skip);
        }
        let failover = Failover::of(host);
        let is_json = host.header(HeaderMap::Response, "content-type").is_some_and(|value| is_json(&value));
        if is_json && !end {
            if let Some(of_client) = failover::client_status(host, status) {
                self.status = of_client;
                host.set_header(HeaderMap::Response, ":status", &of_client.to_string());
            }
            if let Some(failover) = failover {
                failover.tell(host);
            }
            return HeadersFlow::Continue(BodyMode::Skip);
        }
        if !end && guard::has_answered(host) {
            // As its configuration says, word by word.
            if let Some(of_client) = failover::client_status(host, status) {
                self.status = of_client;
                host.set_header(HeaderMap::Response, ":status", &of_client.to_string());
            }
            return HeadersFlow::Continue(BodyMode::Skip);
        }
        // Either Envoy made this answer, or the provider sent an error without a body.
        let details = host.attribute(Attribute::ResponseCodeDetails).unwrap_or_default();
        let error = self.explain(status, &details);
        self.record_failure(host, &error, &details);
        if let Some(failover) = failover {
            failover.tell(host);
        }
        let status = client.status(&error);
        if end {
            self.replied = true;
            let mut answer = error_reply(client, &error, "weir_upstream_error");
            // A reply starts without headers: when to come back, and what to ask support about, come along.
            let kept = ERROR_HEADERS
                .iter()
                .filter_map(|&name| Some((name.into(), host.header(HeaderMap::Response, name)?)));
            answer.headers.extend(kept);
            let told = failover.into_iter().flat_map(Failover::headers);
            answer.headers.extend(told.map(|(name, value)| (name.into(), value)));
            return HeadersFlow::Reply(answer);
        }
        let body = client.encode(&error);
        host.set_header(HeaderMap::Response, ":status", &status.to_string());
        host.set_header(HeaderMap::Response, "content-type", "application/json");
        host.set_header(HeaderMap::Response, "content-length", &body.len().to_string());
        if let Some((name, value)) = client.kind_header(&error) {
            host.set_header(HeaderMap::Response, name, value);
        }
        self.replacement = Some(body);
        HeadersFlow::Continue(BodyMode::Chunks)
    }

    fn response_body(&mut self, _host: &mut dyn Host, _body: &[u8], _end: bool) -> BodyFlow {
        // The first chunk becomes the error; whatever else Envoy wrote is dropped.
        BodyFlow::Replace(self.replacement.take().unwrap_or_default())
    }

    fn complete(&mut self, host: &mut dyn Host) {
        if self.called.is_some() {
            observe_record(host, self.status);
        }
    }
}

impl LlmExchange {
    /// How the client is told of errors; `None` when the request is no LLM request.
    fn error_form(&self) -> Option<ErrorForm> {
        self.called.as_ref().map(|called| ErrorForm::of(called.endpoint))
    }

    fn recognise(&mut self, host: &dyn Host) -> Option<Found> {
        let method = host.header(HeaderMap::Request, ":method")?;
        let mut path = host.header(HeaderMap::Request, ":path")?;
        let (bare, query) = path.split_once('?').unwrap_or((&path, ""));
        let sse = query.split('&').any(|pair| pair == "alt=sse");
        path.truncate(bare.len());
        self.path = path;
        let of_route = || {
            let json =
                self.plan.config.route_endpoints.then(|| host.attribute(Attribute::RouteEndpoints))??;
            Endpoints::new(&serde_json::from_str(&json).ok()?).find(&self.path)
        };
        let found = of_route().or_else(|| self.plan.endpoints.find(&self.path)).or_else(|| {
            let name = host.attribute(Attribute::RouteDefaultEndpoint)?;
            Some(Found::at(Endpoint::from_name(&name)?, None))
        })?;
        let expected = match found.endpoint {
            Endpoint::OpenaiModels => method == "GET",
            // HTTP/2 opens WebSockets with CONNECT.
            Endpoint::OpenaiRealtime => method == "GET" || method == "CONNECT",
            Endpoint::Detect | Endpoint::Passthrough => true,
            _ => method == "POST",
        };
        if !expected {
            return None;
        }
        self.json_array = found.endpoint == Endpoint::GeminiGenerateContent && found.stream && !sse;
        Some(found)
    }

    /// The model a request without a body names.
    fn model_of_path_or_query(&self, host: &dyn Host) -> String {
        if let Some(model) = self.called.as_ref().and_then(|called| called.model.clone()) {
            return model;
        }
        let path = host.header(HeaderMap::Request, ":path").unwrap_or_default();
        let query = path.split_once('?').map_or("", |(_, query)| query);
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix("model="))
            .map(endpoints::percent_decode)
            .unwrap_or_default()
    }

    /// Reads what is needed of the body and publishes it. A body that cannot be read is handed on as
    /// such: only the `provider` filter knows that the request really is for a provider.
    fn inspect(&mut self, host: &mut dyn Host, body: &[u8]) -> Option<LocalReply> {
        let facts = facts(host, self.called.as_ref()?, body);
        self.hand_on(host, facts, u64::try_from(body.len()).unwrap_or(u64::MAX), body)
    }

    /// Publishes what is known of the request. Answers it when its virtual model leads nowhere.
    fn hand_on(
        &mut self,
        host: &mut dyn Host,
        facts: Result<Facts, Error>,
        body_bytes: u64,
        body: &[u8],
    ) -> Option<LocalReply> {
        let called = self.called.as_ref()?;
        let (facts, invalid) = match facts {
            Ok(facts) => (facts, None),
            Err(error) => (Facts::default(), Some(Invalid::new(&error))),
        };
        let mut nowhere = false;
        match self.plan.config.model_header.clone() {
            Some(name) if !facts.model.is_empty() => {
                let virtual_models = &self.plan.virtual_models;
                let asked = AskedModel { model: &facts.model, stream: facts.stream };
                let routed = match virtual_models.choose(host, asked, body) {
                    Some(Some(target)) => header_value(target),
                    Some(None) => {
                        nowhere = true;
                        header_value(&facts.model)
                    }
                    None if virtual_models.is_target(&facts.model) => {
                        header_value(&facts.model).replace('#', "%23")
                    }
                    None => header_value(&facts.model),
                };
                host.set_header(HeaderMap::Request, &name, &routed);
                host.reroute();
            }
            _ => self.drop_claimed_model(host),
        }
        let size = if self.plan.config.count_tokens {
            size(called.endpoint, &facts.model, body)
        } else {
            Size::default()
        };
        let traits = Traits {
            input_tokens: size.input,
            max_output: size.output,
            output_cap: None,
            json_array: self.json_array,
            include_usage: facts.include_usage,
            foreign_signature: facts.foreign_signature,
            model_in_path: called.model.is_some(),
            background: size.background,
            publish_fields: self.plan.config.publish_fields,
        };
        let handoff = Handoff {
            client: called.endpoint,
            path: self.path.clone(),
            stream: facts.stream || called.stream,
            model: facts.model,
            body_bytes,
            started_ms: self.started_ms,
            traits,
            invalid,
            has_failed: false,
        };
        handoff.publish(host);
        self.handoff = Some(handoff);
        if nowhere {
            return Some(self.refuse_virtual_model(host));
        }
        if !self.plan.config.defer_order {
            cooldown::avoid(host, self.started_ms);
        }
        None
    }

    fn refuse_virtual_model(&mut self, host: &mut dyn Host) -> LocalReply {
        self.replied = true;
        let model = self.handoff.as_ref().map_or("", |handoff| handoff.model.as_str());
        let error = ApiError {
            status: 400,
            kind: ErrorKind::InvalidRequest,
            code: Some("virtual_model_no_matching_target".to_owned()),
            param: Some("model".to_owned()),
            message: format!("No condition of the virtual model `{model}` holds for this request."),
        };
        self.record_failure(host, &error, "");
        let client = self.error_form().unwrap_or(ErrorForm::of(Endpoint::OpenaiChat));
        error_reply(client, &error, "weir_no_virtual_target")
    }

    fn drop_claimed_model(&self, host: &mut dyn Host) {
        if let Some(name) = &self.plan.config.model_header
            && host.header(HeaderMap::Request, name).is_some()
        {
            host.remove_header(HeaderMap::Request, name);
            host.reroute();
        }
    }

    fn refuse_too_large(&mut self, host: &mut dyn Host) -> LocalReply {
        self.replied = true;
        let error = too_large(self.plan.config.max_request_body_bytes);
        let record = Record {
            path: Some(self.path.as_str().into()),
            client: self.called.as_ref().map(|called| called.endpoint.name().into()),
            outcome: Outcome::Refused,
            error: Some(error.message.as_str().into()),
            ..Record::default()
        };
        host.publish(RECORD_STATE, &record.to_json());
        let client = self.error_form().unwrap_or(ErrorForm::of(Endpoint::OpenaiChat));
        error_reply(client, &error, "weir_request_too_large")
    }

    /// What an answer without a body of ours means.
    fn explain(&self, status: u16, details: &str) -> ApiError {
        let handoff = self.handoff.as_ref();
        if let Some(fault) = handoff.and_then(Handoff::fault)
            && details == "route_not_found"
        {
            return fault;
        }
        let model = handoff.map_or("", |handoff| handoff.model.as_str());
        let (status, kind, code, message) = match details {
            // Routes by model end in a route that answers 404 to every other one.
            // What is wrong is for the operator to read, not for the client.
            "direct_response" if status == 500 => (
                500,
                ErrorKind::Internal,
                Some("gateway_configuration"),
                "The configuration of this gateway for these requests is not valid, so it does not serve them; \
                 its operator finds the reason with `weir validate`."
                    .to_owned(),
            ),
            "direct_response" if status != 404 => (
                status,
                ErrorKind::from_status(status),
                None,
                format!("The gateway answered with status {status}."),
            ),
            "route_not_found" | "direct_response" => (
                404,
                ErrorKind::NotFound,
                Some("model_not_found"),
                if model.is_empty() {
                    "No route of this gateway serves this path and host for a request that names no model."
                        .to_owned()
                } else {
                    format!("No route of this gateway serves the model `{model}` at this path and host.")
                },
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
            // Envoy's own filter, which asks a rate limit service.
            "request_rate_limited" => (
                429,
                ErrorKind::RateLimit,
                Some("rate_limit_exceeded"),
                "A limit on requests, tokens or costs is used up; try again later.".to_owned(),
            ),
            "rate_limiter_error" => (
                500,
                ErrorKind::Internal,
                Some("rate_limit_unavailable"),
                "The rate limit service of this gateway cannot be asked.".to_owned(),
            ),
            // Envoy's own filter, which checks tokens. To it a token for somebody else is forbidden.
            _ if let Some(why) = details.strip_prefix(TOKEN_REFUSED) => (
                401,
                ErrorKind::from_status(401),
                Some("invalid_token"),
                format!(
                    "The request needs a valid token: {}.",
                    why.trim_matches(['{', '}']).replace('_', " ")
                ),
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
        let ours = ours || details == "request_rate_limited" || details.starts_with(TOKEN_REFUSED);
        record.outcome = if ours && details != "via_upstream" { Outcome::Refused } else { Outcome::Failed };
        // What is wrong with a request says more than where Envoy stopped.
        let invalid = self.handoff.as_ref().is_some_and(|handoff| handoff.fault().is_some());
        let say_message = details.is_empty() || invalid;
        record.error = Some(if say_message { error.message.as_str().into() } else { details.into() });
        host.publish(RECORD_STATE, &record.to_json());
    }
}

/// Observes what the record of the request says.
pub(crate) fn observe_record(host: &mut dyn Host, status: u16) {
    let Some(json) = host.state(RECORD_STATE) else { return };
    let Some(record) = Published::read(&json) else { return };
    let now = host.now_ms();
    metrics::observe(host, &record, now, &status.to_string());
}

/// What was read of a request.
#[derive(Debug, Default)]
struct Facts {
    model: String,
    stream: bool,
    include_usage: bool,
    foreign_signature: bool,
}

/// How large a request is.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    /// Tokens of its input.
    input: Option<u64>,
    /// Most tokens of output it asks for, all answers together.
    output: Option<u64>,
    /// They are generated behind the exchange.
    background: bool,
}

/// Counts what a request asks for. What cannot be read is for the provider filter to refuse.
fn size(endpoint: Endpoint, model: &str, body: &[u8]) -> Size {
    let asked = endpoints::limited(endpoint).and_then(|form| output_limit::get(form, body).ok());
    let request = endpoints::dialect(endpoint).and_then(|dialect| dialect.decode_request(body).ok());
    Size {
        input: request.map(|request| tokens::of_request(model, &request)),
        output: asked.and_then(|asked| asked.tokens.map(|tokens| tokens.saturating_mul(asked.answers))),
        background: endpoint == Endpoint::OpenaiResponses && is_background(body),
    }
}

/// Whether a request to OpenAI's responses is answered at once, and carried out later.
fn is_background(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Asked {
        background: Option<bool>,
    }
    serde_json::from_slice(body).is_ok_and(|asked: Asked| asked.background == Some(true))
}

/// Reads the facts of a body.
fn facts(host: &dyn Host, called: &Found, body: &[u8]) -> Result<Facts, Error> {
    let content_type = || host.header(HeaderMap::Request, "content-type").unwrap_or_default();
    if matches!(called.endpoint, Endpoint::OpenaiImages | Endpoint::OpenaiAudio)
        && let Some(boundary) = multipart::boundary(&content_type())
    {
        let model = multipart::model(body, boundary).unwrap_or_default().to_owned();
        return Ok(Facts { model, stream: multipart::stream(body, boundary), ..Facts::default() });
    }
    let read = inspect::request(body).map(|facts| Facts {
        model: facts.model.into_owned(),
        stream: facts.stream,
        include_usage: facts.include_usage,
        foreign_signature: endpoints::conversation(called.endpoint)
            .is_some_and(|dialect| signature::has_foreign(dialect, body)),
    });
    let mut facts = match read {
        // Whatever a detected endpoint takes is its provider's affair.
        Err(_) if called.endpoint == Endpoint::Detect => Facts::default(),
        read => read?,
    };
    if let Some(model) = &called.model {
        facts.model.clone_from(model);
    }
    Ok(facts)
}

/// The answer to a request that a filter behind `llm` refuses: in the words of the client's dialect where it calls an LLM
/// endpoint, whose record says that it was refused and why (`recorded`); else plain text.
pub(crate) fn refuse(
    host: &mut dyn Host,
    handoff: Option<&Handoff>,
    error: ApiError,
    recorded: &str,
    details: &'static str,
) -> LocalReply {
    let Some(handoff) = handoff else {
        return LocalReply {
            status: error.status,
            headers: vec![("content-type".into(), "text/plain; charset=utf-8".to_owned())],
            body: error.message.into_bytes(),
            details,
        };
    };
    record::refuse(host, recorded);
    error_reply(handoff.error_form(), &error, details)
}

/// An error as a reply to a client that is told of errors in this form.
pub(crate) fn error_reply(client: ErrorForm, error: &ApiError, details: &'static str) -> LocalReply {
    let mut reply = reply(client.status(error), client.encode(error), details);
    reply.headers.extend(client.kind_header(error).map(|(name, value)| (name.into(), value.to_owned())));
    reply
}

/// A JSON error as a reply.
pub(crate) fn reply(status: u16, body: Vec<u8>, details: &'static str) -> LocalReply {
    LocalReply {
        status,
        headers: vec![("content-type".into(), "application/json".to_owned())],
        body,
        details,
    }
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
