//! What is told about requests: traces and logs over OTLP, and fields of the access log.

mod collector;
mod expression;
mod told;

use std::collections::BTreeMap;

use expressions::Expression;
use filter_config::PUBLISHED_FIELDS;
use resources::{FrontendAccessLog, FrontendTracing, ObjectKey, OtlpLog, OtlpProtocol, TelemetryAttributes};

use crate::attachment::Port;
use crate::expression::Unknown;
use crate::findings::Findings;
use crate::index::Index;
use crate::provider::Provider;
use crate::settings::{Runtime, Settings};
pub(crate) use told::Told;

/// What is told about the requests of a port.
#[derive(Debug, Clone, Default)]
pub(crate) struct Telemetry {
    pub(crate) stdout: Log,
    /// The log that is sent to a collector.
    pub(crate) otlp: Option<(Collector, Log)>,
    pub(crate) tracing: Option<Tracing>,
    /// What the filters evaluate for these.
    pub(crate) told: Told,
}

/// Lines of a log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    /// Condition under which a request is logged, in Envoy's CEL.
    pub(crate) filter: Option<String>,
    /// Name → format of Envoy's access log.
    pub(crate) fields: BTreeMap<String, String>,
}

/// Spans.
#[derive(Debug, Clone)]
pub(crate) struct Tracing {
    pub(crate) collector: Collector,
    /// Share of the requests without a trace that is traced, in percent.
    pub(crate) share: f64,
    /// Format of the name of spans.
    pub(crate) name: String,
    /// Name → format of Envoy's access log.
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) service: String,
    /// Further attributes of the service.
    pub(crate) resources: BTreeMap<String, String>,
}

/// Who traces and logs are sent to.
#[derive(Debug, Clone)]
pub(crate) struct Collector {
    /// The cluster to write.
    pub(crate) provider: Provider,
    pub(crate) transport: Transport,
}

/// How a collector is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Transport {
    Grpc,
    /// POST to this URL.
    Http {
        url: String,
    },
}

/// Fields that are told unless they are removed, under agentgateway's names, and what they are for Envoy.
const FIELDS: [(&str, &str); 11] = [
    ("duration", "%DURATION%ms"),
    ("http.host", "%REQUEST_HEADER(:AUTHORITY)%"),
    ("http.method", "%REQUEST_HEADER(:METHOD)%"),
    ("http.path", "%REQUEST_HEADER(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("http.status", "%RESPONSE_CODE%"),
    ("http.version", "%PROTOCOL%"),
    ("listener", "%FILTER_CHAIN_NAME%"),
    ("retry.attempt", "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"),
    ("route", "%ROUTE_NAME%"),
    ("src.addr", "%DOWNSTREAM_REMOTE_ADDRESS%"),
    ("trace.id", "%TRACE_ID%"),
];

/// Fields of spans: Envoy itself says the rest.
const SPAN_FIELDS: [&str; 4] = ["listener", "retry.attempt", "route", "http.host"];

/// The name of the attribute that names the span.
const SPAN_NAME: &str = "span.name";

impl Telemetry {
    /// Whether the filters must publish the fields of the record one by one.
    pub(crate) fn needs_fields(&self) -> bool {
        let logs = std::iter::once(&self.stdout).chain(self.otlp.as_ref().map(|(_, log)| log));
        let mut formats = logs.flat_map(|log| log.fields.values()).chain(
            self.tracing.iter().flat_map(|tracing| tracing.attributes.values().chain([&tracing.name])),
        );
        formats.any(|format| PUBLISHED_FIELDS.iter().any(|(key, _)| format.contains(&format!("{key}:PLAIN"))))
    }

    /// The clusters of the collectors.
    pub(crate) fn collectors(&self) -> impl Iterator<Item = &Provider> {
        let logs = self.otlp.iter().map(|(collector, _)| collector);
        let traces = self.tracing.iter().map(|tracing| &tracing.collector);
        logs.chain(traces).map(|collector| &collector.provider)
    }
}

/// What is told about the requests of a port, as the policies of its Gateway say.
pub(crate) fn of_port(
    index: &Index<'_>,
    settings: &Settings,
    port: &Port<'_>,
    findings: &mut Findings,
) -> Telemetry {
    let mut telemetry = Telemetry::default();
    let listeners: Vec<&str> = port.listeners.iter().map(|(_, listener)| listener.name.as_str()).collect();
    let policies = index.policies.frontend(&port.gateway, &listeners, findings);
    let mut of = Of { index, settings, findings, told: Told::default() };
    if let Some((key, log)) = policies.iter().find_map(|(key, one)| Some((*key, one.access_log.as_ref()?))) {
        telemetry.stdout = of.stdout(key, log);
        telemetry.otlp = log.otlp.as_ref().and_then(|otlp| of.otlp(key, log, otlp));
    }
    if let Some((key, tracing)) = policies.iter().find_map(|(key, one)| Some((*key, one.tracing.as_ref()?))) {
        telemetry.tracing = of.tracing(key, tracing);
    }
    telemetry.told = of.told;
    telemetry
}

/// What reading a policy needs.
struct Of<'a> {
    index: &'a Index<'a>,
    settings: &'a Settings,
    findings: &'a mut Findings,
    told: Told,
}

impl Of<'_> {
    fn runtime(&self) -> &Runtime {
        &self.settings.runtime
    }

    /// Standard output has fields of its own; here are those to add.
    fn stdout(&mut self, key: &ObjectKey, log: &FrontendAccessLog) -> Log {
        let path = "spec.frontend.accessLog";
        let mut fields = BTreeMap::new();
        let attributes = log.attributes.as_ref();
        self.add(key, path, attributes, &mut fields);
        if log.otlp.is_none() && attributes.is_some_and(|attributes| attributes.remove.is_some()) {
            let what = "leaving out fields on standard output";
            self.findings.ignored(key, &format!("{path}.attributes.remove"), what, "");
        }
        Log { filter: self.filter(key, path, log.filter.as_deref()), fields }
    }

    fn otlp(&mut self, key: &ObjectKey, log: &FrontendAccessLog, otlp: &OtlpLog) -> Option<(Collector, Log)> {
        let path = "spec.frontend.accessLog.otlp";
        let whole = "spec.frontend.accessLog";
        let place = collector::Reference {
            backend: otlp.backend_ref.as_ref(),
            url: otlp.url.as_deref(),
            protocol: otlp.protocol.unwrap_or_default(),
            path: otlp.path.as_deref(),
            usual_path: "/v1/logs",
        };
        let collector = collector::resolve(self.index, key, path, &place, self.findings)?;
        let (attributes, path_of) = match &otlp.attributes {
            Some(own) => (Some(own), path),
            None => (log.attributes.as_ref(), whole),
        };
        let mut fields = self.usual(FIELDS.iter().map(|(name, _)| *name));
        self.add(key, path_of, attributes, &mut fields);
        remove(attributes, &mut fields);
        let filter = match &otlp.filter {
            Some(own) => self.filter(key, path, Some(own)),
            None => self.filter(key, whole, log.filter.as_deref()),
        };
        Some((collector, Log { filter, fields }))
    }

    fn tracing(&mut self, key: &ObjectKey, tracing: &FrontendTracing) -> Option<Tracing> {
        let path = "spec.frontend.tracing";
        let place = collector::Reference {
            backend: tracing.backend_ref.as_ref(),
            url: tracing.url.as_deref(),
            protocol: tracing.protocol.unwrap_or_default(),
            path: tracing.path.as_deref(),
            usual_path: "/v1/traces",
        };
        let collector = collector::resolve(self.index, key, path, &place, self.findings)?;
        let share = tracing.random_sampling.as_ref().map_or(Some(0.0), |text| expression::share(text));
        if share.is_none() {
            let remedy =
                "write true, false or a number from 0 to 1; until then only requests with a trace are traced";
            self.findings.ignored(key, &format!("{path}.randomSampling"), "sampling by the request", remedy);
        }
        let client = tracing.client_sampling.as_ref().map_or(Some(100.0), |text| expression::share(text));
        if client != Some(100.0) {
            let what = "sampling of requests that have a trace";
            let remedy = "they are traced when their trace says so";
            self.findings.ignored(key, &format!("{path}.clientSampling"), what, remedy);
        }
        if tracing.filter.is_some() {
            let remedy = "all traces are exported";
            self.findings.ignored(key, &format!("{path}.filter"), "choosing traces by an expression", remedy);
        }
        let mut attributes = self.usual(SPAN_FIELDS.into_iter());
        self.add(key, path, tracing.attributes.as_ref(), &mut attributes);
        remove(tracing.attributes.as_ref(), &mut attributes);
        let name = attributes
            .remove(SPAN_NAME)
            .unwrap_or_else(|| "%REQUEST_HEADER(:METHOD)% %ROUTE_NAME%".to_owned());
        let mut resources = BTreeMap::new();
        for (place, one) in tracing.resources.iter().flatten().enumerate() {
            match expression::literal(&one.expression) {
                Some(value) => {
                    resources.insert(one.name.clone(), value);
                }
                None => {
                    let field = format!("{path}.resources[{place}].expression");
                    self.findings.ignored(
                        key,
                        &field,
                        "an expression other than a literal",
                        "write the value itself",
                    );
                }
            }
        }
        let service = resources.remove("service.name").unwrap_or_else(|| "weir".to_owned());
        Some(Tracing { collector, share: share.unwrap_or(0.0), name, attributes, service, resources })
    }

    /// The fields that are told unless they are removed: these, and what the filters know about the exchange.
    fn usual<'a>(&self, names: impl Iterator<Item = &'a str>) -> BTreeMap<String, String> {
        let named = names.filter_map(|name| FIELDS.iter().find(|(known, _)| *known == name));
        let mut fields: BTreeMap<_, _> =
            named.map(|(name, format)| ((*name).to_owned(), (*format).to_owned())).collect();
        for (key, name) in PUBLISHED_FIELDS {
            fields.insert(name.to_owned(), expression::published(key, self.runtime()));
        }
        fields
    }

    fn add(
        &mut self,
        key: &ObjectKey,
        path: &str,
        attributes: Option<&TelemetryAttributes>,
        fields: &mut BTreeMap<String, String>,
    ) {
        let added = attributes.and_then(|attributes| attributes.add.as_ref()).into_iter().flatten();
        for (place, one) in added.enumerate() {
            let field = format!("{path}.attributes.add[{place}].expression");
            if let Some(format) = self.value(key, &field, &one.expression) {
                fields.insert(one.name.clone(), format);
            }
        }
    }

    /// The value of an expression as a format of Envoy's access log.
    fn value(&mut self, key: &ObjectKey, field: &str, text: &str) -> Option<String> {
        let expression = self.compile(key, field, text, "the field is left out")?;
        let runtime = &self.settings.runtime;
        if let Some(format) = expression::format(text, runtime) {
            return Some(format);
        }
        let told = self.told.value(&expression, text, runtime);
        self.reported(key, field, text, told, "the field is left out; see docs/resources.md")
    }

    /// An expression, of which Envoy must never get a broken one: it would refuse the whole listener.
    fn compile(&mut self, key: &ObjectKey, field: &str, text: &str, remedy: &str) -> Option<Expression> {
        match Expression::compile(text) {
            Ok(expression) => {
                self.told.note(key, field, &expression);
                Some(expression)
            }
            Err(error) => {
                let remedy = format!("correct it; until then {remedy}");
                self.findings.warning(key, field, format!("{text:?} cannot be evaluated: {error}"), &remedy);
                None
            }
        }
    }

    fn reported(
        &mut self,
        key: &ObjectKey,
        field: &str,
        text: &str,
        told: Result<String, Unknown>,
        remedy: &str,
    ) -> Option<String> {
        told.map_err(|Unknown { name, .. }| {
            let what = format!("`{name}` in the expression {text:?} for telemetry");
            self.findings.ignored(key, field, &what, remedy);
        })
        .ok()
    }

    /// A filter in Envoy's CEL. Without one that can be expressed everything is logged.
    fn filter(&mut self, key: &ObjectKey, path: &str, filter: Option<&str>) -> Option<String> {
        let (text, field) = (filter?, format!("{path}.filter"));
        let expression = self.compile(key, &field, text, "all requests are logged")?;
        if let Some(condition) = expression::condition(text) {
            return Some(condition);
        }
        let told = self.told.condition(&expression, text, &self.settings.runtime);
        self.reported(key, &field, text, told, "all requests are logged")
    }
}

fn remove(attributes: Option<&TelemetryAttributes>, fields: &mut BTreeMap<String, String>) {
    let added = |name: &str| {
        let added = attributes.iter().flat_map(|attributes| attributes.add.iter().flatten());
        added.into_iter().any(|one| one.name == name)
    };
    for name in attributes.iter().flat_map(|attributes| attributes.remove.iter().flatten()) {
        if !added(name) {
            fields.remove(name);
        }
    }
}

impl Transport {
    fn new(protocol: OtlpProtocol, url: String) -> Self {
        match protocol {
            OtlpProtocol::Grpc => Self::Grpc,
            OtlpProtocol::Http => Self::Http { url },
        }
    }
}
