"""T-24 to T-27 for limits that Envoy keeps itself: exact under concurrency over its workers, and one ledger for
everything."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import answers
import dialects
import manifests as m
from conftest import providers, stored_keys
from dialects import Client
from limits import PRICES, USED, at_once, bucket, codes, decisions, left, limit, until, wait_left
from provider import Connection, Provider, Request, hang_up, reply, silent, stream
from test_failover import chain
from weir import Gateway, weir

# Routes to OpenAI, each with a policy of its own.
ROUTES: dict[str, dict[str, Any]] = {
    "fifty": {"local": [bucket(50, "requests")]},
    "none": {"local": [bucket(1, "requests")]},
    "streams": {"local": [bucket(2_000)]},
    "whole": {"local": [bucket(2_000)], "reserve": {"outputTokens": 300}},
    "clamped": {"local": [bucket(1_000)], "reserve": {"clampOutputTokens": 50}},
    "small": {"local": [bucket(400)]},
    "looked": {"local": [bucket(100)], "reserve": {"enabled": False}},
    "unknown": {"local": [bucket(10_000)], "reserve": {"outputTokens": 500}},
    "forgiving": {"local": [bucket(10_000)], "reserve": {"onUnknownUsage": "Refund"}},
    "failing": {"local": [bucket(100_000)]},
    "shadowed": {"local": [bucket(1, "requests", shadow=True), bucket(100, "requests")]},
    "money": {"local": [bucket(100_000, "cost")], "reserve": {"outputTokens": 100}},
    "edited": {"local": [bucket(100, "requests")]},
    "cut": {"local": [bucket(100_000)], "reserve": {"outputTokens": 50}},
    "chosen": {
        "conditional": [
            {
                "condition": 'request.headers["x-plan"] == "gold"',
                "policy": {"local": [bucket(3, "requests")]},
            },
            {"policy": {"local": [bucket(1, "requests")]}},
        ]
    },
    "plain": {"local": [bucket(3, "requests"), bucket(1_000)]},
    # Fills in seconds: who waits as long as it is told passes.
    "waiting": {
        "local": [{"requests": 1, "unit": "Seconds"}, {"tokens": 2_400, "unit": "Minutes"}],
        "reserve": {"outputTokens": 50},
    },
}

# Where a request costs what the provider does that answers at last, under the model that it is sent.
RENAMED = {"local": [bucket(1_000_000, "cost")], "reserve": {"outputTokens": 100}}


@pytest.fixture(scope="module")
def gateway(runtime: str, scripted: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp(f"limits-{runtime}")
    prices = folder / "prices.json"
    prices.write_text(json.dumps(PRICES))
    gateway = Gateway(folder / "config", runtime, "--prices", str(prices))
    gateway.write("gateway.yaml", m.dump(m.gateway_class(), m.gateway(gateway.port)))
    gateway.write("keys.yaml", m.dump(*stored_keys()))
    all_kinds = [m.backend(name, entry, key=key) for name, entry, key in providers(scripted.port)]
    ledger = [name for name, _, _ in providers(scripted.port)] + ["chain"]
    gateway.write("backends.yaml", m.dump(*all_kinds, chain("chain", scripted.port)))
    routes = [m.route(name, m.rule("openai", path=f"/{name}")) for name in ROUTES if name != "plain"]
    path = {"path": {"type": "PathPrefix", "value": "/plain"}}
    plain = {"matches": [path], "backendRefs": [{"name": "plain", "port": 8000}]}
    routes += [m.route("plain", plain), *m.service("plain", 8000, scripted.port)]
    routes += [m.route(f"ledger-{name}", m.rule(name, path=f"/{name}")) for name in ledger]
    gateway.write("routes.yaml", m.dump(*routes))
    policies = {name: limit(name, name, **settings) for name, settings in ROUTES.items()}
    edited = policies.pop("edited")
    gateway.write("edited.yaml", m.dump(edited))
    names = {name: f"renamed-{name}" for name in ("chain", "aliased")}
    aliased = m.backend("aliased", m.provider("openai", scripted.port), key="openai", aliases={"cheap": "dear"})
    gateway.write(
        "renamed.yaml",
        m.dump(
            aliased,
            *(m.route(name, m.rule(backend, path=f"/{name}")) for backend, name in names.items()),
            limit("renamed", *names.values(), **RENAMED),
        ),
    )
    shared = limit("ledger", *(f"ledger-{name}" for name in ledger), local=[bucket(1_000_000)])
    gateway.write("limits.yaml", m.dump(*policies.values(), shared))
    gateway.start()
    yield gateway
    gateway.stop()


def ask(
    gateway: Gateway,
    route: str,
    dialect: str = "openai",
    model: str = dialects.MODEL,
    stream: bool = False,
    **fields: Any,
) -> httpx.Response:
    body = dialects.request(dialect, model=model, stream=stream, **fields)
    url = f"{gateway.base}/{route}{dialects.path(dialect, model, stream)}"
    return httpx.post(url, json=body, headers=dialects.headers(dialect), timeout=60)


def test_t26_exactly_as_many_requests_pass_as_the_bucket_holds(gateway: Gateway, provider: Provider) -> None:
    found = at_once(200, lambda _: ask(gateway, "fifty"))
    assert codes(found) == {200: 50, 429: 150}
    assert len(provider.requests) == 50
    told = sorted(int(answer.headers["x-ratelimit-remaining"]) for answer in found if answer.is_success)
    assert told == list(range(50))
    refused = next(answer for answer in found if answer.status_code == 429)
    assert refused.headers["x-ratelimit-limit"] == "50" and refused.headers["x-ratelimit-remaining"] == "0"
    # One more flows in within an hour; all of them within fifty.
    assert 3500 < int(refused.headers["retry-after"]) <= 3600
    assert 49 * 3600 < int(refused.headers["x-ratelimit-reset"]) <= 50 * 3600
    assert decisions(gateway, "requests", "limited") >= 150


@pytest.mark.parametrize("dialect", dialects.DIALECTS)
def test_refusals_speak_the_callers_dialect(gateway: Gateway, provider: Provider, dialect: str) -> None:
    ask(gateway, "none")
    mark = gateway.process.mark()
    refused = ask(gateway, "none", dialect, model=f"refused-{dialect}")
    error = dialects.error_of(dialect, refused, 429)
    kinds = {
        "anthropic": "rate_limit_error",
        "gemini": "RESOURCE_EXHAUSTED",
        "bedrock": "ThrottlingException",
    }
    assert error["type"] == kinds.get(dialect, "rate_limit_exceeded")
    assert "The limit of 1 requests is used up" in error["message"] and refused.headers["retry-after"]
    record = gateway.wait_record(f"refused-{dialect}", mark)
    assert (record["outcome"], record["error"]) == ("refused", "rate_limit_exceeded")
    assert record["details"].startswith("weir_rate_limited")


def test_conditions_choose_between_limits(gateway: Gateway, provider: Provider) -> None:
    url = f"{gateway.base}/chosen{dialects.path('openai')}"
    body = dialects.request("openai")
    found = [
        httpx.post(url, json=body, headers=dialects.headers("openai") | plan, timeout=60).status_code
        for plan in [{"x-plan": "gold"}, {}, {"x-plan": "tin"}, {"x-plan": "gold"}, {"x-plan": "gold"}, {"x-plan": "gold"}]
    ]
    assert found == [200, 200, 429, 200, 200, 429]


def counted(length: int) -> list[bytes]:
    """A stream of a provider that generates `length` tokens and says so."""
    events = answers.text_stream("openai", pieces=("a",) * 3)
    usage = {"prompt_tokens": 8, "completion_tokens": length, "total_tokens": 8 + length}
    return [*events[:-2], answers.openai_chunk({}, choices=[], usage=usage), answers.openai_event("[DONE]")]


def test_t26_concurrent_streams_do_not_overrun_an_almost_empty_bucket(
    gateway: Gateway, provider: Provider
) -> None:
    """Each of the streams may use 200 tokens and uses all of them; there are 2000."""

    async def long_answer(connection: Connection, request: Request) -> None:
        await stream(counted(request.json["max_tokens"]))(connection, request)

    provider.then(*[long_answer] * 200)
    found = at_once(200, lambda _: ask(gateway, "streams", stream=True, max_tokens=200))
    passed = codes(found)[200]
    assert codes(found) == {200: passed, 429: 200 - passed} and passed == len(provider.requests)
    provider.clear()
    used = passed * 208
    # Not one token more than there are, and no place for another stream.
    assert used <= 2_000 and 2_000 - used < 208 + 8
    wait_left(gateway, provider, "streams", 2_000 - used)


@pytest.mark.parametrize("dialect", dialects.DIALECTS)
def test_t26_a_stream_that_ignores_its_maximum_is_ended(
    gateway: Gateway, provider: Provider, dialect: str
) -> None:
    """50 tokens are reserved; the provider is told so, and generates 400. An eighth and 32 are room for its own count."""
    before = left(gateway, provider, "cut")
    provider.clear()

    more = provider.gate()

    async def endless(connection: Connection, request: Request) -> None:
        events = answers.text_stream(request.dialect, pieces=(" word",) * 400)
        await stream(events[:60], more, events[60:-5], end="open")(connection, request)

    provider.then(endless)
    body = dialects.request(dialect, stream=True)
    url = f"{gateway.base}/cut{dialects.path(dialect, stream=True)}"
    cut = dialects.read_cut(url, dialect, body, lambda seen: more.open() if b" word" in seen else None)
    answer = cut.response
    assert cut.clean or gateway.runtime == "wasm"
    assert provider.last.abandoned.wait(10), "the provider goes on"
    # Anthropic's clients always name a maximum.
    cap = 100 if dialect == "anthropic" else 50
    sent = provider.last.json
    fields = ("max_tokens", "max_completion_tokens", "max_output_tokens")
    assert [sent[name] for name in fields if name in sent] == [cap]
    assert "reserved for it" in dialects.stream_error_of(dialect, answer)["message"]
    # What came of it before it was ended was generated and is charged.
    charged = range(cap, 530)
    until(lambda: before - left(gateway, provider, "cut") in charged, True)


def test_other_traffic_is_limited_too(gateway: Gateway, provider: Provider) -> None:
    found = at_once(9, lambda _: httpx.get(f"{gateway.base}/plain", timeout=20))
    assert codes(found) == {200: 3, 429: 6} and len(provider.requests) == 3
    refused = next(answer for answer in found if answer.status_code == 429)
    assert refused.headers["content-type"].startswith("text/plain") and "used up" in refused.text


def test_t24_the_counter_falls_by_what_was_used(gateway: Gateway, provider: Provider) -> None:
    before = left(gateway, provider, "whole")
    for count, streamed in enumerate((False, True, False, True), 1):
        provider.clear()
        answer = ask(gateway, "whole", stream=streamed)
        # While it runs, the input and 300 tokens of output are reserved.
        reserved = before - (count - 1) * USED - int(answer.headers["x-ratelimit-remaining"])
        assert 300 < reserved < 320
        wait_left(gateway, provider, "whole", before - count * USED)


def test_a_maximum_can_be_lowered(gateway: Gateway, provider: Provider) -> None:
    answer = ask(gateway, "clamped", max_tokens=100_000)
    assert answer.status_code == 200
    assert 50 < 1_000 - int(answer.headers["x-ratelimit-remaining"]) < 70


@pytest.mark.parametrize(
    ("asked", "told", "reserved"),
    [
        ({"max_tokens": 0}, {"max_tokens": 300}, 300),
        ({"max_tokens": -1}, {"max_tokens": 300}, 300),
        ({"max_tokens": [1]}, {"max_tokens": 300}, 300),
        ({"max_tokens": 5, "max_completion_tokens": 900}, {"max_tokens": 5, "max_completion_tokens": 900}, 900),
        ({"max_tokens": 90, "n": "3"}, {"max_tokens": 90, "n": "3"}, 270),
        ({"n": 100}, {"n": 100, "max_tokens": 3}, 300),
        ({"best_of": 10.0}, {"best_of": 10.0, "max_tokens": 30}, 300),
        ({"model": "gpt-5"}, {"max_completion_tokens": 300}, 300),
    ],
    ids=str,
)
def test_nothing_hides_how_much_may_be_generated(
    gateway: Gateway, provider: Provider, asked: dict[str, Any], told: dict[str, Any], reserved: int
) -> None:
    before = left(gateway, provider, "whole")
    provider.clear()
    answer = ask(gateway, "whole", **asked)
    assert reserved <= before - int(answer.headers["x-ratelimit-remaining"]) < reserved + 40
    sent = provider.last.json
    assert {name: value for name, value in sent.items() if name not in ("model", "messages")} == told
    provider.clear()
    wait_left(gateway, provider, "whole", before - USED)


@pytest.mark.parametrize(
    ("asked", "told", "reserved"),
    [
        ({}, 300, 300),
        ({"max_tokens": 50, "prompt": ["a", "b"], "best_of": 3}, 50, 300),
        ({"prompt": ["a"] * 10}, 30, 300),
    ],
    ids=str,
)
def test_completions_are_reserved_too(
    gateway: Gateway, provider: Provider, asked: dict[str, Any], told: int, reserved: int
) -> None:
    before = left(gateway, provider, "whole")
    provider.clear()
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    choices = [{"index": 0, "text": "b", "finish_reason": "stop", "logprobs": None}]
    provider.then(reply({"object": "text_completion", "model": "m", "choices": choices, "usage": usage}))
    body = {"model": "m", "prompt": "a"} | asked
    answer = httpx.post(f"{gateway.base}/whole/v1/completions", json=body, timeout=20)
    assert answer.status_code == 200 and provider.last.json["max_tokens"] == told
    assert reserved <= before - int(answer.headers["x-ratelimit-remaining"]) < reserved + 40
    provider.clear()
    wait_left(gateway, provider, "whole", before - 7)


def test_what_can_never_fit_is_told_so(gateway: Gateway, provider: Provider) -> None:
    refused = ask(gateway, "small", max_tokens=500)
    error = dialects.error_of("openai", refused, 429)
    assert "more than the limit of 400 tokens ever allows" in error["message"]
    assert "retry-after" not in refused.headers
    # A client that does not say how long the answer may be gets what there is.
    answer = ask(gateway, "small")
    assert answer.status_code == 200 and answer.headers["x-ratelimit-remaining"] == "0"
    wait_left(gateway, provider, "small", 400 - USED)


def test_without_reservations_one_request_can_overrun(gateway: Gateway, provider: Provider) -> None:
    """As agentgateway does it: it passes while anything is left, and is charged at the end."""
    provider.then(stream(counted(150)))
    assert ask(gateway, "looked", stream=True).status_code == 200
    until(lambda: ask(gateway, "looked").status_code, 429)


NO_USAGE = {key: value for key, value in answers.text("openai").items() if key != "usage"}


def test_t25_unknown_usage_is_counted_and_charged(gateway: Gateway, provider: Provider) -> None:
    compressed = {"content-encoding": "gzip"}
    for route, charged in (("unknown", True), ("forgiving", False)):
        before, counted = left(gateway, provider, route), decisions(gateway, "tokens", "unknown_usage")
        provider.clear()
        provider.then(reply(gzip.compress(b"{}"), headers=compressed))
        answer = ask(gateway, route)
        reserved = before - int(answer.headers["x-ratelimit-remaining"])
        assert reserved > 500
        until(lambda: decisions(gateway, "tokens", "unknown_usage"), counted + 1)  # noqa: B023
        wait_left(gateway, provider, route, before - (reserved if charged else 0))


def test_t25_an_answer_without_usage_is_estimated(gateway: Gateway, provider: Provider) -> None:
    """Counts that are all 0 are none."""
    zero = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    events = answers.text_stream("openai")
    chunk = answers.openai_chunk({}, choices=[], usage=zero)
    # Each with a model of its own: Envoy writes its log a moment late.
    for model, streamed, script in (
        ("t25-none", False, reply(NO_USAGE)),
        ("t25-zero", False, reply(NO_USAGE | {"usage": zero})),
        ("t25-zero-stream", True, stream([*events[:-2], chunk, answers.openai_event("[DONE]")])),
    ):
        before = left(gateway, provider, "unknown")
        provider.clear()
        provider.then(script)
        mark = gateway.process.mark()
        assert ask(gateway, "unknown", model=model, stream=streamed).status_code == 200
        record = gateway.wait_record(model, mark)
        usage = record["usage"]
        assert record["estimated"] and usage["input"] > 0 and usage["output"] > 0
        wait_left(gateway, provider, "unknown", before - usage["input"] - usage["output"])


@pytest.mark.parametrize(
    "failure",
    [reply(answers.error("openai", 500), 500), hang_up("reset"), reply(b"", 503)],
    ids=["error", "reset", "empty"],
)
def test_what_a_provider_did_not_do_is_given_back(gateway: Gateway, provider: Provider, failure: Any) -> None:
    before = left(gateway, provider, "failing")
    provider.clear()
    # Envoy tries once more where nothing was sent.
    provider.then(failure, failure, failure)
    answer = ask(gateway, "failing")
    assert answer.status_code >= 500 and int(answer.headers["x-ratelimit-remaining"]) < before - 4_000
    provider.clear()
    wait_left(gateway, provider, "failing", before)


def test_a_shadow_limit_counts_and_lets_pass(gateway: Gateway, provider: Provider) -> None:
    before = decisions(gateway, "requests", "shadow_limited")
    found = [ask(gateway, "shadowed") for _ in range(5)]
    assert codes(found) == {200: 5}
    assert [answer.headers["x-ratelimit-limit"] for answer in found] == ["100"] * 5
    until(lambda: decisions(gateway, "requests", "shadow_limited"), before + 4)


def test_budgets_in_money(gateway: Gateway, provider: Provider) -> None:
    """9 tokens of input at $10, 4 cached at $1 and 5 of output at $100 a million: 594 millionths of a dollar."""
    before = left(gateway, provider, "money")
    for streamed in (False, True):
        provider.clear()
        answer = ask(gateway, "money", model="priced", stream=streamed)
        # The input and 100 tokens of output are reserved.
        assert 10_000 < before - int(answer.headers["x-ratelimit-remaining"]) < 10_200
        before -= 594
        wait_left(gateway, provider, "money", before)
    # A model nobody has a price for is charged as the dearest could be.
    counted = decisions(gateway, "micro_usd", "unknown_price")
    provider.clear()
    answer = ask(gateway, "money", model="nobody-knows")
    # 100 tokens at $1000 a million do not fit beside the input: the answer may be shorter.
    assert answer.status_code == 200 and int(answer.headers["x-ratelimit-remaining"]) < 1_000
    until(lambda: decisions(gateway, "micro_usd", "unknown_price"), counted + 1)


@pytest.mark.parametrize(("backend", "reserved"), [("chain", 20_200), ("aliased", 107_000)])
def test_money_is_reserved_for_the_model_that_may_be_sent(
    gateway: Gateway, provider: Provider, backend: str, reserved: int
) -> None:
    """`cheap` may become `claude-second` at $50/$200, or `dear` at $1000/$1000, a million tokens."""
    route = f"renamed-{backend}"
    before = left(gateway, provider, route)
    provider.clear()
    if backend == "chain":
        provider.then(reply(answers.error("openai", 500), 500))
    answer = ask(gateway, route, model="cheap")
    assert answer.status_code == 200
    assert reserved <= before - int(answer.headers["x-ratelimit-remaining"]) < reserved * 1.1
    provider.clear()
    # 9 tokens of input, 4 cached, 5 of output; no price of its own for the cache.
    wait_left(gateway, provider, route, before - (1_650 if backend == "chain" else 18_000))


def test_who_waits_as_long_as_it_is_told_passes(gateway: Gateway, provider: Provider) -> None:
    """The bucket of requests is full again in a second, that of tokens is not."""
    provider.then(reply(openai_usage(2_000)))
    assert ask(gateway, "waiting").status_code == 200
    refused: list[httpx.Response] = []

    def told() -> str:
        refused.append(ask(gateway, "waiting", max_tokens=500))
        return refused[-1].headers["x-ratelimit-limit"]

    # Until it is settled, the bucket of requests refuses alone.
    until(told, "2400")
    wait = int(refused[-1].headers["retry-after"])
    # 400 are there and 508 are needed, with 40 more each second.
    assert refused[-1].status_code == 429 and 1 < wait <= 3
    assert "The limit of 2400 tokens is used up" in refused[-1].text
    time.sleep(wait)
    assert ask(gateway, "waiting", max_tokens=500).status_code == 200


def openai_usage(total: int) -> dict[str, Any]:
    usage = {"prompt_tokens": 8, "completion_tokens": total - 8, "total_tokens": total}
    return answers.text("openai") | {"usage": usage}


@pytest.mark.parametrize("dialect", ["anthropic", "gemini"])
def test_counting_tokens_uses_none(gateway: Gateway, client: Client, provider: Provider, dialect: str) -> None:
    before = left(gateway, provider, "openai")
    counted = decisions(gateway, "tokens", "unknown_usage")
    provider.clear()
    text = "Hello " * 1_000
    bodies = {
        "anthropic": ("/v1/messages/count_tokens", {"model": "m", "messages": [{"role": "user", "content": text}]}),
        "gemini": ("/v1beta/models/m:countTokens", {"contents": [{"role": "user", "parts": [{"text": text}]}]}),
    }
    path, body = bodies[dialect]
    # Counted by the provider, and by the gateway for one that cannot.
    for backend in (dialect, "openai"):
        provider.then(reply({"input_tokens": 1_000, "totalTokens": 1_000}))
        answer = client.http.post(f"{gateway.base}/{backend}{path}", json=body)
        assert answer.status_code == 200 and int(answer.headers["x-ratelimit-remaining"]) == before
        provider.clear()
        settles(gateway, provider, before, 0)
    assert decisions(gateway, "tokens", "unknown_usage") == counted


def test_t25_what_is_generated_in_the_background_is_unknown(gateway: Gateway, provider: Provider) -> None:
    before, counted = left(gateway, provider, "unknown"), decisions(gateway, "tokens", "unknown_usage")
    provider.clear()
    queued = answers.text("responses") | {"status": "queued", "output": [], "usage": None}
    provider.then(reply(queued))
    answer = ask(gateway, "unknown", "responses", background=True)
    reserved = before - int(answer.headers["x-ratelimit-remaining"])
    assert answer.status_code == 200 and reserved > 500
    until(lambda: decisions(gateway, "tokens", "unknown_usage"), counted + 1)
    wait_left(gateway, provider, "unknown", before - reserved)


# What every kind of request uses, by route, path and body; the answer where the usual one does not suit.
EMBEDDED = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
    "model": "m",
    "usage": {"prompt_tokens": 6, "total_tokens": 6},
}
RANKED = {
    "id": "r",
    "results": [{"index": 0, "relevance_score": 0.9}],
    "meta": {"billed_units": {"search_units": 1}, "tokens": {"input_tokens": 7, "output_tokens": 0}},
}


def settles(gateway: Gateway, provider: Provider, before: int, used: int) -> int:
    provider.clear()
    wait_left(gateway, provider, "openai", before - used)
    return before - used


@pytest.mark.parametrize("upstream", ["openai", "responses", "anthropic", "gemini", "bedrock"])
def test_t27_every_kind_of_chat_charges_the_same_ledger(
    gateway: Gateway, client: Client, provider: Provider, upstream: str
) -> None:
    before = left(gateway, provider, "openai")
    for dialect in dialects.DIALECTS:
        for streamed in (False, True):
            provider.clear()
            assert client.ask(dialect, upstream, stream=streamed).status_code == 200
            before = settles(gateway, provider, before, USED)


def test_t27_so_do_embeddings_reranking_failover_and_cancelled_streams(
    gateway: Gateway, client: Client, provider: Provider
) -> None:
    before = left(gateway, provider, "openai")
    provider.clear()
    provider.then(reply(EMBEDDED))
    url = f"{gateway.base}/openai/v1/embeddings"
    assert client.http.post(url, json={"model": "m", "input": "Hi"}).status_code == 200
    before = settles(gateway, provider, before, 6)
    provider.then(reply(RANKED))
    query = {"model": "m", "query": "q", "documents": ["d"]}
    assert client.http.post(f"{gateway.base}/openai/v2/rerank", json=query).status_code == 200
    before = settles(gateway, provider, before, 7)
    # Failing over: the provider that failed has used nothing, the one that answered is charged once.
    for failure in (reply(answers.error("openai", 500), 500), reply(answers.HTML, 502), hang_up("reset")):
        provider.then(failure)
        assert client.ask("openai", "chain").status_code == 200
        before = settles(gateway, provider, before, USED)
    # A client that goes away has used what was generated for it, and no less than the input.
    provider.then(stream(answers.text_stream("openai", pieces=("first", "second"))[:2], end="open"))
    mark = gateway.process.mark()
    body = json.dumps(dialects.request("openai", model="left", stream=True)).encode()
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        head = f"POST /openai/v1/chat/completions HTTP/1.1\r\nhost: g\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        seen = b""
        while b"first" not in seen:
            seen += connection.recv(65536)
    usage = gateway.wait_record("left", mark)["usage"]
    assert usage["input"] > 0 and usage["output"] > 0
    before = settles(gateway, provider, before, usage["input"] + usage["output"])
    # One that goes away before the answer begins may have used anything: what was reserved is charged. So it is where
    # another provider has failed before.
    provider.clear()
    provider.then(reply(answers.error("openai", 500), 500), silent())
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(head.replace("/openai/", "/chain/").encode() + body)
        provider.wait_for(2)
    provider.clear()
    until(lambda: 4_096 < before - left(gateway, provider, "openai") < 4_160, True)
    before = left(gateway, provider, "openai")
    provider.clear()
    provider.then(silent())
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(head.encode() + body)
        provider.wait_for(1)
    provider.clear()
    until(lambda: 4_096 < before - left(gateway, provider, "openai") < 4_160, True)


def test_what_is_spent_outlives_a_change_of_the_limit(gateway: Gateway, provider: Provider) -> None:
    for _ in range(10):
        assert ask(gateway, "edited").status_code == 200
    gateway.write("edited.yaml", m.dump(limit("edited", "edited", local=[bucket(200, "requests")])))
    until(lambda: ask(gateway, "edited").headers["x-ratelimit-limit"], "200")
    # It gains nothing but what flows in.
    assert int(ask(gateway, "edited").headers["x-ratelimit-remaining"]) < 90


def test_prices_are_followed_and_wrong_ones_are_not(
    runtime: str, provider: Provider, tmp_path: Any
) -> None:
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps(PRICES))
    gateway = Gateway(tmp_path / "config", runtime, "--prices", str(prices))
    gateway.write(
        "all.yaml",
        m.dump(
            m.gateway_class(),
            m.gateway(gateway.port),
            m.backend("openai", m.provider("openai", provider.port)),
            m.route("r", m.rule("openai")),
            m.policy("r", "Gateway", "ai", traffic={"rateLimit": {"local": [bucket(1_000_000, "cost")]}}),
        ),
    )
    gateway.start()
    try:
        def cost() -> int:
            provider.clear()
            before = left(gateway, provider, "")
            assert ask(gateway, "", model="priced").status_code == 200
            provider.clear()
            until(lambda: left(gateway, provider, "") > before - 4_000, True)
            return before - left(gateway, provider, "")

        assert cost() == 594
        mark = gateway.process.mark()
        prices.write_text("{")
        gateway.process.wait_line("the prices that were last read there stay in force", start=mark)
        assert cost() == 594
        prices.write_text(json.dumps(PRICES).replace('"100"', '"200"'))
        until(cost, 1_094)
    finally:
        gateway.stop()


def test_a_limit_on_costs_without_prices_is_refused(runtime: str, tmp_path: Any) -> None:
    (tmp_path / "all.yaml").write_text(
        m.dump(
            m.gateway_class(),
            m.gateway(8080),
            m.policy("r", "Gateway", "ai", traffic={"rateLimit": {"local": [bucket(10, "cost")]}}),
        )
    )
    found = weir("validate", "-f", tmp_path)
    assert found.returncode == 1 and "name one with --prices" in found.stdout
