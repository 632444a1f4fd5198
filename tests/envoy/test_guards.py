"""Prompt guards: every client dialect, every provider dialect, whole and streamed; exactly where they are attached."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import answers
import dialects
import manifests as m
from conftest import providers, stored_keys
from dialects import FEW_PAIRS, PAIRS, Client, ids
from guard_service import GuardService, masking, rejecting
from provider import Provider, reply, stream
from weir import Gateway

ADDRESS = "ann@example.com"
NUMBER = "123-45-6789"
# The number in pieces, as a model says it.
PIECES = ("Your number is 12", "3-45-", "67", "89", ", is it not?")
SAID = "".join(PIECES)
MASKED = SAID.replace(NUMBER, "<SSN>")


def regex(action: str, **more: Any) -> dict[str, Any]:
    return {"regex": {"action": action, "builtins": ["Email", "Ssn"]}} | more


def webhook(**more: Any) -> dict[str, Any]:
    reference = {"group": "agentgateway.dev", "kind": "AgentgatewayBackend", "name": "judge"}
    forward = [{"name": "x-tenant", "value": "[a-z]+", "type": "RegularExpression"}]
    headers = {"x-original-path": "request.path"}
    hook = {"backendRef": reference, "forwardHeaderMatches": forward, "headers": headers} | more
    return {"name": "judge", "webhook": hook}


GUARDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "mask": {"request": [regex("Mask", name="pii")], "response": [regex("Mask", name="pii")]},
    "reject": {
        "request": [regex("Reject", name="pii", response={"message": "Not that.", "statusCode": 422})],
        "response": [regex("Reject", name="pii", response={"message": "Not that.", "statusCode": 451})],
    },
    "shadow": {
        "request": [regex("Reject", name="looking", shadow=True)],
        "response": [regex("Reject", name="looking", shadow=True)],
    },
    "hook": {"request": [webhook()], "response": [webhook()]},
    "open-hook": {"request": [webhook(failureMode="FailOpen")]},
    "restore": {"request": [{"name": "pii", "regex": {"builtins": ["Email"], "reversible": True}}]},
    "own-words": {
        "request": [
            regex(
                "Reject",
                name="pii",
                response={"statusCode": 400, "body": "no <b>way</b>", "headers": [{"name": "x-why", "value": "pii"}]},
            )
        ]
    },
    "chain": {
        "request": [
            {"name": "first", "regex": {"matches": ["cat"]}},
            {"name": "second", "regex": {"action": "Reject", "matches": ["cat"]}},
            {"name": "third", "keywords": {"action": "Reject", "words": ["forbidden fruit"]}},
        ]
    },
}


@pytest.fixture(scope="session")
def guarded(
    runtime: str, scripted: Provider, guard_service: GuardService, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway with a backend `<guard>-<provider>` for each of them."""
    gateway = Gateway(tmp_path_factory.mktemp(f"guards-{runtime}") / "config", runtime)
    gateway.write("gateway.yaml", m.dump(m.gateway_class(), m.gateway(gateway.port)))
    gateway.write("keys.yaml", m.dump(*stored_keys()))
    backends = [
        m.backend(f"{guard}-{name}", entry, key=key, **({"ai": {"promptGuard": rules}} if rules else {}))
        for guard, rules in GUARDS.items()
        for name, entry, key in providers(scripted.port)
        if guard in ("plain", "mask", "reject") or name in ("openai", "anthropic")
    ]
    names = [backend["metadata"]["name"] for backend in backends]
    gateway.write("backends.yaml", m.dump(*backends, m.static("judge", guard_service.port)))
    gateway.write("routes.yaml", m.dump(*m.routes(names)))
    gateway.start()
    yield gateway
    gateway.stop()


class Guarded(Client):
    """A client that names the guard and the provider."""

    def url(self, dialect: str, upstream: str, model: str = dialects.MODEL, stream: bool = False) -> str:
        guard, _, provider = upstream.partition("-")
        if guard in ("open", "own"):
            second, _, provider = provider.partition("-")
            guard = f"{guard}-{second}"
        name = f"{guard}-{dialects.backend(dialect, provider)}"
        return f"{self.gateway.base}/{name}{dialects.path(dialect, model, stream)}"


@pytest.fixture
def client(guarded: Gateway, judge: GuardService) -> Iterator[Guarded]:
    client = Guarded(guarded)
    yield client
    client.close()


both = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
every_pair = pytest.mark.parametrize(("dialect", "upstream"), PAIRS, ids=ids(PAIRS))
few_pairs = pytest.mark.parametrize(("dialect", "upstream"), FEW_PAIRS, ids=ids(FEW_PAIRS))


def say(provider: Provider, upstream: str, streamed: bool) -> None:
    """The provider's next answer holds the number."""
    if streamed:
        provider.then(stream(answers.text_stream(upstream, PIECES)))
    else:
        provider.then(reply(answers.text(upstream, SAID)))


def assert_masked(provider: Provider, dialect: str, response: httpx.Response) -> None:
    """Neither the provider nor the client got what it may not see."""
    assert dialects.read(dialect, response).text == MASKED
    assert b"6789" not in response.content
    sent = provider.last.body.decode()
    assert ADDRESS not in sent and "<EMAIL_ADDRESS>" in sent


def assert_left_alone(provider: Provider, dialect: str, response: httpx.Response) -> None:
    """Provider and client got every word."""
    assert dialects.read(dialect, response).text == SAID
    assert ADDRESS in provider.last.body.decode()


@both
@every_pair
def test_t19_masks_whole_and_streamed(
    client: Guarded, provider: Provider, dialect: str, upstream: str, streamed: bool
) -> None:
    say(provider, upstream, streamed)
    response = client.ask(dialect, f"mask-{upstream}", content=f"I am {ADDRESS}", stream=streamed)
    assert_masked(provider, dialect, response)


@both
@every_pair
def test_t19_rejects_whole_and_streamed(
    client: Guarded, provider: Provider, dialect: str, upstream: str, streamed: bool
) -> None:
    say(provider, upstream, streamed)
    if streamed:
        url = client.url(dialect, f"reject-{upstream}", stream=True)
        response = dialects.read_cut(url, dialect, dialects.request(dialect, stream=True)).response
        error = dialects.stream_error_of(dialect, response)
    else:
        response = client.ask(dialect, f"reject-{upstream}")
        error = dialects.error_of(dialect, response, 451)
    assert "Not that." in error["message"]
    assert b"123" not in response.content


@few_pairs
def test_requests_are_rejected_before_the_provider_sees_them(
    client: Guarded, provider: Provider, dialect: str, upstream: str
) -> None:
    response = client.ask(dialect, f"reject-{upstream}", content=f"I am {ADDRESS}")
    assert "Not that." in dialects.error_of(dialect, response, 422)["message"]
    assert provider.requests == []


@both
@few_pairs
def test_t20_other_backends_are_left_alone(
    client: Guarded, provider: Provider, dialect: str, upstream: str, streamed: bool
) -> None:
    say(provider, upstream, streamed)
    response = client.ask(dialect, f"plain-{upstream}", content=f"I am {ADDRESS}", stream=streamed)
    assert_left_alone(provider, dialect, response)


def test_a_rejection_in_ones_own_words(client: Guarded, provider: Provider) -> None:
    response = client.ask("openai", "own-words-anthropic", content=f"I am {ADDRESS}")
    assert (response.status_code, response.text) == (400, "no <b>way</b>")
    assert response.headers["x-why"] == "pii" and response.headers["content-type"].startswith("text/plain")


@both
def test_shadow_guards_only_look(client: Guarded, provider: Provider, streamed: bool) -> None:
    say(provider, "anthropic", streamed)
    response = client.ask("openai", "shadow-anthropic", content=f"I am {ADDRESS}", stream=streamed)
    assert dialects.read("openai", response).text == SAID
    assert ADDRESS in provider.last.body.decode()
    assert metric(client.gateway, "looking", "shadow_reject") > 0


def metric(gateway: Gateway, guard: str, action: str) -> float:
    """How often a guard did something."""
    lines = gateway.admin("/stats/prometheus").splitlines()
    found = [
        float(line.rsplit(" ", 1)[1])
        for line in lines
        if "weir_guard_checks" in line and f'"{guard}"' in line and f'"{action}"' in line
    ]
    return sum(found)


def test_verdicts_are_counted_and_logged_without_the_text(client: Guarded, provider: Provider) -> None:
    before = metric(client.gateway, "pii", "mask")
    start = client.gateway.process.mark()
    client.ask("openai", "mask-openai", content=f"I am {ADDRESS}", model="gpt-logged")
    record = client.gateway.wait_record("gpt-logged", start)
    assert metric(client.gateway, "pii", "mask") == before + 1
    guards = record["guards"]
    assert guards == [{"guard": "pii", "phase": "request", "action": "mask", "matches": 1}]
    assert ADDRESS not in json.dumps(record)


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_t23_each_guard_sees_what_the_one_before_has_left(
    client: Guarded, provider: Provider, dialect: str
) -> None:
    response = client.ask(dialect, "chain-openai", content="a cat")
    assert response.status_code == 200 and "a <masked>" in provider.last.body.decode()
    response = client.ask(dialect, "chain-openai", content="the Forbidden  Fruit? no: forbidden fruit")
    dialects.error_of(dialect, response, 403)


@both
@pytest.mark.parametrize("dialect", dialects.DIALECTS)
def test_t21_masks_of_services_are_applied(
    client: Guarded, provider: Provider, judge: GuardService, dialect: str, streamed: bool
) -> None:
    judge.answers += [masking("request", "I am nobody"), masking("response", "You are nobody.")]
    say(provider, "anthropic", streamed)
    response = client.ask(dialect, "hook-anthropic", content=f"I am {ADDRESS}", stream=streamed)
    assert dialects.read(dialect, response).text == "You are nobody."
    assert "I am nobody" in provider.last.body.decode() and ADDRESS not in provider.last.body.decode()
    (path, _, request), (second, _, answer) = judge.asked
    assert (path, second) == ("/request", "/response")
    assert request["body"]["messages"][-1]["content"] == f"I am {ADDRESS}"
    assert answer["body"]["choices"][0]["message"]["content"] == SAID


@both
def test_services_reject(
    client: Guarded, provider: Provider, judge: GuardService, streamed: bool
) -> None:
    judge.answers += [rejecting("You must not say that", 418)]
    response = client.ask("openai", "hook-openai", stream=streamed)
    assert "must not say that" in dialects.error_of("openai", response, 418)["message"]
    assert provider.requests == []
    judge.answers += [(200, {"action": {}}), rejecting("It must not say that", 418)]
    response = client.ask("openai", "hook-openai", stream=streamed)
    assert "must not say that" in dialects.error_of("openai", response, 418)["message"]


def test_a_service_gets_the_headers_it_is_to_get(
    client: Guarded, provider: Provider, judge: GuardService
) -> None:
    url = client.url("openai", "hook-openai")
    for tenant, expected in (("acme", "acme"), ("ACME7", None)):
        judge.clear()
        headers = dialects.headers("openai") | {"x-tenant": tenant}
        assert client.http.post(url, json=dialects.request("openai"), headers=headers).status_code == 200
        _, got, _ = judge.asked[0]
        assert got.get("x-tenant") == expected
        assert got["x-original-path"].endswith("/v1/chat/completions")
        assert dialects.CLIENT_KEY not in got.values()


def test_a_service_that_fails_fails_closed_or_open(
    client: Guarded, provider: Provider, judge: GuardService
) -> None:
    judge.answers += [(500, {})]
    error = dialects.error_of("openai", client.ask("openai", "hook-openai"), 503)
    assert error["code"] == "guardrail_unavailable" and provider.requests == []
    judge.answers += [(500, {})]
    assert client.ask("openai", "open-hook-openai").status_code == 200


@pytest.mark.parametrize("size", [1_000, 900_000, 3_000_000])
def test_large_requests_wait_for_services_too(
    client: Guarded, provider: Provider, judge: GuardService, size: int
) -> None:
    judge.answers += [masking("request", "y" * size)]
    response = client.ask("openai", "hook-openai", content="x" * size)
    assert response.status_code == 200
    assert provider.last.json["messages"][0]["content"] == "y" * size


@both
@pytest.mark.parametrize("dialect", dialects.DIALECTS)
def test_what_was_masked_comes_back(
    client: Guarded, provider: Provider, dialect: str, streamed: bool
) -> None:
    said = ("I wrote to <EMAIL", "_ADDRESS_2", "> for you, not to <EMAIL_ADDRESS_9>.")
    if streamed:
        provider.then(stream(answers.text_stream("anthropic", said)))
    else:
        provider.then(reply(answers.text("anthropic", "".join(said))))
    content = f"Write to {ADDRESS} and bob@example.com and {ADDRESS}"
    response = client.ask(dialect, "restore-anthropic", content=content, stream=streamed)
    sent = provider.last.body.decode()
    assert "<EMAIL_ADDRESS_1> and <EMAIL_ADDRESS_2> and <EMAIL_ADDRESS_1>" in sent
    expected = "I wrote to bob@example.com for you, not to <EMAIL_ADDRESS_9>."
    assert dialects.read(dialect, response).text == expected


@pytest.mark.parametrize("dialect", dialects.DIALECTS)
def test_t14_clean_text_is_not_kept_waiting(client: Guarded, provider: Provider, dialect: str) -> None:
    """What cannot be part of a match leaves before the provider says more."""
    upstream = "anthropic"
    first, *rest = answers.text_stream(upstream, ("All is well so far. ", "And it stays so. "))
    gate = provider.gate()
    # The first delta is the fifth event: start, ping, block, delta.
    head, tail = [first, *rest[:3]], rest[3:]
    provider.then(stream(head, gate, tail))
    url = client.url(dialect, f"mask-{upstream}", stream=True)
    body = dialects.request(dialect, stream=True)
    seen = b""
    with client.http.stream("POST", url, json=body, headers=dialects.headers(dialect)) as response:
        for chunk in response.iter_raw():
            seen += chunk
            if b"All is well so far" in seen:
                gate.open()
    assert b"And it stays so" in seen


def test_guards_are_of_the_provider_that_answers(
    runtime: str, provider: Provider, tmp_path: Any
) -> None:
    """Failing over from a guarded to another provider: each has its own guards."""
    gateway = Gateway(tmp_path / "config", runtime)
    gateway.write("gateway.yaml", m.dump(m.gateway_class(), m.gateway(gateway.port)))
    gateway.write("keys.yaml", m.dump(*stored_keys()))
    entry = m.with_key(m.provider("openai", provider.port), "openai")
    first = entry | {"policies": entry["policies"] | {"ai": {"promptGuard": GUARDS["mask"]}}}
    second = m.with_key(m.provider("anthropic", provider.port), "anthropic")
    gateway.write("backends.yaml", m.dump(m.groups("both", [first], [second])))
    gateway.write("routes.yaml", m.dump(m.route("both", m.rule("both", path="/both"))))
    gateway.start()
    try:
        provider.then(reply(answers.error("openai", 503), 503), reply(answers.text("anthropic", SAID)))
        response = httpx.post(
            f"{gateway.base}/both/v1/chat/completions",
            json=dialects.request("openai", content=f"I am {ADDRESS}"),
            headers=dialects.headers("openai"),
            timeout=dialects.TIMEOUT,
        )
        assert dialects.read("openai", response).text == SAID
        one, two = provider.requests
        assert ADDRESS not in one.body.decode() and ADDRESS in two.body.decode()
    finally:
        gateway.stop()
