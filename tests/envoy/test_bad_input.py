"""Broken configuration: each finding names file, line and field, and everything else is served on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import answers
import dialects
import manifests as m
from provider import Provider
from weir import Gateway, weir

# name -> manifest, what the finding must say (with {file} for the file's path)
BROKEN = {
    "broken YAML": ("apiVersion: v1\nkind: Secret\nmetadata: {name: x\n---\nkind: [\n", ["{file}:"]),
    "no object": ("just text\n", ["{file}:1"]),
    "unknown field": (
        m.dump(m.backend("bad", m.provider("openai", 9) | {"hots": "x"})),
        ["{file}:", "AgentgatewayBackend default/bad", "spec.ai.provider.hots", 'did you mean "host"?'],
    ),
    "bad value": (
        m.dump(m.backend("bad", m.provider("openai", 9) | {"port": 70000})),
        ["{file}:", "AgentgatewayBackend default/bad", "spec.ai.provider.port", "70000"],
    ),
    "wrong type": (
        m.dump(m.backend("bad", m.provider("openai", 9) | {"port": "http"})),
        ["{file}:", "AgentgatewayBackend default/bad", "spec.ai.provider.port"],
    ),
    "dangling backend": (
        m.dump(m.route("bad", m.rule("nowhere", path="/bad"))),
        ["{file}:", "HTTPRoute default/bad", "spec.rules[0].backendRefs[0]", "nowhere"],
    ),
    "dangling secret": (
        m.dump(
            m.backend("bad", m.provider("openai", 9), key="no-such-secret"),
            m.route("bad", m.rule("bad", path="/bad")),
        ),
        ["{file}:", "AgentgatewayBackend default/bad", "spec.policies.auth.secretRef", "no-such-secret"],
    ),
    "dangling gateway": (
        m.dump(m.route("bad", m.rule("good", path="/bad"), gateway="no-such-gateway")),
        ["{file}:", "HTTPRoute default/bad", "spec.parentRefs[0]", "no-such-gateway"],
    ),
    "not served": (
        m.dump(m.backend("bad", m.provider("openai", 9), transformation={})),
        ["{file}:", "AgentgatewayBackend default/bad", "spec.policies.transformation"],
    ),
    "bad guard": (
        m.dump(
            m.backend(
                "bad",
                m.provider("openai", 9),
                ai={"promptGuard": {"request": [{"regex": {"builtins": ["EMail"]}}]}},
            )
        ),
        ["{file}:", "AgentgatewayBackend default/bad", "promptGuard", 'did you mean "Email"?'],
    ),
    # What a policy is for must not be served as if there were no policy.
    "guard without an apiVersion": (
        m.dump(
            m.route("bad", m.rule("good", path="/bad")),
            m.policy("guard", "HTTPRoute", "bad", backend={"ai": {"promptGuard": {}}}),
        ).replace("apiVersion: agentgateway.dev/v1alpha1\n", ""),
        ["{file}:", "AgentgatewayPolicy default/guard", "is answered with 500"],
    ),
    "misspelt guard of a route": (
        m.dump(
            m.route("bad", m.rule("good", path="/bad")),
            m.policy("guard", "HTTPRoute", "bad", backend={"ai": {"promptGaurd": {}}}),
        ),
        ["{file}:", "AgentgatewayPolicy default/guard", "is answered with 500"],
    ),
}


@pytest.fixture(scope="module")
def serving(runtime: str, scripted: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with one good route."""
    gateway = Gateway(tmp_path_factory.mktemp(f"bad-{runtime}") / "config", runtime)
    write_good(gateway, scripted)
    gateway.start()
    yield gateway
    gateway.stop()


def write_good(gateway: Gateway, provider: Provider) -> None:
    gateway.write(
        "good.yaml",
        m.dump(
            m.gateway_class(),
            m.gateway(gateway.port),
            m.backend("good", m.provider("openai", provider.port)),
            m.route("good", m.rule("good", path="/good")),
        ),
    )


def ask(gateway: Gateway, backend: str) -> httpx.Response:
    url = f"{gateway.base}/{backend}{dialects.PATHS['anthropic']}"
    return httpx.post(
        url,
        json=dialects.request("anthropic"),
        headers=dialects.headers("anthropic"),
        timeout=dialects.TIMEOUT,
    )


def message_of(line: str) -> str:
    """What a line of Weir's JSON log says."""
    try:
        return json.loads(line)["fields"]["message"]
    except (ValueError, KeyError, TypeError):
        return ""


@pytest.mark.parametrize("name", BROKEN)
def test_a_finding_and_the_rest_served(serving: Gateway, provider: Provider, name: str) -> None:
    text, wanted = BROKEN[name]
    path = serving.folder / "bad.yaml"
    wanted = [part.format(file=path) for part in wanted]
    mark = serving.process.mark()
    serving.write("bad.yaml", text)
    try:
        line = serving.process.wait_line(
            lambda line: all(part in message_of(line) for part in wanted), 15, mark
        )
        finding = message_of(line)
        assert dialects.read("anthropic", ask(serving, "good")).text == answers.TEXT
        if "/bad" in text and "gateway" not in name:
            # A route whose backend is missing says so, in the caller's dialect.
            response = ask(serving, "bad")
            dialects.error_of("anthropic", response, response.status_code)
            assert response.status_code >= 500
        # `weir validate` says the same, and `translate` goes on without it.
        result = weir("validate", "-f", serving.folder)
        assert result.returncode == 1, result.stdout
        assert finding in result.stdout
        result = weir("translate", "-f", serving.folder)
        assert "default/good" in result.stdout and finding in result.stderr
    finally:
        mark = serving.process.mark()
        path.unlink()
    serving.process.wait_line(lambda line: "resolved" in message_of(line), 15, mark)
    assert weir("validate", "-f", serving.folder).returncode == 0


def test_a_good_object_that_turns_bad_keeps_its_last_state_or_fails_alone(
    runtime: str, folder: Path, provider: Provider
) -> None:
    """A typing error in one backend must not take the routes of others away."""
    gateway = Gateway(folder, runtime)
    write_good(gateway, provider)
    other = m.dump(
        m.backend("other", m.provider("anthropic", provider.port)),
        m.route("other", m.rule("other", path="/other")),
    )
    gateway.write("other.yaml", other)
    gateway.start()
    try:
        assert ask(gateway, "other").status_code == 200
        mark = gateway.process.mark()
        gateway.write("other.yaml", other.replace("host: 127.0.0.1", "host: 'not a host'"))
        gateway.process.wait_line(lambda line: "spec.ai.provider.host" in message_of(line), 15, mark)
        assert ask(gateway, "good").status_code == 200
        # Never half a configuration: what it was, or an error of its own.
        response = ask(gateway, "other")
        assert response.status_code == 200 or response.status_code >= 500
    finally:
        gateway.stop()


def test_a_start_with_nothing_but_errors(runtime: str, folder: Path, provider: Provider) -> None:
    """It starts, says what is wrong, and serves as soon as that is mended."""
    gateway = Gateway(folder, runtime)
    gateway.write("good.yaml", "kind: [\n")
    gateway.start()
    try:
        mark = gateway.process.mark()
        write_good(gateway, provider)
        gateway.process.wait_line('"message":"reloaded in', timeout=15, start=mark)
        assert ask(gateway, "good").status_code == 200
    finally:
        gateway.stop()


def test_what_is_new_waits_until_every_file_can_be_read(
    runtime: str, folder: Path, provider: Provider
) -> None:
    """The policy that asks for keys may stand in the file that is no YAML."""
    gateway = Gateway(folder, runtime)
    write_good(gateway, provider)
    auth = m.dump(
        m.secret("keys", "key-of-anna"),
        m.policy("auth", "Gateway", "ai", traffic={"apiKeyAuthentication": {"secretRef": {"name": "keys"}}}),
    )
    gateway.write("auth.yaml", auth.replace("kind: Secret", "\tkind: Secret: ["))
    gateway.start()
    try:
        response = ask(gateway, "good")
        dialects.error_of("anthropic", response, 500)
        result = weir("validate", "-f", gateway.folder)
        assert "auth.yaml" in result.stdout and "new are answered with 500" in result.stdout
        mark = gateway.process.mark()
        gateway.write("auth.yaml", auth)
        gateway.process.wait_line('"message":"reloaded in', timeout=15, start=mark)
        assert ask(gateway, "good").status_code == 401
        # From now on a broken file costs what is served nothing.
        mark = gateway.process.mark()
        gateway.write("auth.yaml", "a: [\n")
        gateway.process.wait_line(lambda line: "auth.yaml" in message_of(line), 15, mark)
        assert ask(gateway, "good").status_code == 401
    finally:
        gateway.stop()


def test_paths_that_do_not_exist() -> None:
    for command in ("run", "validate", "translate"):
        result = weir(command, "-f", "/no/such/folder")
        assert result.returncode == 2 and "/no/such/folder" in result.stderr
