"""Plain chat across the dialect pairs: what the provider gets, and what the client gets back."""

from __future__ import annotations

import json

import pytest

import answers
import dialects
from dialects import PAIRS, Client
from provider import Provider, reply, stream

pairs = pytest.mark.parametrize(("dialect", "upstream"), PAIRS, ids=[f"{c}-to-{u}" for c, u in PAIRS])
both = pytest.mark.parametrize("dialect", dialects.DIALECTS)
streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])


@pairs
@streamed
def test_text(client: Client, provider: Provider, dialect: str, upstream: str, streamed: bool) -> None:
    answer = dialects.read(dialect, client.ask(dialect, upstream, model="m", stream=streamed))
    assert answer.text == answers.TEXT and answer.stop == "stop" and answer.model == "m"
    assert (answer.input_tokens, answer.cached_tokens, answer.output_tokens) == (
        answers.USAGE["input"],
        answers.USAGE["cache_read"],
        answers.USAGE["output"],
    )
    sent = provider.last
    assert sent.path == dialects.PATHS[upstream]
    assert sent.json["model"] == "m" and bool(sent.json.get("stream")) == streamed
    assert sent.header("host") == f"127.0.0.1:{provider.port}"


@pairs
@streamed
def test_the_log_knows_the_usage(
    client: Client, provider: Provider, dialect: str, upstream: str, streamed: bool
) -> None:
    model = f"logged-{dialect}-{upstream}-{streamed}"
    mark = client.gateway.process.mark()
    client.ask(dialect, upstream, model=model, stream=streamed)
    record = client.gateway.wait_record(model, mark)
    assert record["usage"] == answers.USAGE | {"cache_write": 0, "reasoning": 0}
    assert record["outcome"] == "complete" and record["stream"] == streamed and record["status"] == 200
    assert record["provider"] == upstream


@both
def test_same_dialect_bodies_pass_byte_for_byte(client: Client, provider: Provider, dialect: str) -> None:
    # Odd spacing, unknown fields, escapes and duplicate-looking numbers survive.
    body = (
        b'{ "model" :"m","max_tokens":1e2, "x_unknown": [1.0, {"\\u00fc": null}],\n'
        b'"messages":[{"role":"user","content":"Z\\u00fcrich"}] }'
    )
    answer = b' {"id":"x","object":"chat.completion","type":"message","odd":1.50,"usage":{}}\n'
    provider.then(reply(answer))
    response = client.ask(dialect, dialect, body)
    assert provider.last.body == body
    assert response.content == answer


@both
def test_same_dialect_streams_pass_byte_for_byte(client: Client, provider: Provider, dialect: str) -> None:
    events = [b": welcome\n\n", *answers.text_stream(dialect)]
    provider.then(stream(events))
    assert client.ask(dialect, dialect, stream=True).content == b"".join(events)


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


STOPS = [("stop", "end_turn"), ("length", "max_tokens")]


@pairs
@streamed
@pytest.mark.parametrize(("openai_stop", "anthropic_stop"), STOPS, ids=[stop for stop, _ in STOPS])
def test_stop_reasons(
    client: Client,
    provider: Provider,
    dialect: str,
    upstream: str,
    streamed: bool,
    openai_stop: str,
    anthropic_stop: str,
) -> None:
    stop = openai_stop if upstream == "openai" else anthropic_stop
    if streamed:
        provider.then(stream(answers.text_stream(upstream, stop=stop)))
    else:
        provider.then(reply(answers.text(upstream, stop=stop)))
    assert dialects.read(dialect, client.ask(dialect, upstream, stream=streamed)).stop == openai_stop


def test_stop_sequence_reaches_the_openai_client_as_stop(client: Client, provider: Provider) -> None:
    provider.then(reply(answers.text("anthropic", stop="stop_sequence") | {"stop_sequence": "END"}))
    assert dialects.read("openai", client.ask("openai", "anthropic")).stop == "stop"


@pairs
def test_aliases(client: Client, provider: Provider, dialect: str, upstream: str) -> None:
    for asked, sent in (("fast", "provider-small"), ("team-blue", "provider-large"), ("other", "other")):
        client.ask(dialect, f"aliased-{upstream}", model=asked)
        assert provider.last.json["model"] == sent


@both
def test_model_override(client: Client, provider: Provider, dialect: str) -> None:
    body = b'{"messages":[{"role":"user","content":"Hi"}],"max_tokens":5,"model":"what-ever"}'
    assert client.ask(dialect, "fixed", body).status_code == 200
    assert provider.last.json["model"] == "gpt-fixed"
    if dialect == "openai":
        # Only the model's bytes change.
        assert provider.last.body == body.replace(b"what-ever", b"gpt-fixed")


@both
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
    url = client.gateway.base + dialects.PATHS[dialect]
    return client.http.post(url, json=dialects.request(dialect, model=model), headers=sent)


@both
@pytest.mark.parametrize(("model", "upstream"), [("gpt-routed", "openai"), ("claude-routed", "anthropic")])
def test_the_models_name_chooses_the_route(
    client: Client, provider: Provider, dialect: str, model: str, upstream: str
) -> None:
    assert dialects.read(dialect, by_model(client, dialect, model)).model == model
    assert provider.last.path == dialects.PATHS[upstream]
    assert provider.last.header("x-gateway-model-name") is None


@both
def test_a_claimed_model_header_steers_nothing(client: Client, provider: Provider, dialect: str) -> None:
    spoofed = {"x-gateway-model-name": "gpt-routed"}
    by_model(client, dialect, "claude-routed", **spoofed)
    assert provider.last.path == dialects.PATHS["anthropic"]
    assert provider.last.header("x-gateway-model-name") is None
    dialects.error_of(dialect, by_model(client, dialect, "unknown", **spoofed), 404)
    assert len(provider.requests) == 1


@both
def test_an_unknown_model_is_not_found(client: Client, provider: Provider, dialect: str) -> None:
    error = dialects.error_of(dialect, by_model(client, dialect, "unknown-model"), 404)
    assert "unknown-model" in error["message"]
    if dialect == "openai":
        assert error["code"] == "model_not_found"
    else:
        assert error["type"] == "not_found_error"
    assert provider.requests == []


def test_an_unknown_path_is_taken_for_chat_completions(client: Client, provider: Provider) -> None:
    response = client.http.post(
        f"{client.gateway.base}/anthropic",
        json=dialects.request("openai"),
        headers=dialects.headers("openai"),
    )
    assert dialects.read("openai", response).text == answers.TEXT
    assert provider.last.path == dialects.PATHS["anthropic"]


def test_an_accept_encoding_of_the_client_stays_here(client: Client, provider: Provider) -> None:
    client.ask("openai", "anthropic")
    assert provider.last.header("accept-encoding") is None


@pairs
def test_answers_keep_useful_headers(client: Client, provider: Provider, dialect: str, upstream: str) -> None:
    provider.then(
        reply(answers.text(upstream), headers={"request-id": "req_7", "x-ratelimit-remaining": "3"})
    )
    response = client.ask(dialect, upstream)
    assert response.headers["request-id"] == "req_7" and response.headers["x-ratelimit-remaining"] == "3"


def test_streams_are_not_held(client: Client, provider: Provider) -> None:
    """T-14: an event reaches the client before the provider sends the next one."""
    events = answers.text_stream("anthropic", pieces=("first", "second"))
    at = next(place for place, event in enumerate(events) if b"first" in event) + 1
    gate = provider.gate()
    provider.then(stream(events[:at], gate, events[at:]))
    body = dialects.request("openai", stream=True)
    with client.http.stream("POST", client.url("openai", "anthropic"), json=body) as response:
        seen = b""
        for piece in response.iter_bytes():
            seen += piece
            if b"first" in seen and b"second" not in seen:
                gate.open()
    chunks = [json.loads(line[6:]) for line in seen.split(b"\n") if line.startswith(b"data: {")]
    assert (
        "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])
        == "firstsecond"
    )
