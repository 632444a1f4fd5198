//! Guards that ask a service.

use std::borrow::Cow;

use filter_config::{Callout as Way, Check, HeaderMatch, ValueMatch};
use guard_services::{
    Asked, Call, Message, Verdict, bedrock_guardrails, model_armor, openai_moderation, webhook,
};
use regex::Regex;
use serde_json::Value;

use super::texts;
use crate::request_view::{RequestExpression, RequestView};
use crate::{CallAnswer, Callout, Direction, HeaderMap, Host};

/// A guard that asks a service.
#[derive(Debug)]
pub(super) struct Service {
    kind: Kind,
    way: Way,
    forwards: Vec<Forward>,
    headers: Vec<Header>,
}

#[derive(Debug)]
enum Kind {
    Webhook { path: String },
    OpenaiModeration { model: String },
    BedrockGuardrails(filter_config::BedrockGuardrails),
    ModelArmor(filter_config::ModelArmor),
}

/// A header of the client that the service gets.
#[derive(Debug)]
struct Forward {
    name: String,
    value: Option<Matcher>,
}

#[derive(Debug)]
enum Matcher {
    Exact(String),
    Regex(Regex),
}

/// A header made by an expression.
#[derive(Debug)]
struct Header {
    name: String,
    expression: RequestExpression,
}

/// A question, and what is to be remembered for its answer.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) callout: Callout,
    pub(super) asked: Asked,
}

impl Service {
    /// Compiles a check that asks a service.
    pub(super) fn compile(check: &Check) -> Result<Self, String> {
        let plain =
            |kind, way: &Way| Self { kind, way: way.clone(), forwards: Vec::new(), headers: Vec::new() };
        Ok(match check {
            Check::Webhook(webhook) => Self {
                kind: Kind::Webhook { path: webhook.path.clone() },
                way: webhook.callout.clone(),
                forwards: webhook.forward_headers.iter().map(Forward::compile).collect::<Result<_, _>>()?,
                headers: webhook.headers.iter().map(Header::compile).collect::<Result<_, _>>()?,
            },
            Check::OpenaiModeration(service) => {
                plain(Kind::OpenaiModeration { model: service.model.clone() }, &service.callout)
            }
            Check::BedrockGuardrails(service) => {
                plain(Kind::BedrockGuardrails(service.clone()), &service.callout)
            }
            Check::ModelArmor(service) => plain(Kind::ModelArmor(service.clone()), &service.callout),
            Check::Text(_) | Check::Length(_) | Check::JsonSchema(_) => {
                return Err("asks no service".to_owned());
            }
        })
    }

    /// What the service is told of the client's request. Only while its headers are held.
    pub(super) fn told(&self, host: &dyn Host) -> Vec<(String, String)> {
        let mut told: Vec<(String, String)> = self
            .forwards
            .iter()
            .filter_map(|forward| {
                let value = host.header(HeaderMap::Request, &forward.name)?;
                forward.matches(&value).then(|| (forward.name.clone(), value))
            })
            .collect();
        for header in &self.headers {
            if let Some(value) = header.evaluate(host) {
                told.retain(|(name, _)| *name != header.name);
                told.push((header.name.clone(), value));
            }
        }
        told
    }

    /// The question about messages; `None` when there is nothing to ask about.
    pub(super) fn ask(
        &self,
        direction: Direction,
        messages: &[texts::Message],
        told: &[(String, String)],
    ) -> Option<Question> {
        let messages: Vec<Message<'_>> = messages
            .iter()
            .map(|message| Message { role: message.role, content: Cow::Borrowed(&message.content) })
            .collect();
        if messages.is_empty() {
            return None;
        }
        let of = match direction {
            Direction::Request => guard_services::Direction::Request,
            Direction::Response => guard_services::Direction::Response,
        };
        let (call, asked) = match &self.kind {
            Kind::Webhook { path } => webhook::call(path, of, &messages),
            Kind::OpenaiModeration { model } => openai_moderation::call(model, &messages)?,
            Kind::BedrockGuardrails(guardrail) => bedrock_guardrails::call(guardrail, of, &messages)?,
            Kind::ModelArmor(template) => model_armor::call(template, of, &messages)?,
        };
        Some(Question { callout: self.callout(call, told), asked })
    }

    fn callout(&self, call: Call, told: &[(String, String)]) -> Callout {
        let mut headers = vec![
            (":method".to_owned(), call.method.to_owned()),
            (":path".to_owned(), call.path),
            (":authority".to_owned(), self.way.authority.clone()),
        ];
        headers.extend(call.headers);
        for (name, value) in told {
            headers.retain(|(own, _)| own != name);
            headers.push((name.clone(), value.clone()));
        }
        // Envoy wants pseudo-headers first.
        headers.sort_by_key(|(name, _)| !name.starts_with(':'));
        let timeout_ms = self.way.timeout_ms;
        Callout { cluster: self.way.cluster.clone(), headers, body: call.body, timeout_ms }
    }

    /// What the service's answer says.
    pub(super) fn judge(&self, answer: &CallAnswer, asked: &Asked) -> Result<Verdict, String> {
        let judged = match &self.kind {
            Kind::Webhook { .. } => webhook::verdict(answer.status, &answer.body, asked),
            Kind::OpenaiModeration { .. } => openai_moderation::verdict(answer.status, &answer.body, asked),
            Kind::BedrockGuardrails(_) => bedrock_guardrails::verdict(answer.status, &answer.body, asked),
            Kind::ModelArmor(_) => model_armor::verdict(answer.status, &answer.body, asked),
        };
        judged.map_err(|error| error.to_string())
    }
}

impl Forward {
    fn compile(header: &HeaderMatch) -> Result<Self, String> {
        let value = match &header.value {
            None => None,
            Some(ValueMatch::Exact(value)) => Some(Matcher::Exact(value.clone())),
            Some(ValueMatch::Regex(regex)) => {
                let whole = Regex::new(&format!("^(?:{regex})$"))
                    .map_err(|error| format!("forward_headers: {}: {error}", header.name))?;
                Some(Matcher::Regex(whole))
            }
        };
        Ok(Self { name: header.name.to_ascii_lowercase(), value })
    }

    fn matches(&self, value: &str) -> bool {
        match &self.value {
            None => true,
            Some(Matcher::Exact(wanted)) => wanted == value,
            Some(Matcher::Regex(regex)) => regex.is_match(value),
        }
    }
}

impl Header {
    fn compile((name, expression): (&String, &String)) -> Result<Self, String> {
        let expression =
            RequestExpression::compile(expression).map_err(|error| format!("headers: {name}: {error}"))?;
        Ok(Self { name: name.to_ascii_lowercase(), expression })
    }

    /// Its value; `None` when the expression fails.
    fn evaluate(&self, host: &dyn Host) -> Option<String> {
        match self.expression.evaluate(host, &RequestView::default()).ok()? {
            Value::String(text) => Some(text),
            value @ (Value::Number(_) | Value::Bool(_)) => Some(value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}
