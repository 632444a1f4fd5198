"""Reading streams of OpenAI's Responses API as a strict client does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import event_stream

FINAL = ("response.completed", "response.incomplete", "response.failed")

# Events about a part of an item, or its arguments: delta event -> (done event, field of the done event)
DELTAS = {
    "response.output_text.delta": ("response.output_text.done", "text"),
    "response.refusal.delta": ("response.refusal.done", "refusal"),
    "response.function_call_arguments.delta": ("response.function_call_arguments.done", "arguments"),
    "response.reasoning_summary_text.delta": ("response.reasoning_summary_text.done", "text"),
    "response.reasoning_text.delta": ("response.reasoning_text.done", "text"),
}
DONE = {done: (delta, field) for delta, (done, field) in DELTAS.items()}
PARTS = {
    "response.content_part.added": "response.content_part.done",
    "response.reasoning_summary_part.added": "response.reasoning_summary_part.done",
}


@dataclass
class ResponsesMessage:
    """What a strict reader makes of a stream."""

    response: dict[str, Any]
    error: dict[str, Any] | None


def read(raw: bytes) -> ResponsesMessage:
    """Runs the state machine of a Responses stream and fails at what clients stumble over: numbers that do
    not count up, changing ids, items that are not opened, closed or the same in the end, deltas that do not
    add up to what is said to be done, anything behind the final event."""
    created: dict[str, Any] | None = None
    final: dict[str, Any] | None = None
    error = None
    items: list[dict[str, Any] | None] = []
    open_items: dict[int, str] = {}
    open_parts: set[tuple[Any, ...]] = set()
    deltas: dict[tuple[Any, ...], str] = {}
    last = -1
    for event in event_stream.parse(raw):
        value = event.json
        kind = value["type"]
        # The API itself lets `response.failed` follow an `error`.
        assert final is None and (error is None or kind == "response.failed"), f"{kind} behind the end"
        assert event.name == kind
        assert value["sequence_number"] == last + 1, f"{value['sequence_number']} behind {last}"
        last = value["sequence_number"]
        if kind == "error":
            assert isinstance(value["message"], str) and "code" in value
            error = value
            continue
        if kind == "response.created":
            assert created is None
            created = value["response"]
            assert created["status"] == "in_progress" and created["output"] == []
            continue
        assert created is not None, f"{kind} before response.created"
        place = value.get("output_index")
        key = (place, value.get("content_index", value.get("summary_index")))
        if kind in ("response.in_progress", "response.queued"):
            assert value["response"]["id"] == created["id"]
        elif kind == "response.output_item.added":
            assert place == len(items), "an item out of order"
            open_items[place] = value["item"]["id"]
            items.append(None)
        elif kind == "response.output_item.done":
            assert open_items.pop(place) == value["item"]["id"]
            items[place] = value["item"]
        elif kind in PARTS:
            assert value["item_id"] == open_items[place]
            open_parts.add((PARTS[kind], *key))
        elif kind in PARTS.values():
            open_parts.remove((kind, *key))
        elif kind in DELTAS:
            assert value["item_id"] == open_items[place], "a delta for an item that is not open"
            deltas[(kind, *key)] = deltas.get((kind, *key), "") + value["delta"]
        elif kind in DONE:
            assert value["item_id"] == open_items[place]
            delta, field = DONE[kind]
            said = deltas.get((delta, *key), "")
            assert value[field] == said or (said == "" and value[field] == "{}"), "deltas do not add up"
        elif kind in FINAL:
            final = value["response"]
            assert final["id"] == created["id"]
            assert final["status"] == kind.removeprefix("response.")
            if kind == "response.failed":
                error = error or final["error"]
                assert error is not None
            else:
                assert not open_items and not open_parts, "something is still open at the end"
                assert final["output"] == items, "the final response is not what was streamed"
        elif kind != "response.output_text.annotation.added":
            raise AssertionError(f"an event no client knows: {kind}")
    assert final is not None or error is not None, "the stream has no end"
    return ResponsesMessage(final or created or {}, error)
