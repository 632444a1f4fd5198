"""T-13: a client that goes away takes the provider's work with it, and leaves exactly one line in the log."""

from __future__ import annotations

import json
import socket
import time

import pytest

import answers
import dialects
import gemini_answers
from dialects import PAIRS, Client
from provider import Provider, silent, stream

pairs = pytest.mark.parametrize(("dialect", "upstream"), PAIRS, ids=dialects.ids(PAIRS))

# What users are promised, in seconds; it takes milliseconds.
WITHIN = 1


def begin(client: Client, dialect: str, upstream: str, model: str) -> socket.socket:
    """Sends a streamed request and leaves the answer to be read."""
    body = json.dumps(dialects.request(dialect, model=model, stream=True)).encode()
    head = [
        f"POST /{dialects.backend(dialect, upstream)}{dialects.path(dialect, model, True)} HTTP/1.1",
        "host: gateway",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *(f"{name}: {value}" for name, value in dialects.headers(dialect).items()),
    ]
    connection = socket.create_connection(("127.0.0.1", client.gateway.port), timeout=10)
    connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
    return connection


def read_until(connection: socket.socket, wanted: bytes) -> bytes:
    seen = b""
    while wanted not in seen:
        piece = connection.recv(65536)
        assert piece, f"the answer ended without {wanted!r}: {seen!r}"
        seen += piece
    return seen


def leave(client: Client, provider: Provider, connection: socket.socket, model: str, mark: int) -> dict:
    """Closes the connection; the provider has to notice, and the log to say it once."""
    began = time.monotonic()
    connection.close()
    assert provider.last.abandoned.wait(WITHIN), "the provider goes on for a client that has left"
    print(f"the provider saw the close after {(time.monotonic() - began) * 1000:.0f} ms")
    record = client.gateway.wait_record(model, mark)
    # A request behind it is in the log behind it: then nothing more comes of the first.
    client.ask("openai", "openai", model=f"{model}-after")
    client.gateway.wait_record(f"{model}-after", mark)
    assert len(client.gateway.records(model, mark)) == 1
    return record


@pairs
def test_t13_before_headers(client: Client, provider: Provider, dialect: str, upstream: str) -> None:
    model = f"gemini-left-early-{dialect}-{upstream}"
    mark = client.gateway.process.mark()
    provider.then(silent())
    connection = begin(client, dialect, upstream, model)
    provider.wait_for(1)
    record = leave(client, provider, connection, model, mark)
    assert record.get("usage") is None and record["outcome"] == "partial"


@pairs
def test_t13_at_the_first_token(client: Client, provider: Provider, dialect: str, upstream: str) -> None:
    model = f"gemini-left-soon-{dialect}-{upstream}"
    mark = client.gateway.process.mark()
    events = answers.text_stream(upstream, pieces=("first", "second"))
    at = next(place for place, event in enumerate(events) if b"first" in event) + 1
    provider.then(stream(events[:at], end="open"))
    connection = begin(client, dialect, upstream, model)
    read_until(connection, b"first")
    record = leave(client, provider, connection, model, mark)
    assert record["outcome"] == "partial" and record["stream"] is True
    if upstream == "anthropic":
        # message_start has told the input already.
        assert record["usage"]["input"] == answers.USAGE["input"]
    else:
        # The provider has said nothing yet: what was sent and seen is estimated.
        assert record["estimated"] is True
        assert record["usage"]["input"] > 0 and record["usage"]["output"] > 0


@pairs
def test_t13_mid_stream(client: Client, provider: Provider, dialect: str, upstream: str) -> None:
    """What was used so far stands in the log, by the provider's count where it says it on the way."""
    model = f"gemini-left-midway-{dialect}-{upstream}"
    mark = client.gateway.process.mark()
    if upstream == "openai":
        usage = answers.openai_usage() | {"completion_tokens": 2}
        events = [
            answers.openai_chunk({"content": piece}, model=model, usage=usage)
            for piece in ("first", "second")
        ]
    elif upstream == "gemini":
        usage = gemini_answers.usage() | {"candidatesTokenCount": 2}
        events = [
            gemini_answers.event(gemini_answers.chunk([{"text": piece}], model, usageMetadata=usage))
            for piece in ("first", "second")
        ]
    else:
        events = answers.text_stream(upstream, pieces=("first", "second"), model=model)
        at = next(place for place, event in enumerate(events) if b"second" in event) + 1
        events = events[:at]
    provider.then(stream(events, end="open"))
    connection = begin(client, dialect, upstream, model)
    read_until(connection, b"second")
    record = leave(client, provider, connection, model, mark)
    assert record["outcome"] == "partial"
    if upstream in ("responses", "bedrock"):
        assert record["estimated"] is True and record["usage"]["output"] > 0
    else:
        assert record["usage"]["input"] == answers.USAGE["input"] and record["usage"]["output"] > 0


def test_t13_a_request_that_is_never_finished(client: Client, provider: Provider) -> None:
    """A client that leaves while it sends reaches no provider."""
    head = (
        f"POST /openai{dialects.PATHS['openai']} HTTP/1.1\r\nhost: gateway\r\ncontent-length: 1000\r\n\r\n"
        '{"model":'
    )
    mark = client.gateway.process.mark()
    with socket.create_connection(("127.0.0.1", client.gateway.port), timeout=10) as connection:
        connection.sendall(head.encode())
    client.gateway.process.wait_line("downstream_remote_disconnect", timeout=10, start=mark)
    assert provider.requests == []
    assert client.ask("openai", "openai").status_code == 200
