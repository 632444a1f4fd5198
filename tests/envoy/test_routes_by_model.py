"""Where the model chooses the route, what is said of that route holds, and nothing that is said of another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import answers
import dialects
import manifests as m
from conftest import KEYS, stored_keys
from dialects import Client
from limits import bucket, limit
from provider import Provider, reply
from test_failover import chain, paths
from weir import Gateway


@pytest.fixture(scope="module")
def gateway(runtime: str, scripted: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp(f"order-{runtime}") / "config", runtime)
    port = scripted.port
    same = [m.with_key(m.provider("openai", port, prefix=f"/{name}/v1"), "openai") for name in "ab"]
    by_model = m.rule("named", path="/any")
    by_model["matches"][0]["headers"] = [{"name": "x-gateway-model-name", "value": "named"}]
    gateway.write("gateway.yaml", m.dump(m.gateway_class(), m.gateway(gateway.port)))
    gateway.write("keys.yaml", m.dump(*stored_keys()))
    gateway.write("backends.yaml", m.dump(m.groups("named", same[:1], same[1:]), chain("rest", port)))
    gateway.write("routes.yaml", m.dump(m.route("named", by_model), m.route("rest", m.rule("rest", path="/any"))))
    gateway.start()
    yield gateway
    gateway.stop()


PAUSE = reply(answers.error("openai", 429), 429, headers={"retry-after": "60"})


@pytest.fixture(scope="module")
def limited(runtime: str, scripted: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A route by model with a limit and one without; neither has several providers."""
    gateway = Gateway(tmp_path_factory.mktemp(f"limited-{runtime}") / "config", runtime)
    by_model = m.rule("openai", path="/any")
    by_model["matches"][0]["headers"] = [{"name": "x-gateway-model-name", "value": "named"}]
    gateway.write("gateway.yaml", m.dump(m.gateway_class(), m.gateway(gateway.port)))
    gateway.write("keys.yaml", m.dump(m.secret("openai", KEYS["openai"])))
    gateway.write("backends.yaml", m.dump(m.backend("openai", m.provider("openai", scripted.port), key="openai")))
    gateway.write("routes.yaml", m.dump(m.route("named", by_model), m.route("rest", m.rule("openai", path="/any"))))
    gateway.write("limits.yaml", m.dump(limit("named", "named", local=[bucket(2, "requests")])))
    gateway.start()
    yield gateway
    gateway.stop()


def test_the_limit_of_a_route_by_model_is_kept(limited: Gateway, provider: Provider) -> None:
    client = Client(limited)
    for model, expected in [("other", [200] * 4), ("named", [200, 200, 429, 429]), ("other", [200] * 4)]:
        found = [client.ask("openai", "any", model=model).status_code for _ in range(4)]
        assert found == expected, model
    client.close()


def ask(client: Client, provider: Provider, model: str) -> list[str]:
    provider.clear()
    for _ in range(6):
        dialects.read("openai", client.ask("openai", "any", model=model))
    return paths(provider)


def test_t29_a_pause_is_heeded_where_the_model_chooses_the_route(client: Client, provider: Provider) -> None:
    provider.then(PAUSE)
    dialects.read("openai", client.ask("openai", "any", model="other"))
    assert paths(provider) == ["first", "second"]
    # It is nothing to the route of another model.
    assert ask(client, provider, "named") == ["a"] * 6
    assert ask(client, provider, "other") == ["second"] * 6
    provider.clear()
    provider.then(PAUSE)
    dialects.read("openai", client.ask("openai", "any", model="named"))
    assert paths(provider) == ["a", "b"]
    assert ask(client, provider, "named") == ["b"] * 6
    assert ask(client, provider, "other") == ["second"] * 6
