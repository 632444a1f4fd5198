"""T-10 and T-17: large bodies, and bodies around the configured limit."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPResponse

import httpx
import pytest

import answers
import dialects
import manifests as m
from conftest import providers, stored_keys
from dialects import Client
from processes import resident_bytes
from provider import Provider, reply
from weir import Gateway

every = pytest.mark.parametrize("dialect", dialects.DIALECTS)

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
            *stored_keys(),
            *(m.backend(name, entry, key=key) for name, entry, key in providers(scripted.port)),
            m.route("r", *(m.rule(name, path=f"/{name}") for name, *_ in providers(scripted.port))),
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


def too_large(dialect: str) -> int:
    """Bedrock has no error of its own for it."""
    return 400 if dialect == "bedrock" else 413


def padded(dialect: str, size: int) -> bytes:
    """A good request of exactly `size` bytes."""
    body = json.dumps(dialects.request(dialect, content="?")).encode()
    return body.replace(b"?", b"x" * (size - len(body) + 1))


def send(client: Client, dialect: str, upstream: str, body: bytes, chunked: bool) -> httpx.Response:
    sent = dialects.headers(dialect) | {"content-type": "application/json"}
    pieces = (body[i : i + 65536] for i in range(0, len(body), 65536))
    return client.http.post(client.url(dialect, upstream), content=pieces if chunked else body, headers=sent)


@pytest.mark.parametrize(
    ("dialect", "upstream"),
    [*dialects.FEW_PAIRS, ("openai", "openai"), ("anthropic", "bedrock"), ("gemini", "gemini")],
    ids=dialects.ids(
        [*dialects.FEW_PAIRS, ("openai", "openai"), ("anthropic", "bedrock"), ("gemini", "gemini")]
    ),
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
        response = send(small, dialect, upstream, padded(dialect, size), chunked)
        assert str(LIMIT) in dialects.error_of(dialect, response, too_large(dialect))["message"]
    assert len(provider.requests) == 2
    assert send(small, dialect, upstream, padded(dialect, 1000), chunked).status_code == 200


# Where buffers end: of sockets, of HTTP/2 windows, of Envoy's connections (1 MiB), and what is held by
# default (32 MiB).
EDGES = [16 * 1024, 64 * 1024, MEGABYTE, 2 * MEGABYTE, 32 * MEGABYTE]


@pytest.mark.parametrize("edge", EDGES, ids=[f"{edge // 1024}KiB" for edge in EDGES])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize(
    ("dialect", "upstream"), [("openai", "openai"), ("anthropic", "bedrock")], ids=["passing", "translated"]
)
def test_t17_around_every_buffer(
    client: Client, provider: Provider, dialect: str, upstream: str, chunked: bool, edge: int
) -> None:
    pid = client.gateway.envoy_pid()
    for size in (edge - 1, edge, edge + 1):
        body = padded(dialect, size)
        response = send(client, dialect, upstream, body, chunked)
        if size > 32 * MEGABYTE:
            dialects.error_of(dialect, response, too_large(dialect))
        else:
            assert response.status_code == 200, f"{size}: {response.text}"
            sent = max(re.findall(b"x+", provider.last.body))
            assert sent == max(re.findall(b"x+", body)), f"{size}: not whole"
    assert client.gateway.envoy_pid() == pid, "Envoy was started anew"


@every
@pytest.mark.parametrize("size", [0, 1])
def test_t17_almost_nothing(small: Client, provider: Provider, dialect: str, size: int) -> None:
    for chunked in (False, True):
        dialects.error_of(dialect, send(small, dialect, "openai", b"x" * size, chunked), 400)
    assert provider.requests == []


@every
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_t17_fifty_megabytes(
    small: Client, client: Client, provider: Provider, dialect: str, chunked: bool
) -> None:
    """Over every limit: refused while it is still being sent, and the gateway goes on."""
    body = padded(dialect, 50 * MEGABYTE)
    for gateway in (small, client):
        response = send_and_listen(gateway, dialect, body, chunked)
        dialects.error_of(dialect, response, too_large(dialect))
        assert gateway.ask(dialect, "anthropic").status_code == 200


def send_and_listen(client: Client, dialect: str, body: bytes, chunked: bool) -> httpx.Response:
    """Sends a request and reads the answer at the same time: it may come, and the connection close, before
    everything is sent."""
    length = "transfer-encoding: chunked" if chunked else f"content-length: {len(body)}"
    head = f"POST /anthropic{dialects.path(dialect)} HTTP/1.1\r\nhost: gateway\r\n{length}\r\n\r\n"
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


def image_of(dialect: str, image: str) -> list[dict]:
    """An image with a question, as the content of a turn."""
    text = {"type": "text", "text": "What is this?"}
    url = f"data:image/png;base64,{image}"
    return {
        "openai": [text, {"type": "image_url", "image_url": {"url": url}}],
        "responses": [
            {"type": "input_text", "text": "What is this?"},
            {"type": "input_image", "image_url": url, "detail": "auto"},
        ],
        "anthropic": [
            text,
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": image}},
        ],
        "gemini": [{"text": "What is this?"}, {"inlineData": {"mimeType": "image/png", "data": image}}],
        "bedrock": [{"text": "What is this?"}, {"image": {"format": "png", "source": {"bytes": image}}}],
    }[dialect]


@every
def test_t10_t17_twenty_megabytes_of_image(client: Client, provider: Provider, dialect: str) -> None:
    """A large image passes and is translated; memory stays within bounds."""
    image = base64.b64encode(os.urandom(15 * MEGABYTE)).decode()
    assert len(image) >= 20 * MEGABYTE
    content = image_of(dialect, image)
    pid = client.gateway.envoy_pid()
    before = resident_bytes(pid)
    for upstream in dialects.DIALECTS:
        response = client.ask(dialect, upstream, content=content)
        assert response.status_code == 200, f"{upstream}: {response.text}"
        assert image in provider.last.body.decode()
    grown = resident_bytes(pid) - before
    assert grown < 400 * MEGABYTE, f"Envoy grew by {grown / MEGABYTE:.0f} MiB"


@every
def test_t17_large_answers(client: Client, provider: Provider, dialect: str) -> None:
    """An answer larger than Envoy's buffers is translated all the same."""
    for upstream in dialects.DIALECTS:
        text = "ü" * (3 * MEGABYTE)
        provider.then(reply(answers.text(upstream, text)))
        assert dialects.read(dialect, client.ask(dialect, upstream)).text == text


@every
def test_t17_answers_over_the_limit(client: Client, provider: Provider, dialect: str) -> None:
    """An answer too large to hold passes where it need not be changed, and is an error where it must."""
    text = "x" * (33 * MEGABYTE)
    for upstream in (dialect, dict(dialects.FEW_PAIRS)[dialect]):
        provider.then(reply(answers.text(upstream, text)))
        response = client.ask(dialect, upstream)
        if dialect == upstream:
            assert dialects.read(dialect, response).text == text
        else:
            dialects.error_of(dialect, response, 424 if dialect == "bedrock" else 502)
