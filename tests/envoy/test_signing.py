"""Amazon Bedrock: requests are signed with the configured keys, over the body that is really sent, each
attempt anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import answers
import dialects
import manifests as m
from conftest import AWS
from dialects import Client
from provider import Provider, Request, reply
from weir import Gateway

every = pytest.mark.parametrize("dialect", dialects.DIALECTS)
streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])

TEMPORARY = ("ASIATEMPORARY", "temporary-aws-secret", "temporary-aws-token")


def verify(request: Request, keys: tuple[str, ...], region: str) -> None:
    """Signs the request again, with botocore, and compares."""
    scheme, _, rest = (request.header("authorization") or "").partition(" ")
    fields = dict(part.strip().split("=", 1) for part in rest.split(","))
    assert scheme == "AWS4-HMAC-SHA256", request.headers
    assert len(request.values("authorization")) == 1
    key, date, *scope = fields["Credential"].split("/")
    assert key == keys[0] and scope == [region, "bedrock", "aws4_request"]
    assert (request.header("x-amz-date") or "").startswith(date)
    signed = fields["SignedHeaders"].split(";")
    assert {"host", "x-amz-date"} <= set(signed)
    digest = request.header("x-amz-content-sha256")
    assert digest in (None, hashlib.sha256(request.body).hexdigest()), "the hash is not that of the body"
    again = AWSRequest(
        method=request.method,
        url=f"http://{request.header('host')}{request.path}",
        data=request.body,
        headers={name: request.header(name) for name in signed if name != "host"},
    )
    again.context["timestamp"] = request.header("x-amz-date")
    credentials = Credentials(keys[0], keys[1], keys[2] if len(keys) > 2 else None)
    auth = SigV4Auth(credentials, "bedrock", region)
    canonical = auth.canonical_request(again)
    signature = auth.signature(auth.string_to_sign(again, canonical), again)
    assert signature == fields["Signature"], canonical


@every
@streamed
def test_requests_are_signed(client: Client, provider: Provider, dialect: str, streamed: bool) -> None:
    assert client.ask(dialect, "bedrock", stream=streamed).status_code == 200
    verify(provider.last, AWS, "eu-west-1")
    assert dialects.CLIENT_KEY not in str(provider.last.headers)


@every
def test_models_with_colons_and_slashes(client: Client, provider: Provider, dialect: str) -> None:
    """Paths are signed as they are sent: inference profiles and ARNs hold what must be escaped."""
    for model in (
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-pro-v1:0",
    ):
        assert client.ask(dialect, "bedrock", model=model).status_code == 200
        assert provider.last.path == f"/model/{quote(model, safe='')}/converse"
        verify(provider.last, AWS, "eu-west-1")


def test_a_large_body_is_signed(client: Client, provider: Provider) -> None:
    text = "ü" * 1_500_000
    assert client.ask("openai", "bedrock", content=text).status_code == 200
    verify(provider.last, AWS, "eu-west-1")
    assert text in json.loads(provider.last.body)["messages"][0]["content"][0]["text"]


def chain_name(dialect: str, streamed: bool) -> str:
    """Who failed is remembered for a while, so every case has a chain of its own."""
    return f"chain-{dialect}-{'stream' if streamed else 'whole'}"


CHAINS = [chain_name(dialect, streamed) for dialect in dialects.DIALECTS for streamed in (False, True)]


def chain(name: str, port: int) -> dict[str, Any]:
    """Bedrock, then OpenAI, then Bedrock in another region."""
    return m.groups(
        name,
        [m.with_key(m.elsewhere(port, model="first-model", bedrock={"region": "us-west-2"}), "fixed")],
        [m.with_key(m.provider("openai", port), "key")],
        [m.with_key(m.elsewhere(port, model="third-model", bedrock={}), "fixed")],
    )


@pytest.fixture(scope="module")
def signing(runtime: str, scripted: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with temporary keys, a region of the policy, and a group whose second member is Bedrock."""
    gateway = Gateway(tmp_path_factory.mktemp(f"signing-{runtime}") / "config", runtime)
    port = scripted.port
    temporary = m.backend("temporary", m.elsewhere(port, bedrock={}))
    temporary["spec"]["policies"] = {
        "auth": {"aws": {"secretRef": {"name": "temporary"}, "region": "ap-south-1"}}
    }
    gateway.write(
        "all.yaml",
        m.dump(
            m.gateway_class(),
            m.gateway(gateway.port),
            m.aws_secret("fixed", *AWS),
            m.aws_secret("temporary", *TEMPORARY),
            m.secret("key", "plain-key"),
            temporary,
            *(chain(name, port) for name in CHAINS),
            m.route("r", *(m.rule(name, path=f"/{name}") for name in ("temporary", *CHAINS))),
        ),
    )
    gateway.start()
    yield gateway
    gateway.stop()


def test_temporary_keys_and_another_region(signing: Gateway, provider: Provider) -> None:
    client = Client(signing)
    assert client.ask("openai", "temporary").status_code == 200
    assert provider.last.header("x-amz-security-token") == TEMPORARY[2]
    verify(provider.last, TEMPORARY, "ap-south-1")
    assert TEMPORARY[1] not in signing.admin("/config_dump?include_eds")


@every
@streamed
def test_t30_every_attempt_is_signed_anew(
    signing: Gateway, provider: Provider, dialect: str, streamed: bool
) -> None:
    """Bedrock, then OpenAI, then Bedrock in another region: nothing of one attempt is left in the next."""
    fail = reply(answers.error("bedrock", 503), 503, headers=answers.error_headers("bedrock", 503))
    provider.then(fail, reply(answers.error("openai", 500), 500))
    answer = dialects.read(
        dialect, Client(signing).ask(dialect, chain_name(dialect, streamed), stream=streamed)
    )
    assert answer.text == answers.TEXT and answer.model in ("third-model", None)
    first, second, third = provider.requests
    # One may pass the client's bytes on; its length must not be that of another's translation.
    assert all(request.header("content-length") == str(len(request.body)) for request in provider.requests)
    verify(first, AWS, "us-west-2")
    assert first.model == "first-model" and second.model == dialects.MODEL
    assert second.values("authorization") == ["Bearer plain-key"]
    assert not [name for name, _ in second.headers if name.startswith("x-amz")]
    verify(third, AWS, "us-east-1")
    assert third.model == "third-model"
