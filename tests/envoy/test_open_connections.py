"""Connections that are open when a listener gets its first policy: one more request each, and nothing that runs is lost."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import hpack
import httpx
import pytest

import answers
import dialects
import event_stream
import manifests as m
from issuer import Issuer
from limits import bucket, limit, until
from provider import Provider, stream
from weir import Gateway

PATH = f"/guarded{dialects.PATHS['openai']}"
BODY = json.dumps(dialects.request("openai")).encode()

CONNECTIONS = 4

# Seconds for one answer.
WITHIN = 20

LOGIN = Issuer("https://login.test")
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "clients"}, "stringData": {"ann": "sk-ann"}}
POLICIES = {
    "tokens": [
        m.policy("new", "HTTPRoute", "guarded", traffic={"jwtAuthentication": {"providers": [LOGIN.provider()]}})
    ],
    "keys": [
        m.policy("new", "HTTPRoute", "guarded", traffic={"apiKeyAuthentication": {"secretRef": {"name": "clients"}}}),
        SECRET,
    ],
    "limit": [limit("new", "guarded", local=[bucket(1, "requests")])],
}
REFUSED = {"tokens": 401, "keys": 401, "limit": 429}


class Http1:
    """A client that keeps its connection until it is told to close it, and then opens another one."""

    def __init__(self, gateway: Gateway) -> None:
        self.opened = 0
        self._port = gateway.port
        self._open()

    def _open(self) -> None:
        self._connection = HTTPConnection("127.0.0.1", self._port, timeout=WITHIN)
        self._connection.connect()
        # What was closed without a word is an error.
        self._connection.auto_open = 0
        self._told = False
        self.opened += 1

    def ask(self) -> int:
        if self._told:
            self._connection.close()
            self._open()
        self._connection.request("POST", PATH, BODY, {"content-type": "application/json"})
        answer = self._connection.getresponse()
        answer.read()
        self._told = answer.getheader("connection") == "close"
        return answer.status

    def insist(self) -> int | None:
        """The status of a request on a connection that is to be closed; `None` when there is no answer."""
        assert self._told
        self._told = False
        try:
            return self.ask()
        except (OSError, HTTPException):
            return None

    def close(self) -> None:
        self._connection.close()


class Http2:
    """The same over HTTP/2, where GOAWAY says that a connection takes no more requests. (The `h2` package takes it for
    the end of those that run.)"""

    def __init__(self, gateway: Gateway) -> None:
        self.opened = 0
        self._port = gateway.port
        self._open()

    def _open(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=WITHIN)
        self._bytes = self._socket.makefile("rb")
        self._encoder, self._decoder = hpack.Encoder(), hpack.Decoder()
        self._stream, self._told = -1, False
        self._socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b""))
        self.opened += 1

    def ask(self) -> int:
        if self._told:
            self.close()
            self._open()
        status = self._ask()
        assert status, "the connection ended without a word"
        return status

    def _ask(self) -> int | None:
        self._stream += 2
        pseudo = {":method": "POST", ":scheme": "http", ":authority": "gateway", ":path": PATH}
        block = self._encoder.encode([*pseudo.items(), ("content-type", "application/json")])
        self._socket.sendall(frame(1, 4, self._stream, block) + frame(0, 1, self._stream, BODY))
        status = 0
        while head := self._bytes.read(9):
            length = int.from_bytes(head[:3])
            kind, flags, of = struct.unpack(">BBI", head[3:])
            payload = self._bytes.read(length)
            if kind == 1:
                status = status or int(dict(self._decoder.decode(payload))[":status"])
            elif kind == 4 and not flags & 1:
                self._socket.sendall(frame(4, 1, 0, b""))
            elif kind == 7:
                self._told = True
            assert kind != 3, f"stream {of} was reset: {payload!r}"
            if kind in (0, 1) and flags & 1 and of == self._stream:
                return status
        return None

    def insist(self) -> int | None:
        assert self._told
        try:
            return self._ask()
        except OSError:
            return None

    def close(self) -> None:
        self._bytes.close()
        self._socket.close()


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame of HTTP/2 (RFC 9113, section 4.1)."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


@pytest.fixture
def gateway(runtime: str, folder: Path, provider: Provider) -> Iterator[Gateway]:
    gateway = Gateway(folder, runtime)
    backend = m.backend("llm", m.provider("openai", provider.port), key="key")
    routes = [m.route(name, m.rule("llm", path=f"/{name}")) for name in ("guarded", "other")]
    objects: list[dict[str, Any]] = [m.gateway_class(), m.gateway(gateway.port), m.secret("key", "sk-provider")]
    gateway.write("gateway.yaml", m.dump(*objects, backend, *routes))
    gateway.start()
    yield gateway
    gateway.stop()


def in_force(gateway: Gateway, policy: str) -> None:
    """Writes a policy, and waits until new connections meet it."""
    gateway.write("policy.yaml", m.dump(*POLICIES[policy]))
    url = f"{gateway.base}{PATH}"
    until(lambda: httpx.post(url, content=BODY, timeout=WITHIN).status_code, REFUSED[policy])


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("client", [Http1, Http2])
def test_one_more_request_passes(gateway: Gateway, client: type[Http1 | Http2], policy: str) -> None:
    clients = [client(gateway) for _ in range(CONNECTIONS)]
    try:
        for one in clients:
            assert ([one.ask(), one.ask()], one.opened) == ([200, 200], 1)
        in_force(gateway, policy)
        for one in clients:
            assert (one.ask(), one.opened) == (200, 1)
            assert (one.ask(), one.opened) == (REFUSED[policy], 2)
    finally:
        for one in clients:
            one.close()


def test_who_does_not_close_is_not_served_on(gateway: Gateway) -> None:
    one = Http1(gateway)
    assert one.ask() == 200
    in_force(gateway, "tokens")
    assert one.ask() == 200
    assert one.insist() is None
    one.close()


def test_what_runs_goes_on(gateway: Gateway, provider: Provider) -> None:
    """A stream, and a request whose headers have come, when the policy does."""
    events = answers.text_stream("openai")
    gate = provider.gate()
    url = f"{gateway.base}/other{dialects.PATHS['openai']}"
    body = dialects.request("openai", stream=True)
    provider.then(stream(events[:3], gate, events[3:]))
    with httpx.Client(timeout=dialects.TIMEOUT) as http, http.stream("POST", url, json=body) as response:
        pieces = response.iter_bytes()
        seen = next(pieces)
        sending = HTTPConnection("127.0.0.1", gateway.port, timeout=WITHIN)
        sending.putrequest("POST", PATH)
        sending.putheader("content-length", str(len(BODY)))
        sending.endheaders()
        in_force(gateway, "tokens")
        sending.send(BODY)
        assert sending.getresponse().status in (200, 401)
        sending.close()
        gate.open()
        seen += b"".join(pieces)
    assert event_stream.read_openai(seen).text == answers.TEXT
    # When this time is over, Envoy cuts what still runs.
    assert json.loads(gateway.admin("/server_info"))["command_line_options"]["drain_time"] == "86400s"
