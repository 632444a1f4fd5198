"""The examples of this repository: each is good, and the quickstart does what it says."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

import dialects
from processes import free_port
from weir import REPOSITORY, Gateway, weir

EXAMPLES = REPOSITORY / "examples"


@pytest.mark.parametrize("name", ["quickstart", "groups", "guards", "service", "authentication"])
def test_an_example_is_good(name: str) -> None:
    result = weir("validate", "-f", EXAMPLES / name)
    assert result.returncode == 0, result.stdout
    assert "no errors" in result.stdout


def test_the_quickstart(runtime: str, folder: Path) -> None:
    """`make run`, on free ports: both clients reach both providers, chosen by the model."""
    demo = free_port()
    gateway = Gateway(folder, runtime, "--demo-provider", f"127.0.0.1:{demo}")
    for file in (EXAMPLES / "quickstart").iterdir():
        text = (
            file.read_text()
            .replace("port: 8080", f"port: {gateway.port}")
            .replace("port: 18081", f"port: {demo}")
        )
        gateway.write(file.name, text)
    gateway.start()
    try:
        for dialect in ("openai", "anthropic"):
            for model, answering in (
                ("gpt-5", "gpt-5"),
                ("claude-sonnet-4-5", "claude-sonnet-4-5"),
                ("fast", "claude-haiku-4-5"),
            ):
                response = httpx.post(
                    gateway.base + dialects.path(dialect, model),
                    timeout=dialects.TIMEOUT,
                    json=dialects.request(dialect, model=model),
                    headers=dialects.headers(dialect),
                )
                assert dialects.read(dialect, response).model in (answering, None)
    finally:
        assert gateway.stop() == 0
