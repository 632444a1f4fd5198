"""Whatever a request or an answer looks like: a guard sees it, or it does not pass."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import answers
import dialects
import manifests as m
from conftest import stored_keys
from provider import Provider, Script, reply, stream
from weir import Gateway

NUMBER = "123-45-6789"
CHAT = "/v1/chat/completions"
JSON = {"content-type": "application/json"}
EVERYTHING = ["SystemPrompt", "Messages", "ToolInput", "ToolOutput", "Reasoning"]


@pytest.fixture(scope="module")
def gateway(runtime: str, scripted: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp(f"bodies-{runtime}") / "config", runtime)
    gateway.write("gateway.yaml", m.dump(m.gateway_class(), m.gateway(gateway.port)))
    gateway.write("keys.yaml", m.dump(*stored_keys()))
    rejection = {"statusCode": 422}
    reject = {"name": "in", "scope": EVERYTHING, "response": rejection}
    guards = {
        "request": [reject | {"regex": {"action": "Reject", "builtins": ["Ssn"]}}],
        "response": [{"name": "out", "regex": {"builtins": ["Ssn"]}}],
    }
    entry = m.provider("openai", scripted.port)
    backend = m.backend("guarded", entry, key="openai", ai={"promptGuard": guards})
    gateway.write("backends.yaml", m.dump(backend))
    gateway.write("routes.yaml", m.dump(*m.routes(["guarded"])))
    gateway.start()
    yield gateway
    gateway.stop()


def call(
    gateway: Gateway, method: str, path: str, body: bytes, headers: dict[str, str], http2: bool = False
) -> httpx.Response:
    with httpx.Client(http1=not http2, http2=http2, timeout=dialects.TIMEOUT) as client:
        sent = dialects.headers("openai") | headers
        return client.request(method, f"{gateway.base}/guarded{path}", content=body, headers=sent)


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "m", **fields}).encode()


def said(content: str = NUMBER) -> bytes:
    return body(messages=[{"role": "user", "content": content}])


FORM = {"content-type": "multipart/form-data; boundary=x"}
FILE = (
    b'--x\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n'
    b'--x\r\ncontent-disposition: form-data; name="prompt"\r\n\r\n%b\r\n--x--\r\n' % NUMBER.encode()
)
REQUESTS: dict[str, tuple[str, str, bytes, dict[str, str]]] = {
    "gzip": ("POST", CHAT, gzip.compress(said()), JSON | {"content-encoding": "gzip"}),
    "gzip that is not told": ("POST", CHAT, gzip.compress(said()), JSON),
    "an identity that is told": ("POST", CHAT, said(), JSON | {"content-encoding": "identity"}),
    "UTF-16": ("POST", CHAT, said().decode().encode("utf-16"), JSON),
    "plain text": ("POST", CHAT, said(), {"content-type": "text/plain"}),
    "an upload": ("POST", "/v1/audio/transcriptions", FILE, FORM),
    "files": ("POST", "/v1/files", FILE, FORM),
    "images": ("POST", "/v1/images/generations", body(prompt=NUMBER), JSON),
    "speech": ("POST", "/v1/audio/speech", body(input=NUMBER, voice="a"), JSON),
    "token ids": ("POST", "/v1/embeddings", body(input=[1, 2, 3]), JSON),
    "moderation": ("POST", "/v1/moderations", body(input=NUMBER), JSON),
    "PUT": ("PUT", CHAT, said(), JSON),
    "GET": ("GET", CHAT, said(), JSON),
    "models with a body": ("GET", "/v1/models", said(), JSON),
    "an upgrade": ("GET", "/v1/realtime?model=m", b"", {"connection": "upgrade", "upgrade": "websocket"}),
    "too much": ("POST", CHAT, said("x" * 33_600_000 + f" {NUMBER}"), JSON),
    "much": ("POST", CHAT, said("x" * 5_000_000 + f" {NUMBER}"), JSON),
}


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
@pytest.mark.parametrize("kind", REQUESTS)
def test_no_request_gets_past(gateway: Gateway, provider: Provider, kind: str, http2: bool) -> None:
    method, path, sent, headers = REQUESTS[kind]
    if http2 and kind in ("an upgrade", "too much"):
        pytest.skip("HTTP/2 has no upgrade, and its client stumbles over an early answer")
    response = call(gateway, method, path, sent, headers, http2)
    assert 400 <= response.status_code < 600 and response.json()["error"]["message"]
    assert provider.requests == []


def test_what_is_chunked_is_looked_at(gateway: Gateway, provider: Provider) -> None:
    pieces = (said()[at : at + 9] for at in range(0, len(said()), 9))
    url = f"{gateway.base}/guarded{CHAT}"
    headers = dialects.headers("openai") | JSON
    assert httpx.post(url, content=pieces, headers=headers, timeout=dialects.TIMEOUT).status_code == 422
    assert provider.requests == []


WHOLE = json.dumps(answers.text("openai", NUMBER)).encode()
EVENTS = stream(answers.text_stream("openai", ("No 123-4", "5-6789.")))
ANSWERS: dict[str, Script] = {
    "gzip": reply(gzip.compress(WHOLE), headers={"content-encoding": "gzip"}),
    "gzip that is not told": reply(gzip.compress(WHOLE)),
    "two codings": reply(gzip.compress(WHOLE), headers={"content-encoding": "identity, gzip"}),
    "no type": reply(WHOLE, content_type=None),
    "bytes": reply(WHOLE, content_type="application/octet-stream"),
    "plain text": reply(NUMBER.encode(), content_type="text/plain"),
    "a picture": reply(WHOLE, content_type="image/png"),
    "another success": reply(WHOLE, 206),
    "a redirect": reply(WHOLE, 302, headers={"location": "/"}),
    "events nobody asked for": EVENTS,
    "too much": reply(answers.text("openai", "x" * 33_600_000 + f" {NUMBER}")),
    "much": reply(answers.text("openai", "x" * 5_000_000 + f" {NUMBER}")),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_no_answer_gets_past(gateway: Gateway, provider: Provider, kind: str) -> None:
    provider.then(ANSWERS[kind])
    response = call(gateway, "POST", CHAT, said("Hi"), JSON)
    assert b"6789" not in response.content and response.headers.get("content-encoding") is None
    assert provider.last.header("accept-encoding") is None


def test_models_can_be_listed(gateway: Gateway, provider: Provider) -> None:
    """Their names are nothing that a model says."""
    models = {"object": "list", "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "o"}]}
    provider.then(reply(models))
    response = call(gateway, "GET", "/v1/models", b"", {})
    assert (response.status_code, response.json()) == (200, models)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_all_matches_are_in_the_log(gateway: Gateway, provider: Provider, streamed: bool) -> None:
    model = f"gpt-counted-{streamed}"
    pieces = tuple(f"{number} " for number in (NUMBER, "234-56-7890", "345-67-8901"))
    if streamed:
        provider.then(stream(answers.text_stream("openai", pieces)))
    else:
        provider.then(reply(answers.text("openai", "".join(pieces))))
    start = gateway.process.mark()
    request = body(model=model, messages=[{"role": "user", "content": "Hi"}], stream=streamed)
    assert call(gateway, "POST", CHAT, request, JSON).text.count("<SSN>") == 3
    found = {"guard": "out", "phase": "response", "action": "mask", "matches": 3}
    assert gateway.wait_record(model, start)["guards"] == [found]
