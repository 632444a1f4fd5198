//! What each kind of provider is by itself: where it is, what it speaks at which paths, and where its key goes.

use std::collections::BTreeMap;

use filter_config::{CredentialHeader, Endpoint, Upstream, Variant};
use resources::{
    Bedrock, Custom, FormatType, ObjectKey, OpenAi, OpenAiModeration, OpenAiModerationMode,
    OpenAiModerationRule, ProviderKind, VertexAi,
};
use serde_json::{Map, Value, json};

use super::azure;
use crate::findings::Findings;
use crate::names;

/// A kind of provider, before host and path are overridden.
#[derive(Debug)]
pub(super) struct Preset {
    /// Its name in logs and metrics, as OpenTelemetry's semantic conventions have it where they name it.
    pub(super) name: &'static str,
    /// Its host; none for `custom`.
    pub(super) host: Option<String>,
    /// What it speaks, in order of preference.
    pub(super) formats: Vec<Format>,
    /// What ranks documents, where that is another host.
    pub(super) rerank: Option<Elsewhere>,
    /// Where a key goes unless `location` says otherwise.
    pub(super) key_header: CredentialHeader,
    /// What it is authenticated to with when no `auth` is set.
    pub(super) ambient: Ambient,
    /// What AWS signatures are for.
    pub(super) scope: Option<SigningScope>,
    /// The scope of Entra tokens.
    pub(super) entra_scope: &'static str,
}

/// A format that is spoken at another host.
#[derive(Debug)]
pub(super) struct Elsewhere {
    pub(super) host: String,
    pub(super) format: Format,
}

/// Service and region of AWS signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SigningScope {
    pub(super) service: String,
    pub(super) region: String,
}

/// The credential of a provider without `auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ambient {
    /// The client's own.
    Client,
    /// AWS credentials of the environment.
    Aws,
    /// Google's application default credentials.
    Gcp,
    /// The platform's Entra identity.
    Azure,
}

/// One wire format: an entry of the filter's `speaks` whose paths lack `base`.
#[derive(Debug, Clone)]
pub(super) struct Format {
    /// What `pathPrefix` replaces.
    base: String,
    upstream: Upstream,
}

impl Format {
    /// A format at `path` below `base`.
    pub(super) fn new(endpoint: Endpoint, base: &str, path: impl Into<String>) -> Self {
        Self { base: base.to_owned(), upstream: Upstream::new(endpoint, path) }
    }

    /// Streamed answers have another path.
    pub(super) fn streamed(mut self, path: impl Into<String>) -> Self {
        self.upstream.stream_path = Some(path.into());
        self
    }

    /// It is for these models only.
    pub(super) fn only(mut self, models: &[&str]) -> Self {
        self.upstream.models = models.iter().map(|&model| model.to_owned()).collect();
        self
    }

    /// It is not for these models.
    pub(super) fn except(mut self, models: &[&str]) -> Self {
        self.upstream.except_models = models.iter().map(|&model| model.to_owned()).collect();
        self
    }

    fn variant(mut self, variant: Variant) -> Self {
        self.upstream.variant = Some(variant);
        self
    }

    fn in_region(mut self, region: &str) -> Self {
        self.upstream.region = Some(region.to_owned());
        self
    }

    fn overriding(mut self, overrides: &BTreeMap<String, Value>) -> Self {
        self.upstream.overrides.clone_from(overrides);
        self
    }

    /// The filter's entry. A fixed path is that of every request; a prefix stands in for the base.
    pub(super) fn resolve(self, fixed: Option<&str>, prefix: Option<&str>) -> Upstream {
        let Self { base, mut upstream } = self;
        if let Some(fixed) = fixed {
            upstream.path = Some(fixed.to_owned());
            upstream.stream_path = None;
            return upstream;
        }
        let base = prefix.map_or(base.as_str(), |prefix| prefix.trim_end_matches('/'));
        for path in [&mut upstream.path, &mut upstream.stream_path].into_iter().flatten() {
            *path = format!("{base}{path}");
        }
        upstream
    }
}

/// Models of Anthropic, by their names at Vertex AI and Azure.
pub(super) const CLAUDE: &[&str] = &["claude*"];

/// What a kind of provider is. `None` when it is unusable, which has then been reported; `path` is that of the
/// field that defines it.
pub(super) fn preset(
    key: &ObjectKey,
    path: &str,
    kind: ProviderKind<'_>,
    findings: &mut Findings,
) -> Option<Preset> {
    match kind {
        ProviderKind::OpenAi(settings) => Some(openai(settings)),
        ProviderKind::AzureOpenAi(settings) => {
            let resource = azure::Resource::from_endpoint(settings);
            azure::preset(key, &format!("{path}.azureopenai.endpoint"), &resource, findings)
        }
        ProviderKind::Azure(settings) => {
            let resource = azure::Resource::from(settings);
            if settings.api_version.is_some() && resource.project.is_some() {
                let remedy = "Foundry projects have the v1 API only";
                findings.ignored(key, &format!("{path}.azure.apiVersion"), "a version for a project", remedy);
            }
            azure::preset(key, &format!("{path}.azure.resourceName"), &resource, findings)
        }
        ProviderKind::Anthropic(_) => Some(Preset {
            host: Some("api.anthropic.com".to_owned()),
            formats: vec![
                Format::new(Endpoint::AnthropicMessages, "/v1", "/messages"),
                Format::new(Endpoint::AnthropicCountTokens, "/v1", "/messages/count_tokens"),
            ],
            key_header: CredentialHeader::XApiKey,
            ..Preset::named("anthropic")
        }),
        ProviderKind::Gemini(_) => Some(gemini()),
        ProviderKind::VertexAi(settings) => vertex(key, path, settings, findings),
        ProviderKind::Bedrock(settings) => Some(bedrock(settings)),
        ProviderKind::Custom(settings) => Some(custom(settings)),
    }
}

impl Preset {
    /// A provider that is authenticated to with a bearer token, and nothing else known.
    pub(super) fn named(name: &'static str) -> Self {
        Self {
            name,
            host: None,
            formats: Vec::new(),
            rerank: None,
            key_header: CredentialHeader::Bearer,
            ambient: Ambient::Client,
            scope: None,
            entra_scope: azure::COGNITIVE_SERVICES,
        }
    }
}

/// OpenAI: <https://platform.openai.com/docs/api-reference>.
fn openai(settings: &OpenAi) -> Preset {
    let mut moderated = BTreeMap::new();
    if let Some(moderation) = &settings.moderation {
        moderated.insert("moderation".to_owned(), moderation_object(moderation));
    }
    let format = |endpoint, path: &str| Format::new(endpoint, "/v1", path);
    Preset {
        host: Some("api.openai.com".to_owned()),
        formats: vec![
            format(Endpoint::OpenaiChat, "/chat/completions").overriding(&moderated),
            format(Endpoint::OpenaiResponses, "/responses").overriding(&moderated),
            format(Endpoint::OpenaiEmbeddings, "/embeddings"),
            format(Endpoint::OpenaiCompletions, "/completions"),
            format(Endpoint::OpenaiImages, "/images/{operation}"),
            format(Endpoint::OpenaiAudio, "/audio/{operation}"),
            format(Endpoint::OpenaiModels, "/models"),
            format(Endpoint::OpenaiRealtime, "/realtime"),
            format(Endpoint::CohereRerank, "/rerank"),
        ],
        ..Preset::named("openai")
    }
}

/// What asks OpenAI to moderate a request and its answer.
fn moderation_object(moderation: &OpenAiModeration) -> Value {
    let mode = |rule: &OpenAiModerationRule| {
        json!({ "mode": match rule.mode {
            OpenAiModerationMode::Score => "score",
            OpenAiModerationMode::Block => "block",
        } })
    };
    let mut object = Map::new();
    let model = moderation.model.as_deref().unwrap_or(OpenAiModeration::MODEL);
    object.insert("model".to_owned(), model.into());
    if let Some(policy) = &moderation.policy {
        let mut directions = Map::new();
        for (direction, rule) in [("input", &policy.input), ("output", &policy.output)] {
            if let Some(rule) = rule {
                directions.insert(direction.to_owned(), mode(rule));
            }
        }
        object.insert("policy".to_owned(), directions.into());
    }
    object.into()
}

/// Gemini with an API key: <https://ai.google.dev/api>, and its OpenAI compatible paths:
/// <https://ai.google.dev/gemini-api/docs/openai>.
fn gemini() -> Preset {
    let native =
        |endpoint, method: &str| Format::new(endpoint, "/v1beta", format!("/models/{{model}}:{method}"));
    Preset {
        host: Some("generativelanguage.googleapis.com".to_owned()),
        formats: vec![
            native(Endpoint::GeminiGenerateContent, "generateContent")
                .streamed("/models/{model}:streamGenerateContent?alt=sse"),
            Format::new(Endpoint::OpenaiChat, "/v1beta", "/openai/chat/completions"),
            native(Endpoint::GeminiEmbedContent, "embedContent"),
            native(Endpoint::GeminiBatchEmbedContents, "batchEmbedContents"),
            Format::new(Endpoint::OpenaiEmbeddings, "/v1beta", "/openai/embeddings"),
            native(Endpoint::GeminiCountTokens, "countTokens"),
            Format::new(Endpoint::OpenaiModels, "/v1beta", "/openai/models"),
        ],
        key_header: CredentialHeader::XGoogApiKey,
        ..Preset::named("gcp.gemini")
    }
}

/// Vertex AI: models by publisher. <https://cloud.google.com/vertex-ai/docs/reference/rest>
fn vertex(key: &ObjectKey, path: &str, settings: &VertexAi, findings: &mut Findings) -> Option<Preset> {
    let region = settings.region.as_str();
    let host = match region {
        "global" => "aiplatform.googleapis.com".to_owned(),
        // Regions of several countries have hosts of another form.
        "us" | "eu" => format!("aiplatform.{region}.rep.googleapis.com"),
        _ => format!("{region}-aiplatform.googleapis.com"),
    };
    if !names::is_host_name(&host) {
        let message = format!("{region:?} is no region");
        findings.error(
            key,
            &format!("{path}.vertexai.region"),
            message,
            "write for example us-east5 or global",
        );
        return None;
    }
    let project = names::path_segment(&settings.project_id);
    let location = format!("/projects/{project}/locations/{region}");
    let of = |endpoint, publisher: &str, method: &str| {
        Format::new(endpoint, "/v1", format!("{location}/publishers/{publisher}/models/{method}"))
    };
    let gemini = &["gemini*"];
    Some(Preset {
        host: Some(host),
        formats: vec![
            of(Endpoint::AnthropicMessages, "anthropic", "{model}:rawPredict")
                .streamed(format!("{location}/publishers/anthropic/models/{{model}}:streamRawPredict"))
                .only(CLAUDE)
                .variant(Variant::VertexAnthropic),
            of(Endpoint::GeminiGenerateContent, "google", "{model}:generateContent")
                .streamed(format!(
                    "{location}/publishers/google/models/{{model}}:streamGenerateContent?alt=sse"
                ))
                .only(gemini),
            Format::new(
                Endpoint::OpenaiChat,
                "/v1",
                format!("{location}/endpoints/openapi/chat/completions"),
            )
            .except(&["claude*", "gemini*"]),
            of(Endpoint::VertexEmbeddings, "google", "{model}:predict"),
            of(Endpoint::AnthropicCountTokens, "anthropic", "count-tokens:rawPredict").only(CLAUDE),
            of(Endpoint::GeminiCountTokens, "google", "{model}:countTokens").only(gemini),
        ],
        rerank: Some(Elsewhere {
            host: "discoveryengine.googleapis.com".to_owned(),
            format: Format::new(Endpoint::VertexRank, "/v1", ranking(&project)),
        }),
        ambient: Ambient::Gcp,
        ..Preset::named("gcp.vertex_ai")
    })
}

/// Path of the ranking API, whose only location is `global`:
/// <https://cloud.google.com/generative-ai-app-builder/docs/reference/rest/v1/projects.locations.rankingConfigs/rank>.
fn ranking(project: &str) -> String {
    format!("/projects/{project}/locations/global/rankingConfigs/default_ranking_config:rank")
}

/// Amazon Bedrock: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html>.
fn bedrock(settings: &Bedrock) -> Preset {
    let region = settings.region.as_str();
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let mut guarded = BTreeMap::new();
    if let Some(guardrail) = &settings.guardrail {
        let config = json!({
            "guardrailIdentifier": guardrail.identifier,
            "guardrailVersion": guardrail.version,
            "trace": "enabled",
        });
        guarded.insert("guardrailConfig".to_owned(), config);
    }
    Preset {
        host: Some(format!("bedrock-runtime.{region}.{domain}")),
        formats: vec![
            Format::new(Endpoint::BedrockConverse, "", "/model/{model}/converse")
                .streamed("/model/{model}/converse-stream")
                .overriding(&guarded),
            Format::new(Endpoint::BedrockEmbeddings, "", "/model/{model}/invoke"),
            Format::new(Endpoint::BedrockCountTokens, "", "/model/{model}/count-tokens"),
        ],
        // <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html>; requests are signed
        // for the same service.
        rerank: Some(Elsewhere {
            host: format!("bedrock-agent-runtime.{region}.{domain}"),
            format: Format::new(Endpoint::BedrockRerank, "", "/rerank").in_region(region),
        }),
        ambient: Ambient::Aws,
        scope: Some(SigningScope { service: "bedrock".to_owned(), region: region.to_owned() }),
        ..Preset::named("aws.bedrock")
    }
}

/// Any other service: the formats it declares, or chat completions alone.
fn custom(settings: &Custom) -> Preset {
    let usual = |format: FormatType| match format {
        FormatType::Completions => (Endpoint::OpenaiChat, "/chat/completions"),
        FormatType::Messages => (Endpoint::AnthropicMessages, "/messages"),
        FormatType::Responses => (Endpoint::OpenaiResponses, "/responses"),
        FormatType::Embeddings => (Endpoint::OpenaiEmbeddings, "/embeddings"),
        FormatType::AnthropicTokenCount => (Endpoint::AnthropicCountTokens, "/messages/count_tokens"),
        FormatType::Realtime => (Endpoint::OpenaiRealtime, "/realtime"),
        FormatType::Rerank => (Endpoint::CohereRerank, "/rerank"),
    };
    let declared = settings.formats.iter().flatten().map(|format| {
        let (endpoint, path) = usual(format.type_);
        match &format.path {
            Some(path) => Format::new(endpoint, "", path),
            None => Format::new(endpoint, "/v1", path),
        }
    });
    let mut formats: Vec<_> = declared.collect();
    if formats.is_empty() {
        let (endpoint, path) = usual(FormatType::Completions);
        formats.push(Format::new(endpoint, "/v1", path));
    }
    Preset { formats, ..Preset::named("custom") }
}
