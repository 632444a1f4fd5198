"""T-03, T-06, T-11, T-12 and T-15: streams at awkward places and in the order of each dialect, and usage in
every shape providers give it."""

from __future__ import annotations

import itertools
import json
import random

import pytest

import answers
import dialects
import event_stream
import responses_stream
from dialects import PAIRS, Client
from provider import Provider, reply, stream

pairs = pytest.mark.parametrize(("dialect", "upstream"), PAIRS, ids=dialects.ids(PAIRS))

# The pairs that synthesise a stream.
CROSSED = [*dialects.FEW_PAIRS, ("anthropic", "gemini")]
crossed = pytest.mark.parametrize(("dialect", "upstream"), CROSSED, ids=dialects.ids(CROSSED))
# Those whose provider sends Server-Sent Events.
SSE = [(client, upstream) for client, upstream in CROSSED if upstream != "bedrock"]
sse = pytest.mark.parametrize(("dialect", "upstream"), SSE, ids=dialects.ids(SSE))


def split(raw: bytes, *places: int) -> list[bytes]:
    cuts = [0, *places, len(raw)]
    return [raw[a:b] for a, b in itertools.pairwise(cuts)]


@pairs
def test_t15_byte_by_byte(client: Client, provider: Provider, dialect: str, upstream: str) -> None:
    raw = b"".join(answers.text_stream(upstream))
    provider.then(stream([raw[i : i + 1] for i in range(len(raw))]))
    assert dialects.read(dialect, client.ask(dialect, upstream, stream=True)).text == answers.TEXT


@sse
def test_t15_splits_inside_characters_and_line_ends(
    client: Client, provider: Provider, dialect: str, upstream: str
) -> None:
    raw = b"".join(answers.text_stream(upstream)).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    character = raw.index("ü".encode()) + 1
    between = raw.index(b"\r\n\r\n")
    for places in (
        [character],
        [between + 1],
        [between + 2],
        [between + 3],
        [character, raw.rindex(b"\r\n\r\n") + 1],
    ):
        provider.then(stream(split(raw, *sorted(places))))
        assert dialects.read(dialect, client.ask(dialect, upstream, stream=True)).text == answers.TEXT


@crossed
def test_t15_random_splits_give_the_same(
    client: Client, provider: Provider, dialect: str, upstream: str
) -> None:
    raw = b"".join(answers.tool_stream(upstream, ("a", "time", ['{"zone":', '"Zürich"}']), text="Zü"))
    numbers = random.Random(7)
    seen = set()
    for _ in range(25):
        provider.then(stream(split(raw, *sorted(numbers.sample(range(1, len(raw)), 12)))))
        answer = dialects.read(dialect, client.ask(dialect, upstream, stream=True))
        seen.add(repr(answer))
    assert len(seen) == 1, seen


@sse
def test_t15_a_last_event_without_an_end(
    client: Client, provider: Provider, dialect: str, upstream: str
) -> None:
    """The last event lacks its blank line and the connection stays open: it ends with the body."""
    raw = b"".join(answers.text_stream(upstream)).rstrip(b"\r\n")
    provider.then(stream(raw[: len(raw) // 2], raw[len(raw) // 2 :]))
    assert dialects.read(dialect, client.ask(dialect, upstream, stream=True)).text == answers.TEXT


def odd_forms(raw: bytes) -> dict[str, bytes]:
    return {
        "CRLF": raw.replace(b"\n", b"\r\n"),
        "CR": raw.replace(b"\n", b"\r"),
        "comments": b": hello\n\n:\n\n" + raw.replace(b"\n\n", b"\n\n: keep-alive\n\n", 3),
        "BOM": b"\xef\xbb\xbf" + raw,
        "no last blank line": raw.removesuffix(b"\n\n") + b"\n",
        "no last line end": raw.removesuffix(b"\n\n"),
        "empty frames": raw.replace(b"\n\n", b"\n\n\n\n\n"),
        "ids and retry": raw.replace(b"data: ", b"id: 7\nretry: 100\ndata: "),
        "no space behind the colon": raw.replace(b"data: ", b"data:"),
    }


@sse
@pytest.mark.parametrize("form", odd_forms(b""))
def test_t15_odd_forms(client: Client, provider: Provider, dialect: str, upstream: str, form: str) -> None:
    raw = b"".join(answers.text_stream(upstream)).replace(b"\r\n", b"\n")
    provider.then(stream(odd_forms(raw)[form]))
    answer = dialects.read(dialect, client.ask(dialect, upstream, stream=True))
    assert answer.text == answers.TEXT and answer.stop == "stop"


@sse
def test_t15_data_in_several_lines(client: Client, provider: Provider, dialect: str, upstream: str) -> None:
    """JSON with line breaks in it is one event of several `data:` lines."""
    lines = []
    for event in answers.text_stream(upstream):
        name, _, data = event.decode().rpartition("data: ")
        data = data.strip()
        if data.startswith("{"):
            data = json.dumps(json.loads(data), indent=1)
        lines.append((name + "\n".join(f"data: {line}" for line in data.split("\n")) + "\n\n").encode())
    provider.then(stream(lines))
    assert dialects.read(dialect, client.ask(dialect, upstream, stream=True)).text == answers.TEXT


@crossed
def test_t15_an_event_of_a_megabyte(client: Client, provider: Provider, dialect: str, upstream: str) -> None:
    long = "ü" * 500_000
    provider.then(stream(answers.text_stream(upstream, pieces=(long,))))
    assert dialects.read(dialect, client.ask(dialect, upstream, stream=True)).text == long


def openai(*chunks: dict, done: bool = True) -> list[bytes]:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    events = [answers.openai_event(head | chunk) for chunk in chunks]
    return [*events, answers.openai_event("[DONE]")] if done else events


def choice(delta: dict, finish: str | None = None, **more: object) -> dict:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


def tool(index: int | None = None, **fields: object) -> dict:
    return {"tool_calls": [({} if index is None else {"index": index}) | fields]}


def function(name: str | None = None, arguments: str | None = None) -> dict:
    return {k: v for k, v in {"name": name, "arguments": arguments}.items() if v is not None}


# OpenAI streams as they are met in the wild, and the Anthropic blocks they must become.
WILD: dict[str, tuple[list[bytes], list[str]]] = {
    "role only first": (
        openai(choice({"role": "assistant"}), choice({"content": "Hi"}), choice({}, "stop")),
        ["text"],
    ),
    "nothing said": (openai(choice({"role": "assistant"}), choice({}, "stop")), []),
    "finish with the last text": (openai(choice({"role": "assistant", "content": "Hi"}, "stop")), ["text"]),
    "doubled finish": (
        openai(choice({"content": "Hi"}), choice({}, "stop"), choice({"content": ""}, "stop")),
        ["text"],
    ),
    "null content": (
        openai(choice({"role": "assistant", "content": None}), choice({"content": "Hi"}), choice({}, "stop")),
        ["text"],
    ),
    "no [DONE]": (openai(choice({"content": "Hi"}), choice({}, "stop"), done=False), ["text"]),
    "reasoning first": (
        openai(choice({"reasoning_content": "Hm."}), choice({"content": "Hi"}), choice({}, "stop")),
        ["thinking", "text"],
    ),
    "text, calls, text": (
        openai(
            choice({"content": "Let me see."}),
            choice(tool(0, id="a", type="function", function=function("f", ""))),
            choice(tool(0, function=function(arguments="{}"))),
            choice(tool(1, id="b", type="function", function=function("g", '{"x":1}'))),
            choice({}, "tool_calls"),
        ),
        ["text", "tool_use", "tool_use"],
    ),
    "interleaved calls": (
        openai(
            choice(tool(0, id="a", type="function", function=function("f", '{"x"'))),
            choice(tool(1, id="b", type="function", function=function("g", '{"y"'))),
            choice(tool(0, function=function(arguments=":1}"))),
            choice(tool(1, function=function(arguments=":2}"))),
            choice({}, "tool_calls"),
        ),
        ["tool_use", "tool_use"],
    ),
    "calls without arguments": (
        openai(choice(tool(0, id="a", type="function", function=function("f"))), choice({}, "tool_calls")),
        ["tool_use"],
    ),
    "filter first": (
        openai({"choices": [], "prompt_filter_results": []}, choice({"content": "Hi"}), choice({}, "stop")),
        ["text"],
    ),
    "length": (openai(choice({"content": "Hi"}), choice({}, "length")), ["text"]),
    "calls that finish with stop": (
        openai(choice(tool(0, id="a", type="function", function=function("f", "{}"))), choice({}, "stop")),
        ["tool_use"],
    ),
}


@pytest.mark.parametrize("name", WILD)
def test_t03_synthesised_streams_keep_the_order(client: Client, provider: Provider, name: str) -> None:
    events, blocks = WILD[name]
    provider.then(stream(events))
    message = event_stream.read_anthropic(client.ask("anthropic", "openai", stream=True).content)
    assert message.error is None
    kinds = [block["type"] for block in message.blocks]
    # An answer without content may have one empty text block.
    assert kinds == blocks or (not blocks and kinds in ([], ["text"]))
    if "tool_use" in blocks:
        assert message.stop_reason == "tool_use"
    for block in message.blocks:
        if block["type"] == "tool_use":
            assert isinstance(block["input"], dict)


def test_t03_parallel_arguments_end_up_with_their_call(client: Client, provider: Provider) -> None:
    provider.then(stream(WILD["interleaved calls"][0]))
    message = event_stream.read_anthropic(client.ask("anthropic", "openai", stream=True).content)
    assert [(b["id"], b["name"], b["input"]) for b in message.blocks] == [
        ("a", "f", {"x": 1}),
        ("b", "g", {"y": 2}),
    ]


@pytest.mark.parametrize("upstream", dialects.DIALECTS)
@pytest.mark.parametrize("stop", ["stop", "length"])
def test_t06_response_events_are_in_order(
    client: Client, provider: Provider, upstream: str, stop: str
) -> None:
    """The reader insists on numbers that count up, ids that stay, and a final response that is what was
    streamed."""
    provider.then(stream(answers.text_stream(upstream, stop=stop)))
    message = responses_stream.read(client.ask("responses", upstream, stream=True).content)
    assert message.error is None
    expected = ("incomplete", {"reason": "max_output_tokens"}) if stop == "length" else ("completed", None)
    assert (message.response["status"], message.response["incomplete_details"]) == expected
    calls = ("a", "time", ['{"zone":', '"Zürich"}'])
    provider.then(stream(answers.tool_stream(upstream, calls, text="Zü")))
    message = responses_stream.read(client.ask("responses", upstream, stream=True).content)
    said, call = (item for item in message.response["output"] if item["type"] != "reasoning")
    assert said["content"][0]["text"] == "Zü" and call["call_id"] == "a" and call["id"] != said["id"]
    assert json.loads(call["arguments"]) == {"zone": "Zürich"}


def test_t06_what_only_openai_knows_reaches_it_untouched(client: Client, provider: Provider) -> None:
    """Built-in tools, those not invented yet too, a forced one, and reasoning items; other providers cannot
    have them."""
    history = [
        {"role": "user", "content": "Hi"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA=="},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "Search."},
    ]
    more = {
        "input": history,
        "tools": [
            {"type": "web_search", "search_context_size": "low"},
            {"type": "not_invented_yet", "x": [1.50]},
        ],
        "tool_choice": {"type": "web_search"},
    }
    assert client.ask("responses", "responses", **more).status_code == 200
    assert {name: provider.last.json[name] for name in more} == more
    provider.clear()
    error = dialects.error_of("responses", client.ask("responses", "anthropic", **more), 400)
    assert "tool" in error["param"] and provider.requests == []


def test_t04_signatures_survive_as_stream_and_whole(client: Client, provider: Provider) -> None:
    """Anthropic's signature reaches an OpenAI client, and comes back as it was."""
    signature = "Sig+/=" * 20
    provider.then(stream(answers.thinking_stream(signature)))
    whole = event_stream.parse(client.ask("openai", "anthropic", stream=True).content)
    assert any(signature in event.data for event in whole)
    thinking = {"type": "thinking", "thinking": "Let me see.", "signature": signature}
    provider.then(reply(answers.anthropic_message([thinking, {"type": "text", "text": "Hi"}], "end_turn")))
    message = client.ask("openai", "anthropic").json()["choices"][0]["message"]
    history = [{"role": "user", "content": "Hi"}, message, {"role": "user", "content": "Again"}]
    client.ask("openai", "anthropic", messages=history)
    assert provider.last.json["messages"][1]["content"][0] == thinking


USAGE = answers.openai_usage()

# T-11: where OpenAI-compatible providers put usage. What the gateway must make of it: all of it, or an
# estimate that says so.
ZOO: dict[str, tuple[list[bytes], bool]] = {
    "choices empty": (
        openai(choice({"content": "Hi"}), choice({}, "stop"), {"choices": [], "usage": USAGE}),
        True,
    ),
    "choices with an empty delta": (
        openai(choice({"content": "Hi"}), choice({}, "stop"), choice({}, None, usage=USAGE)),
        True,
    ),
    "with the finish": (openai(choice({"content": "Hi"}), choice({}, "stop", usage=USAGE)), True),
    "no choices at all": (openai(choice({"content": "Hi"}), choice({}, "stop"), {"usage": USAGE}), True),
    "on every chunk": (
        openai(
            choice({"content": "H"}, usage=USAGE | {"completion_tokens": 1}),
            choice({"content": "i"}, usage=USAGE | {"completion_tokens": 2}),
            choice({}, "stop", usage=USAGE),
        ),
        True,
    ),
    "null until the end": (
        openai(
            choice({"content": "Hi"}, usage=None),
            choice({}, "stop", usage=None),
            {"choices": [], "usage": USAGE},
        ),
        True,
    ),
    "none": (openai(choice({"content": "Hi"}), choice({}, "stop")), False),
    "null": (openai(choice({"content": "Hi"}, usage=None), choice({}, "stop", usage=None)), False),
}


@pytest.mark.parametrize("dialect", dialects.DIALECTS)
@pytest.mark.parametrize("name", ZOO)
def test_t11_usage_zoo(client: Client, provider: Provider, dialect: str, name: str) -> None:
    events, known = ZOO[name]
    model = f"zoo-{dialect}-{name}"
    mark = client.gateway.process.mark()
    provider.then(stream(events))
    response = client.ask(dialect, "openai", model=model, stream=True)
    record = client.gateway.wait_record(model, mark)
    if known:
        assert record["usage"] == answers.USAGE | {"cache_write": 0, "reasoning": 0}
        assert "estimated" not in record
    else:
        assert record["estimated"] is True
        assert record["usage"]["input"] > 0 and record["usage"]["output"] > 0
    if dialect == "anthropic":
        usage = event_stream.read_anthropic(response.content).usage
        assert (usage["input_tokens"], usage["output_tokens"]) == ((9, 5) if known else (0, 0))


@pytest.mark.parametrize("upstream", dialects.DIALECTS)
@pytest.mark.parametrize("options", [None, {"include_usage": False}], ids=["unsaid", "unwanted"])
def test_t11_usage_is_asked_for_and_taken_out_again(
    client: Client, provider: Provider, upstream: str, options: dict | None
) -> None:
    """An OpenAI client that wants no usage gets no chunk without choices; the log has the usage all the
    same."""
    model = f"gemini-2.5-unasked-{upstream}-{options is None}"
    mark = client.gateway.process.mark()
    body = dialects.request("openai", model=model, stream=True)
    body.pop("stream_options")
    if options:
        body["stream_options"] = options
    response = client.ask("openai", upstream, body, model=model, stream=True)
    if upstream == "openai":
        assert provider.last.json["stream_options"]["include_usage"] is True
    message = event_stream.read_openai(response.content)
    assert message.text == answers.TEXT and message.done and message.usage is None
    assert all(e.data == "[DONE]" or e.json["choices"] for e in event_stream.parse(response.content))
    record = client.gateway.wait_record(model, mark)
    assert record["usage"] == answers.USAGE | {"cache_write": 0, "reasoning": 0}
    assert "estimated" not in record


@pytest.mark.parametrize("dialect", dialects.DIALECTS)
def test_t11_cache_writes_are_told_apart(client: Client, provider: Provider, dialect: str) -> None:
    usage = {
        "input_tokens": 3,
        "cache_creation_input_tokens": 20,
        "cache_read_input_tokens": 100,
        "output_tokens": 7,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 0},
    }
    model = f"cached-{dialect}"
    mark = client.gateway.process.mark()
    provider.then(reply(answers.text("anthropic", model=model) | {"usage": usage}))
    response = client.ask(dialect, "anthropic", model=model)
    record = client.gateway.wait_record(model, mark)
    assert record["usage"] == {"input": 3, "cache_read": 100, "cache_write": 20, "output": 7, "reasoning": 0}
    if dialect == "openai":
        told = response.json()["usage"]
        assert told["prompt_tokens"] == 123 and told["prompt_tokens_details"]["cached_tokens"] == 100
        assert told["total_tokens"] == 130


@pytest.mark.parametrize("dialect", ["openai", "responses"])
def test_t11_usage_in_a_header(client: Client, provider: Provider, dialect: str) -> None:
    """Bedrock's `InvokeModel` counts in headers; nobody does for chat, so that what a header claims there is
    no usage."""
    model = f"gemini-claimed-{dialect}"
    mark = client.gateway.process.mark()
    body = answers.text("anthropic", model=model)
    del body["usage"]
    claimed = {"x-amzn-bedrock-input-token-count": "999", "x-usage": '{"input_tokens":999}'}
    provider.then(reply(body, headers=claimed))
    assert client.ask(dialect, "anthropic", model=model).status_code == 200
    record = client.gateway.wait_record(model, mark)
    assert record["estimated"] is True and 0 < record["usage"]["input"] < 999

    model = "amazon.titan-embed-text-v2:0"
    mark = client.gateway.process.mark()
    embedded = {"embedding": [0.5], "embeddingsByType": {"float": [0.5]}}
    provider.then(reply(embedded, headers={"x-amzn-bedrock-input-token-count": "6"}))
    wanted = {"model": model, "input": "Hi", "encoding_format": "float"}
    response = client.http.post(f"{client.gateway.base}/bedrock/v1/embeddings", json=wanted)
    assert response.json()["usage"] == {"prompt_tokens": 6, "total_tokens": 6}
    record = client.gateway.wait_record(model, mark)
    assert record["usage"]["input"] == 6 and "estimated" not in record


# T-12: usage in the provider's words, and the one record it must become: no token counted twice, none lost.
BILLED: dict[str, tuple[dict, dict]] = {
    "openai": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 10},
            "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 5},
        },
        {"input": 60, "cache_read": 40, "output": 50, "reasoning": 20, "audio_input": 10, "audio_output": 5},
    ),
    "responses": (
        {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 40},
            "output_tokens": 50,
            "output_tokens_details": {"reasoning_tokens": 20},
            "total_tokens": 150,
        },
        {"input": 60, "cache_read": 40, "output": 50, "reasoning": 20},
    ),
    "anthropic": (
        {
            "input_tokens": 20,
            "cache_creation_input_tokens": 30,
            "cache_read_input_tokens": 50,
            "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
            "output_tokens": 50,
        },
        {"input": 20, "cache_read": 50, "cache_write": 30, "cache_write_1h": 20, "output": 50},
    ),
    "gemini": (
        {
            "promptTokenCount": 100,
            "cachedContentTokenCount": 40,
            "candidatesTokenCount": 30,
            "thoughtsTokenCount": 20,
            "totalTokenCount": 150,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 90},
                {"modality": "IMAGE", "tokenCount": 10},
            ],
        },
        {"input": 60, "cache_read": 40, "output": 50, "reasoning": 20, "image_input": 10},
    ),
    "bedrock": (
        {
            "inputTokens": 20,
            "cacheReadInputTokens": 50,
            "cacheWriteInputTokens": 30,
            "outputTokens": 50,
            "totalTokens": 150,
        },
        {"input": 20, "cache_read": 50, "cache_write": 30, "output": 50},
    ),
}


@pairs
def test_t12_one_record_of_every_bill(
    client: Client, provider: Provider, dialect: str, upstream: str
) -> None:
    usage, record = BILLED[upstream]
    model = f"gemini-billed-{dialect}-{upstream}"
    mark = client.gateway.process.mark()
    body = answers.text(upstream, model=model)
    body["usageMetadata" if upstream == "gemini" else "usage"] = usage
    provider.then(reply(body))
    told = dialects.read(dialect, client.ask(dialect, upstream, model=model))
    found = client.gateway.wait_record(model, mark)
    assert found["usage"] == {"cache_write": 0, "reasoning": 0} | record and "estimated" not in found
    assert (told.cached_tokens, told.output_tokens) == (record["cache_read"], record["output"])
