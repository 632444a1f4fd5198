"""T-18: a provider that stops answering, before its headers, before the first token and in the middle."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

import answers
import dialects
import manifests as m
from conftest import providers, stored_keys
from dialects import Client
from provider import Provider, silent, stream
from weir import Gateway

few = pytest.mark.parametrize(
    ("dialect", "upstream"), dialects.FEW_PAIRS, ids=dialects.ids(dialects.FEW_PAIRS)
)


@pytest.fixture(scope="module")
def impatient(
    runtime: str, scripted: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway whose routes wait no longer than half a second."""
    gateway = Gateway(tmp_path_factory.mktemp(f"impatient-{runtime}") / "config", runtime)
    port = scripted.port
    rules = [
        m.rule(name, path=f"/{name}") | {"timeouts": {"request": "500ms"}} for name, *_ in providers(port)
    ]
    gateway.write(
        "all.yaml",
        m.dump(
            m.gateway_class(),
            m.gateway(gateway.port),
            *stored_keys(),
            *(m.backend(name, entry, key=key) for name, entry, key in providers(port)),
            m.route("r", *rules),
        ),
    )
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.fixture
def asking(impatient: Gateway, provider: Provider) -> Iterator[Client]:
    client = Client(impatient)
    yield client
    client.close()


@few
def test_t18_before_headers(asking: Client, provider: Provider, dialect: str, upstream: str) -> None:
    """The client is told in its own dialect, and the provider left alone."""
    provider.then(silent())
    response = asking.ask(dialect, upstream)
    assert response.status_code in ((408, 500, 503) if dialect == "bedrock" else (504,))
    dialects.error_of(dialect, response, response.status_code)
    assert provider.last.abandoned.wait(5)


@few
@pytest.mark.parametrize("sent", [0, 2], ids=["before the first token", "midway"])
def test_t18_in_a_stream(asking: Client, provider: Provider, dialect: str, upstream: str, sent: int) -> None:
    """An error event or a connection that breaks, never an end that looks complete."""
    model = f"gemini-2.5-stalled-{dialect}-{sent}"
    mark = asking.gateway.process.mark()
    provider.then(stream(answers.text_stream(upstream, model=model)[:sent], end="open"))
    try:
        response = asking.ask(dialect, upstream, model=model, stream=True)
    except httpx.RemoteProtocolError:
        pass
    else:
        if response.status_code == 200:
            dialects.stream_error_of(dialect, response)
        else:
            dialects.error_of(dialect, response, response.status_code)
    assert provider.last.abandoned.wait(5)
    assert asking.gateway.wait_record(model, mark)["outcome"] != "complete"
