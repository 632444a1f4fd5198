"""T-24 to T-27 for limits that `weir ratelimit` keeps for all proxies, asked by Envoy's own filter."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import answers
import dialects
import manifests as m
from conftest import stored_keys
from limits import PRICES, USED, at_once, codes, decisions, limit, until
from processes import free_port
from provider import Connection, Provider, Request, hang_up, reply, silent, stream
from ratelimit_server import RateLimits, shown
from test_failover import chain
from test_limits_local import counted
from weir import REPOSITORY, Gateway

BUDGETS = """
domain: budgets
all_or_nothing: true
descriptors:
  - {key: user, rate_limit: {unit: year, requests_per_unit: 10000}}
  - {key: team, rate_limit: {unit: year, requests_per_unit: 2000}}
  - {key: purse, rate_limit: {unit: year, requests_per_unit: 100000}}
"""

# As the stock service is configured: nothing of Weir's in it.
PLAIN = """
domain: plain
descriptors:
  - {key: user, rate_limit: {unit: year, requests_per_unit: 50}}
  - {key: tokens, rate_limit: {unit: year, requests_per_unit: 100}}
  - {key: weighed, rate_limit: {unit: year, requests_per_unit: 100}}
"""

USER = 'request.headers["x-user"]'


def descriptor(key: str = "user", unit: str = "Tokens", **more: Any) -> dict[str, Any]:
    return {"entries": [{"name": key, "expression": USER}], "unit": unit, **more}


@pytest.fixture(scope="module")
def limits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RateLimits]:
    folder = tmp_path_factory.mktemp("ratelimit")
    (folder / "budgets.yaml").write_text(BUDGETS)
    limits = RateLimits(folder, PLAIN)
    yield limits
    limits.stop()


@pytest.fixture(scope="module")
def gateway(
    runtime: str, scripted: Provider, limits: RateLimits, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp(f"global-{runtime}")
    prices = folder / "prices.json"
    prices.write_text(json.dumps(PRICES))
    gateway = Gateway(folder / "config", runtime, "--prices", str(prices))
    nobody = f"http://127.0.0.1:{free_port()}"
    service = {"url": f"http://127.0.0.1:{limits.port}"}
    budgets = service | {"domain": "budgets"}
    plain = {"backendRef": m.reference("limits"), "domain": "plain"}
    reserve = {"enabled": True, "outputTokens": 100}
    routes: dict[str, dict[str, Any]] = {
        "requests": {"global": plain | {"descriptors": [descriptor(unit="Requests")]}},
        "tokens": {"global": budgets | {"descriptors": [descriptor()]}, "reserve": reserve},
        "team": {
            "global": budgets | {"descriptors": [descriptor(), descriptor("team")]},
            "reserve": reserve,
        },
        "money": {"global": budgets | {"descriptors": [descriptor("purse", "Cost")]}, "reserve": reserve},
        "looked": {"global": plain | {"descriptors": [descriptor("tokens")]}},
        "weighed": {
            "global": plain
            | {"descriptors": [descriptor("weighed", cost="llm.inputTokens + 10 * llm.outputTokens")]}
        },
        "heavy": {
            "global": plain
            | {"descriptors": [descriptor("weighed", "Requests", cost="llm.streaming ? 30 : 5")]}
        },
        "closed": {"global": {"url": nobody, "domain": "d", "descriptors": [descriptor(unit="Requests")]}},
        "open": {
            "global": {
                "url": nobody,
                "domain": "d",
                "descriptors": [descriptor()],
                "failureMode": "FailOpen",
            },
            "reserve": reserve,
        },
    }
    gateway.write("gateway.yaml", m.dump(m.gateway_class(), m.gateway(gateway.port)))
    backends = [
        m.backend("openai", m.provider("openai", scripted.port), key="openai"),
        chain("chain", scripted.port),
        m.static("limits", limits.port),
    ]
    gateway.write("backends.yaml", m.dump(*stored_keys(), *backends))
    rules = [m.route(name, m.rule("openai", path=f"/{name}")) for name in routes]
    rules.append(m.route("chain", m.rule("chain", path="/chain")))
    gateway.write("routes.yaml", m.dump(*rules))
    of_chain = limit("chain", "chain", **routes["tokens"])
    policies = [limit(name, name, **settings) for name, settings in routes.items()]
    gateway.write("limits.yaml", m.dump(*policies, of_chain))
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.fixture
def user(runtime: str, request: pytest.FixtureRequest) -> str:
    """A user nobody else is: the counters outlive a test."""
    return f"{runtime}-{request.node.name}"


def ask(
    gateway: Gateway,
    route: str,
    user: str | None,
    dialect: str = "openai",
    model: str = dialects.MODEL,
    stream: bool = False,
    **fields: Any,
) -> httpx.Response:
    body = dialects.request(dialect, model=model, stream=stream, **fields)
    url = f"{gateway.base}/{route}{dialects.path(dialect, model, stream)}"
    headers = dialects.headers(dialect) | ({"x-user": user} if user else {})
    return httpx.post(url, json=body, headers=headers, timeout=60)


def spent(user: str, domain: str = "budgets", key: str = "user") -> str:
    return f"{domain} {key} {shown(key, user)}"


def test_t26_exactly_as_many_requests_pass(gateway: Gateway, limits: RateLimits, provider: Provider, user: str) -> None:
    found = at_once(100, lambda _: ask(gateway, "requests", user))
    assert codes(found) == {200: 50, 429: 50} and len(provider.requests) == 50
    refused = next(answer for answer in found if answer.status_code == 429)
    assert refused.headers["x-ratelimit-limit"].startswith("50,")
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert int(refused.headers["retry-after"]) > 0 and int(refused.headers["x-ratelimit-reset"]) > 0
    kinds = {"anthropic": "rate_limit_error", "gemini": "RESOURCE_EXHAUSTED", "bedrock": "ThrottlingException"}
    for dialect in dialects.DIALECTS:
        mark = gateway.process.mark()
        model = f"refused-{gateway.runtime}-{dialect}"
        refused = ask(gateway, "requests", user, dialect, model=model)
        error = dialects.error_of(dialect, refused, 429)
        assert error["type"] == kinds.get(dialect, "rate_limit_exceeded") and refused.headers["retry-after"]
        assert gateway.wait_record(model, mark)["outcome"] == "refused"
    # Another user, and one whose descriptor fails, are not limited by it.
    assert ask(gateway, "requests", f"{user}-other").status_code == 200
    assert ask(gateway, "requests", None).status_code == 200
    assert decisions(gateway, "requests", "descriptor_failed") >= 1


def test_t24_what_was_used_is_what_is_charged(gateway: Gateway, limits: RateLimits, provider: Provider, user: str) -> None:
    for count, streamed in enumerate((False, True, False, True), 1):
        assert ask(gateway, "tokens", user, stream=streamed).status_code == 200
        limits.wait_spent(spent(user), count * USED)
    # Beyond the reservation too: the tokens are spent.
    provider.then(stream(counted(900)))
    assert ask(gateway, "tokens", user, stream=True).status_code == 200
    limits.wait_spent(spent(user), 4 * USED + 908)
    assert "Invalid hits_addend" not in "\n".join(gateway.process.lines)


def test_t26_concurrent_streams_do_not_overrun_a_budget(
    gateway: Gateway, limits: RateLimits, provider: Provider, user: str
) -> None:
    async def long_answer(connection: Connection, request: Request) -> None:
        await stream(counted(request.json["max_tokens"]))(connection, request)

    provider.then(*[long_answer] * 100)
    found = at_once(100, lambda _: ask(gateway, "team", user, stream=True, max_tokens=200))
    passed = codes(found)[200]
    assert codes(found) == {200: passed, 429: 100 - passed} and passed == len(provider.requests)
    provider.clear()
    used = passed * 208
    assert used <= 2_000 and 2_000 - used < 208 + 8
    # Both limits of the descriptor or none: the user's larger budget has paid for nothing that was refused.
    limits.wait_spent(spent(user, key="team"), used)
    limits.wait_spent(spent(user), used)


@pytest.mark.parametrize(
    "failure",
    [reply(answers.error("openai", 500), 500), hang_up("reset"), reply(b"", 503)],
    ids=["error", "reset", "empty"],
)
def test_what_a_provider_did_not_do_is_given_back(
    gateway: Gateway, limits: RateLimits, provider: Provider, user: str, failure: Any
) -> None:
    provider.then(failure, failure, failure)
    assert ask(gateway, "tokens", user).status_code >= 500
    limits.wait_spent(spent(user), 0)


def test_t27_failing_over_charges_once(gateway: Gateway, limits: RateLimits, provider: Provider, user: str) -> None:
    for count, failure in enumerate((reply(answers.error("openai", 500), 500), hang_up("reset")), 1):
        provider.then(failure)
        assert ask(gateway, "chain", user).status_code == 200
        limits.wait_spent(spent(user), count * USED)


def test_t27_cancelled_streams_are_charged(gateway: Gateway, limits: RateLimits, provider: Provider, user: str) -> None:
    provider.then(stream(answers.text_stream("openai", pieces=("first", "second"))[:2], end="open"))
    mark = gateway.process.mark()
    model = f"left-{gateway.runtime}"
    body = json.dumps(dialects.request("openai", model=model, stream=True)).encode()
    head = f"POST /tokens/v1/chat/completions HTTP/1.1\r\nhost: g\r\nx-user: {user}\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(head.encode() + body)
        seen = b""
        while b"first" not in seen:
            seen += connection.recv(65536)
    usage = gateway.wait_record(model, mark)["usage"]
    first = usage["input"] + usage["output"]
    limits.wait_spent(spent(user), first)
    # Before the answer begins: what was reserved.
    provider.clear()
    provider.then(silent())
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(head.encode() + body)
        provider.wait_for(1)
    until(lambda: 100 < limits.counters()[spent(user)] - first < 130, True)


def test_budgets_in_money(gateway: Gateway, limits: RateLimits, provider: Provider, user: str) -> None:
    for count, streamed in enumerate((False, True), 1):
        assert ask(gateway, "money", user, model="priced", stream=streamed).status_code == 200
        limits.wait_spent(spent(user, key="purse"), count * 594)


def test_a_service_that_is_not_weirs(gateway: Gateway, limits: RateLimits, provider: Provider, user: str) -> None:
    """Without reservations nothing is sent that the stock service does not understand."""
    for count in range(1, 7):
        assert ask(gateway, "looked", user).status_code == 200
        limits.wait_spent(spent(user, "plain", "tokens"), count * USED)
    # 108 of 100 are spent.
    assert ask(gateway, "looked", user).status_code == 429
    assert limits.counters()[spent(user, "plain", "tokens")] == 6 * USED


def test_own_costs(gateway: Gateway, limits: RateLimits, provider: Provider, user: str) -> None:
    assert ask(gateway, "weighed", user).status_code == 200
    limits.wait_spent(spent(user, "plain", "weighed"), 13 + 50)
    assert ask(gateway, "heavy", user, stream=True).status_code == 200
    assert limits.counters()[spent(user, "plain", "weighed")] == 63 + 30
    assert ask(gateway, "heavy", user).status_code == 200
    assert ask(gateway, "heavy", user).status_code == 429


def test_a_service_that_is_away(gateway: Gateway, provider: Provider, user: str) -> None:
    for dialect in dialects.DIALECTS:
        error = dialects.error_of(dialect, ask(gateway, "closed", user, dialect), 500)
        assert "rate limit service" in error["message"]
    assert provider.requests == []
    assert ask(gateway, "open", user).status_code == 200
    assert ask(gateway, "open", user, stream=True).status_code == 200


def test_no_client_names_its_requests(gateway: Gateway, limits: RateLimits, provider: Provider, user: str) -> None:
    """Under one name a budget is charged once: clients must not choose it."""
    headers = {"x-user": user, "x-request-id": "00000000-0000-4000-8000-000000000000"}
    url = f"{gateway.base}/tokens/v1/chat/completions"
    for count in (1, 2, 3):
        assert httpx.post(url, json=dialects.request("openai"), headers=headers, timeout=60).status_code == 200
        limits.wait_spent(spent(user), count * USED)


def test_the_examples_hold(runtime: str, provider: Provider, tmp_path: Path) -> None:
    """`examples/limits` on free ports, with the service it is made for."""
    folder = tmp_path / "service"
    folder.mkdir()
    for file in (REPOSITORY / "examples" / "limits-service").iterdir():
        (folder / file.name).write_text(file.read_text())
    limits = RateLimits(folder, "domain: unused\ndescriptors: []\n")
    prices = REPOSITORY / "filters" / "price-catalogue" / "examples" / "prices.json"
    gateway = Gateway(tmp_path / "config", runtime, "--prices", str(prices))
    for file in (REPOSITORY / "examples" / "limits").iterdir():
        text = file.read_text().replace("port: 8080", f"port: {gateway.port}")
        text = text.replace("127.0.0.1:8081", f"127.0.0.1:{limits.port}")
        gateway.write(file.name, text.replace("port: 18081", f"port: {provider.port}"))
    gateway.start()
    try:
        told = {}
        for name in ("requests", "tokens", "money", "trial", "budget", "stock"):
            answer = ask(gateway, name, "ann", model="gpt-4o")
            assert answer.status_code == 200, f"{name}: {answer.text}"
            told[name] = answer.headers["x-ratelimit-limit"].split(",")[0]
        expected = {"requests": "120", "tokens": "60000", "money": "5000000", "trial": "1000"}
        assert told == expected | {"budget": "2000000", "stock": "50"}
        limits.wait_spent(f"gateway user {shown('user', 'ann')}", USED)
        # 9 tokens at $2.50, 4 cached at $1.25 and 5 of output at $10 a million, rounded up.
        limits.wait_spent(f"gateway team {shown('team', 'none')}", 78)
        limits.wait_spent(f"stock model {shown('model', 'gpt-4o')}", USED)
    finally:
        gateway.stop()
        limits.stop()
