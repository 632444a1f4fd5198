"""T-27: whatever providers do and whenever clients leave, the limits of Envoy and those of the service charge the same,
and what the log says was used."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

import answers
import dialects
import manifests as m
from conftest import stored_keys
from limits import at_once, bucket, left, limit, until
from provider import Provider, Script, hang_up, reply, silent, stream
from ratelimit_server import RateLimits, shown
from test_failover import chain
from test_limits_global import descriptor
from weir import Gateway, record_of

REQUESTS = 60

# How long a client waits that does not leave, in seconds.
PATIENCE = 3.0

LIMITS = """
domain: budgets
all_or_nothing: true
descriptors:
  - {key: user, rate_limit: {unit: year, requests_per_unit: 100000000}}
"""


@pytest.fixture(scope="module")
def limits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RateLimits]:
    limits = RateLimits(tmp_path_factory.mktemp("ratelimit"), LIMITS)
    yield limits
    limits.stop()


@pytest.fixture(scope="module")
def gateway(
    runtime: str, scripted: Provider, limits: RateLimits, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp(f"ledger-{runtime}") / "config", runtime)
    service = {"url": f"http://127.0.0.1:{limits.port}", "domain": "budgets", "descriptors": [descriptor()]}
    reserve = {"enabled": True, "outputTokens": 100}
    both = limit("chain", "chain", **{"global": service}, local=[bucket(100_000_000)], reserve=reserve)
    gateway.write(
        "all.yaml",
        m.dump(
            m.gateway_class(),
            m.gateway(gateway.port),
            *stored_keys(),
            chain("chain", scripted.port),
            m.route("chain", m.rule("chain", path="/chain")),
            both,
        ),
    )
    gateway.start()
    yield gateway
    gateway.stop()


def failure(chance: random.Random, streamed: bool) -> Script | None:
    """What a provider does instead of answering; `None` when it answers."""
    events = answers.text_stream("openai", pieces=("word one ",) * 20)
    whole = {name: value for name, value in answers.text("openai").items() if name != "usage"}
    ways: list[Script | None] = [
        *[None] * 4,
        reply(answers.error("openai", 500), 500),
        reply(answers.error("openai", 429), 429),
        reply(b"<html>", content_type="text/html"),
        hang_up("reset"),
        hang_up("close"),
        silent(),
        stream(events) if streamed else reply(whole),
    ]
    if streamed:
        ways += [stream(events[:10], end=end) for end in ("close", "reset", "open")]
    return chance.choice(ways)


def charge(record: dict[str, Any]) -> int:
    """What the log says of a request, in tokens."""
    if usage := record.get("usage"):
        return sum(usage[name] for name in ("input", "cache_read", "cache_write", "output"))
    if record["outcome"] in ("refused", "failed") or not record["attempts"]:
        return 0
    # Someone was asked, and nobody knows what it has done.
    traits = record["traits"]
    return int(traits["input_tokens"] + traits.get("max_output", traits["output_cap"]))


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
def test_t27_every_ledger_says_the_same(
    gateway: Gateway, limits: RateLimits, provider: Provider, http2: bool
) -> None:
    chance = random.Random(f"{http2}")
    user = f"{gateway.runtime}-{http2}"
    before = left(gateway, provider, "chain")
    provider.clear()
    mark = gateway.process.mark()
    calls = []
    for number in range(REQUESTS):
        model, streamed = f"{user}-{number}", chance.random() < 0.6
        scripts = [failure(chance, streamed) for _ in range(3)]
        for script in scripts[: scripts.index(None)] if None in scripts else scripts:
            provider.for_model(model, script)
        fields = {"max_tokens": 50} if chance.random() < 0.5 else {}
        body = dialects.request("openai", model=model, stream=streamed, **fields)
        # Some clients have patience, some leave at once.
        calls.append((body, chance.choice([PATIENCE, PATIENCE, 0.001, 0.01, 0.1, 0.5])))

    def call(number: int) -> None:
        body, patience = calls[number]
        timeout = httpx.Timeout(patience, connect=20)
        url = f"{gateway.base}/chain/v1/chat/completions"
        with suppress(httpx.HTTPError), httpx.Client(http2=http2, http1=not http2, timeout=timeout) as client:
            client.post(url, json=body, headers={"x-user": user})

    at_once(REQUESTS, call)
    logged: dict[str, int] = {}
    patient = {body["model"] for body, patience in calls if patience == PATIENCE}

    def ledgers() -> set[int]:
        """What each of them says. Requests of clients that leave at once may never have come, and be in none."""
        for line in list(gateway.process.lines[mark:]):
            for body, _ in calls:
                if body["model"] not in logged and (record := record_of(line, body["model"])):
                    logged[body["model"]] = charge(record)
        of_service = limits.counters().get(f"budgets user {shown('user', user)}", 0)
        of_envoy = before - left(gateway, provider, "chain")
        return {sum(logged.values()), of_service, of_envoy} if patient <= set(logged) else set()

    until(lambda: len(ledgers()), 1)
    assert sum(logged.values()) > 0
    provider.clear()
