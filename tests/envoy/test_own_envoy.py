"""The hand-written configurations in `envoy/examples`, run as a team would run them: no control plane."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

import answers
import dialects
from processes import free_port
from provider import Provider, reply, stream
from weir import DIST, REPOSITORY, PlainEnvoy, validate

EXAMPLES = REPOSITORY / "envoy" / "examples"
KEY = {"ANTHROPIC_API_KEY": "team-anthropic-key"}


@dataclass
class Example:
    """A running example."""

    base: str
    admin: str
    envoy: PlainEnvoy

    def ask(self, dialect: str, **fields: object) -> httpx.Response:
        url = self.base + dialects.PATHS[dialect]
        return httpx.post(
            url,
            json=dialects.request(dialect, **fields),
            headers=dialects.headers(dialect),
            timeout=dialects.TIMEOUT,
        )

    def record(self, start: int) -> dict[str, object]:
        """The access log line of the one request since `start`, with Weir's record read."""
        line = json.loads(self.envoy.process.wait_line(lambda line: '"duration_ms"' in line, 10, start))
        line["weir"] = json.loads(line["weir"])
        return line


def with_ports(name: str, folder: Path, upstream: int) -> tuple[Path, int, int]:
    """The example with free ports and the built modules in place of its own."""
    text = (EXAMPLES / name).read_text()
    port, admin = free_port(), free_port()
    for old, new in (
        ("port_value: 10000", f"port_value: {port}"),
        ("port_value: 9901", f"port_value: {admin}"),
        ("port_value: 18081", f"port_value: {upstream}"),
        ("filename: dist/", f"filename: {DIST}/"),
    ):
        assert old in text, f"{name} has no `{old}`"
        text = text.replace(old, new)
    path = folder / name
    path.write_text(text)
    return path, port, admin


@pytest.fixture(params=["openai-to-anthropic", "token-counting", "guarding", "limiting", "api-keys"])
def name(request: pytest.FixtureRequest, runtime: str) -> str:
    return f"{request.param}.{runtime}.yaml"


def start(name: str, folder: Path, provider: Provider) -> Iterator[Example]:
    path, port, admin = with_ports(name, folder, provider.port)
    envoy = PlainEnvoy(path, env=KEY, name=name)
    yield Example(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin}", envoy)
    envoy.stop()


@pytest.fixture(scope="module")
def translating(
    runtime: str, scripted: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Example]:
    yield from start(f"openai-to-anthropic.{runtime}.yaml", tmp_path_factory.mktemp("translating"), scripted)


@pytest.fixture(scope="module")
def counting(runtime: str, scripted: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    yield from start(f"token-counting.{runtime}.yaml", tmp_path_factory.mktemp("counting"), scripted)


def test_envoy_accepts_the_file(name: str, tmp_path: Path) -> None:
    path, _, _ = with_ports(name, tmp_path, 1)
    result = validate(path, env=KEY)
    assert result.returncode == 0, result.stderr[-2000:]


def test_openai_client_reaches_anthropic(translating: Example, provider: Provider) -> None:
    start = translating.envoy.process.mark()
    response = translating.ask("openai", model="gpt-4o", content="Hi")
    assert dialects.read("openai", response).text == answers.TEXT
    sent = provider.last
    assert sent.path == "/v1/messages" and sent.header("host") == "api.anthropic.com"
    assert sent.values("x-api-key") == ["team-anthropic-key"] and sent.header("authorization") is None
    assert sent.json["model"] == "claude-sonnet-4-5" and sent.json["max_tokens"] > 0
    record = translating.record(start)
    assert record["status"] == 200
    weir = record["weir"]
    assert weir["model"] == "gpt-4o" and weir["sent_model"] == "claude-sonnet-4-5"
    assert weir["usage"]["output"] == answers.USAGE["output"] and weir["outcome"] == "complete"


def test_streams_are_translated(translating: Example, provider: Provider) -> None:
    response = translating.ask("openai", model="gpt-4o-mini", stream=True)
    assert dialects.read("openai", response).text == answers.TEXT
    assert provider.last.json["model"] == "claude-haiku-4-5"


def test_errors_have_the_callers_dialect(translating: Example, provider: Provider) -> None:
    response = httpx.post(translating.base + dialects.PATHS["openai"], content=b"{", timeout=dialects.TIMEOUT)
    dialects.error_of("openai", response, 400)
    assert provider.requests == []


def test_the_key_is_not_in_the_config_dump(translating: Example) -> None:
    dump = httpx.get(f"{translating.admin}/config_dump?include_eds", timeout=10).text
    assert "anthropic-key" in dump and KEY["ANTHROPIC_API_KEY"] not in dump


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_counting_changes_nothing(
    counting: Example, provider: Provider, dialect: str, streamed: bool
) -> None:
    start = counting.envoy.process.mark()
    events = answers.text_stream(dialect, model="m-1")
    if streamed:
        provider.then(stream(events))
    response = counting.ask(dialect, model="m", stream=streamed)
    if streamed:
        assert response.content == b"".join(events)
    assert dialects.read(dialect, response).text == answers.TEXT
    sent = provider.last
    assert sent.json == dialects.request(dialect, model="m", stream=streamed)
    assert sent.header("authorization" if dialect == "openai" else "x-api-key")
    weir = counting.record(start)["weir"]
    assert (
        weir["usage"]["output"] == answers.USAGE["output"]
        and weir["usage"]["input"] == answers.USAGE["input"]
    )
    assert weir["outcome"] == "complete"


def test_counting_leaves_other_traffic_alone(counting: Example, provider: Provider) -> None:
    response = httpx.get(f"{counting.base}/anything", timeout=dialects.TIMEOUT)
    assert response.status_code == 200 and provider.last.path == "/anything"


@pytest.fixture(scope="module")
def guarding(runtime: str, scripted: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    yield from start(f"guarding.{runtime}.yaml", tmp_path_factory.mktemp("guarding"), scripted)


@pytest.mark.parametrize("dialect", dialects.DIALECTS)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_guards_stand_alone(guarding: Example, provider: Provider, dialect: str, streamed: bool) -> None:
    """What the example says: addresses leave as placeholders and come back, numbers do not come back at all."""
    start = guarding.envoy.process.mark()
    pieces = ("<EMAIL_ADD", "RESS_1> pays with 4111 1111 ", "1111 1111.")
    if streamed:
        provider.then(stream(answers.text_stream(dialect, pieces)))
    else:
        provider.then(reply(answers.text(dialect, "".join(pieces))))
    url = guarding.base + dialects.path(dialect, "m", streamed)
    body = dialects.request(dialect, "m", "I am ann@example.com", streamed)
    response = httpx.post(url, json=body, headers=dialects.headers(dialect), timeout=dialects.TIMEOUT)
    assert dialects.read(dialect, response).text == "ann@example.com pays with <CREDIT_CARD>."
    assert "I am <EMAIL_ADDRESS_1>" in provider.last.body.decode()
    log = guarding.record(start)["weir"]
    assert [(line["guard"], line["phase"], line["action"]) for line in log] == [
        ("people", "request", "mask"),
        ("numbers", "response", "mask"),
    ]


def test_guards_reject_alone(guarding: Example, provider: Provider) -> None:
    response = guarding.ask("openai", content="my key is AKIAIOSFODNN7EXAMPLE")
    error = dialects.error_of("openai", response, 400)
    assert error["message"].startswith("The prompt holds a key.") and provider.requests == []
    provider.then(reply(answers.text("openai", "It is called project heron.")))
    error = dialects.error_of("openai", guarding.ask("openai"), 403)
    assert "inappropriate" in error["message"]


T22 = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "ADDRESS"}]},
    "/v1/responses": {"input": [{"role": "user", "content": [{"type": "input_text", "text": "ADDRESS"}]}]},
    "/v1/messages": {"max_tokens": 9, "system": "ADDRESS", "messages": [{"role": "user", "content": "hi"}]},
    "/v1/messages/count_tokens": {"messages": [{"role": "user", "content": "ADDRESS"}]},
    "/v1beta/models/m:generateContent": {"contents": [{"role": "user", "parts": [{"text": "ADDRESS"}]}]},
    "/v1beta/models/m:embedContent": {"content": {"parts": [{"text": "ADDRESS"}]}},
    "/model/m/converse": {"messages": [{"role": "user", "content": [{"text": "ADDRESS"}]}]},
    "/v1/completions": {"prompt": "ADDRESS"},
    "/v1/embeddings": {"input": ["nothing", "ADDRESS"]},
    "/v2/rerank": {"query": "who?", "documents": ["ADDRESS"]},
    "/v1/images/generations": {"prompt": "ADDRESS"},
    "/v1/audio/speech": {"input": "ADDRESS", "voice": "alloy"},
}


@pytest.mark.parametrize("path", T22)
def test_t22_every_api_is_looked_at(guarding: Example, provider: Provider, path: str) -> None:
    text = json.dumps({"model": "m"} | T22[path]).replace("ADDRESS", "I am ann@example.com")
    headers = {"content-type": "application/json"}
    httpx.post(guarding.base + path, content=text, headers=headers, timeout=dialects.TIMEOUT)
    sent = provider.last.body.decode()
    assert sent == text.replace("ann@example.com", "<EMAIL_ADDRESS_1>")
