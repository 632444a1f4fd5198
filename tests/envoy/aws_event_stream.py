"""AWS event stream framing, written and read as botocore does: the binary form of Bedrock's streams."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass
from typing import Any

from botocore.eventstream import EventStreamBuffer

CONTENT_TYPE = "application/vnd.amazon.eventstream"

# Type of a header value: a string.
STRING = 7


def frame(payload: bytes, headers: dict[str, str]) -> bytes:
    """One message: lengths, checksum of them, headers, payload, checksum of everything.
    <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html>"""
    fields = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", STRING, len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", 16 + len(fields) + len(payload), len(fields))
    body = prelude + struct.pack("!I", zlib.crc32(prelude)) + fields + payload
    return body + struct.pack("!I", zlib.crc32(body))


def event(name: str, value: Any) -> bytes:
    """An event of a stream."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return frame(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(), headers)


def exception(name: str, message: str) -> bytes:
    """An error in a stream."""
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return frame(json.dumps({"message": message}).encode(), headers)


@dataclass
class Message:
    """One message of a stream."""

    kind: str
    name: str
    payload: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.payload)


def parse(raw: bytes) -> list[Message]:
    """The messages of a complete stream, with every checksum verified by botocore."""
    buffer = EventStreamBuffer()
    buffer.add_data(raw)
    messages = []
    read = 0
    for message in buffer:
        headers = message.headers
        kind = headers[":message-type"]
        name = headers[":event-type"] if kind == "event" else headers[":exception-type"]
        assert headers[":content-type"] == "application/json"
        messages.append(Message(kind, name, message.payload))
        read += message.prelude.total_length
    assert read == len(raw), f"the stream ends inside a message: {raw[read:][:200]!r}"
    return messages
