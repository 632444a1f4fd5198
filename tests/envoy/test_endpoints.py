"""Everything that is no chat: embeddings, reranking, token counts, lists of models, images, audio,
completions, and realtime over WebSocket."""

from __future__ import annotations

import asyncio
import base64
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import anthropic
import boto3
import httpx
import openai
import pytest
import websockets.asyncio.server
import websockets.sync.client
from botocore.config import Config
from google import genai
from google.genai import types as genai_types

import dialects
import manifests as m
from conftest import AWS, KEYS
from dialects import Client
from provider import Provider, reply
from test_signing import verify
from weir import Gateway

VECTOR = [0.25, -0.5, 1.0]


@pytest.fixture
def sdk(gateway: Gateway) -> Iterator[openai.OpenAI]:
    """OpenAI's SDK at the provider of OpenAI; `with_options(base_url=…)` leads elsewhere."""
    base = f"{gateway.base}/openai/v1"
    with openai.OpenAI(base_url=base, api_key=dialects.CLIENT_KEY, timeout=20, max_retries=0) as client:
        yield client


def at(client: openai.OpenAI, gateway: Gateway, backend: str) -> openai.OpenAI:
    return client.with_options(base_url=f"{gateway.base}/{backend}/v1")


# Embeddings


def test_embeddings_pass(sdk: openai.OpenAI, gateway: Gateway, provider: Provider) -> None:
    mark = gateway.process.mark()
    provider.then(
        reply(
            {
                "object": "list",
                "data": [{"object": "embedding", "index": 0, "embedding": VECTOR}],
                "model": "embedder",
                "usage": {"prompt_tokens": 6, "total_tokens": 6},
            }
        )
    )
    answer = sdk.embeddings.create(model="embedder", input="Hi", encoding_format="float")
    assert answer.data[0].embedding == VECTOR
    assert provider.last.path == "/v1/embeddings" and provider.last.json["model"] == "embedder"
    record = gateway.wait_record("embedder", mark)
    assert record["usage"]["input"] == 6 and record["client"] == "openai_embeddings"


# backend, model, answer of the provider, path, what is sent
EMBEDDERS: dict[str, tuple[str, dict[str, Any], str, dict[str, str]]] = {
    "vertex": (
        "text-embedding-005",
        {
            "predictions": [
                {"embeddings": {"values": VECTOR, "statistics": {"token_count": 6, "truncated": False}}}
            ]
        },
        "/v1/projects/acme/locations/global/publishers/google/models/text-embedding-005:predict",
        {},
    ),
    "bedrock": (
        "amazon.titan-embed-text-v2:0",
        {"embedding": VECTOR, "inputTextTokenCount": 6, "embeddingsByType": {"float": VECTOR}},
        "/model/amazon.titan-embed-text-v2%3A0/invoke",
        {"x-amzn-bedrock-input-token-count": "6"},
    ),
}


@pytest.mark.parametrize("backend", EMBEDDERS)
@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings_are_translated(
    sdk: openai.OpenAI, gateway: Gateway, provider: Provider, backend: str, encoding: Any
) -> None:
    model, body, path, headers = EMBEDDERS[backend]
    mark = gateway.process.mark()
    provider.then(reply(body, headers=headers))
    answer = at(sdk, gateway, backend).embeddings.create(model=model, input="Hi", encoding_format=encoding)
    found = answer.data[0].embedding
    if isinstance(found, str):
        found = list(struct.unpack(f"<{len(VECTOR)}f", base64.b64decode(found)))
    assert found == VECTOR and answer.usage.prompt_tokens == 6
    assert provider.last.path == path
    if backend == "bedrock":
        verify(provider.last, AWS, "eu-west-1")
    assert gateway.wait_record(model, mark)["usage"]["input"] == 6


def test_several_texts_in_order(sdk: openai.OpenAI, gateway: Gateway, provider: Provider) -> None:
    rows = [[float(place), 0.5] for place in range(3)]
    provider.then(
        reply(
            {
                "predictions": [
                    {"embeddings": {"values": row, "statistics": {"token_count": 2, "truncated": False}}}
                    for row in rows
                ]
            }
        )
    )
    answer = at(sdk, gateway, "vertex").embeddings.create(
        model="text-embedding-005", input=["a", "b", "c"], encoding_format="float"
    )
    assert [item.embedding for item in answer.data] == rows and answer.usage.prompt_tokens == 6
    assert "a" in provider.last.body.decode()


@pytest.fixture
def google(gateway: Gateway) -> Iterator[genai.Client]:
    options = genai_types.HttpOptions(base_url=f"{gateway.base}/gemini", timeout=20_000)
    client = genai.Client(api_key=dialects.CLIENT_KEY, vertexai=False, http_options=options)
    yield client
    client.close()


def test_gemini_sdk_embeddings(google: genai.Client, provider: Provider) -> None:
    provider.then(reply({"embeddings": [{"values": VECTOR}], "embedding": {"values": VECTOR}}))
    answer = google.models.embed_content(model="gemini-embedding-001", contents="Hi")
    assert answer.embeddings and answer.embeddings[0].values == VECTOR
    assert provider.last.path.startswith("/v1beta/models/gemini-embedding-001:")
    assert provider.last.header("x-goog-api-key") == KEYS["gemini"]


def test_gemini_sdk_embeddings_of_openai(gateway: Gateway, provider: Provider) -> None:
    """A client of Gemini, embeddings of OpenAI."""
    provider.then(
        reply(
            {
                "object": "list",
                "data": [{"object": "embedding", "index": 0, "embedding": VECTOR}],
                "model": "embedder",
                "usage": {"prompt_tokens": 6, "total_tokens": 6},
            }
        )
    )
    options = genai_types.HttpOptions(base_url=f"{gateway.base}/openai", timeout=20_000)
    client = genai.Client(api_key=dialects.CLIENT_KEY, vertexai=False, http_options=options)
    answer = client.models.embed_content(model="embedder", contents="Hi")
    assert answer.embeddings and answer.embeddings[0].values == VECTOR
    assert provider.last.path == "/v1/embeddings" and "Hi" in provider.last.body.decode()


def test_embeddings_a_provider_has_not(sdk: openai.OpenAI, gateway: Gateway, provider: Provider) -> None:
    with pytest.raises(openai.NotFoundError, match="openai_embeddings"):
        at(sdk, gateway, "anthropic").embeddings.create(model="m", input="Hi")
    assert provider.requests == []


# Reranking


def test_reranking_passes(client: Client, provider: Provider) -> None:
    answer = {
        "id": "r1",
        "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}],
        "meta": {"billed_units": {"search_units": 1}},
    }
    body = b'{"model":"rerank-v3.5", "query":"q","documents":["a","b"],"top_n":2}'
    for path in ("/v1/rerank", "/v2/rerank"):
        provider.then(reply(answer))
        response = client.http.post(
            f"{client.gateway.base}/openai{path}",
            content=body,
            headers=dialects.headers("openai") | {"content-type": "application/json"},
        )
        assert response.json() == answer and provider.last.body == body
        assert provider.last.path == "/v1/rerank"


# Token counts


@pytest.fixture
def claude(gateway: Gateway) -> Iterator[anthropic.Anthropic]:
    base = f"{gateway.base}/anthropic"
    with anthropic.Anthropic(base_url=base, api_key=dialects.CLIENT_KEY, timeout=20, max_retries=0) as client:
        yield client


MESSAGES: list[Any] = [{"role": "user", "content": "How many tokens is this?"}]


def test_anthropic_sdk_counts_where_the_provider_does(
    claude: anthropic.Anthropic, provider: Provider
) -> None:
    provider.then(reply({"input_tokens": 42}))
    assert claude.messages.count_tokens(model="claude-sonnet-4-5", messages=MESSAGES).input_tokens == 42
    assert provider.last.path == "/v1/messages/count_tokens"


@pytest.mark.parametrize(
    ("backend", "model", "answer", "path"),
    [
        ("gemini", "gemini-2.5-flash", {"totalTokens": 42}, "/v1beta/models/gemini-2.5-flash:countTokens"),
        ("bedrock", "anthropic.claude-x", {"inputTokens": 42}, "/model/anthropic.claude-x/count-tokens"),
    ],
)
def test_anthropic_sdk_counts_at_others(
    claude: anthropic.Anthropic,
    gateway: Gateway,
    provider: Provider,
    backend: str,
    model: str,
    answer: dict[str, int],
    path: str,
) -> None:
    provider.then(reply(answer))
    there = claude.with_options(base_url=f"{gateway.base}/{backend}")
    assert there.messages.count_tokens(model=model, messages=MESSAGES).input_tokens == 42
    assert provider.last.path == path and "How many tokens" in provider.last.body.decode()


def test_counts_are_made_here_where_nobody_counts(
    claude: anthropic.Anthropic, gateway: Gateway, google: genai.Client, provider: Provider
) -> None:
    there = claude.with_options(base_url=f"{gateway.base}/openai")
    few = there.messages.count_tokens(model="gpt-4o", messages=MESSAGES).input_tokens
    # `How many tokens is this?` is 6 tokens of o200k, and there is something around a message.
    assert 6 <= few <= 20
    long = [{"role": "user", "content": "How many tokens is this? " * 100}]
    many = there.messages.count_tokens(model="gpt-4o", messages=long).input_tokens
    assert 600 <= many <= 720
    options = genai_types.HttpOptions(base_url=f"{gateway.base}/openai", timeout=20_000)
    gemini = genai.Client(api_key=dialects.CLIENT_KEY, vertexai=False, http_options=options)
    counted = gemini.models.count_tokens(model="gpt-4o", contents=MESSAGES[0]["content"])
    assert counted.total_tokens and 6 <= counted.total_tokens <= 20
    assert provider.requests == []


def test_gemini_sdk_counts_where_the_provider_does(google: genai.Client, provider: Provider) -> None:
    provider.then(reply({"totalTokens": 42}))
    assert google.models.count_tokens(model="gemini-2.5-flash", contents="Hi").total_tokens == 42


@pytest.mark.parametrize(
    ("backend", "answer"), [("bedrock", {"inputTokens": 42}), ("anthropic", {"input_tokens": 42})]
)
def test_boto3_counts(gateway: Gateway, provider: Provider, backend: str, answer: dict[str, int]) -> None:
    client = boto3.client(
        "bedrock-runtime",
        endpoint_url=f"{gateway.base}/{backend}",
        region_name="us-east-1",
        aws_access_key_id="AKIDCLIENT",
        aws_secret_access_key=dialects.CLIENT_KEY,
        config=Config(retries={"total_max_attempts": 1}, read_timeout=20),
    )
    provider.then(reply(answer))
    counted = client.count_tokens(
        modelId="anthropic.claude-x",
        input={"converse": {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}},
    )
    assert counted["inputTokens"] == 42


# What passes, and is metered where it says what it used


def test_lists_of_models_pass(sdk: openai.OpenAI, provider: Provider) -> None:
    entry = {"id": "gpt-5", "object": "model", "created": 1, "owned_by": "openai"}
    provider.then(reply({"object": "list", "data": [entry]}))
    assert [model.id for model in sdk.models.list()] == ["gpt-5"]
    assert provider.last.method == "GET" and provider.last.path == "/v1/models"
    assert provider.last.header("authorization") == f"Bearer {KEYS['openai']}"


def test_completions_pass_with_usage(sdk: openai.OpenAI, gateway: Gateway, provider: Provider) -> None:
    mark = gateway.process.mark()
    provider.then(
        reply(
            {
                "id": "cmpl-1",
                "object": "text_completion",
                "created": 1,
                "model": "older",
                "choices": [{"text": "there", "index": 0, "logprobs": None, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
            }
        )
    )
    assert sdk.completions.create(model="older", prompt="Hi").choices[0].text == "there"
    assert provider.last.path == "/v1/completions"
    record = gateway.wait_record("older", mark)
    assert (record["usage"]["input"], record["usage"]["output"]) == (3, 1)


def test_images_pass_with_usage(sdk: openai.OpenAI, gateway: Gateway, provider: Provider) -> None:
    usage = {
        "input_tokens": 10,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 0},
        "output_tokens": 1000,
        "total_tokens": 1010,
    }
    mark = gateway.process.mark()
    provider.then(reply({"created": 1, "data": [{"b64_json": "aGk="}], "usage": usage}))
    answer = sdk.images.generate(model="painter", prompt="a cat")
    assert answer.data and answer.data[0].b64_json == "aGk="
    assert provider.last.path == "/v1/images/generations"
    record = gateway.wait_record("painter", mark)
    assert (record["usage"]["input"], record["usage"]["output"]) == (10, 1000)


def test_forms_keep_their_files(sdk: openai.OpenAI, gateway: Gateway, provider: Provider) -> None:
    """Multipart bodies: the model is read from the form, the file passes."""
    sound = bytes(range(256)) * 40
    mark = gateway.process.mark()
    usage = {"type": "tokens", "input_tokens": 14, "output_tokens": 5, "total_tokens": 19}
    provider.then(reply({"text": "Hello.", "usage": usage}))
    answer = sdk.audio.transcriptions.create(model="listener", file=("a.wav", sound))
    assert answer.text == "Hello."
    assert provider.last.path == "/v1/audio/transcriptions" and sound in provider.last.body
    record = gateway.wait_record("listener", mark)
    assert (record["usage"]["input"], record["usage"]["output"]) == (14, 5)
    provider.then(reply({"created": 1, "data": [{"b64_json": "aGk="}]}))
    sdk.images.edit(model="painter", prompt="a cat", image=("a.png", b"\x89PNG" + sound))
    assert provider.last.path == "/v1/images/edits" and sound in provider.last.body


def test_speech_passes(sdk: openai.OpenAI, provider: Provider) -> None:
    sound = bytes(range(256)) * 400
    provider.then(reply(sound, content_type="audio/mpeg"))
    assert sdk.audio.speech.create(model="speaker", voice="alloy", input="Hi").content == sound
    assert provider.last.path == "/v1/audio/speech"


def test_compact_passes(client: Client, provider: Provider) -> None:
    body = b'{"model":"gpt-5", "input": []}'
    answer = {"id": "cmp_1", "object": "response.compaction", "output": [], "usage": {"input_tokens": 3}}
    provider.then(reply(answer))
    response = client.http.post(
        f"{client.gateway.base}/openai/v1/responses/compact",
        content=body,
        headers=dialects.headers("openai") | {"content-type": "application/json"},
    )
    assert response.json() == answer and provider.last.body == body


# Realtime


class Echo:
    """A WebSocket server that sends back what it gets, and keeps the request it was opened with."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def _start(self) -> Any:
        async def echo(connection: Any) -> None:
            self.requests.append(connection.request)
            async for message in connection:
                await connection.send(message)

        return await websockets.asyncio.server.serve(echo, "127.0.0.1", 0)

    def stop(self) -> None:
        async def close() -> None:
            self._server.close()
            await self._server.wait_closed()

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    echo = Echo()
    yield echo
    echo.stop()


def test_realtime_passes(runtime: str, folder: Any, echo: Echo) -> None:
    gateway = Gateway(folder, runtime)
    gateway.write(
        "all.yaml",
        m.dump(
            m.gateway_class(),
            m.gateway(gateway.port),
            m.secret("key", KEYS["openai"]),
            m.backend("openai", m.provider("openai", echo.port), key="key"),
            m.route("r", m.rule("openai")),
        ),
    )
    gateway.start()
    try:
        url = f"ws://127.0.0.1:{gateway.port}/v1/realtime?model=gpt-realtime"
        headers = {"authorization": f"Bearer {dialects.CLIENT_KEY}"}
        with websockets.sync.client.connect(
            url, additional_headers=headers, open_timeout=10, proxy=None
        ) as opened:
            for message in ('{"type":"session.update"}', b"\x00\x01", "x" * 200_000):
                opened.send(message)
                assert opened.recv(timeout=10) == message
        request = echo.requests[-1]
        assert request.path == "/v1/realtime?model=gpt-realtime"
        assert request.headers.get_all("authorization") == [f"Bearer {KEYS['openai']}"]
    finally:
        gateway.stop()


# AgentgatewayModel


@pytest.fixture
def reachable() -> Iterator[Provider]:
    """A provider at the machine's own name: a `baseURL` must not lead to a loopback address."""
    provider = Provider("0.0.0.0")
    yield provider
    provider.stop()


def test_models_are_listed_and_chosen(runtime: str, folder: Any, reachable: Provider) -> None:
    provider = reachable
    gateway = Gateway(folder, runtime)
    listener = {
        "name": "http",
        "protocol": "HTTP",
        "port": gateway.port,
        "allowedRoutes": {"kinds": [{"group": "agentgateway.dev", "kind": "AgentgatewayModel"}]},
    }
    base = m.gateway(gateway.port)
    base["spec"]["listeners"] = [listener]
    url = f"http://{socket.gethostname()}:{provider.port}/v1"

    def model(name: str, **spec: Any) -> dict[str, Any]:
        return {
            "apiVersion": m.AGENTGATEWAY,
            "kind": "AgentgatewayModel",
            "metadata": {"name": name},
            "spec": {"parentRefs": [{"name": "ai"}], **spec},
        }

    auth = {"auth": {"secretRef": {"name": "key"}}}
    targets = [
        {"modelRef": {"name": "gpt-5"}, "when": "request.headers['x-team'] == 'a'"},
        {"modelRef": {"name": "claude"}},
    ]
    chain = [
        {"modelRef": {"name": "gpt-5"}, "priority": 1},
        {"modelRef": {"name": "claude"}, "priority": 2},
    ]
    gateway.write(
        "all.yaml",
        m.dump(
            m.gateway_class(),
            base,
            m.secret("key", "model-key"),
            model("gpt-5", provider="OpenAI", baseURL=url, policies=auth),
            model("claude", match={"model": "claude-x"}, provider="Anthropic", baseURL=url, policies=auth),
            model("smart", virtualModel={"conditional": {"targets": targets}}),
            model("safe", virtualModel={"failover": {"targets": chain}}),
        ),
    )
    gateway.start()
    try:
        http = httpx.Client(base_url=gateway.base, timeout=dialects.TIMEOUT)
        listed = http.get("/v1/models").json()
        assert {entry["id"] for entry in listed["data"]} >= {"gpt-5", "claude-x", "smart", "safe"}

        def ask(name: str, **headers: str) -> tuple[str, str | None]:
            body = dialects.request("openai", model=name)
            response = http.post(dialects.PATHS["openai"], json=body, headers=headers)
            assert dialects.read("openai", response).text
            return provider.last.path, provider.last.model

        assert ask("gpt-5") == ("/v1/chat/completions", "gpt-5")
        assert ask("claude-x") == ("/v1/messages", "claude-x")
        assert ask("smart", **{"x-team": "a"}) == ("/v1/chat/completions", "gpt-5")
        assert ask("smart") == ("/v1/messages", "claude-x")
        provider.then(reply({"error": {"message": "No.", "type": "server_error", "code": None}}, 500))
        assert ask("safe") == ("/v1/messages", "claude-x")
        response = http.post(dialects.PATHS["openai"], json=dialects.request("openai", model="nobody"))
        assert dialects.error_of("openai", response, 404)["code"] == "model_not_found"
    finally:
        gateway.stop()
