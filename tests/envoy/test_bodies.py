"""T-10 and T-17: large bodies, and bodies around the configured limit."""

from __future__ import annotations

import base64
import json
import os
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPResponse

import httpx
import pytest

import answers
import dialects
import manifests as m
from dialects import Client
from processes import resident_bytes
from provider import Provider, reply
from weir import Gateway

both = pytest.mark.parametrize("dialect", dialects.DIALECTS)

LIMIT = 1024 * 1024
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def limited(runtime: str, scripted: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose policy allows bodies of 1 MiB."""
    gateway = Gateway(tmp_path_factory.mktemp(f"limited-{runtime}") / "config", runtime)
    gateway.write(
        "all.yaml",
        m.dump(
            m.gateway_class(),
            m.gateway(gateway.port),
            m.secret("key", "k"),
            m.backend("openai", m.provider("openai", scripted.port), key="key"),
            m.backend("anthropic", m.provider("anthropic", scripted.port), key="key"),
            m.route("r", m.rule("openai", path="/openai"), m.rule("anthropic", path="/anthropic")),
            m.body_limit("1Mi"),
        ),
    )
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.fixture
def small(limited: Gateway) -> Iterator[Client]:
    client = Client(limited)
    yield client
    client.close()


def padded(dialect: str, size: int) -> bytes:
    """A good request of exactly `size` bytes."""
    body = json.dumps(dialects.request(dialect, content="")).encode()
    return body.replace(b'"content": ""', b'"content": "' + b"x" * (size - len(body)) + b'"')


def send(client: Client, dialect: str, upstream: str, body: bytes, chunked: bool) -> httpx.Response:
    sent = dialects.headers(dialect) | {"content-type": "application/json"}
    pieces = (body[i : i + 65536] for i in range(0, len(body), 65536))
    return client.http.post(client.url(dialect, upstream), content=pieces if chunked else body, headers=sent)


@pytest.mark.parametrize(
    ("dialect", "upstream"), dialects.PAIRS, ids=[f"{c}-to-{u}" for c, u in dialects.PAIRS]
)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_t17_around_the_limit(
    small: Client, provider: Provider, dialect: str, upstream: str, chunked: bool
) -> None:
    for size in (LIMIT - 1, LIMIT):
        body = padded(dialect, size)
        assert len(body) == size
        assert send(small, dialect, upstream, body, chunked).status_code == 200
    for size in (LIMIT + 1, LIMIT + 70_000, 3 * LIMIT):
        error = dialects.error_of(
            dialect, send(small, dialect, upstream, padded(dialect, size), chunked), 413
        )
        assert str(LIMIT) in error["message"]
    assert len(provider.requests) == 2
    assert send(small, dialect, upstream, padded(dialect, 1000), chunked).status_code == 200


@both
@pytest.mark.parametrize("size", [0, 1])
def test_t17_almost_nothing(small: Client, provider: Provider, dialect: str, size: int) -> None:
    for chunked in (False, True):
        dialects.error_of(dialect, send(small, dialect, "openai", b"x" * size, chunked), 400)
    assert provider.requests == []


@both
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_t17_fifty_megabytes(
    small: Client, client: Client, provider: Provider, dialect: str, chunked: bool
) -> None:
    """Over every limit: refused while it is still being sent, and the gateway goes on."""
    body = padded(dialect, 50 * MEGABYTE)
    for gateway in (small, client):
        response = send_and_listen(gateway, dialect, body, chunked)
        dialects.error_of(dialect, response, 413)
        assert gateway.ask(dialect, "anthropic").status_code == 200


def send_and_listen(client: Client, dialect: str, body: bytes, chunked: bool) -> httpx.Response:
    """Sends a request and reads the answer at the same time: it may come, and the connection close, before
    everything is sent."""
    length = "transfer-encoding: chunked" if chunked else f"content-length: {len(body)}"
    head = f"POST /anthropic{dialects.PATHS[dialect]} HTTP/1.1\r\nhost: gateway\r\n{length}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", client.gateway.port), timeout=20) as connection:

        def write() -> None:
            try:
                connection.sendall(head.encode())
                for at in range(0, len(body), MEGABYTE):
                    piece = body[at : at + MEGABYTE]
                    connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
                connection.sendall(b"0\r\n\r\n" if chunked else b"")
            except OSError:
                # The gateway has heard enough.
                pass

        writer = threading.Thread(target=write)
        writer.start()
        answer = HTTPResponse(connection)
        answer.begin()
        content = answer.read()
        connection.shutdown(socket.SHUT_RDWR)
        writer.join(20)
    return httpx.Response(answer.status, headers=answer.getheaders(), content=content)


@both
def test_t10_twenty_megabytes_of_image(client: Client, provider: Provider, dialect: str) -> None:
    """A large image passes and is translated; memory stays within bounds."""
    image = base64.b64encode(os.urandom(15 * MEGABYTE)).decode()
    assert len(image) >= 20 * MEGABYTE
    text = {"type": "text", "text": "What is this?"}
    content = {
        "openai": [text, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}}],
        "anthropic": [
            text,
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": image}},
        ],
    }[dialect]
    pid = client.gateway.envoy_pid()
    before = resident_bytes(pid)
    for _ in range(3):
        for upstream in dialects.DIALECTS:
            assert client.ask(dialect, upstream, content=content).status_code == 200
            assert image in provider.last.body.decode()
    grown = resident_bytes(pid) - before
    assert grown < 400 * MEGABYTE, f"Envoy grew by {grown / MEGABYTE:.0f} MiB"


@both
def test_t17_large_answers(client: Client, provider: Provider, dialect: str) -> None:
    """An answer larger than Envoy's buffers is translated all the same."""
    for upstream in dialects.DIALECTS:
        text = "ü" * (3 * MEGABYTE)
        provider.then(reply(answers.text(upstream, text)))
        assert dialects.read(dialect, client.ask(dialect, upstream)).text == text


@both
def test_t17_answers_over_the_limit(client: Client, provider: Provider, dialect: str) -> None:
    """An answer too large to hold passes where it need not be changed, and is an error where it must."""
    text = "x" * (33 * MEGABYTE)
    for upstream in dialects.DIALECTS:
        provider.then(reply(answers.text(upstream, text)))
        response = client.ask(dialect, upstream)
        if dialect == upstream:
            assert dialects.read(dialect, response).text == text
        else:
            dialects.error_of(dialect, response, 502)
