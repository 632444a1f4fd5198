//! Azure OpenAI and Azure AI Foundry: hosts and paths.
//! <https://learn.microsoft.com/azure/ai-foundry/openai/latest>

use filter_config::{CredentialHeader, Endpoint};
use resources::{Azure, AzureOpenAi, AzureResourceType, ObjectKey};

use super::preset::{Ambient, CLAUDE, Format, Preset};
use crate::findings::Findings;
use crate::names;

/// Scope of Entra tokens for Azure OpenAI.
pub(super) const COGNITIVE_SERVICES: &str = "https://cognitiveservices.azure.com/.default";

/// Scope of Entra tokens for Foundry.
const FOUNDRY: &str = "https://ai.azure.com/.default";

/// Domain of Azure OpenAI resources.
const OPENAI_DOMAIN: &str = "openai.azure.com";

/// Domain of Foundry resources.
const FOUNDRY_DOMAIN: &str = "services.ai.azure.com";

/// An Azure resource that serves models.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resource<'a> {
    /// The first label of its host.
    name: &'a str,
    /// The project, for Foundry resources.
    pub(super) project: Option<&'a str>,
    /// The version of the API, for Azure OpenAI resources.
    version: Version<'a>,
}

/// Versions of the API of Azure OpenAI.
#[derive(Debug, PartialEq, Eq)]
enum Version<'a> {
    /// The API without versions.
    V1,
    /// The same with what is in preview.
    Preview,
    /// One that is named after a day, and has the deployment in its paths.
    Dated(&'a str),
}

impl<'a> Version<'a> {
    fn new(text: Option<&'a str>) -> Self {
        match text {
            None | Some("v1") => Self::V1,
            Some("preview") => Self::Preview,
            Some(dated) => Self::Dated(dated),
        }
    }
}

impl<'a> From<&'a Azure> for Resource<'a> {
    fn from(settings: &'a Azure) -> Self {
        Self {
            name: &settings.resource_name,
            project: match settings.resource_type {
                AzureResourceType::OpenAi => None,
                AzureResourceType::Foundry => {
                    settings.project_name.as_deref().or(Some(&settings.resource_name))
                }
            },
            version: Version::new(settings.api_version.as_deref()),
        }
    }
}

impl<'a> Resource<'a> {
    /// The resource behind an endpoint: a host of either domain, a URL of it, or the name of an Azure OpenAI resource.
    pub(super) fn from_endpoint(settings: &'a AzureOpenAi) -> Self {
        let endpoint = settings.endpoint.trim_start_matches("https://").trim_end_matches('/');
        let labels = |domain| endpoint.strip_suffix(domain)?.strip_suffix('.');
        let version = Version::new(settings.api_version.as_deref());
        match labels(FOUNDRY_DOMAIN) {
            Some(name) => Self { name, project: Some(name), version },
            None => Self { name: labels(OPENAI_DOMAIN).unwrap_or(endpoint), project: None, version },
        }
    }

    /// The formats of OpenAI at the resource.
    fn formats(&self) -> Vec<Format> {
        let project =
            self.project.map(|project| format!("/api/projects/{}/openai/v1", names::path_segment(project)));
        let base = project.as_deref().unwrap_or("/openai/v1");
        let plain = [
            (Endpoint::OpenaiChat, "/chat/completions"),
            (Endpoint::OpenaiResponses, "/responses"),
            (Endpoint::OpenaiEmbeddings, "/embeddings"),
            (Endpoint::OpenaiCompletions, "/completions"),
            (Endpoint::OpenaiImages, "/images/{operation}"),
            (Endpoint::OpenaiAudio, "/audio/{operation}"),
            (Endpoint::OpenaiModels, "/models"),
            (Endpoint::OpenaiRealtime, "/realtime"),
        ];
        let query = match self.version {
            _ if project.is_some() => String::new(),
            Version::V1 => String::new(),
            Version::Preview => "?api-version=preview".to_owned(),
            Version::Dated(version) => format!("?api-version={}", names::path_segment(version)),
        };
        let dated = project.is_none() && matches!(self.version, Version::Dated(_));
        let path = |endpoint: Endpoint, path: &str| match endpoint {
            _ if !dated => Format::new(endpoint, base, format!("{path}{query}")),
            // These take the deployment from the body or the query.
            Endpoint::OpenaiResponses | Endpoint::OpenaiModels | Endpoint::OpenaiRealtime => {
                Format::new(endpoint, "/openai", format!("{path}{query}"))
            }
            _ => Format::new(endpoint, "/openai", format!("/deployments/{{model}}{path}{query}")),
        };
        plain
            .into_iter()
            .map(|(endpoint, suffix)| match endpoint {
                // Claude speaks Anthropic's API alone there.
                Endpoint::OpenaiChat | Endpoint::OpenaiResponses if project.is_some() => {
                    path(endpoint, suffix).except(CLAUDE)
                }
                _ => path(endpoint, suffix),
            })
            .collect()
    }
}

/// What an Azure resource is. `None` when its name cannot be part of a host; `path` is that of the field with it.
pub(super) fn preset(
    key: &ObjectKey,
    path: &str,
    resource: &Resource<'_>,
    findings: &mut Findings,
) -> Option<Preset> {
    let foundry = resource.project.is_some();
    let domain = if foundry { FOUNDRY_DOMAIN } else { OPENAI_DOMAIN };
    let host = format!("{}.{domain}", resource.name);
    if !names::is_host_name(&host) {
        let message = format!("{:?} is no name of an Azure resource", resource.name);
        findings.error(key, path, message, "write the first part of its host name alone");
        return None;
    }
    let mut formats = resource.formats();
    if foundry {
        let claude = |endpoint, path| Format::new(endpoint, "/anthropic/v1", path).only(CLAUDE);
        formats.insert(0, claude(Endpoint::AnthropicMessages, "/messages"));
        formats.push(claude(Endpoint::AnthropicCountTokens, "/messages/count_tokens"));
    }
    Some(Preset {
        host: Some(host),
        formats,
        key_header: CredentialHeader::ApiKey,
        ambient: Ambient::Azure,
        entra_scope: if foundry { FOUNDRY } else { COGNITIVE_SERVICES },
        ..Preset::named("azure")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_name_a_resource_in_many_forms() {
        for (endpoint, name, project) in [
            ("acme.openai.azure.com", "acme", None),
            ("https://acme.openai.azure.com/", "acme", None),
            ("acme.services.ai.azure.com", "acme", Some("acme")),
            ("acme", "acme", None),
        ] {
            let settings =
                AzureOpenAi { endpoint: endpoint.to_owned(), deployment_name: None, api_version: None };
            let resource = Resource::from_endpoint(&settings);
            assert_eq!((resource.name, resource.project), (name, project), "{endpoint}");
        }
    }
}
