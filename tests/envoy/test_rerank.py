"""Reranking by Bedrock and Vertex AI: translated, and sent to the hosts they have for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import httpx
import pytest
import yaml
from botocore.validate import ParamValidator

import answers
import dialects
import manifests as m
from conftest import AWS
from dialects import Client
from processes import free_port
from provider import Provider, reply
from test_signing import verify
from weir import Gateway, PlainEnvoy, weir

QUERY: dict[str, Any] = {
    "model": "cohere.rerank-v3-5:0",
    "query": "capital?",
    "documents": ["Paris", {"text": "Rome"}, "Bern"],
    "top_n": 2,
}
BEDROCK = {"results": [{"index": 2, "relevanceScore": 0.9}, {"index": 0, "relevanceScore": 0.1}]}
VERTEX = {"records": [{"id": "2", "score": 0.9}, {"id": "0", "score": 0.1}]}
RANKED = [{"index": 2, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]
paths = pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank"])


def rank(client: Client, backend: str, path: str = "/v2/rerank", **more: Any) -> httpx.Response:
    return client.http.post(f"{client.gateway.base}/{backend}{path}", json=QUERY | more)


@paths
def test_bedrock_ranks(client: Client, provider: Provider, path: str) -> None:
    mark = client.gateway.process.mark()
    provider.then(reply(BEDROCK))
    answer = rank(client, "bedrock", path)
    assert answer.status_code == 200 and answer.json()["results"] == RANKED
    assert provider.last.path == "/rerank"
    verify(provider.last, AWS, "eu-west-1")
    # As AWS's own model of the API has it.
    service = botocore.session.get_session().get_service_model("bedrock-agent-runtime")
    shape = service.operation_model("Rerank").input_shape
    report = ParamValidator().validate(provider.last.json, shape)
    assert not report.has_errors(), report.generate_report()
    ranking = provider.last.json["rerankingConfiguration"]["bedrockRerankingConfiguration"]
    arn = "arn:aws:bedrock:eu-west-1::foundation-model/cohere.rerank-v3-5:0"
    assert ranking["modelConfiguration"]["modelArn"] == arn
    assert client.gateway.wait_record(QUERY["model"], mark)["upstream"] == "bedrock_rerank"


@paths
def test_vertex_ranks(client: Client, provider: Provider, path: str) -> None:
    provider.then(reply(VERTEX))
    answer = rank(client, "vertex", path, model="semantic-ranker-default-004", return_documents=True)
    assert answer.status_code == 200
    documents = [result["document"] for result in answer.json()["results"]]
    assert documents == [{"text": "Bern"}, {"text": "Paris"}]
    where = "/v1/projects/acme/locations/global/rankingConfigs/default_ranking_config:rank"
    assert provider.last.path == where and provider.last.json["topN"] == 2


@pytest.mark.parametrize(
    ("backend", "body"),
    [
        ("bedrock", {"message": "No such model"}),
        ("vertex", {"error": {"code": 404, "message": "No such model", "status": "NOT_FOUND"}}),
    ],
)
def test_errors_come_as_cohere_has_them(
    client: Client, provider: Provider, backend: str, body: dict[str, Any]
) -> None:
    provider.then(reply(body, 404))
    answer = rank(client, backend)
    assert (answer.status_code, answer.json()) == (404, {"message": "No such model"})
    answer = rank(client, backend, documents=[])
    assert answer.status_code == 400 and "documents" in answer.json()["message"]


def test_errors_of_the_same_api_pass(client: Client, provider: Provider) -> None:
    body = b'{"id": "e1",  "message": "model not found"}'
    provider.then(reply(body, 404))
    answer = rank(client, "openai")
    assert (answer.status_code, answer.content) == (404, body)
    body = b'{"detail": [{"msg": "no such image"}]}'
    provider.then(reply(body, 422))
    url = f"{client.gateway.base}/openai/v1/images/generations"
    answer = client.http.post(url, json={"model": "painter", "prompt": "a cat"})
    assert (answer.status_code, answer.content) == (422, body)


# Hosts

CHAT_HOST = "bedrock-runtime.us-west-2.amazonaws.com"
RERANK_HOST = "bedrock-agent-runtime.us-west-2.amazonaws.com"


@pytest.fixture
def static(runtime: str, folder: Path, tmp_path: Path, provider: Provider) -> Iterator[str]:
    """`weir translate --static` of Bedrock at its real hosts, which a plain Envoy is then led away from."""
    gateway = Gateway(folder, runtime)
    bedrock = {"bedrock": {"region": "us-west-2"}}
    gateway.write(
        "all.yaml",
        m.dump(
            m.gateway_class(),
            m.gateway(gateway.port),
            m.secret("key", "cohere-key"),
            m.aws_secret("aws", *AWS),
            m.backend("bedrock", bedrock, key="aws"),
            m.groups(
                "group",
                [m.with_key(m.speaking(provider.port, "Rerank", "Completions"), "key")],
                [m.with_key(bedrock, "aws")],
            ),
            m.route("r", m.rule("bedrock", path="/bedrock"), m.rule("group", path="/group")),
        ),
    )
    options = ("--runtime", runtime, "--bind", "127.0.0.1", "--admin", str(free_port()))
    result = weir("translate", "--static", "-f", folder, *options)
    assert result.returncode == 0, result.stderr
    assert AWS[1] not in result.stdout
    variables = dict(re.findall(r"^#\s+(WEIR_\w+):\s*(.*)$", result.stdout, re.MULTILINE))
    keys = f"[default]\naws_access_key_id = {AWS[0]}\naws_secret_access_key = {AWS[1]}\n"
    env = {name: keys if "aws" in text else "cohere-key" for name, text in variables.items()}
    bootstrap = yaml.safe_load(result.stdout)
    led_away = set()
    for cluster in bootstrap["static_resources"]["clusters"]:
        for locality in cluster.get("load_assignment", {}).get("endpoints", []):
            for endpoint in locality["lb_endpoints"]:
                address = endpoint["endpoint"]["address"].get("socket_address", {})
                if address.get("address") in (CHAT_HOST, RERANK_HOST):
                    led_away.add(address["address"])
                    assert cluster["transport_socket"]["typed_config"]["sni"] == address["address"]
                    address |= {"address": "127.0.0.1", "port_value": provider.port}
                    # Without TLS there is nothing to agree on a protocol with.
                    del cluster["transport_socket"]
                    [options] = cluster["typed_extension_protocol_options"].values()
                    del options["auto_config"]
                    options["explicit_http_config"] = {"http_protocol_options": {}}
                    cluster["type"] = "STATIC"
    assert led_away == {CHAT_HOST, RERANK_HOST}
    path = tmp_path / "envoy.yaml"
    path.write_text(yaml.safe_dump(bootstrap))
    envoy = PlainEnvoy(path, env=env)
    yield gateway.base
    envoy.stop()


def test_every_request_finds_its_host(static: str, provider: Provider) -> None:
    with httpx.Client(base_url=static, timeout=dialects.TIMEOUT) as http:
        for dialect in dialects.DIALECTS:
            for streamed in (False, True):
                path = f"/bedrock{dialects.path(dialect, stream=streamed)}"
                body = dialects.request(dialect, stream=streamed)
                answer = http.post(path, json=body, headers=dialects.headers(dialect))
                assert dialects.read(dialect, answer).text == answers.TEXT
                assert provider.last.header("host") == CHAT_HOST
                verify(provider.last, AWS, "us-west-2")
        for path in ("/bedrock/v2/rerank", "/bedrock/v1/rerank/", "/bedrock/v1/rerank?a=/x"):
            provider.then(reply(BEDROCK))
            answer = http.post(path, json=QUERY)
            assert answer.status_code == 200 and answer.json()["results"] == RANKED
            assert provider.last.header("host") == RERANK_HOST and provider.last.path == "/rerank"
            verify(provider.last, AWS, "us-west-2")


def test_rerank_fails_over_between_hosts(static: str, provider: Provider) -> None:
    provider.then(reply({"message": "busy"}, 503), reply(BEDROCK))
    with httpx.Client(base_url=static, timeout=dialects.TIMEOUT) as http:
        answer = http.post("/group/v2/rerank", json=QUERY)
        assert answer.status_code == 200 and answer.json()["results"] == RANKED
        first, second = provider.requests
        assert first.path == "/v1/rerank" and first.header("authorization") == "Bearer cohere-key"
        assert second.header("host") == RERANK_HOST
        verify(second, AWS, "us-west-2")
        provider.then(reply({"message": "busy"}, 503), reply({"message": "down"}, 500))
        answer = http.post("/group/v2/rerank", json=QUERY)
        assert answer.status_code == 500 and answer.json() == {"message": "down"}
