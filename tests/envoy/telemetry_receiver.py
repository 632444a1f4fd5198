"""A receiver of OpenTelemetry's protocol over HTTP: real messages, kept for the test."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def attributes(pairs: Any) -> dict[str, Any]:
    """Attributes as a dictionary."""
    found = {}
    for pair in pairs:
        kind = pair.value.WhichOneof("value")
        found[pair.key] = getattr(pair.value, kind) if kind else None
    return found


class Receiver:
    """Listens at a free port; `spans` and `logs` grow as they come in."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        self.logs: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:  # the name is the library's
                receiver._receive(self.path, self._body())
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def _body(self) -> bytes:
                if length := self.headers.get("content-length"):
                    return self.rfile.read(int(length))
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def _receive(self, path: str, body: bytes) -> None:
        spans, logs = [], []
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    spans += [
                        {
                            "name": span.name,
                            "kind": span.kind,
                            "trace": span.trace_id.hex(),
                            "parent": span.parent_span_id.hex(),
                            "resource": attributes(resource.resource.attributes),
                            "attributes": attributes(span.attributes),
                        }
                        for span in scope.spans
                    ]
        else:
            assert path == "/v1/logs", path
            for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
                for scope in resource.scope_logs:
                    logs += [
                        {
                            "resource": attributes(resource.resource.attributes),
                            "attributes": attributes(record.attributes),
                        }
                        for record in scope.log_records
                    ]
        with self._changed:
            self.spans += spans
            self.logs += logs
            self._changed.notify_all()

    def wait(
        self, kind: str, wanted: Callable[[dict[str, Any]], bool], timeout: float = 20
    ) -> dict[str, Any]:
        """The first span (`spans`) or record (`logs`) that is wanted."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found[:] = [entry for entry in getattr(self, kind) if wanted(entry)]
            return bool(found)

        with self._changed:
            assert self._changed.wait_for(look, timeout), f"none among {getattr(self, kind)}"
        return found[0]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
