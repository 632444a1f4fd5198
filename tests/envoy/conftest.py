"""Fixtures: one scripted provider and one demo provider for all tests, one gateway for each build."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import manifests as m
import processes
from dialects import Client
from processes import Process, free_port
from provider import Provider
from weir import WEIR, Gateway

RUNTIMES = ("wasm", "native")

# The keys the shared gateway is configured with.
KEYS = {"openai": "configured-openai-key", "anthropic": "configured-anthropic-key"}


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
    gateway.write("keys.yaml", m.dump(*(m.secret(name, key) for name, key in KEYS.items())))
    port = scripted.port
    backends = [
        m.backend("openai", m.provider("openai", port), key="openai"),
        m.backend("anthropic", m.provider("anthropic", port), key="anthropic"),
        # No `auth`: the client's own key is passed on.
        m.backend("open-openai", m.provider("openai", port)),
        m.backend("open-anthropic", m.provider("anthropic", port)),
        m.backend("fixed", m.provider("openai", port, model="gpt-fixed"), key="openai"),
        m.backend("aliased-openai", m.provider("openai", port), key="openai", aliases=ALIASES),
        m.backend("aliased-anthropic", m.provider("anthropic", port), key="anthropic", aliases=ALIASES),
        m.backend("refused-openai", m.provider("openai", closed_port), key="openai"),
        m.backend("refused-anthropic", m.provider("anthropic", closed_port), key="anthropic"),
        m.groups(
            "failover",
            [m.with_key(m.provider("openai", port, prefix="/first/v1"), "openai")],
            [
                m.with_key(
                    m.provider("anthropic", port, model="claude-second", prefix="/second/v1"), "anthropic"
                )
            ],
        ),
        m.groups(
            "failover-back",
            [m.with_key(m.provider("anthropic", port, prefix="/first/v1"), "anthropic")],
            [m.with_key(m.provider("openai", port, prefix="/second/v1"), "openai")],
        ),
        m.groups(
            "failover-refused",
            [m.with_key(m.provider("anthropic", closed_port), "anthropic")],
            [m.with_key(m.provider("openai", port, model="gpt-second", prefix="/second/v1"), "openai")],
        ),
        m.custom("own", "models", 8000, "Completions", "Messages"),
        m.backend("demo-openai", m.provider("openai", demo_port), key="openai"),
        m.backend("demo-anthropic", m.provider("anthropic", demo_port), key="anthropic"),
    ]
    routes = [
        m.route(name, m.rule(name, path=f"/{name}")) for name in (b["metadata"]["name"] for b in backends)
    ]
    by_model = m.route(
        "by-model",
        m.rule("openai", x_gateway_model_name="gpt-routed"),
        m.rule("anthropic", x_gateway_model_name="claude-routed"),
        hostname="models.test",
    )
    gateway.write("backends.yaml", m.dump(*backends))
    gateway.write("service.yaml", m.dump(*m.service("models", 8000, port)))
    gateway.write("routes.yaml", m.dump(*routes, by_model))
    gateway.start()
    yield gateway
    gateway.stop()


ALIASES = {"fast": "provider-small", "team-*": "provider-large"}


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
