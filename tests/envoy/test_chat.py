"""Plain chat across the dialect pairs: what the provider gets, and what the client gets back."""

from __future__ import annotations

import json

import httpx
import pytest

import answers
import dialects
from dialects import PAIRS, Client
from provider import Provider, reply, stream

pairs = pytest.mark.parametrize(("dialect", "upstream"), PAIRS, ids=dialects.ids(PAIRS))
few = pytest.mark.parametrize(
    ("dialect", "upstream"), dialects.FEW_PAIRS, ids=dialects.ids(dialects.FEW_PAIRS)
)
every = pytest.mark.parametrize("dialect", dialects.DIALECTS)
streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])


@pairs
@streamed
def test_text(client: Client, provider: Provider, dialect: str, upstream: str, streamed: bool) -> None:
    answer = dialects.read(dialect, client.ask(dialect, upstream, stream=streamed))
    assert answer.text == answers.TEXT and answer.stop == "stop"
    assert answer.model in (dialects.MODEL, None)
    assert (answer.input_tokens, answer.cached_tokens, answer.output_tokens) == (
        answers.USAGE["input"],
        answers.USAGE["cache_read"],
        answers.USAGE["output"],
    )
    sent = provider.last
    assert sent.path == dialects.upstream_path(dialect, upstream, stream=streamed)
    assert sent.model == dialects.MODEL and sent.streamed == streamed
    assert sent.header("host") == f"127.0.0.1:{provider.port}"


@pairs
@streamed
def test_the_log_knows_the_usage(
    client: Client, provider: Provider, dialect: str, upstream: str, streamed: bool
) -> None:
    model = f"gemini-logged-{dialect}-{upstream}-{streamed}"
    mark = client.gateway.process.mark()
    client.ask(dialect, upstream, model=model, stream=streamed)
    record = client.gateway.wait_record(model, mark)
    assert record["usage"] == answers.USAGE | {"cache_write": 0, "reasoning": 0}
    assert record["outcome"] == "complete" and record["stream"] == streamed and record["status"] == 200
    assert record["provider"] == dialects.provider_name(dialect, upstream)
    assert "estimated" not in record


# Odd spacing, unknown fields, escapes and duplicate-looking numbers survive.
ODD = (
    b' "x_unknown": [1.0, {"\\u00fc": null}],\n"max_tokens":1e2 , "stop_sequences" :[ ],'
    b'"%s":[{"role":"user","%s":[{"text":"Z\\u00fcrich"}]}] }'
)


@every
def test_same_dialect_bodies_pass_byte_for_byte(client: Client, provider: Provider, dialect: str) -> None:
    conversation = {"gemini": (b"contents", b"parts"), "responses": (b"input", b"content")}
    body = b'{ "model" :"gemini-2.5-flash",' + ODD % conversation.get(dialect, (b"messages", b"content"))
    answer = b' {"id":"x","object":"chat.completion","type":"message","odd":1.50,"usage":{}}\n'
    provider.then(reply(answer))
    response = client.ask(dialect, dialect, body)
    assert provider.last.body == body
    assert response.content == answer


@every
def test_same_dialect_streams_pass_byte_for_byte(client: Client, provider: Provider, dialect: str) -> None:
    welcome = [] if dialect == "bedrock" else [b": welcome\n\n"]
    events = [*welcome, *answers.text_stream(dialect)]
    provider.then(stream(events))
    assert client.ask(dialect, dialect, stream=True).content == b"".join(events)


def test_a_stream_of_gemini_without_sse_is_an_array(client: Client, provider: Provider) -> None:
    for upstream in dialects.DIALECTS:
        url = client.url("gemini", upstream, stream=True).removesuffix("?alt=sse")
        for separator in ("", "?alt=json"):
            response = client.http.post(
                url + separator, json=dialects.request("gemini"), headers=dialects.headers("gemini")
            )
            assert response.headers["content-type"].startswith("application/json")
            assert isinstance(response.json(), list) and len(response.json()) > 1
            assert dialects.read("gemini", response).text == answers.TEXT
            assert provider.last.path == dialects.path(upstream, stream=True)


def test_system_and_turns_to_anthropic(client: Client, provider: Provider) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Two"},
        {"role": "user", "content": [{"type": "text", "text": "Three"}, {"type": "text", "text": "Four"}]},
    ]
    client.ask("openai", "anthropic", messages=messages, stop=["END"], temperature=0.5)
    sent = provider.last.json
    system = sent["system"]
    assert (system if isinstance(system, str) else [block["text"] for block in system]) in (
        ["Be brief.", "Be kind."],
        "Be brief.\n\nBe kind.",
        "Be brief.\nBe kind.",
    )
    assert [message["role"] for message in sent["messages"]] == ["user", "assistant", "user"]
    assert texts(sent["messages"][2]) == ["Three", "Four"]
    assert sent["stop_sequences"] == ["END"] and sent["temperature"] == 0.5 and sent["max_tokens"] > 0


def test_system_and_turns_to_openai(client: Client, provider: Provider) -> None:
    messages = [
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": [{"type": "text", "text": "Two"}]},
        {"role": "user", "content": [{"type": "text", "text": "Three"}]},
    ]
    client.ask(
        "anthropic",
        "openai",
        messages=messages,
        system=[{"type": "text", "text": "Be brief."}],
        stop_sequences=["END"],
        max_tokens=77,
    )
    sent = provider.last.json
    assert [(message["role"], message["content"]) for message in sent["messages"]] == [
        ("system", "Be brief."),
        ("user", "One"),
        ("assistant", "Two"),
        ("user", "Three"),
    ]
    assert sent["stop"] in (["END"], "END") and 77 in (
        sent.get("max_tokens"),
        sent.get("max_completion_tokens"),
    )


def texts(message: dict) -> list[str]:
    content = message["content"]
    return (
        [content]
        if isinstance(content, str)
        else [part["text"] for part in content if part["type"] == "text"]
    )


PIXEL = "iVBORw0KGgo="


def test_t10_images_to_anthropic(client: Client, provider: Provider) -> None:
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "high"}},
    ]
    client.ask("openai", "anthropic", content=content)
    blocks = provider.last.json["messages"][0]["content"]
    assert [block.get("source") for block in blocks] == [
        None,
        {"type": "url", "url": "https://example.com/a.png"},
        {"type": "base64", "media_type": "image/png", "data": PIXEL},
    ]


def test_t10_images_to_openai(client: Client, provider: Provider) -> None:
    content = [
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        {"type": "text", "text": "What is this?"},
    ]
    client.ask("anthropic", "openai", content=content)
    parts = provider.last.json["messages"][0]["content"]
    assert [part.get("image_url", {}).get("url") for part in parts] == [
        "https://example.com/a.png",
        f"data:image/png;base64,{PIXEL}",
        None,
    ]


def test_t10_a_url_anthropic_cannot_fetch_is_refused(client: Client, provider: Provider) -> None:
    content = [{"type": "image_url", "image_url": {"url": "gs://bucket/a.png"}}]
    error = dialects.error_of("openai", client.ask("openai", "anthropic", content=content), 400)
    assert error["type"] == "invalid_request_error" and "http" in error["message"]
    assert provider.requests == []
    # A provider of the same dialect may know the scheme.
    assert client.ask("openai", "openai", content=content).status_code == 200


def test_t10_a_file_id_openai_cannot_know_is_refused(client: Client, provider: Provider) -> None:
    content = [{"type": "image", "source": {"type": "file", "file_id": "file_1"}}]
    error = dialects.error_of("anthropic", client.ask("anthropic", "openai", content=content), 400)
    assert error["type"] == "invalid_request_error"
    assert provider.requests == []
    assert client.ask("anthropic", "anthropic", content=content).status_code == 200


@pairs
@streamed
@pytest.mark.parametrize("stop", ["stop", "length"])
def test_stop_reasons(
    client: Client, provider: Provider, dialect: str, upstream: str, streamed: bool, stop: str
) -> None:
    if streamed:
        provider.then(stream(answers.text_stream(upstream, stop=stop)))
    else:
        provider.then(reply(answers.text(upstream, stop=stop)))
    assert dialects.read(dialect, client.ask(dialect, upstream, stream=streamed)).stop == stop


def test_stop_sequence_reaches_the_openai_client_as_stop(client: Client, provider: Provider) -> None:
    provider.then(reply(answers.text("anthropic") | {"stop_reason": "stop_sequence", "stop_sequence": "END"}))
    assert dialects.read("openai", client.ask("openai", "anthropic")).stop == "stop"


@pairs
def test_aliases(client: Client, provider: Provider, dialect: str, upstream: str) -> None:
    backend = dialects.backend(dialect, upstream)
    for asked, sent in (
        ("fast", "gemini-small"),
        ("team-blue", "gemini-large"),
        ("gemini-other", "gemini-other"),
    ):
        client.ask(dialect, f"aliased-{backend}", model=asked)
        assert provider.last.model == sent


@every
def test_model_override(client: Client, provider: Provider, dialect: str) -> None:
    body = json.dumps(dialects.request(dialect, model="what-ever")).encode()
    assert client.ask(dialect, "fixed", body, model="what-ever").status_code == 200
    assert provider.last.json["model"] == "gpt-fixed"
    if dialect in ("openai", "responses"):
        # Only the model's bytes change.
        assert provider.last.body == body.replace(b"what-ever", b"gpt-fixed")


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
@streamed
def test_a_provider_that_speaks_both_is_asked_in_the_clients_dialect(
    client: Client, provider: Provider, dialect: str, streamed: bool
) -> None:
    """A model server behind a Service, found by its EndpointSlice."""
    assert dialects.read(dialect, client.ask(dialect, "own", stream=streamed)).text == answers.TEXT
    assert provider.last.path == dialects.PATHS[dialect]
    assert provider.last.json == dialects.request(dialect, stream=streamed)


def by_model(client: Client, dialect: str, model: str, **more: str):
    sent = dialects.headers(dialect) | {"host": "models.test"} | more
    url = client.gateway.base + dialects.path(dialect, model)
    return client.http.post(url, json=dialects.request(dialect, model=model), headers=sent)


@every
@pytest.mark.parametrize(("model", "upstream"), [("gpt-routed", "openai"), ("claude-routed", "anthropic")])
def test_the_models_name_chooses_the_route(
    client: Client, provider: Provider, dialect: str, model: str, upstream: str
) -> None:
    assert dialects.read(dialect, by_model(client, dialect, model)).model in (model, None)
    own = dialect if (dialect, upstream) == ("responses", "openai") else upstream
    assert provider.last.path == dialects.PATHS[own] and provider.last.model == model
    assert provider.last.header("x-gateway-model-name") is None


@every
def test_a_claimed_model_header_steers_nothing(client: Client, provider: Provider, dialect: str) -> None:
    spoofed = {"x-gateway-model-name": "gpt-routed"}
    by_model(client, dialect, "claude-routed", **spoofed)
    assert provider.last.path == dialects.PATHS["anthropic"]
    assert provider.last.header("x-gateway-model-name") is None
    dialects.error_of(dialect, by_model(client, dialect, "unknown", **spoofed), 404)
    assert len(provider.requests) == 1


@every
def test_an_unknown_model_is_not_found(client: Client, provider: Provider, dialect: str) -> None:
    error = dialects.error_of(dialect, by_model(client, dialect, "unknown-model"), 404)
    assert "unknown-model" in error["message"]
    if dialect in ("openai", "responses"):
        assert error["code"] == "model_not_found"
    else:
        names = {"gemini": "NOT_FOUND", "bedrock": "ResourceNotFoundException"}
        assert error["type"] == names.get(dialect, "not_found_error")
    assert provider.requests == []


def test_an_unknown_path_is_taken_for_chat_completions(client: Client, provider: Provider) -> None:
    response = client.http.post(
        f"{client.gateway.base}/anthropic",
        json=dialects.request("openai"),
        headers=dialects.headers("openai"),
    )
    assert dialects.read("openai", response).text == answers.TEXT
    assert provider.last.path == dialects.PATHS["anthropic"]


@few
def test_an_accept_encoding_of_the_client_stays_here(
    client: Client, provider: Provider, dialect: str, upstream: str
) -> None:
    client.ask(dialect, upstream)
    assert provider.last.header("accept-encoding") is None


@pairs
def test_answers_keep_useful_headers(client: Client, provider: Provider, dialect: str, upstream: str) -> None:
    provider.then(
        reply(answers.text(upstream), headers={"request-id": "req_7", "x-ratelimit-remaining": "3"})
    )
    response = client.ask(dialect, upstream)
    assert response.headers["request-id"] == "req_7" and response.headers["x-ratelimit-remaining"] == "3"


@pairs
def test_t14_streams_are_not_held(client: Client, provider: Provider, dialect: str, upstream: str) -> None:
    """An event reaches the client before the provider sends the next one."""
    events = answers.text_stream(upstream, pieces=("first", "second"))
    at = next(place for place, event in enumerate(events) if b"first" in event) + 1
    gate = provider.gate()
    provider.then(stream(events[:at], gate, events[at:]))
    body = dialects.request(dialect, stream=True)
    url = client.url(dialect, upstream, stream=True)
    with client.http.stream("POST", url, json=body, headers=dialects.headers(dialect)) as response:
        seen = b""
        for piece in response.iter_raw():
            seen += piece
            if b"first" in seen and b"second" not in seen:
                gate.open()
    whole = httpx.Response(200, headers=response.headers, content=seen)
    assert dialects.read(dialect, whole).text == "firstsecond"
