"""Azure and Vertex AI: the paths, versions and headers each wants, and tokens that are fetched for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import types as genai_types

import answers
import dialects
import manifests as m
from dialects import Client
from provider import Provider, reply
from token_server import TokenServer, service_account
from weir import Gateway

every = pytest.mark.parametrize("dialect", dialects.DIALECTS)
streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])

AZURE_KEY = "configured-azure-key"
ENTRA = {"tenantID": "acme", "clientID": "weir", "clientSecret": "entra-client-secret"}

# The name of a backend, and its provider.
AZURE: dict[str, dict[str, Any]] = {
    "azure": {"azure": {"resourceName": "acme", "resourceType": "OpenAI"}},
    "dated": {"azure": {"resourceName": "acme", "resourceType": "OpenAI", "apiVersion": "2024-10-21"}},
    "preview": {"azure": {"resourceName": "acme", "resourceType": "OpenAI", "apiVersion": "preview"}},
    "foundry": {"azure": {"resourceName": "acme", "resourceType": "Foundry", "projectName": "p"}},
    "azureopenai": {"azureopenai": {"endpoint": "acme.openai.azure.com", "deploymentName": "chat"}},
}
VERTEX = "/v1/projects/acme/locations/us-east5/publishers"


def entries(name: str, **values: str) -> dict[str, Any]:
    """A Secret with these entries."""
    return m.secret(name, "") | {"stringData": values}


@pytest.fixture(scope="module")
def tokens() -> Iterator[TokenServer]:
    server = TokenServer()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def clouds(
    runtime: str, scripted: Provider, tokens: TokenServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp(f"clouds-{runtime}") / "config", runtime)
    port = scripted.port
    vertex = m.elsewhere(port, vertexai={"projectId": "acme", "region": "us-east5"})
    by_identity = {"auth": {"azure": {"secretRef": {"name": "entra"}}}}
    backends = [
        *(m.backend(name, m.elsewhere(port, **entry), key="azure") for name, entry in AZURE.items()),
        m.backend("entra", m.elsewhere(port, **AZURE["azure"]), **by_identity),
        m.backend("entra-foundry", m.elsewhere(port, **AZURE["foundry"]), **by_identity),
        m.backend("vertex", vertex, auth={"gcp": {"secretRef": {"name": "google"}}}),
    ]
    names = [backend["metadata"]["name"] for backend in backends]
    gateway.write(
        "all.yaml",
        m.dump(
            m.gateway_class(),
            m.gateway(gateway.port),
            m.secret("azure", AZURE_KEY),
            entries("entra", **ENTRA),
            entries("google", **{"credentials.json": service_account(f"{tokens.url}/google")}),
            *backends,
            m.route("r", *(m.rule(name, path=f"/{name}") for name in names)),
        ),
    )
    gateway.start(env={"AZURE_AUTHORITY_HOST": tokens.url})
    yield gateway
    gateway.stop()


@pytest.fixture
def at_clouds(clouds: Gateway, provider: Provider) -> Iterator[Client]:
    client = Client(clouds)
    # A token comes over discovery: soon, but not with the first configuration.
    for backend in ("entra", "entra-foundry", "vertex"):
        assert any(response.status_code == 200 for response in client.tries("openai", backend))
    provider.clear()
    yield client
    client.close()


def credentials(provider: Provider) -> dict[str, str]:
    names = ("authorization", "api-key", "x-api-key", "x-goog-api-key")
    return {name: value for name in names if (value := provider.last.header(name))}


# Azure


@every
@streamed
@pytest.mark.parametrize(
    ("backend", "chat", "responses"),
    [
        ("azure", "/openai/v1/chat/completions", "/openai/v1/responses"),
        (
            "preview",
            "/openai/v1/chat/completions?api-version=preview",
            "/openai/v1/responses?api-version=preview",
        ),
        (
            "dated",
            f"/openai/deployments/{dialects.MODEL}/chat/completions?api-version=2024-10-21",
            "/openai/responses?api-version=2024-10-21",
        ),
        (
            "foundry",
            "/api/projects/p/openai/v1/chat/completions",
            "/api/projects/p/openai/v1/responses",
        ),
    ],
)
def test_azure_openai(
    at_clouds: Client,
    provider: Provider,
    backend: str,
    chat: str,
    responses: str,
    dialect: str,
    streamed: bool,
) -> None:
    answer = dialects.read(dialect, at_clouds.ask(dialect, backend, stream=streamed))
    assert answer.text == answers.TEXT
    assert provider.last.path == (responses if dialect == "responses" else chat)
    assert credentials(provider) == {"api-key": AZURE_KEY}


@every
@streamed
def test_azure_foundry_claude(at_clouds: Client, provider: Provider, dialect: str, streamed: bool) -> None:
    response = at_clouds.ask(dialect, "foundry", model="claude-opus-4-5", stream=streamed)
    assert dialects.read(dialect, response).text == answers.TEXT
    assert provider.last.path == "/anthropic/v1/messages"
    assert provider.last.model == "claude-opus-4-5" and provider.last.header("anthropic-version")
    assert credentials(provider) == {"api-key": AZURE_KEY}


def test_azures_own_sdk_clients(at_clouds: Client, provider: Provider) -> None:
    """Their paths name the deployment; what the gateway sends on is what its own configuration says."""
    with openai.AzureOpenAI(
        azure_endpoint=f"{at_clouds.gateway.base}/dated",
        api_key=dialects.CLIENT_KEY,
        api_version="2025-01-01-preview",
        timeout=20,
        max_retries=0,
    ) as client:
        answer = client.chat.completions.create(
            model="deployed", messages=[{"role": "user", "content": "Hi"}]
        )
    assert answer.choices[0].message.content == answers.TEXT
    assert provider.last.path == "/openai/deployments/deployed/chat/completions?api-version=2024-10-21"
    assert credentials(provider) == {"api-key": AZURE_KEY}


def test_a_deployment_of_the_endpoint(at_clouds: Client, provider: Provider) -> None:
    assert at_clouds.ask("openai", "azureopenai", model="whatever").status_code == 200
    assert provider.last.model == "chat" and provider.last.header("host") == f"127.0.0.1:{provider.port}"


@pytest.mark.parametrize(
    ("backend", "scope"),
    [
        ("entra", "https://cognitiveservices.azure.com/.default"),
        ("entra-foundry", "https://ai.azure.com/.default"),
    ],
)
def test_azure_with_a_token_of_entra(
    at_clouds: Client, provider: Provider, tokens: TokenServer, backend: str, scope: str
) -> None:
    for dialect in dialects.DIALECTS:
        assert at_clouds.ask(dialect, backend).status_code == 200
        assert credentials(provider) == {"authorization": "Bearer token-of-acme"}
    form = next(form for _, form in tokens.asked if form.get("scope") == scope)
    assert form["grant_type"] == "client_credentials" and form["client_id"] == ENTRA["clientID"]
    assert form["client_secret"] == ENTRA["clientSecret"]


# Vertex AI


@every
@streamed
def test_vertex_gemini(at_clouds: Client, provider: Provider, dialect: str, streamed: bool) -> None:
    answer = dialects.read(dialect, at_clouds.ask(dialect, "vertex", stream=streamed))
    assert answer.text == answers.TEXT
    method = "streamGenerateContent?alt=sse" if streamed else "generateContent"
    assert provider.last.path == f"{VERTEX}/google/models/{dialects.MODEL}:{method}"
    assert credentials(provider) == {"authorization": "Bearer token-of-google"}


@every
@streamed
def test_vertex_claude(at_clouds: Client, provider: Provider, dialect: str, streamed: bool) -> None:
    """The model is in the path, the version in the body, and nothing of either anywhere else."""
    response = at_clouds.ask(dialect, "vertex", model="claude-sonnet-4-5@20250929", stream=streamed)
    assert dialects.read(dialect, response).text == answers.TEXT
    method = "streamRawPredict" if streamed else "rawPredict"
    assert provider.last.path == f"{VERTEX}/anthropic/models/claude-sonnet-4-5@20250929:{method}"
    assert provider.last.json["anthropic_version"] == "vertex-2023-10-16"
    assert "model" not in provider.last.json and provider.last.header("anthropic-version") is None
    assert credentials(provider) == {"authorization": "Bearer token-of-google"}


def test_sdks_at_vertex(at_clouds: Client, provider: Provider) -> None:
    """The SDK for Claude on Vertex AI, and Google's: both ways, whole and streamed."""
    base = f"{at_clouds.gateway.base}/vertex"
    with anthropic.AnthropicVertex(
        base_url=f"{base}/v1",
        region="elsewhere",
        project_id="not-acme",
        access_token=dialects.CLIENT_KEY,
        timeout=20,
        max_retries=0,
    ) as claude:
        ask: dict[str, Any] = {
            "model": "claude-opus-4-5",
            "max_tokens": 10,
            "messages": [{"role": "user", "content": "Hi"}],
        }
        assert claude.messages.create(**ask).content[0].text == answers.TEXT
        assert provider.last.path == f"{VERTEX}/anthropic/models/claude-opus-4-5:rawPredict"
        with claude.messages.stream(**ask) as stream:
            assert stream.get_final_text() == answers.TEXT
        assert provider.last.path.endswith(":streamRawPredict")
        assert credentials(provider) == {"authorization": "Bearer token-of-google"}
    options = genai_types.HttpOptions(base_url=base, timeout=20_000)
    gemini = genai.Client(api_key=dialects.CLIENT_KEY, vertexai=False, http_options=options)
    for model in (dialects.MODEL, "claude-opus-4-5"):
        assert gemini.models.generate_content(model=model, contents="Hi").text == answers.TEXT
        chunks = gemini.models.generate_content_stream(model=model, contents="Hi")
        assert "".join(chunk.text or "" for chunk in chunks) == answers.TEXT
    gemini.close()


def test_nothing_secret_shows(at_clouds: Client, clouds: Gateway) -> None:
    shown = clouds.admin("/config_dump?include_eds") + "\n".join(clouds.process.lines)
    for secret in (AZURE_KEY, ENTRA["clientSecret"], "token-of-", "PRIVATE KEY"):
        assert secret not in shown


def test_errors_of_vertex_claude_are_those_of_the_caller(at_clouds: Client, provider: Provider) -> None:
    for dialect in dialects.DIALECTS:
        provider.then(reply(answers.error("anthropic", 429), 429))
        response = at_clouds.ask(dialect, "vertex", model="claude-opus-4-5")
        assert dialects.error_of(dialect, response, 429)["message"]
