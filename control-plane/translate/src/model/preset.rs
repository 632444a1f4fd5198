//! What the providers of AgentgatewayModels are: for most, a host and the formats it speaks.

use resources::{
    AgentgatewayModelSpec, Anthropic, Azure, Bedrock, Custom, CustomFormat, FormatType, Gemini, HttpUrl,
    LlmProvider, ModelProvider, OpenAi, Port, VertexAi,
};

/// The provider of a model, in the terms of a backend's.
pub(super) struct ProviderOf {
    pub(super) provider: LlmProvider,
    /// Whether its destination is spoken to over TLS unless something else is set; `None` leaves that to the kind of
    /// provider.
    pub(super) tls: Option<bool>,
    /// Its name in logs and metrics, where the kind of provider does not have one.
    pub(super) name: Option<&'static str>,
}

/// A provider that is known by its URL.
struct Preset {
    name: &'static str,
    host: &'static str,
    /// Path of the URL, which a `baseURL` replaces.
    base: &'static str,
    formats: &'static [Format],
}

/// A format of a preset.
enum Format {
    /// At its usual path below the base.
    Usual(FormatType),
    /// At this path of the host.
    At(FormatType, &'static str),
}

use Format::{At, Usual};
use FormatType::{Completions, Embeddings, Messages, Realtime, Rerank, Responses};

/// The presets of agentgateway, with the URLs their providers document.
fn preset(provider: ModelProvider) -> Option<Preset> {
    let preset = |name, host, base, formats| Some(Preset { name, host, base, formats });
    match provider {
        ModelProvider::Cohere => preset(
            "cohere",
            "api.cohere.ai",
            "",
            &[
                At(Completions, "/compatibility/v1/chat/completions"),
                At(Embeddings, "/compatibility/v1/embeddings"),
                At(Rerank, "/v2/rerank"),
            ],
        ),
        // Its URL is always given: it is nobody's but the user's own.
        ModelProvider::Ollama => {
            preset("ollama", "", "/v1", &[Usual(Completions), Usual(Responses), Usual(Embeddings)])
        }
        ModelProvider::Baseten => {
            preset("baseten", "inference.baseten.co", "/v1", &[Usual(Completions), Usual(Messages)])
        }
        ModelProvider::Cerebras => preset("cerebras", "api.cerebras.ai", "/v1", &[Usual(Completions)]),
        ModelProvider::Deepinfra => preset(
            "deepinfra",
            "api.deepinfra.com",
            "/v1/openai",
            &[Usual(Completions), At(Messages, "/anthropic/v1/messages"), Usual(Embeddings)],
        ),
        ModelProvider::Deepseek => preset(
            "deepseek",
            "api.deepseek.com",
            "/v1",
            &[Usual(Completions), At(Messages, "/anthropic/v1/messages"), Usual(Responses)],
        ),
        ModelProvider::Groq => {
            preset("groq", "api.groq.com", "/openai/v1", &[Usual(Completions), Usual(Responses)])
        }
        ModelProvider::Huggingface => {
            preset("huggingface", "router.huggingface.co", "/v1", &[Usual(Completions), Usual(Responses)])
        }
        ModelProvider::Mistral => {
            preset("mistral", "api.mistral.ai", "/v1", &[Usual(Completions), Usual(Embeddings)])
        }
        ModelProvider::Openrouter => preset(
            "openrouter",
            "openrouter.ai",
            "/api/v1",
            &[Usual(Completions), Usual(Messages), Usual(Responses), Usual(Embeddings), Usual(Rerank)],
        ),
        ModelProvider::TogetherAi => preset(
            "togetherai",
            "api.together.xyz",
            "/v1",
            &[Usual(Completions), Usual(Embeddings), Usual(Rerank)],
        ),
        ModelProvider::Xai => {
            preset("xai", "api.x.ai", "/v1", &[Usual(Completions), Usual(Responses), Usual(Realtime)])
        }
        ModelProvider::Fireworks => preset(
            "fireworks",
            "api.fireworks.ai",
            "/inference/v1",
            &[Usual(Completions), Usual(Messages), Usual(Responses), Usual(Embeddings), Usual(Rerank)],
        ),
        ModelProvider::OpenAi
        | ModelProvider::Azure
        | ModelProvider::Anthropic
        | ModelProvider::Gemini
        | ModelProvider::VertexAi
        | ModelProvider::Bedrock
        | ModelProvider::Custom => None,
    }
}

/// Where a format is below a base URL such as `https://api.example.com/v1`.
fn usual_path(format: FormatType) -> &'static str {
    match format {
        FormatType::Completions => "/chat/completions",
        FormatType::Messages => "/messages",
        FormatType::Responses => "/responses",
        FormatType::Embeddings => "/embeddings",
        FormatType::AnthropicTokenCount => "/messages/count_tokens",
        FormatType::Realtime => "/realtime",
        FormatType::Rerank => "/rerank",
    }
}

/// The provider of a model that is asked for `model`, or, without one, for what the client names. `None` for models
/// that validation refuses.
pub(super) fn provider_of(spec: &AgentgatewayModelSpec, model: Option<&str>) -> Option<ProviderOf> {
    let kind = spec.provider?;
    let model = model.map(str::to_owned);
    let url = match &spec.base_url {
        Some(text) => Some(HttpUrl::remote(text).ok()?),
        None => None,
    };
    let mut provider = LlmProvider::default();
    if let Some(url) = &url {
        provider.host = Some(url.host.clone());
        provider.port = Port::new(url.port);
        provider.path_prefix = (!url.path.is_empty()).then(|| url.path.clone());
    }
    let mut tls = url.as_ref().map(|url| url.tls);
    let mut name = None;
    match kind {
        ModelProvider::OpenAi => provider.openai = Some(OpenAi { model, ..OpenAi::default() }),
        ModelProvider::Anthropic => provider.anthropic = Some(Anthropic { model }),
        ModelProvider::Gemini => provider.gemini = Some(Gemini { model }),
        ModelProvider::Azure => {
            let azure = spec.azure.as_ref()?;
            provider.azure = Some(Azure {
                resource_name: azure.resource_name.clone(),
                resource_type: azure.resource_type,
                project_name: azure.project_name.clone(),
                api_version: azure.api_version.clone(),
                model,
            });
        }
        ModelProvider::VertexAi => {
            let vertex = spec.vertexai.as_ref()?;
            let region = vertex.region.clone().unwrap_or_else(|| "global".to_owned());
            provider.vertexai = Some(VertexAi { project_id: vertex.project_id.clone(), region, model });
        }
        ModelProvider::Bedrock => {
            let bedrock = spec.bedrock.as_ref()?;
            let region = bedrock.region.clone().unwrap_or_else(|| "us-east-1".to_owned());
            provider.bedrock = Some(Bedrock { region, guardrail: bedrock.guardrail.clone(), model });
        }
        ModelProvider::Custom => {
            let custom = spec.custom.as_ref()?;
            let base = provider.path_prefix.take();
            let formats = custom.formats.as_ref().map(|formats| {
                let below = |format: &CustomFormat| CustomFormat {
                    type_: format.type_,
                    path: format
                        .path
                        .clone()
                        .or_else(|| base.as_ref().map(|base| format!("{base}{}", usual_path(format.type_)))),
                };
                formats.iter().map(below).collect()
            });
            if formats.is_none() {
                provider.path_prefix = base;
            }
            provider.custom = Some(Custom { formats, backend_ref: custom.backend_ref.clone(), model });
        }
        _ => {
            let preset = preset(kind)?;
            // A URL without a path names the host alone.
            let base = provider.path_prefix.take().unwrap_or_else(|| preset.base.to_owned());
            let formats = preset.formats.iter().map(|format| match format {
                Usual(format) => {
                    CustomFormat { type_: *format, path: Some(format!("{base}{}", usual_path(*format))) }
                }
                At(format, path) => CustomFormat { type_: *format, path: Some((*path).to_owned()) },
            });
            provider.custom = Some(Custom { formats: Some(formats.collect()), backend_ref: None, model });
            if url.is_none() {
                provider.host = Some(preset.host.to_owned());
                provider.port = Port::new(443);
                tls = Some(true);
            }
            name = Some(preset.name);
        }
    }
    Some(ProviderOf { provider, tls, name })
}

/// Who owns a model, in lists of models: the provider's name in logs and metrics.
pub(super) fn owner(provider: ModelProvider) -> &'static str {
    match provider {
        ModelProvider::OpenAi => "openai",
        ModelProvider::Azure => "azure",
        ModelProvider::Anthropic => "anthropic",
        ModelProvider::Gemini => "gcp.gemini",
        ModelProvider::VertexAi => "gcp.vertex_ai",
        ModelProvider::Bedrock => "aws.bedrock",
        ModelProvider::Custom => "custom",
        other => preset(other).map_or("custom", |preset| preset.name),
    }
}
