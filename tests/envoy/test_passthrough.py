"""`auth.passthrough`: the client's own key, where each provider expects it, also after a failover."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import answers
import dialects
import manifests as m
from dialects import Client
from provider import Provider, reply
from test_credentials import KEY_HEADERS
from weir import Gateway

every = pytest.mark.parametrize("dialect", dialects.DIALECTS)

PASS: dict[str, Any] = {"passthrough": {}}
OWN_HEADER = PASS | {"location": {"header": {"name": "X-Key", "prefix": "Key "}}}
COOKIE = PASS | {"location": {"cookie": {"name": "session"}}}
AZURE = {"resourceName": "acme", "resourceType": "OpenAI"}

# Backend → provider, and the header and value the key gets there.
PROVIDERS: dict[str, tuple[dict[str, Any], str, str]] = {
    "openai": ({"openai": {}}, "authorization", "Bearer {}"),
    "anthropic": ({"anthropic": {}}, "x-api-key", "{}"),
    "gemini": ({"gemini": {}}, "x-goog-api-key", "{}"),
    "azure": ({"azure": AZURE}, "api-key", "{}"),
    "vertex": ({"vertexai": {"projectId": "acme"}}, "authorization", "Bearer {}"),
    "bedrock": ({"bedrock": {}}, "authorization", "Bearer {}"),
}


def passing(port: int, **kind: Any) -> dict[str, Any]:
    return m.elsewhere(port, **kind) | {"policies": {"auth": PASS}}


@pytest.fixture(scope="module")
def passthrough(
    runtime: str, scripted: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp(f"passthrough-{runtime}") / "config", runtime)
    port = scripted.port
    key = {"auth": {"secretRef": {"name": "key"}, "location": {"header": {"name": "X-Own-Key"}}}}
    cookie = {"auth": {"secretRef": {"name": "key"}, "location": {"cookie": {"name": "token"}}}}
    backends = [
        *(m.backend(name, m.elsewhere(port, **kind), auth=PASS) for name, (kind, _, _) in PROVIDERS.items()),
        m.backend("own-header", m.elsewhere(port, openai={}), auth=OWN_HEADER),
        m.backend("own-cookie", m.elsewhere(port, openai={}), auth=COOKIE),
        m.backend("cookie", m.elsewhere(port, openai={}), **cookie),
    ]
    backends += [
        m.groups(
            f"chain-{dialect}",
            [m.elsewhere(port, openai={}) | {"policies": key}],
            [passing(port, anthropic={})],
            [passing(port, gemini={})],
        )
        for dialect in dialects.DIALECTS
    ]
    names = [backend["metadata"]["name"] for backend in backends]
    gateway.write(
        "all.yaml",
        m.dump(
            m.gateway_class(),
            m.gateway(gateway.port),
            m.secret("key", "configured-key"),
            *backends,
            m.route("r", *(m.rule(name, path=f"/{name}") for name in names)),
        ),
    )
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.fixture
def passed(passthrough: Gateway) -> Iterator[Client]:
    client = Client(passthrough)
    yield client
    client.close()


def ask(client: Client, dialect: str, backend: str) -> dialects.Answer:
    # Not `client.ask`, which leads some pairs to backends with other names.
    url = f"{client.gateway.base}/{backend}{dialects.path(dialect)}"
    body = dialects.request(dialect)
    return dialects.read(dialect, client.http.post(url, json=body, headers=dialects.headers(dialect)))


def sent(request: Any, *more: str) -> dict[str, list[str]]:
    names = (*KEY_HEADERS, *more)
    return {name: values for name in names if (values := request.values(name))}


@every
@pytest.mark.parametrize("backend", PROVIDERS)
def test_the_clients_key_moves(passed: Client, provider: Provider, dialect: str, backend: str) -> None:
    assert ask(passed, dialect, backend).text == answers.TEXT
    _, name, form = PROVIDERS[backend]
    assert sent(provider.last) == {name: [form.format(dialects.CLIENT_KEY)]}


@every
def test_to_where_the_location_says(passed: Client, provider: Provider, dialect: str) -> None:
    ask(passed, dialect, "own-header")
    assert sent(provider.last, "x-key", "cookie") == {"x-key": [f"Key {dialects.CLIENT_KEY}"]}
    ask(passed, dialect, "own-cookie")
    assert sent(provider.last, "x-key", "cookie") == {"cookie": [f"session={dialects.CLIENT_KEY}"]}


def test_a_configured_key_in_a_cookie(passed: Client, provider: Provider) -> None:
    url = f"{passed.gateway.base}/cookie{dialects.PATHS['openai']}"
    headers = dialects.headers("openai") | {"cookie": "token=of-the-client; other=1"}
    assert passed.http.post(url, json=dialects.request("openai"), headers=headers).status_code == 200
    assert sent(provider.last, "cookie") == {"cookie": ["token=configured-key"]}


@every
def test_every_attempt_gets_its_own(passed: Client, provider: Provider, dialect: str) -> None:
    """The configured key of the first is not offered to the next, in whatever header it was."""
    provider.then(reply(answers.error("openai", 503), 503), reply(answers.error("anthropic", 529), 529))
    assert ask(passed, dialect, f"chain-{dialect}").text == answers.TEXT
    found = [sent(request, "x-own-key") for request in provider.requests]
    assert found == [
        {"x-own-key": ["configured-key"]},
        {"x-api-key": [dialects.CLIENT_KEY]},
        {"x-goog-api-key": [dialects.CLIENT_KEY]},
    ]
