"""Keys: each provider gets its own and no other, and none shows up anywhere else."""

from __future__ import annotations

import pytest

import answers
import dialects
import manifests as m
from conftest import AWS, KEYS
from dialects import PAIRS, Client
from provider import Provider, reply
from weir import weir

pairs = pytest.mark.parametrize(("dialect", "upstream"), PAIRS, ids=dialects.ids(PAIRS))

# Every header some provider reads a key from.
KEY_HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key")

# Where each backend's provider wants its key, and which of the configured ones that is.
BEARER = ("authorization", "Bearer {}", "openai")
FORM = {
    "openai": BEARER,
    "completions": BEARER,
    "responses": BEARER,
    "anthropic": ("x-api-key", "{}", "anthropic"),
    "gemini": ("x-goog-api-key", "{}", "gemini"),
    "vertex": ("authorization", "Bearer {}", "vertex"),
}
# Bedrock's requests are signed: see test_signing.py.
KEYED = [(client, upstream) for client, upstream in PAIRS if upstream != "bedrock"]
keyed = pytest.mark.parametrize(("dialect", "upstream"), KEYED, ids=dialects.ids(KEYED))


def sent_keys(provider: Provider) -> dict[str, list[str]]:
    return {name: values for name in KEY_HEADERS if (values := provider.last.values(name))}


@keyed
def test_the_configured_key_and_no_other(
    client: Client, provider: Provider, dialect: str, upstream: str
) -> None:
    url = client.url(dialect, upstream)
    # A client that tries every header.
    claimed = dict.fromkeys(KEY_HEADERS, "stolen-or-not") | dialects.headers(dialect)
    assert client.http.post(url, json=dialects.request(dialect), headers=claimed).status_code == 200
    name, form, key = FORM[dialects.backend(dialect, upstream)]
    assert sent_keys(provider) == {name: [form.format(KEYS[key])]}
    assert "stolen-or-not" not in str(provider.last.headers) and dialects.CLIENT_KEY not in str(
        provider.last.headers
    )


@keyed
def test_without_auth_the_clients_key_is_passed_on(
    client: Client, provider: Provider, dialect: str, upstream: str
) -> None:
    backend = dialects.backend(dialect, upstream)
    if backend == "vertex":
        # Without `auth` it takes the machine's own Google account, not the client's key.
        backend = upstream
    client.ask(dialect, f"open-{backend}")
    name, form, _ = FORM[backend]
    assert sent_keys(provider) == {name: [form.format(dialects.CLIENT_KEY)]}


@pairs
def test_headers_of_the_other_dialect_stay_here(
    client: Client, provider: Provider, dialect: str, upstream: str
) -> None:
    extra = {"anthropic-beta": "x", "openai-organization": "org-1", "x-mine": "1"}
    client.http.post(
        client.url(dialect, upstream),
        json=dialects.request(dialect),
        headers=dialects.headers(dialect) | extra,
    )
    sent = provider.last
    assert (sent.header("anthropic-beta") is None) == (upstream != "anthropic")
    assert (sent.header("openai-organization") is None) == (upstream not in ("openai", "responses"))
    assert sent.header("x-mine") == "1"
    assert (sent.header("anthropic-version") is not None) == (upstream == "anthropic")


def test_the_provider_is_not_told_of_gateway_and_client(client: Client, provider: Provider) -> None:
    """Not who the client is, nor how it reached the gateway."""
    client.ask("openai", "openai")
    assert [
        name for name, _ in provider.last.headers if name.startswith(("x-envoy", "x-forwarded", "x-weir"))
    ] == []


def test_keys_do_not_show(client: Client, provider: Provider) -> None:
    """Not in Envoy's configuration dump, nor in logs, nor in errors, nor in what `weir translate` prints."""
    gateway = client.gateway
    provider.then(reply(answers.error("openai", 401), 401))
    shown = {
        "answer": client.ask("openai", "openai").text,
        "config_dump": gateway.admin("/config_dump?include_eds"),
        "clusters": gateway.admin("/clusters"),
        "log": "\n".join(gateway.process.lines),
    }
    for name, options in (("translate", []), ("static", ["--static"])):
        result = weir("translate", "-f", gateway.folder, "--runtime", gateway.runtime, *options)
        assert result.returncode == 0, result.stderr
        shown[name] = result.stdout + result.stderr
    assert "openai" in shown["config_dump"], "the dump holds the clusters"
    for where, text in shown.items():
        for key in (*KEYS.values(), AWS[1], dialects.CLIENT_KEY):
            assert key not in text, f"{key} shows in {where}"


def test_a_rotated_key_takes_effect(client: Client, provider: Provider) -> None:
    """Without a new connection, and without losing a request."""
    gateway = client.gateway
    gateway.write(
        "rotated.yaml",
        m.dump(
            m.secret("rotated", "before"),
            m.backend("rotated", m.provider("anthropic", provider.port), key="rotated"),
            m.route("rotated", m.rule("rotated", path="/rotated")),
        ),
    )
    try:
        until(client, provider, "before")
        text = (gateway.folder / "rotated.yaml").read_text()
        gateway.write("rotated.yaml", text.replace("before", "after"))
        until(client, provider, "after")
    finally:
        (gateway.folder / "rotated.yaml").unlink()


def until(client: Client, provider: Provider, key: str) -> None:
    """Asks until the provider gets `key`."""
    for response in client.tries("anthropic", "rotated"):
        if response.status_code == 200 and provider.last.header("x-api-key") == key:
            return
    raise AssertionError(f"the key `{key}` never came")
