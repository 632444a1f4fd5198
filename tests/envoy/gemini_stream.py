"""Reading answers of Gemini's API as a strict client does: whole, as events, and as a JSON array."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import event_stream


@dataclass
class GeminiMessage:
    """What a strict reader makes of an answer."""

    parts: list[dict[str, Any]]
    finish: str | None
    usage: dict[str, Any]
    model: str
    error: dict[str, Any] | None


def chunks(raw: bytes, kind: str = "text/event-stream") -> list[dict[str, Any]]:
    """The pieces of an answer, by its content type."""
    if kind == "text/event-stream":
        # Google writes CRLF, and its streams pass as they are.
        return [event.json for event in event_stream.parse(raw.replace(b"\r\n", b"\n"))]
    value = json.loads(raw)
    return value if isinstance(value, list) else [value]


def read(raw: bytes, kind: str = "text/event-stream") -> GeminiMessage:
    """Reads an answer and fails at what clients stumble over: changing ids, more than one candidate, parts
    behind the end, no reason to finish."""
    message = GeminiMessage([], None, {}, "", None)
    ids = set()
    for chunk in chunks(raw, kind):
        assert message.error is None, "a chunk behind an error"
        if "error" in chunk:
            message.error = chunk["error"]
            assert {"code", "message", "status"} <= message.error.keys()
            continue
        ids.add(chunk["responseId"])
        message.model = chunk["modelVersion"]
        message.usage = chunk.get("usageMetadata") or message.usage
        candidates = chunk.get("candidates") or []
        assert len(candidates) <= 1
        for candidate in candidates:
            assert message.finish is None, "a candidate behind the finish"
            content = candidate.get("content") or {}
            assert content.get("role", "model") == "model"
            message.parts += content.get("parts") or []
            message.finish = candidate.get("finishReason")
    assert len(ids) <= 1, f"the id changes within the answer: {ids}"
    assert message.finish or message.error, "neither a reason to finish nor an error"
    return message
