"""What becomes of reservations when the rate limit service, its Redis or Envoy ends while streams run: nothing is charged
twice, nothing is given out again, and what stays taken is what docs/limits.md says."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

import answers
import manifests as m
from conftest import KEYS
from limits import USED, bucket, left, limit, until, wait_left
from provider import Provider, reply, stream
from ratelimit_server import RateLimits, Redis
from test_limits_global import BUDGETS, PLAIN, ask, descriptor, spent, user  # noqa: F401
from test_limits_local import counted
from weir import Gateway

STREAMS = 5

# What a stream may reserve: 100 tokens of output, and its input.
RESERVED = range(100, 130)


@pytest.fixture(scope="module")
def place(runtime: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp(f"restarts-{runtime}")


@pytest.fixture(scope="module", params=["memory", "redis"])
def redis(request: pytest.FixtureRequest, place: Path) -> Iterator[Redis | None]:
    redis = Redis(place, "--appendonly", "yes") if request.param == "redis" else None
    yield redis
    if redis:
        redis.stop()


@pytest.fixture(scope="module")
def limits(redis: Redis | None, place: Path) -> Iterator[RateLimits]:
    folder = place / f"service-{'redis' if redis else 'memory'}"
    folder.mkdir()
    (folder / "budgets.yaml").write_text(BUDGETS)
    options = redis.options if redis else ["--state", place / "state.json"]
    limits = RateLimits(folder, PLAIN, *options)
    yield limits
    limits.stop()


@pytest.fixture(scope="module")
def gateway(runtime: str, scripted: Provider, limits: RateLimits) -> Iterator[Gateway]:
    gateway = Gateway(limits.folder.with_name(f"{limits.folder.name}-config"), runtime)
    service = {"url": f"http://127.0.0.1:{limits.port}", "domain": "budgets"}
    both = service | {"descriptors": [descriptor(), descriptor("team")]}
    reserve = {"enabled": True, "outputTokens": 100}
    secrets = [m.secret(name, key) for name, key in KEYS.items()]
    gateway.write("gateway.yaml", m.dump(m.gateway_class(), m.gateway(gateway.port), *secrets))
    gateway.write("backends.yaml", m.dump(m.backend("openai", m.provider("openai", scripted.port), key="openai")))
    names = ("closed", "open")
    gateway.write("routes.yaml", m.dump(*[m.route(name, m.rule("openai", path=f"/{name}")) for name in names]))
    local = [bucket(100_000)]
    policies = [
        limit("closed", "closed", **{"global": both}, local=local, reserve=reserve),
        limit("open", "open", **{"global": both | {"failureMode": "FailOpen"}}, local=local, reserve=reserve),
    ]
    gateway.write("limits.yaml", m.dump(*policies))
    gateway.start()
    scripted.clear()
    yield gateway
    gateway.stop()


class Streams:
    """Streams that have begun, and end when they are told to."""

    def __init__(self, finish: Callable[[], None], results: list[Future[httpx.Response]]) -> None:
        self._finish = finish
        self.results = results

    def finish(self) -> list[httpx.Response]:
        self._finish()
        return [result.result(30) for result in self.results]


@contextmanager
def running(
    gateway: Gateway, provider: Provider, user: str, route: str = "closed", used: int = 5  # noqa: F811
) -> Iterator[Streams]:
    """Streams that have reserved, are sent, and will use 13 tokens of input and `used` of output."""
    gate = provider.gate()
    events = answers.text_stream("openai") if used == 5 else counted(used)
    provider.then(*[stream(events[:2], gate, events[2:])] * STREAMS)
    with ThreadPoolExecutor(STREAMS) as threads:
        try:
            calls = [threads.submit(ask, gateway, route, user, stream=True) for _ in range(STREAMS)]
            provider.wait_for(STREAMS)
            yield Streams(gate.open, calls)
        finally:
            gate.open()
    provider.clear()


def reserved(limits: RateLimits, user: str) -> int:  # noqa: F811
    """What the running streams have taken."""
    until(lambda: limits.counters()[spent(user)] // STREAMS in RESERVED, True)
    return limits.counters()[spent(user)]


def written(limits: RateLimits, redis: Redis | None, place: Path, user: str) -> None:  # noqa: F811
    """Waits until what is spent outlives a crash. What Redis has written, the kernel has at once."""
    wanted = limits.counters()[spent(user)]

    def on_disk() -> bool:
        path = place / "state.json"
        counters = json.loads(path.read_text())["counters"] if path.exists() else []
        return (spent(user), wanted) in [(one["descriptor"], one["count"]) for one in counters]

    if not redis:
        until(on_disk, True)


def both(limits: RateLimits, user: str, wanted: int) -> None:  # noqa: F811
    for key in ("user", "team"):
        limits.wait_spent(spent(user, key=key), wanted)


def test_streams_settle_with_a_service_that_was_killed(
    gateway: Gateway, limits: RateLimits, redis: Redis | None, provider: Provider, user: str, place: Path  # noqa: F811
) -> None:
    with running(gateway, provider, user) as streams:
        taken = reserved(limits, user)
        written(limits, redis, place, user)
        limits.process.stop(signal.SIGKILL)
        limits.start()
        assert limits.counters()[spent(user)] == taken
        assert all(answer.status_code == 200 for answer in streams.finish())
    both(limits, user, STREAMS * USED)
    assert "_refunds_dropped_total{" not in limits.metrics()
    # And once more, with what goes beyond the reservation.
    provider.clear()
    before = STREAMS * USED
    with running(gateway, provider, user, used=200) as streams:
        until(lambda: (limits.counters()[spent(user)] - before) // STREAMS in RESERVED, True)
        written(limits, redis, place, user)
        limits.process.stop(signal.SIGKILL)
        limits.start()
        streams.finish()
    both(limits, user, before + STREAMS * 208)


def test_streams_that_end_while_the_service_is_away(
    gateway: Gateway, limits: RateLimits, redis: Redis | None, provider: Provider, user: str  # noqa: F811
) -> None:
    before = left(gateway, provider, "closed")
    provider.clear()
    with running(gateway, provider, user) as streams:
        taken = reserved(limits, user)
        limits.stop()
        assert all(answer.status_code == 200 for answer in streams.finish())
        # Meanwhile the failure mode decides.
        assert ask(gateway, "closed", user).status_code == 500
        assert ask(gateway, "open", user).status_code == 200
    limits.start()
    # What was reserved stays taken; what came and went meanwhile left nothing behind.
    both(limits, user, taken)
    until(lambda: ask(gateway, "closed", user).status_code, 200)
    both(limits, user, taken + USED)
    # The limits of Envoy have nothing to do with it.
    wait_left(gateway, provider, "closed", before - (STREAMS + 1) * USED)


def test_a_service_that_forgets_gives_nothing_away(
    gateway: Gateway, limits: RateLimits, redis: Redis | None, provider: Provider, user: str, place: Path  # noqa: F811
) -> None:
    """Refunds of what it knows nothing of must not pay for others."""
    with running(gateway, provider, user) as streams:
        reserved(limits, user)
        limits.process.stop(signal.SIGKILL)
        if redis:
            redis.process.stop(signal.SIGKILL)
            redis.forget()
            redis.start()
        (place / "state.json").unlink(missing_ok=True)
        limits.start()
        until(lambda: ask(gateway, "closed", user).status_code, 200)
        both(limits, user, USED)
        streams.finish()
        until(lambda: dropped(limits), 2 * STREAMS)
    both(limits, user, USED)
    assert ask(gateway, "closed", user).status_code == 200
    both(limits, user, 2 * USED)


def dropped(limits: RateLimits) -> int:
    found = re.findall(r"^weir_ratelimit_refunds_dropped_total\{.*\} (\d+)", limits.metrics(), re.MULTILINE)
    return sum(map(int, found))


def test_redis_ends_and_comes_back_while_streams_run(
    gateway: Gateway, limits: RateLimits, redis: Redis | None, provider: Provider, user: str  # noqa: F811
) -> None:
    if not redis:
        pytest.skip("of Redis")
    with running(gateway, provider, user) as streams:
        taken = reserved(limits, user)
        redis.process.stop(signal.SIGKILL)
        assert ask(gateway, "closed", user).status_code == 500
        assert ask(gateway, "open", user).status_code == 200
        redis.start()
        until(lambda: ask(gateway, "closed", user).status_code, 200)
        both(limits, user, taken + USED)
        streams.finish()
    both(limits, user, (STREAMS + 1) * USED)
    # Away while they end: what was reserved stays.
    with running(gateway, provider, user) as streams:
        until(lambda: (limits.counters()[spent(user)] - (STREAMS + 1) * USED) // STREAMS in RESERVED, True)
        taken = limits.counters()[spent(user)]
        redis.process.stop(signal.SIGKILL)
        streams.finish()
        assert ask(gateway, "closed", user).status_code == 500
    redis.start()
    until(lambda: ask(gateway, "closed", user).status_code, 200)
    both(limits, user, taken + USED)


def test_a_redis_that_hangs_while_streams_end_charges_once(
    gateway: Gateway, limits: RateLimits, redis: Redis | None, provider: Provider, user: str  # noqa: F811
) -> None:
    if not redis:
        pytest.skip("of Redis")
    with running(gateway, provider, user) as streams:
        reserved(limits, user)
        redis.process.child.send_signal(signal.SIGSTOP)
        try:
            streams.finish()
            # It is asked, gets it, and answers too late.
            assert ask(gateway, "closed", user).status_code == 500
            assert ask(gateway, "open", user).status_code == 200
        finally:
            redis.process.child.send_signal(signal.SIGCONT)
    # What Redis was told it does, once: the settlements, and the one of the request that passed.
    both(limits, user, (STREAMS + 1) * USED)
    assert ask(gateway, "closed", user).status_code == 200
    both(limits, user, (STREAMS + 2) * USED)


def test_limits_and_routes_that_change_while_streams_run(
    gateway: Gateway, limits: RateLimits, provider: Provider, user: str  # noqa: F811
) -> None:
    """Each stream settles as it began, whatever Envoy has been told since."""
    manifests = {path.name: path.read_text() for path in gateway.folder.iterdir()}
    local_before = left(gateway, provider, "closed")
    provider.clear()
    spent_before = 0

    def change(name: str, text: str, visible: Callable[[], bool]) -> None:
        nonlocal spent_before
        with running(gateway, provider, user) as streams:
            until(lambda: (limits.counters().get(spent(user), 0) - spent_before) // STREAMS in RESERVED, True)
            gateway.write(name, text)
            until(visible, True)
            assert all(answer.status_code == 200 for answer in streams.finish())
        spent_before += STREAMS * USED
        both(limits, user, spent_before)

    def head(route: str) -> httpx.Response:
        provider.then(reply({"object": "list", "data": []}))
        return httpx.get(f"{gateway.base}/{route}/v1/models", headers={"x-user": user}, timeout=20)

    def restore(name: str, visible: Callable[[], bool]) -> None:
        gateway.write(name, manifests[name])
        until(visible, True)
        provider.clear()

    def known(text: str) -> Callable[[], bool]:
        return lambda: text in gateway.admin("/config_dump")

    def status(route: str) -> int:
        return head(route).status_code

    nothing = m.dump(limit("other", "open", local=[bucket(77)]))
    change("limits.yaml", nothing, lambda: "x-ratelimit-limit" not in head("closed").headers)
    restore("limits.yaml", lambda: "x-ratelimit-limit" in head("closed").headers)
    change("limits.yaml", manifests["limits.yaml"].replace("99999", "123456"), known("123456"))
    restore("limits.yaml", lambda: not known("123456")())
    change("routes.yaml", m.dump(m.route("other", m.rule("openai", path="/other"))), lambda: status("closed") == 404)
    restore("routes.yaml", lambda: status("closed") == 200)
    # The listener goes, and comes back: what runs on it is not cut off.
    change("gateway.yaml", manifests["gateway.yaml"].replace("kind: Gateway\n", "kind: Gatewoy\n"), lambda: not connects(gateway))
    restore("gateway.yaml", lambda: connects(gateway) and status("closed") == 200)
    wait_left(gateway, provider, "closed", local_before - 4 * STREAMS * USED)


def connects(gateway: Gateway) -> bool:
    try:
        socket.create_connection(("127.0.0.1", gateway.port), timeout=5).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_no_more_than_was_reserved_stays_of_what_runs_when_envoy_ends(
    gateway: Gateway, limits: RateLimits, provider: Provider, user: str, how: str  # noqa: F811
) -> None:
    with running(gateway, provider, user) as streams:
        taken = reserved(limits, user)
        if how == "stopped":
            gateway.stop()
        else:
            os.kill(gateway.envoy_pid(), signal.SIGKILL)
        for result in streams.results:
            with pytest.raises(httpx.HTTPError):
                result.result(30)
        if how == "stopped":
            gateway.start()
    # An Envoy that is stopped may still have told the service of some what had been generated for them.
    stays = limits.counters()[spent(user)]
    assert stays == taken if how == "killed" else 0 < stays <= taken
    until(lambda: connects(gateway) and ask(gateway, "closed", user).status_code, 200)
    both(limits, user, stays + USED)
    # The buckets of Envoy are full again.
    provider.clear()
    assert left(gateway, provider, "closed") == 100_000 - USED
