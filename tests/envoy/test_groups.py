"""Priority groups: when the first provider fails, the second answers within the same request."""

from __future__ import annotations

import pytest

import answers
import dialects
from conftest import KEYS
from dialects import Client
from provider import Provider, hang_up, reply

both = pytest.mark.parametrize("dialect", dialects.DIALECTS)
streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])

FAILURES = {
    "500": reply(answers.error("openai", 500), 500),
    "503": reply(answers.error("openai", 503), 503),
    "429": reply(answers.error("openai", 429), 429, headers={"retry-after": "30"}),
    "HTML 502": reply(answers.HTML, 502, content_type="text/html"),
    "reset": hang_up("reset"),
    "closed": hang_up("close"),
}


@both
@streamed
@pytest.mark.parametrize("failure", FAILURES)
def test_the_second_provider_answers(
    client: Client, provider: Provider, dialect: str, streamed: bool, failure: str
) -> None:
    provider.then(FAILURES[failure])
    answer = dialects.read(dialect, client.ask(dialect, "failover", model="m", stream=streamed))
    assert answer.text == answers.TEXT and answer.model == "claude-second"
    first, second = provider.requests
    assert first.path == "/first/v1/chat/completions" and second.path == "/second/v1/messages"
    assert first.values("authorization") == [f"Bearer {KEYS['openai']}"] and first.json["model"] == "m"
    assert first.header("anthropic-version") is None
    # Nothing of the first attempt is left: neither key nor path nor body.
    assert second.header("authorization") is None and second.values("x-api-key") == [KEYS["anthropic"]]
    assert second.json["model"] == "claude-second" and second.json["max_tokens"] > 0
    assert second.header("content-length") == str(len(second.body))


@both
def test_an_untouched_body_after_a_translated_one_is_whole(client: Client, provider: Provider, dialect: str) -> None:
    """One of the two attempts passes the client's bytes on; its length must not be that of the other's translation."""
    provider.then(FAILURES["500"])
    dialects.read(dialect, client.ask(dialect, "failover-back", model="m"))
    first, second = provider.requests
    assert first.path == "/first/v1/messages" and second.path == "/second/v1/chat/completions"
    assert first.header("content-length") == str(len(first.body))
    assert second.header("content-length") == str(len(second.body)) and second.json["model"] == "m"
    assert second.header("anthropic-version") is None and second.header("x-api-key") is None


@both
def test_a_refused_connection_is_a_failure_too(client: Client, provider: Provider, dialect: str) -> None:
    assert dialects.read(dialect, client.ask(dialect, "failover-refused")).model == "gpt-second"
    [only] = provider.requests
    assert only.values("authorization") == [f"Bearer {KEYS['openai']}"] and only.header("x-api-key") is None
    assert only.header("anthropic-version") is None


@both
def test_a_wrong_request_is_not_tried_elsewhere(client: Client, provider: Provider, dialect: str) -> None:
    provider.then(reply(answers.error("openai", 400), 400))
    dialects.error_of(dialect, client.ask(dialect, "failover"), 400)
    assert len(provider.requests) == 1


@both
def test_the_last_failure_is_told(client: Client, provider: Provider, dialect: str) -> None:
    provider.then(
        reply(answers.error("openai", 500, "First."), 500),
        reply(answers.error("anthropic", 529, "Second."), 529),
    )
    response = client.ask(dialect, "failover")
    assert "Second." in dialects.error_of(dialect, response, response.status_code)["message"]
    assert response.status_code in (503, 529) and len(provider.requests) == 2


def test_the_log_tells_of_the_attempts(client: Client, provider: Provider) -> None:
    mark = client.gateway.process.mark()
    provider.then(reply(answers.error("openai", 500), 500))
    client.ask("openai", "failover", model="logged-failover")
    record = client.gateway.wait_record("logged-failover", mark)
    assert (
        record["provider"] == "anthropic" and record["outcome"] == "complete" and int(record["attempts"]) == 2
    )
    assert record["usage"]["output"] == answers.USAGE["output"]
    assert len(client.gateway.records("logged-failover", mark)) == 1
