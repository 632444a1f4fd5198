"""Both client dialects behind one set of calls, so that a test reads the same for each."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

import answers
import event_stream
from weir import Gateway

DIALECTS = ("openai", "anthropic")

# client dialect, provider dialect
PAIRS = [(client, upstream) for client in DIALECTS for upstream in DIALECTS]

PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}

# What clients send as their own key. It may reach a provider only where nothing else is configured.
CLIENT_KEY = "client-own-key"

# A call that takes longer hangs.
TIMEOUT = httpx.Timeout(20)


def headers(dialect: str, key: str = CLIENT_KEY) -> dict[str, str]:
    if dialect == "openai":
        return {"authorization": f"Bearer {key}"}
    return {"x-api-key": key, "anthropic-version": "2023-06-01"}


def request(
    dialect: str, model: str = "m", content: Any = "Hi", stream: bool = False, **more: Any
) -> dict[str, Any]:
    """A chat request; `messages` and other fields may be given whole."""
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": content}]}
    if dialect == "anthropic":
        body["max_tokens"] = 100
    if stream:
        body["stream"] = True
        if dialect == "openai":
            body["stream_options"] = {"include_usage": True}
    return body | more


@dataclass
class Answer:
    """What a client sees of a good answer, in terms both dialects share."""

    text: str
    calls: list[tuple[str, str, Any]]
    stop: str | None
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    model: str


# stop reasons in OpenAI's words
STOPS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def read(dialect: str, response: httpx.Response) -> Answer:
    """Reads a whole or streamed answer, strictly."""
    assert response.status_code == 200, response.text
    streamed = response.headers["content-type"].startswith("text/event-stream")
    if dialect == "openai":
        return read_openai_stream(response.content) if streamed else read_openai(response.json())
    return read_anthropic_stream(response.content) if streamed else read_anthropic(response.json())


def read_openai(body: dict[str, Any]) -> Answer:
    assert body["object"] == "chat.completion" and body["id"] and isinstance(body["created"], int)
    [choice] = body["choices"]
    message = choice["message"]
    assert message["role"] == "assistant"
    calls = [
        (call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in message.get("tool_calls") or []
    ]
    return Answer(
        message["content"] or "", calls, choice["finish_reason"], *openai_usage(body["usage"]), body["model"]
    )


def openai_usage(usage: dict[str, Any]) -> tuple[int, int, int]:
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return usage["prompt_tokens"] - cached, usage["completion_tokens"], cached


def read_openai_stream(raw: bytes) -> Answer:
    message = event_stream.read_openai(raw)
    assert message.error is None, message.error
    calls = [(call["id"], call["name"], call["arguments"]) for call in message.calls]
    usage = openai_usage(message.usage) if message.usage else (0, 0, 0)
    return Answer(message.text, calls, message.finish, *usage, message.model)


def read_anthropic(body: dict[str, Any]) -> Answer:
    assert body["type"] == "message" and body["role"] == "assistant" and body["id"]
    return anthropic_answer(body["content"], body["stop_reason"], body["usage"], body["model"])


def read_anthropic_stream(raw: bytes) -> Answer:
    message = event_stream.read_anthropic(raw)
    assert message.error is None, message.error
    return anthropic_answer(message.blocks, message.stop_reason, message.usage, message.model)


def anthropic_answer(
    blocks: list[dict[str, Any]], stop: str | None, usage: dict[str, Any], model: str
) -> Answer:
    text = "".join(block["text"] for block in blocks if block["type"] == "text")
    calls = [
        (block["id"], block["name"], answers.compact(block["input"]))
        for block in blocks
        if block["type"] == "tool_use"
    ]
    cached = usage.get("cache_read_input_tokens") or 0
    return Answer(
        text, calls, STOPS.get(stop or "", stop), usage["input_tokens"], usage["output_tokens"], cached, model
    )


def error_of(dialect: str, response: httpx.Response, status: int) -> dict[str, Any]:
    """The error of a failed call, which must have the caller's own shape."""
    assert response.status_code == status, f"{response.status_code}: {response.text}"
    assert response.headers["content-type"].startswith("application/json")
    body = response.json()
    error = body["error"]
    assert isinstance(error["message"], str) and error["message"]
    assert isinstance(error["type"], str) and error["type"]
    if dialect == "openai":
        assert "type" not in body and {"param", "code"} <= error.keys(), body
    else:
        assert body["type"] == "error" and "code" not in error, body
    return error


def stream_error_of(dialect: str, response: httpx.Response) -> dict[str, Any]:
    """The error inside a stream that began well."""
    assert response.status_code == 200
    if dialect == "openai":
        error = event_stream.read_openai(response.content).error
    else:
        error = event_stream.read_anthropic(response.content).error
    assert error is not None, response.text
    return error


class Client:
    """A client of the gateway that sends raw bodies."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.http = httpx.Client(timeout=TIMEOUT)

    def close(self) -> None:
        self.http.close()

    def url(self, dialect: str, backend: str) -> str:
        return f"{self.gateway.base}/{backend}{PATHS[dialect]}"

    def ask(self, dialect: str, backend: str, body: Any = None, /, **fields: Any) -> httpx.Response:
        """Sends a chat request to a backend's route: `body` as it is, or one made of `fields`."""
        if body is None:
            body = request(dialect, **fields)
        if not isinstance(body, bytes):
            return self.http.post(self.url(dialect, backend), json=body, headers=headers(dialect))
        sent = headers(dialect) | {"content-type": "application/json"}
        return self.http.post(self.url(dialect, backend), content=body, headers=sent)

    def tries(self, dialect: str, backend: str, within: float = 10) -> Iterator[httpx.Response]:
        """The same request again and again, for what an edit is to change."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            yield self.ask(dialect, backend)
