"""The gateway under test: `weir` on a folder of manifests, and plain Envoy on a file."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import yaml

from processes import Process, children, free_port

REPOSITORY = Path(__file__).resolve().parents[2]
DIST = Path(os.environ.get("WEIR_DIST", REPOSITORY / "dist"))
WEIR = DIST / "weir"

# What `weir run --log-format json` writes, within a JSON line, once Envoy serves the first configuration.
READY = '"message":"ready in'


def find_envoy() -> Path:
    """The pinned Envoy: `WEIR_ENVOY`, or the wheel beside this Python."""
    named = os.environ.get("WEIR_ENVOY")
    found = Path(named) if named else Path(sys.executable).parent / "envoy"
    assert found.exists(), f"no Envoy at {found}; run `make build`"
    return found


ENVOY = find_envoy()


def weir(*arguments: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a command of `weir` to its end."""
    command = [str(WEIR), *map(str, arguments)]
    environment = {**os.environ, "WEIR_ENVOY": str(ENVOY), **(env or {})}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)


class Gateway:
    """`weir run` on a folder of its own."""

    def __init__(self, folder: Path, runtime: str, *options: str) -> None:
        self.folder = folder
        self.runtime = runtime
        self.port = free_port()
        self.admin_port = free_port()
        self._options = options
        self.process: Process

    def write(self, name: str, text: str) -> Path:
        """Replaces a manifest in one step, as editors and configuration tools do."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / name
        # The name must not look like a manifest while the file is incomplete.
        partial = self.folder.parent / f".{self.folder.name}-{name}.partial"
        partial.write_text(text)
        partial.replace(path)
        return path

    def start(self, env: dict[str, str] | None = None) -> Gateway:
        command = [
            WEIR,
            "run",
            "-f",
            self.folder,
            "--runtime",
            self.runtime,
            "--admin",
            str(self.admin_port),
            "--bind",
            "127.0.0.1",
            "--log-format",
            "json",
            "--concurrency",
            "2",
            *self._options,
        ]
        self.process = Process(
            f"weir ({self.runtime})", command, env={"WEIR_ENVOY": str(ENVOY), **(env or {})}
        )
        self.process.wait_line(READY)
        return self

    def stop(self) -> int:
        return self.process.stop()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def admin(self, path: str) -> str:
        return httpx.get(f"http://127.0.0.1:{self.admin_port}{path}", timeout=10).raise_for_status().text

    def envoy_pid(self) -> int:
        """The Envoy process itself."""
        found = [pid for pid, name in children(self.process.pid) if name.startswith("envoy")]
        assert found, f"no envoy below {self.process.pid}: {children(self.process.pid)}"
        return found[-1]

    def records(self, model: str, start: int = 0) -> list[dict[str, Any]]:
        """The access log lines so far about requests for `model`."""
        return [record for line in list(self.process.lines[start:]) if (record := record_of(line, model))]

    def wait_record(self, model: str, start: int = 0) -> dict[str, Any]:
        """The access log line of a request for `model`."""
        line = self.process.wait_line(
            lambda line: record_of(line, model) is not None, timeout=15, start=start
        )
        record = record_of(line, model)
        assert record
        return record


def record_of(line: str, model: str) -> dict[str, Any] | None:
    """An access log line about a request for `model`, with what the filters recorded spread out."""
    if f'"{model}"' not in line:
        return None
    try:
        value = json.loads(line[line.index("{") :])
    except ValueError:
        return None
    value |= value.get("weir") or {}
    return value if value.get("model") == model else None


class PlainEnvoy:
    """Envoy on a configuration file, with no control plane."""

    def __init__(self, config: Path, env: dict[str, str] | None = None, name: str = "envoy") -> None:
        command = [
            ENVOY,
            "-c",
            config,
            "--concurrency",
            "2",
            "--file-flush-interval-msec",
            "50",
            "--disable-hot-restart",
            "-l",
            "warning",
            "--component-log-level",
            "config:info",
        ]
        self.process = Process(name, command, env=env)
        self.process.wait_line("starting workers")
        # Its workers listen a moment later.
        for port in listening(config):
            wait_for_port(port)

    def stop(self) -> int:
        return self.process.stop()


def listening(config: Path) -> list[int]:
    """The ports of the listeners of a configuration file."""
    listeners = yaml.safe_load(config.read_text())["static_resources"].get("listeners", [])
    return [listener["address"]["socket_address"]["port_value"] for listener in listeners]


def wait_for_port(port: int, timeout: float = 15) -> None:
    """Waits until somebody listens at a port of this machine."""
    end = time.monotonic() + timeout
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            # The one thing to wait for that says nothing when it happens.
            time.sleep(0.01)


def validate(config: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """`envoy --mode validate`."""
    command = [str(ENVOY), "--mode", "validate", "-c", str(config)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, **(env or {})}
    )
