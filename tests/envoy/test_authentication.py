"""Who may call: tokens, checked by Envoy's own filter, and API keys, by Weir's; and limits by caller."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

import dialects
import manifests as m
from issuer import Issuer, KeyServer
from limits import USED, at_once, codes, limit, until
from provider import Provider, Request
from ratelimit_server import RateLimits, shown
from weir import REPOSITORY, Gateway

# AWS says 403 where others say 401.
UNAUTHORIZED = {"bedrock": 403}

LOGIN, PARTNER = Issuer("https://login.test"), Issuer("partner", audience="partners")
# Of the same name, with other keys and for others: what one policy says of an issuer is no other's.
NAMESAKE = Issuer(LOGIN.name, audience="others")
REMOTE = Issuer("remote")

KEY, PROVIDER_KEY = "sk-ann-0123456789", "sk-provider"

BUDGETS = """
domain: budgets
all_or_nothing: true
descriptors:
  - {key: user, rate_limit: {unit: year, requests_per_unit: 10000}}
  - {key: team, rate_limit: {unit: year, requests_per_unit: 10000}}
  - {key: level, rate_limit: {unit: year, requests_per_unit: 10000}}
"""


def by_token(name: str, *issuers: dict[str, Any], mode: str | None = None, **more: Any) -> dict[str, Any]:
    """A policy with tokens for the route of its name."""
    settings = {"providers": list(issuers), **more} | ({"mode": mode} if mode else {})
    return m.policy(name, "HTTPRoute", name, traffic={"jwtAuthentication": settings})


def by_key(name: str, **settings: Any) -> dict[str, Any]:
    """A policy with API keys for the route of its name."""
    settings = settings or {"secretRef": {"name": "clients"}}
    return m.policy(name, "HTTPRoute", name, traffic={"apiKeyAuthentication": settings})


def hashed(key: str) -> str:
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def clients(name: str = "clients", kind: str = "Secret", **entries: Any) -> dict[str, Any]:
    """A Secret or ConfigMap with keys of clients."""
    data = {name: entry if isinstance(entry, str) else json.dumps(entry) for name, entry in entries.items()}
    metadata = {"name": name, "labels": {"holds": name}}
    field = "stringData" if kind == "Secret" else "data"
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, field: data}


def counted(key: str, expression: str) -> dict[str, Any]:
    """A descriptor that counts tokens by the value of an expression."""
    return {"entries": [{"name": key, "expression": expression}], "unit": "Tokens"}


def spent(key: str, value: str) -> str:
    """How `weir ratelimit` calls what is counted there."""
    return f"budgets {key} {shown(key, value)}"


@pytest.fixture(scope="module")
def limits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RateLimits]:
    limits = RateLimits(tmp_path_factory.mktemp("ratelimit"), BUDGETS)
    yield limits
    limits.stop()


@pytest.fixture(scope="module")
def key_server() -> Iterator[KeyServer]:
    server = KeyServer(REMOTE)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def gateway(
    runtime: str,
    scripted: Provider,
    limits: RateLimits,
    key_server: KeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp(f"authentication-{runtime}") / "config", runtime)
    gateway.write("gateway.yaml", m.dump(m.gateway_class(), m.gateway(gateway.port)))
    backends = [
        m.secret("provider", PROVIDER_KEY),
        m.backend("llm", m.provider("openai", scripted.port), key="provider"),
        m.backend("passthrough", m.provider("openai", scripted.port), auth={"passthrough": {}}),
        m.backend("keyless", m.provider("openai", scripted.port)),
        *m.service("web", 80, scripted.port),
    ]
    gateway.write("backends.yaml", m.dump(*backends))
    to_service = {"backendRefs": [{"name": "web", "port": 80}]}
    tokens = [
        by_token("strict", LOGIN.provider()),
        by_token("optional", LOGIN.provider(), mode="Optional"),
        by_token("permissive", LOGIN.provider(), mode="Permissive"),
        by_token("several", LOGIN.provider(), PARTNER.provider()),
        by_token("several-optional", LOGIN.provider(), PARTNER.provider(), mode="Optional"),
        by_token("several-permissive", LOGIN.provider(), PARTNER.provider(), mode="Permissive"),
        by_token("namesake", NAMESAKE.provider()),
        by_token("namesake-optional", NAMESAKE.provider(), mode="Optional"),
        by_token("passthrough", LOGIN.provider()),
        by_token("keyless", LOGIN.provider()),
        by_token("service", LOGIN.provider()),
        by_token("header", LOGIN.provider(), location={"header": {"name": "X-Token"}}),
        by_token("query", LOGIN.provider(), location={"queryParameter": {"name": "token"}}),
        by_token("cookie", LOGIN.provider(), location={"cookie": {"name": "token"}}),
        by_token("remote", REMOTE.provider(url=f"http://127.0.0.1:{key_server.port}/keys")),
        by_token("user-budget", LOGIN.provider(), mode="Optional"),
    ]
    secret = {"secretRef": {"name": "clients"}}
    keys = [
        by_key("keys"),
        by_key("keys-optional", **secret, mode="Optional"),
        by_key("keys-permissive", **secret, mode="Permissive"),
        by_key("keys-header", **secret, location={"header": {"name": "X-Api-Key"}}),
        by_key("keys-query", **secret, location={"queryParameter": {"name": "key"}}),
        by_key("keys-cookie", **secret, location={"cookie": {"name": "key"}}),
        by_key("keys-service", **secret, location={"queryParameter": {"name": "key"}}),
        by_key("keys-passthrough"),
        by_key("keys-keyless"),
        by_key("selected", secretSelector={"matchLabels": {"holds": "selected"}}),
        by_key("digests", configMapSelector={"matchLabels": {"holds": "digests"}}),
        by_key("team-budget"),
        by_key("rotated", secretRef={"name": "rotated"}),
    ]
    gateway.write("policies.yaml", m.dump(*tokens, *keys))
    gateway.write(
        "clients.yaml",
        m.dump(
            clients(
                ann={"key": KEY, "metadata": {"team": "red"}},
                bob={"keyHash": hashed("sk-bob"), "metadata": {"team": "red"}},
                eve="sk-eve\n",
            ),
            clients("selected", sam="sk-sam"),
            clients("digests", "ConfigMap", dan={"keyHash": hashed("sk-dan")}),
        ),
    )
    gateway.write("rotated.yaml", m.dump(clients("rotated", old="sk-old")))
    routes = []
    for policy in tokens + keys:
        name = policy["metadata"]["name"]
        backend = next((one for one in ("passthrough", "keyless", "service") if name.endswith(one)), "llm")
        rule = m.rule(backend, path=f"/{name}")
        routes.append(m.route(name, rule | to_service if backend == "service" else rule))
    by_model = m.route(
        "by-model",
        m.rule("llm", path="/by-model", x_gateway_model_name="open") | {"name": "open"},
        m.rule("llm", path="/by-model", x_gateway_model_name="closed") | {"name": "closed"},
    )
    of_model = by_token("by-model", LOGIN.provider())
    of_model["spec"]["targetRefs"][0]["sectionName"] = "closed"
    gateway.write("routes.yaml", m.dump(*routes, by_model, of_model))
    service = {"url": f"http://127.0.0.1:{limits.port}", "domain": "budgets"}
    of_user = [counted("user", "jwt.sub"), counted("level", "string(jwt.org.level)")]
    of_team = [counted("team", "apiKey.team"), counted("user", "apiKey.name")]
    gateway.write(
        "limits.yaml",
        m.dump(
            limit("of-user", "user-budget", **{"global": service | {"descriptors": of_user}}),
            limit("of-team", "team-budget", **{"global": service | {"descriptors": of_team}}),
        ),
    )
    gateway.start()
    yield gateway
    gateway.stop()


def ask(
    gateway: Gateway,
    route: str,
    token: str | None = None,
    dialect: str = "openai",
    query: str = "",
    model: str = dialects.MODEL,
    **headers: str,
) -> httpx.Response:
    """A request with a token or key in `authorization`, if any."""
    sent = {"anthropic-version": "2023-06-01"} | {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        sent["authorization"] = f"Bearer {token}"
    body = dialects.request(dialect, model=model)
    url = f"{gateway.base}/{route}{dialects.path(dialect, model)}{query}"
    return httpx.post(url, json=body, headers=sent, timeout=30)


def bad_tokens() -> dict[str, str]:
    return {
        "expired": LOGIN.token(expires=-600),
        "without expiry": LOGIN.token(exp=None),
        "for others": LOGIN.token(aud="others"),
        "of an unknown issuer": LOGIN.token(iss="https://evil.test"),
        "of another's key": NAMESAKE.token(aud=LOGIN.audience),
        "not yet good": LOGIN.token(nbf=4e9),
        "no token": "sk-something",
        "garbage": "e30.e30.e30",
        "dots": "....",
        "long": f"{'a' * 20_000}.{'b' * 20_000}.c",
    }


def text_of(requests: list[Request]) -> str:
    """Everything a provider has got, as one text."""
    return "\n".join(f"{one.path}\n{one.headers}\n{one.body!r}" for one in requests)


@pytest.mark.parametrize("dialect", dialects.DIALECTS)
def test_only_good_tokens_get_in_and_refusals_speak_the_callers_dialect(
    gateway: Gateway, provider: Provider, dialect: str
) -> None:
    kinds = {
        "anthropic": "authentication_error",
        "gemini": "UNAUTHENTICATED",
        "bedrock": "UnrecognizedClientException",
    }
    for token in (None, *bad_tokens().values()):
        model = f"{dialect}-refused"
        mark = gateway.process.mark()
        answer = ask(gateway, "strict", token, dialect, model=model)
        error = dialects.error_of(dialect, answer, UNAUTHORIZED.get(dialect, 401))
        assert error["type"] == kinds.get(dialect, "authentication_error"), error
        assert "valid token" in error["message"] and answer.headers["www-authenticate"].startswith("Bearer")
        record = gateway.wait_record(model, mark)
        assert record["outcome"] == "refused" and record["details"].startswith("jwt_authn_access_denied")
        assert not token or token not in json.dumps(record)
    assert provider.requests == []
    for key in ("rsa", "ec", "ed"):
        token = LOGIN.token(key)
        assert dialects.read(dialect, ask(gateway, "strict", token, dialect)).text
        assert provider.last.values("authorization") == [f"Bearer {PROVIDER_KEY}"]
        assert token not in text_of(provider.requests)


@pytest.mark.parametrize("route", ["", "several-"])
def test_modes_say_what_becomes_of_the_others(gateway: Gateway, provider: Provider, route: str) -> None:
    assert ask(gateway, f"{route}optional").status_code == 200
    assert ask(gateway, f"{route}permissive").status_code == 200
    for why, token in bad_tokens().items():
        assert ask(gateway, f"{route}optional", token).status_code == 401, why
        assert ask(gateway, f"{route}permissive", token).status_code == 200, why
    for mode in ("optional", "permissive"):
        assert ask(gateway, f"{route}{mode}", LOGIN.token()).status_code == 200
    # One good token does not carry another past the filter.
    for tokens in ([LOGIN.token(), "e30.e30.e30"], ["e30.e30.e30", LOGIN.token()]):
        headers = [("authorization", f"Bearer {token}") for token in tokens]
        for mode, status in (("strict", 401), ("optional", 401), ("permissive", 200)):
            url = f"{gateway.base}/{mode}/v1/chat/completions"
            assert httpx.post(url, json=dialects.request("openai"), headers=headers).status_code == status
    assert set(provider.last.values("authorization")) == {f"Bearer {PROVIDER_KEY}"}


def test_every_policy_has_its_own_issuers(gateway: Gateway, provider: Provider) -> None:
    assert ask(gateway, "several", LOGIN.token()).status_code == 200
    assert ask(gateway, "several", PARTNER.token()).status_code == 200
    assert ask(gateway, "several", PARTNER.token(aud=LOGIN.audience)).status_code == 401
    assert ask(gateway, "strict", PARTNER.token()).status_code == 401
    for mode in ("", "-optional"):
        assert ask(gateway, f"namesake{mode}", NAMESAKE.token()).status_code == 200
        assert ask(gateway, f"namesake{mode}", LOGIN.token()).status_code == 401
        assert ask(gateway, f"namesake{mode}", LOGIN.token(aud=NAMESAKE.audience)).status_code == 401
    for route in ("strict", "optional"):
        assert ask(gateway, route, NAMESAKE.token()).status_code == 401
        assert ask(gateway, route, NAMESAKE.token(aud=LOGIN.audience)).status_code == 401


def test_keys_are_fetched_where_they_are_told(gateway: Gateway, provider: Provider, key_server: KeyServer) -> None:
    asked = key_server.asked
    assert {ask(gateway, "remote", REMOTE.token(key)).status_code for key in ("rsa", "ec", "ed")} == {200}
    assert ask(gateway, "remote", LOGIN.token(iss=REMOTE.name)).status_code == 401
    # Fetched when they were configured, not for every request.
    assert asked > 0 and key_server.asked == asked


def test_a_token_stands_where_the_policy_says_and_goes_no_further(gateway: Gateway, provider: Provider) -> None:
    token = LOGIN.token()
    assert ask(gateway, "header", x_token=token).status_code == 200
    assert ask(gateway, "query", query=f"?a=b&token={token}").status_code == 200
    assert ask(gateway, "cookie", cookie=f"a=b; token={token}").status_code == 200
    assert httpx.get(f"{gateway.base}/service/x?a=b", headers={"authorization": f"Bearer {token}"}).status_code == 200
    assert provider.last.path == "/service/x?a=b"
    assert token not in text_of(provider.requests)
    for route in ("header", "query", "cookie"):
        assert ask(gateway, route, token).status_code == 401
    assert httpx.get(f"{gateway.base}/service/x").status_code == 401


def test_a_token_is_passed_on_where_a_backend_asks_for_it(gateway: Gateway, provider: Provider) -> None:
    token = LOGIN.token()
    assert ask(gateway, "passthrough", token).status_code == 200
    assert provider.last.values("authorization") == [f"Bearer {token}"]
    # A backend without `auth` gets a client's own key for a provider, but not what the client has shown this gateway.
    assert ask(gateway, "keyless", token).status_code == 200
    assert token not in text_of([provider.last])
    assert ask(gateway, "keyless", token, x_api_key="sk-own").status_code == 200
    assert provider.last.values("authorization") == ["Bearer sk-own"]


def test_bad_tokens_by_the_thousand_do_not_bring_envoy_down(gateway: Gateway, provider: Provider) -> None:
    pid = gateway.envoy_pid()
    tokens = list(bad_tokens().values())
    routes = ("strict", "optional", "permissive", "several-permissive", "namesake-optional")
    found = at_once(40, lambda n: [ask(gateway, route, tokens[n % len(tokens)]) for route in routes])
    assert {answer.status_code for answers in found for answer in answers} == {200, 401}
    for raw in (b"Bearer", b"Bearer ", b"bearer x", b"Bearer \xff\xfe.\xff.\xff", b"Bearer a,Bearer b"):
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
            head = b"POST /permissive/v1/chat/completions HTTP/1.1\r\nhost: g\r\ncontent-length: 2\r\n"
            connection.sendall(head + b"connection: close\r\nauthorization: " + raw + b"\r\n\r\n{}")
            assert connection.recv(100).startswith(b"HTTP/1.1 ")
    assert gateway.envoy_pid() == pid
    assert ask(gateway, "strict", LOGIN.token()).status_code == 200


def test_models_lead_nobody_around_a_policy(gateway: Gateway, provider: Provider) -> None:
    assert ask(gateway, "by-model", model="open").status_code == 200
    assert ask(gateway, "by-model", model="closed").status_code == 401
    # What a client says in the header does not count.
    assert ask(gateway, "by-model", model="closed", x_gateway_model_name="open").status_code == 401
    assert ask(gateway, "by-model", LOGIN.token(), model="closed").status_code == 200
    assert [one.model for one in provider.requests] == ["open", "closed"]


@pytest.mark.parametrize("dialect", dialects.DIALECTS)
def test_only_known_keys_get_in(gateway: Gateway, provider: Provider, dialect: str) -> None:
    for key in (None, "sk-unknown", KEY.upper(), hashed(KEY)):
        refused = ask(gateway, "keys", key, dialect)
        dialects.error_of(dialect, refused, UNAUTHORIZED.get(dialect, 401))
    assert provider.requests == []
    for key in (KEY, "sk-bob", "sk-eve"):
        assert dialects.read(dialect, ask(gateway, "keys", key, dialect)).text
        assert provider.last.values("authorization") == [f"Bearer {PROVIDER_KEY}"]
        assert key not in text_of(provider.requests)


def test_modes_of_keys(gateway: Gateway, provider: Provider) -> None:
    for route, none, unknown in (("keys", 401, 401), ("keys-optional", 200, 401), ("keys-permissive", 200, 200)):
        assert ask(gateway, route).status_code == none
        assert ask(gateway, route, "sk-unknown").status_code == unknown
        assert ask(gateway, route, KEY).status_code == 200
    assert ask(gateway, "selected", "sk-sam").status_code == 200
    assert ask(gateway, "selected", KEY).status_code == 401
    assert ask(gateway, "digests", "sk-dan").status_code == 200
    assert ask(gateway, "digests", KEY).status_code == 401


def test_a_key_stands_where_the_policy_says_and_goes_no_further(gateway: Gateway, provider: Provider) -> None:
    mark = gateway.process.mark()
    assert ask(gateway, "keys-header", x_api_key=KEY).status_code == 200
    assert ask(gateway, "keys-query", query=f"?a=b&key={KEY}").status_code == 200
    assert ask(gateway, "keys-cookie", cookie=f"a=b; key={KEY}").status_code == 200
    url = f"{gateway.base}/keys-service/x?a=%20b&key={KEY}&c=d+e"
    assert httpx.get(url).status_code == 200
    assert provider.last.path == "/keys-service/x?a=%20b&c=d+e"
    for route in ("keys-header", "keys-query", "keys-cookie"):
        assert ask(gateway, route, KEY).status_code == 401
    # It is never one for a provider.
    for route in ("keys-passthrough", "keys-keyless"):
        assert ask(gateway, route, KEY).status_code == 200
    assert KEY not in text_of(provider.requests)
    assert ask(gateway, "keys-keyless", KEY, x_api_key="sk-own").status_code == 200
    assert provider.last.values("authorization") == ["Bearer sk-own"]
    assert ask(gateway, "strict", LOGIN.token(), model="last").status_code == 200
    gateway.wait_record("last", mark)
    assert KEY not in "\n".join(gateway.process.lines[mark:])


def test_budgets_of_users_and_teams(gateway: Gateway, limits: RateLimits, provider: Provider) -> None:
    runtime = gateway.runtime
    user, level = f"ann-{runtime}", 7 if runtime == "wasm" else 8
    for count in (1, 2):
        token = LOGIN.token(sub=user, org={"level": level, "name": 'a "quoted" näme'}, groups=["a", "b"])
        assert ask(gateway, "user-budget", token).status_code == 200
        limits.wait_spent(spent("user", user), count * USED)
        limits.wait_spent(spent("level", str(level)), count * USED)
    # Without a token there is nobody to count for.
    assert ask(gateway, "user-budget").status_code == 200
    before = limits.counters().get(spent("team", "red"), 0)
    assert ask(gateway, "team-budget", KEY).status_code == 200
    assert ask(gateway, "team-budget", "sk-bob").status_code == 200
    limits.wait_spent(spent("team", "red"), before + 2 * USED)
    assert limits.counters()[spent("user", "ann")] >= USED <= limits.counters()[spent("user", "bob")]
    # What a client claims in headers is nobody's name.
    claimed = {"weir_jwt": '{"sub": "eve"}', "weir_api_key": '{"team": "blue"}'}
    assert ask(gateway, "user-budget", LOGIN.token(sub=user), **claimed).status_code == 200
    limits.wait_spent(spent("user", user), 3 * USED)
    assert spent("user", "eve") not in limits.counters()


class Load:
    """Steady requests to a route over four connections, each with the credential of the moment."""

    def __init__(self, gateway: Gateway, route: str, credential: str) -> None:
        self.credential = credential
        self.found: list[httpx.Response] = []
        self._url = f"{gateway.base}/{route}/v1/chat/completions"
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(4)]

    def _run(self) -> None:
        with httpx.Client() as client:
            while not self._stop.is_set():
                headers = {"authorization": f"Bearer {self.credential}"}
                body = dialects.request("openai")
                self.found.append(client.post(self._url, json=body, headers=headers, timeout=30))

    def settle(self) -> None:
        """Waits until nothing of what was sent before is on its way."""
        settled = len(self.found) + 2 * len(self._threads)
        until(lambda: len(self.found) > settled, True)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        self.settle()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)


def test_a_key_is_rotated_without_a_lost_request(gateway: Gateway, provider: Provider) -> None:
    with Load(gateway, "rotated", "sk-old") as load:
        assert ask(gateway, "rotated", "sk-new").status_code == 401
        gateway.write("rotated.yaml", m.dump(clients("rotated", old="sk-old", new="sk-new")))
        until(lambda: ask(gateway, "rotated", "sk-new").status_code, 200)
        load.credential = "sk-new"
        load.settle()
        gateway.write("rotated.yaml", m.dump(clients("rotated", new="sk-new")))
        until(lambda: ask(gateway, "rotated", "sk-old").status_code, 401)
    assert set(codes(load.found)) == {200}
    gateway.write("rotated.yaml", m.dump(clients("rotated", old="sk-old")))
    until(lambda: ask(gateway, "rotated", "sk-old").status_code, 200)


def test_policies_come_and_change_without_a_lost_request(
    runtime: str, provider: Provider, tmp_path: Path
) -> None:
    gateway = Gateway(tmp_path / "config", runtime)
    route = m.route("edited", m.rule("llm", path="/edited"))
    backend = m.backend("llm", m.provider("openai", provider.port), key="provider")
    fixed = [m.gateway_class(), m.gateway(gateway.port), m.secret("provider", PROVIDER_KEY), backend, route]
    gateway.write("gateway.yaml", m.dump(*fixed))
    gateway.start()
    try:
        with Load(gateway, "edited", LOGIN.token()) as load:
            for policy, token, status in (
                (by_token("edited", LOGIN.provider()), None, 401),
                (by_token("edited", LOGIN.provider(), PARTNER.provider()), PARTNER.token(), 200),
                (by_token("edited", LOGIN.provider(), mode="Optional"), None, 200),
                (by_token("edited", LOGIN.provider()), None, 401),
            ):
                gateway.write("policy.yaml", m.dump(policy))
                until(lambda token=token: ask(gateway, "edited", token).status_code, status)
                load.settle()
        assert set(codes(load.found)) == {200}
    finally:
        gateway.stop()


def test_the_examples_hold(runtime: str, provider: Provider, tmp_path: Path) -> None:
    """`examples/authentication` on free ports, with the service it is made for and an issuer."""
    folder = tmp_path / "service"
    folder.mkdir()
    for file in (REPOSITORY / "examples" / "limits-service").iterdir():
        (folder / file.name).write_text(file.read_text())
    limits = RateLimits(folder, "domain: unused\ndescriptors: []\n")
    issuer = Issuer("https://login.example.com")
    keys = KeyServer(issuer)
    gateway = Gateway(tmp_path / "config", runtime)
    for file in (REPOSITORY / "examples" / "authentication").iterdir():
        text = file.read_text().replace("port: 8080", f"port: {gateway.port}")
        text = text.replace("127.0.0.1:8081", f"127.0.0.1:{limits.port}")
        text = text.replace("https://login.example.com/keys", f"http://127.0.0.1:{keys.port}/keys")
        gateway.write(file.name, text.replace("port: 18081", f"port: {provider.port}"))
    gateway.start()
    try:
        for route, token, user in (
            ("keys", "sk-demo-ann", "ann"),
            ("keys", "sk-demo-bob", "bob"),
            ("tokens", issuer.token(sub="eve"), "eve"),
            ("visitors", issuer.token(sub="kim"), "kim"),
            ("visitors", None, "visitors"),
        ):
            assert ask(gateway, route, token).status_code == 200, route
            limits.wait_spent(f"gateway user {shown('user', user)}", USED)
        for route in ("keys", "tokens"):
            assert ask(gateway, route).status_code == 401
    finally:
        gateway.stop()
        limits.stop()
        keys.stop()


def test_the_manifests_of_the_docs_are_those_of_the_examples() -> None:
    """What one copies from the page is what the test above applies."""
    text = (REPOSITORY / "docs" / "authentication.md").read_text()
    told = [one for block in re.findall(r"```yaml\n(.*?)```", text, re.S) for one in yaml.safe_load_all(block)]
    files = (REPOSITORY / "examples" / "authentication").iterdir()
    known = {(one["kind"], one["metadata"]["name"]): one for file in files for one in yaml.safe_load_all(file.read_text())}
    assert len(told) == 4
    for one in told:
        assert within(one, known[one["kind"], one["metadata"]["name"]]), one


def within(part: Any, whole: Any) -> bool:
    """Whether everything of one is in the other."""
    if isinstance(part, dict):
        return all(key in whole and within(part[key], whole[key]) for key in part)
    if isinstance(part, list):
        return len(part) == len(whole) and all(map(within, part, whole))
    return part == whole
