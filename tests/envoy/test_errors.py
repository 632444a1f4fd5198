"""T-08 and the rest of what goes wrong at a provider: an answer in the caller's dialect, never a hang."""

from __future__ import annotations

import json

import httpx
import pytest

import answers
import dialects
from dialects import PAIRS, Client
from provider import Provider, Script, hang_up, reply, stream

pairs = pytest.mark.parametrize(("dialect", "upstream"), PAIRS, ids=[f"{c}-to-{u}" for c, u in PAIRS])
both = pytest.mark.parametrize("dialect", dialects.DIALECTS)
streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])

# status of the provider -> type in each dialect. OpenAI's types are few; its codes say the rest.
ANTHROPIC_TYPES = answers.ANTHROPIC_ERRORS | {503: "overloaded_error"}
STATUSES = [400, 401, 403, 404, 413, 429, 500, 529]


@pairs
@streamed
@pytest.mark.parametrize("status", STATUSES)
def test_t08_errors_keep_status_and_kind(
    client: Client, provider: Provider, dialect: str, upstream: str, streamed: bool, status: int
) -> None:
    body = answers.error(upstream, status, "The provider says no.")
    provider.then(reply(body, status, headers={"retry-after": "7"}))
    response = client.ask(dialect, upstream, stream=streamed)
    # 529 is Anthropic's own; everyone else says 503.
    if status == 529 and dialect == "openai" and upstream == "anthropic":
        assert response.status_code in (503, 529)
    else:
        assert response.status_code == status
    error = dialects.error_of(dialect, response, response.status_code)
    assert "The provider says no." in error["message"]
    assert response.headers["retry-after"] == "7"
    if dialect == upstream:
        assert response.json() == body
    elif dialect == "anthropic":
        assert error["type"] == ANTHROPIC_TYPES[status]
    else:
        assert error["type"] in (
            "invalid_request_error",
            "authentication_error",
            "permission_error",
            "not_found_error",
            "rate_limit_error",
            "rate_limit_exceeded",
            "server_error",
            "overloaded_error",
            "requests",
            "api_error",
            "insufficient_quota",
        )


def test_t08_used_up_quota_stays_a_429(client: Client, provider: Provider) -> None:
    """It must not become a 500, nor lose the code that tells it from mere haste."""
    body = {
        "error": {
            "message": "You exceeded your current quota.",
            "type": "insufficient_quota",
            "param": None,
            "code": "insufficient_quota",
        }
    }
    for dialect in dialects.DIALECTS:
        provider.then(reply(body, 429))
        error = dialects.error_of(dialect, client.ask(dialect, "openai"), 429)
        assert "insufficient_quota" in json.dumps(error)


@pairs
@pytest.mark.parametrize("status", [400, 429, 500, 502])
@pytest.mark.parametrize(
    "body",
    [answers.HTML, b"", b"upstream connect error", b'{"detail":"secret-of-a-proxy"}'],
    ids=["html", "empty", "text", "json"],
)
def test_t08_foreign_error_bodies(
    client: Client, provider: Provider, dialect: str, upstream: str, status: int, body: bytes
) -> None:
    kind = (
        "text/html"
        if body.startswith(b"<")
        else "application/json"
        if body.startswith(b"{")
        else "text/plain"
    )
    provider.then(reply(body, status, content_type=kind if body else None, headers={"retry-after": "7"}))
    response = client.ask(dialect, upstream)
    dialects.error_of(dialect, response, status)
    assert response.headers["retry-after"] == "7"
    assert "internal-lb-7" not in response.text and "secret-of-a-proxy" not in response.text


@pairs
def test_t08_an_error_event_ends_the_stream(
    client: Client, provider: Provider, dialect: str, upstream: str
) -> None:
    events = answers.text_stream(upstream)
    if upstream == "openai":
        error = answers.openai_event(answers.error("openai", 500, "Halfway."))
        provider.then(stream(events[:2], error))
    else:
        error = answers.anthropic_event(answers.error("anthropic", 529, "Halfway."))
        provider.then(stream(events[:4], error))
    assert (
        "Halfway." in dialects.stream_error_of(dialect, client.ask(dialect, upstream, stream=True))["message"]
    )


# What a provider may send that is no answer at all.
BROKEN: dict[str, Script] = {
    "HTML with status 200": reply(answers.HTML, content_type="text/html"),
    "no JSON": reply(b"Hello!"),
    "half JSON": reply(b'{"id":"x","choices":['),
    "a JSON array": reply(b"[]"),
    "empty": reply(b""),
    "truncated": reply(json.dumps(answers.text("openai")).encode(), content_length=100_000),
    "reset before headers": hang_up("reset"),
    "closed before headers": hang_up("close"),
    "a redirect": reply(b"", 302, headers={"location": "https://example.com/"}),
}


@pairs
@streamed
@pytest.mark.parametrize("name", BROKEN)
def test_broken_answers(
    client: Client, provider: Provider, dialect: str, upstream: str, streamed: bool, name: str
) -> None:
    # A connection that breaks before the answer may be tried again; it breaks again.
    provider.then(*[BROKEN[name]] * 4)
    if name == "truncated":
        # Envoy may have promised a body it cannot deliver: the client sees that at once, or an error.
        try:
            response = client.ask(dialect, upstream, stream=streamed)
        except httpx.RemoteProtocolError:
            return
    else:
        response = client.ask(dialect, upstream, stream=streamed)
    assert 500 <= response.status_code < 600, response.text
    dialects.error_of(dialect, response, response.status_code)
    assert "internal-lb-7" not in response.text


@pairs
@pytest.mark.parametrize("end", ["complete", "close", "reset"])
def test_a_truncated_stream_ends_in_an_error(
    client: Client, provider: Provider, dialect: str, upstream: str, end: str
) -> None:
    """The provider's stream stops in the middle: an error event says so, or a connection that breaks."""
    events = answers.text_stream(upstream)
    provider.then(stream(events[:4], end=end))
    try:
        response = client.ask(dialect, upstream, stream=True)
    except httpx.RemoteProtocolError:
        assert end != "complete", (
            "the provider's stream ended in order: the client must be told why it is incomplete"
        )
        return
    dialects.stream_error_of(dialect, response)


@pairs
def test_malformed_json_in_a_stream(client: Client, provider: Provider, dialect: str, upstream: str) -> None:
    events = answers.text_stream(upstream)
    broken = (
        b"event: content_block_delta\ndata: {broken\n\n" if upstream == "anthropic" else b"data: {broken\n\n"
    )
    provider.then(stream(events[:2], broken, events[2:]))
    response = client.ask(dialect, upstream, stream=True)
    if dialect == upstream:
        # Not ours to mend: the bytes pass.
        assert broken in response.content
    else:
        dialects.stream_error_of(dialect, response)


@pairs
def test_a_provider_that_never_closes(
    client: Client, provider: Provider, dialect: str, upstream: str
) -> None:
    """The answer is complete though the connection stays open: the client has all of it."""
    end = "message_stop" if dialect == "anthropic" else "[DONE]"
    provider.then(stream(answers.text_stream(upstream), end="open"))
    body = dialects.request(dialect, stream=True)
    seen = b""
    with client.http.stream(
        "POST", client.url(dialect, upstream), json=body, headers=dialects.headers(dialect)
    ) as response:
        for piece in response.iter_bytes():
            seen += piece
            if end.encode() in seen and seen.endswith(b"\n\n"):
                break
    assert b"rich!" in seen
    assert provider.last.abandoned.wait(5), "the provider's connection is let go with the client's"


@both
def test_a_refused_connection(client: Client, dialect: str) -> None:
    for upstream in dialects.DIALECTS:
        response = client.ask(dialect, f"refused-{upstream}")
        assert response.status_code in (502, 503, 529)
        dialects.error_of(dialect, response, response.status_code)


@both
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"Hello",
        b"[]",
        b"null",
        b'{"messages":[]}',
        b'{"model":7}',
        b'{"model":""}',
        b'{"model":"m","stream":"yes"}',
    ],
)
def test_bodies_that_are_no_request(client: Client, provider: Provider, dialect: str, body: bytes) -> None:
    for upstream in dialects.DIALECTS:
        error = dialects.error_of(dialect, client.ask(dialect, upstream, body), 400)
        assert error["type"] == "invalid_request_error"
    assert provider.requests == []


@both
def test_bytes_that_are_no_text(client: Client, provider: Provider, dialect: str) -> None:
    """What has to be translated has to be read; for its own dialect the provider judges."""
    other = "anthropic" if dialect == "openai" else "openai"
    body = b'{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"\xff"}]}'
    dialects.error_of(dialect, client.ask(dialect, other, body), 400)
    assert provider.requests == []


def test_what_the_target_cannot_do_is_refused(client: Client, provider: Provider) -> None:
    audio = {
        "messages": [
            {
                "role": "user",
                "content": [{"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}],
            }
        ]
    }
    several = {"n": 3}
    for fields in (audio, several):
        error = dialects.error_of("openai", client.ask("openai", "anthropic", **fields), 400)
        assert error["type"] == "invalid_request_error"
    search = {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}
    error = dialects.error_of("anthropic", client.ask("anthropic", "openai", **search), 400)
    assert error["type"] == "invalid_request_error" and "web_search" in error["message"]
    assert provider.requests == []


def test_errors_are_logged_without_bodies(client: Client, provider: Provider) -> None:
    mark = client.gateway.process.mark()
    provider.then(reply(answers.error("openai", 429, "secret-of-the-body"), 429))
    client.ask("anthropic", "openai", model="logged-error")
    record = client.gateway.wait_record("logged-error", mark)
    assert record["outcome"] == "failed" and record["status"] == 429 and "429" in record["error"]
    assert not any("secret-of-the-body" in line for line in client.gateway.process.lines[mark:])
