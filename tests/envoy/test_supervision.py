"""Envoy's life: it comes back, it goes with Weir, and Weir leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import answers
import dialects
import manifests as m
from processes import Process, children
from provider import Provider, stream
from weir import ENVOY, WEIR, Gateway


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Where Weir puts what it needs while it runs."""
    path = tmp_path / "tmp"
    path.mkdir()
    return path


@pytest.fixture
def gateway(runtime: str, folder: Path, temporary: Path, provider: Provider) -> Iterator[Gateway]:
    gateway = Gateway(folder, runtime)
    write(gateway, provider)
    gateway.start(env={"TMPDIR": str(temporary), "XDG_RUNTIME_DIR": str(temporary)})
    yield gateway
    gateway.process.kill_session()


def write(gateway: Gateway, provider: Provider) -> None:
    gateway.write(
        "all.yaml",
        m.dump(
            m.gateway_class(),
            m.gateway(gateway.port),
            m.backend("openai", m.provider("openai", provider.port)),
            m.route("openai", m.rule("openai", path="/openai")),
        ),
    )


def ask(gateway: Gateway) -> int:
    url = f"{gateway.base}/openai{dialects.PATHS['openai']}"
    return httpx.post(url, json=dialects.request("openai"), timeout=dialects.TIMEOUT).status_code


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def gone(pids: list[int], within: float = 10) -> bool:
    end = time.monotonic() + within
    while time.monotonic() < end:
        if not any(map(alive, pids)):
            return True
        os.sched_yield()
    return False


def test_envoy_comes_back(gateway: Gateway) -> None:
    assert ask(gateway) == 200
    first = gateway.envoy_pid()
    mark = gateway.process.mark()
    os.kill(first, signal.SIGKILL)
    gateway.process.wait_line("starting it again", start=mark)
    assert served_within(gateway, 20)
    assert gateway.envoy_pid() != first and not alive(first)


def served_within(gateway: Gateway, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if ask(gateway) == 200:
                return True
        except httpx.TransportError:
            pass
    return False


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_clean_stop_leaves_nothing(gateway: Gateway, temporary: Path, how: signal.Signals) -> None:
    below = [pid for pid, _ in children(gateway.process.pid)]
    assert below and any(temporary.iterdir())
    assert gateway.process.stop(how) == 0
    assert gone(below)
    assert list(temporary.iterdir()) == []
    with pytest.raises(httpx.TransportError):
        ask(gateway)


def test_envoy_does_not_outlive_a_killed_weir(gateway: Gateway) -> None:
    below = [pid for pid, _ in children(gateway.process.pid)]
    os.kill(gateway.process.pid, signal.SIGKILL)
    assert gone(below)


def test_a_stop_does_not_wait_for_a_stream(gateway: Gateway, provider: Provider) -> None:
    provider.then(stream(answers.text_stream("openai")[:3], end="open"))
    url = f"{gateway.base}/openai{dialects.PATHS['openai']}"
    body = dialects.request("openai", stream=True)
    with (
        httpx.Client(timeout=dialects.TIMEOUT) as client,
        client.stream("POST", url, json=body) as response,
    ):
        next(response.iter_bytes())
        assert gateway.process.stop() == 0


def test_a_port_in_use_is_named(runtime: str, folder: Path, provider: Provider) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        gateway = Gateway(folder, runtime)
        gateway.port = taken.getsockname()[1]
        write(gateway, provider)
        result = run_to_its_end(gateway)
        assert f"127.0.0.1:{gateway.port}" in result and "in use" in result and "default/ai" in result
        gateway = Gateway(folder, runtime)
        gateway.admin_port = taken.getsockname()[1]
        write(gateway, provider)
        result = run_to_its_end(gateway)
        assert f"127.0.0.1:{gateway.admin_port}" in result and "admin" in result


def run_to_its_end(gateway: Gateway) -> str:
    """What `weir run` says when it cannot start."""
    command = [
        WEIR,
        "run",
        "-f",
        gateway.folder,
        "--runtime",
        gateway.runtime,
        "--bind",
        "127.0.0.1",
        "--admin",
        str(gateway.admin_port),
    ]
    process = Process("weir that cannot start", command, env={"WEIR_ENVOY": str(ENVOY)})
    assert process.child.wait(20) == 2
    process.stop()
    return "\n".join(process.lines)
