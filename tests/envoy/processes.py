"""Processes under test: started, listened to line by line, and always ended."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

# Every process that is running, for the log tails of failed tests.
running: list[Process] = []


# Below the ports that Linux gives to outgoing connections, which could take one before it is used.
_ports = itertools.count(20_000 + os.getpid() % 10_000)


# Names of the ports that were given out, in the namespace of abstract sockets: other runs on this machine see them.
_claims: list[socket.socket] = []


def free_port() -> int:
    """A port nobody listens on, and that is given out once, also by other runs of the suite."""
    for port in _ports:
        claim = socket.socket(socket.AF_UNIX)
        with socket.socket() as probe:
            try:
                claim.bind(f"\0weir-test-port-{port}")
                probe.bind(("127.0.0.1", port))
            except OSError:
                claim.close()
                continue
        _claims.append(claim)
        return port
    raise AssertionError("unreachable: the count does not end")


class Process:
    """A child in a session of its own, with standard output and error as one list of lines."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self.child = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **(env or {})},
            cwd=cwd,
            start_new_session=True,
        )
        running.append(self)
        self._reader = threading.Thread(target=self._read, name=f"log of {name}", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.child.stdout is not None
        for line in self.child.stdout:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def pid(self) -> int:
        return self.child.pid

    def mark(self) -> int:
        """A place in the log, for `wait_line(start=…)`."""
        with self._changed:
            return len(self.lines)

    def tail(self, count: int = 30) -> str:
        """The end of the log."""
        return "\n".join(line[:500] for line in self.lines[-count:])

    def wait_line(self, wanted: str | Callable[[str], bool], timeout: float = 30, start: int = 0) -> str:
        """The first line from `start` on that holds `wanted` (or satisfies it)."""
        matches = (lambda line: wanted in line) if isinstance(wanted, str) else wanted
        at = start
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                while at < len(self.lines):
                    if matches(self.lines[at]):
                        return self.lines[at]
                    at += 1
                if self._ended:
                    raise AssertionError(f"{self.name} ended ({self.child.poll()}):\n{self.tail()}")
                left = end - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise AssertionError(f"{self.name} did not say {wanted!r} in {timeout} s:\n{self.tail()}")

    def stop(self, with_signal: int = signal.SIGTERM, timeout: float = 15) -> int:
        """Ends the process in good order, or else its whole session by force. Its exit status."""
        if self in running:
            running.remove(self)
        if self.child.poll() is None:
            self.child.send_signal(with_signal)
        try:
            status = self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill_session()
            self.child.wait(5)
            raise AssertionError(f"{self.name} did not stop:\n{self.tail()}") from None
        finally:
            self.kill_session()
        self._reader.join(5)
        return status

    def kill_session(self) -> None:
        """Nothing this process started may outlive it, in whatever process group."""
        below = [pid for pid, _ in children(self.child.pid)]
        for kill, target in [(os.killpg, self.child.pid), *((os.kill, pid) for pid in below)]:
            with contextlib.suppress(ProcessLookupError):
                kill(target, signal.SIGKILL)


def children(pid: int) -> list[tuple[int, str]]:
    """Descendants of a process: pid and executable name."""
    found = []
    pending = [pid]
    while pending:
        parent = pending.pop()
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            for child in task.read_text().split():
                try:
                    name = Path(f"/proc/{child}/comm").read_text().strip()
                except FileNotFoundError:
                    continue
                found.append((int(child), name))
                pending.append(int(child))
    return found


def resident_bytes(pid: int) -> int:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no VmRSS")
