"""Streams that the gateway ends while their provider goes on: the client gets an error event and then the end, the
provider's connection is closed, and what was generated until then is charged."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

import answers
import dialects
import manifests as m
from conftest import providers, stored_keys
from dialects import FEW_PAIRS, Client, ids, read_cut
from limits import bucket, left, limit, until
from provider import Connection, Provider, Request, Script, stream
from test_own_envoy import start
from weir import Gateway

NUMBER = "123-45-6789"
REJECTING = {"response": [{"name": "pii", "regex": {"action": "Reject", "builtins": ["Ssn"]}}]}

# What users are promised, in seconds; it takes milliseconds.
WITHIN = 2

few_pairs = pytest.mark.parametrize(("dialect", "upstream"), FEW_PAIRS, ids=ids(FEW_PAIRS))


@pytest.fixture(scope="module")
def gateway(runtime: str, scripted: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Backends with guards, `guarded-<provider>`; with a limit on top, `limited-<provider>`; and two in a row, `both`."""
    gateway = Gateway(tmp_path_factory.mktemp(f"cut-{runtime}") / "config", runtime)
    port = scripted.port
    guards = {"ai": {"promptGuard": REJECTING}}
    backends = [
        m.backend(f"{kind}-{name}", entry, key=key, **guards)
        for name, entry, key in providers(port)
        for kind in ("guarded", "limited")
    ]
    first = m.with_key(m.provider("openai", port), "openai")
    first |= {"policies": first["policies"] | guards}
    backends.append(m.groups("both", [first], [m.with_key(m.provider("anthropic", port), "anthropic")]))
    names = [backend["metadata"]["name"] for backend in backends]
    limited = [name for name in names if name.startswith("limited")]
    gateway.write("gateway.yaml", m.dump(m.gateway_class(), m.gateway(gateway.port)))
    gateway.write("keys.yaml", m.dump(*stored_keys()))
    gateway.write("backends.yaml", m.dump(*backends))
    gateway.write("routes.yaml", m.dump(*m.routes(names)))
    limits = limit("cut", *limited, local=[bucket(100_000)], reserve={"outputTokens": 50})
    gateway.write("limits.yaml", m.dump(limits))
    gateway.start()
    yield gateway
    gateway.stop()


def going_on(*pieces: str, more: str = "more ", times: int = 20) -> Script:
    """A provider that says these, then `more` so often, and then nothing, without an end."""

    async def script(connection: Connection, request: Request) -> None:
        def saying(piece: str, events: list[bytes]) -> int:
            return next(at for at, event in enumerate(events) if piece.encode() in event)

        first = answers.text_stream(request.dialect, pieces)
        again = answers.text_stream(request.dialect, (more,))
        once = again[saying(more, again)]
        await stream(first[: saying(pieces[-1], first) + 1], *[once] * times, end="open")(connection, request)

    return script


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
@few_pairs
def test_a_rejected_stream_ends(
    client: Client, provider: Provider, runtime: str, dialect: str, upstream: str, http2: bool
) -> None:
    model = f"gemini-rejected-{dialect}-{http2}"
    mark = client.gateway.process.mark()
    provider.then(going_on("All is well. ", f"It is {NUMBER}. "))
    url = client.url(dialect, f"guarded-{upstream}", model, True)
    cut = read_cut(url, dialect, dialects.request(dialect, model=model, stream=True), http2=http2)
    assert "inappropriate" in dialects.stream_error_of(dialect, cut.response)["message"]
    assert b"6789" not in cut.response.content and b"more" not in cut.response.content
    # proxy-wasm can only break the stream off.
    assert cut.clean or runtime == "wasm"
    assert provider.last.abandoned.wait(WITHIN), "the provider goes on"
    assert len(provider.requests) == 1
    record = client.gateway.wait_record(model, mark)
    assert (record["outcome"], record["error"]) == ("refused", "guardrail_intervention")
    assert record["usage"]["input"] > 0 and record["usage"]["output"] > 0


@few_pairs
def test_a_stream_that_passes_its_reservation_ends(
    client: Client, provider: Provider, runtime: str, dialect: str, upstream: str
) -> None:
    model = f"gemini-limited-{dialect}"
    route = f"limited-{upstream}"
    before = left(client.gateway, provider, route)
    provider.clear()
    mark = client.gateway.process.mark()
    provider.then(going_on("well ", more=" word", times=400))
    body = dialects.request(dialect, model=model, stream=True)
    cut = read_cut(client.url(dialect, route, model, True), dialect, body)
    assert "reserved for it" in dialects.stream_error_of(dialect, cut.response)["message"]
    assert cut.clean or runtime == "wasm"
    assert provider.last.abandoned.wait(WITHIN), "the provider goes on"
    assert len(provider.requests) == 1
    record = client.gateway.wait_record(model, mark)
    assert record["outcome"] == "failed" and "reserved for it" in record["error"]
    assert record["estimated"] is True
    provider.clear()
    # Anthropic's clients always name a maximum.
    least = 100 if dialect == "anthropic" else 50
    until(lambda: before - left(client.gateway, provider, route) in range(least, 530), True)
    provider.clear()
    used = sum(record["usage"][kind] for kind in ("input", "cache_read", "cache_write", "output"))
    assert before - left(client.gateway, provider, route) == used


def test_what_cannot_be_translated_ends(client: Client, provider: Provider, runtime: str) -> None:
    first = answers.text_stream("anthropic", ("well",))[:5]
    provider.then(stream(first, b'event: content_block_delta\ndata: {"type":\n\n', end="open"))
    body = dialects.request("openai", stream=True)
    cut = read_cut(client.url("openai", "guarded-anthropic"), "openai", body)
    assert dialects.stream_error_of("openai", cut.response)["message"]
    assert cut.clean or runtime == "wasm"
    assert provider.last.abandoned.wait(WITHIN), "the provider goes on"


def test_no_other_provider_is_asked(client: Client, provider: Provider) -> None:
    provider.then(going_on("well ", f"It is {NUMBER}. "))
    url = f"{client.gateway.base}/both{dialects.path('openai', stream=True)}"
    cut = read_cut(url, "openai", dialects.request("openai", stream=True))
    assert "inappropriate" in dialects.stream_error_of("openai", cut.response)["message"]
    assert provider.last.abandoned.wait(WITHIN) and len(provider.requests) == 1


def test_the_connection_of_a_client_serves_on(client: Client, provider: Provider, runtime: str) -> None:
    """One stream of an HTTP/2 connection is ended, the others go on."""
    gate = provider.gate()
    whole = answers.text_stream("openai", ("well ", "and well"))
    provider.for_model("long", stream(whole[:2], gate, whole[2:]))
    provider.for_model("bad", going_on("well ", f"It is {NUMBER}. "))
    url = client.url("openai", "guarded-openai")
    with httpx.Client(http1=False, http2=True, timeout=dialects.TIMEOUT) as http:
        body = dialects.request("openai", model="long", stream=True)
        with http.stream("POST", url, json=body, headers=dialects.headers("openai")) as long:
            pieces = long.iter_raw()
            seen = next(pieces)
            bad = dialects.request("openai", model="bad", stream=True)
            try:
                assert b"inappropriate" in http.post(url, json=bad).content
            except httpx.RemoteProtocolError:
                assert runtime == "wasm"
            gate.open()
            seen += b"".join(pieces)
    assert dialects.read("openai", httpx.Response(200, headers=long.headers, content=seen)).text == "well and well"


def test_a_guard_alone_ends_streams(
    runtime: str, provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """On a listener of any Envoy, without any other filter of ours."""
    folder = tmp_path_factory.mktemp("alone")
    for example in start(f"guarding.{runtime}.yaml", folder, provider):
        for http2 in (False, True):
            mark = example.envoy.process.mark()
            provider.clear()
            provider.then(going_on("It is called ", "project heron", ", you know. "))
            body = dialects.request("openai", stream=True)
            cut = read_cut(example.base + dialects.PATHS["openai"], "openai", body, http2=http2)
            assert "inappropriate" in dialects.stream_error_of("openai", cut.response)["message"]
            assert cut.clean or runtime == "wasm"
            assert provider.last.abandoned.wait(WITHIN), "the provider goes on"
            log = example.record(mark)["weir"]
            assert [line["action"] for line in log] == ["reject"]
