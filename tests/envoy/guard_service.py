"""A guard webhook: it keeps what it was asked and answers as it is told."""

from __future__ import annotations

import json
from typing import Any

from http_server import Handler, HttpServer

Answer = tuple[int, Any]

PASS: Answer = (200, {"action": {"reason": "fine"}})


class GuardService(HttpServer):
    """A webhook on a free port. `answers` are given in order, then everything passes."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.answers: list[Answer] = []
        service = self

        class Judge(Handler):
            def do_POST(self) -> None:
                body = json.loads(self.body())
                headers = {name.lower(): value for name, value in self.headers.items()}
                service.asked.append((self.path, headers, body))
                status, answer = service.answers.pop(0) if service.answers else PASS
                self.answer(json.dumps(answer).encode(), status)

        super().__init__(Judge)

    def clear(self) -> None:
        self.asked.clear()
        self.answers.clear()


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
