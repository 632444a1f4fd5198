"""`weir ratelimit` and a Redis for it, and an Envoy that asks it."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import yaml

from processes import Process, free_port
from weir import WEIR, PlainEnvoy


class Redis:
    """`redis-server`, with nothing on disk unless `options` say so."""

    def __init__(self, folder: Path, *options: str) -> None:
        program = shutil.which("redis-server")
        assert program, "redis-server is not on PATH; run `make setup`, which installs it"
        self.port = free_port()
        self._command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        self._command += options
        self._folder = folder
        self.start()

    def start(self) -> None:
        self.process = Process("redis-server", self._command)
        self.process.wait_line("Ready to accept connections")

    def forget(self) -> None:
        """Removes what is on disk, while it is stopped."""
        shutil.rmtree(self._folder / "appendonlydir", ignore_errors=True)
        (self._folder / "appendonly.aof").unlink(missing_ok=True)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def options(self) -> list[str]:
        """Has `weir ratelimit` use it, and wait for it as long as a busy machine may need."""
        return ["--redis", self.url, "--redis-timeout", "5000"]

    def stop(self) -> None:
        self.process.stop()


class RateLimits:
    """`weir ratelimit` on a file of its own."""

    def __init__(self, folder: Path, config: str, *options: str | Path) -> None:
        self.folder = folder
        self.port, self.metrics_port = free_port(), free_port()
        self._options = options
        self.write(config)
        self.start()

    def write(self, config: str) -> None:
        """Replaces the file in one step."""
        partial = self.folder / ".limits.partial"
        partial.write_text(config)
        partial.replace(self.folder / "limits.yaml")

    def start(self) -> None:
        command = [WEIR, "ratelimit", "--config", self.folder, "--grpc", f"127.0.0.1:{self.port}"]
        command += ["--metrics", f"127.0.0.1:{self.metrics_port}", *self._options]
        self.process = Process("weir ratelimit", command)
        self.process.wait_line("rate limits on")

    def stop(self) -> int:
        return self.process.stop()

    def _page(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.metrics_port}{path}", timeout=10).raise_for_status()

    def metrics(self) -> str:
        return self._page("/metrics").text

    def counters(self) -> dict[str, int]:
        """What is spent, by descriptor."""
        return {one["descriptor"]: one["spent"] for one in self._page("/counters").json()["counters"]}

    def wait_spent(self, descriptor: str, wanted: int, timeout: float = 15) -> None:
        """Asks until a counter holds `wanted`: charges at the end of a stream come after its last byte."""
        end = time.monotonic() + timeout
        while (spent := self.counters().get(descriptor)) != wanted:
            assert time.monotonic() < end, f"{descriptor} holds {spent}, not {wanted}"


def shown(key: str, value: str) -> str:
    """How pages write an entry."""
    return f"{key}=#{hashlib.sha256(value.encode()).hexdigest()[:8]}"


FILTER = "type.googleapis.com/envoy.extensions.filters.http"


def header(name: str, key: str) -> dict[str, Any]:
    """An entry with the value of a request header."""
    return {"request_headers": {"header_name": name, "descriptor_key": key}}


USER = header("x-user", "user")
REQUEST = header("x-request-id", "weir.request")
SETTLE = {"generic_key": {"descriptor_key": "weir.settle", "descriptor_value": "true"}}

# Reserve when the request comes; when the stream is over, charge what was used beyond that, or give back what was not.
BUDGET = [
    {"actions": [USER, REQUEST], "hits_addend": {"format": "%REQ(x-reserve)%"}},
    {
        "actions": [USER, REQUEST, SETTLE],
        "hits_addend": {"format": "%DYNAMIC_METADATA(usage:extra)%"},
        "apply_on_stream_done": True,
    },
    {
        "actions": [USER, REQUEST, SETTLE],
        "hits_addend": {"format": "%DYNAMIC_METADATA(usage:unused)%", "is_negative_hits": True},
        "apply_on_stream_done": True,
    },
]


def envoy(folder: Path, upstream: int, limits: int) -> tuple[PlainEnvoy, int]:
    """Stock Envoy with its own ratelimit filter: `/requests` counts requests, `/budget` reserves and settles."""

    def cluster(name: str, port: int, **more: Any) -> dict[str, Any]:
        address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
        endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
        return {
            "name": name,
            "type": "STATIC",
            "connect_timeout": "5s",
            "circuit_breakers": {"thresholds": [{"max_requests": 5000, "max_pending_requests": 5000}]},
            "load_assignment": {"cluster_name": name, "endpoints": endpoints},
            **more,
        }

    def route(prefix: str, domain: str, limits: list[dict[str, Any]]) -> dict[str, Any]:
        def per_route(at_end: bool) -> dict[str, Any]:
            return {
                "@type": f"{FILTER}.ratelimit.v3.RateLimitPerRoute",
                "domain": domain,
                "rate_limits": [one for one in limits if one.get("apply_on_stream_done", False) == at_end],
            }

        configs = {"ratelimit/end": per_route(True), "ratelimit": per_route(False)}
        return {
            "match": {"prefix": prefix},
            "route": {"cluster": "upstream"},
            "typed_per_filter_config": {name: one for name, one in configs.items() if one["rate_limits"]},
        }

    http2 = {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
    }
    to_metadata = [
        {
            "header": f"x-{name}",
            "on_header_present": {"metadata_namespace": "usage", "key": name, "type": "NUMBER"},
            "remove": True,
        }
        for name in ("extra", "unused")
    ]
    ratelimit = {
        "@type": f"{FILTER}.ratelimit.v3.RateLimit",
        "domain": "requests",
        "failure_mode_deny": True,
        "timeout": "10s",
        "enable_x_ratelimit_headers": "OFF",
        "rate_limit_service": {
            "transport_api_version": "V3",
            "grpc_service": {"envoy_grpc": {"cluster_name": "limits"}},
        },
    }
    port = free_port()
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        # The name of a request must not be the client's to choose: who may use a name twice is charged once.
        "use_remote_address": True,
        "http_filters": [
            {
                "name": "header_to_metadata",
                "typed_config": {
                    "@type": f"{FILTER}.header_to_metadata.v3.Config",
                    "response_rules": to_metadata,
                },
            },
            # What is sent at the end is sent even when the client leaves while the service is asked.
            {"name": "ratelimit/end", "typed_config": ratelimit},
            {"name": "ratelimit", "typed_config": ratelimit},
            {"name": "router", "typed_config": {"@type": f"{FILTER}.router.v3.Router"}},
        ],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [
                        route("/requests", "requests", [{"actions": [USER]}]),
                        route("/budget", "budget", BUDGET),
                    ],
                }
            ]
        },
    }
    listener = {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    resources = {
        "listeners": [listener],
        "clusters": [
            cluster("upstream", upstream),
            cluster("limits", limits, typed_extension_protocol_options=http2),
        ],
    }
    path = folder / "envoy.yaml"
    path.write_text(yaml.safe_dump(json.loads(json.dumps({"static_resources": resources}))))
    return PlainEnvoy(path), port


def until(found: Callable[[], bool], timeout: float = 15) -> None:
    """Asks until the answer is yes."""
    end = time.monotonic() + timeout
    while not found():
        assert time.monotonic() < end, "it did not come to pass"
