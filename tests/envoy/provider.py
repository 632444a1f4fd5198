"""A scripted stand-in for every provider, with every byte under the test's control.

It is an HTTP/1.1 server on raw sockets: a test says what goes out, in which pieces, and what has to happen
before the next piece does (a `Gate`, never a pause). It keeps every request and knows when the gateway
closed the connection under an answer.

A request is answered by the first of: a script queued for its model (`for_model`), the next script of the
common queue (`then`), a complete answer that suits path and `stream` (see `answers.py`).
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
import threading
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import answers
import aws_event_stream

Script = Callable[["Connection", "Request"], Awaitable[None]]


# `…/models/M:method` of Google, `/model/M/method` of Bedrock.
MODEL_IN_PATH = re.compile(r"/models?/([^/?]+?)(?::[A-Za-z]+|/[a-z-]+)(?:\?|$)")


class Closed(Exception):
    """The gateway closed the connection while a script was writing to it or waiting."""


@dataclass
class Request:
    """A request as it came in. Header names are lower-case; repeated headers keep every value."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    # Set when the gateway closes the connection before the script is done.
    abandoned: threading.Event = field(default_factory=threading.Event)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def model(self) -> str | None:
        """The model asked for, in the path or the body."""
        if found := MODEL_IN_PATH.search(self.path):
            return unquote(found[1])
        try:
            return self.json.get("model")
        except (ValueError, AttributeError):
            return None

    @property
    def dialect(self) -> str:
        """What the path is for, as far as chat is concerned."""
        path = self.path.split("?")[0]
        if path.endswith(("/messages", ":rawPredict", ":streamRawPredict")):
            return "anthropic"
        if path.endswith("/responses"):
            return "responses"
        if path.endswith((":generateContent", ":streamGenerateContent")):
            return "gemini"
        return "bedrock" if path.endswith(("/converse", "/converse-stream")) else "openai"

    @property
    def streamed(self) -> bool:
        """A stream is asked for, in the path or the body."""
        path = self.path.split("?")[0]
        if path.endswith((":streamGenerateContent", ":streamRawPredict", "/converse-stream")):
            return True
        try:
            return bool(self.json.get("stream"))
        except (ValueError, AttributeError):
            return False


class Gate:
    """Something a script waits for and a test lets happen."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._event = asyncio.Event()

    def open(self) -> None:
        self._loop.call_soon_threadsafe(self._event.set)

    async def passed(self) -> None:
        await self._event.wait()


class Connection(asyncio.Protocol):
    """One connection from the gateway."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._received = bytearray()
        self._changed = asyncio.Event()
        self._closed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.transport: asyncio.Transport

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._provider.connections.add(self)
        self._task = asyncio.ensure_future(self._serve())

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._changed.set()

    def connection_lost(self, error: Exception | None) -> None:
        self._provider.connections.discard(self)
        self._closed.set()
        self._changed.set()

    # For scripts

    async def send(self, data: bytes) -> None:
        """Sends one piece, as a TCP segment of its own where the network lets it."""
        if self._closed.is_set() or self.transport.is_closing():
            raise Closed
        self.transport.write(data)
        # Let the event loop write it before the next piece.
        await asyncio.sleep(0)

    async def chunk(self, data: bytes) -> None:
        """Sends one chunk of a chunked body."""
        if data:
            await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def head(self, status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> None:
        lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {value}" for name, value in headers)]
        await self.send(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def wait(self, gate: Gate) -> None:
        """Waits for the gate, or raises `Closed` when the gateway goes away first."""
        passed = asyncio.ensure_future(gate.passed())
        closed = asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait({passed, closed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            passed.cancel()
            closed.cancel()
        if self._closed.is_set():
            raise Closed

    async def gone(self) -> None:
        """Waits until the gateway closes the connection."""
        await self._closed.wait()
        raise Closed

    def close(self) -> None:
        """Closes the connection in order: FIN."""
        self.transport.close()

    def reset(self) -> None:
        """Closes the connection with a reset: RST."""
        linger = struct.pack("ii", 1, 0)
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.transport.abort()

    # Reading requests

    async def _serve(self) -> None:
        try:
            while (request := await self._read_request()) is not None:
                script = self._provider._take(request)
                try:
                    await script(self, request)
                except Closed:
                    request.abandoned.set()
                    return
                if self.transport.is_closing():
                    return
        except Closed:
            return

    async def _until(self, marker: bytes) -> bytes:
        while (at := self._received.find(marker)) < 0:
            await self._more()
        end = at + len(marker)
        found = bytes(self._received[:end])
        del self._received[:end]
        return found

    async def _exactly(self, count: int) -> bytes:
        while len(self._received) < count:
            await self._more()
        found = bytes(self._received[:count])
        del self._received[:count]
        return found

    async def _more(self) -> None:
        if self._closed.is_set():
            raise Closed
        self._changed.clear()
        await self._changed.wait()

    async def _read_request(self) -> Request | None:
        head = (await self._until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        headers = []
        for line in filter(None, head[1:]):
            name, _, value = line.partition(":")
            headers.append((name.strip().lower(), value.strip()))
        request = Request(method, path, headers)
        if (request.header("transfer-encoding") or "").lower() == "chunked":
            body = bytearray()
            while size := int((await self._until(b"\r\n")).split(b";")[0], 16):
                body += await self._exactly(size)
                await self._until(b"\r\n")
            await self._until(b"\r\n")
            request.body = bytes(body)
        else:
            request.body = await self._exactly(int(request.header("content-length") or 0))
        return request


class Provider:
    """The server, in a thread of its own. Everything public may be called from any thread."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._host = host
        self.connections: set[Connection] = set()
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._requests: list[Request] = []
        self._queue: deque[Script] = deque()
        self._by_model: dict[str, deque[Script]] = defaultdict(deque)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted-provider", daemon=True)
        self._thread.start()
        self._server = self._run(self._start())
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def _start(self) -> asyncio.Server:
        return await self._loop.create_server(lambda: Connection(self), self._host, 0)

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def stop(self) -> None:
        async def close() -> None:
            self._server.close()
            for connection in list(self.connections):
                connection.transport.abort()
                if connection._task:
                    connection._task.cancel()

        self._run(close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    # Scripting

    def gate(self) -> Gate:
        return Gate(self._loop)

    def then(self, *scripts: Script) -> None:
        """Answers the next requests, in order."""
        with self._lock:
            self._queue.extend(scripts)

    def for_model(self, model: str, *scripts: Script) -> None:
        """Answers the next requests that ask for `model`, in order."""
        with self._lock:
            self._by_model[model].extend(scripts)

    def clear(self) -> None:
        """Forgets scripts and requests."""
        with self._lock:
            self._queue.clear()
            self._by_model.clear()
            self._requests.clear()

    def _take(self, request: Request) -> Script:
        with self._lock:
            self._requests.append(request)
            self._arrived.notify_all()
            queued = self._by_model.get(request.model or "")
            if queued:
                return queued.popleft()
            if self._queue:
                return self._queue.popleft()
        return usual

    # Looking back

    @property
    def requests(self) -> list[Request]:
        with self._lock:
            return list(self._requests)

    @property
    def last(self) -> Request:
        return self.requests[-1]

    def wait_for(self, count: int = 1, timeout: float = 10) -> list[Request]:
        """The requests, once there are `count`."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self._requests) >= count, timeout):
                raise AssertionError(f"the provider got {len(self._requests)} requests, not {count}")
            return list(self._requests)


# Scripts


async def usual(connection: Connection, request: Request) -> None:
    """A complete, ordinary answer in the dialect of the path."""
    model = request.model or "none"
    if request.streamed:
        await stream(answers.text_stream(request.dialect, model=model))(connection, request)
    else:
        await reply(answers.text(request.dialect, model=model))(connection, request)


def reply(
    body: Any = b"",
    status: int = 200,
    headers: dict[str, str] | None = None,
    content_type: str | None = "application/json",
    content_length: int | None = None,
) -> Script:
    """A whole answer. A `content_length` that is not the body's own is sent all the same, and the connection
    closed behind the body."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def script(connection: Connection, _: Request) -> None:
        fields = [("content-type", content_type)] if content_type else []
        fields += list((headers or {}).items())
        fields.append(("content-length", str(len(data) if content_length is None else content_length)))
        await connection.head(status, fields)
        if data:
            await connection.send(data)
        if content_length not in (None, len(data)):
            connection.close()

    return script


def stream(
    *pieces: bytes | Gate | list[bytes],
    status: int = 200,
    headers: dict[str, str] | None = None,
    end: str = "complete",
) -> Script:
    """An event stream in the pieces given, in the form the path asks for, waiting at each gate. `end`:
    `complete` ends the chunked body, `close` and `reset` break the connection before its end, `open` leaves
    it open until the gateway closes it."""
    flat: list[bytes | Gate] = []
    for piece in pieces:
        flat.extend(piece if isinstance(piece, list) else [piece])

    async def script(connection: Connection, request: Request) -> None:
        binary = request.path.endswith("/converse-stream")
        kind = aws_event_stream.CONTENT_TYPE if binary else "text/event-stream; charset=utf-8"
        fields = [("content-type", kind), ("transfer-encoding", "chunked")]
        await connection.head(status, fields + list((headers or {}).items()))
        for piece in flat:
            if isinstance(piece, Gate):
                await connection.wait(piece)
            else:
                await connection.chunk(piece)
        if end == "complete":
            await connection.send(b"0\r\n\r\n")
        elif end == "close":
            connection.close()
        elif end == "reset":
            connection.reset()
        else:
            await connection.gone()

    return script


def silent() -> Script:
    """Never answers."""

    async def script(connection: Connection, _: Request) -> None:
        await connection.gone()

    return script


def hang_up(how: str = "reset") -> Script:
    """Breaks the connection before any answer."""

    async def script(connection: Connection, _: Request) -> None:
        connection.reset() if how == "reset" else connection.close()

    return script
