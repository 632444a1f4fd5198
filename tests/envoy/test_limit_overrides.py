"""Limits that requests bring to a rate limit service, in place of its own (`limitOverride`)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from google.protobuf.struct_pb2 import Value

import answers
import dialects
import manifests as m
from conftest import stored_keys
from limits import USED, at_once, codes, decisions, limit, until
from provider import Provider, hang_up, reply
from ratelimit_server import RateLimits, shown
from test_failover import chain
from weir import Gateway

HEADER = "x-weir-limit-overrides"

DAY = 86_400_000

# Budgets are Weir's; in the other there is nothing the stock service does not know.
BUDGETS = """
domain: budgets
all_or_nothing: true
descriptors:
  - {key: user, rate_limit: {unit: year, requests_per_unit: 100}}
  - {key: team, rate_limit: {unit: year, requests_per_unit: 2000}}
"""

PLAIN = """
domain: plain
descriptors:
  - {key: user, rate_limit: {unit: year, requests_per_unit: 50}}
  - {key: other, rate_limit: {unit: month, requests_per_unit: 50}}
"""


def override(number: str, unit: str = "day") -> str:
    return f'{{"unit": "{unit}", "requestsPerUnit": {number}}}'


BY_PLAN = override('default(request.headers["x-plan"], "none") == "gold" ? 25 : 3')


def descriptor(key: str = "user", unit: str = "Requests", limit: str | None = None) -> dict[str, Any]:
    entries = [{"name": key, "expression": 'request.headers["x-user"]'}]
    return {"entries": entries, "unit": unit} | ({"limitOverride": limit} if limit else {})


def clients(runtime: str) -> dict[str, dict[str, Any]]:
    """Owners of API keys: one with a limit of its own, and one with the usual one."""
    return {
        f"{runtime}-rich": {"key": f"sk-{runtime}-rich", "metadata": {"perDay": 4}},
        f"{runtime}-usual": {"key": f"sk-{runtime}-usual"},
    }


def by_name(limit: str) -> dict[str, Any]:
    """What the owner of an API key may use."""
    return {"entries": [{"name": "owner", "expression": "apiKey.name"}], "limitOverride": limit}


@pytest.fixture(scope="module")
def limits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RateLimits]:
    folder = tmp_path_factory.mktemp("ratelimit")
    (folder / "budgets.yaml").write_text(BUDGETS)
    limits = RateLimits(folder, PLAIN)
    yield limits
    limits.stop()


def write_limits(gateway: Gateway, limits: RateLimits, edited: str | None = None) -> None:
    """The limits of all routes, by their names; `edited` is the override of one of them."""
    plain = {"url": f"http://127.0.0.1:{limits.port}", "domain": "plain"}
    budgets = plain | {"domain": "budgets"}
    two = [descriptor(unit="Tokens", limit=override("1000")), descriptor("team", "Tokens")]
    budget = {"global": budgets | {"descriptors": two}, "reserve": {"enabled": True, "outputTokens": 100}}
    routes: dict[str, dict[str, Any]] = {
        "plan": {"global": plain | {"descriptors": [descriptor(limit=BY_PLAN)]}},
        "looked": {"global": plain | {"descriptors": [descriptor(unit="Tokens", limit=override("60"))]}},
        "budget": budget,
        "chain": budget,
        "failing": {
            "global": plain
            | {"descriptors": [descriptor(limit=override("request.headers['x-number']")), descriptor("other")]}
        },
        "edited": {"global": plain | {"descriptors": [descriptor(limit=edited)]}},
        "named": {"global": plain | {"descriptors": [descriptor(limit=BY_PLAN)]}},
        "keys": {"global": plain | {"descriptors": [by_name(override("default(apiKey.perDay, 2)"))]}},
    }
    gateway.write("limits.yaml", m.dump(*(limit(name, name, **settings) for name, settings in routes.items())))


@pytest.fixture(scope="module")
def gateway(
    runtime: str, scripted: Provider, limits: RateLimits, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp(f"overrides-{runtime}") / "config", runtime)
    gateway.write("gateway.yaml", m.dump(m.gateway_class(), m.gateway(gateway.port)))
    openai = m.backend("openai", m.provider("openai", scripted.port), key="openai")
    backends = [openai, chain("chain", scripted.port)]
    gateway.write("backends.yaml", m.dump(*stored_keys(), *backends))
    routes = [m.route(name, m.rule("openai", path=f"/{name}")) for name in ("plan", "looked", "budget", "failing")]
    routes += [m.route(name, m.rule("openai", path=f"/{name}")) for name in ("edited", "free", "keys")]
    routes.append(m.route("chain", m.rule("chain", path="/chain")))
    routes.append(m.route("named", m.rule("chain", path="/any", x_gateway_model_name="named")))
    gateway.write("routes.yaml", m.dump(*routes))
    of_clients = {name: json.dumps(entry) for name, entry in clients(runtime).items()}
    owners = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "clients"}, "stringData": of_clients}
    settings = {"secretRef": {"name": "clients"}}
    of_keys = m.policy("who", "HTTPRoute", "keys", traffic={"apiKeyAuthentication": settings})
    gateway.write("keys.yaml", m.dump(owners, of_keys))
    write_limits(gateway, limits)
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.fixture
def user(runtime: str, request: pytest.FixtureRequest) -> str:
    """A user nobody else is: the counters outlive a test."""
    return f"{runtime}-{request.node.name}"


def ask(
    gateway: Gateway, route: str, user: str, stream: bool = False, model: str = dialects.MODEL, **headers: str
) -> httpx.Response:
    url = f"{gateway.base}/{route}{dialects.path('openai', model, stream)}"
    own = {name.replace("_", "-"): value for name, value in headers.items()}
    body = dialects.request("openai", model=model, stream=stream)
    return httpx.post(url, json=body, headers=dialects.headers("openai") | {"x-user": user} | own, timeout=60)


def spent(limits: RateLimits, user: str) -> dict[tuple[str, str], int]:
    """What a user has spent by key and window: an override may count in another than the service's own limit."""
    page = httpx.get(f"http://127.0.0.1:{limits.metrics_port}/counters", timeout=10).raise_for_status().json()
    units = {1: "day", 28: "month", 29: "month", 30: "month", 31: "month", 365: "year", 366: "year"}
    found = {}
    for one in page["counters"]:
        _, key, value = one["descriptor"].split(" ")
        if value == shown(key, user):
            found[key, units[(one["window_end"] - one["window_start"]) // DAY]] = one["spent"]
    return found


def never_told(provider: Provider) -> bool:
    return bool(provider.requests) and all(request.header(HEADER) is None for request in provider.requests)


def test_an_override_lowers_and_raises_a_limit(gateway: Gateway, provider: Provider, user: str) -> None:
    found = at_once(20, lambda _: ask(gateway, "plan", user))
    assert codes(found) == {200: 3, 429: 17}
    assert found[0].headers["x-ratelimit-limit"] == "3, 3;w=86400"
    # What was asked for under the lower limit is spent of the higher one, as in the stock service.
    found = at_once(20, lambda _: ask(gateway, "plan", user, x_plan="gold"))
    assert codes(found) == {200: 5, 429: 15}
    assert found[0].headers["x-ratelimit-limit"] == "25, 25;w=86400"
    assert ask(gateway, "plan", user).status_code == 429
    assert len(provider.requests) == 3 + 5 and never_told(provider)


def test_the_end_of_a_request_counts_by_the_same_limit(
    gateway: Gateway, limits: RateLimits, provider: Provider, user: str
) -> None:
    for count, streamed in enumerate((False, True, False, True), 1):
        assert ask(gateway, "looked", user, stream=streamed).status_code == 200
        until(lambda: spent(limits, user), {("user", "day"): count * USED})
    # 72 of 60 are spent.
    assert ask(gateway, "looked", user).status_code == 429
    assert spent(limits, user) == {("user", "day"): 4 * USED} and never_told(provider)


def test_an_override_of_one_of_two_limits(gateway: Gateway, limits: RateLimits, provider: Provider, user: str) -> None:
    """With reservations, which the user's own limit of 100 a year would refuse."""
    for count, streamed in enumerate((False, True), 1):
        answer = ask(gateway, "budget", user, stream=streamed)
        assert answer.status_code == 200 and answer.headers["x-ratelimit-limit"].startswith("1000,")
        until(lambda: spent(limits, user), {("user", "day"): count * USED, ("team", "year"): count * USED})
    # What a provider did not do is given back.
    failure = reply(answers.error("openai", 500), 500)
    provider.then(failure, failure, failure)
    assert ask(gateway, "budget", user).status_code >= 500
    until(lambda: spent(limits, user), {("user", "day"): 2 * USED, ("team", "year"): 2 * USED})
    assert never_told(provider)


def test_failing_over_keeps_the_limit(gateway: Gateway, limits: RateLimits, provider: Provider, user: str) -> None:
    for count, failure in enumerate((reply(answers.error("openai", 500), 500), hang_up("reset")), 1):
        provider.then(failure)
        assert ask(gateway, "chain", user, stream=True).status_code == 200
        until(lambda: spent(limits, user), {("user", "day"): count * USED, ("team", "year"): count * USED})
    assert len(provider.requests) == 4 and never_told(provider)


def test_a_route_by_model(gateway: Gateway, provider: Provider, user: str) -> None:
    found = [ask(gateway, "any", user, model="named").status_code for _ in range(5)]
    assert found == [200, 200, 200, 429, 429] and never_told(provider)


def test_every_owner_of_a_key_has_a_limit(gateway: Gateway, provider: Provider) -> None:
    for (name, entry), passed in zip(clients(gateway.runtime).items(), (4, 2), strict=True):
        found = [ask(gateway, "keys", "u", authorization=f"Bearer {entry['key']}").status_code for _ in range(6)]
        assert found == [200] * passed + [429] * (6 - passed), name
    assert never_told(provider)


def test_an_override_that_fails_leaves_its_descriptor_out(
    gateway: Gateway, limits: RateLimits, provider: Provider, user: str
) -> None:
    before = decisions(gateway, "requests", "descriptor_failed")
    assert ask(gateway, "failing", user).status_code == 200
    # A header is text, and no number of requests.
    assert ask(gateway, "failing", user, x_number="5").status_code == 200
    assert decisions(gateway, "requests", "descriptor_failed") == before + 2
    # The other descriptor of the same call counts all the same.
    assert spent(limits, user) == {("other", "month"): 2} and never_told(provider)


def test_no_client_says_what_its_limit_is(gateway: Gateway, provider: Provider, user: str) -> None:
    value = Value()
    value.struct_value.update({"default/plan/0": {"requests_per_unit": 1000, "unit": "DAY"}})
    claimed = {HEADER: base64.b64encode(value.SerializeToString()).decode()}
    found = at_once(8, lambda _: ask(gateway, "plan", user, **claimed))
    assert codes(found) == {200: 3, 429: 5}
    for route in ("edited", "free"):
        answer = ask(gateway, route, user, **claimed)
        assert answer.status_code == 200 and "1000" not in answer.headers.get("x-ratelimit-limit", "")
    assert never_told(provider)


def test_an_override_comes_to_open_connections(
    gateway: Gateway, limits: RateLimits, provider: Provider, user: str
) -> None:
    url = f"{gateway.base}/edited/v1/chat/completions"
    with httpx.Client(headers=dialects.headers("openai") | {"x-user": user}, timeout=60) as client:

        def told() -> str:
            answer = client.post(url, json=dialects.request("openai"))
            assert answer.status_code == 200 and answer.headers.get("connection") != "close"
            return answer.headers["x-ratelimit-limit"].split(",")[0]

        assert told() == "50"
        write_limits(gateway, limits, override("10000"))
        try:
            until(told, "10000")
        finally:
            write_limits(gateway, limits)
            until(told, "50")
    assert never_told(provider)


def test_what_never_gives_a_limit_is_refused(gateway: Gateway, limits: RateLimits, user: str) -> None:
    mark = gateway.process.mark()
    write_limits(gateway, limits, override("5", "fortnight"))
    try:
        gateway.process.wait_line("this gives no limit", start=mark)
        until(lambda: ask(gateway, "edited", user).status_code, 500)
    finally:
        write_limits(gateway, limits)
        until(lambda: ask(gateway, "edited", user).status_code, 200)
