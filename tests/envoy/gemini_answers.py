"""What Gemini's `generateContent` answers: whole and as streams."""

from __future__ import annotations

import json
from typing import Any

USAGE = {"input": 9, "cache_read": 4, "output": 5}

STOPS = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS"}

# Canonical codes by status: <https://ai.google.dev/gemini-api/docs/troubleshooting>
ERRORS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}


def usage() -> dict[str, Any]:
    """Cached tokens count as part of the prompt."""
    return {
        "promptTokenCount": USAGE["input"] + USAGE["cache_read"],
        "cachedContentTokenCount": USAGE["cache_read"],
        "candidatesTokenCount": USAGE["output"],
        "totalTokenCount": sum(USAGE.values()),
    }


def chunk(parts: list[dict[str, Any]], model: str, stop: str | None = None, **more: Any) -> dict[str, Any]:
    """An answer, or a piece of one; `stop` in OpenAI's words."""
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if stop:
        candidate["finishReason"] = STOPS[stop]
    return {"candidates": [candidate], "modelVersion": model, "responseId": "resp-1", **more}


def answer(parts: list[dict[str, Any]], model: str, stop: str) -> dict[str, Any]:
    return chunk(parts, model, stop, usageMetadata=usage())


def call(id: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"functionCall": {"id": id, "name": name, "args": arguments}}


def event(value: Any) -> bytes:
    # Google's streams have CRLF.
    return f"data: {json.dumps(value, separators=(',', ':'), ensure_ascii=False)}\r\n\r\n".encode()


def stream(
    text: tuple[str, ...] | None, calls: tuple[tuple[str, str, list[str]], ...], model: str, stop: str
) -> list[bytes]:
    """A whole stream; calls come whole, as they do from the real API."""
    events = [event(chunk([{"text": piece}], model)) for piece in text or ()]
    for id, name, fragments in calls:
        arguments = json.loads("".join(fragments) or "{}")
        events.append(event(chunk([call(id, name, arguments)], model)))
    events.append(event(chunk([{"text": ""}], model, stop, usageMetadata=usage())))
    return events


def error(status: int, message: str) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "status": ERRORS.get(status, "UNKNOWN")}}
