"""What is told about requests: histograms on Envoy's Prometheus endpoint, spans and logs at a real OTLP
receiver, over HTTP and over gRPC."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

import answers
import dialects
import manifests as m
from dialects import Client
from provider import Provider, reply
from telemetry_receiver import GrpcReceiver, HttpReceiver, Receiver
from weir import Gateway

KEY = "telemetry-secret-key"


@pytest.fixture(scope="module", params=[HttpReceiver, GrpcReceiver], ids=["http", "grpc"])
def receiver(request: pytest.FixtureRequest) -> Iterator[Receiver]:
    receiver: Receiver = request.param()
    yield receiver
    receiver.stop()


@pytest.fixture(scope="module")
def told(
    runtime: str, scripted: Provider, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway that traces every request and logs to the receiver."""
    folder = tmp_path_factory.mktemp(f"told-{runtime}-{receiver.protocol.lower()}")
    gateway = Gateway(folder / "config", runtime)
    port = scripted.port
    frontend = {
        "tracing": receiver.collector("/v1/traces") | {"randomSampling": "true"},
        "accessLog": {"otlp": receiver.collector("/v1/logs")},
    }
    gateway.write(
        "all.yaml",
        m.dump(
            m.gateway_class(),
            m.gateway(gateway.port),
            m.secret("key", KEY),
            *(
                m.backend(name, entry, key="key")
                for name, entry in (
                    ("openai", m.provider("openai", port)),
                    ("anthropic", m.provider("anthropic", port)),
                    ("gemini", m.elsewhere(port, gemini={})),
                )
            ),
            m.route("r", *(m.rule(name, path=f"/{name}") for name in ("openai", "anthropic", "gemini"))),
            m.policy("told", "Gateway", "ai", frontend=frontend),
        ),
    )
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.fixture
def asking(told: Gateway, provider: Provider) -> Iterator[Client]:
    client = Client(told)
    yield client
    client.close()


USED = {
    "gen_ai.usage.input_tokens": answers.USAGE["input"] + answers.USAGE["cache_read"],
    "gen_ai.usage.output_tokens": answers.USAGE["output"],
    "gen_ai.usage.cache_read.input_tokens": answers.USAGE["cache_read"],
}


def check(attributes: dict[str, Any], model: str, provider: str, operation: str = "chat") -> None:
    """The attributes of the semantic conventions; Envoy writes them as text."""
    expected = USED | {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
    }
    found = {name: attributes.get(name) for name in expected}
    assert {name: str(value) for name, value in found.items()} == {n: str(v) for n, v in expected.items()}


# Client dialect, backend, name of the operation.
ASKED = [
    ("openai", "anthropic", "chat"),
    ("gemini", "openai", "generate_content"),
    ("anthropic", "anthropic", "chat"),
]


def test_a_span_and_a_log_record(asking: Client, receiver: Receiver) -> None:
    """Envoy sends spans every few seconds, so everything is asked before the first is waited for."""
    asked = {}
    for dialect, upstream, operation in ASKED:
        for streamed in (False, True):
            model = f"gemini-told-{asking.gateway.runtime}-{dialect}-{upstream}-{streamed}"
            assert asking.ask(dialect, upstream, model=model, stream=streamed).status_code == 200
            asked[model] = (upstream, operation)
    for model, (upstream, operation) in asked.items():

        def about(entry: dict[str, Any], model: str = model) -> bool:
            return entry["attributes"].get("gen_ai.request.model") == model

        span = receiver.wait("spans", about)
        check(span["attributes"], model, upstream, operation)
        assert span["resource"]["service.name"]
        record = receiver.wait("logs", about)
        check(record["attributes"], model, upstream, operation)
        assert record["attributes"]["http.status"] == "200"
        assert KEY not in str(span) and KEY not in str(record) and dialects.CLIENT_KEY not in str(record)


def test_a_trace_goes_on_at_the_provider(asking: Client, provider: Provider, receiver: Receiver) -> None:
    trace = uuid.uuid4().hex
    response = asking.http.post(
        asking.url("openai", "anthropic"),
        json=dialects.request("openai"),
        headers=dialects.headers("openai") | {"traceparent": f"00-{trace}-b7ad6b7169203331-01"},
    )
    assert response.status_code == 200
    assert (provider.last.header("traceparent") or "").startswith(f"00-{trace}-")
    receiver.wait("spans", lambda span: span["trace"] == trace)


SERIES = re.compile(r"^(\w+?)(_bucket|_sum|_count)\{(.*)\} ([\d.e+]+)$", re.MULTILINE)


def histograms(gateway: Gateway) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Counts and sums of the histograms of generative AI by their labels."""
    found = {}
    for name, part, labels, value in SERIES.findall(
        gateway.admin("/stats/prometheus?histogram_buckets=cumulative")
    ):
        if "gen_ai" in name and part != "_bucket":
            pairs = frozenset(re.findall(r'(\w+)="([^"]*)"', labels))
            found[name[name.index("gen_ai") :] + part, pairs] = float(value)
    return found


def series(gateway: Gateway, name: str, **labels: str) -> float:
    """The value of the series of that name that has these labels."""
    wanted = set(labels.items())
    return sum(
        value for (found, pairs), value in histograms(gateway).items() if found == name and wanted <= pairs
    )


def wait_series(gateway: Gateway, expected: float, name: str, **labels: str) -> None:
    """Envoy merges histograms every few seconds, and when it is asked for a flush of them."""
    end = time.monotonic() + 15
    while (found := series(gateway, name, **labels)) != expected:
        assert time.monotonic() < end, f"{name} {labels} is {found}, not {expected}: {histograms(gateway)}"
        time.sleep(0.2)


def test_histograms(asking: Client, provider: Provider) -> None:
    gateway = asking.gateway
    model = "gemini-measured"
    for _ in range(3):
        assert asking.ask("openai", "anthropic", model=model, stream=True).status_code == 200
    labels = {
        "gen_ai_operation_name": "chat",
        "gen_ai_provider_name": "anthropic",
        "gen_ai_request_model": model,
        "gen_ai_response_model": model,
    }
    tokens = "gen_ai_client_token_usage"
    wait_series(gateway, 3, f"{tokens}_count", **labels, gen_ai_token_type="input")
    wait_series(gateway, 3, f"{tokens}_count", **labels, gen_ai_token_type="output")
    wait_series(gateway, 3, "gen_ai_server_request_duration_count", **labels)
    wait_series(gateway, 3, "gen_ai_server_time_to_first_token_count", **labels)
    wait_series(gateway, 3, "gen_ai_server_time_per_output_token_count", **labels)
    # A failure says so, once, and its model is no label of its own.
    provider.then(reply(answers.error("anthropic", 400), 400))
    asking.ask("openai", "anthropic", model="gemini-nobody-serves")
    failed = labels | {"gen_ai_request_model": "unknown", "gen_ai_response_model": "unknown"}
    wait_series(gateway, 1, "gen_ai_server_request_duration_count", **failed, error_type="400")
    text = gateway.admin("/stats/prometheus")
    assert "gemini-nobody-serves" not in text and KEY not in text


def test_no_secret_in_the_configuration(told: Gateway) -> None:
    assert KEY not in told.admin("/config_dump?include_eds")
