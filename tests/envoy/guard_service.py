"""A guard webhook: it keeps what it was asked and answers as it is told."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, Any]

PASS: Answer = (200, {"action": {"reason": "fine"}})


class GuardService:
    """A webhook on a free port. `answers` are given in order, then everything passes."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.answers: list[Answer] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                headers = {name.lower(): value for name, value in self.headers.items()}
                service.asked.append((self.path, headers, body))
                status, answer = service.answers.pop(0) if service.answers else PASS
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def clear(self) -> None:
        self.asked.clear()
        self.answers.clear()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


def masking(direction: str, *contents: str) -> Answer:
    """The answer that puts these contents in the places of the messages asked about."""
    if direction == "request":
        body = {"messages": [{"role": "user", "content": content} for content in contents]}
    else:
        messages = [{"message": {"role": "assistant", "content": content}} for content in contents]
        body = {"choices": messages}
    return 200, {"action": {"body": body, "reason": "private"}}


def rejecting(message: str, status: int) -> Answer:
    return 200, {"action": {"body": message, "status_code": status, "reason": "bad"}}
