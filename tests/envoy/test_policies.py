"""What policies change of requests, seen at the provider: for same and for other dialects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import answers
import dialects
import manifests as m
from conftest import KEYS, providers, stored_keys
from dialects import Client
from provider import Provider, reply
from weir import Gateway

every = pytest.mark.parametrize("dialect", dialects.DIALECTS)
every_upstream = pytest.mark.parametrize("upstream", dialects.DIALECTS)

# Long enough to be worth a place in a prompt cache.
LONG = "All work and no play makes Jack a dull boy. " * 400

POLICIES: dict[str, dict[str, Any]] = {
    "defaults": {
        "defaults": [{"field": "temperature", "value": 0.25}, {"field": "top_p", "value": 0.5}],
        "overrides": [{"field": "user", "value": "from-the-policy"}],
    },
    "computed": {
        "transformations": [{"field": "temperature", "expression": "llmRequest.temperature / 2.0"}],
        "finalTransformations": [{"field": "metadata", "expression": "{'model': string(llmRequest.model)}"}],
    },
    "enriched": {
        "prompt": {
            "prepend": [{"role": "system", "content": "Be brief."}],
            "append": [{"role": "user", "content": "Thanks."}],
        }
    },
    "cached": {"promptCaching": {"cacheSystem": True, "cacheMessages": True, "cacheTools": True}},
}


@pytest.fixture(scope="module")
def governed(runtime: str, scripted: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with a backend `<policy>-<provider>` for each policy and provider."""
    gateway = Gateway(tmp_path_factory.mktemp(f"governed-{runtime}") / "config", runtime)
    port = scripted.port
    backends = [
        m.backend(f"{policy}-{name}", entry, key=key, ai=fields)
        for policy, fields in POLICIES.items()
        for name, entry, key in providers(port)
    ]
    routed = m.backend("routed", m.provider("openai", port), key="openai")
    routed["spec"]["policies"]["ai"] = {
        "routes": {
            "/special/chat": "Completions",
            "/special/detect": "Detect",
            "/special/anything": "Passthrough",
            "*": "Messages",
        }
    }
    gateway.write(
        "all.yaml",
        m.dump(
            m.gateway_class(),
            m.gateway(gateway.port),
            *stored_keys(),
            *backends,
            routed,
            m.route(
                "r", *(m.rule(b["metadata"]["name"], path=f"/{b['metadata']['name']}") for b in backends[:14])
            ),
            m.route(
                "s", *(m.rule(b["metadata"]["name"], path=f"/{b['metadata']['name']}") for b in backends[14:])
            ),
            m.route("t", m.rule("routed", path="/routed")),
        ),
    )
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.fixture
def asking(governed: Gateway, provider: Provider) -> Iterator[Client]:
    client = Client(governed)
    yield client
    client.close()


def at(policy: str, dialect: str, upstream: str) -> str:
    return f"{policy}-{dialects.backend(dialect, upstream)}"


# Where each dialect has the temperature.
def temperature(upstream: str, sent: dict[str, Any]) -> Any:
    if upstream == "gemini":
        return sent.get("generationConfig", {}).get("temperature")
    if upstream == "bedrock":
        return sent.get("inferenceConfig", {}).get("temperature")
    return sent.get("temperature")


@every_upstream
@pytest.mark.parametrize("dialect", ["openai", "responses", "anthropic"])
def test_defaults_and_overrides(asking: Client, provider: Provider, dialect: str, upstream: str) -> None:
    """They are of the client's own body, before it is translated."""
    backend = at("defaults", dialect, upstream)
    assert asking.ask(dialect, backend).status_code == 200
    assert temperature(upstream, provider.last.json) == 0.25
    assert asking.ask(dialect, backend, temperature=0.75).status_code == 200
    assert temperature(upstream, provider.last.json) == 0.75
    if dialect in ("openai", "responses"):
        asking.ask(dialect, backend, user="mine")
        sent = provider.last.json
        if upstream in ("openai", "responses"):
            assert sent["user"] == "from-the-policy"
        elif upstream == "anthropic":
            assert sent["metadata"]["user_id"] == "from-the-policy"


@every_upstream
@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_transformations(asking: Client, provider: Provider, dialect: str, upstream: str) -> None:
    """Those before translation see the client's body, the final ones the provider's."""
    assert asking.ask(dialect, at("computed", dialect, upstream), temperature=0.5).status_code == 200
    sent = provider.last.json
    assert temperature(upstream, sent) == 0.25
    if upstream in ("openai", "responses", "anthropic"):
        assert sent["metadata"] == {"model": dialects.MODEL}
    else:
        # The model is not in the body: the expression fails, and a field that fails is not sent.
        assert "metadata" not in sent


def test_an_expression_that_fails_removes_the_field(asking: Client, provider: Provider) -> None:
    assert asking.ask("openai", at("computed", "openai", "openai")).status_code == 200
    assert "temperature" not in provider.last.json


def everything(body: Any) -> str:
    return answers.compact(body)


@every
@every_upstream
def test_prompts(asking: Client, provider: Provider, dialect: str, upstream: str) -> None:
    """What is prepended stands in front, what is appended behind the conversation, in every dialect."""
    assert asking.ask(dialect, at("enriched", dialect, upstream), content="Question?").status_code == 200
    sent = everything(provider.last.json)
    assert sent.count("Be brief.") == 1 and sent.count("Thanks.") == 1
    assert sent.index("Question?") < sent.index("Thanks.")
    if upstream == "anthropic":
        assert "Be brief." in everything(provider.last.json["system"])
    elif upstream == "gemini":
        assert "Be brief." in everything(provider.last.json["systemInstruction"])
    elif upstream == "bedrock":
        assert "Be brief." in everything(provider.last.json["system"])


def marks(body: Any) -> int:
    """Cache marks of Anthropic or Bedrock anywhere in a body."""
    if isinstance(body, dict):
        own = sum(1 for name in ("cache_control", "cachePoint") if body.get(name))
        return own + sum(marks(value) for value in body.values())
    return sum(marks(value) for value in body) if isinstance(body, list) else 0


@pytest.mark.parametrize("upstream", ["anthropic", "bedrock"])
@pytest.mark.parametrize("dialect", ["openai", "anthropic", "bedrock"])
def test_t05_prompt_caching(asking: Client, provider: Provider, dialect: str, upstream: str) -> None:
    """Marks behind the system prompt, the tools and the conversation, never more than four in all."""
    turns = [("user", "One?"), ("assistant", "Two."), ("user", "Three?")]
    wrap = {
        "openai": lambda role, text: {"role": role, "content": text},
        "anthropic": lambda role, text: {"role": role, "content": text},
        "bedrock": lambda role, text: {"role": role, "content": [{"text": text}]},
    }[dialect]
    fields: dict[str, Any] = {"messages": [wrap(*turn) for turn in turns]}
    if dialect == "openai":
        fields["messages"].insert(0, {"role": "system", "content": LONG})
    else:
        fields["system"] = [{"text": LONG}] if dialect == "bedrock" else LONG
    fields |= dialects.tools(dialect, "weather", "time")
    model = "anthropic.claude-sonnet-4-5-20250929-v1:0" if upstream == "bedrock" else "claude-sonnet-4-5"
    response = asking.ask(dialect, at("cached", dialect, upstream), model=model, **fields)
    assert response.status_code == 200, response.text
    sent = provider.last.json
    assert 1 <= marks(sent) <= 4
    assert marks(sent["system"]) == 1 and marks(sent["messages"]) == 1
    tools = sent["toolConfig"] if upstream == "bedrock" else sent["tools"]
    assert marks(tools) == 1


def test_t05_never_a_fifth_mark_nor_one_on_thinking(asking: Client, provider: Provider) -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    messages = [
        {
            "role": "user",
            "content": [{"type": "text", "text": "One?", **mark}, {"type": "text", "text": "?", **mark}],
        },
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}],
        },
        {"role": "user", "content": [{"type": "text", "text": "Two?", **mark}]},
    ]
    system = [{"type": "text", "text": LONG, **mark}]
    body = {"system": system, "messages": messages}
    response = asking.ask(
        "anthropic", at("cached", "anthropic", "anthropic"), model="claude-sonnet-4-5", **body
    )
    assert response.status_code == 200
    sent = provider.last.json
    assert marks(sent) == 4 and marks(sent["messages"][1]) == 0


def test_routes_say_what_is_spoken_where(asking: Client, provider: Provider) -> None:
    base = f"{asking.gateway.base}/routed"
    sent = dialects.headers("openai")
    response = asking.http.post(f"{base}/special/chat", json=dialects.request("openai"), headers=sent)
    assert dialects.read("openai", response).text == answers.TEXT
    # Everything else is Anthropic's there, and translated.
    response = asking.http.post(f"{base}/x/y", json=dialects.request("anthropic"), headers=sent)
    assert dialects.read("anthropic", response).text == answers.TEXT
    assert provider.last.path == "/v1/chat/completions"


def test_detect_and_passthrough(asking: Client, provider: Provider) -> None:
    """Bytes pass as they are; Detect reads model and usage where they can be found."""
    base = f"{asking.gateway.base}/routed"
    body = b'{"model":"detected-model" , "anything": [1.0]}'
    answer = {
        "model": "detected-model",
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }
    mark = asking.gateway.process.mark()
    headers = dialects.headers("openai") | {"content-type": "application/json"}
    provider.then(reply(answer))
    response = asking.http.post(f"{base}/special/detect", content=body, headers=headers)
    assert response.json() == answer and provider.last.body == body
    assert provider.last.header("authorization") == f"Bearer {KEYS['openai']}"
    record = asking.gateway.wait_record("detected-model", mark)
    assert record["usage"]["input"] == 7 and record["usage"]["output"] == 3
    provider.then(reply(b"\x00\x01binary", content_type="application/octet-stream"))
    response = asking.http.post(f"{base}/special/anything", content=b"\xff\xfe", headers=headers)
    assert response.content == b"\x00\x01binary" and provider.last.body == b"\xff\xfe"
    assert provider.last.header("authorization") == f"Bearer {KEYS['openai']}"
