"""Tool calls: T-02 (the loop) and T-07 (malformed but common requests)."""

from __future__ import annotations

import json

import pytest

import answers
import dialects
import event_stream
from dialects import PAIRS, Client
from provider import Provider, reply, stream

pairs = pytest.mark.parametrize(("dialect", "upstream"), PAIRS, ids=[f"{c}-to-{u}" for c, u in PAIRS])
streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])

CALLS = [("call_1", "weather", {"city": "Zürich"}), ("call_2", "time", {})]
FRAGMENTS = [("call_1", "weather", ['{"ci', 'ty":"Z', 'ürich"}']), ("call_2", "time", [])]

OPENAI_TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in ("weather", "time")
]
ANTHROPIC_TOOLS = [
    {"name": name, "input_schema": {"type": "object", "properties": {}}} for name in ("weather", "time")
]
TOOLS = {"openai": OPENAI_TOOLS, "anthropic": ANTHROPIC_TOOLS}


@pairs
@streamed
def test_parallel_calls_reach_the_client(
    client: Client, provider: Provider, dialect: str, upstream: str, streamed: bool
) -> None:
    if streamed:
        provider.then(stream(answers.tool_stream(upstream, *FRAGMENTS, text="Let me look.")))
    else:
        provider.then(reply(answers.tools(upstream, *CALLS)))
    answer = dialects.read(dialect, client.ask(dialect, upstream, tools=TOOLS[dialect], stream=streamed))
    assert answer.stop == "tool_calls"
    found = [(id, name, json.loads(arguments or "{}")) for id, name, arguments in answer.calls]
    assert found == CALLS
    if streamed:
        assert answer.text == "Let me look."
    assert len(provider.last.json["tools"]) == 2


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", {"type": "auto"}),
        ("required", {"type": "any"}),
        ("none", {"type": "none"}),
        ({"type": "function", "function": {"name": "time"}}, {"type": "tool", "name": "time"}),
    ],
    ids=["auto", "required", "none", "named"],
)
def test_forced_choice(client: Client, provider: Provider, choice: object, expected: dict) -> None:
    client.ask("openai", "anthropic", tools=OPENAI_TOOLS, tool_choice=choice)
    assert provider.last.json["tool_choice"] == expected
    client.ask("anthropic", "openai", tools=ANTHROPIC_TOOLS, tool_choice=expected)
    assert provider.last.json["tool_choice"] == choice


def test_one_call_at_a_time(client: Client, provider: Provider) -> None:
    client.ask("openai", "anthropic", tools=OPENAI_TOOLS, parallel_tool_calls=False)
    assert provider.last.json["tool_choice"]["disable_parallel_tool_use"] is True
    client.ask(
        "anthropic",
        "openai",
        tools=ANTHROPIC_TOOLS,
        tool_choice={"type": "auto", "disable_parallel_tool_use": True},
    )
    assert provider.last.json["parallel_tool_calls"] is False


def openai_call(id: str, name: str, arguments: str = "{}") -> dict:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_t02_results_to_anthropic(client: Client, provider: Provider) -> None:
    """Out of order, empty, and with the text of an error: each result finds its call, in one user turn."""
    messages = [
        {"role": "user", "content": "Go"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                openai_call("a", "weather", '{"city":"Bern"}'),
                openai_call("b", "time"),
                openai_call("c", "time"),
            ],
        },
        {"role": "tool", "tool_call_id": "b", "content": ""},
        {"role": "tool", "tool_call_id": "c", "content": "Error: no clock"},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "sunny"}]},
        {"role": "user", "content": "And now?"},
    ]
    client.ask("openai", "anthropic", messages=messages, tools=OPENAI_TOOLS)
    _, calls, results = provider.last.json["messages"]
    assert calls["role"] == "assistant" and results["role"] == "user"
    assert [(b["id"], b["name"], b["input"]) for b in calls["content"]] == [
        ("a", "weather", {"city": "Bern"}),
        ("b", "time", {}),
        ("c", "time", {}),
    ]
    found = {b["tool_use_id"]: b for b in results["content"] if b["type"] == "tool_result"}
    assert set(found) == {"a", "b", "c"}
    assert "sunny" in json.dumps(found["a"]["content"]) and "no clock" in json.dumps(found["c"]["content"])
    # Results stand before anything else the user says.
    assert [b["type"] for b in results["content"]] == ["tool_result"] * 3 + ["text"]


def test_t02_results_to_openai(client: Client, provider: Provider) -> None:
    """Out of order, empty, failed, and with an image, which a tool message cannot hold."""
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
    messages = [
        {"role": "user", "content": "Go"},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Looking."},
                {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "Bern"}},
                {"type": "tool_use", "id": "b", "name": "time", "input": {}},
                {"type": "tool_use", "id": "c", "name": "time", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "b"},
                {"type": "tool_result", "tool_use_id": "c", "is_error": True, "content": "no clock"},
                {
                    "type": "tool_result",
                    "tool_use_id": "a",
                    "content": [{"type": "text", "text": "sunny"}, image],
                },
                {"type": "text", "text": "And now?"},
            ],
        },
    ]
    client.ask("anthropic", "openai", messages=messages, tools=ANTHROPIC_TOOLS)
    sent = provider.last.json["messages"]
    assistant = sent[1]
    assert assistant["content"] == "Looking."
    assert [
        (c["id"], c["function"]["name"], json.loads(c["function"]["arguments"]))
        for c in assistant["tool_calls"]
    ] == [("a", "weather", {"city": "Bern"}), ("b", "time", {}), ("c", "time", {})]
    tools = [m for m in sent if m["role"] == "tool"]
    assert [m["tool_call_id"] for m in tools] == ["a", "b", "c"], "in the order of the calls"
    assert sent[2:5] == tools, "right behind the calls"
    assert all(isinstance(m["content"], str) for m in tools)
    assert (
        "sunny" in tools[0]["content"] and "no clock" in tools[2]["content"] and "rror" in tools[2]["content"]
    )
    user = sent[-1]
    assert user["role"] == "user" and "And now?" in json.dumps(user["content"])
    assert "data:image/png;base64,iVBORw0KGgo=" in json.dumps(user["content"])


# T-07: what clients send that is not quite right, and what must come of it.
FORGIVEN = {
    "empty tools": {"tools": []},
    "choice without tools": {"tool_choice": "auto"},
    "parallel calls without tools": {"parallel_tool_calls": True},
    "null fields": {"tools": None, "temperature": None, "stop": None, "stream": None, "user": None},
    "developer role": {
        "messages": [{"role": "developer", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    },
    "content parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
    "null content beside calls": {
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": None, "tool_calls": [openai_call("a", "time", "")]},
            {"role": "tool", "tool_call_id": "a", "content": "noon"},
        ]
    },
    "broken arguments": {
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "", "tool_calls": [openai_call("a", "time", '{"zone": "CE')]},
            {"role": "tool", "tool_call_id": "a", "content": "noon"},
        ]
    },
    "arguments that are no object": {
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "", "tool_calls": [openai_call("a", "time", "[1]")]},
            {"role": "tool", "tool_call_id": "a", "content": "noon"},
        ]
    },
    "blank assistant turn": {
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": ""},
            {"role": "user", "content": "Hello?"},
        ]
    },
    "two user turns": {
        "messages": [{"role": "user", "content": "Hi"}, {"role": "user", "content": "Hello?"}]
    },
    "assistant first": {
        "messages": [{"role": "assistant", "content": "Welcome."}, {"role": "user", "content": "Hi"}]
    },
    "unknown field": {"x_vendor": {"a": 1}},
}


@pytest.mark.parametrize("name", FORGIVEN)
def test_t07_malformed_but_common(client: Client, provider: Provider, name: str) -> None:
    response = client.ask("openai", "anthropic", **FORGIVEN[name])
    assert response.status_code == 200, response.text
    sent = provider.last.json
    assert sent["messages"], sent
    if not sent.get("tools"):
        assert "tool_choice" not in sent, "Anthropic refuses a choice without tools"
    for message in sent["messages"]:
        assert message["content"] not in (None, "", [])
        for block in message["content"] if isinstance(message["content"], list) else []:
            if block["type"] == "tool_use":
                assert isinstance(block["input"], dict), "Anthropic wants an object"


@pytest.mark.parametrize("name", FORGIVEN)
def test_t07_the_demo_provider_takes_it(client: Client, name: str) -> None:
    """The same again, against a provider that checks as the real one does."""
    response = client.ask("openai", "demo-anthropic", **FORGIVEN[name])
    assert response.status_code == 200, response.text


def test_t07_a_forced_choice_without_tools_is_refused(client: Client, provider: Provider) -> None:
    """Nobody can satisfy it; the client is told before the provider is asked."""
    error = dialects.error_of("openai", client.ask("openai", "anthropic", tool_choice="required"), 400)
    assert error["param"] == "tool_choice" and provider.requests == []


@pytest.mark.parametrize("arguments", ["", "{", "[]", '"text"', "null", '{"a":1}'])
@streamed
def test_t07_broken_arguments_in_an_answer(
    client: Client, provider: Provider, arguments: str, streamed: bool
) -> None:
    """A model that writes broken arguments must not break the client's stream."""
    call = openai_call("a", "time", arguments)
    if streamed:
        provider.then(stream(answers.tool_stream("openai", ("a", "time", [arguments]))))
    else:
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        provider.then(reply(answers.openai_message(message, "tool_calls")))
    response = client.ask("anthropic", "openai", tools=ANTHROPIC_TOOLS, stream=streamed)
    assert response.status_code == 200
    if not streamed:
        [block] = response.json()["content"]
        assert block["type"] == "tool_use" and isinstance(block["input"], dict)
        return
    events = event_stream.parse(response.content)
    assert events[-1].name == "message_stop"
    assert any(
        event.name == "content_block_start" and event.json["content_block"]["name"] == "time"
        for event in events
        if event.name == "content_block_start"
    )
