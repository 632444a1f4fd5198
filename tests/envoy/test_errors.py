"""T-08 and the rest of what goes wrong at a provider: an answer in the caller's dialect, never a hang."""

from __future__ import annotations

import json

import httpx
import pytest

import answers
import aws_event_stream
import bedrock_answers
import dialects
import gemini_answers
from dialects import PAIRS, Client
from provider import Provider, Script, hang_up, reply, stream

pairs = pytest.mark.parametrize(("dialect", "upstream"), PAIRS, ids=dialects.ids(PAIRS))
# Every pair is met where it matters which it is; elsewhere each client and each provider once, and one of the
# same.
few = pytest.mark.parametrize(
    ("dialect", "upstream"),
    [*dialects.FEW_PAIRS, ("anthropic", "anthropic"), ("bedrock", "bedrock")],
    ids=dialects.ids([*dialects.FEW_PAIRS, ("anthropic", "anthropic"), ("bedrock", "bedrock")]),
)
every = pytest.mark.parametrize("dialect", dialects.DIALECTS)
streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])

STATUSES = [400, 401, 403, 404, 413, 429, 500, 503, 529]

# What each dialect calls an error of the statuses above. OpenAI's types are few; its codes say the rest.
OPENAI_TYPES = {
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
}
BEDROCK_TYPES = bedrock_answers.ERRORS | {413: "ValidationException", 529: "ServiceUnavailableException"}

# Bedrock has one status for each of its errors.
BEDROCK_STATUSES = {401: 403, 413: 400, 529: 503}


@pairs
@streamed
@pytest.mark.parametrize("status", STATUSES)
def test_t08_errors_keep_status_and_kind(
    client: Client, provider: Provider, dialect: str, upstream: str, streamed: bool, status: int
) -> None:
    body = answers.error(upstream, status, "The provider says no.")
    headers = answers.error_headers(upstream, status) | {"retry-after": "7"}
    # Retries of one provider's overload, if any, end the same.
    provider.then(*[reply(body, status, headers=headers)] * 3)
    response = client.ask(dialect, upstream, stream=streamed)
    error = dialects.error_of(dialect, response, response.status_code)
    assert "The provider says no." in error["message"]
    assert response.headers["retry-after"] == "7"
    if dialect == upstream:
        assert response.json() == body and response.status_code == status
        return
    if dialect == "bedrock":
        assert response.status_code == BEDROCK_STATUSES.get(status, status)
    elif status in (503, 529):
        # 529 is Anthropic's word for it.
        assert response.status_code in (503, 529)
    else:
        assert response.status_code == status
    if dialect in ("openai", "responses"):
        assert error["type"] in OPENAI_TYPES
    else:
        # OpenAI and Bedrock do not tell a body too large from other wrong requests, nor Google 529 from
        # others.
        types = {
            "anthropic": answers.ANTHROPIC_ERRORS,
            "gemini": gemini_answers.ERRORS,
            "bedrock": BEDROCK_TYPES,
        }[dialect]
        alternatives = {types[status]}
        if status == 413:
            alternatives.add(types[400])
        if status == 529:
            alternatives |= {types[500], types[503]}
        assert error["type"] in alternatives


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
        assert "insufficient_quota" in json.dumps(error), dialect


@few
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
    if dialect == "bedrock":
        # Its statuses are those of its errors: 502 is none of them.
        status = {502: response.status_code}.get(status, status)
        assert response.status_code in (status, 424, 500)
    dialects.error_of(dialect, response, status)
    assert response.headers["retry-after"] == "7"
    assert "internal-lb-7" not in response.text and "secret-of-a-proxy" not in response.text


@pairs
def test_t08_an_error_event_ends_the_stream(
    client: Client, provider: Provider, dialect: str, upstream: str
) -> None:
    events = answers.text_stream(upstream)
    provider.then(stream(events[:2], answers.error_event(upstream, 529, "Halfway.", 2)))
    response = client.ask(dialect, upstream, stream=True)
    assert "Halfway." in dialects.stream_error_of(dialect, response)["message"]


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


@few
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
    # Bedrock has a status of its own for it.
    assert 500 <= response.status_code < 600 or (dialect, response.status_code) == ("bedrock", 424)
    dialects.error_of(dialect, response, response.status_code)
    assert "internal-lb-7" not in response.text


@pairs
@pytest.mark.parametrize("end", ["complete", "close", "reset"])
def test_a_truncated_stream_ends_in_an_error(
    client: Client, provider: Provider, dialect: str, upstream: str, end: str
) -> None:
    """The provider's stream stops in the middle: an error event says so, or a connection that breaks."""
    events = answers.text_stream(upstream)
    provider.then(stream(events[: len(events) // 2], end=end))
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
    if upstream == "bedrock":
        broken = aws_event_stream.frame(b"{broken", bedrock_headers("contentBlockDelta"))
    else:
        broken = b"event: content_block_delta\ndata: {broken\n\n"
    provider.then(stream(events[:2], broken, events[2:]))
    response = client.ask(dialect, upstream, stream=True)
    if dialect == upstream:
        # Not ours to mend: the bytes pass.
        assert broken in response.content
    else:
        dialects.stream_error_of(dialect, response)


def bedrock_headers(event: str) -> dict[str, str]:
    return {":event-type": event, ":content-type": "application/json", ":message-type": "event"}


# A stream of Gemini ends with its body; only its own clients see the end before that.
CLOSING = [(client, upstream) for client, upstream in PAIRS if upstream != "gemini" or client == "gemini"]


@pytest.mark.parametrize(("dialect", "upstream"), CLOSING, ids=dialects.ids(CLOSING))
def test_a_provider_that_never_closes(
    client: Client, provider: Provider, dialect: str, upstream: str
) -> None:
    """The answer is complete though the connection stays open: the client has all of it."""
    ends = {
        "openai": b"data: [DONE]\n\n",
        "responses": b"event: response.completed\n",
        "anthropic": b"event: message_stop\n",
        "gemini": b'"finishReason"',
        "bedrock": b"metadata",
    }
    provider.then(stream(answers.text_stream(upstream), end="open"))
    body = dialects.request(dialect, stream=True)
    seen = b""
    url = client.url(dialect, upstream, stream=True)
    with client.http.stream("POST", url, json=body, headers=dialects.headers(dialect)) as response:
        for piece in response.iter_raw():
            seen += piece
            if ends[dialect] in seen:
                break
    assert b"rich!" in seen
    assert provider.last.abandoned.wait(5), "the provider's connection is let go with the client's"


@every
def test_a_refused_connection(client: Client, dialect: str) -> None:
    for upstream in dialects.DIALECTS:
        response = client.ask(dialect, f"refused-{dialects.backend(dialect, upstream)}")
        # Bedrock has a status of its own for a model that failed.
        assert response.status_code in (424, 502, 503, 529)
        dialects.error_of(dialect, response, response.status_code)


@every
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"Hello",
        b"[]",
        b"null",
        b'{"messages":[],"contents":[],"model":7}',
        b'{"messages":[],"contents":[],"stream":"yes","model":"m"}',
    ],
)
def test_bodies_that_are_no_request(client: Client, provider: Provider, dialect: str, body: bytes) -> None:
    for upstream in dialects.DIALECTS:
        if dialect in ("gemini", "bedrock") and body.startswith(b'{"messages"') and upstream == dialect:
            # They have model and stream in the path: for its own dialect the provider judges the body.
            continue
        error = dialects.error_of(dialect, client.ask(dialect, upstream, body), 400)
        assert error["type"] == dialects.invalid(dialect)
    assert provider.requests == []


@pytest.mark.parametrize("dialect", ["openai", "responses", "anthropic"])
@pytest.mark.parametrize("body", [b'{"messages":[],"input":""}', b'{"model":"","messages":[],"input":""}'])
def test_bodies_without_a_model(client: Client, provider: Provider, dialect: str, body: bytes) -> None:
    for upstream in dialects.DIALECTS:
        error = dialects.error_of(dialect, client.ask(dialect, upstream, body), 400)
        assert error["type"] == "invalid_request_error" and "model" in error["message"]
    assert provider.requests == []


@every
def test_bytes_that_are_no_text(client: Client, provider: Provider, dialect: str) -> None:
    """What has to be translated has to be read; for its own dialect the provider judges."""
    body = json.dumps(dialects.request(dialect, content="?")).encode().replace(b"?", b"\xff")
    other = dict(dialects.FEW_PAIRS)[dialect]
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
    error = dialects.error_of("openai", client.ask("openai", "anthropic", **audio), 400)
    assert error["type"] == "invalid_request_error"
    for upstream in ("responses", "anthropic", "gemini", "bedrock"):
        error = dialects.error_of("openai", client.ask("openai", upstream, n=3), 400)
        assert error["type"] == "invalid_request_error" and "n" in error["param"]
    search = {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}
    error = dialects.error_of("anthropic", client.ask("anthropic", "openai", **search), 400)
    assert error["type"] == "invalid_request_error" and "web_search" in error["message"]
    assert provider.requests == []


def test_errors_are_logged_without_bodies(client: Client, provider: Provider) -> None:
    mark = client.gateway.process.mark()
    provider.then(reply(answers.error("openai", 429, "secret-of-the-body"), 429))
    client.ask("anthropic", "openai", model="gemini-logged-error")
    record = client.gateway.wait_record("gemini-logged-error", mark)
    assert record["outcome"] == "failed" and record["status"] == 429 and "429" in record["error"]
    assert not any("secret-of-the-body" in line for line in client.gateway.process.lines[mark:])
