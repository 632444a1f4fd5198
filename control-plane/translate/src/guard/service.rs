//! Guards that ask somebody else: what they ask, and the clusters by which they do.

use std::collections::BTreeMap;

use expressions::Expression;
use filter_config::variables::{API_KEY, JWT, REQUEST, Variable};
use filter_config::{
    BedrockGuardrails, Callout, Check, HeaderMatch, ModelArmor, OpenaiModeration, ValueMatch, Webhook,
};
use resources::{
    BedrockGuardrailsGuard, ForwardHeaderMatch, GuardConnection, HeaderMatchType, ModelArmorGuard,
    OpenAiModerationGuard, WebhookGuard,
};

use super::{Entry, Reading, pattern};
use crate::destination;
use crate::expression::unknown;
use crate::names;
use crate::policy::From;
use crate::provider::{GuardService, Provider, guard_service};

/// How long a service may take to answer unless something else is set, in milliseconds: agentgateway's limit.
const TIMEOUT_MS: u32 = 10_000;

/// What the headers of a webhook can be made of.
const IN_HEADERS: [Variable; 3] = [REQUEST, JWT, API_KEY];

impl Reading<'_> {
    /// agentgateway's protocol at the root of a backend.
    pub(super) fn webhook(&mut self, entry: Entry<'_>, set: &WebhookGuard) -> Option<Check> {
        let path = format!("{}.webhook", entry.path);
        let reference = From {
            value: &set.backend_ref,
            object: entry.object.clone(),
            path: format!("{path}.backendRef"),
        };
        let mut provider = destination::fixed(self.index, &reference, self.findings)?;
        let settings = format!(
            "{:?} {:?} {:?} {:?}",
            provider.place, provider.tls, provider.http_version, provider.connect_timeout
        );
        provider.cluster = names::guard_cluster("webhook", &provider.place.host_name(), &settings);
        let forward = set.forward_header_matches.iter().flatten().enumerate();
        let forward_headers = forward
            .filter_map(|(place, one)| {
                self.forwarded(entry, &format!("{path}.forwardHeaderMatches[{place}].value"), one)
            })
            .collect();
        let mut headers = BTreeMap::new();
        for (name, expression) in set.headers.iter().flatten() {
            let fault = match Expression::compile(expression) {
                Ok(expression) => unknown(&expression, &IN_HEADERS).map(|unknown| unknown.to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(message) = fault {
                let remedy = "correct it; the webhook does not get the header until then";
                let path = format!("{path}.headers[{name:?}]");
                self.findings.error(entry.object, &path, message, remedy);
            } else {
                headers.insert(name.to_ascii_lowercase(), expression.clone());
            }
        }
        let callout = self.callout(provider);
        Some(Check::Webhook(Webhook { callout, path: String::new(), forward_headers, headers }))
    }

    fn forwarded(&mut self, entry: Entry<'_>, path: &str, one: &ForwardHeaderMatch) -> Option<HeaderMatch> {
        let value = match one.type_.unwrap_or_default() {
            HeaderMatchType::Exact => ValueMatch::Exact(one.value.clone()),
            HeaderMatchType::RegularExpression => {
                // As the filter compiles it, to match the whole of a value.
                if let Err(problem) = pattern::compile(&format!("^(?:{})$", one.value), self.window_bytes) {
                    let message = format!("{:?} {problem}", one.value);
                    let remedy = "correct it; the webhook does not get the header until then";
                    self.findings.error(entry.object, path, message, remedy);
                    return None;
                }
                ValueMatch::Regex(one.value.clone())
            }
        };
        Some(HeaderMatch { name: one.name.to_ascii_lowercase(), value: Some(value) })
    }

    /// OpenAI's moderation.
    pub(super) fn moderation(&mut self, entry: Entry<'_>, set: &OpenAiModerationGuard) -> Option<Check> {
        let path = format!("{}.openAIModeration", entry.path);
        if set.policies.as_ref().is_none_or(|policies| policies.auth.is_none()) {
            let message = "OpenAI answers nobody without a key";
            self.findings.error(entry.object, &path, message, "add policies.auth");
            return None;
        }
        let callout = self.service(entry, &path, GuardService::OpenAi, set.policies.as_ref())?;
        let model = set.model.clone().unwrap_or_else(|| OpenAiModerationGuard::MODEL.to_owned());
        Some(Check::OpenaiModeration(OpenaiModeration { callout, model }))
    }

    /// Amazon Bedrock Guardrails.
    pub(super) fn guardrails(&mut self, entry: Entry<'_>, set: &BedrockGuardrailsGuard) -> Option<Check> {
        let path = format!("{}.bedrockGuardrails", entry.path);
        let service = GuardService::Bedrock { region: &set.region };
        let callout = self.service(entry, &path, service, set.policies.as_ref())?;
        Some(Check::BedrockGuardrails(BedrockGuardrails {
            callout,
            identifier: set.identifier.clone(),
            version: set.version.clone(),
        }))
    }

    /// Google Model Armor.
    pub(super) fn model_armor(&mut self, entry: Entry<'_>, set: &ModelArmorGuard) -> Option<Check> {
        let path = format!("{}.googleModelArmor", entry.path);
        let location = set.location.as_deref().unwrap_or(ModelArmorGuard::LOCATION);
        let service = GuardService::ModelArmor { location };
        let callout = self.service(entry, &path, service, set.policies.as_ref())?;
        Some(Check::ModelArmor(ModelArmor {
            callout,
            project: set.project_id.clone(),
            location: location.to_owned(),
            template: set.template_id.clone(),
        }))
    }

    fn service(
        &mut self,
        entry: Entry<'_>,
        path: &str,
        service: GuardService<'_>,
        connection: Option<&GuardConnection>,
    ) -> Option<Callout> {
        let none = GuardConnection::default();
        let value = connection.unwrap_or(&none);
        let from = From { value, object: entry.object.clone(), path: format!("{path}.policies") };
        let provider = guard_service(self.index, service, &from, self.findings)?;
        Some(self.callout(provider))
    }

    /// How the filter reaches a service, whose cluster is to be written.
    fn callout(&mut self, provider: Provider) -> Callout {
        let timeout = provider.request_timeout.map(|timeout| timeout.as_millis());
        let callout = Callout {
            cluster: provider.cluster.clone(),
            authority: provider.place.authority(provider.tls.is_some()),
            timeout_ms: timeout.map_or(TIMEOUT_MS, |timeout| u32::try_from(timeout).unwrap_or(u32::MAX)),
        };
        self.services.push(provider);
        callout
    }
}
