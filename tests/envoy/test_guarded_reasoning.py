"""Guards that mask what a model thinks: its signature is then over another text, and the provider would refuse both.
So the next turn goes without them, and is accepted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import answers
import aws_event_stream as frames
import bedrock_answers
import converse_stream
import dialects
import event_stream
import gemini_stream
import manifests as m
import responses_stream
from conftest import AWS, KEYS
from dialects import Client
from provider import Connection, Provider, Request, Script, reply, stream
from weir import Gateway

SECRET = "123-45-6789"
SIGNATURE = "RXFRQkNr+/=="
CLEAN = ("I look at ", "the clock.")
# The number in pieces, as a model says it.
LEAKY = ("Their number is 123-", "45-67", "89, so ", "I look at the clock.")
MODELS = {"anthropic": "claude-sonnet-4-5", "bedrock": "anthropic.claude-sonnet-4-5-20250929-v1:0"}

both = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
every_dialect = pytest.mark.parametrize("dialect", dialects.DIALECTS)
every_signer = pytest.mark.parametrize("upstream", MODELS)


@pytest.fixture(scope="session")
def guarded(
    runtime: str, scripted: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Backends of both platforms of Claude, with a guard of answers; `held-…` also has one that holds streams."""
    gateway = Gateway(tmp_path_factory.mktemp(f"reasoning-{runtime}") / "config", runtime)
    gateway.write("gateway.yaml", m.dump(m.gateway_class(), m.gateway(gateway.port)))
    secrets = [m.secret("anthropic", KEYS["anthropic"]), m.aws_secret("bedrock", *AWS)]
    gateway.write("keys.yaml", m.dump(*secrets))
    mask = {"name": "pii", "regex": {"action": "Mask", "builtins": ["Ssn"]}}
    length = {"name": "length", "length": {"words": {"max": 10_000}}}
    entries = {
        "anthropic": m.provider("anthropic", scripted.port),
        "bedrock": m.elsewhere(scripted.port, bedrock={"region": "eu-west-1"}),
    }
    backends = [
        m.backend(prefix + name, entry, key=name, ai={"promptGuard": {"response": rules}})
        for name, entry in entries.items()
        for prefix, rules in (("", [mask]), ("held-", [mask, length]))
    ]
    names = [backend["metadata"]["name"] for backend in backends]
    gateway.write("backends.yaml", m.dump(*backends))
    gateway.write("routes.yaml", m.dump(*m.routes(names)))
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.fixture
def client(guarded: Gateway) -> Iterator[Client]:
    client = Client(guarded)
    yield client
    client.close()


# What the provider says


def thinks(upstream: str, pieces: tuple[str, ...], streamed: bool) -> Script:
    """Signed thinking, then a call."""
    text = "".join(pieces)
    if upstream == "anthropic":
        if not streamed:
            thinking = {"type": "thinking", "thinking": text, "signature": SIGNATURE}
            call = {"type": "tool_use", "id": "toolu_1", "name": "clock", "input": {}}
            return reply(answers.anthropic_message([thinking, call], "tool_use"))
        thinking = answers.anthropic_block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            *({"type": "thinking_delta", "thinking": piece} for piece in pieces),
            {"type": "signature_delta", "signature": SIGNATURE},
        )
        start = {"type": "tool_use", "id": "toolu_1", "name": "clock", "input": {}}
        call = answers.anthropic_block(1, start, {"type": "input_json_delta", "partial_json": "{}"})
        return stream([answers.anthropic_start(), *thinking, *call, *answers.anthropic_end("tool_use")])
    if not streamed:
        reasoning = {"reasoningContent": {"reasoningText": {"text": text, "signature": SIGNATURE}}}
        call = bedrock_answers.call("toolu_1", "clock", {})
        return reply(bedrock_answers.answer([reasoning, call], "tool_calls"))
    deltas = [{"text": piece} for piece in pieces] + [{"signature": SIGNATURE}]
    thinking = [
        frames.event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": delta}})
        for delta in deltas
    ]
    # Its other events, with the call as the second block.
    start, _, *rest = bedrock_answers.stream(("",), (("toolu_1", "clock", ["{}"]),), "tool_calls")
    return stream([start, *thinking, *rest])


def strict(upstream: str, signed: str) -> Script:
    """Refuses as the real API does: thinking that is not what it signed, and calls that lack the thinking which is
    asked for."""

    async def script(connection: Connection, request: Request) -> None:
        body = request.json
        problem = None
        for message in body["messages"]:
            for block in message["content"]:
                if thought(block) not in (None, (signed, SIGNATURE)):
                    problem = "Invalid `signature` in `thinking` block"
        last = [message for message in body["messages"] if message["role"] == "assistant"][-1]
        asked = body if upstream == "anthropic" else body.get("additionalModelRequestFields", {})
        if asked.get("thinking", {}).get("type") == "enabled" and thought(last["content"][0]) is None:
            problem = "Expected `thinking` or `redacted_thinking`, but found `tool_use`"
        if problem:
            error = {"type": "error", "error": {"type": "invalid_request_error", "message": problem}}
            await reply(error, 400)(connection, request)
        elif request.streamed:
            await stream(answers.text_stream(upstream))(connection, request)
        else:
            await reply(answers.text(upstream))(connection, request)

    return script


def thought(block: Any) -> tuple[str, str] | None:
    """Text and signature of a block of Anthropic or Bedrock, if it is one of thinking."""
    if isinstance(block, dict) and block.get("type") == "thinking":
        return block["thinking"], block["signature"]
    if isinstance(block, dict) and (reasoning := block.get("reasoningContent")):
        return reasoning["reasoningText"]["text"], reasoning["reasoningText"]["signature"]
    return None


# What the client makes of it


def openai_turn(raw: bytes) -> list[dict[str, Any]]:
    blocks = [
        block
        for event in event_stream.parse(raw)
        if event.data != "[DONE]"
        for choice in event.json["choices"]
        for block in choice["delta"].get("thinking_blocks") or []
    ]
    message = event_stream.read_openai(raw)
    [call] = message.calls
    function = {"name": call["name"], "arguments": call["arguments"]}
    calls = [{"id": call["id"], "type": "function", "function": function}]
    said = {"role": "assistant", "content": None, "reasoning_content": message.reasoning}
    return [said | {"thinking_blocks": blocks, "tool_calls": calls}]


def bedrock_turn(raw: bytes) -> list[dict[str, Any]]:
    blocks = converse_stream.read(raw).blocks
    for block in blocks:
        if "reasoningContent" in block:
            block["reasoningContent"] = {"reasoningText": block["reasoningContent"]}
    return [{"role": "assistant", "content": blocks}]


STREAMED: dict[str, Callable[[bytes], list[dict[str, Any]]]] = {
    "openai": openai_turn,
    "responses": lambda raw: responses_stream.read(raw).response["output"],
    "anthropic": lambda raw: [{"role": "assistant", "content": event_stream.read_anthropic(raw).blocks}],
    "gemini": lambda raw: [{"role": "model", "parts": gemini_stream.read(raw).parts}],
    "bedrock": bedrock_turn,
}
WHOLE: dict[str, Callable[[Any], list[dict[str, Any]]]] = {
    "openai": lambda body: [body["choices"][0]["message"]],
    "responses": lambda body: body["output"],
    "anthropic": lambda body: [{"role": "assistant", "content": body["content"]}],
    "gemini": lambda body: [body["candidates"][0]["content"]],
    "bedrock": lambda body: [body["output"]["message"]],
}


def result(dialect: str, turn: list[dict[str, Any]]) -> dict[str, Any]:
    """The result of the one call in a turn."""
    if dialect == "openai":
        return {"role": "tool", "tool_call_id": turn[0]["tool_calls"][0]["id"], "content": "Noon"}
    if dialect == "responses":
        [id] = [item["call_id"] for item in turn if item["type"] == "function_call"]
        return {"type": "function_call_output", "call_id": id, "output": "Noon"}
    if dialect == "anthropic":
        [id] = [block["id"] for block in turn[0]["content"] if block["type"] == "tool_use"]
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": id, "content": "Noon"}
    elif dialect == "gemini":
        [call] = [part["functionCall"] for part in turn[0]["parts"] if "functionCall" in part]
        response = {"id": call["id"], "name": call["name"], "response": {"result": "Noon"}}
        return {"role": "user", "parts": [{"functionResponse": response}]}
    else:
        [id] = [block["toolUse"]["toolUseId"] for block in turn[0]["content"] if "toolUse" in block]
        block = {"toolResult": {"toolUseId": id, "content": [{"text": "Noon"}]}}
    return {"role": "user", "content": [block]}


FIELD = {"responses": "input", "gemini": "contents"}
THINKING: dict[str, dict[str, Any]] = {
    "openai": {"reasoning_effort": "low"},
    "responses": {"reasoning": {"effort": "low"}},
    "anthropic": {"max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 2000}},
    "gemini": {"generationConfig": {"thinkingConfig": {"thinkingBudget": 2000, "includeThoughts": True}}},
    "bedrock": {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2000}}},
}


def converse(
    client: Client, provider: Provider, dialect: str, upstream: str, pieces: tuple[str, ...], streamed: bool
) -> Request:
    """Asks, and sends the answer back with the result of its call. The second request as the provider got it."""
    name = upstream.removeprefix("held-")
    provider.then(thinks(name, pieces, streamed), strict(name, "".join(pieces)))
    more = THINKING[dialect] | dialects.tools(dialect, "clock")
    first = dialects.request(dialect, MODELS[name], "What time is it?", streamed) | more
    response = client.ask(dialect, upstream, first, model=MODELS[name], stream=streamed)
    assert response.status_code == 200, response.text
    assert SECRET.encode() not in response.content
    turn = STREAMED[dialect](response.content) if streamed else WHOLE[dialect](response.json())
    field = FIELD.get(dialect, "messages")
    asked = first[field] if isinstance(first[field], list) else [{"role": "user", "content": first[field]}]
    second = first | {field: [*asked, *turn, result(dialect, turn)]}
    response = client.ask(dialect, upstream, second, model=MODELS[name], stream=streamed)
    assert dialects.read(dialect, response).text == answers.TEXT
    return provider.last


@both
@every_dialect
@every_signer
def test_masked_thinking_does_not_break_the_next_turn(
    client: Client, provider: Provider, dialect: str, upstream: str, streamed: bool
) -> None:
    sent = converse(client, provider, dialect, upstream, LEAKY, streamed)
    assert b"Noon" in sent.body and b"clock" in sent.body
    for gone in (b"I look at the clock", SIGNATURE.encode(), b"<SSN>", b"weir"):
        assert gone not in sent.body, gone


@both
@every_dialect
@every_signer
def test_clean_thinking_comes_back_as_it_was_signed(
    client: Client, provider: Provider, dialect: str, upstream: str, streamed: bool
) -> None:
    sent = converse(client, provider, dialect, upstream, CLEAN, streamed)
    [assistant] = [message for message in sent.json["messages"] if message["role"] == "assistant"]
    assert thought(assistant["content"][0]) == ("".join(CLEAN), SIGNATURE)


@every_dialect
def test_streams_that_are_held_are_no_different(client: Client, provider: Provider, dialect: str) -> None:
    sent = converse(client, provider, dialect, "held-anthropic", LEAKY, True)
    assert SIGNATURE.encode() not in sent.body and b"weir" not in sent.body


@pytest.mark.parametrize("dialect", MODELS)
def test_masked_thinking_is_not_counted(client: Client, provider: Provider, dialect: str) -> None:
    """What is counted is what would be sent."""
    model = MODELS[dialect]
    provider.then(thinks(dialect, LEAKY, False), reply({"input_tokens": 7, "inputTokens": 7}))
    more = THINKING[dialect] | dialects.tools(dialect, "clock")
    first = dialects.request(dialect, model, "What time is it?") | more
    turn = WHOLE[dialect](client.ask(dialect, dialect, first, model=model).json())
    body = first | {"messages": [*first["messages"], *turn, result(dialect, turn)]}
    path = "/v1/messages/count_tokens"
    if dialect == "anthropic":
        del body["max_tokens"]
    else:
        path, body = f"/model/{model}/count-tokens", {"input": {"converse": body}}
    url = f"{client.gateway.base}/{dialect}{path}"
    response = client.http.post(url, json=body, headers=dialects.headers(dialect))
    assert response.status_code == 200, response.text
    assert SIGNATURE.encode() not in provider.last.body and b"clock" in provider.last.body
