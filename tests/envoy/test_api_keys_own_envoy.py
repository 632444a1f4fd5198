"""The API keys of `envoy/examples`, with no control plane: who passes, and what of a key goes further."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

import answers
import dialects
from provider import Provider, reply
from test_own_envoy import Example, with_ports
from weir import PlainEnvoy

RED = "sk-red-1"
RED_DIGEST = "sha256:bd7ac60046bf45d1fe2a9ec66d9c50f076c062f4ddc00e1bd56e7e741428d0ff"
OTHER = "nobodys-key"


@contextmanager
def running(
    runtime: str, provider: Provider, folder: Path, change: Callable[[dict[str, Any]], None] | None = None
) -> Iterator[Example]:
    """The example, its HTTP connection manager changed by `change`."""
    path, port, admin = with_ports(f"api-keys.{runtime}.yaml", folder, provider.port)
    if change:
        config = yaml.safe_load(path.read_text())
        [chain] = config["static_resources"]["listeners"][0]["filter_chains"]
        change(chain["filters"][0]["typed_config"])
        path.write_text(yaml.safe_dump(config))
    envoy = PlainEnvoy(path, name=path.name)
    try:
        yield Example(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin}", envoy)
    finally:
        envoy.stop()


def configured(manager: dict[str, Any], name: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes the configuration of one of Weir's filters."""
    [own] = [entry for entry in manager["http_filters"] if entry["name"] == f"weir.{name}"]
    typed = own["typed_config"]
    holder = typed["config"]["configuration"] if "config" in typed else typed["filter_config"]
    config = json.loads(holder["value"])
    change(config)
    holder["value"] = json.dumps(config)


def policy(**fields: object) -> Callable[[dict[str, Any]], None]:
    """Other fields of the example's policy."""

    def change(manager: dict[str, Any]) -> None:
        configured(manager, "api-keys", lambda config: config["policies"]["everybody"].update(fields))

    return change


def ask(example: Example, path: str, headers: list[tuple[str, str]], **more: Any) -> httpx.Response:
    """A request with these headers, of which several may have one name."""
    with httpx.Client(timeout=dialects.TIMEOUT) as client:
        return client.post(example.base + path, headers=headers, **(more or {"content": b"{}"}))


def line(example: Example, start: int) -> dict[str, Any]:
    """The access log line of the one request since `start`."""
    log: dict[str, Any] = json.loads(
        example.envoy.process.wait_line(lambda line: '"duration_ms"' in line, 10, start)
    )
    return log


@pytest.fixture(scope="module")
def example(
    runtime: str, scripted: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Example]:
    with running(runtime, scripted, tmp_path_factory.mktemp("keys")) as example:
        yield example


def test_a_known_key_goes_no_further(example: Example, provider: Provider) -> None:
    start = example.envoy.process.mark()
    chat = dialects.request("openai")
    answer = ask(example, dialects.PATHS["openai"], [("authorization", f"Bearer {RED}")], json=chat)
    assert dialects.read("openai", answer).text == answers.TEXT
    assert provider.last.header("authorization") is None and RED not in str(provider.last.headers)
    owner = json.loads(line(example, start)["owner"])
    assert owner == {"team": "red", "user": "ann", "key": RED_DIGEST}


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_others_are_refused_in_their_dialect(example: Example, provider: Provider, dialect: str) -> None:
    for headers, details in (
        ([], "weir_api_key_missing"),
        ([("authorization", f"Bearer {OTHER}")], "weir_api_key_unknown"),
    ):
        start = example.envoy.process.mark()
        answer = ask(example, dialects.PATHS[dialect], headers, json=dialects.request(dialect))
        dialects.error_of(dialect, answer, 401)
        error = answer.json()["error"]
        expected = "invalid_request_error" if dialect == "openai" else "authentication_error"
        assert error["type"] == expected and error.get("code") in ("invalid_api_key", None)
        assert answer.headers["www-authenticate"] == "Bearer" and OTHER not in answer.text
        log = example.record(start)
        assert log["details"] == details and log["owner"] is None
        assert log["weir"]["outcome"] == "refused"
    assert provider.requests == []


def test_who_calls_no_model_is_refused_in_plain_text(example: Example, provider: Provider) -> None:
    answer = ask(example, "/elsewhere", [])
    assert (answer.status_code, answer.headers["content-type"]) == (401, "text/plain; charset=utf-8")
    provider.then(reply({"ok": True}))
    assert ask(example, "/elsewhere", [("authorization", f"bearer {RED}")]).status_code == 200
    assert provider.last.header("authorization") is None


def test_several_keys_are_none(runtime: str, provider: Provider, tmp_path: Path) -> None:
    """In a header Envoy joins, and in one it does not; also where a request without a key passes."""
    known, other = f"Bearer {RED}", f"Bearer {OTHER}"
    for name in ("authorization", "x-key"):
        location = {"header": {"name": name, "prefix": "Bearer "}}
        with running(runtime, provider, tmp_path, policy(mode="optional", location=location)) as example:
            for values in ([known, other], [other, known], ["Basic YTpi", other], ["", other], [known, known]):
                answer = ask(example, "/elsewhere", [(name, value) for value in values])
                assert answer.status_code == 401, (name, values)
            assert provider.requests == []
            for headers in ([], [(name, "Basic YTpi")], [(name, known)]):
                provider.then(reply({"ok": True}))
                assert ask(example, "/elsewhere", headers).status_code == 200
            provider.clear()


def test_a_key_in_the_query(runtime: str, provider: Provider, tmp_path: Path) -> None:
    """It is in no path anybody sees, and the rest of the query stays."""

    def change(manager: dict[str, Any]) -> None:
        policy(location={"query_parameter": {"name": "key"}})(manager)
        [host] = manager["route_config"]["virtual_hosts"]
        host["routes"][0]["route"]["prefix_rewrite"] = "/up/"

    with running(runtime, provider, tmp_path, change) as example:
        start = example.envoy.process.mark()
        provider.then(reply({"ok": True}))
        assert ask(example, f"/elsewhere?a=%20&key={RED}&&b", []).status_code == 200
        assert provider.last.path == "/up/elsewhere?a=%20&&b"
        assert provider.last.header("x-envoy-original-path") == "/elsewhere?a=%20&&b"
        assert RED not in json.dumps(line(example, start))
        start = example.envoy.process.mark()
        assert ask(example, f"/elsewhere?key={OTHER}", []).status_code == 401
        assert line(example, start)["path"] == "/elsewhere"


def test_a_key_in_a_cookie(runtime: str, provider: Provider, tmp_path: Path) -> None:
    with running(runtime, provider, tmp_path, policy(location={"cookie": {"name": "key"}})) as example:
        provider.then(reply({"ok": True}))
        answer = ask(example, "/elsewhere", [("cookie", f"a=1; key={RED}; b=2")])
        assert answer.status_code == 200 and provider.last.header("cookie") == "a=1; b=2"
        provider.then(reply({"ok": True}))
        answer = ask(example, "/elsewhere", [("cookie", f"key={RED}")])
        assert answer.status_code == 200 and provider.last.header("cookie") is None
        assert ask(example, "/elsewhere", [("cookie", f"key={RED}"), ("cookie", "key=x")]).status_code == 401


def test_the_policy_of_the_route_a_model_leads_to(runtime: str, provider: Provider, tmp_path: Path) -> None:
    """Behind an `llm` filter that has chosen another route. Under wasm a filter of Envoy's own has to make that known."""

    def change(manager: dict[str, Any]) -> None:
        configured(manager, "llm", lambda config: config.update(model_header="x-gateway-model-name"))
        configured(manager, "api-keys", lambda config: config.pop("default_policy"))
        if runtime == "wasm":
            kind = "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
            manager["http_filters"].insert(1, {"name": "route", "typed_config": {"@type": kind}})
        [host] = manager["route_config"]["virtual_hosts"]
        [own] = host["routes"]
        name = {"name": "x-gateway-model-name", "string_match": {"exact": "secret"}}
        metadata = {"filter_metadata": {"weir": {"api_keys": "everybody"}}}
        host["routes"] = [{**own, "match": {"prefix": "/", "headers": [name]}, "metadata": metadata}, own]

    with running(runtime, provider, tmp_path, change) as example:
        key = [("authorization", f"Bearer {RED}")]
        for model, headers, status in (("open", [], 200), ("secret", [], 401), ("secret", key, 200)):
            body = dialects.request("openai", model=model)
            assert ask(example, dialects.PATHS["openai"], headers, json=body).status_code == status
        assert len(provider.requests) == 2


def test_limits_see_who_calls(runtime: str, provider: Provider, tmp_path: Path) -> None:
    """`apiKey` and `jwt` in the descriptors of a limit; Envoy's own filter has written the claims."""
    prefix = "wasm." if runtime == "wasm" else ""
    entries = {"team": "apiKey.team", "user": "jwt.sub", "both": "apiKey.key + string(has(jwt.sub))"}

    def change(manager: dict[str, Any]) -> None:
        filters = manager["http_filters"]
        claims = {
            "name": "claims",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config",
                "on_request_headers": [
                    {
                        "object_key": "weir.jwt",
                        "factory_key": "envoy.string",
                        "format_string": {
                            "text_format_source": {"inline_string": "%REQ(x-claims)%"},
                        },
                    }
                ],
            },
        }
        limit = json.loads(json.dumps(filters[1]).replace("api-keys", "limit"))
        filters[2:2] = [limit]
        descriptors = [
            {"name": name, "unit": "requests", "entries": [{"name": name, "expression": expression}]}
            for name, expression in entries.items()
        ]
        config = {"default_policies": ["p"], "policies": {"p": {"descriptors": descriptors}}}
        configured(manager, "limit", lambda old: (old.clear(), old.update(config)))
        filters.insert(0, claims)
        [log] = manager["access_log"]
        fields = log["typed_config"]["log_format"]["json_format"]
        fields |= {name: f"%FILTER_STATE({prefix}weir.limit.{name}.0:PLAIN)%" for name in entries}
        log["typed_config"]["log_format"]["json_format"] = fields
        policy(mode="optional")(manager)

    with running(runtime, provider, tmp_path, change) as example:
        key, claims = ("authorization", f"Bearer {RED}"), ("x-claims", '{"sub":"ann"}')
        for headers, expected in (
            ([key, claims], ("red", "ann", RED_DIGEST + "true")),
            ([key, ("x-claims", "{}")], ("red", None, RED_DIGEST + "false")),
            ([key], ("red", None, None)),
            ([claims], (None, "ann", None)),
        ):
            start = example.envoy.process.mark()
            provider.then(reply({"ok": True}))
            assert ask(example, "/elsewhere", headers).status_code == 200
            log = line(example, start)
            found = (log[name] for name in entries)
            assert tuple(found) == expected
