"""Limits for tests: policies, buckets that hardly fill, and what is left in them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import httpx

import manifests as m
from provider import Provider, reply
from weir import Gateway

Result = TypeVar("Result")

# What the scripted provider's usual answer uses.
USED = 18

# A bucket with this holds as much as `burst` says and one more, and gets one more in an hour.
HARDLY_FILLED = {"unit": "Hours"}

PRICES = {
    "providers": {
        name: {
            "models": {
                "priced": {"rates": {"input": "10", "cacheRead": "1", "output": "100"}},
                "dear": {"rates": {"input": "1000", "output": "1000"}},
                "cheap": {"rates": {"input": "1", "output": "1"}},
                "claude-second": {"rates": {"input": "50", "output": "200"}},
                "third": {"rates": {"input": "1", "output": "1"}},
            }
        }
        for name in ("openai", "anthropic")
    }
}


def bucket(holds: int, what: str = "tokens", **more: Any) -> dict[str, Any]:
    """A local limit that holds so much and does not get it back during a test."""
    return {what: 1, "burst": holds - 1} | HARDLY_FILLED | more


def limit(name: str, *routes: str, **rate_limit: Any) -> dict[str, Any]:
    """A policy that limits these HTTPRoutes together."""
    policy = m.policy(name, "HTTPRoute", "", traffic={"rateLimit": rate_limit})
    [target] = policy["spec"]["targetRefs"]
    policy["spec"]["targetRefs"] = [target | {"name": route} for route in routes]
    return policy


def left(gateway: Gateway, provider: Provider, route: str) -> int:
    """What is left in the bucket of a route: a list of models uses nothing."""
    provider.then(reply({"object": "list", "data": []}))
    answer = httpx.get(f"{gateway.base}/{route}/v1/models", timeout=20)
    return int(answer.headers["x-ratelimit-remaining"])


def wait_left(gateway: Gateway, provider: Provider, route: str, wanted: int) -> None:
    """Asks until so much is left: a request is settled after its last byte."""
    until(lambda: left(gateway, provider, route), wanted)


def until(found: Callable[[], Result], wanted: Result, timeout: float = 15) -> None:
    """Asks until the answer is the one wanted."""
    end = time.monotonic() + timeout
    while (now := found()) != wanted:
        assert time.monotonic() < end, f"{now}, not {wanted}"
        time.sleep(0.02)


def at_once(count: int, call: Callable[[int], Result]) -> list[Result]:
    """The results of so many calls at the same time."""
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(call, range(count)))


DECISION = re.compile(r"^\w*weir_limit_decisions\w*\{(.*)\} (\d+)", re.MULTILINE)


def decisions(gateway: Gateway, unit: str, decision: str) -> int:
    """How often limits made this decision."""
    found = 0
    for labels, value in DECISION.findall(gateway.admin("/stats/prometheus")):
        if f'weir_unit="{unit}"' in labels and f'weir_decision="{decision}"' in labels:
            found += int(value)
    return found


def codes(answers: Iterable[httpx.Response]) -> dict[int, int]:
    """How many answers there are of each status."""
    counts: dict[int, int] = {}
    for answer in answers:
        counts[answer.status_code] = counts.get(answer.status_code, 0) + 1
    return counts
