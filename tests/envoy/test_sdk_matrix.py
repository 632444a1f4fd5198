"""Every official SDK against every provider dialect: text, streams and tool calls through the SDK's own
parsers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import boto3
import openai
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types

import answers
import dialects
from provider import Provider, reply, stream
from weir import Gateway

UPSTREAMS = pytest.mark.parametrize("upstream", dialects.DIALECTS)
streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
CALLS = [("call_1", "weather", {"city": "Zürich"}), ("call_2", "clock", {"city": "Bern"})]
FRAGMENTS = [
    (id, name, [answers.compact(arguments)[:5], answers.compact(arguments)[5:]])
    for id, name, arguments in CALLS
]
TOTAL = (answers.USAGE["input"] + answers.USAGE["cache_read"], answers.USAGE["output"])


def call_tools(provider: Provider, upstream: str, streamed: bool) -> None:
    """Lets the provider answer with two parallel calls."""
    if streamed:
        provider.then(stream(answers.tool_stream(upstream, *FRAGMENTS)))
    else:
        provider.then(reply(answers.tools(upstream, *CALLS)))


def refuse(provider: Provider, upstream: str, status: int) -> None:
    headers = answers.error_headers(upstream, status)
    provider.then(*[reply(answers.error(upstream, status, "No such thing."), status, headers=headers)] * 3)


# OpenAI: chat completions


@pytest.fixture
def chat(gateway: Gateway, upstream: str) -> Iterator[openai.OpenAI]:
    base = f"{gateway.base}/{dialects.backend('openai', upstream)}/v1"
    with openai.OpenAI(base_url=base, api_key=dialects.CLIENT_KEY, timeout=20, max_retries=0) as client:
        yield client


def asked(client: openai.OpenAI, streamed: bool, **more: Any) -> Any:
    """A completion, whole or put together by the SDK."""
    fields: dict[str, Any] = {"model": dialects.MODEL, "messages": [{"role": "user", "content": "Hi"}]} | more
    if not streamed:
        return client.chat.completions.create(**fields)
    with client.chat.completions.stream(**fields, stream_options={"include_usage": True}) as events:
        for _ in events:
            pass
        return events.get_final_completion()


@UPSTREAMS
@streamed
def test_openai_text(chat: openai.OpenAI, provider: Provider, streamed: bool) -> None:
    answer = asked(chat, streamed)
    assert answer.choices[0].message.content == answers.TEXT and answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == TOTAL
    assert answer.usage.prompt_tokens_details.cached_tokens == answers.USAGE["cache_read"]


@UPSTREAMS
@streamed
def test_openai_tools(chat: openai.OpenAI, provider: Provider, upstream: str, streamed: bool) -> None:
    call_tools(provider, upstream, streamed)
    tools = [
        {"type": "function", "function": {"name": name, "parameters": SCHEMA}}
        for name in ("weather", "clock")
    ]
    [choice] = asked(chat, streamed, tools=tools).choices
    assert choice.finish_reason == "tool_calls"
    found = [(c.id, c.function.name, json.loads(c.function.arguments)) for c in choice.message.tool_calls]
    assert found == CALLS


@UPSTREAMS
def test_openai_errors(chat: openai.OpenAI, provider: Provider, upstream: str) -> None:
    for status, kind in (
        (400, openai.BadRequestError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ):
        refuse(provider, upstream, status)
        with pytest.raises(kind, match="No such thing."):
            asked(chat, False)
        provider.clear()


# OpenAI: responses


@pytest.fixture
def respond(gateway: Gateway, upstream: str) -> Iterator[openai.OpenAI]:
    base = f"{gateway.base}/{dialects.backend('responses', upstream)}/v1"
    with openai.OpenAI(base_url=base, api_key=dialects.CLIENT_KEY, timeout=20, max_retries=0) as client:
        yield client


def response_of(client: openai.OpenAI, streamed: bool, **more: Any) -> Any:
    fields: dict[str, Any] = {"model": dialects.MODEL, "input": "Hi"} | more
    if not streamed:
        return client.responses.create(**fields)
    with client.responses.stream(**fields) as events:
        kinds = [event.type for event in events]
        assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
        return events.get_final_response()


@UPSTREAMS
@streamed
def test_responses_text(respond: openai.OpenAI, provider: Provider, streamed: bool) -> None:
    answer = response_of(respond, streamed)
    assert answer.output_text == answers.TEXT and answer.status == "completed"
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == TOTAL
    assert answer.usage.input_tokens_details.cached_tokens == answers.USAGE["cache_read"]


@UPSTREAMS
@streamed
def test_responses_tools(respond: openai.OpenAI, provider: Provider, upstream: str, streamed: bool) -> None:
    call_tools(provider, upstream, streamed)
    tools = [
        {"type": "function", "name": name, "parameters": SCHEMA, "strict": False}
        for name in ("weather", "clock")
    ]
    answer = response_of(respond, streamed, tools=tools)
    calls = [item for item in answer.output if item.type == "function_call"]
    assert [(c.call_id, c.name, json.loads(c.arguments)) for c in calls] == CALLS


@UPSTREAMS
def test_responses_errors(respond: openai.OpenAI, provider: Provider, upstream: str) -> None:
    refuse(provider, upstream, 429)
    with pytest.raises(openai.RateLimitError, match="No such thing."):
        response_of(respond, False)


# Anthropic


@pytest.fixture
def claude(gateway: Gateway, upstream: str) -> Iterator[anthropic.Anthropic]:
    base = f"{gateway.base}/{dialects.backend('anthropic', upstream)}"
    with anthropic.Anthropic(base_url=base, api_key=dialects.CLIENT_KEY, timeout=20, max_retries=0) as client:
        yield client


def message_of(client: anthropic.Anthropic, streamed: bool, **more: Any) -> Any:
    fields: dict[str, Any] = {
        "model": dialects.MODEL,
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Hi"}],
    } | more
    if not streamed:
        return client.messages.create(**fields)
    with client.messages.stream(**fields) as events:
        return events.get_final_message()


@UPSTREAMS
@streamed
def test_anthropic_text(claude: anthropic.Anthropic, provider: Provider, streamed: bool) -> None:
    answer = message_of(claude, streamed)
    assert (
        "".join(block.text for block in answer.content) == answers.TEXT and answer.stop_reason == "end_turn"
    )
    usage = answer.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (
        answers.USAGE["input"],
        answers.USAGE["cache_read"],
        answers.USAGE["output"],
    )


@UPSTREAMS
@streamed
def test_anthropic_tools(
    claude: anthropic.Anthropic, provider: Provider, upstream: str, streamed: bool
) -> None:
    call_tools(provider, upstream, streamed)
    tools = [{"name": name, "input_schema": SCHEMA} for name in ("weather", "clock")]
    answer = message_of(claude, streamed, tools=tools)
    assert answer.stop_reason == "tool_use"
    assert [(b.id, b.name, b.input) for b in answer.content if b.type == "tool_use"] == CALLS


@UPSTREAMS
def test_anthropic_errors(claude: anthropic.Anthropic, provider: Provider, upstream: str) -> None:
    for status, kind in (
        (400, anthropic.BadRequestError),
        (404, anthropic.NotFoundError),
        (429, anthropic.RateLimitError),
    ):
        refuse(provider, upstream, status)
        with pytest.raises(kind, match="No such thing."):
            message_of(claude, False)
        provider.clear()


# Gemini


@pytest.fixture
def gemini(gateway: Gateway, upstream: str) -> Iterator[genai.Client]:
    options = genai_types.HttpOptions(base_url=f"{gateway.base}/{upstream}", timeout=20_000)
    client = genai.Client(api_key=dialects.CLIENT_KEY, vertexai=False, http_options=options)
    yield client
    client.close()


def generated(client: genai.Client, streamed: bool, **config: Any) -> tuple[str, list[Any], Any]:
    """Text, calls and the last piece of an answer."""
    fields = {"model": dialects.MODEL, "contents": "Hi"}
    options = genai_types.GenerateContentConfig(
        automatic_function_calling=genai_types.AutomaticFunctionCallingConfig(disable=True), **config
    )
    if streamed:
        pieces = list(client.models.generate_content_stream(**fields, config=options))
    else:
        pieces = [client.models.generate_content(**fields, config=options)]
    parts = [
        part
        for piece in pieces
        for candidate in piece.candidates or []
        for part in (candidate.content.parts if candidate.content else None) or []
    ]
    text = "".join(part.text or "" for part in parts)
    return text, [part.function_call for part in parts if part.function_call], pieces[-1]


@UPSTREAMS
@streamed
def test_gemini_text(gemini: genai.Client, provider: Provider, streamed: bool) -> None:
    text, _, last = generated(gemini, streamed)
    assert text == answers.TEXT
    assert last.candidates[0].finish_reason == genai_types.FinishReason.STOP
    usage = last.usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count) == TOTAL
    assert usage.cached_content_token_count == answers.USAGE["cache_read"]


@UPSTREAMS
@streamed
def test_gemini_tools(gemini: genai.Client, provider: Provider, upstream: str, streamed: bool) -> None:
    call_tools(provider, upstream, streamed)
    declarations = [{"name": name, "parameters_json_schema": SCHEMA} for name in ("weather", "clock")]
    _, calls, _ = generated(gemini, streamed, tools=[{"function_declarations": declarations}])
    assert [(call.name, call.args) for call in calls] == [(name, arguments) for _, name, arguments in CALLS]


@UPSTREAMS
def test_gemini_errors(gemini: genai.Client, provider: Provider, upstream: str) -> None:
    refuse(provider, upstream, 404)
    with pytest.raises(genai_errors.ClientError, match="No such thing.") as caught:
        generated(gemini, False)
    assert caught.value.code == 404 and caught.value.status == "NOT_FOUND"


# Bedrock


@pytest.fixture
def bedrock(gateway: Gateway, upstream: str) -> Iterator[Any]:
    client = boto3.client(
        "bedrock-runtime",
        endpoint_url=f"{gateway.base}/{upstream}",
        region_name="us-east-1",
        aws_access_key_id="AKIDCLIENT",
        aws_secret_access_key=dialects.CLIENT_KEY,
        config=Config(retries={"total_max_attempts": 1}, read_timeout=20),
    )
    yield client
    client.close()


def conversed(client: Any, streamed: bool, **more: Any) -> tuple[list[Any], str, Any]:
    """Blocks, stop reason and usage; a stream is put together as AWS's documentation does it."""
    fields = {"modelId": dialects.MODEL, "messages": [{"role": "user", "content": [{"text": "Hi"}]}]} | more
    if not streamed:
        answer = client.converse(**fields)
        return answer["output"]["message"]["content"], answer["stopReason"], answer["usage"]
    blocks: dict[int, Any] = {}
    stop, usage = "", {}
    for event in client.converse_stream(**fields)["stream"]:
        if start := event.get("contentBlockStart"):
            blocks[start["contentBlockIndex"]] = {"toolUse": start["start"]["toolUse"] | {"input": ""}}
        elif block := event.get("contentBlockDelta"):
            found = blocks.setdefault(block["contentBlockIndex"], {"text": ""})
            if "toolUse" in block["delta"]:
                found["toolUse"]["input"] += block["delta"]["toolUse"]["input"]
            else:
                found["text"] += block["delta"]["text"]
        elif "messageStop" in event:
            stop = event["messageStop"]["stopReason"]
        elif "metadata" in event:
            usage = event["metadata"]["usage"]
    for found in blocks.values():
        if "toolUse" in found:
            found["toolUse"]["input"] = json.loads(found["toolUse"]["input"])
    return list(blocks.values()), stop, usage


@UPSTREAMS
@streamed
def test_bedrock_text(bedrock: Any, provider: Provider, streamed: bool) -> None:
    blocks, stop, usage = conversed(bedrock, streamed)
    assert "".join(block["text"] for block in blocks) == answers.TEXT and stop == "end_turn"
    assert (usage["inputTokens"], usage["cacheReadInputTokens"], usage["outputTokens"]) == (
        answers.USAGE["input"],
        answers.USAGE["cache_read"],
        answers.USAGE["output"],
    )


@UPSTREAMS
@streamed
def test_bedrock_tools(bedrock: Any, provider: Provider, upstream: str, streamed: bool) -> None:
    call_tools(provider, upstream, streamed)
    specs = [{"toolSpec": {"name": name, "inputSchema": {"json": SCHEMA}}} for name in ("weather", "clock")]
    blocks, stop, _ = conversed(bedrock, streamed, toolConfig={"tools": specs})
    assert stop == "tool_use"
    uses = [block["toolUse"] for block in blocks if "toolUse" in block]
    assert [(use["toolUseId"], use["name"], use["input"]) for use in uses] == CALLS


@UPSTREAMS
def test_bedrock_errors(bedrock: Any, provider: Provider, upstream: str) -> None:
    for status, name in ((400, "ValidationException"), (429, "ThrottlingException")):
        refuse(provider, upstream, status)
        with pytest.raises(ClientError, match="No such thing.") as caught:
            conversed(bedrock, False)
        assert caught.value.response["Error"]["Code"] == name
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
        provider.clear()


@UPSTREAMS
def test_bedrock_errors_in_a_stream(bedrock: Any, provider: Provider, upstream: str) -> None:
    events = answers.text_stream(upstream)
    provider.then(stream(events[:2], answers.error_event(upstream, 529, "Halfway.", 2)))
    with pytest.raises(ClientError, match="Halfway."):
        conversed(bedrock, True)
