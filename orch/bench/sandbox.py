"""Runs code that a model wrote in a child without network, files, processes or a way to tell
anybody, and tells which tests it passed.

The child is `jail`. Landlock leaves it only Python's own library and the system's shared libraries
to read and nothing to write; a seccomp filter
lets through some sixty harmless system calls, so that sockets, processes, signals, programs and
changes of owner or mode are refused by the kernel;
resource limits bound CPU and memory; the parent bounds the time and what it reads, and kills the
process group. No privileges and no other
program are needed. The child tries eight forbidden things before any code is run, every time, and
runs nothing when one goes through.

The verdict is fair, not only safe: the tests run in a second such child, which the code has no way
into but a pipe of questions and answers (`across`).
Plain values are copied, and whether one is the expected one is decided there. The code knows
neither the tests nor the pipe on which their results go.
It can still answer what it likes of objects of its own classes where tests ask nothing but those
(`Point(1) == Point(2)`, `obj.ok()`).

What is not defended: names, sizes and dates of files (not their content) can be asked by exact
path, and what is installed in Python's own folder or in
/usr/lib can be read; neither can be sent anywhere. A fault of the kernel itself is not defended
either. It is a jail and a fair verdict for models
under test, not a fortress.
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
"""For a process that closed its pipes to end."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one run: seconds of wall clock and of CPU (rounded up), bytes of address space.
    Files, processes and sockets are none."""

    wall_s: float = 10.0
    cpu_s: float = 5.0
    memory_bytes: int = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SandboxResult:
    """What the tests said. `failures` quotes each that failed; `error` is why the code did not load
    or the run ended early."""

    passed: int = 0
    total: int = 0
    failures: tuple[str, ...] = ()
    error: str = ""


@cache
def unavailable_reason() -> str | None:
    """Why code can't be isolated here, as one sentence; None when it can. Tried out with a child
    once a process (0.1 s)."""
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
    except (_Ended, OSError) as error:
        fault = str(error)
    return f"this system can't isolate code written by models ({fault})" if fault else None


def run_tests(code: str, tests: str, limits: Limits | None = None) -> SandboxResult:
    """Loads the code, then runs the tests (Python, one verdict for each statement with an assert)
    on what it defined.

    Blocks up to `limits.wall_s`. Raises OrchError where code can't be isolated: it is never run
    with less.
    """
    if why := unavailable_reason():
        raise OrchError(why, "without it code is graded by its form only")
    if not code.strip() or len(code) > MAX_CODE_CHARS:
        return SandboxResult(error=f"no code, or more than {MAX_CODE_CHARS:,} characters of it")
    error = ""
    try:
        with _both(code, tests, limits or Limits()) as (coder, tester):
            for child in (coder, tester):
                if fault := child.read("fault")["fault"]:
                    raise OrchError(f"the sandbox does not hold: {fault}", "nothing was run")
            error = str(coder.read("loaded")["loaded"])
            said = tester.read("results")
            return _outcome(
                said["results"], error, coder.end(said["broken"]) if said["broken"] else ""
            )
    except _Ended as ended:
        return SandboxResult(error=f"{error}; {ended}" if error else str(ended))


def _outcome(results: list[list[Any]], error: str, broken: str) -> SandboxResult:
    """The verdict, which the process with the tests gives; nothing passes where the code did not
    live to the end of them."""
    if broken:
        return SandboxResult(error=f"{error}; {broken}" if error else broken)
    failures = tuple(str(what) for passed, what in results if passed is not True)
    return SandboxResult(len(results) - len(failures), len(results), failures, error)


class _Ended(Exception):
    """The child ended, or had to be ended, before it said what was expected."""


class _Child:
    """A running jail: lines to it and from it, until the deadline."""

    def __init__(self, process: subprocess.Popen[bytes], reading: int, deadline: float) -> None:
        self._process, self._reading, self._deadline = process, reading, deadline
        self._buffer, self._seen = b"", 0

    def tell(self, order: dict[str, Any]) -> None:
        """One JSON line on its stdin. Raises _Ended, also when it does not take it in time."""
        assert self._process.stdin is not None
        data, pipe = json.dumps(order).encode() + b"\n", self._process.stdin.fileno()
        os.set_blocking(pipe, False)
        while data:
            if not select.select([], [pipe], [], max(self._deadline - time.monotonic(), 0))[1]:
                raise _Ended("it took too long")
            try:
                data = data[os.write(pipe, data) :]
            except OSError:
                raise _Ended(self._how()) from None

    def read(self, key: str) -> dict[str, Any]:
        """The next JSON object, which has this key. Raises _Ended at the deadline, at the end, and
        when it is too long or another thing."""
        while b"\n" not in self._buffer:
            self._buffer += self._more()
        line, self._buffer = self._buffer.split(b"\n", 1)
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict) or key not in said:
            raise _Ended("the code wrote on the runner's pipe")
        return said

    def _more(self) -> bytes:
        left = self._deadline - time.monotonic()
        if left <= 0 or not select.select([self._reading], [], [], left)[0]:
            raise _Ended("it took too long")
        data = os.read(self._reading, 65_536)
        self._seen += len(data)
        if not data:
            raise _Ended(self._how())
        if self._seen > MAX_REPORT_BYTES:
            raise _Ended("it reported too much")
        return data

    def end(self, otherwise: str) -> str:
        """How it came to its end, where it did by itself; else what is said otherwise."""
        try:
            self._process.wait(EXIT_WAIT_S)
        except subprocess.TimeoutExpired:
            return otherwise
        return self._how()

    def _how(self) -> str:
        """How it came to its end, from the exit code; it may have closed its pipes and live on."""
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
def _both(code: str, tests: str, limits: Limits) -> Iterator[tuple[_Child, _Child]]:
    """A jail with the code and one with its tests, with a pipe each way between them that nobody
    else holds."""
    with tempfile.TemporaryDirectory(prefix="orch-jail-") as folder, ExitStack() as held:
        with _pipe() as (questions, asking), _pipe() as (answers, answering):
            coder = held.enter_context(_child("code", code, limits, folder, questions, answering))
            tester = held.enter_context(_child("tests", tests, limits, folder, answers, asking))
        yield coder, tester


@contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    """Both ends, closed here at the end of the block."""
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


@contextmanager
def _child(role: str, text: str, limits: Limits, folder: str, *between: int) -> Iterator[_Child]:
    """A jail in a directory with an empty environment; its process group is killed at the end."""
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
            child.tell(
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
    """Kills the whole group: the number is not given to others before the leader has been waited
    for."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    if process.stdin is not None:
        process.stdin.close()
