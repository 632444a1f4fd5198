"""What was reserved at a rate limit service comes back when nobody hears its answer: the client has left, or waited too
long."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

import dialects
import manifests as m
from conftest import stored_keys
from limits import USED, at_once, codes, limit, until
from provider import Provider
from ratelimit_server import RateLimits, Redis
from test_limits_global import BUDGETS, PLAIN, ask, descriptor, spent, user  # noqa: F401
from weir import Gateway


class Relay:
    """A connection to a service whose answers can be held back, while what is asked still arrives."""

    def __init__(self, service: int) -> None:
        self._service = service
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._answers = threading.Event()
        self._answers.set()
        self._sockets: list[socket.socket] = [self._listening]
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self) -> None:
        self._answers.clear()

    def release(self) -> None:
        self._answers.set()

    def stop(self) -> None:
        self._answers.set()
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                asking, _ = self._listening.accept()
                service = socket.create_connection(("127.0.0.1", self._service))
                self._sockets += [asking, service]
                threading.Thread(target=self._copy, args=(asking, service, None), daemon=True).start()
                threading.Thread(target=self._copy, args=(service, asking, self._answers), daemon=True).start()

    def _copy(self, source: socket.socket, to: socket.socket, when: threading.Event | None) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if when:
                    when.wait()
                to.sendall(data)
        with suppress(OSError):
            to.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module", params=["memory", "redis"])
def limits(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RateLimits]:
    folder = tmp_path_factory.mktemp("ratelimit")
    (folder / "budgets.yaml").write_text(BUDGETS)
    redis = Redis(folder) if request.param == "redis" else None
    limits = RateLimits(folder, PLAIN, *(redis.options if redis else []))
    yield limits
    limits.stop()
    if redis:
        redis.stop()


@pytest.fixture(scope="module")
def relay(limits: RateLimits) -> Iterator[Relay]:
    relay = Relay(limits.port)
    yield relay
    relay.stop()


@pytest.fixture(scope="module")
def gateway(
    runtime: str, scripted: Provider, relay: Relay, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp(f"left-{runtime}") / "config", runtime)
    service = {"url": f"http://127.0.0.1:{relay.port}", "domain": "budgets"}
    both = service | {"descriptors": [descriptor(), descriptor("team")]}
    reserve = {"enabled": True, "outputTokens": 100}
    gateway.write("gateway.yaml", m.dump(m.gateway_class(), m.gateway(gateway.port), *stored_keys()))
    gateway.write("backends.yaml", m.dump(m.backend("openai", m.provider("openai", scripted.port), key="openai")))
    names = ("closed", "open")
    gateway.write("routes.yaml", m.dump(*[m.route(name, m.rule("openai", path=f"/{name}")) for name in names]))
    policies = [
        limit("closed", "closed", **{"global": both}, reserve=reserve),
        limit("open", "open", **{"global": both | {"failureMode": "FailOpen"}}, reserve=reserve),
    ]
    gateway.write("limits.yaml", m.dump(*policies))
    gateway.start()
    yield gateway
    gateway.stop()


def begin(gateway: Gateway, route: str, user: str) -> socket.socket:  # noqa: F811
    """A request on a connection of its own."""
    body = json.dumps(dialects.request("openai", stream=True)).encode()
    head = f"POST /{route}/v1/chat/completions HTTP/1.1\r\nhost: g\r\nx-user: {user}\r\ncontent-length: {len(body)}\r\n\r\n"
    connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=20)
    connection.sendall(head.encode() + body)
    return connection


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_t26_clients_that_leave_while_the_service_is_asked(
    gateway: Gateway, limits: RateLimits, relay: Relay, provider: Provider, user: str  # noqa: F811
) -> None:
    for route in ("closed", "open"):
        assert ask(gateway, route, user).status_code == 200
    limits.wait_spent(spent(user), 2 * USED)
    relay.hold()
    try:
        waiting = [begin(gateway, route, user) for route in ("closed", "open") * 5]
        until(lambda: limits.counters()[spent(user)] > 2 * USED + 10 * 100, True)
        for count, connection in enumerate(waiting):
            reset(connection) if count % 2 else connection.close()
        # Given back although no answer has come yet, on every limit of the call.
        limits.wait_spent(spent(user), 2 * USED)
        limits.wait_spent(spent(user, key="team"), 2 * USED)
    finally:
        relay.release()
    assert codes(at_once(10, lambda _: ask(gateway, "closed", user))) == {200: 10}
    limits.wait_spent(spent(user), 12 * USED)


def test_t26_a_service_that_counts_and_answers_too_late(
    gateway: Gateway, limits: RateLimits, relay: Relay, provider: Provider, user: str  # noqa: F811
) -> None:
    relay.hold()
    try:
        dialects.error_of("openai", ask(gateway, "closed", user), 500)
        assert provider.requests == []
        limits.wait_spent(spent(user), 0)
        # What passes all the same is charged, as its reservation was made.
        assert ask(gateway, "open", user).status_code == 200
        limits.wait_spent(spent(user), USED)
        limits.wait_spent(spent(user, key="team"), USED)
    finally:
        relay.release()
