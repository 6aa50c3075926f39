"""Runs a server as a child process: starts it, waits until it is ready, reads its usage and its
children's from /proc, and stops it."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

START_S = 120.0
STOP_S = 15.0
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
ROOT = Path(__file__).parents[3]


class DidNotStart(Exception):
    """The process ended, or was not ready in time; the message is the end of its output."""


def free_port() -> int:
    """An unused port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def module(name: str, *words: str) -> list[str]:
    """The command that runs a module of this benchmark."""
    return [sys.executable, "-m", f"tests.bench.server.{name}", *words]


def environment(**more: str) -> dict[str, str]:
    """This process's environment as on a user's machine: bytecode is cached, no proxy is set."""
    proxies = {"http_proxy", "https_proxy", "all_proxy"}
    return {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONDONTWRITEBYTECODE" and name.lower() not in proxies
    } | more


class Server:
    """One server and its children. Without a `port` it is read from the first line of output."""

    def __init__(
        self,
        words: Sequence[str],
        log: Path,
        *,
        port: int | None = None,
        ready: str = "/v1/models",
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._log = log
        with log.open("wb") as errors:
            output = subprocess.PIPE if port is None else errors
            self._process = subprocess.Popen(
                words,
                cwd=ROOT,
                env=env or environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
            )
        self.url = f"http://127.0.0.1:{port}" if port is not None else self._said()
        self._wait(ready)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode().strip()

    def _wait(self, path: str) -> None:
        ends = time.monotonic() + START_S
        while not _answers(self.url, path):
            if self._process.poll() is not None or time.monotonic() > ends:
                self.stop()
                raise DidNotStart(self._log.read_text(errors="replace")[-500:])
            time.sleep(0.05)

    def stop(self) -> None:
        """Terminates the process, and kills it if it does not end."""
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def cpu_s(self) -> float:
        """CPU seconds, user and system, of the process and its children."""
        return sum(_cpu_s(pid) for pid in _tree(self._process.pid))

    def peak_bytes(self) -> int:
        """The sum of their peak memory."""
        return sum(_memory(pid, "VmHWM") for pid in _tree(self._process.pid))

    def bytes_now(self) -> int:
        """Their current memory."""
        return sum(_memory(pid, "VmRSS") for pid in _tree(self._process.pid))

    def files(self) -> int:
        """Open files and sockets."""
        return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in _tree(self._process.pid))


def _answers(url: str, path: str) -> bool:
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _tree(pid: int) -> list[int]:
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found


def _cpu_s(pid: int) -> float:
    # the name in the second field may contain spaces; the fields after its bracket may not
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / _TICKS


def _memory(pid: int, key: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:")), 0)
