"""`weir ratelimit` behind stock Envoy's own ratelimit filter."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from provider import Provider, reply
from ratelimit_server import RateLimits, Redis, envoy, shown, until
from weir import PlainEnvoy, weir

REQUESTS = """
domain: requests
response_headers: {}
descriptors:
  - key: user
    rate_limit: {unit: day, requests_per_unit: 50}
"""

BUDGET = """
domain: budget
all_or_nothing: true
response_headers: {}
descriptors:
  - key: user
    rate_limit: {unit: month, requests_per_unit: 10000, calendar: true, time_zone: Europe/Berlin, soft_limit: 80%}
"""

@dataclass
class Setup:
    limits: RateLimits
    envoy: PlainEnvoy
    base: str

    def get(self, path: str, user: str, reserve: int = 0) -> httpx.Response:
        headers = {"x-user": user, "x-reserve": str(reserve)}
        return httpx.get(self.base + path, headers=headers, timeout=30)

    def spent(self, user: str, domain: str = "budget") -> str:
        return f"{domain} user {shown('user', user)}"


@pytest.fixture(params=["memory", "redis"])
def setup(request: pytest.FixtureRequest, scripted: Provider, tmp_path: Path) -> Iterator[Setup]:
    scripted.clear()
    folder = tmp_path / "limits"
    folder.mkdir()
    redis = Redis(tmp_path) if request.param == "redis" else None
    options: list[str | Path] = [*redis.options] if redis else ["--state", tmp_path / "state.json"]
    (folder / "budget.yaml").write_text(BUDGET)
    limits = RateLimits(folder, REQUESTS, *options)
    proxy, port = envoy(tmp_path, scripted.port, limits.port)
    yield Setup(limits, proxy, f"http://127.0.0.1:{port}")
    proxy.stop()
    assert limits.stop() == 0
    if redis:
        redis.stop()


def test_t26_exactly_as_many_pass_as_the_limit_says(setup: Setup, provider: Provider) -> None:
    with ThreadPoolExecutor(200) as threads:
        answers = list(threads.map(lambda _: setup.get("/requests", "alice"), range(200)))
    codes = [answer.status_code for answer in answers]
    assert (codes.count(200), codes.count(429)) == (50, 150)
    assert len(provider.requests) == 50
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["x-ratelimit-limit"] == "50" and refused.headers["x-ratelimit-remaining"] == "0"
    assert 0 < int(refused.headers["x-ratelimit-reset"]) <= 86_400
    assert sorted(int(a.headers["x-ratelimit-remaining"]) for a in answers if a.status_code == 200) == list(
        range(50)
    )
    assert setup.limits.counters()[setup.spent("alice", "requests")] == 200
    assert setup.get("/requests", "bob").status_code == 200
    metrics = setup.limits.metrics()
    assert 'weir_ratelimit_over_limit_total{domain="requests",rule="user"} 150' in metrics
    assert "alice" not in metrics and "alice" not in "\n".join(setup.limits.process.lines)


def test_t24_what_was_used_is_what_was_charged(setup: Setup, provider: Provider) -> None:
    # Ten requests reserve 500 each; half of them use 120 less, half 30 more.
    provider.then(*[reply(b"{}", headers={"x-unused": "120"}) for _ in range(5)])
    provider.then(*[reply(b"{}", headers={"x-extra": "30"}) for _ in range(5)])
    with ThreadPoolExecutor(5) as threads:
        answers = list(threads.map(lambda _: setup.get("/budget", "alice", 500), range(10)))
    assert [answer.status_code for answer in answers] == [200] * 10
    setup.limits.wait_spent(setup.spent("alice"), 5 * 380 + 5 * 530)
    answer = setup.get("/budget", "alice", 0)
    assert answer.headers["x-ratelimit-limit"] == "10000"
    assert answer.headers["x-ratelimit-remaining"] == str(10_000 - 4_550)


def test_t26_reservations_never_exceed_the_budget(setup: Setup, provider: Provider) -> None:
    with ThreadPoolExecutor(200) as threads:
        codes = list(threads.map(lambda _: setup.get("/budget", "alice", 3_000).status_code, range(200)))
    assert (codes.count(200), codes.count(429)) == (3, 197)
    assert setup.limits.counters()[setup.spent("alice")] == 9_000
    # What is refused leaves nothing behind; what fits, fits; and the soft limit is passed.
    answer = setup.get("/budget", "alice", 1_000)
    assert answer.status_code == 200 and answer.headers["x-ratelimit-remaining"] == "0"
    assert answer.headers["x-ratelimit-soft-limit"] == "80%"
    assert setup.get("/budget", "alice", 0).status_code == 429
    assert setup.get("/budget", "alice", 1).status_code == 429
    assert setup.limits.counters()[setup.spent("alice")] == 10_000


def test_a_client_cannot_name_its_request(setup: Setup, provider: Provider) -> None:
    # With `use_remote_address`, Envoy replaces the ids of clients. A client that could choose would pay once.
    headers = {"x-user": "alice", "x-reserve": "100", "x-request-id": "00000000-0000-4000-8000-000000000000"}
    for _ in range(3):
        assert httpx.get(setup.base + "/budget", headers=headers, timeout=30).status_code == 200
    assert setup.limits.counters()[setup.spent("alice")] == 300


def test_limits_are_followed_and_wrong_ones_are_not(setup: Setup, provider: Provider) -> None:
    def limit() -> str:
        return setup.get("/requests", "carol").headers["x-ratelimit-limit"]

    assert limit() == "50"
    mark = setup.limits.process.mark()
    setup.limits.write(REQUESTS.replace("day,", "fortnight,"))
    line = setup.limits.process.wait_line("limits stay as they were", start=mark)
    assert 'limits.yaml:6: descriptors[0].rate_limit.unit: "fortnight" is no unit' in line.replace("\\", "")
    assert limit() == "50"
    assert 'weir_ratelimit_config_loads_total{result="failure"} 1' in setup.limits.metrics()
    mark = setup.limits.process.mark()
    setup.limits.write(REQUESTS.replace("50", "70"))
    setup.limits.process.wait_line("limits changed", start=mark)
    assert limit() == "70"
    assert setup.limits.counters()[setup.spent("carol", "requests")] == 3


def test_without_the_service_envoys_failure_mode_decides(setup: Setup, provider: Provider) -> None:
    assert setup.get("/requests", "dave").status_code == 200
    assert setup.limits.stop() == 0
    assert setup.get("/requests", "dave").status_code == 500
    setup.limits.start()
    until(lambda: setup.get("/requests", "dave").status_code == 200)
    # Neither store forgets over a restart.
    assert setup.limits.counters()[setup.spent("dave", "requests")] == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--config", "missing.yaml"], "missing.yaml"),
        (["--config", "{good}", "--redis", "http://x"], "--redis"),
        (["--config", "{good}", "--redis", "redis://x", "--state", "s"], "cannot be used with"),
        (["--config", "{bad}"], "bad.yaml:1: unknown field `domian`"),
    ],
)
def test_what_cannot_work_is_refused_at_the_start(tmp_path: Path, options: list[str], message: str) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(REQUESTS)
    bad.write_text("domian: d\n")
    result = weir("ratelimit", *[option.format(good=good, bad=bad) for option in options])
    assert result.returncode == 2 and message in result.stderr, result.stderr
