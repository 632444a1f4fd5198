"""T-09: the same request is the same bytes at the provider, every time and from either build; prompt caches
of providers depend on it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

import dialects
from dialects import PAIRS
from provider import Provider
from weir import Gateway

SCHEMA = {
    "type": "object",
    "properties": {"z": {"type": "string"}, "a": {"type": "number"}},
    "required": ["z"],
}

PIXEL = "iVBORw0KGgo="

HISTORY: dict[str, Any] = {
    "openai": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Zürich?"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
            ],
        },
        {
            "role": "assistant",
            "content": "Looking.",
            "tool_calls": [
                {
                    "id": "a",
                    "type": "function",
                    "function": {"name": "zeta", "arguments": '{"z":"x","a":1.50}'},
                },
                {"id": "b", "type": "function", "function": {"name": "alpha", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "b", "content": "2"},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
    ],
    "anthropic": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Zürich?"},
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
                },
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Looking."},
                {"type": "tool_use", "id": "a", "name": "zeta", "input": {"z": "x", "a": 1.5}},
                {"type": "tool_use", "id": "b", "name": "alpha", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "b", "content": "2"},
                {"type": "tool_result", "tool_use_id": "a", "content": "1"},
            ],
        },
    ],
    "responses": [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Zürich?"},
                {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"},
            ],
        },
        {"role": "assistant", "content": [{"type": "output_text", "text": "Looking.", "annotations": []}]},
        {"type": "function_call", "call_id": "a", "name": "zeta", "arguments": '{"z":"x","a":1.50}'},
        {"type": "function_call", "call_id": "b", "name": "alpha", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "b", "output": "2"},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
    ],
    "gemini": [
        {
            "role": "user",
            "parts": [{"text": "Zürich?"}, {"inlineData": {"mimeType": "image/png", "data": PIXEL}}],
        },
        {
            "role": "model",
            "parts": [
                {"text": "Looking."},
                {"functionCall": {"name": "zeta", "args": {"z": "x", "a": 1.5}}},
                {"functionCall": {"name": "alpha", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "alpha", "response": {"output": "2"}}},
                {"functionResponse": {"name": "zeta", "response": {"output": "1"}}},
            ],
        },
    ],
    "bedrock": [
        {
            "role": "user",
            "content": [{"text": "Zürich?"}, {"image": {"format": "png", "source": {"bytes": PIXEL}}}],
        },
        {
            "role": "assistant",
            "content": [
                {"text": "Looking."},
                {"toolUse": {"toolUseId": "a", "name": "zeta", "input": {"z": "x", "a": 1.5}}},
                {"toolUse": {"toolUseId": "b", "name": "alpha", "input": {}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "b", "content": [{"text": "2"}]}},
                {"toolResult": {"toolUseId": "a", "content": [{"text": "1"}]}},
            ],
        },
    ],
}

CONVERSATION = {"responses": "input", "gemini": "contents"}

REPEATS = 100

# The bytes of each pair, from the build that ran first.
seen: dict[tuple[str, str], bytes] = {}


@pytest.mark.parametrize(("dialect", "upstream"), PAIRS, ids=dialects.ids(PAIRS))
def test_t09_same_bytes(gateway: Gateway, provider: Provider, dialect: str, upstream: str) -> None:
    field = CONVERSATION.get(dialect, "messages")
    offered = dialects.tools(dialect, "zeta", "alpha", "mid", schema=SCHEMA)
    body = json.dumps(dialects.request(dialect, **{field: HISTORY[dialect]}, **offered)).encode()
    url = f"{gateway.base}/aliased-{dialects.backend(dialect, upstream)}{dialects.path(dialect)}"
    sent = dialects.headers(dialect) | {"content-type": "application/json"}

    def connection(_: int) -> None:
        # A connection of its own may land on either of Envoy's workers.
        with httpx.Client(timeout=dialects.TIMEOUT) as client:
            for _ in range(5):
                assert client.post(url, content=body, headers=sent).status_code == 200

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(connection, range(REPEATS // 5)))
    bodies = {request.body for request in provider.requests}
    assert len(provider.requests) == REPEATS and len(bodies) == 1
    [only] = bodies
    assert seen.setdefault((dialect, upstream), only) == only, "wasm and native differ"
