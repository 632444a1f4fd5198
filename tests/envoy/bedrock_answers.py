"""What Amazon Bedrock's Converse API answers: whole, and as a stream of binary events."""

from __future__ import annotations

from typing import Any

import aws_event_stream as frames

USAGE = {"input": 9, "cache_read": 4, "output": 5}

STOPS = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens"}

# Names of errors, for the header `x-amzn-errortype`, by status.
ERRORS = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


def usage() -> dict[str, Any]:
    """Cached tokens are counted apart."""
    return {
        "inputTokens": USAGE["input"],
        "cacheReadInputTokens": USAGE["cache_read"],
        "cacheWriteInputTokens": 0,
        "outputTokens": USAGE["output"],
        "totalTokens": sum(USAGE.values()),
    }


def answer(content: list[dict[str, Any]], stop: str) -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": STOPS[stop],
        "usage": usage(),
        "metrics": {"latencyMs": 7},
    }


def call(id: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"toolUse": {"toolUseId": id, "name": name, "input": arguments}}


def stream(
    text: tuple[str, ...] | None, calls: tuple[tuple[str, str, list[str]], ...], stop: str
) -> list[bytes]:
    """A whole stream. Text blocks begin with their first delta, as at the real API."""
    events = [frames.event("messageStart", {"role": "assistant"})]
    index = 0

    def delta(value: dict[str, Any]) -> None:
        events.append(frames.event("contentBlockDelta", {"contentBlockIndex": index, "delta": value}))

    if text is not None:
        for piece in text:
            delta({"text": piece})
        events.append(frames.event("contentBlockStop", {"contentBlockIndex": index}))
        index += 1
    for id, name, fragments in calls:
        start = {"toolUse": {"toolUseId": id, "name": name}}
        events.append(frames.event("contentBlockStart", {"contentBlockIndex": index, "start": start}))
        for fragment in fragments:
            delta({"toolUse": {"input": fragment}})
        events.append(frames.event("contentBlockStop", {"contentBlockIndex": index}))
        index += 1
    events.append(frames.event("messageStop", {"stopReason": STOPS[stop]}))
    events.append(frames.event("metadata", {"usage": usage(), "metrics": {"latencyMs": 7}}))
    return events


def error(message: str) -> dict[str, Any]:
    return {"message": message}
