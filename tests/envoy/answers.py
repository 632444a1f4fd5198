"""What providers answer, as Python values and event streams: the fixtures of the suite. Those of OpenAI's
chat completions and of Anthropic are here, the others in `responses_answers`, `gemini_answers` and
`bedrock_answers`."""

from __future__ import annotations

import json
from typing import Any

import aws_event_stream
import bedrock_answers
import gemini_answers
import responses_answers

# Usage the ready-made answers report, in the terms of Weir's record.
USAGE = {"input": 9, "cache_read": 4, "output": 5}

TEXT = "Hello, Zürich!"


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


# Stop reasons of Anthropic; everywhere here they are named in OpenAI's words.
ANTHROPIC_STOPS = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens"}


def text(dialect: str, text: str = TEXT, model: str = "m", stop: str = "stop") -> dict[str, Any]:
    """A complete answer of text."""
    if dialect == "openai":
        return openai_message({"role": "assistant", "content": text, "refusal": None}, stop, model)
    if dialect == "responses":
        return responses_answers.response([responses_answers.message(text)], model, stop)
    if dialect == "gemini":
        return gemini_answers.answer([{"text": text}], model, stop)
    if dialect == "bedrock":
        return bedrock_answers.answer([{"text": text}], stop)
    return anthropic_message([{"type": "text", "text": text}], ANTHROPIC_STOPS[stop], model)


def tools(dialect: str, *calls: tuple[str, str, dict[str, Any]], model: str = "m") -> dict[str, Any]:
    """A complete answer of tool calls: id, name and arguments of each."""
    if dialect == "openai":
        message = {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": id, "type": "function", "function": {"name": name, "arguments": compact(arguments)}}
                for id, name, arguments in calls
            ],
        }
        return openai_message(message, "tool_calls", model)
    if dialect == "responses":
        items = [
            responses_answers.call(index, id, name, compact(arguments))
            for index, (id, name, arguments) in enumerate(calls)
        ]
        return responses_answers.response(items, model, "tool_calls")
    if dialect == "gemini":
        return gemini_answers.answer([gemini_answers.call(*call) for call in calls], model, "tool_calls")
    if dialect == "bedrock":
        return bedrock_answers.answer([bedrock_answers.call(*call) for call in calls], "tool_calls")
    blocks = [
        {"type": "tool_use", "id": id, "name": name, "input": arguments} for id, name, arguments in calls
    ]
    return anthropic_message(blocks, "tool_use", model)


def openai_message(message: dict[str, Any], finish: str, model: str = "m") -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": openai_usage(),
    }


def anthropic_message(blocks: list[dict[str, Any]], stop: str, model: str = "m") -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": blocks,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": anthropic_usage(),
    }


def openai_usage() -> dict[str, Any]:
    """OpenAI counts cached tokens as part of the prompt."""
    return {
        "prompt_tokens": USAGE["input"] + USAGE["cache_read"],
        "completion_tokens": USAGE["output"],
        "total_tokens": sum(USAGE.values()),
        "prompt_tokens_details": {"cached_tokens": USAGE["cache_read"]},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def anthropic_usage() -> dict[str, Any]:
    """Anthropic counts cached tokens apart."""
    return {
        "input_tokens": USAGE["input"],
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": USAGE["cache_read"],
        "output_tokens": USAGE["output"],
    }


# Streams: lists of events, each with its blank line.


def openai_event(value: Any) -> bytes:
    return f"data: {value if isinstance(value, str) else compact(value)}\n\n".encode()


def openai_chunk(delta: dict[str, Any], finish: str | None = None, model: str = "m", **more: Any) -> bytes:
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    return openai_event(chunk | more)


def openai_stream(
    *deltas: dict[str, Any], finish: str = "stop", model: str = "m", usage: Any = ...
) -> list[bytes]:
    """A whole stream around `deltas`; `usage=None` leaves the usage chunk out."""
    events = [openai_chunk({"role": "assistant", "content": ""}, model=model)]
    events += [openai_chunk(delta, model=model) for delta in deltas]
    events.append(openai_chunk({}, finish, model=model))
    if usage is not None:
        numbers = openai_usage() if usage is ... else usage
        events.append(openai_chunk({}, model=model, choices=[], usage=numbers))
    return [*events, openai_event("[DONE]")]


def anthropic_event(value: dict[str, Any]) -> bytes:
    return f"event: {value['type']}\ndata: {compact(value)}\n\n".encode()


def anthropic_start(model: str = "m") -> bytes:
    message = anthropic_message([], "end_turn", model) | {"stop_reason": None}
    return anthropic_event({"type": "message_start", "message": message})


def anthropic_block(index: int, block: dict[str, Any], *deltas: dict[str, Any]) -> list[bytes]:
    return [
        anthropic_event({"type": "content_block_start", "index": index, "content_block": block}),
        *(
            anthropic_event({"type": "content_block_delta", "index": index, "delta": delta})
            for delta in deltas
        ),
        anthropic_event({"type": "content_block_stop", "index": index}),
    ]


def anthropic_end(stop: str = "end_turn") -> list[bytes]:
    return [
        anthropic_event(
            {
                "type": "message_delta",
                "delta": {"stop_reason": stop, "stop_sequence": None},
                "usage": {"output_tokens": USAGE["output"]},
            }
        ),
        anthropic_event({"type": "message_stop"}),
    ]


def text_stream(
    dialect: str,
    pieces: tuple[str, ...] = ("Hello, ", "Zü", "rich!"),
    model: str = "m",
    stop: str = "stop",
) -> list[bytes]:
    """A whole stream of text."""
    if dialect == "openai":
        return openai_stream(*({"content": piece} for piece in pieces), finish=stop, model=model)
    if dialect == "responses":
        return responses_answers.stream(pieces, (), model, stop)
    if dialect == "gemini":
        return gemini_answers.stream(pieces, (), model, stop)
    if dialect == "bedrock":
        return bedrock_answers.stream(pieces, (), stop)
    deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
    block = anthropic_block(0, {"type": "text", "text": ""}, *deltas)
    return [
        anthropic_start(model),
        anthropic_event({"type": "ping"}),
        *block,
        *anthropic_end(ANTHROPIC_STOPS[stop]),
    ]


def tool_stream(
    dialect: str, *calls: tuple[str, str, list[str]], text: str | None = None, model: str = "m"
) -> list[bytes]:
    """A whole stream of tool calls: id, name and fragments of the arguments of each, after some text."""
    if dialect == "openai":
        deltas: list[dict[str, Any]] = [{"content": text}] if text else []
        for index, (id, name, fragments) in enumerate(calls):
            head = {"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}}
            deltas.append({"tool_calls": [head]})
            deltas += [
                {"tool_calls": [{"index": index, "function": {"arguments": part}}]} for part in fragments
            ]
        return openai_stream(*deltas, finish="tool_calls", model=model)
    said = (text,) if text else None
    if dialect == "responses":
        return responses_answers.stream(said, calls, model, "tool_calls")
    if dialect == "gemini":
        return gemini_answers.stream(said, calls, model, "tool_calls")
    if dialect == "bedrock":
        return bedrock_answers.stream(said, calls, "tool_calls")
    events = [anthropic_start(model)]
    first = 0
    if text:
        events += anthropic_block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": text})
        first = 1
    for index, (id, name, fragments) in enumerate(calls, first):
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in ["", *fragments]]
        events += anthropic_block(index, {"type": "tool_use", "id": id, "name": name, "input": {}}, *deltas)
    return [*events, *anthropic_end("tool_use")]


def thinking_stream(signature: str, model: str = "m") -> list[bytes]:
    """An Anthropic stream that thinks, then speaks."""
    thinking = anthropic_block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "Let me "},
        {"type": "thinking_delta", "thinking": "see."},
        {"type": "signature_delta", "signature": signature},
    )
    spoken = anthropic_block(1, {"type": "text", "text": ""}, {"type": "text_delta", "text": TEXT})
    return [anthropic_start(model), *thinking, *spoken, *anthropic_end()]


# Errors, as each provider words them: status -> type (and code, for OpenAI).

OPENAI_ERRORS = {
    400: ("invalid_request_error", "context_length_exceeded"),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("permission_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    413: ("invalid_request_error", "request_too_large"),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
    503: ("server_error", "overloaded"),
}

ANTHROPIC_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    529: "overloaded_error",
}


def error(dialect: str, status: int, message: str = "The provider says no.") -> dict[str, Any]:
    """An error body of the provider."""
    if dialect == "gemini":
        return gemini_answers.error(status, message)
    if dialect == "bedrock":
        return bedrock_answers.error(message)
    if dialect in ("openai", "responses"):
        kind, code = OPENAI_ERRORS.get(status, ("server_error", None))
        return {"error": {"message": message, "type": kind, "param": None, "code": code}}
    kind = ANTHROPIC_ERRORS.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def error_headers(dialect: str, status: int) -> dict[str, str]:
    """Headers that belong to an error of the provider."""
    if dialect == "bedrock":
        return {"x-amzn-errortype": bedrock_answers.ERRORS.get(status, "InternalServerException")}
    return {}


def error_event(dialect: str, status: int, message: str, place: int = 0) -> bytes:
    """An error in a stream, as its event number `place`."""
    if dialect == "openai":
        return openai_event(error("openai", status, message))
    if dialect == "responses":
        value = {"type": "error", "sequence_number": place, "code": "server_error", "message": message}
        value["param"] = None
        return f"event: error\ndata: {compact(value)}\n\n".encode()
    if dialect == "gemini":
        return gemini_answers.event(gemini_answers.error(status, message))
    if dialect == "bedrock":
        return aws_event_stream.exception("serviceUnavailableException", message)
    return anthropic_event(error("anthropic", status, message))


HTML = b"<html><head><title>502</title></head><body><h1>Bad gateway at internal-lb-7</h1></body></html>"
