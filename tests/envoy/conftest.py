"""Fixtures: one scripted provider and one demo provider for all tests, one gateway for each build."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import manifests as m
import processes
from dialects import Client
from guard_service import GuardService
from processes import Process, free_port
from provider import Provider
from weir import WEIR, Gateway

RUNTIMES = ("wasm", "native")

# The keys the shared gateway is configured with, by the kind of provider; Bedrock's pair is `AWS`.
KEYS = {
    "openai": "configured-openai-key",
    "anthropic": "configured-anthropic-key",
    "gemini": "configured-gemini-key",
    "vertex": "configured-vertex-token",
    "azure": "configured-azure-key",
}
AWS = ("AKIDCONFIGURED", "configured-aws-secret")


def stored_keys() -> list[dict[str, Any]]:
    """The Secrets with all of them."""
    return [*(m.secret(name, key) for name, key in KEYS.items()), m.aws_secret("bedrock", *AWS)]


@pytest.fixture(scope="session", params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def scripted() -> Iterator[Provider]:
    """The scripted provider; tests use `provider`."""
    provider = Provider()
    yield provider
    provider.stop()


@pytest.fixture
def provider(scripted: Provider) -> Provider:
    scripted.clear()
    return scripted


@pytest.fixture(scope="session")
def demo_port() -> Iterator[int]:
    """The demo provider, which checks signatures and tool calls as the real APIs do."""
    port = free_port()
    process = Process("demo provider", [WEIR, "demo-provider", "--listen", f"127.0.0.1:{port}"])
    process.wait_line(str(port))
    yield port
    process.stop()


@pytest.fixture(scope="session")
def guard_service() -> Iterator[GuardService]:
    """The guard webhook; tests use `judge`."""
    service = GuardService()
    yield service
    service.stop()


@pytest.fixture
def judge(guard_service: GuardService) -> GuardService:
    guard_service.clear()
    return guard_service


@pytest.fixture(scope="session")
def closed_port() -> int:
    """A port nobody listens on."""
    return free_port()


@pytest.fixture(scope="session")
def gateway(
    runtime: str,
    scripted: Provider,
    demo_port: int,
    closed_port: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """The gateway most tests share: a route for every backend, under the backend's name."""
    gateway = Gateway(tmp_path_factory.mktemp(f"shared-{runtime}") / "config", runtime)
    gateway.write("gateway.yaml", m.dump(m.gateway_class(), m.gateway(gateway.port)))
    gateway.write("keys.yaml", m.dump(*stored_keys()))
    backends = all_backends(scripted.port, closed_port, demo_port)
    routes = m.routes(backend["metadata"]["name"] for backend in backends)
    by_model = m.route(
        "by-model",
        m.rule("openai", x_gateway_model_name="gpt-routed"),
        m.rule("anthropic", x_gateway_model_name="claude-routed"),
        hostname="models.test",
    )
    gateway.write("backends.yaml", m.dump(*backends))
    gateway.write("service.yaml", m.dump(*m.service("models", 8000, scripted.port)))
    gateway.write("routes.yaml", m.dump(*routes, by_model))
    gateway.start()
    yield gateway
    gateway.stop()


ALIASES = {"fast": "gemini-small", "team-*": "gemini-large"}


def providers(port: int) -> list[tuple[str, dict[str, object], str]]:
    """What the shared gateway leads to: name of the backend, provider, name of its key."""
    return [
        ("openai", m.provider("openai", port), "openai"),
        ("completions", m.speaking(port, "Completions"), "openai"),
        ("responses", m.speaking(port, "Responses"), "openai"),
        ("anthropic", m.provider("anthropic", port), "anthropic"),
        ("gemini", m.elsewhere(port, gemini={}), "gemini"),
        ("vertex", m.elsewhere(port, vertexai={"projectId": "acme"}), "vertex"),
        ("bedrock", m.elsewhere(port, bedrock={"region": "eu-west-1"}), "bedrock"),
    ]


def all_backends(port: int, closed_port: int, demo_port: int) -> list[dict[str, object]]:
    """The backends of the shared gateway."""
    plain = [m.backend(name, entry, key=key) for name, entry, key in providers(port)]
    aliased = [
        m.backend(f"aliased-{name}", entry, key=key, aliases=ALIASES) for name, entry, key in providers(port)
    ]
    refused = [m.backend(f"refused-{name}", entry, key=key) for name, entry, key in providers(closed_port)]
    # No `auth`: the client's own key is passed on.
    own_key = [
        m.backend(f"open-{name}", entry)
        for name, entry, _ in providers(port)
        if name not in ("vertex", "bedrock")
    ]
    return [
        *plain,
        *aliased,
        *refused,
        *own_key,
        m.backend("fixed", m.provider("openai", port, model="gpt-fixed"), key="openai"),
        m.custom("own", "models", 8000, "Completions", "Messages"),
        m.backend("demo-openai", m.provider("openai", demo_port), key="openai"),
        m.backend("demo-completions", m.speaking(demo_port, "Completions"), key="openai"),
        m.backend("demo-anthropic", m.provider("anthropic", demo_port), key="anthropic"),
    ]


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Client]:
    client = Client(gateway)
    yield client
    client.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Shows the end of every running process's log with a failed test."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for process in list(processes.running):
            report.sections.append((f"log of {process.name}", process.tail()))


def pytest_sessionfinish() -> None:
    """Whatever a broken test left running ends here."""
    for process in list(processes.running):
        process.kill_session()


def pytest_configure() -> None:
    # Proxies of the machine have no part in connections to it.
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        os.environ.pop(name, None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "config"
