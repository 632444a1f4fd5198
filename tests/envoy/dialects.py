"""All client dialects behind one set of calls, so that a test reads the same for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

import answers
import converse_stream
import event_stream
import gemini_stream
import responses_stream
from weir import Gateway

# OpenAI's two, Anthropic's messages, Gemini's generateContent, Bedrock's Converse.
DIALECTS = ("openai", "responses", "anthropic", "gemini", "bedrock")

# client dialect, provider dialect
PAIRS = [(client, upstream) for client in DIALECTS for upstream in DIALECTS]

# Pairs for what is slow or the same everywhere: each dialect once as client and once as provider, none with
# itself.
FEW_PAIRS = [
    ("openai", "anthropic"),
    ("responses", "gemini"),
    ("anthropic", "openai"),
    ("gemini", "bedrock"),
    ("bedrock", "responses"),
]


def ids(pairs: list[tuple[str, str]]) -> list[str]:
    return [f"{client}-to-{upstream}" for client, upstream in pairs]


# Some providers speak two of the dialects. A client that speaks one of them reaches the other at another
# backend: chat completions alone are spoken by a server of one's own, generateContent alone by Vertex AI's
# Gemini models.
BACKENDS = {("responses", "openai"): "completions", ("openai", "gemini"): "vertex"}

# The default model: Vertex AI decides by the name what is spoken, nobody else cares.
MODEL = "gemini-2.5-flash"

# The names of backends' providers in the log.
PROVIDERS = {
    "responses": "custom",
    "completions": "custom",
    "gemini": "gcp.gemini",
    "vertex": "gcp.vertex_ai",
    "bedrock": "aws.bedrock",
}

# Paths, but for the names of models. Gemini's and Bedrock's streams have their own.
PATHS = {
    "openai": "/v1/chat/completions",
    "responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/{}:generateContent",
    "bedrock": "/model/{}/converse",
}
STREAM_PATHS = PATHS | {
    "gemini": "/v1beta/models/{}:streamGenerateContent?alt=sse",
    "bedrock": "/model/{}/converse-stream",
}

# What clients send as their own key. It may reach a provider only where nothing else is configured.
CLIENT_KEY = "client-own-key"

# A call that takes longer hangs.
TIMEOUT = httpx.Timeout(20)


def backend(dialect: str, upstream: str) -> str:
    """The backend at which a client of `dialect` meets the dialect `upstream`."""
    return BACKENDS.get((dialect, upstream), upstream)


def provider_name(dialect: str, upstream: str) -> str:
    """The name of that backend's provider in the log."""
    name = backend(dialect, upstream)
    return PROVIDERS.get(name, name)


def path(dialect: str, model: str = MODEL, stream: bool = False) -> str:
    """Where a client sends a request."""
    return (STREAM_PATHS if stream else PATHS)[dialect].format(quote(model, safe=""))


def upstream_path(dialect: str, upstream: str, model: str = MODEL, stream: bool = False) -> str:
    """Where the provider gets the request of a client."""
    plain = path(upstream, model, stream)
    if backend(dialect, upstream) == "vertex":
        return plain.replace("/v1beta/", "/v1/projects/acme/locations/global/publishers/google/")
    return plain


def headers(dialect: str, key: str = CLIENT_KEY) -> dict[str, str]:
    if dialect == "anthropic":
        return {"x-api-key": key, "anthropic-version": "2023-06-01"}
    if dialect == "gemini":
        return {"x-goog-api-key": key}
    return {"authorization": f"Bearer {key}"}


def turn(dialect: str, content: Any = "Hi") -> dict[str, Any]:
    """What a user says, as the field of a request that holds the conversation."""
    if dialect == "responses":
        return {"input": content if isinstance(content, str) else [{"role": "user", "content": content}]}
    if dialect == "gemini":
        parts = [{"text": content}] if isinstance(content, str) else content
        return {"contents": [{"role": "user", "parts": parts}]}
    if dialect == "bedrock" and isinstance(content, str):
        content = [{"text": content}]
    return {"messages": [{"role": "user", "content": content}]}


def request(
    dialect: str, model: str = MODEL, content: Any = "Hi", stream: bool = False, **more: Any
) -> dict[str, Any]:
    """A chat request; the conversation and other fields may be given whole. Gemini and Bedrock have the model
    and the wish for a stream in the path."""
    body = turn(dialect, content)
    if dialect in ("openai", "responses", "anthropic"):
        body["model"] = model
        if stream:
            body["stream"] = True
    if dialect == "anthropic":
        body["max_tokens"] = 100
    if dialect == "openai" and stream:
        body["stream_options"] = {"include_usage": True}
    return body | more


def tools(dialect: str, *names: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    """The fields of a request that offer tools."""
    schema = schema or {"type": "object", "properties": {}}
    if dialect == "openai":
        form = [{"type": "function", "function": {"name": name, "parameters": schema}} for name in names]
    elif dialect == "responses":
        form = [{"type": "function", "name": name, "parameters": schema, "strict": False} for name in names]
    elif dialect == "anthropic":
        form = [{"name": name, "input_schema": schema} for name in names]
    elif dialect == "gemini":
        declared = [{"name": name, "parametersJsonSchema": schema} for name in names]
        form = [{"functionDeclarations": declared}]
    else:
        specs = [{"toolSpec": {"name": name, "inputSchema": {"json": schema}}} for name in names]
        return {"toolConfig": {"tools": specs}}
    return {"tools": form}


def offered(dialect: str, body: dict[str, Any]) -> list[str]:
    """The names of the tools a request offers."""
    if dialect == "openai":
        return [tool["function"]["name"] for tool in body["tools"]]
    if dialect == "gemini":
        return [f["name"] for tool in body["tools"] for f in tool["functionDeclarations"]]
    if dialect == "bedrock":
        return [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]]
    return [tool["name"] for tool in body["tools"]]


@dataclass
class Answer:
    """What a client sees of a good answer, in terms all dialects share."""

    text: str
    calls: list[tuple[str, str, Any]]
    stop: str | None
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    # Bedrock's answers do not say it.
    model: str | None


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
    kind = response.headers["content-type"].split(";")[0]
    streamed = kind in ("text/event-stream", "application/vnd.amazon.eventstream")
    if dialect == "gemini":
        return read_gemini(gemini_stream.read(response.content, kind))
    if dialect == "bedrock":
        return read_bedrock_stream(response.content) if streamed else read_bedrock(response.json())
    if dialect == "responses":
        return read_responses(read_responses_stream(response.content) if streamed else response.json())
    if dialect == "openai":
        return read_openai_stream(response.content) if streamed else read_openai(response.json())
    return read_anthropic_stream(response.content) if streamed else read_anthropic(response.json())


def read_responses_stream(raw: bytes) -> dict[str, Any]:
    message = responses_stream.read(raw)
    assert message.error is None, message.error
    return message.response


def read_responses(body: dict[str, Any]) -> Answer:
    assert body["object"] == "response" and body["id"] and isinstance(body["created_at"], int)
    assert body["status"] in ("completed", "incomplete") and body["error"] is None
    text, calls = "", []
    for item in body["output"]:
        assert item["id"]
        if item["type"] == "message":
            assert item["role"] == "assistant"
            text += "".join(part["text"] for part in item["content"] if part["type"] == "output_text")
        elif item["type"] == "function_call":
            calls.append((item["call_id"], item["name"], item["arguments"]))
    if body["status"] == "incomplete":
        stop = {"max_output_tokens": "length", "content_filter": "content_filter"}[
            body["incomplete_details"]["reason"]
        ]
    else:
        stop = "tool_calls" if calls else "stop"
    usage = body["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    cached = usage["input_tokens_details"]["cached_tokens"]
    return Answer(
        text, calls, stop, usage["input_tokens"] - cached, usage["output_tokens"], cached, body["model"]
    )


def read_gemini(message: gemini_stream.GeminiMessage) -> Answer:
    assert message.error is None, message.error
    text = "".join(part["text"] for part in message.parts if "text" in part and not part.get("thought"))
    calls = [
        (call.get("id"), call["name"], answers.compact(call.get("args") or {}))
        for part in message.parts
        if (call := part.get("functionCall"))
    ]
    stops = {"STOP": "tool_calls" if calls else "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter"}
    stop = stops.get(message.finish or "", message.finish)
    usage = message.usage
    cached = usage.get("cachedContentTokenCount") or 0
    output = (usage.get("candidatesTokenCount") or 0) + (usage.get("thoughtsTokenCount") or 0)
    return Answer(
        text, calls, stop, (usage.get("promptTokenCount") or 0) - cached, output, cached, message.model
    )


def read_bedrock(body: dict[str, Any]) -> Answer:
    assert body["output"]["message"]["role"] == "assistant" and isinstance(body["metrics"]["latencyMs"], int)
    return bedrock_answer(body["output"]["message"]["content"], body["stopReason"], body["usage"])


def read_bedrock_stream(raw: bytes) -> Answer:
    message = converse_stream.read(raw)
    assert message.error is None, message.error
    return bedrock_answer(message.blocks, message.stop, message.usage)


def bedrock_answer(blocks: list[dict[str, Any]], stop: str | None, usage: dict[str, Any]) -> Answer:
    text = "".join(block.get("text", "") for block in blocks)
    calls = [
        (use["toolUseId"], use["name"], answers.compact(use["input"]))
        for block in blocks
        if (use := block.get("toolUse"))
    ]
    cached = usage.get("cacheReadInputTokens") or 0
    stop = STOPS.get(stop or "", stop)
    return Answer(text, calls, stop, usage["inputTokens"], usage["outputTokens"], cached, None)


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
    """The error of a failed call, which must have the caller's own shape. Always has `message` and `type`."""
    assert response.status_code == status, f"{response.status_code}: {response.text}"
    assert response.headers["content-type"].startswith("application/json")
    body = response.json()
    if dialect == "bedrock":
        assert set(body) == {"message"} and body["message"], body
        return body | {"type": response.headers["x-amzn-errortype"]}
    error = body["error"]
    assert isinstance(error["message"], str) and error["message"]
    if dialect == "gemini":
        assert error["code"] == status and error["status"].isupper() and set(body) == {"error"}, body
        return error | {"type": error["status"]}
    assert isinstance(error["type"], str) and error["type"]
    if dialect == "anthropic":
        assert body["type"] == "error" and "code" not in error, body
    else:
        assert "type" not in body and {"param", "code"} <= error.keys(), body
    return error


# What each dialect calls a request that is wrong.
INVALID = {"gemini": "INVALID_ARGUMENT", "bedrock": "ValidationException"}


def invalid(dialect: str) -> str:
    """The `type` of the error that says the request is wrong."""
    return INVALID.get(dialect, "invalid_request_error")


def stream_error_of(dialect: str, response: httpx.Response) -> dict[str, Any]:
    """The error inside a stream that began well."""
    assert response.status_code == 200, response.text
    if dialect == "openai":
        error = event_stream.read_openai(response.content).error
    elif dialect == "responses":
        error = responses_stream.read(response.content).error
    elif dialect == "gemini":
        error = gemini_stream.read(response.content).error
    elif dialect == "bedrock":
        error = converse_stream.read(response.content).error
    else:
        error = event_stream.read_anthropic(response.content).error
    assert error is not None, response.text
    return error


@dataclass
class Cut:
    """A stream up to its end, whatever that was."""

    response: httpx.Response
    # The body ended, not the connection.
    clean: bool


def read_cut(
    url: str,
    dialect: str,
    body: Any,
    also: Callable[[bytes], Any] = lambda seen: None,
    http2: bool = False,
) -> Cut:
    """Asks for a stream that the gateway ends, and tells what has been seen on the way."""
    seen, clean = b"", True
    with (
        httpx.Client(http1=not http2, http2=http2, timeout=TIMEOUT) as client,
        client.stream("POST", url, json=body, headers=headers(dialect)) as response,
    ):
        assert response.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
        try:
            for piece in response.iter_raw():
                seen += piece
                also(seen)
        except httpx.RemoteProtocolError:
            clean = False
    return Cut(httpx.Response(response.status_code, headers=response.headers, content=seen), clean)


class Client:
    """A client of the gateway that sends raw bodies."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.http = httpx.Client(timeout=TIMEOUT)

    def close(self) -> None:
        self.http.close()

    def url(self, dialect: str, upstream: str, model: str = MODEL, stream: bool = False) -> str:
        """A backend's route: `upstream` is its name, or the dialect it is to be met in."""
        return f"{self.gateway.base}/{backend(dialect, upstream)}{path(dialect, model, stream)}"

    def ask(
        self,
        dialect: str,
        upstream: str,
        body: Any = None,
        /,
        model: str = MODEL,
        stream: bool = False,
        **fields: Any,
    ) -> httpx.Response:
        """Sends a chat request to a backend's route: `body` as it is, or one made of `fields`."""
        if body is None:
            body = request(dialect, model=model, stream=stream, **fields)
        url = self.url(dialect, upstream, model, stream)
        if not isinstance(body, bytes):
            return self.http.post(url, json=body, headers=headers(dialect))
        sent = headers(dialect) | {"content-type": "application/json"}
        return self.http.post(url, content=body, headers=sent)

    def tries(self, dialect: str, upstream: str, within: float = 10) -> Iterator[httpx.Response]:
        """The same request again and again, for what an edit is to change."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            yield self.ask(dialect, upstream)
