"""T-09: the same request is the same bytes at the provider, every time and from either build; prompt caches
of providers depend on it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

import dialects
from dialects import PAIRS
from provider import Provider
from weir import Gateway

TOOLS = {
    "openai": [
        {
            "type": "function",
            "function": {
                "name": name,
                "parameters": {
                    "type": "object",
                    "properties": {"z": {"type": "string"}, "a": {"type": "number"}},
                    "required": ["z"],
                },
            },
        }
        for name in ("zeta", "alpha", "mid")
    ],
    "anthropic": [
        {
            "name": name,
            "input_schema": {
                "type": "object",
                "properties": {"z": {"type": "string"}, "a": {"type": "number"}},
                "required": ["z"],
            },
        }
        for name in ("zeta", "alpha", "mid")
    ],
}

HISTORY = {
    "openai": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Zürich?"},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
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
                {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
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
}

REPEATS = 100

# The bytes of each pair, from the build that ran first.
seen: dict[tuple[str, str], bytes] = {}


@pytest.mark.parametrize(("dialect", "upstream"), PAIRS, ids=[f"{c}-to-{u}" for c, u in PAIRS])
def test_t09_same_bytes(gateway: Gateway, provider: Provider, dialect: str, upstream: str) -> None:
    body = json.dumps(dialects.request(dialect, messages=HISTORY[dialect], tools=TOOLS[dialect])).encode()
    url = f"{gateway.base}/aliased-{upstream}{dialects.PATHS[dialect]}"
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
