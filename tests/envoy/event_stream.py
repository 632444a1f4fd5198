"""Reading event streams as a strict client does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass
class Event:
    """One server-sent event."""

    name: str | None
    data: str

    @property
    def json(self) -> Any:
        return json.loads(self.data)


def parse(raw: bytes) -> list[Event]:
    """The events of a complete stream of Weir's, which always writes LF and ends with a blank line."""
    text = raw.decode("utf-8")
    assert text == "" or text.endswith("\n\n"), f"the stream ends inside an event: {text[-200:]!r}"
    events = []
    for block in text.split("\n\n"):
        name, data = None, []
        for line in block.split("\n"):
            if line.startswith("event:"):
                name = line[6:].strip()
            elif line.startswith("data:"):
                data.append(line[5:].removeprefix(" "))
        if data:
            events.append(Event(name, "\n".join(data)))
    return events


@dataclass
class AnthropicMessage:
    """What a strict reader makes of an Anthropic stream."""

    blocks: list[dict[str, Any]]
    stop_reason: str | None
    usage: dict[str, Any]
    model: str
    error: dict[str, Any] | None

    @property
    def text(self) -> str:
        return "".join(block["text"] for block in self.blocks if block["type"] == "text")


# delta type -> (block type, field of the block, field of the delta)
DELTAS = {
    "text_delta": ("text", "text", "text"),
    "thinking_delta": ("thinking", "thinking", "thinking"),
    "signature_delta": ("thinking", "signature", "signature"),
    "input_json_delta": ("tool_use", "json", "partial_json"),
}


def read_anthropic(raw: bytes) -> AnthropicMessage:
    """Runs the state machine of a Messages stream over `raw` and fails at the first event out of order:
    one message_start; per block start, deltas of its kind, stop, with indices from 0 and no overlap; one
    message_delta; one message_stop; nothing behind. An `error` event may end it at any point."""
    message = AnthropicMessage([], None, {}, "", None)
    state = "before"
    for event in parse(raw):
        value = event.json
        kind = value["type"]
        assert event.name == kind, f"event: {event.name} carries {kind}"
        assert message.error is None and state != "stopped", f"{kind} behind the end"
        if kind == "ping":
            continue
        if kind == "error":
            message.error = value["error"]
            assert isinstance(message.error["type"], str) and isinstance(message.error["message"], str)
            continue
        if kind == "message_start":
            assert state == "before", "a second message_start"
            head = value["message"]
            assert head["type"] == "message" and head["role"] == "assistant" and head["content"] == []
            assert head["id"] and head["stop_reason"] is None
            assert isinstance(head["usage"]["input_tokens"], int) and isinstance(
                head["usage"]["output_tokens"], int
            )
            message.model, message.usage = head["model"], dict(head["usage"])
            state = "between"
        elif kind == "content_block_start":
            assert state == "between", f"content_block_start while {state}"
            assert value["index"] == len(message.blocks), "indices must be contiguous"
            block = dict(value["content_block"])
            if block["type"] == "tool_use":
                assert block["id"] and block["name"] and block["input"] == {}
                block["json"] = ""
            message.blocks.append(block)
            state = "in block"
        elif kind == "content_block_delta":
            assert state == "in block" and value["index"] == len(message.blocks) - 1
            wanted, into, field = DELTAS[value["delta"]["type"]]
            block = message.blocks[-1]
            assert block["type"] == wanted, f"{value['delta']['type']} in a {block['type']} block"
            block[into] = block.get(into, "") + value["delta"][field]
        elif kind == "content_block_stop":
            assert state == "in block" and value["index"] == len(message.blocks) - 1
            block = message.blocks[-1]
            if block["type"] == "tool_use":
                block["input"] = json.loads(block.pop("json") or "{}")
            state = "between"
        elif kind == "message_delta":
            assert state == "between", f"message_delta while {state}"
            message.stop_reason = value["delta"]["stop_reason"]
            message.usage |= value["usage"]
            assert message.stop_reason
            state = "ending"
        elif kind == "message_stop":
            assert state == "ending", f"message_stop while {state}"
            state = "stopped"
        else:
            raise AssertionError(f"an event no client knows: {kind}")
    assert message.error is not None or state == "stopped", f"the stream ended while {state}"
    return message


@dataclass
class OpenAiMessage:
    """What a strict reader makes of a chat completion stream."""

    text: str
    calls: list[dict[str, Any]]
    finish: str | None
    usage: dict[str, Any] | None
    model: str
    done: bool
    error: dict[str, Any] | None
    reasoning: str


def read_openai(raw: bytes) -> OpenAiMessage:
    """Reads a chat completion stream and fails at what clients stumble over: changing ids, a chunk without
    `choices`, tool calls without id or name, anything behind `[DONE]`, no `[DONE]` without an error."""
    message = OpenAiMessage("", [], None, None, "", False, None, "")
    ids = set()
    for event in parse(raw):
        assert not message.done, f"{event.data} behind [DONE]"
        if event.data == "[DONE]":
            message.done = True
            continue
        assert message.error is None, "an event behind an error"
        chunk = event.json
        if "error" in chunk:
            message.error = chunk["error"]
            assert isinstance(message.error["message"], str)
            continue
        ids.add(chunk["id"])
        message.model = chunk["model"]
        assert chunk["object"] == "chat.completion.chunk" and isinstance(chunk["created"], int)
        if chunk.get("usage"):
            message.usage = chunk["usage"]
        for choice in chunk["choices"]:
            assert message.finish is None or choice["delta"] in ({}, {"content": None}), (
                "a delta behind the finish"
            )
            delta = choice["delta"]
            message.text += delta.get("content") or ""
            message.reasoning += delta.get("reasoning_content") or ""
            for call in delta.get("tool_calls") or []:
                if call["index"] == len(message.calls):
                    assert call["id"] and call["type"] == "function" and call["function"]["name"]
                    message.calls.append(
                        {"id": call["id"], "name": call["function"]["name"], "arguments": ""}
                    )
                message.calls[call["index"]]["arguments"] += call["function"].get("arguments") or ""
            if choice.get("finish_reason"):
                assert message.finish is None, "a second finish_reason"
                message.finish = choice["finish_reason"]
    assert len(ids) <= 1, f"the id changes within the stream: {ids}"
    assert message.done or message.error is not None, "neither [DONE] nor an error"
    return message
