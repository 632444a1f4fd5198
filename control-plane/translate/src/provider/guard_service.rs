//! Services that judge prompts and answers: where they are, how to connect and authenticate.

use resources::{BackendAuth, Bedrock, GuardConnection, OpenAi, ProviderKind};

use super::preset::{self, Ambient, Preset};
use super::{
    CONNECT_TIMEOUT, Place, Provider, Tls, connect_timeout, credentials, request_timeout, tls_settings,
};
use crate::findings::Findings;
use crate::index::Index;
use crate::names;
use crate::policy::{Effective, From};

/// A service that judges.
#[derive(Debug, Clone, Copy)]
pub(crate) enum GuardService<'a> {
    /// <https://platform.openai.com/docs/api-reference/moderations>
    OpenAi,
    /// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ApplyGuardrail.html>
    Bedrock { region: &'a str },
    /// <https://cloud.google.com/security-command-center/docs/reference/model-armor/rest>
    ModelArmor { location: &'a str },
}

impl GuardService<'_> {
    /// Its name in that of the cluster.
    fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Bedrock { .. } => "bedrock",
            Self::ModelArmor { .. } => "model-armor",
        }
    }

    /// The field that says where it is.
    fn field(self) -> &'static str {
        match self {
            Self::OpenAi => "",
            Self::Bedrock { .. } => "region",
            Self::ModelArmor { .. } => "location",
        }
    }
}

/// A service, ready to become a cluster. `connection` is its `policies`, set or not. `None` when it is unusable, which
/// has then been reported.
pub(crate) fn guard_service(
    index: &Index<'_>,
    service: GuardService<'_>,
    connection: &From<'_, GuardConnection>,
    findings: &mut Findings,
) -> Option<Provider> {
    let (settings, object) = (connection.value, &connection.object);
    let preset = match service {
        GuardService::OpenAi => {
            preset::preset(object, &connection.path, ProviderKind::OpenAi(&OpenAi::default()), findings)?
        }
        GuardService::Bedrock { region } => {
            let settings = Bedrock { region: region.to_owned(), guardrail: None, model: None };
            preset::preset(object, &connection.path, ProviderKind::Bedrock(&settings), findings)?
        }
        GuardService::ModelArmor { location } => Preset {
            host: Some(format!("modelarmor.{location}.rep.googleapis.com")),
            ambient: Ambient::Gcp,
            ..Preset::named("gcp.model_armor")
        },
    };
    let host = preset.host.as_deref()?;
    if !names::is_host_name(host) {
        let of = connection.path.strip_suffix(".policies").unwrap_or(&connection.path);
        let message = format!("{host:?} is no host name");
        findings.error(object, &format!("{of}.{}", service.field()), message, "write for example us-east-1");
        return None;
    }
    let auth = settings.auth.as_ref().map(BackendAuth::from);
    let effective = Effective {
        auth: connection.field(auth.as_ref(), "auth"),
        tls: connection.field(settings.tls.as_ref(), "tls"),
        tcp: connection.field(settings.tcp.as_ref(), "tcp"),
        http: connection.field(settings.http.as_ref(), "http"),
        ..Effective::default()
    };
    let http_version = effective.http.as_ref().and_then(|http| http.value.version);
    let tls = match &effective.tls {
        Some(tls) => tls_settings(index, tls, host, http_version, findings)?,
        None => Tls::system(host, http_version),
    };
    // No provider's name holds a capital, and a path is that of one key: the secret is nobody else's.
    let section = format!("Guard~{}", names::fingerprint(&format!("{object} {}", connection.path)));
    let credentials::Credentials { injected, signing, .. } =
        credentials::credentials(index, &effective, &preset, host, object, &section, findings)?;
    let connect_timeout = connect_timeout(&effective).min(CONNECT_TIMEOUT);
    let destination = format!("{tls:?} {injected:?} {signing:?} {http_version:?} {connect_timeout:?}");
    Some(Provider {
        cluster: names::guard_cluster(service.name(), host, &destination),
        place: Place::Host { host: host.to_owned(), port: 443 },
        tls: Some(tls),
        credentials: injected,
        signing,
        connect_timeout,
        http_version,
        request_timeout: request_timeout(&effective),
        ..crate::destination::plain_provider(String::new(), object.clone())
    })
}
