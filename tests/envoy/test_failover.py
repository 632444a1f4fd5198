"""T-04, T-29, T-30, T-31: when a provider fails, the next one answers within the same request, without any
tuning; and who fails again and again is asked last for a while."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import answers
import dialects
import manifests as m
from conftest import AWS, KEYS, stored_keys
from dialects import Client
from provider import Connection, Provider, Request, Script, hang_up, reply, silent, stream
from weir import Gateway

all_dialects = pytest.mark.parametrize("dialect", dialects.DIALECTS)
streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])

# The most one attempt may take at the backends called `timed`; requests that fail over there take so long.
PER_TRY = "400ms"

# An answer that takes away what was counted, and a 429 that does not ask for a pause.
NO_PAUSE = {"retry-after": "0"}

# What makes the first provider fail, before it has sent a byte of an answer.
FAILURES: dict[str, Script] = {
    **{
        f"{status}": reply(answers.error("openai", status), status)
        for status in (408, 500, 501, 502, 503, 504, 529)
    },
    "429": reply(answers.error("openai", 429), 429, headers=NO_PAUSE),
    "HTML 502": reply(answers.HTML, 502, content_type="text/html"),
    "200 without JSON": reply(b"<html>", 200, content_type="text/html"),
    "broken off": reply(answers.text("openai"), content_length=100_000),
    "reset": hang_up("reset"),
    "closed": hang_up("close"),
}


class NoTls:
    """A server that answers whatever it gets with something that is no TLS."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        threading.Thread(target=self._serve, name="no TLS", daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")


def chain(
    name: str, port: int, first: dict[str, Any] | None = None, policies: dict[str, Any] | None = None
) -> dict[str, Any]:
    """OpenAI first, Anthropic second, Bedrock third; all at one port, told apart by path and model."""
    first = first or m.with_key(m.provider("openai", port, prefix="/first/v1"), "openai")
    second = m.with_key(m.provider("anthropic", port, model="claude-second", prefix="/second/v1"), "anthropic")
    third = m.with_key(m.elsewhere(port, model="third", bedrock={"region": "eu-west-1"}), "bedrock")
    backend = m.groups(name, [first], [second], [third])
    if policies:
        backend["spec"]["policies"] = policies
    return backend




@pytest.fixture(scope="module")
def gateway(
    runtime: str, scripted: Provider, closed_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp(f"failover-{runtime}") / "config", runtime)
    port, no_tls = scripted.port, NoTls()
    refused = m.with_key(m.provider("openai", closed_port), "openai")
    without_tls = m.provider("openai", no_tls.port)
    without_tls["policies"] = {"auth": m.auth(without_tls, "openai"), "tls": {}}
    nobody = {"name": "nobody", "port": 8000}
    same = [m.with_key(m.provider("openai", port, prefix=f"/{name}/v1"), "openai") for name in "abc"]
    eviction = {"duration": "30s", "consecutiveFailures": 2}
    judge = {"unhealthyCondition": "response.code == 404", "eviction": {"duration": "30s"}}
    backends = [
        chain("chain", port),
        chain("refused", port, refused),
        chain("no-tls", port, without_tls),
        chain("nobody", port, {"custom": {"formats": [{"type": "Completions"}], "backendRef": nobody}}),
        chain("timed", port, policies={"http": {"requestTimeout": PER_TRY}}),
        *(chain(name, port) for name in ("cooling", "headerless", "told", "logged", "stopped", "codes")),
        chain("dead-first", port, refused, policies={"health": {"eviction": eviction}}),
        chain("counted", port, policies={"health": {"eviction": eviction}}),
        chain("judged", port, policies={"health": judge}),
        m.groups("pool", same),
        m.groups("pools", same[:2], same[2:]),
    ]
    names = [backend["metadata"]["name"] for backend in backends]
    rules = {name: m.rule(name, path=f"/{name}") for name in names}
    rules["codes"]["retry"] = {"codes": [401, 403]}
    gateway.write("gateway.yaml", m.dump(m.gateway_class(), m.gateway(gateway.port)))
    gateway.write("keys.yaml", m.dump(*stored_keys()))
    gateway.write("backends.yaml", m.dump(*backends, *m.service("nobody", 8000)))
    gateway.write("routes.yaml", m.dump(*(m.route(name, rule) for name, rule in rules.items())))
    gateway.start()
    yield gateway
    gateway.stop()
    no_tls.listening.close()


def paths(provider: Provider) -> list[str]:
    """Who was asked, in order: `first`, `second`, `third` (or `a`, `b`, `c`)."""
    found = [request.path.split("/")[1] for request in provider.requests]
    return ["third" if name == "model" else name for name in found]


def settle(client: Client, provider: Provider, backend: str) -> None:
    """One good answer of the first provider: nothing of its failures is remembered."""
    provider.clear()
    dialects.read("openai", client.ask("openai", backend))
    assert paths(provider) == ["first"]


def settle_all(client: Client, provider: Provider, backend: str) -> None:
    """One good answer of each provider."""
    bad = reply(answers.error("openai", 429), 429, headers=NO_PAUSE)
    for count in range(3):
        provider.clear()
        provider.then(*[bad] * count)
        dialects.read("openai", client.ask("openai", backend))
        assert len(provider.requests) == count + 1


def over_both_workers(client: Client, dialect: str, backend: str, times: int = 12) -> None:
    """Sends requests over connections of their own, which Envoy's two workers share."""
    for _ in range(times):
        with httpx.Client(timeout=dialects.TIMEOUT) as own:
            body = dialects.request(dialect)
            response = own.post(client.url(dialect, backend), json=body, headers=dialects.headers(dialect))
            dialects.read(dialect, response)


@all_dialects
@streamed
@pytest.mark.parametrize("failure", FAILURES)
def test_t29_t30_the_second_provider_answers(
    client: Client, provider: Provider, dialect: str, streamed: bool, failure: str
) -> None:
    provider.then(FAILURES[failure])
    answer = dialects.read(dialect, client.ask(dialect, "chain", model="m", stream=streamed))
    assert answer.text == answers.TEXT
    first, second = provider.requests
    # OpenAI speaks two of the dialects itself.
    spoken = "responses" if dialect == "responses" else "chat/completions"
    assert first.path == f"/first/v1/{spoken}" and second.path == "/second/v1/messages"
    # Translated afresh, with the second provider's key and nothing of the first attempt.
    assert first.values("authorization") == [f"Bearer {KEYS['openai']}"] and first.json["model"] == "m"
    assert second.values("x-api-key") == [KEYS["anthropic"]] and second.header("authorization") is None
    assert second.json["model"] == "claude-second" and second.header("content-length") == str(len(second.body))
    settle(client, provider, "chain")


@all_dialects
@streamed
def test_t29_t30_the_third_provider_answers_with_a_signature_of_its_own(
    client: Client, provider: Provider, dialect: str, streamed: bool
) -> None:
    provider.then(hang_up(), reply(answers.error("anthropic", 529), 529))
    answer = dialects.read(dialect, client.ask(dialect, "chain", stream=streamed))
    assert answer.text == answers.TEXT and paths(provider) == ["first", "second", "third"]
    last = provider.last
    assert last.path == ("/model/third/converse-stream" if streamed else "/model/third/converse")
    [authorization] = last.values("authorization")
    assert authorization.startswith(f"AWS4-HMAC-SHA256 Credential={AWS[0]}/")
    assert last.header("x-api-key") is None and last.header("anthropic-version") is None
    assert last.header("content-length") == str(len(last.body))
    settle_all(client, provider, "chain")


@streamed
def test_t04_t30_thinking_goes_to_who_signed_it_only(client: Client, provider: Provider, streamed: bool) -> None:
    """Each attempt is translated from what the client sent: what the first provider must not see is there again
    for the second, which signed it, and gone for the third, which would refuse it."""
    signed = {"type": "thinking", "thinking": "I look it up.", "signature": "Q2xhdWRl"}
    call = {"type": "tool_use", "id": "toolu_1", "name": "time", "input": {}}
    history = [
        {"role": "user", "content": "What time is it?"},
        {"role": "assistant", "content": [signed, {"type": "redacted_thinking", "data": "UmVk"}, call]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "Noon"}]},
    ]
    provider.then(hang_up(), reply(answers.error("anthropic", 529), 529))
    more = {"messages": history, "max_tokens": 3000, "thinking": {"type": "enabled", "budget_tokens": 2000}}
    response = client.ask("anthropic", "chain", stream=streamed, **more, **dialects.tools("anthropic", "time"))
    assert dialects.read("anthropic", response).text == answers.TEXT
    first, second, third = provider.requests
    assert second.json["messages"][1]["content"][:2] == history[1]["content"][:2]
    for other in (first, third):
        assert b"Q2xhdWRl" not in other.body and b"UmVk" not in other.body, other.path
        assert b"Noon" in other.body and b"toolu_1" in other.body, other.path
    settle_all(client, provider, "chain")


@all_dialects
@streamed
@pytest.mark.parametrize("backend", ["refused", "no-tls", "nobody"])
def test_t29_without_a_connection_the_next_provider_answers(
    client: Client, provider: Provider, dialect: str, streamed: bool, backend: str
) -> None:
    assert dialects.read(dialect, client.ask(dialect, backend, stream=streamed)).text == answers.TEXT
    assert paths(provider) == ["second"]


@all_dialects
@streamed
def test_t29_a_provider_that_says_nothing_is_left_in_time(
    client: Client, provider: Provider, dialect: str, streamed: bool
) -> None:
    provider.then(silent())
    answer = dialects.read(dialect, client.ask(dialect, "timed", stream=streamed))
    assert answer.text == answers.TEXT and paths(provider) == ["first", "second"]
    assert provider.requests[0].abandoned.wait(5), "the first provider goes on for nobody"
    settle(client, provider, "timed")


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_t29_a_whole_answer_that_stalls_is_given_up(client: Client, provider: Provider, dialect: str) -> None:
    """Whole answers are held until they are complete, translated or not, so that nothing is lost."""

    async def begins(connection: Connection, _: Request) -> None:
        await connection.head(200, [("content-type", "application/json"), ("content-length", "1000")])
        await connection.send(b'{"id":')
        await connection.gone()

    provider.then(begins)
    assert dialects.read(dialect, client.ask(dialect, "timed")).text == answers.TEXT
    assert paths(provider) == ["first", "second"]
    settle(client, provider, "timed")


@pytest.mark.parametrize("place", ["first", "second"])
def test_t29_a_stream_that_has_begun_takes_its_time(client: Client, provider: Provider, place: str) -> None:
    """The bound is for the first byte: later pieces may come when they like, passing or translated."""
    if place == "second":
        provider.then(FAILURES["500"])
    dialect = "openai" if place == "first" else "anthropic"
    gate = provider.gate()
    begin, *rest = answers.text_stream(dialect)
    provider.then(stream(begin, gate, *rest))
    url = client.url("openai", "timed", stream=True)
    body = dialects.request("openai", stream=True)
    with client.http.stream("POST", url, json=body, headers=dialects.headers("openai")) as response:
        assert response.status_code == 200
        # This one lasts longer than one attempt may: the first provider has to be given up.
        provider.then(silent())
        dialects.read("anthropic", client.ask("anthropic", "timed"))
        gate.open()
        text = response.read().decode()
    assert "[DONE]" in text and len(provider.requests) == (3 if place == "first" else 4)
    settle(client, provider, "timed")


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_t29_a_large_body_goes_to_the_next_provider_whole(
    client: Client, provider: Provider, dialect: str
) -> None:
    content = "x" * (20 * 1024 * 1024)
    provider.then(FAILURES["500"])
    assert dialects.read(dialect, client.ask(dialect, "chain", content=content)).text == answers.TEXT
    first, second = provider.requests
    for request in (first, second):
        assert content in json.dumps(request.json["messages"]) and len(request.body) >= len(content)
    settle(client, provider, "chain")


def test_t29_every_member_of_a_group_is_asked_before_the_next_group(client: Client, provider: Provider) -> None:
    bad = reply(answers.error("openai", 500), 500)
    for _ in range(4):
        provider.clear()
        provider.then(bad, bad)
        dialects.read("openai", client.ask("openai", "pools"))
        asked = paths(provider)
        assert sorted(asked[:2]) == ["a", "b"] and asked[2:] == ["c"]
    # They are asked in turn by chance, so some good answers take away what was counted.
    for _ in range(20):
        dialects.read("openai", client.ask("openai", "pools"))


def test_t29_members_of_a_group_share_the_requests(client: Client, provider: Provider) -> None:
    for _ in range(60):
        dialects.read("openai", client.ask("openai", "pool"))
    asked = paths(provider)
    assert len(asked) == 60 and all(asked.count(name) >= 5 for name in "abc")


def test_t29_who_asks_for_a_pause_gets_it_from_every_worker(client: Client, provider: Provider) -> None:
    provider.then(reply(answers.error("openai", 429), 429, headers={"retry-after": "60"}))
    dialects.read("openai", client.ask("openai", "cooling"))
    assert paths(provider) == ["first", "second"]
    provider.clear()
    over_both_workers(client, "anthropic", "cooling")
    assert set(paths(provider)) == {"second"}
    # Last is not never.
    provider.clear()
    provider.then(reply(answers.error("anthropic", 500), 500), reply({"message": "no"}, 500))
    dialects.read("openai", client.ask("openai", "cooling"))
    assert paths(provider) == ["second", "third", "first"]


def test_t29_a_429_without_a_header_is_heeded(client: Client, provider: Provider) -> None:
    """For a second: the request that follows at once does not meet the same answer."""
    provider.then(reply(answers.error("openai", 429), 429))
    dialects.read("openai", client.ask("openai", "headerless"))
    dialects.read("openai", client.ask("openai", "headerless"))
    assert paths(provider) == ["first", "second", "second"]


def test_t29_health_counts_failures_in_a_row(client: Client, provider: Provider) -> None:
    bad = reply(answers.error("openai", 500), 500)
    for script in (bad, None, bad, bad):
        provider.clear()
        if script:
            provider.then(script)
        dialects.read("openai", client.ask("openai", "counted"))
        assert paths(provider)[0] == "first"
    provider.clear()
    over_both_workers(client, "openai", "counted")
    assert set(paths(provider)) == {"second"}


def test_t29_health_counts_connections_that_fail(client: Client, provider: Provider) -> None:
    mark = client.gateway.process.mark()
    for number in range(3):
        dialects.read("openai", client.ask("openai", "dead-first", model=f"dead-{number}"))
    attempts = [int(client.gateway.wait_record(f"dead-{number}", mark)["attempts"]) for number in range(3)]
    assert attempts == [2, 2, 1], "after two the first is not asked"


def test_t29_health_has_conditions(client: Client, provider: Provider) -> None:
    provider.then(reply(answers.error("openai", 404), 404))
    dialects.error_of("openai", client.ask("openai", "judged"), 404)
    provider.clear()
    dialects.read("openai", client.ask("openai", "judged"))
    assert paths(provider) == ["second"]


@all_dialects
@streamed
def test_t31_when_all_fail_the_client_is_told(
    client: Client, provider: Provider, dialect: str, streamed: bool
) -> None:
    provider.then(
        reply(answers.error("openai", 500, "First."), 500),
        hang_up(),
        reply({"message": "Third."}, 503, headers={"x-amzn-errortype": "ServiceUnavailableException"}),
    )
    response = client.ask(dialect, "told", stream=streamed)
    error = dialects.error_of(dialect, response, response.status_code)
    assert "Third." in error["message"] and response.status_code in (500, 503, 529)
    assert response.headers["x-weir-attempts"] == "3" and response.headers["x-weir-exhausted"] == "true"
    provider.clear()
    settle_all(client, provider, "told")


def test_t31_the_log_says_that_all_failed(client: Client, provider: Provider) -> None:
    mark = client.gateway.process.mark()
    provider.then(*[hang_up()] * 3)
    response = client.ask("openai", "logged", model="all-failed")
    assert response.headers["x-weir-exhausted"] == "true"
    assert dialects.error_of("openai", response, 502)["code"] == "provider_unreachable"
    record = client.gateway.wait_record("all-failed", mark)
    assert record["attempt"] == 3 and record["exhausted"] is True and record["outcome"] == "failed"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413])
def test_t31_what_is_no_failure_of_the_provider_stops(client: Client, provider: Provider, status: int) -> None:
    provider.then(reply(answers.error("openai", status), status))
    response = client.ask("openai", "stopped")
    dialects.error_of("openai", response, status)
    assert paths(provider) == ["first"]
    assert response.headers["x-weir-attempts"] == "1" and "x-weir-exhausted" not in response.headers


@pytest.mark.parametrize("status", [401, 403])
def test_t31_rules_can_ask_for_more(client: Client, provider: Provider, status: int) -> None:
    provider.then(reply(answers.error("openai", status), status))
    assert dialects.read("openai", client.ask("openai", "codes")).text == answers.TEXT
    assert paths(provider) == ["first", "second"]


def test_clients_cannot_choose_the_order(client: Client, provider: Provider) -> None:
    """The header the wasm build steers Envoy with is its own."""
    own = dialects.headers("openai") | {"x-weir-cluster-order": "MgA="}
    response = client.http.post(client.url("openai", "chain"), json=dialects.request("openai"), headers=own)
    dialects.read("openai", response)
    assert paths(provider) == ["first"] and provider.last.header("x-weir-cluster-order") is None
