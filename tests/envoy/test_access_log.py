"""What policies add to access logs: expressions over who calls and what is asked, and filters by them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import dialects
import manifests as m
from issuer import Issuer
from provider import Provider
from telemetry_receiver import HttpReceiver, Receiver
from weir import Gateway

LOGIN = Issuer("https://login.test")
KEY = "sk-access-log-ann"
CLAIM = "https://example.com/team"

FIELDS = {
    "user": "jwt.sub",
    "tier": "jwt.plan.tier",
    "claim": f'jwt["{CLAIM}"]',
    "roles": "jwt.roles",
    "team": "apiKey.team",
    "tokens-per-day": "apiKey.limits.perDay",
    "digest": "apiKey.key.substring(0, 10)",
    "who": 'default(jwt.sub, default(apiKey.name, "nobody"))',
    "first": "request.path.split('/')[1]",
    "asked": 'llm.requestModel + (llm.streaming ? ", streamed" : "")',
    "agent": 'request.headers["x-agent"].upperAscii()',
    "status-class": "response.code >= 400 ? 'bad' : 'good'",
}

# By which what goes to the collector is chosen: nobody's requests, and those of `probe`, are not wanted there.
FILTER = 'default(jwt.sub, default(apiKey.name, "nobody")) in ["ann", "client"] && request.method == "POST"'


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    receiver = HttpReceiver()
    yield receiver
    receiver.stop()


@pytest.fixture(scope="module")
def gateway(
    runtime: str, scripted: Provider, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp(f"access-log-{runtime}") / "config", runtime)
    owner = {"key": KEY, "metadata": {"team": "red", "limits": {"perDay": 500}}}
    clients = m.secret("clients", "") | {"stringData": {"client": json.dumps(owner)}}
    jwt = {"providers": [LOGIN.provider()]}
    key = {"secretRef": {"name": "clients"}}
    added = [{"name": name, "expression": expression} for name, expression in FIELDS.items()]
    log = {"attributes": {"add": added}, "otlp": receiver.collector("/v1/logs") | {"filter": FILTER}}
    tracing = receiver.collector("/v1/traces") | {"randomSampling": "true", "attributes": {"add": added}}
    gateway.write(
        "all.yaml",
        m.dump(
            m.gateway_class(),
            m.gateway(gateway.port),
            m.secret("key", "provider-key"),
            clients,
            m.backend("llm", m.provider("openai", scripted.port), key="key"),
            *(m.route(name, m.rule("llm", path=f"/{name}")) for name in ("tokens", "keys", "open")),
            m.policy("tokens", "HTTPRoute", "tokens", traffic={"jwtAuthentication": jwt}),
            m.policy("keys", "HTTPRoute", "keys", traffic={"apiKeyAuthentication": key}),
            m.policy("log", "Gateway", "ai", frontend={"accessLog": log, "tracing": tracing}),
        ),
    )
    gateway.start()
    yield gateway
    gateway.stop()


class Asking:
    """Requests whose log lines are found by their model."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.http = httpx.Client(timeout=20)

    def ask(self, route: str, model: str, **headers: str) -> tuple[int, dict[str, Any]]:
        """Status, and the fields of the line that a policy adds."""
        stream = model.endswith("streamed")
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.http.post(
            f"{self.gateway.base}/{route}/v1/chat/completions",
            json=dialects.request("openai", model=model, stream=stream),
            headers=sent,
        )
        line = self.gateway.wait_record(model)
        return answer.status_code, {name: line[name] for name in FIELDS if name in line}


@pytest.fixture
def asking(gateway: Gateway, provider: Provider) -> Iterator[Asking]:
    asking = Asking(gateway)
    yield asking
    asking.http.close()


def bearer(value: str) -> dict[str, str]:
    return {"authorization": f"Bearer {value}"}


def test_who_calls_with_a_token(asking: Asking) -> None:
    claims = {"plan": {"tier": "gold"}, CLAIM: "blue", "roles": ["a", "b"]}
    status, fields = asking.ask("tokens", "gpt-token-streamed", **bearer(LOGIN.token(**claims)), x_agent="x")
    assert status == 200
    assert fields.pop("roles") == ["a", "b"]
    assert fields == {
        "user": "ann",
        "tier": "gold",
        "claim": "blue",
        "who": "ann",
        "first": "tokens",
        "asked": "gpt-token-streamed, streamed",
        "agent": "X",
        "status-class": "good",
    }


def test_who_calls_with_an_api_key(asking: Asking, receiver: Receiver) -> None:
    expected = {
        "team": "red",
        "tokens-per-day": "500",
        "digest": "sha256:" + hashlib.sha256(KEY.encode()).hexdigest()[:3],
        "who": "client",
        "first": "keys",
        "asked": "gpt-key",
        "status-class": "good",
    }
    assert asking.ask("keys", "gpt-key", **bearer(KEY)) == (200, expected)

    def about(entry: dict[str, Any]) -> bool:
        return entry["attributes"].get("asked") == "gpt-key"

    for kind in ("logs", "spans"):
        attributes = receiver.wait(kind, about)["attributes"]
        assert {name: attributes[name] for name in FIELDS if name in attributes} == expected, kind
        assert KEY not in str(attributes)


def test_nothing_is_said_of_nobody(asking: Asking) -> None:
    status, fields = asking.ask("open", "gpt-nobody")
    assert status == 200
    assert fields == {"who": "nobody", "first": "open", "asked": "gpt-nobody", "status-class": "good"}
    # Who is refused an API key is told of as well; a bad token is refused before anybody can look.
    status, fields = asking.ask("keys", "gpt-unknown-key", **bearer("sk-unknown"))
    assert status == 401
    assert fields == {"who": "nobody", "first": "keys", "asked": "gpt-unknown-key", "status-class": "bad"}
    status, fields = asking.ask("tokens", "gpt-bad-token", **bearer(LOGIN.token(expires=-600)))
    assert (status, fields) == (401, {"status-class": "bad"})


def test_a_log_is_filtered_by_who_calls(asking: Asking, receiver: Receiver) -> None:
    """What is not wanted is asked for first, so that it would have come before what is."""
    token = LOGIN.token(sub="probe")
    assert asking.ask("tokens", "gpt-filtered-probe", **bearer(token))[0] == 200
    assert asking.ask("open", "gpt-filtered-nobody")[0] == 200
    # It was not known who this was: no log is to miss it.
    assert asking.ask("tokens", "gpt-filtered-refused")[0] == 401
    assert asking.ask("tokens", "gpt-filtered-ann", **bearer(LOGIN.token()))[0] == 200
    assert asking.ask("keys", "gpt-filtered-client", **bearer(KEY))[0] == 200

    def model(entry: dict[str, Any]) -> str:
        return entry["attributes"].get("gen_ai.request.model", "")

    receiver.wait("logs", lambda entry: entry["attributes"]["http.status"] == "401")
    for wanted in ("ann", "client"):
        receiver.wait("logs", lambda entry, wanted=wanted: model(entry) == f"gpt-filtered-{wanted}")
    logged = {model(entry) for entry in receiver.logs}
    assert not logged & {"gpt-filtered-probe", "gpt-filtered-nobody"}
