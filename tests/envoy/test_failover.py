"""T-29, T-30, T-31: with no tuning, a provider that fails is followed by the next within the same request, translated
and authenticated afresh; a chain without anyone left says so; who asks to be left alone is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import answers
import dialects
import manifests as m
from conftest import AWS, KEYS
from dialects import Client
from provider import Provider, Script, hang_up, reply, silent
from test_signing import verify
from weir import Gateway

every = pytest.mark.parametrize("dialect", dialects.DIALECTS)
streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])

# What the first provider does; `None` where it never gets a request.
FAILURES: dict[str, Script | None] = {
    "429": reply(answers.error("openai", 429), 429),
    "500": reply(answers.error("openai", 500), 500),
    "503": reply(answers.error("openai", 503), 503),
    "html": reply(answers.HTML, 502, content_type="text/html"),
    "reset": hang_up("reset"),
    "closed": hang_up("close"),
    "silent": silent(),
    "refused": None,
    "tls": None,
}

# Every failing provider is remembered for a while, so every case has a chain of its own.
FLAGS = ("whole", "stream")
SINGLE = [f"one-{failure}-{dialect}-{flag}" for failure in FAILURES for dialect in dialects.DIALECTS for flag in FLAGS]
DOUBLE = [f"two-{dialect}-{flag}" for dialect in dialects.DIALECTS for flag in FLAGS]
OTHERS = [
    f"{purpose}-{dialect}"
    for purpose in ("large", "wrong", "told", "back", "cooling", "denied")
    for dialect in dialects.DIALECTS
]


def first_of(name: str, port: int, closed_port: int) -> dict[str, Any]:
    """The first provider of a chain: OpenAI, reached as the case wants it."""
    refused = name.startswith("one-refused")
    entry = m.with_key(m.provider("openai", closed_port if refused else port, prefix="/first/v1"), "openai")
    if name.startswith("one-tls"):
        # The other side speaks no TLS.
        entry["policies"]["tls"] = {}
    if name.startswith("one-silent"):
        entry["policies"]["http"] = {"requestTimeout": "300ms"}
    return entry


def chain(name: str, port: int, closed_port: int) -> dict[str, Any]:
    """OpenAI, then Anthropic, then Bedrock."""
    first = first_of(name, port, closed_port)
    second = m.with_key(m.provider("anthropic", port, model="claude-second", prefix="/second/v1"), "anthropic")
    third = m.with_key(m.elsewhere(port, model="third", bedrock={}), "bedrock")
    if name.startswith("back"):
        return m.groups(name, [second], [first], [third])
    return m.groups(name, [first], [second], [third])


@pytest.fixture(scope="module")
def chains(
    runtime: str, scripted: Provider, closed_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp(f"chains-{runtime}") / "config", runtime)
    names = SINGLE + DOUBLE + OTHERS
    gateway.write(
        "all.yaml",
        m.dump(
            m.gateway_class(),
            m.gateway(gateway.port),
            *(m.secret(name, key) for name, key in KEYS.items()),
            m.aws_secret("bedrock", *AWS),
            *(chain(name, scripted.port, closed_port) for name in names),
            *(m.route(name, m.rule(name, path=f"/{name}")) for name in names),
        ),
    )
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.fixture
def asking(chains: Gateway, provider: Provider) -> Iterator[Client]:
    client = Client(chains)
    yield client
    client.close()


def flag(streamed: bool) -> str:
    return "stream" if streamed else "whole"


def first_path(dialect: str) -> str:
    """OpenAI is asked in its client's own words, where it has them."""
    return "/first/v1/responses" if dialect == "responses" else "/first/v1/chat/completions"


@every
@streamed
@pytest.mark.parametrize("failure", FAILURES)
def test_t29_the_second_provider_answers(
    asking: Client, provider: Provider, dialect: str, streamed: bool, failure: str
) -> None:
    script = FAILURES[failure]
    if script:
        provider.then(script)
    answer = dialects.read(dialect, asking.ask(dialect, f"one-{failure}-{dialect}-{flag(streamed)}", stream=streamed))
    assert answer.text == answers.TEXT and answer.model in ("claude-second", None)
    *before, second = provider.requests
    assert second.path == "/second/v1/messages"
    # Nothing of the first attempt is left: neither key nor path nor body.
    assert second.header("authorization") is None and second.values("x-api-key") == [KEYS["anthropic"]]
    assert second.json["model"] == "claude-second" and second.json["max_tokens"] > 0
    assert second.header("content-length") == str(len(second.body))
    if script:
        [first] = before
        assert first.path == first_path(dialect) and first.json["model"] == dialects.MODEL
        assert first.values("authorization") == [f"Bearer {KEYS['openai']}"]
        assert first.header("anthropic-version") is None and first.header("x-api-key") is None
    else:
        assert before == []


@every
@streamed
def test_t29_the_third_provider_answers(
    asking: Client, provider: Provider, dialect: str, streamed: bool
) -> None:
    mark = asking.gateway.process.mark()
    provider.then(reply(answers.error("openai", 500), 500), reply(answers.error("anthropic", 529), 529))
    model = f"gemini-chained-{dialect}-{streamed}"
    response = asking.ask(dialect, f"two-{dialect}-{flag(streamed)}", model=model, stream=streamed)
    answer = dialects.read(dialect, response)
    assert answer.text == answers.TEXT and answer.model in ("third", None)
    first, second, third = provider.requests
    assert first.path == first_path(dialect) and second.path == "/second/v1/messages"
    verify(third, AWS, "us-east-1")
    # One line in the log, with the usage of the attempt that answered.
    record = asking.gateway.wait_record(model, mark)
    assert record["provider"] == "aws.bedrock" and record["outcome"] == "complete"
    assert int(record["attempts"]) == 3 and record["usage"]["output"] == answers.USAGE["output"]
    assert len(asking.gateway.records(model, mark)) == 1


@every
def test_t30_twenty_megabytes_are_translated_for_each(asking: Client, provider: Provider, dialect: str) -> None:
    text = "x" * (20 * 1024 * 1024)
    provider.then(reply(answers.error("openai", 500), 500), reply(answers.error("anthropic", 500), 500))
    answer = dialects.read(dialect, asking.ask(dialect, f"large-{dialect}", content=text))
    assert answer.text == answers.TEXT
    assert len(provider.requests) == 3 and all(text.encode() in request.body for request in provider.requests)
    verify(provider.last, AWS, "us-east-1")


@every
def test_an_untouched_body_after_a_translated_one_is_whole(
    asking: Client, provider: Provider, dialect: str
) -> None:
    """One of the attempts may pass the client's bytes on; its length must not be that of another's translation."""
    provider.then(reply(answers.error("anthropic", 500), 500))
    dialects.read(dialect, asking.ask(dialect, f"back-{dialect}"))
    first, second = provider.requests
    assert first.path == "/second/v1/messages" and second.path == first_path(dialect)
    assert first.header("content-length") == str(len(first.body))
    assert second.header("content-length") == str(len(second.body))
    assert second.json["model"] == dialects.MODEL
    assert second.header("anthropic-version") is None and second.header("x-api-key") is None


@every
def test_t31_a_wrong_request_is_not_tried_elsewhere(asking: Client, provider: Provider, dialect: str) -> None:
    """Nor one without a right to it: the next provider's key must not make up for it."""
    provider.then(reply(answers.error("openai", 400), 400), reply(answers.error("openai", 401), 401))
    response = asking.ask(dialect, f"wrong-{dialect}")
    dialects.error_of(dialect, response, 400)
    assert "x-weir-exhausted" not in response.headers
    response = asking.ask(dialect, f"denied-{dialect}")
    dialects.error_of(dialect, response, 403 if dialect == "bedrock" else 401)
    assert len(provider.requests) == 2


@every
def test_t31_an_exhausted_chain_says_so(asking: Client, provider: Provider, dialect: str) -> None:
    mark = asking.gateway.process.mark()
    provider.then(
        reply(answers.error("openai", 500, "First."), 500),
        reply(answers.error("anthropic", 529, "Second."), 529),
        reply(answers.error("bedrock", 503, "Third."), 503, headers=answers.error_headers("bedrock", 503)),
    )
    model = f"gemini-exhausted-{dialect}"
    response = asking.ask(dialect, f"told-{dialect}", model=model)
    error = dialects.error_of(dialect, response, response.status_code)
    assert response.status_code in (503, 529) and "Third." in error["message"]
    assert len(provider.requests) == 3
    assert response.headers["x-weir-exhausted"] == "true" and response.headers["x-weir-attempts"] == "3"
    record = asking.gateway.wait_record(model, mark)
    assert record["exhausted"] is True and record["outcome"] == "failed"


@every
def test_who_says_when_to_come_back_is_asked_last_until_then(
    asking: Client, provider: Provider, dialect: str
) -> None:
    provider.then(reply(answers.error("openai", 429), 429, headers={"retry-after": "30"}))
    for _ in range(2):
        assert asking.ask(dialect, f"cooling-{dialect}").status_code == 200
    first, second, third = provider.requests
    assert first.path == first_path(dialect)
    assert second.path == third.path == "/second/v1/messages", "the first is left alone"
    # It is still worth a try when all others fail.
    provider.clear()
    provider.then(
        reply(answers.error("anthropic", 500), 500),
        reply(answers.error("bedrock", 500), 500, headers=answers.error_headers("bedrock", 500)),
    )
    assert asking.ask(dialect, f"cooling-{dialect}").status_code == 200
    assert provider.last.path == first_path(dialect)
