"""The limits of `envoy/examples`, with no control plane: exact for requests, charged afterwards for tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import dialects
from limits import USED, at_once, codes, until
from provider import Provider
from test_own_envoy import Example, with_ports
from weir import PlainEnvoy


@pytest.fixture
def limiting(runtime: str, provider: Provider, tmp_path: Path) -> Iterator[Example]:
    path, port, admin = with_ports(f"limiting.{runtime}.yaml", tmp_path, provider.port)
    # Nothing flows in during a test.
    text = path.read_text().replace('"amount": 600, "per_ms": 60000', '"amount": 1, "per_ms": 3600000')
    path.write_text(text.replace('"amount": 100000, "per_ms": 60000', '"amount": 1, "per_ms": 3600000, "burst": 99'))
    envoy = PlainEnvoy(path, name=path.name)
    yield Example(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin}", envoy)
    envoy.stop()


def test_limits_stand_alone(limiting: Example, provider: Provider) -> None:
    first = limiting.ask("openai")
    assert first.status_code == 200 and first.headers["x-ratelimit-limit"] in ("100", "101")
    # 18 tokens each, of 100: while anything is left the next one passes.
    until(lambda: limiting.ask("openai", stream=True).status_code, 429)
    assert len(provider.requests) in (100 // USED + 1, 100 // USED + 2)


def test_requests_are_exact_alone(limiting: Example, provider: Provider) -> None:
    url = f"{limiting.base}/other"
    found = at_once(150, lambda _: httpx.get(url, timeout=dialects.TIMEOUT))
    assert codes(found) == {200: 101, 429: 49} and len(provider.requests) == 101
