"""A process that has imported orch and forks for each request: a child runs the command in the
environment, folder and streams that it is sent.

Two thirds of what `orch run` costs is Python's start-up and imports. Runs inside the process that
`tests.support.forked` starts.
"""

from __future__ import annotations

import gc
import io
import json
import os
import socket
import sys
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import orch
from orch.config.schema import json_schema
from orch.providers.http.httpx_options import import_httpx
from tests.support.forked import MOST_BYTES

STREAMS = ("stdin", "stdout", "stderr")
LEFT_OUT = ("orch.classifier.train", "orch.memory.qdrant.local")
"""What few commands import, and takes seconds."""
LATE = (
    "anyio._backends._asyncio",
    "encodings.utf_8_sig",
    "httpcore",
    "numpy",
    "rich.console",
    "yaml",
)
"""What libraries import when they are first used."""


def serve(fd: int, kind: str) -> None:
    """Returns in a child, ready for `main()`, and in no other process."""
    load(kind)
    gc.collect()
    gc.freeze()  # a collection in a child would copy all of it
    channel = socket.socket(fileno=fd)
    while True:
        request, streams, _, _ = socket.recv_fds(channel, MOST_BYTES, len(STREAMS))
        if not request:  # the tests are over
            os._exit(0)
        if (pid := _fork()) == 0:
            channel.close()
            _become(json.loads(request), streams)
            return
        for stream in streams:
            os.close(stream)
        channel.send(str(pid).encode())


def load(kind: str) -> None:
    """Imports what that kind of command needs: in orch's way where a library is imported late."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy begins no thread, which no child would have
    left_out = LEFT_OUT if kind == "serve" else (*LEFT_OUT, "orch.server")
    for name in (*(module.name for module in walk_packages(orch.__path__, "orch.")), *LATE):
        if not name.startswith(left_out):
            import_module(name)
    import_httpx()
    for which in ("models", "routing"):
        json_schema(which)  # has pydantic make its classes


def _fork() -> int:
    """0 in the child; here its id, once its parent is the nearest subreaper, which waits for it as
    for a child of its own."""
    read, write = os.pipe()
    if (between := os.fork()) == 0:
        if (pid := os.fork()) != 0:
            os.write(write, str(pid).encode())
            os._exit(0)
        os.close(read)
        os.close(write)
        return 0
    os.close(write)
    os.waitpid(between, 0)
    with open(read, "rb") as pipe:
        return int(pipe.read())


def _become(request: dict[str, Any], streams: list[int]) -> None:
    """What a process has before its first line: words, environment, folder, streams and cores."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    for number, name in enumerate(STREAMS):
        new = _reopened(number, getattr(sys, name))
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)
    if sys.platform == "linux":
        os.sched_setaffinity(0, request["cores"])
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv[:] = ["-c", *request["words"]]


def _reopened(number: int, old: io.TextIOWrapper) -> io.TextIOWrapper:
    """As Python opens it at its start: whether it can be sought in and is a terminal may have
    changed."""
    raw: Any = io.FileIO(number, old.mode, closefd=False)
    buffer: Any = (
        io.BufferedReader(raw)
        if old.mode == "r"
        else raw
        if old.write_through
        else io.BufferedWriter(raw)
    )
    return io.TextIOWrapper(
        buffer, old.encoding, old.errors, "\n", old.line_buffering, old.write_through
    )
