"""`weir translate --static`: the same gateway as one file for plain Envoy; and other commands that print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

import answers
import dialects
import manifests as m
from processes import free_port
from provider import Provider, reply
from weir import Gateway, PlainEnvoy, validate, weir

KEYS = {"openai": "static-openai-key", "anthropic": "static-anthropic-key"}


@dataclass
class Static:
    """A translated configuration."""

    path: Path
    text: str
    base: str
    env: dict[str, str]


@pytest.fixture
def static(runtime: str, folder: Path, tmp_path: Path, provider: Provider) -> Static:
    gateway = Gateway(folder, runtime)
    port = provider.port
    gateway.write(
        "all.yaml",
        m.dump(
            m.gateway_class(),
            m.gateway(gateway.port),
            *(m.secret(name, key) for name, key in KEYS.items()),
            m.backend("openai", m.provider("openai", port), key="openai"),
            m.backend("anthropic", m.provider("anthropic", port), key="anthropic"),
            m.groups(
                "failover",
                [m.with_key(m.provider("openai", port, prefix="/first/v1"), "openai")],
                [m.with_key(m.provider("anthropic", port), "anthropic")],
            ),
            m.route("r", *(m.rule(name, path=f"/{name}") for name in ("openai", "anthropic", "failover"))),
        ),
    )
    result = weir(
        "translate",
        "--static",
        "-f",
        folder,
        "--runtime",
        runtime,
        "--bind",
        "127.0.0.1",
        "--admin",
        str(free_port()),
    )
    assert result.returncode == 0, result.stderr
    path = tmp_path / "envoy.yaml"
    path.write_text(result.stdout)
    # The head of the file names the variables, each with the secret it stands for.
    variables = re.findall(r"^#\s+(WEIR_\w+):\s*(.*)$", result.stdout, re.MULTILINE)
    assert {name for name, _ in variables} == set(re.findall(r"environment_variable: (\w+)", result.stdout))
    env = {name: next(key for kind, key in KEYS.items() if kind in text) for name, text in variables}
    assert len(env) == 2
    return Static(path, result.stdout, gateway.base, env)


@pytest.fixture
def running(static: Static) -> Iterator[Static]:
    envoy = PlainEnvoy(static.path, env=static.env)
    yield static
    envoy.stop()


def test_envoy_accepts_it(static: Static) -> None:
    result = validate(static.path, env=static.env)
    assert result.returncode == 0, result.stderr[-2000:]
    assert not any(key in static.text for key in KEYS.values())


def test_it_serves(running: Static, provider: Provider) -> None:
    for client, upstream in [(c, u) for c in dialects.DIALECTS for u in ("openai", "anthropic")]:
        for streamed in (False, True):
            url = f"{running.base}/{upstream}{dialects.path(client, stream=streamed)}"
            response = httpx.post(
                url,
                json=dialects.request(client, stream=streamed),
                timeout=dialects.TIMEOUT,
                headers=dialects.headers(client),
            )
            assert dialects.read(client, response).text == answers.TEXT
            name, form = {"openai": ("authorization", "Bearer {}"), "anthropic": ("x-api-key", "{}")}[
                upstream
            ]
            assert provider.last.values(name) == [form.format(KEYS[upstream])]
    provider.clear()
    provider.then(reply(answers.error("openai", 503), 503))
    url = f"{running.base}/failover{dialects.PATHS['openai']}"
    assert httpx.post(url, json=dialects.request("openai"), timeout=dialects.TIMEOUT).status_code == 200
    assert len(provider.requests) == 2


def test_the_same_objects_give_the_same_text(static: Static, folder: Path, runtime: str) -> None:
    texts = {weir("translate", "-f", folder, "--runtime", runtime).stdout for _ in range(3)}
    assert len(texts) == 1
    [text] = texts
    assert len(list(yaml.safe_load_all(text))) > 5


def test_crds_and_version() -> None:
    crds = [crd for crd in yaml.safe_load_all(weir("crds").stdout) if crd]
    assert {crd["spec"]["names"]["kind"] for crd in crds} >= {"AgentgatewayBackend", "AgentgatewayPolicy"}
    version = weir("version").stdout
    assert "1.40.0" in version and "v0.2.0" in version
