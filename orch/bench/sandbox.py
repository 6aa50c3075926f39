"""Runs code of a model in a child process without network, files or other processes, and returns
which tests it passed.

The child is `jail`. Landlock lets it read Python's library and the system's shared libraries and
write nothing; a seccomp filter allows some sixty harmless system calls, so that the kernel refuses
sockets, processes, signals, programs and changes of owner or mode; resource limits bound CPU and
memory; the parent bounds the time and the output, and kills the process group. No privileges and no
other program are needed. Before any code runs, the child tries eight forbidden operations, and runs
nothing if one succeeds.

The verdict is fair as well as safe: the tests run in a second such child, which the code reaches
only by a pipe of requests and responses (`remote_calls`). Plain values are copied and compared
there. The code sees neither the tests nor the pipe with their results. It can still answer anything
about objects of its own classes where tests look at nothing else (`Point(1) == Point(2)`,
`obj.ok()`).

Not protected: names, sizes and dates of files (not their content) can be queried by exact path, and
files in Python's own folder or in /usr/lib can be read; neither can be sent anywhere. Kernel bugs
are not protected against.
"""

from __future__ import annotations

import json
import math
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from orch.errors import OrchError

MAX_REPORT_BYTES = 256_000
MAX_CODE_CHARS = 100_000
EXIT_WAIT_S = 0.2
"""Time for a process that closed its pipes to exit."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one run: seconds of wall clock and of CPU (rounded up), bytes of address space."""

    wall_s: float = 10.0
    cpu_s: float = 5.0
    memory_bytes: int = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SandboxResult:
    """The result of the tests. `failures` quotes each failed one; `error`: why the code did not
    load or the run ended early."""

    passed: int = 0
    total: int = 0
    failures: tuple[str, ...] = ()
    error: str = ""


@cache
def available() -> str | None:
    """Why code can't be isolated here, as one sentence; None if it can. Tested with a child once
    per process (0.1 s)."""
    if sys.platform != "linux":
        return (
            f"code written by models is run on Linux only: on {sys.platform} orch can't take the"
            " network and the files away from it"
        )
    try:
        with (
            tempfile.TemporaryDirectory(prefix="orch-jail-") as folder,
            _child("code", "", Limits(), folder) as child,
        ):
            fault = str(child.read("fault")["fault"])
    except (_ChildEnded, OSError) as error:
        fault = str(error)
    return f"this system can't isolate code written by models ({fault})" if fault else None


def run(code: str, tests: str, limits: Limits | None = None) -> SandboxResult:
    """Loads the code, then runs the tests (Python, one verdict for each statement with an assert)
    on what it defined.

    Blocks up to `limits.wall_s`. Raises OrchError where code can't be isolated: it is never run
    with less.
    """
    if why := available():
        raise OrchError(why, "without it code is graded by its form only")
    if not code.strip() or len(code) > MAX_CODE_CHARS:
        return SandboxResult(error=f"no code, or more than {MAX_CODE_CHARS:,} characters of it")
    error = ""
    try:
        with _start_both(code, tests, limits or Limits()) as (coder, tester):
            for child in (coder, tester):
                if fault := child.read("fault")["fault"]:
                    raise OrchError(f"the sandbox does not hold: {fault}", "nothing was run")
            error = str(coder.read("loaded")["loaded"])
            report = tester.read("results")
            return _outcome(
                report["results"], error, coder.end(report["broken"]) if report["broken"] else ""
            )
    except _ChildEnded as ended:
        return SandboxResult(error=f"{error}; {ended}" if error else str(ended))


def _outcome(results: list[list[Any]], error: str, broken: str) -> SandboxResult:
    """The result from the process with the tests; nothing passes if the code ended before them."""
    if broken:
        return SandboxResult(error=f"{error}; {broken}" if error else broken)
    failures = tuple(str(what) for passed, what in results if passed is not True)
    return SandboxResult(len(results) - len(failures), len(results), failures, error)


class _ChildEnded(Exception):
    """The child ended, or had to be ended, before it sent what was expected."""


class _Child:
    """A running jail: sends and receives lines until the deadline."""

    def __init__(self, process: subprocess.Popen[bytes], reading: int, deadline: float) -> None:
        self._process, self._reading, self._deadline = process, reading, deadline
        self._buffer, self._seen = b"", 0

    def send(self, order: dict[str, Any]) -> None:
        """Sends one JSON line to its stdin. Raises _ChildEnded, also at the deadline."""
        assert self._process.stdin is not None
        data, pipe = json.dumps(order).encode() + b"\n", self._process.stdin.fileno()
        os.set_blocking(pipe, False)
        while data:
            if not select.select([], [pipe], [], max(self._deadline - time.monotonic(), 0))[1]:
                raise _ChildEnded("it took too long")
            try:
                data = data[os.write(pipe, data) :]
            except OSError:
                raise _ChildEnded(self._exit_reason()) from None

    def read(self, key: str) -> dict[str, Any]:
        """The next JSON object, which must have this key. Raises _ChildEnded at the deadline, at
        the end, and for other or too much data."""
        while b"\n" not in self._buffer:
            self._buffer += self._read_more()
        line, self._buffer = self._buffer.split(b"\n", 1)
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict) or key not in message:
            raise _ChildEnded("the code wrote on the runner's pipe")
        return message

    def _read_more(self) -> bytes:
        left = self._deadline - time.monotonic()
        if left <= 0 or not select.select([self._reading], [], [], left)[0]:
            raise _ChildEnded("it took too long")
        data = os.read(self._reading, 65_536)
        self._seen += len(data)
        if not data:
            raise _ChildEnded(self._exit_reason())
        if self._seen > MAX_REPORT_BYTES:
            raise _ChildEnded("it reported too much")
        return data

    def end(self, otherwise: str) -> str:
        """How the process ended, if it did by itself, else the given text."""
        try:
            self._process.wait(EXIT_WAIT_S)
        except subprocess.TimeoutExpired:
            return otherwise
        return self._exit_reason()

    def _exit_reason(self) -> str:
        """How the process ended, from its exit code; it may have closed its pipes and still run."""
        try:
            code = self._process.wait(max(self._deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            return "it took too long"
        if code >= 0:
            return f"the code ended the process before its tests had reported (exit code {code})"
        return (
            "it was killed: too much CPU time or memory"
            if -code in (signal.SIGKILL, signal.SIGXCPU)
            else f"the process was ended by signal {-code}"
        )


@contextmanager
def _start_both(code: str, tests: str, limits: Limits) -> Iterator[tuple[_Child, _Child]]:
    """A jail for the code and one for its tests, with a pipe each way that only they hold."""
    with tempfile.TemporaryDirectory(prefix="orch-jail-") as folder, ExitStack() as held:
        with _pipe() as (questions, asking), _pipe() as (answers, answering):
            coder = held.enter_context(_child("code", code, limits, folder, questions, answering))
            tester = held.enter_context(_child("tests", tests, limits, folder, answers, asking))
        yield coder, tester


@contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe, closed in this process at the end of the block."""
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


@contextmanager
def _child(role: str, text: str, limits: Limits, folder: str, *between: int) -> Iterator[_Child]:
    """Starts a jail in a folder with an empty environment; kills its process group at the end."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb"):
        try:
            command = [
                sys.executable,
                "-I",
                "-S",
                "-B",
                str(Path(__file__).with_name("jail.py")),
                role,
                *map(str, (writing, *between)),
            ]
            process = subprocess.Popen(
                command,
                cwd=folder,
                env={},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                pass_fds=(writing, *between),
                start_new_session=True,
            )
        finally:
            os.close(writing)
        try:
            child = _Child(process, reading, time.monotonic() + limits.wall_s)
            child.send(
                {
                    "text": text,
                    "limits": {
                        "cpu_s": math.ceil(limits.cpu_s),
                        "memory_bytes": limits.memory_bytes,
                    },
                }
            )
            yield child
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kills the process group, whose id is not reused before the leader has been waited for."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    if process.stdin is not None:
        process.stdin.close()
