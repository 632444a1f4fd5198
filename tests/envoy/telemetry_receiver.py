"""Receivers of OpenTelemetry's protocol, over HTTP and over gRPC: real messages, kept for the test."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from http_server import Handler, HttpServer


def attributes(pairs: Any) -> dict[str, Any]:
    """Attributes as a dictionary."""
    found = {}
    for pair in pairs:
        kind = pair.value.WhichOneof("value")
        found[pair.key] = getattr(pair.value, kind) if kind else None
    return found


class Receiver:
    """Listens at a free port; `spans` and `logs` grow as they come in."""

    protocol: str
    port: int

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        self.logs: list[dict[str, Any]] = []
        self._changed = threading.Condition()

    def collector(self, path: str) -> dict[str, str]:
        """This receiver as a policy names it; `path` is where it listens for HTTP."""
        url = f"http://127.0.0.1:{self.port}"
        return {"url": url + path if self.protocol == "HTTP" else url, "protocol": self.protocol}

    def stop(self) -> None:
        raise NotImplementedError

    def _traced(self, message: ExportTraceServiceRequest) -> None:
        spans = [
            {
                "name": span.name,
                "kind": span.kind,
                "trace": span.trace_id.hex(),
                "parent": span.parent_span_id.hex(),
                "resource": attributes(resource.resource.attributes),
                "attributes": attributes(span.attributes),
            }
            for resource in message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        with self._changed:
            self.spans += spans
            self._changed.notify_all()

    def _logged(self, message: ExportLogsServiceRequest) -> None:
        logs = [
            {
                "resource": attributes(resource.resource.attributes),
                "attributes": attributes(record.attributes),
            }
            for resource in message.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]
        with self._changed:
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


class HttpReceiver(Receiver):
    """Protobuf over HTTP/1.1, at `/v1/traces` and `/v1/logs`."""

    protocol = "HTTP"

    def __init__(self) -> None:
        super().__init__()
        receiver = self

        class Collector(Handler):
            def do_POST(self) -> None:  # the name is the library's
                if self.path == "/v1/traces":
                    receiver._traced(ExportTraceServiceRequest.FromString(self._body()))
                else:
                    assert self.path == "/v1/logs", self.path
                    receiver._logged(ExportLogsServiceRequest.FromString(self._body()))
                self.answer(b"", content_type="application/x-protobuf")

            def _body(self) -> bytes:
                if "content-length" in self.headers:
                    return self.body()
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

        self._server = HttpServer(Collector)
        self.port = self._server.port

    def stop(self) -> None:
        self._server.stop()


class GrpcReceiver(Receiver):
    """The collector's own services over gRPC."""

    protocol = "GRPC"

    def __init__(self) -> None:
        super().__init__()
        receiver = self

        class Traces(trace_service_pb2_grpc.TraceServiceServicer):
            def Export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:
                receiver._traced(request)
                return ExportTraceServiceResponse()

        class Logs(logs_service_pb2_grpc.LogsServiceServicer):
            def Export(self, request: ExportLogsServiceRequest, context: Any) -> ExportLogsServiceResponse:
                receiver._logged(request)
                return ExportLogsServiceResponse()

        self._server = grpc.server(ThreadPoolExecutor(4, thread_name_prefix="otlp"))
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(), self._server)
        logs_service_pb2_grpc.add_LogsServiceServicer_to_server(Logs(), self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None).wait(10)
