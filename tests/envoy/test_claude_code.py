"""T-03: Anthropic's SDK, and a client shaped like Claude Code, over every provider: streams in the only order
such clients understand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

import answers
import dialects
import event_stream
from dialects import Client
from provider import Provider, stream
from weir import Gateway

UPSTREAMS = pytest.mark.parametrize("upstream", dialects.DIALECTS)

CALLS = [("toolu_1", "Read", {"file_path": "/a/ü.py"}), ("toolu_2", "Bash", {"command": "ls -la"})]
# Each call's arguments come in pieces, the first of them in the middle of a string.
FRAGMENTS = [
    (id, name, [answers.compact(arguments)[:12], answers.compact(arguments)[12:]])
    for id, name, arguments in CALLS
]

MARK = {"type": "ephemeral"}


def tool(name: str, *properties: str) -> dict[str, Any]:
    return {
        "name": name,
        "description": f"{name} does as its name says.\n\nUsage:\n- Absolute paths only.",
        "input_schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {each: {"type": "string", "description": "Which."} for each in properties},
            "required": [properties[0]],
            "additionalProperties": False,
        },
    }


def turn(model: str) -> dict[str, Any]:
    """A request as Claude Code sends them in the middle of its work: system blocks and the last turn marked
    for the cache, a reminder beside the user's words, signed thinking and parallel calls in the history, one of
    whose results is an error."""
    return {
        "model": model,
        "max_tokens": 32_000,
        "stream": True,
        "temperature": 1,
        "thinking": {"type": "enabled", "budget_tokens": 10_000},
        "metadata": {"user_id": "user_0123_account__session_4567"},
        "system": [
            {"type": "text", "text": "You are a coding agent.", "cache_control": MARK},
            {"type": "text", "text": "Working directory: /a", "cache_control": MARK},
        ],
        "tools": [tool("Read", "file_path", "limit"), tool("Bash", "command"), tool("TodoWrite", "todos")],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "<system-reminder>Be brief.</system-reminder>"},
                    {"type": "text", "text": "Fix the test."},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "I read it first.", "signature": "U2lnbmVk"},
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "toolu_a", "name": "Read", "input": {"file_path": "/a/t.py"}},
                    {"type": "tool_use", "id": "toolu_b", "name": "Bash", "input": {"command": "pytest"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_a", "content": "1\tassert False"},
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_b",
                        "content": "exit code 1",
                        "is_error": True,
                        "cache_control": MARK,
                    },
                ],
            },
        ],
    }


BETAS = [
    "claude-code-20250219",
    "interleaved-thinking-2025-05-14",
    "fine-grained-tool-streaming-2025-05-14",
]
HEADERS = {
    "anthropic-version": "2023-06-01",
    "anthropic-beta": ",".join(BETAS),
    "anthropic-dangerous-direct-browser-access": "true",
    "user-agent": "claude-cli/2.0.1 (external, cli)",
    "x-app": "cli",
    "x-stainless-helper-method": "stream",
    "authorization": f"Bearer {dialects.CLIENT_KEY}",
}


def work(provider: Provider, upstream: str) -> None:
    """Lets the provider speak and call both tools."""
    provider.then(stream(answers.tool_stream(upstream, *FRAGMENTS, text="I look again.")))


@UPSTREAMS
def test_t03_claude_code(client: Client, provider: Provider, upstream: str) -> None:
    work(provider, upstream)
    url = f"{client.gateway.base}/{dialects.backend('anthropic', upstream)}/v1/messages?beta=true"
    response = client.http.post(url, json=turn(dialects.MODEL), headers=HEADERS)
    assert response.status_code == 200, response.text
    # The reader is a state machine: start, deltas and stop of one block after another, one message_delta, one
    # message_stop.
    message = event_stream.read_anthropic(response.content)
    assert message.error is None and message.stop_reason == "tool_use"
    kinds = [block["type"] for block in message.blocks]
    assert kinds == ["text", "tool_use", "tool_use"] and message.blocks[0]["text"] == "I look again."
    assert [(b["id"], b["name"], b["input"]) for b in message.blocks[1:]] == CALLS
    # The provider was asked the whole question, in an order it takes.
    sent = json.dumps(provider.last.json, ensure_ascii=False)
    for said in ("You are a coding agent.", "Be brief.", "Fix the test.", "1\\tassert False", "exit code 1"):
        assert said in sent, said
    assert ("U2lnbmVk" in sent) == (upstream == "anthropic"), "signed thinking is for who signed it"
    assert dialects.offered(upstream, provider.last.json) == ["Read", "Bash", "TodoWrite"]


@pytest.fixture
def claude(gateway: Gateway, upstream: str) -> Iterator[anthropic.Anthropic]:
    base = f"{gateway.base}/{dialects.backend('anthropic', upstream)}"
    with anthropic.Anthropic(base_url=base, api_key=dialects.CLIENT_KEY, timeout=20, max_retries=0) as client:
        yield client


@UPSTREAMS
def test_t03_the_sdk_puts_every_stream_together(
    claude: anthropic.Anthropic, provider: Provider, upstream: str
) -> None:
    work(provider, upstream)
    # The SDK streams by itself, and has no temperature any more.
    fields = turn(dialects.MODEL)
    del fields["stream"], fields["temperature"]
    with claude.beta.messages.stream(**fields, betas=BETAS) as events:
        kinds = [event.type for event in events]
        answer = events.get_final_message()
    assert kinds[0] == "message_start" and kinds[-1] == "message_stop"
    assert answer.stop_reason == "tool_use" and answer.content[0].text == "I look again."
    assert [(b.id, b.name, b.input) for b in answer.content if b.type == "tool_use"] == CALLS
    assert answer.usage.output_tokens == answers.USAGE["output"]
