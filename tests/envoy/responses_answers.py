"""What OpenAI's Responses API answers: whole responses and event streams."""

from __future__ import annotations

import itertools
import json
from typing import Any

USAGE = {"input": 9, "cache_read": 4, "output": 5}


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def usage() -> dict[str, Any]:
    """Cached tokens count as part of the input."""
    return {
        "input_tokens": USAGE["input"] + USAGE["cache_read"],
        "input_tokens_details": {"cached_tokens": USAGE["cache_read"]},
        "output_tokens": USAGE["output"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": sum(USAGE.values()),
    }


def response(output: list[dict[str, Any]], model: str, stop: str = "stop") -> dict[str, Any]:
    """A finished response; `stop` in OpenAI's words: `stop`, `tool_calls` or `length`."""
    incomplete = stop == "length"
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1700000000,
        "status": "incomplete" if incomplete else "completed",
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if incomplete else None,
        "instructions": None,
        "max_output_tokens": None,
        "model": model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage(),
        "user": None,
        "metadata": {},
    }


def message(text: str, id: str = "msg_1", status: str = "completed") -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {
        "id": id,
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": [part] if text else [],
    }


def call(index: int, id: str, name: str, arguments: str, status: str = "completed") -> dict[str, Any]:
    return {
        "id": f"fc_{index}",
        "type": "function_call",
        "status": status,
        "call_id": id,
        "name": name,
        "arguments": arguments,
    }


def stream(
    text: tuple[str, ...] | None, calls: tuple[tuple[str, str, list[str]], ...], model: str, stop: str
) -> list[bytes]:
    """A whole stream: text in pieces, then calls with fragments of their arguments."""
    numbers = itertools.count()
    events = []

    def send(kind: str, **fields: Any) -> None:
        value = {"type": kind, "sequence_number": next(numbers), **fields}
        events.append(f"event: {kind}\ndata: {compact(value)}\n\n".encode())

    begun = response([], model) | {"status": "in_progress", "usage": None}
    send("response.created", response=begun)
    send("response.in_progress", response=begun)
    output: list[dict[str, Any]] = []
    if text is not None:
        at = {"output_index": 0, "content_index": 0, "item_id": "msg_1"}
        send("response.output_item.added", output_index=0, item=message("", status="in_progress"))
        empty = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        send("response.content_part.added", **at, part=empty)
        for piece in text:
            send("response.output_text.delta", **at, delta=piece, logprobs=[])
        whole = "".join(text)
        item = message(whole)
        send("response.output_text.done", **at, text=whole, logprobs=[])
        send("response.content_part.done", **at, part=empty | {"text": whole})
        send("response.output_item.done", output_index=0, item=item)
        output.append(item)
    for id, name, fragments in calls:
        place = len(output)
        at = {"output_index": place, "item_id": f"fc_{place}"}
        begun = call(place, id, name, "", status="in_progress")
        send("response.output_item.added", output_index=place, item=begun)
        for fragment in fragments:
            send("response.function_call_arguments.delta", **at, delta=fragment)
        arguments = "".join(fragments) or "{}"
        send("response.function_call_arguments.done", **at, name=name, arguments=arguments)
        item = call(place, id, name, arguments)
        send("response.output_item.done", output_index=place, item=item)
        output.append(item)
    final = response(output, model, stop)
    send("response.incomplete" if stop == "length" else "response.completed", response=final)
    return events
