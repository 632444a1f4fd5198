//! Names of Envoy resources. A name says what the resource is for and is never reused for something
//! else: where a change of meaning must not meet requests on their way, a fingerprint is part of the name.

use resources::Host;

/// Name of a listener and of its route table.
pub(crate) fn listener(namespace: &str, gateway: &str, port: u16) -> String {
    format!("{namespace}/{gateway}/{port}")
}

/// Name of the `llm` filter of a listener.
pub(crate) fn llm_filter(listener: &str) -> String {
    format!("weir/llm/{listener}")
}

/// Name of the filter that checks the tokens of clients on a listener.
pub(crate) fn jwt_filter(listener: &str) -> String {
    format!("weir/jwt/{listener}")
}

/// Name of the filter that puts the claims of a token where other filters find them.
pub(crate) const CLAIMS_FILTER: &str = "weir/jwt-claims";

/// Name of the cluster of a service that tells the keys of an issuer of tokens.
pub(crate) fn jwks_cluster(host: &str, destination: &str) -> String {
    format!("jwks/{host}~{}", fingerprint(destination))
}

/// Name of the `api-keys` filter of a listener.
pub(crate) fn api_keys_filter(listener: &str) -> String {
    format!("weir/api-keys/{listener}")
}

/// Name of the `order` filter of a listener.
pub(crate) fn order_filter(listener: &str) -> String {
    format!("weir/order/{listener}")
}

/// Name of the `limit` filter of a listener.
pub(crate) fn limit_filter(listener: &str) -> String {
    format!("weir/limit/{listener}")
}

/// Name of the filter that asks the rate limit service of a cluster, and lets requests pass (`open`) or not when it does
/// not answer.
pub(crate) fn ratelimit_filter(cluster: &str, open: bool) -> String {
    format!("weir/{cluster}/{}", if open { "open" } else { "closed" })
}

/// Name of the cluster of a rate limit service.
pub(crate) fn ratelimit_cluster(host: &str, destination: &str) -> String {
    format!("ratelimit/{host}~{}", fingerprint(destination))
}

/// Name of the `provider` filter of a cluster.
pub(crate) fn provider_filter(cluster: &str) -> String {
    format!("weir/provider/{cluster}")
}

/// Name of the `guard` filter of a cluster.
pub(crate) fn guard_filter(cluster: &str) -> String {
    format!("weir/guard/{cluster}")
}

/// Name of the cluster of a service that guards ask.
pub(crate) fn guard_cluster(kind: &str, host: &str, destination: &str) -> String {
    format!("guard/{kind}/{host}~{}", fingerprint(destination))
}

/// Name of the cluster of one provider of a backend. `destination` fingerprints where it leads and what is
/// spoken there, so that a provider switched in place is a new cluster, warmed before routes name it. `inherited`
/// names what holds for it on one way and not on another.
pub(crate) fn provider_cluster(
    namespace: &str,
    backend: &str,
    provider: &str,
    destination: &str,
    inherited: &str,
) -> String {
    format!("ai/{namespace}/{backend}/{provider}~{}{inherited}", fingerprint(destination))
}

/// Name of the cluster of a model's provider, for requests that are sent as `model`, or as what the client named.
/// `destination` is what the name of a [`provider_cluster`] ends with.
pub(crate) fn model_cluster(namespace: &str, name: &str, model: Option<&str>, destination: &str) -> String {
    let sent = model.map(|model| format!("/{model}")).unwrap_or_default();
    format!("model/{namespace}/{name}{sent}~{destination}")
}

/// Name of the cluster of a collector of logs or traces.
pub(crate) fn collector_cluster(protocol: &str, host: &str, destination: &str) -> String {
    format!("telemetry/{protocol}/{host}~{}", fingerprint(destination))
}

/// Name of the cluster of a static backend. `inherited` is as in [`provider_cluster`].
pub(crate) fn static_cluster(namespace: &str, backend: &str, destination: &str, inherited: &str) -> String {
    format!("static/{namespace}/{backend}~{}{inherited}", fingerprint(destination))
}

/// Name of the cluster of a Service port.
pub(crate) fn service_cluster(namespace: &str, service: &str, port: u16) -> String {
    format!("service/{namespace}/{service}/{port}")
}

/// Name of the secret with an entry of a Secret. Without an entry it is the default one, as a bare credential.
pub(crate) fn credential_secret(namespace: &str, secret: &str, entry: Option<&str>) -> String {
    match entry {
        Some(entry) => format!("secret/{namespace}/{secret}/{entry}"),
        None => format!("secret/{namespace}/{secret}"),
    }
}

/// Name of the secret with a credential that is written into an object, for a provider of a backend.
pub(crate) fn inline_secret(namespace: &str, backend: &str, provider: &str) -> String {
    format!("inline/{namespace}/{backend}/{provider}")
}

/// Name of the secret with a credential that is written into a policy for requests that come a certain way. No name of a
/// provider holds a capital.
pub(crate) fn policy_secret(namespace: &str, policy: &str) -> String {
    inline_secret(namespace, policy, "Policy")
}

/// Name of the secret with the certificate and key of a Secret of type `kubernetes.io/tls`.
pub(crate) fn certificate_secret(namespace: &str, secret: &str) -> String {
    format!("tls/{namespace}/{secret}")
}

/// Name of the secret with a token that is fetched, for the credential it is fetched with and what it is for.
pub(crate) fn token_secret(platform: &str, credential: &str, purpose: &str) -> String {
    format!("token/{platform}/{credential}~{}", fingerprint(purpose))
}

/// What the names of filters that sign requests for AWS begin with.
pub(crate) const SIGNING_FILTERS: &str = "weir/aws/";

/// Name of the filter that signs the requests of a cluster for AWS.
pub(crate) fn signing_filter(cluster: &str) -> String {
    format!("{SIGNING_FILTERS}{cluster}")
}

/// Name of the access key in a Secret, as an Envoy without a control plane asks for it.
pub(crate) fn aws_secret(namespace: &str, secret: &str) -> String {
    format!("aws/{namespace}/{secret}")
}

/// Name of a cluster that does not exist, for references that lead nowhere.
pub(crate) const NOWHERE: &str = "weir/unresolved-reference";

/// The environment variable a static configuration reads a secret from. Different secrets never share one: a
/// name that could be mistaken for another gets its fingerprint.
pub(crate) fn environment_variable(secret_name: &str) -> String {
    let mut variable = "WEIR_".to_owned();
    for c in secret_name.chars() {
        match c {
            '/' => variable.push_str("__"),
            c if c.is_ascii_alphanumeric() => variable.push(c.to_ascii_uppercase()),
            _ => variable.push('_'),
        }
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '/';
    if !secret_name.chars().all(plain) || secret_name.contains("--") {
        variable.push('_');
        variable.push_str(&fingerprint(secret_name).to_ascii_uppercase());
    }
    variable
}

/// Whether a text can be (part of) the value of a header for Envoy.
pub(crate) fn is_header_value(text: &str) -> bool {
    !text.contains(['\0', '\r', '\n'])
}

/// Whether a text is the name of a header (RFC 9110, 5.6.2: token).
pub(crate) fn is_header_name(text: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(token)
}

/// Whether a text is the full name of a host, neither an address nor a pattern.
pub(crate) fn is_host_name(text: &str) -> bool {
    matches!(text.parse(), Ok(Host::Name(_)))
}

/// A text as one segment of a path or one value of a query: what is not unreserved (RFC 3986, 2.3) is
/// percent-encoded.
pub(crate) fn path_segment(text: &str) -> String {
    let mut segment = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
    }
    segment
}

/// A short fingerprint (FNV-1a, 64 bits): stable over releases and machines, collisions between the few
/// generations of one provider are out of the question.
pub(crate) fn fingerprint(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{:08x}", (hash ^ (hash >> 32)) & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_stable() {
        assert_eq!(fingerprint("a"), "296230c0");
        assert_ne!(fingerprint("a"), fingerprint("b"));
    }

    #[test]
    fn secrets_do_not_share_an_environment_variable() {
        let of =
            |namespace, secret, entry| environment_variable(&credential_secret(namespace, secret, entry));
        assert_eq!(of("default", "openai-key", None), "WEIR_SECRET__DEFAULT__OPENAI_KEY");
        let all = [
            of("a", "b-c", None),
            of("a-b", "c", None),
            of("a", "b.c", None),
            of("a", "b--c", None),
            of("a", "b", Some("c")),
            of("a", "b", Some("C")),
            of("a", "b_c", None),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len(), "{all:?}");
    }
}
