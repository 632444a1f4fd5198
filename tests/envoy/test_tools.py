"""Tool calls: T-02 (the loop) and T-07 (malformed but common requests)."""

from __future__ import annotations

import json

import pytest

import answers
import dialects
import event_stream
from dialects import PAIRS, Client
from provider import Provider, reply, stream

pairs = pytest.mark.parametrize(("dialect", "upstream"), PAIRS, ids=dialects.ids(PAIRS))
streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])

CALLS = [("call_1", "weather", {"city": "Zürich"}), ("call_2", "time", {})]
FRAGMENTS = [("call_1", "weather", ['{"ci', 'ty":"Z', 'ürich"}']), ("call_2", "time", [])]

TOOLS = {dialect: dialects.tools(dialect, "weather", "time") for dialect in dialects.DIALECTS}
OPENAI_TOOLS = TOOLS["openai"]["tools"]
ANTHROPIC_TOOLS = TOOLS["anthropic"]["tools"]


@pairs
@streamed
def test_parallel_calls_reach_the_client(
    client: Client, provider: Provider, dialect: str, upstream: str, streamed: bool
) -> None:
    if streamed:
        provider.then(stream(answers.tool_stream(upstream, *FRAGMENTS, text="Let me look.")))
    else:
        provider.then(reply(answers.tools(upstream, *CALLS)))
    answer = dialects.read(dialect, client.ask(dialect, upstream, stream=streamed, **TOOLS[dialect]))
    assert answer.stop == "tool_calls"
    found = [(id, name, json.loads(arguments or "{}")) for id, name, arguments in answer.calls]
    assert found == CALLS
    if streamed:
        assert answer.text == "Let me look."
    assert dialects.offered(upstream, provider.last.json) == ["weather", "time"]


# What each dialect writes for: the model decides, it must call, it must not, it must call `time`. Bedrock has
# no word for the third: the tools are left out there.
CHOICES: dict[str, tuple[dict, dict, dict | None, dict]] = {
    "openai": (
        {"tool_choice": "auto"},
        {"tool_choice": "required"},
        {"tool_choice": "none"},
        {"tool_choice": {"type": "function", "function": {"name": "time"}}},
    ),
    "responses": (
        {"tool_choice": "auto"},
        {"tool_choice": "required"},
        {"tool_choice": "none"},
        {"tool_choice": {"type": "function", "name": "time"}},
    ),
    "anthropic": (
        {"tool_choice": {"type": "auto"}},
        {"tool_choice": {"type": "any"}},
        {"tool_choice": {"type": "none"}},
        {"tool_choice": {"type": "tool", "name": "time"}},
    ),
    "gemini": tuple(
        {"toolConfig": {"functionCallingConfig": config}}
        for config in (
            {"mode": "AUTO"},
            {"mode": "ANY"},
            {"mode": "NONE"},
            {"mode": "ANY", "allowedFunctionNames": ["time"]},
        )
    ),
    "bedrock": (
        {"toolChoice": {"auto": {}}},
        {"toolChoice": {"any": {}}},
        None,
        {"toolChoice": {"tool": {"name": "time"}}},
    ),
}
CHOICE_NAMES = ("auto", "required", "none", "named")


@pairs
def test_forced_choice(client: Client, provider: Provider, dialect: str, upstream: str) -> None:
    for place, choice in enumerate(CHOICES[dialect]):
        if choice is None:
            continue
        fields = TOOLS[dialect] | choice
        if dialect == "bedrock":
            fields = {"toolConfig": TOOLS[dialect]["toolConfig"] | choice}
        # Not every model of Bedrock can be made to call.
        model = "anthropic.claude-sonnet-4-5" if upstream == "bedrock" else dialects.MODEL
        assert client.ask(dialect, upstream, model=model, **fields).status_code == 200
        sent = provider.last.json
        expected = CHOICES[upstream][place]
        if expected is None:
            assert not (sent.get("toolConfig") or {}).get("toolChoice"), CHOICE_NAMES[place]
        elif upstream == "bedrock":
            found = sent["toolConfig"].get("toolChoice", {"auto": {}})
            assert found == expected["toolChoice"], CHOICE_NAMES[place]
        else:
            [(name, value)] = expected.items()
            found = sent.get(name)
            # What the provider does by itself need not be said.
            assert found == value or (found is None and place == 0), CHOICE_NAMES[place]


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


def calls_of(dialect: str, *calls: tuple[str, str, dict]) -> list[dict]:
    """The turn in which a model called tools, as items of a conversation."""
    if dialect == "openai":
        made = [openai_call(id, name, answers.compact(arguments)) for id, name, arguments in calls]
        return [{"role": "assistant", "content": None, "tool_calls": made}]
    if dialect == "responses":
        return [
            {"type": "function_call", "call_id": id, "name": name, "arguments": answers.compact(arguments)}
            for id, name, arguments in calls
        ]
    if dialect == "anthropic":
        blocks = [
            {"type": "tool_use", "id": id, "name": name, "input": arguments} for id, name, arguments in calls
        ]
        return [{"role": "assistant", "content": blocks}]
    if dialect == "gemini":
        parts = [
            {"functionCall": {"id": id, "name": name, "args": arguments}} for id, name, arguments in calls
        ]
        return [{"role": "model", "parts": parts}]
    uses = [{"toolUse": {"toolUseId": id, "name": name, "input": arguments}} for id, name, arguments in calls]
    return [{"role": "assistant", "content": uses}]


def results_of(dialect: str, *results: tuple[str, str, str]) -> list[dict]:
    """What tools answered (id, name, text), as items of a conversation."""
    if dialect == "openai":
        return [{"role": "tool", "tool_call_id": id, "content": text} for id, _, text in results]
    if dialect == "responses":
        return [{"type": "function_call_output", "call_id": id, "output": text} for id, _, text in results]
    if dialect == "anthropic":
        blocks = [{"type": "tool_result", "tool_use_id": id, "content": text} for id, _, text in results]
        return [{"role": "user", "content": blocks}]
    if dialect == "gemini":
        parts = [
            {"functionResponse": {"id": id, "name": name, "response": {"output": text}}}
            for id, name, text in results
        ]
        return [{"role": "user", "parts": parts}]
    blocks = [
        {"toolResult": {"toolUseId": id, "content": [{"text": text}], "status": "success"}}
        for id, _, text in results
    ]
    return [{"role": "user", "content": blocks}]


def found_calls(dialect: str, body: dict) -> list[tuple[str | None, str, dict]]:
    """The calls in a conversation at the provider."""
    if dialect == "openai":
        return [
            (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
            for message in body["messages"]
            for call in message.get("tool_calls") or []
        ]
    if dialect == "responses":
        return [
            (item["call_id"], item["name"], json.loads(item["arguments"]))
            for item in body["input"]
            if item.get("type") == "function_call"
        ]
    if dialect == "gemini":
        parts = [
            part["functionCall"] for c in body["contents"] for part in c["parts"] if "functionCall" in part
        ]
        return [(call.get("id"), call["name"], call.get("args") or {}) for call in parts]
    blocks = [b for m in body["messages"] for b in m["content"] if isinstance(b, dict)]
    if dialect == "anthropic":
        return [(b["id"], b["name"], b["input"]) for b in blocks if b["type"] == "tool_use"]
    uses = [block["toolUse"] for block in blocks if "toolUse" in block]
    return [(use["toolUseId"], use["name"], use["input"]) for use in uses]


def found_results(dialect: str, body: dict) -> list[tuple[str | None, str]]:
    """The results in a conversation at the provider: id (Gemini: or name) and its JSON."""
    if dialect == "openai":
        found = [(m["tool_call_id"], m["content"]) for m in body["messages"] if m["role"] == "tool"]
    elif dialect == "responses":
        found = [
            (item["call_id"], item["output"])
            for item in body["input"]
            if item.get("type") == "function_call_output"
        ]
    elif dialect == "gemini":
        parts = [
            p["functionResponse"] for c in body["contents"] for p in c["parts"] if "functionResponse" in p
        ]
        found = [(part.get("id"), part["response"]) for part in parts]
    else:
        blocks = [b for m in body["messages"] for b in m["content"] if isinstance(b, dict)]
        if dialect == "anthropic":
            found = [(b["tool_use_id"], b["content"]) for b in blocks if b["type"] == "tool_result"]
        else:
            results = [b["toolResult"] for b in blocks if "toolResult" in b]
            found = [(result["toolUseId"], result["content"]) for result in results]
    return [(id, json.dumps(content, ensure_ascii=False)) for id, content in found]


CONVERSATION = {"responses": "input", "gemini": "contents"}


@pairs
def test_t02_the_loop_in_every_pair(client: Client, provider: Provider, dialect: str, upstream: str) -> None:
    """Two parallel calls come back with their results, out of order, and a further turn: every call and
    result reaches the provider under one id, and nothing becomes plain text."""
    field = CONVERSATION.get(dialect, "messages")
    provider.then(reply(answers.tools(upstream, *CALLS)))
    answer = dialects.read(dialect, client.ask(dialect, upstream, **TOOLS[dialect]))
    made = [(id, name, json.loads(arguments)) for id, name, arguments in answer.calls]
    results = [(made[1][0], "time", "noon"), (made[0][0], "weather", "sunny")]
    first = dialects.turn(dialect, "Go")[field]
    first = [{"role": "user", "content": first}] if isinstance(first, str) else first
    again = dialects.turn(dialect, "And now?")[field]
    again = [{"role": "user", "content": again}] if isinstance(again, str) else again
    history = [*first, *calls_of(dialect, *made), *results_of(dialect, *results)]
    final = dialects.read(dialect, client.ask(dialect, upstream, **{field: history}, **TOOLS[dialect]))
    assert final.text == answers.TEXT
    check_loop(upstream, provider.last.json)
    answered = calls_of(dialect, ("later", "time", {"zone": "CET"}))
    history += [*again, *answered, *results_of(dialect, ("later", "time", "one"))]
    client.ask(dialect, upstream, **{field: history}, **TOOLS[dialect])
    sent = provider.last.json
    assert len(found_calls(upstream, sent)) == 3
    assert "one" in found_results(upstream, sent)[-1][1]


def check_loop(upstream: str, sent: dict) -> None:
    calls, results = found_calls(upstream, sent), found_results(upstream, sent)
    assert [(name, arguments) for _, name, arguments in calls] == [(name, a) for _, name, a in CALLS]
    assert len(results) == 2 and {id for id, _ in results} == {id for id, _, _ in calls}
    by_id = dict(results)
    if None not in by_id:
        assert "sunny" in by_id[calls[0][0]] and "noon" in by_id[calls[1][0]]


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


@pytest.mark.parametrize("upstream", ["responses", "gemini", "bedrock"])
@pytest.mark.parametrize("name", FORGIVEN)
def test_t07_malformed_but_common_elsewhere(
    client: Client, provider: Provider, name: str, upstream: str
) -> None:
    response = client.ask("openai", upstream, **FORGIVEN[name])
    assert response.status_code == 200, response.text
    assert dialects.read("openai", response).text == answers.TEXT


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
