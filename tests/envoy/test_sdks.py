"""The official SDKs through the gateway to the demo provider, which checks signatures and tool calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

import dialects
from weir import Gateway

# What the demo provider speaks.
UPSTREAMS = pytest.mark.parametrize("upstream", ["openai", "anthropic"])
streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OPENAI_TOOLS: Any = [
    {"type": "function", "function": {"name": name, "description": name, "parameters": SCHEMA}}
    for name in ("weather", "clock")
]
ANTHROPIC_TOOLS: Any = [
    {"name": name, "description": name, "input_schema": SCHEMA} for name in ("weather", "clock")
]


@pytest.fixture
def chat(gateway: Gateway, upstream: str) -> Iterator[openai.OpenAI]:
    base = f"{gateway.base}/demo-{upstream}/v1"
    with openai.OpenAI(base_url=base, api_key=dialects.CLIENT_KEY, timeout=20, max_retries=0) as client:
        yield client


@pytest.fixture
def claude(gateway: Gateway, upstream: str) -> Iterator[anthropic.Anthropic]:
    base = f"{gateway.base}/demo-{upstream}"
    with anthropic.Anthropic(base_url=base, api_key=dialects.CLIENT_KEY, timeout=20, max_retries=0) as client:
        yield client


@UPSTREAMS
def test_openai_sdk_text(chat: openai.OpenAI) -> None:
    answer = chat.chat.completions.create(model="demo", messages=[{"role": "user", "content": "Hello there"}])
    assert (answer.choices[0].message.content or "").endswith("You said: Hello there")
    assert answer.choices[0].finish_reason == "stop" and answer.usage and answer.usage.total_tokens > 0
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


@UPSTREAMS
def test_openai_sdk_stream(chat: openai.OpenAI) -> None:
    stream = chat.chat.completions.create(
        model="demo",
        messages=[{"role": "user", "content": "Hello there"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text.endswith("You said: Hello there")
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == [
        "stop"
    ]
    assert chunks[-1].usage and chunks[-1].usage.completion_tokens > 0


@UPSTREAMS
def test_anthropic_sdk_text(claude: anthropic.Anthropic) -> None:
    answer = claude.messages.create(
        model="demo", max_tokens=100, messages=[{"role": "user", "content": "Hello there"}]
    )
    assert answer.content[0].type == "text" and answer.content[0].text.endswith("You said: Hello there")
    assert (
        answer.stop_reason == "end_turn" and answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0
    )


@UPSTREAMS
def test_anthropic_sdk_stream(claude: anthropic.Anthropic) -> None:
    with claude.messages.stream(
        model="demo", max_tokens=100, messages=[{"role": "user", "content": "Hello there"}]
    ) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text.endswith("You said: Hello there")
    assert final.content[0].type == "text" and final.content[0].text == text
    assert final.stop_reason == "end_turn" and final.usage.output_tokens > 0


def openai_turn(chat: openai.OpenAI, streamed: bool, messages: list[Any], **more: Any) -> tuple[Any, str]:
    """One turn: the assistant's message as it goes back into the history, and the finish reason."""
    if not streamed:
        [choice] = chat.chat.completions.create(model="demo", messages=messages, **more).choices
        return choice.message.model_dump(exclude_none=True), choice.finish_reason
    with chat.chat.completions.stream(model="demo", messages=messages, **more) as stream:
        for _ in stream:
            pass
        [choice] = stream.get_final_completion().choices
    message = choice.message.model_dump(exclude_none=True)
    message.pop("parsed", None)
    for call in message.get("tool_calls", []):
        call["function"].pop("parsed_arguments", None)
        call.pop("index", None)
    return message, choice.finish_reason


@UPSTREAMS
@streamed
def test_t02_openai_sdk_tool_loop(chat: openai.OpenAI, streamed: bool) -> None:
    """Three turns: two parallel calls, one forced call, an answer that quotes the result."""
    messages: list[Any] = [
        {"role": "system", "content": "Use tools."},
        {"role": "user", "content": "Use both tools in Paris"},
    ]
    message, finish = openai_turn(chat, streamed, messages, tools=OPENAI_TOOLS)
    assert finish == "tool_calls"
    calls = message["tool_calls"]
    assert [call["function"]["name"] for call in calls] == ["weather", "clock"]
    assert all(json.loads(call["function"]["arguments"])["city"] for call in calls)
    messages.append(message)
    # Out of order.
    for call, result in zip(reversed(calls), ["noon", "21 C"], strict=True):
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
    message, finish = openai_turn(chat, streamed, messages, tools=OPENAI_TOOLS)
    assert finish == "stop"
    assert "21 C" in message["content"] and "noon" in message["content"]
    messages += [message, {"role": "user", "content": "Again, the clock in Rome"}]
    forced = {"type": "function", "function": {"name": "clock"}}
    message, finish = openai_turn(chat, streamed, messages, tools=OPENAI_TOOLS, tool_choice=forced)
    [call] = message["tool_calls"]
    assert call["function"]["name"] == "clock"
    messages += [message, {"role": "tool", "tool_call_id": call["id"], "content": "three o'clock"}]
    message, finish = openai_turn(chat, streamed, messages, tools=OPENAI_TOOLS)
    assert finish == "stop" and "three o'clock" in message["content"]


def claude_turn(
    claude: anthropic.Anthropic, streamed: bool, messages: list[Any], **more: Any
) -> anthropic.types.Message:
    fields: dict[str, Any] = {"model": "demo", "max_tokens": 4000, "messages": messages} | more
    if not streamed:
        return claude.messages.create(**fields)
    with claude.messages.stream(**fields) as stream:
        return stream.get_final_message()


@UPSTREAMS
@streamed
def test_t02_anthropic_sdk_tool_loop(claude: anthropic.Anthropic, streamed: bool) -> None:
    """Three turns: two parallel calls, one forced call, an answer that quotes the result."""
    messages: list[Any] = [{"role": "user", "content": "Use both tools in Paris"}]
    answer = claude_turn(claude, streamed, messages, tools=ANTHROPIC_TOOLS, system="Use tools.")
    assert answer.stop_reason == "tool_use"
    calls = [block for block in answer.content if block.type == "tool_use"]
    assert [call.name for call in calls] == ["weather", "clock"]
    assert all(call.input["city"] for call in calls)
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": result}
        for call, result in zip(reversed(calls), ["noon", "21 C"], strict=True)
    ]
    messages += [{"role": "assistant", "content": answer.content}, {"role": "user", "content": results}]
    answer = claude_turn(claude, streamed, messages, tools=ANTHROPIC_TOOLS)
    assert answer.stop_reason == "end_turn"
    assert "21 C" in answer.content[0].text and "noon" in answer.content[0].text
    messages += [
        {"role": "assistant", "content": answer.content},
        {"role": "user", "content": "The clock in Rome"},
    ]
    answer = claude_turn(
        claude, streamed, messages, tools=ANTHROPIC_TOOLS, tool_choice={"type": "tool", "name": "clock"}
    )
    [call] = [block for block in answer.content if block.type == "tool_use"]
    assert call.name == "clock"
    result = {"type": "tool_result", "tool_use_id": call.id, "is_error": True, "content": "no clock there"}
    messages += [{"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
    answer = claude_turn(claude, streamed, messages, tools=ANTHROPIC_TOOLS)
    assert "no clock there" in answer.content[-1].text


THINKING = {"type": "enabled", "budget_tokens": 1024}


@pytest.mark.parametrize("upstream", ["anthropic"])
@streamed
def test_t04_thinking_round_trip(claude: anthropic.Anthropic, streamed: bool) -> None:
    """Thinking and its signature pass both ways; the demo provider refuses what was changed."""
    messages: list[Any] = [{"role": "user", "content": "The weather in Paris"}]
    answer = claude_turn(claude, streamed, messages, tools=ANTHROPIC_TOOLS, thinking=THINKING)
    assert answer.content[0].type == "thinking" and answer.content[0].signature
    call = next(block for block in answer.content if block.type == "tool_use")
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "21 C"}
    messages += [{"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
    answer = claude_turn(claude, streamed, messages, tools=ANTHROPIC_TOOLS, thinking=THINKING)
    assert "21 C" in answer.content[-1].text
    broken = [block.model_dump() for block in messages[1]["content"]]
    broken[0]["thinking"] += "?"
    messages[1] = {"role": "assistant", "content": broken}
    with pytest.raises(anthropic.BadRequestError):
        claude_turn(claude, streamed, messages, tools=ANTHROPIC_TOOLS, thinking=THINKING)


@pytest.mark.parametrize("upstream", ["anthropic"])
@streamed
def test_t04_thinking_for_an_openai_client(chat: openai.OpenAI, streamed: bool) -> None:
    """An OpenAI client that keeps what it was given can go on with a tool loop while thinking is on."""
    messages: list[Any] = [{"role": "user", "content": "The weather in Paris"}]
    message, finish = openai_turn(chat, streamed, messages, tools=OPENAI_TOOLS, reasoning_effort="low")
    assert finish == "tool_calls"
    assert message.get("reasoning_content")
    [call] = message["tool_calls"]
    messages += [message, {"role": "tool", "tool_call_id": call["id"], "content": "21 C"}]
    message, finish = openai_turn(chat, streamed, messages, tools=OPENAI_TOOLS, reasoning_effort="low")
    assert finish == "stop" and "21 C" in message["content"]


@pytest.mark.parametrize("upstream", ["openai"])
def test_t04_foreign_thinking_is_dropped(claude: anthropic.Anthropic) -> None:
    """Signed thinking of one provider must not reach another, which would refuse it."""
    content = [
        {"type": "thinking", "thinking": "Hm.", "signature": "abc"},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "text", "text": "Yes?"},
    ]
    messages: list[Any] = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": content},
        {"role": "user", "content": "Hello there"},
    ]
    assert claude_turn(claude, False, messages).content[0].text.endswith("You said: Hello there")


@UPSTREAMS
def test_sdk_errors_have_their_class(chat: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    with pytest.raises(openai.BadRequestError):
        chat.chat.completions.create(model="demo", messages=[{"role": "nobody", "content": "Hi"}])  # type: ignore[list-item]
    with pytest.raises(anthropic.BadRequestError):
        claude.messages.create(model="demo", max_tokens=10, messages=[])
