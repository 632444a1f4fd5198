"""Kubernetes objects as YAML, the way one would `kubectl apply` them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

AGENTGATEWAY = "agentgateway.dev/v1alpha1"
GATEWAY_API = "gateway.networking.k8s.io/v1"


def dump(*objects: dict[str, Any]) -> str:
    return yaml.safe_dump_all(objects, sort_keys=False)


def gateway_class() -> dict[str, Any]:
    return {
        "apiVersion": GATEWAY_API,
        "kind": "GatewayClass",
        "metadata": {"name": "agentgateway"},
        "spec": {"controllerName": "agentgateway.dev/agentgateway"},
    }


def gateway(port: int, name: str = "ai") -> dict[str, Any]:
    return {
        "apiVersion": GATEWAY_API,
        "kind": "Gateway",
        "metadata": {"name": name},
        "spec": {
            "gatewayClassName": "agentgateway",
            "listeners": [{"name": "http", "protocol": "HTTP", "port": port}],
        },
    }


def secret(name: str, value: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "Opaque",
        "stringData": {"Authorization": value},
    }


def provider(kind: str, port: int, model: str | None = None, prefix: str | None = None) -> dict[str, Any]:
    """A provider at a port of this machine."""
    entry: dict[str, Any] = {kind: {"model": model} if model else {}, "host": "127.0.0.1", "port": port}
    if prefix:
        entry["pathPrefix"] = prefix
    return entry


def elsewhere(port: int, model: str | None = None, **settings: Any) -> dict[str, Any]:
    """A provider of any kind (`bedrock={…}`) at a port of this machine."""
    [(kind, fields)] = settings.items()
    if model:
        fields = fields | {"model": model}
    return {kind: fields, "host": "127.0.0.1", "port": port}


def speaking(port: int, *formats: str) -> dict[str, Any]:
    """A provider of one's own at a port of this machine (Completions, Responses, Messages, …)."""
    return elsewhere(port, custom={"formats": [{"type": format} for format in formats]})


def aws_secret(name: str, access_key: str, secret_key: str, token: str | None = None) -> dict[str, Any]:
    entries = {"accessKey": access_key, "secretKey": secret_key}
    if token:
        entries["sessionToken"] = token
    return secret(name, "") | {"stringData": entries}


def with_key(entry: dict[str, Any], key: str) -> dict[str, Any]:
    """A provider of a group, with a key of its own."""
    return entry | {"policies": {"auth": auth(entry, key)}}


def auth(entry: dict[str, Any], key: str) -> dict[str, Any]:
    """How a key of a Secret is used for a provider: Bedrock's signs requests."""
    reference = {"secretRef": {"name": key}}
    return {"aws": reference} if "bedrock" in entry else reference


def backend(
    name: str,
    entry: dict[str, Any],
    key: str | None = None,
    aliases: dict[str, str] | None = None,
    **policies: Any,
) -> dict[str, Any]:
    """A backend of one provider."""
    if key:
        policies["auth"] = auth(entry, key)
    if aliases:
        policies["ai"] = policies.get("ai", {}) | {"modelAliases": aliases}
    spec: dict[str, Any] = {"ai": {"provider": entry}}
    if policies:
        spec["policies"] = policies
    return {
        "apiVersion": AGENTGATEWAY,
        "kind": "AgentgatewayBackend",
        "metadata": {"name": name},
        "spec": spec,
    }


def groups(name: str, *groups: list[dict[str, Any]]) -> dict[str, Any]:
    """A backend of priority groups; providers without a name get one."""
    numbered = [
        {"providers": [{"name": f"p{group}-{place}"} | entry for place, entry in enumerate(entries)]}
        for group, entries in enumerate(groups)
    ]
    return {
        "apiVersion": AGENTGATEWAY,
        "kind": "AgentgatewayBackend",
        "metadata": {"name": name},
        "spec": {"ai": {"groups": numbered}},
    }


def custom(name: str, service: str, port: int, *formats: str) -> dict[str, Any]:
    """A backend of one's own, behind a Service, that speaks `formats` (Completions, Messages)."""
    entry = {
        "custom": {
            "formats": [{"type": format} for format in formats],
            "backendRef": {"name": service, "port": port},
        }
    }
    return backend(name, entry)


def service(name: str, port: int, *targets: int) -> list[dict[str, Any]]:
    """A Service, and the ports of this machine it leads to, each in an EndpointSlice of its own."""
    slices = [
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": f"{name}-{place}", "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
            "ports": [{"name": "http", "port": target, "protocol": "TCP"}],
        }
        for place, target in enumerate(targets)
    ]
    spec = {"ports": [{"name": "http", "port": port, "targetPort": "http"}]}
    return [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}, *slices]


def reference(backend: str) -> dict[str, Any]:
    return {"group": "agentgateway.dev", "kind": "AgentgatewayBackend", "name": backend}


def static(name: str, port: int) -> dict[str, Any]:
    """A backend that is just a port of this machine."""
    return {
        "apiVersion": AGENTGATEWAY,
        "kind": "AgentgatewayBackend",
        "metadata": {"name": name},
        "spec": {"static": {"host": "127.0.0.1", "port": port}},
    }


def rule(backend: str, path: str | None = None, **headers: str) -> dict[str, Any]:
    """A rule for a path prefix and exact headers (`_` stands for `-`)."""
    match: dict[str, Any] = {}
    if path:
        match["path"] = {"type": "PathPrefix", "value": path}
    if headers:
        match["headers"] = [
            {"name": name.replace("_", "-"), "value": value} for name, value in headers.items()
        ]
    return (
        {"matches": [match], "backendRefs": [reference(backend)]}
        if match
        else {"backendRefs": [reference(backend)]}
    )


def route(
    name: str, *rules: dict[str, Any], hostname: str | None = None, gateway: str = "ai"
) -> dict[str, Any]:
    spec: dict[str, Any] = {"parentRefs": [{"name": gateway}], "rules": list(rules)}
    if hostname:
        spec["hostnames"] = [hostname]
    return {"apiVersion": GATEWAY_API, "kind": "HTTPRoute", "metadata": {"name": name}, "spec": spec}


def routes(backends: Iterable[str]) -> list[dict[str, Any]]:
    """A route to each of these backends, under the backend's name."""
    return [route(name, rule(name, path=f"/{name}")) for name in backends]


def body_limit(size: str, gateway: str = "ai") -> dict[str, Any]:
    return {
        "apiVersion": AGENTGATEWAY,
        "kind": "AgentgatewayPolicy",
        "metadata": {"name": "body-limit"},
        "spec": {
            "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": gateway}],
            "frontend": {"http": {"maxBufferSize": size}},
        },
    }


def policy(name: str, kind: str, target: str, **spec: Any) -> dict[str, Any]:
    """A policy for a Gateway, HTTPRoute or AgentgatewayBackend."""
    group = "agentgateway.dev" if kind == "AgentgatewayBackend" else "gateway.networking.k8s.io"
    reference = {"group": group, "kind": kind, "name": target}
    return {
        "apiVersion": AGENTGATEWAY,
        "kind": "AgentgatewayPolicy",
        "metadata": {"name": name},
        "spec": {"targetRefs": [reference], **spec},
    }
