//! Typed Kubernetes, Gateway API and agentgateway objects: their types, strict decoding from YAML with
//! file, line and field of every problem, validation, and the definitions (CRDs) published to a cluster.
//!
//! Data only: nothing here talks to a cluster, reads a file or a clock.

#![forbid(unsafe_code)]

mod agentgateway_checks;
mod ai_policy;
mod authentication;
mod backend;
mod backend_auth;
mod backend_policy;
mod cloud_auth;
mod crds;
mod decode;
mod definitions;
mod duration;
mod error;
mod finding;
mod frontend;
mod frontend_telemetry;
mod gateway_checks;
mod guard;
mod guard_checks;
mod guard_service;
mod guard_text;
mod health;
mod http_url;
mod model;
mod model_checks;
mod model_policies;
mod names;
mod object;
mod policy;
mod policy_targets;
mod port;
mod provider;
mod quantity;
mod rate_limit;
mod references;
mod rules;
mod schema;
mod secret;
mod traffic;
mod unserved;
mod validate;
mod yaml;

pub use ai_policy::{
    AiPolicy, FieldExpression, FieldValue, PromptCaching, PromptEnrichment, PromptMessage, RouteType,
};
pub use authentication::{
    ApiKeyAuthentication, AuthenticationMode, ExtractLocation, JwtAuthentication, JwtKeys, JwtProvider,
    LabelSelector, RemoteJwtKeys,
};
pub use backend::{
    AgentgatewayBackend, AgentgatewayBackendSpec, AgentgatewayBackendStatus, AiBackend, ProviderGroup,
    StaticBackend,
};
pub use backend_auth::{
    AdditionalCredential, BackendAuth, CredentialLocation, HeaderLocation, InlineKey, NamedLocation,
    Passthrough,
};
pub use backend_policy::{BackendHttp, BackendPolicy, BackendTcp, BackendTls, HttpVersion, SkipVerify};
pub use cloud_auth::{
    AwsAssumeRole, AwsAuth, AzureAuth, AzureManagedIdentity, AzureWorkloadIdentity, GcpAuth, GcpTokenType,
};
pub use crds::{crd_yaml, crds, crds_yaml};
pub use decode::{Decoded, decode_documents};
pub use duration::Duration;
pub use error::Error;
pub use finding::{Finding, FindingKind, Locations, Origin, Severity, Subject};
pub use frontend::{FrontendHttp, FrontendPolicy};
pub use frontend_telemetry::{
    FrontendAccessLog, FrontendTracing, OtlpLog, OtlpProtocol, ResourceAttribute, TelemetryAttribute,
    TelemetryAttributes,
};
pub use guard::{
    GuardFailureMode, GuardHeader, GuardRejection, GuardScope, GuardStreaming, PromptGuard, PromptGuardEntry,
};
pub use guard_service::{
    BedrockGuardrailsGuard, ForwardHeaderMatch, GuardAuth, GuardConnection, HeaderMatchType, ModelArmorGuard,
    OpenAiModerationGuard, WebhookGuard,
};
pub use guard_text::{
    ConfigMapKeyRef, GuardAction, GuardBuiltin, JsonSchemaGuard, KeywordsGuard, LengthBounds, LengthGuard,
    RegexGuard,
};
pub use health::{BackendHealth, Eviction};
pub use http_url::HttpUrl;
pub use model::{
    AgentgatewayModel, AgentgatewayModelSpec, AgentgatewayModelStatus, ConditionalModel, ConditionalModels,
    FailoverModel, FailoverModels, ModelAzure, ModelBedrock, ModelCustom, ModelMatch, ModelParentStatus,
    ModelProvider, ModelRef, ModelVertexAi, ModelVisibility, VirtualModel, WeightedModel, WeightedModels,
};
pub use model_policies::{HeaderChanges, HeaderField, ModelHeaders, ModelPolicies};
pub use names::Host;
pub use object::{Kind, Object, ObjectKey};
pub use policy::{
    AgentgatewayPolicy, AgentgatewayPolicySpec, AgentgatewayPolicyStatus, Inheritance, PolicyAncestorRef,
    PolicyAncestorStatus, PolicyStrategy, PolicyTargetRef, PolicyTargetSelector,
};
pub use port::Port;
pub use provider::{
    Anthropic, Azure, AzureOpenAi, AzureResourceType, Bedrock, BedrockGuardrail, Custom, CustomFormat,
    FormatType, Gemini, LlmProvider, NamedProvider, OpenAi, OpenAiModeration, OpenAiModerationMode,
    OpenAiModerationPolicy, OpenAiModerationRule, ProviderKind, VertexAi,
};
pub use quantity::Quantity;
pub use rate_limit::{
    ConditionalRateLimit, GlobalRateLimit, LocalRateLimit, RateLimit, RateLimitDescriptor, RateLimitEntry,
    RateLimitFailureMode, RateLimitReserve, RateLimitTime, RateLimitUnit, RateLimits, UnknownUsage,
};
pub use references::{
    CaCertificateKind, CaCertificateRef, LocalBackendRef, PolicyBackendRef, SecretKeyRef, SecretRef,
};
pub use secret::{Secret, SecretValue};
pub use traffic::{TrafficPhase, TrafficPolicy, TrafficRetry, TrafficTimeouts};
pub use unserved::{Ignored, Refused};
pub use validate::validate;

/// Gateway API types (v1.5), the experimental channel where it adds fields such as `retry`.
pub mod gateway_api {
    pub use ::gateway_api::apis::experimental::{gateways, httproutes};
    pub use ::gateway_api::apis::standard::{gatewayclasses, referencegrants};
}

pub use k8s_openapi;
pub use kube::core::ObjectMeta;

/// Namespace of namespaced objects that name none.
pub const DEFAULT_NAMESPACE: &str = "default";
