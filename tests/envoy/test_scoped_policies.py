"""Policies for Gateways, routes and rules: what they set for backends holds for the requests that come that way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import answers
import dialects
import manifests as m
from conftest import KEYS, providers, stored_keys
from dialects import Client
from guard_service import GuardService, masking
from processes import free_port
from provider import Provider, reply, stream
from test_guards import ADDRESS, MASKED, assert_left_alone, assert_masked, both, few_pairs, say
from test_reload import WITHIN, Load, steady
from weir import Gateway

MASK = [{"name": "pii", "regex": {"action": "Mask", "builtins": ["Email", "Ssn"]}}]
REJECT = [
    {
        "name": "pii",
        "regex": {"action": "Reject", "builtins": ["Email", "Ssn"]},
        "response": {"message": "Not that.", "statusCode": 422},
    }
]
HOOK = [{"name": "judge", "webhook": {"backendRef": m.reference("judge")}}]


def guards(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {"ai": {"promptGuard": {"request": entries, "response": entries}}}


def for_section(policy: dict[str, Any], section: str) -> dict[str, Any]:
    """The policy for one section of what it targets."""
    policy["spec"]["targetRefs"][0]["sectionName"] = section
    return policy


def named(rule: dict[str, Any], name: str) -> dict[str, Any]:
    return {"name": name} | rule


def model(name: str, service: str, port: int, **spec: Any) -> dict[str, Any]:
    """A model of a server of one's own, offered by the route `models`."""
    parent = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "models"}
    custom = {"backendRef": {"name": service, "port": port}, "formats": [{"type": "Completions"}]}
    own = {"provider": "Custom", "custom": custom} if "virtualModel" not in spec else {}
    return {
        "apiVersion": m.AGENTGATEWAY,
        "kind": "AgentgatewayModel",
        "metadata": {"name": name},
        "spec": {"parentRefs": [parent]} | own | spec,
    }


@pytest.fixture(scope="module")
def guarded_port() -> int:
    """The port of a Gateway all of which is guarded."""
    return free_port()


@pytest.fixture(scope="module")
def scoped(
    runtime: str,
    scripted: Provider,
    guard_service: GuardService,
    guarded_port: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """One backend for each provider, and several ways to it."""
    gateway = Gateway(tmp_path_factory.mktemp(f"scoped-{runtime}") / "config", runtime)
    port = scripted.port
    backends = [m.backend(name, entry, key=key) for name, entry, key in providers(port)]
    names = [name for name, _, _ in providers(port)]
    tuned = {
        "auth": {"secretRef": {"name": "gemini"}},
        "ai": {"modelAliases": {"fast": "gpt-tuned"}, "defaults": [{"field": "temperature", "value": 0.25}]},
    }
    to_models = {"group": "agentgateway.dev", "kind": "AgentgatewayModel", "name": "*"}
    shares = {"weighted": {"targets": [{"modelRef": {"name": "plain"}}]}}
    several = m.gateway(gateway.port)
    several["spec"]["listeners"].append(
        {"name": "guarded", "protocol": "HTTP", "port": gateway.port, "hostname": "guarded.test"}
    )
    gateway.write("gateway.yaml", m.dump(m.gateway_class(), several, m.gateway(guarded_port, "all")))
    gateway.write("keys.yaml", m.dump(*stored_keys()))
    chain = m.groups(
        "chain",
        [m.with_key(m.provider("openai", port), "openai")],
        [m.with_key(m.provider("anthropic", port), "anthropic")],
    )
    gateway.write("backends.yaml", m.dump(*backends, chain, m.static("judge", guard_service.port)))
    gateway.write("service.yaml", m.dump(*m.service("own", 8000, port)))
    gateway.write(
        "routes.yaml",
        m.dump(
            m.route("open", *(m.rule(name, path=f"/open/{name}") for name in names)),
            m.route("mask", *(m.rule(name, path=f"/mask/{name}") for name in names)),
            m.route("hook", *(m.rule(name, path=f"/hook/{name}") for name in names)),
            m.route(
                "ruled",
                named(m.rule("openai", path="/strict/openai"), "strict"),
                named(m.rule("openai", path="/free/openai"), "free"),
            ),
            m.route("tuned", m.rule("openai", path="/tuned/openai")),
            m.route("chain", m.rule("chain", path="/chain")),
            m.route("everywhere", m.rule("openai", path="/all/openai"), gateway="all"),
            m.route(
                "models",
                {"matches": [{"path": {"value": "/models"}}], "backendRefs": [to_models]},
            ),
        ),
    )
    gateway.write("models.yaml", m.dump(model("plain", "own", 8000), model("choice", "own", 8000, virtualModel=shares)))
    gateway.write(
        "policies.yaml",
        m.dump(
            m.policy("mask", "HTTPRoute", "mask", backend=guards(MASK)),
            m.policy("hook", "HTTPRoute", "hook", backend=guards(HOOK)),
            for_section(m.policy("strict", "HTTPRoute", "ruled", backend=guards(REJECT)), "strict"),
            m.policy("tuned", "HTTPRoute", "tuned", backend=tuned),
            m.policy("chain", "HTTPRoute", "chain", backend=guards(MASK)),
            for_section(m.policy("listener", "Gateway", "ai", backend=guards(REJECT)), "guarded"),
            m.policy("everywhere", "Gateway", "all", backend=guards(REJECT)),
            m.policy("models", "HTTPRoute", "models", backend=guards(MASK)),
        ),
    )
    gateway.start()
    yield gateway
    gateway.stop()


class Scoped(Client):
    """A client that names the way and the provider: `mask-openai`."""

    def url(self, dialect: str, upstream: str, model: str = dialects.MODEL, stream: bool = False) -> str:
        way, _, provider = upstream.partition("-")
        name = dialects.backend(dialect, provider)
        return f"{self.gateway.base}/{way}/{name}{dialects.path(dialect, model, stream)}"


@pytest.fixture
def client(scoped: Gateway, judge: GuardService) -> Iterator[Scoped]:
    client = Scoped(scoped)
    yield client
    client.close()


@both
@few_pairs
def test_t19_t20_a_guard_of_a_route_guards_it(
    client: Scoped, provider: Provider, dialect: str, upstream: str, streamed: bool
) -> None:
    say(provider, upstream, streamed)
    response = client.ask(dialect, f"mask-{upstream}", content=f"I am {ADDRESS}", stream=streamed)
    assert_masked(provider, dialect, response)


@both
@few_pairs
def test_t20_the_same_backend_through_another_route_is_left_alone(
    client: Scoped, provider: Provider, dialect: str, upstream: str, streamed: bool
) -> None:
    say(provider, upstream, streamed)
    response = client.ask(dialect, f"open-{upstream}", content=f"I am {ADDRESS}", stream=streamed)
    assert_left_alone(provider, dialect, response)


@both
@few_pairs
def test_t21_masks_of_a_service_for_a_route_are_applied(
    client: Scoped, provider: Provider, judge: GuardService, dialect: str, upstream: str, streamed: bool
) -> None:
    judge.answers += [masking("request", "I am nobody"), masking("response", "You are nobody.")]
    say(provider, upstream, streamed)
    response = client.ask(dialect, f"hook-{upstream}", content=f"I am {ADDRESS}", stream=streamed)
    assert dialects.read(dialect, response).text == "You are nobody."
    assert "I am nobody" in provider.last.body.decode() and ADDRESS not in provider.last.body.decode()
    assert [path for path, _, _ in judge.asked] == ["/request", "/response"]
    judge.clear()
    assert client.ask(dialect, f"open-{upstream}").status_code == 200
    assert judge.asked == []


def test_t20_a_guard_of_a_rule_guards_that_rule(client: Scoped, provider: Provider) -> None:
    response = client.ask("openai", "strict-openai", content=f"I am {ADDRESS}")
    assert "Not that." in dialects.error_of("openai", response, 422)["message"]
    assert provider.requests == []
    assert client.ask("openai", "free-openai", content=f"I am {ADDRESS}").status_code == 200
    assert ADDRESS in provider.last.body.decode()


def test_t20_a_guard_of_a_gateway_guards_all_of_it(client: Scoped, provider: Provider, guarded_port: int) -> None:
    url = f"http://127.0.0.1:{guarded_port}/all/openai/v1/chat/completions"
    body = dialects.request("openai", content=f"I am {ADDRESS}")
    response = client.http.post(url, json=body, headers=dialects.headers("openai"))
    assert "Not that." in dialects.error_of("openai", response, 422)["message"]
    assert provider.requests == []


def test_t20_a_guard_of_a_listener_guards_its_hosts(client: Scoped, provider: Provider) -> None:
    url = f"{client.gateway.base}/open/openai/v1/chat/completions"
    body = dialects.request("openai", content=f"I am {ADDRESS}")
    for host, status in (("guarded.test", 422), ("other.test", 200)):
        headers = dialects.headers("openai") | {"host": host}
        assert client.http.post(url, json=body, headers=headers).status_code == status, host
    assert len(provider.requests) == 1


@both
@pytest.mark.parametrize("name", ["plain", "choice"])
def test_t20_models_of_a_guarded_route_are_guarded(
    client: Scoped, provider: Provider, name: str, streamed: bool
) -> None:
    say(provider, "openai", streamed)
    url = f"{client.gateway.base}/models/v1/chat/completions"
    body = dialects.request("openai", model=name, content=f"I am {ADDRESS}", stream=streamed)
    response = client.http.post(url, json=body, headers=dialects.headers("openai"))
    assert dialects.read("openai", response).text == MASKED
    assert "<EMAIL_ADDRESS>" in provider.last.body.decode()


@both
def test_t20_t29_a_guarded_route_fails_over_guarded(client: Scoped, provider: Provider, streamed: bool) -> None:
    provider.then(reply(answers.error("openai", 500), 500))
    say(provider, "anthropic", streamed)
    url = f"{client.gateway.base}/chain/v1/chat/completions"
    body = dialects.request("openai", content=f"I am {ADDRESS}", stream=streamed)
    response = client.http.post(url, json=body, headers=dialects.headers("openai"))
    assert dialects.read("openai", response).text == MASKED
    sent = [request.body.decode() for request in provider.requests]
    assert len(sent) == 2 and all("<EMAIL_ADDRESS>" in one and ADDRESS not in one for one in sent)


def test_a_route_changes_requests_and_keys(client: Scoped, provider: Provider) -> None:
    assert client.ask("openai", "tuned-openai", model="fast").status_code == 200
    sent = provider.last
    assert (sent.json["model"], sent.json["temperature"]) == ("gpt-tuned", 0.25)
    # What stands in the backend is stronger than a policy of a route.
    assert sent.header("authorization") == f"Bearer {KEYS['openai']}"
    assert client.ask("openai", "open-openai", model="fast").status_code == 200
    assert provider.last.json["model"] == "fast" and "temperature" not in provider.last.json


def test_policies_come_and_go_under_load(runtime: str, folder: Path, provider: Provider) -> None:
    """Every edit is another set of clusters, or other filters on them; none costs a request."""
    gateway = Gateway(folder, runtime)
    gateway.write("gateway.yaml", m.dump(m.gateway_class(), m.gateway(gateway.port)))
    gateway.write("key.yaml", m.dump(m.secret("key", "key-0")))
    gateway.write("steady.yaml", steady("openai", provider.port))
    gateway.start()
    try:
        edit_under_load(gateway, provider)
    finally:
        gateway.stop()


def edit_under_load(gateway: Gateway, provider: Provider) -> None:
    probe = httpx.Client(timeout=dialects.TIMEOUT)
    url = f"{gateway.base}/steady{dialects.PATHS['openai']}"

    def ask() -> httpx.Response:
        return probe.post(url, json=dialects.request("openai", "probe", f"I am {ADDRESS}"))

    def sees(expected: str) -> bool:
        """Whether the provider gets that in place of the address."""
        assert ask().status_code == 200
        [*_, sent] = [request for request in provider.requests if request.model == "probe"]
        return expected in sent.body.decode()

    def put(name: str, kind: str, target: str, guard: list[dict[str, Any]]) -> None:
        gateway.write(f"{name}.yaml", m.dump(m.policy(name, kind, target, backend=guards(guard))))

    other = [{"name": "pii", "regex": {"matches": ["ann@[a-z.]+"]}}]
    edits: list[tuple[Callable[[], object], Callable[[], bool]]] = []
    for _ in range(3):
        edits += [
            (lambda: put("one", "HTTPRoute", "steady", MASK), lambda: sees("<EMAIL_ADDRESS>")),
            (lambda: put("one", "HTTPRoute", "steady", other), lambda: sees("<masked>")),
            (lambda: put("two", "Gateway", "ai", REJECT), lambda: sees("<masked>")),
            (lambda: (gateway.folder / "one.yaml").unlink(), lambda: ask().status_code == 422),
            (lambda: (gateway.folder / "two.yaml").unlink(), lambda: ask().status_code == 200 and sees(ADDRESS)),
        ]
    with Load(gateway) as load:
        for write, visible in edits:
            began = time.monotonic()
            write()
            while not visible():
                assert time.monotonic() - began < WITHIN, f"not visible after {WITHIN} s"
    probe.close()
    print(f"{sum(load.count.values())} requests ({dict(load.count)})")
    assert not load.failures, f"{len(load.failures)} failed: {load.failures[:3]}"
    assert load.count["stream"] > 20 and load.count["whole"] > 20
