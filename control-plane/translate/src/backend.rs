//! An `AgentgatewayBackend`, resolved.

use std::collections::{BTreeMap, BTreeSet};

use filter_config::Endpoint;
use resources::{AgentgatewayBackend, AiBackend, BackendPolicy, LlmProvider, ObjectKey, RouteType};

use crate::findings::Findings;
use crate::guard::{self, Guarded};
use crate::index::Index;
use crate::names;
use crate::policy::{self, Inherited};
use crate::provider::{self, Place, Provider};

/// A backend: groups of providers in order of preference; never empty, no group is empty.
#[derive(Debug, Clone, Default)]
pub(crate) struct Backend {
    pub(crate) groups: Vec<Vec<Provider>>,
    /// `ai.routes` of its policies: path suffix (or `*`) → what is spoken there. Empty: nothing is said.
    pub(crate) routes: BTreeMap<String, Endpoint>,
}

/// Resolves a backend where this is `inherited`. A provider that is unusable is left out; `None` when none is left.
pub(crate) fn resolve(
    index: &Index<'_>,
    key: &ObjectKey,
    backend: &AgentgatewayBackend,
    inherited: &Inherited<'_>,
    findings: &mut Findings,
) -> Option<Backend> {
    if index.closed.whole(key) {
        // The policy that closes it says so.
        return None;
    }
    let spec = &backend.spec;
    let groups: Vec<Vec<Provider>> = if let Some(ai) = &spec.ai {
        ai_groups(index, key, backend, ai, inherited, findings)
    } else if let Some(fixed) = &spec.static_ {
        let place = match (&fixed.unix_path, &fixed.host, fixed.port) {
            (Some(path), _, _) => Place::Socket(path.clone()),
            (None, Some(host), Some(port)) => Place::host(host, port.number()),
            _ => return None,
        };
        vec![static_provider(index, key, backend, place, inherited, findings).into_iter().collect()]
    } else {
        // Validation has reported the kinds that are not served.
        return None;
    };
    let groups: Vec<_> = groups.into_iter().filter(|group| !group.is_empty()).collect();
    let guards: Vec<&Guarded> =
        groups.iter().flatten().filter_map(|provider| provider.guard.as_deref()).collect();
    let routes = match spec.ai {
        Some(_) => routes(index, key, backend, inherited, &guards, findings),
        None => BTreeMap::new(),
    };
    (!groups.is_empty()).then_some(Backend { groups, routes })
}

/// What is spoken at which paths. It is decided before a provider is chosen, so policies of single members of groups
/// have no say in it.
fn routes(
    index: &Index<'_>,
    key: &ObjectKey,
    backend: &AgentgatewayBackend,
    inherited: &Inherited<'_>,
    guards: &[&Guarded],
    findings: &mut Findings,
) -> BTreeMap<String, Endpoint> {
    let single = backend.spec.ai.as_ref().is_some_and(|ai| ai.provider.is_some());
    let section = single.then_some(AiBackend::SINGLE_PROVIDER);
    let effective = policy::effective(index, key, backend, section, None, inherited);
    let Some(set) = effective.ai.routes else { return BTreeMap::new() };
    guard::report_unreadable(guards, &set, findings);
    set.value.iter().map(|(suffix, spoken)| (suffix.clone(), endpoint(*spoken, suffix))).collect()
}

fn endpoint(spoken: RouteType, suffix: &str) -> Endpoint {
    match spoken {
        RouteType::Completions => Endpoint::OpenaiChat,
        RouteType::Messages => Endpoint::AnthropicMessages,
        RouteType::Models => Endpoint::OpenaiModels,
        RouteType::Passthrough => Endpoint::Passthrough,
        RouteType::Detect => Endpoint::Detect,
        RouteType::Responses => Endpoint::OpenaiResponses,
        RouteType::AnthropicTokenCount => Endpoint::AnthropicCountTokens,
        RouteType::Embeddings => Endpoint::OpenaiEmbeddings,
        RouteType::Realtime => Endpoint::OpenaiRealtime,
        RouteType::Rerank => Endpoint::CohereRerank,
        // The path says whether the answer is streamed.
        RouteType::GenerateContent if suffix.ends_with("streamGenerateContent") => {
            Endpoint::GeminiStreamGenerateContent
        }
        RouteType::GenerateContent => Endpoint::GeminiGenerateContent,
        RouteType::GeminiCountTokens => Endpoint::GeminiCountTokens,
    }
}

/// Reports members of a group that get the client's own key without having been told to, which cannot be meant for
/// several providers.
fn warn_of_shared_keys<'a>(
    key: &ObjectKey,
    members: impl Iterator<Item = (&'a Member, &'a Provider)> + Clone,
    findings: &mut Findings,
) {
    let places: BTreeSet<_> = members.clone().map(|(_, provider)| format!("{:?}", provider.place)).collect();
    if places.len() < 2 {
        return;
    }
    for (Member { path, .. }, provider) in members.filter(|(member, _)| !member.has_auth) {
        if provider.filter.as_ref().is_some_and(|filter| filter.credential.is_clients()) {
            let message =
                "no `auth` is set, so the key a client sends is passed on to this provider and to others";
            findings.warning(key, path, message, "set policies.auth for every provider of the groups");
        }
    }
}

/// A usable member of a group.
struct Member {
    /// Path of the field that defines it.
    path: String,
    /// Some `auth` is set for it.
    has_auth: bool,
}

fn ai_groups(
    index: &Index<'_>,
    key: &ObjectKey,
    backend: &AgentgatewayBackend,
    ai: &AiBackend,
    inherited: &Inherited<'_>,
    findings: &mut Findings,
) -> Vec<Vec<Provider>> {
    // Names of providers are unique within a group only, those of clusters must be everywhere.
    let mut names = BTreeSet::new();
    let mut resolve =
        |section: &str, provider: &LlmProvider, own: Option<(&BackendPolicy, String)>, path: &str| {
            let repeated = (!names.insert(section.to_owned())).then_some(path);
            if index.closed.section(key, section) {
                return None;
            }
            let effective = policy::effective(index, key, backend, Some(section), own, inherited);
            let section = provider::Section { name: section, path, repeated };
            let provider = provider::resolve(index, key, section, provider, &effective, findings)?;
            Some((provider, Member { path: path.to_owned(), has_auth: effective.auth.is_some() }))
        };
    if let Some(provider) = &ai.provider {
        let only = resolve(AiBackend::SINGLE_PROVIDER, provider, None, "spec.ai.provider");
        return vec![only.into_iter().map(|(provider, _)| provider).collect()];
    }
    let mut groups = Vec::new();
    let mut all = Vec::new();
    for (g, group) in ai.groups.iter().flatten().enumerate() {
        let mut members = Vec::new();
        for (p, named) in group.providers.iter().enumerate() {
            let path = format!("spec.ai.groups[{g}].providers[{p}]");
            let own = named.policies.as_ref().map(|policies| (policies, format!("{path}.policies")));
            if let Some((provider, member)) = resolve(&named.name, &named.provider, own, &path) {
                members.push(provider);
                all.push(member);
            }
        }
        groups.push(members);
    }
    warn_of_shared_keys(key, all.iter().zip(groups.iter().flatten()), findings);
    groups
}

/// A static backend as a destination without any dialect.
fn static_provider(
    index: &Index<'_>,
    key: &ObjectKey,
    backend: &AgentgatewayBackend,
    place: Place,
    inherited: &Inherited<'_>,
    findings: &mut Findings,
) -> Option<Provider> {
    let effective = policy::effective(index, key, backend, None, None, inherited);
    // A policy on the way does not say which backend it cannot be put on.
    let what = |setting: &str, object: &ObjectKey| match inherited.is_from(object) {
        true => format!("{setting} for the static {key}"),
        false => format!("{setting} for a static backend"),
    };
    if let Some(auth) = &effective.auth {
        let remedy = "use ai.provider.custom for an LLM";
        findings.not_served(&auth.object, &auth.path, &what("auth", &auth.object), remedy);
        return None;
    }
    if let Some(guard) = &effective.ai.prompt_guard {
        let remedy = "use ai.provider.custom for an LLM; until then requests are answered with 500";
        findings.not_served(&guard.object, &guard.path, &what("a prompt guard", &guard.object), remedy);
        return None;
    }
    let version = effective.http.as_ref().and_then(|http| http.value.version);
    let tls = match &effective.tls {
        Some(tls) => Some(provider::tls_settings(index, tls, &place.host_name(), version, findings)?),
        None => None,
    };
    Some(Provider {
        cluster: names::static_cluster(
            &key.namespace,
            &key.name,
            &format!("{place:?} {tls:?}"),
            inherited.for_connections().name(),
        ),
        place,
        tls,
        credentials: Vec::new(),
        signing: None,
        filter: None,
        guard: None,
        connect_timeout: provider::connect_timeout(&effective),
        http_version: version,
        request_timeout: provider::request_timeout(&effective),
        source: key.clone(),
        rerank: None,
    })
}
