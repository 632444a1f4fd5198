"""Reading Bedrock's ConverseStream as a strict client does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import aws_event_stream


@dataclass
class ConverseMessage:
    """What a strict reader makes of a stream."""

    blocks: list[dict[str, Any]]
    stop: str | None
    usage: dict[str, Any]
    error: dict[str, Any] | None


def read(raw: bytes) -> ConverseMessage:
    """Runs the state machine of a stream: messageStart; per block deltas (a tool's behind its start), then a
    stop, with indices from 0; messageStop; metadata. An exception may end it at any point."""
    message = ConverseMessage([], None, {}, None)
    state = "before"
    for event in aws_event_stream.parse(raw):
        assert message.error is None, "an event behind an exception"
        if event.kind == "exception":
            message.error = event.json | {"type": event.name}
            continue
        value = event.json
        index = value.get("contentBlockIndex")
        if event.name == "messageStart":
            assert state == "before" and value["role"] == "assistant"
            state = "between"
        elif event.name == "contentBlockStart":
            assert state == "between" and index == len(message.blocks)
            message.blocks.append({"toolUse": dict(value["start"]["toolUse"]), "json": ""})
            state = "in block"
        elif event.name == "contentBlockDelta":
            if state == "between":
                assert index == len(message.blocks) and "toolUse" not in value["delta"]
                message.blocks.append({})
                state = "in block"
            assert state == "in block" and index == len(message.blocks) - 1
            add(message.blocks[-1], value["delta"])
        elif event.name == "contentBlockStop":
            assert state == "in block" and index == len(message.blocks) - 1
            block = message.blocks[-1]
            if "toolUse" in block:
                block["toolUse"]["input"] = json.loads(block.pop("json") or "{}")
            state = "between"
        elif event.name == "messageStop":
            assert state == "between", f"messageStop while {state}"
            message.stop = value["stopReason"]
            state = "stopped"
        elif event.name == "metadata":
            assert state == "stopped" and isinstance(value["metrics"]["latencyMs"], int)
            message.usage = value["usage"]
            state = "done"
        else:
            raise AssertionError(f"an event no client knows: {event.name}")
    assert message.error is not None or state == "done", f"the stream ended while {state}"
    return message


def add(block: dict[str, Any], delta: dict[str, Any]) -> None:
    [(kind, value)] = delta.items()
    if kind == "text":
        assert "toolUse" not in block
        block["text"] = block.get("text", "") + value
    elif kind == "toolUse":
        block["json"] += value["input"]
    elif kind == "reasoningContent":
        reasoning = block.setdefault("reasoningContent", {})
        for name, piece in value.items():
            reasoning[name] = reasoning.get(name, "") + piece
    else:
        assert kind == "citation", f"a delta no client knows: {kind}"
