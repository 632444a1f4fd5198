"""What gets past guards that look at one field, event or language at a time: nothing of it may leave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import answers
import dialects
import gemini_answers
import manifests as m
from conftest import providers, stored_keys
from provider import Provider, reply, stream
from weir import Gateway

NUMBER = "123-45-6789"
EVERYTHING = ["SystemPrompt", "Messages", "ToolInput", "ToolOutput", "Reasoning"]


@pytest.fixture(scope="session")
def guarded(
    runtime: str, scripted: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A backend of each provider that masks in requests and answers."""
    gateway = Gateway(tmp_path_factory.mktemp(f"texts-{runtime}") / "config", runtime)
    gateway.write("gateway.yaml", m.dump(m.gateway_class(), m.gateway(gateway.port)))
    gateway.write("keys.yaml", m.dump(*stored_keys()))
    mask = {"name": "pii", "regex": {"action": "Mask", "builtins": ["Ssn"]}}
    guards = {"request": [mask | {"scope": EVERYTHING}], "response": [mask]}
    backends = [
        m.backend(name, entry, key=key, ai={"promptGuard": guards})
        for name, entry, key in providers(scripted.port)
    ]
    names = [backend["metadata"]["name"] for backend in backends]
    gateway.write("backends.yaml", m.dump(*backends))
    gateway.write("routes.yaml", m.dump(*m.routes(names)))
    gateway.start()
    yield gateway
    gateway.stop()


def post(gateway: Gateway, path: str, body: Any, dialect: str = "openai") -> httpx.Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = dialects.headers(dialect) | {"content-type": "application/json"}
    return httpx.post(gateway.base + path, content=data, headers=headers, timeout=dialects.TIMEOUT)


def user(content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}]}


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(character):04x}" for character in text)


CHAT = "/completions/v1/chat/completions"
FILE = {"type": "file", "file": {"name": "f", "content": [{"type": "text", "text": NUMBER}]}}
SAID: dict[str, tuple[str, str, Any]] = {
    "beside Chinese": ("openai", CHAT, user(f"我的号码是{NUMBER}谢谢")),
    "in escapes": ("openai", CHAT, json.dumps(user("x")).replace('"x"', f'"{escaped(NUMBER)}"').encode()),
    "over two parts": (
        "openai",
        CHAT,
        user([{"type": "text", "text": NUMBER[:5]}, {"type": "text", "text": NUMBER[5:]}]),
    ),
    "in documents": ("openai", CHAT, user("a") | {"documents": [{"title": "b", "text": NUMBER}]}),
    "in a file's words": (
        "openai",
        CHAT,
        {"messages": [{"role": "assistant", "content": "a", "annotations": [FILE]}]},
    ),
    "in the field of another API": ("openai", CHAT, user("a") | {"input": NUMBER, "system": NUMBER}),
    "at a path that some servers take for chat": (
        "openai",
        "/openai/v1/chat//completions",
        user(NUMBER),
    ),
    "at a path that is not known": ("openai", "/openai/v1/r%65sponses", user("a") | {"input": NUMBER}),
    "in the other spelling": (
        "gemini",
        "/gemini" + dialects.path("gemini"),
        {
            "contents": [{"role": "user", "parts": [{"text": "a"}]}],
            "systemInstruction": {"parts": [{"text": "b"}]},
            "system_instruction": {"parts": [{"text": NUMBER}]},
        },
    ),
    "in the second value of a result": (
        "bedrock",
        "/bedrock" + dialects.path("bedrock"),
        json.dumps(
            user(
                [{"toolResult": {"toolUseId": "t", "content": [{"json": {"a": 1}}, {"json": {"b": "x"}}]}}]
            )
        )
        .replace('"x"', f'"{escaped(NUMBER)}"')
        .encode(),
    ),
}


@pytest.mark.parametrize("place", SAID)
def test_what_a_request_says(guarded: Gateway, provider: Provider, place: str) -> None:
    dialect, path, body = SAID[place]
    if isinstance(body, dict) and dialect == "openai":
        body = {"model": "m", **body}
    elif isinstance(body, bytes) and dialect == "openai":
        body = b'{"model":"m",' + body[1:]
    response = post(guarded, path, body, dialect)
    assert response.status_code == 200, response.text
    sent = provider.last.body.decode()
    assert "<SSN>" in sent and "6789" not in sent and escaped("6789") not in sent


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish} | more
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
    }


def repeated(text: str) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text}}


def arguments(text: str) -> dict[str, Any]:
    call = {"index": 0, "id": "t", "type": "function", "function": {"name": "f", "arguments": text}}
    return {"tool_calls": [call]}


def gemini(text: str) -> dict[str, Any]:
    return gemini_answers.chunk([{"text": text}], "m", "stop")


def cited() -> list[dict[str, Any]]:
    block = {"type": "text", "text": "", "citations": []}
    citation = {
        "type": "char_location",
        "cited_text": NUMBER,
        "document_index": 0,
        "document_title": None,
        "start_char_index": 0,
        "end_char_index": 11,
    }
    delta = {"type": "citations_delta", "citation": citation}
    return [
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
    ]


ESCAPED = escaped(NUMBER)
STREAMS: dict[str, tuple[str, str, list[dict[str, Any]]]] = {
    "an end with every piece": ("gemini", "gemini", [gemini("No 123-4"), gemini("5-6789.")]),
    "a finish before the end": (
        "openai",
        "completions",
        [chunk({"content": "No 123-4"}, "stop"), chunk({"content": "5-6789."})],
    ),
    "all so far in every event": (
        "openai",
        "completions",
        [
            chunk({"content": "No 123-4"}, **repeated("No 123-4")),
            chunk({"content": "5-6789."}, "stop", **repeated(f"No {NUMBER}.")),
        ],
    ),
    "arguments behind arguments": (
        "openai",
        "completions",
        [chunk(arguments('{}{"a":"' + ESCAPED[:9])), chunk(arguments(ESCAPED[9:] + '"}'), "tool_calls")],
    ),
    "probabilities without a text": (
        "openai",
        "completions",
        [chunk({"content": f"No {NUMBER}"}), chunk({}, "stop", logprobs={"content": [{"token": NUMBER}]})],
    ),
    "a quotation": ("anthropic", "anthropic", cited()),
}


@pytest.mark.parametrize("trick", STREAMS)
def test_what_a_stream_says(guarded: Gateway, provider: Provider, trick: str) -> None:
    dialect, upstream, events = STREAMS[trick]
    if dialect == "anthropic":
        start, *_, ended, over = answers.text_stream("anthropic")
        stop = named({"type": "content_block_stop", "index": 0})
        provider.then(stream(start, [named(event) for event in events], stop, ended, over))
    else:
        done = [b"data: [DONE]\n\n"] if dialect == "openai" else []
        provider.then(stream([b"data: " + json.dumps(event).encode() + b"\n\n" for event in events], done))
    url = f"/{upstream}{dialects.path(dialect, stream=True)}"
    response = post(guarded, url, dialects.request(dialect, stream=True), dialect)
    assert response.status_code == 200, response.text
    got = response.text
    assert "6789" not in got and escaped("6789") not in got
    assert "<SSN>" in got or '"cited_text":""' in got.replace(" ", "")
    if trick == "all so far in every event":
        assert "No <SSN>." in got


def named(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def test_transcripts_are_told_whole_at_the_end(guarded: Gateway, provider: Provider) -> None:
    """The last event repeats all text: with what was masked, masked."""
    events = [
        {"type": "transcript.text.delta", "delta": "It is 123-4"},
        {"type": "transcript.text.delta", "delta": "5-6789."},
        {"type": "transcript.text.done", "text": f"It is {NUMBER}."},
    ]
    provider.then(stream([named(event) for event in events]))
    # Requests for transcripts are uploads, which guards of requests cannot read; this one they can.
    body = {"model": "m", "input": "a", "voice": "b"}
    response = post(guarded, "/openai/v1/audio/speech", body)
    assert "6789" not in response.text and '"text":"It is <SSN>."' in response.text.replace(": ", ":")


def test_a_body_of_many_texts_is_looked_at_once(guarded: Gateway, provider: Provider) -> None:
    """Not once for each of its texts."""
    many = {"model": "m", "messages": [{"role": "user", "content": ["a"] * 400_000 + [NUMBER]}]}
    provider.then(reply(answers.text("openai")))
    assert post(guarded, CHAT, many).status_code == 200
    assert NUMBER not in provider.last.body.decode()
