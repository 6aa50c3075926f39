"""The orch command as a real process with streams, exit code and signals of its own, but forked
from one that has imported orch already."""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
from functools import cache
from typing import Any

COMMAND = [sys.executable, "-c", "from orch.cli.main import main; main()"]
MOST_BYTES = 128 * 1024
"""The longest request; a socket's buffer holds it whole."""
UNSET = (
    "PYTHONDONTWRITEBYTECODE",
    "ORCH_CONFIG",
    "NO_COLOR",
    "FORCE_COLOR",
    "COLUMNS",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
)
"""Variables that no test inherits."""
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in UNSET}
"""That of a test which sets nothing of its own: this module is imported before the first."""
OWN = ("ORCH_", "OLLAMA_", "OMP_NUM_THREADS", "PYTEST_", "PYTHONSAFEPATH")
"""How the names of variables begin that nothing reads while it is imported (orch's embedder sets
OMP_NUM_THREADS and each command PYTHONSAFEPATH,
also in this process).

Where another one differs (PYTHONPATH, COLUMNS), Python starts anew.
"""
SET_CHILD_SUBREAPER = 36
"""prctl(2): a process that loses its parent becomes a child of this one."""


class Forked(subprocess.Popen[Any]):
    """`orch WORDS`."""

    def __init__(self, *words: str, **options: Any) -> None:
        self.kind = "serve" if words[:1] == ("serve",) else "orch"
        super().__init__([*COMMAND, *words], **options)

    def _execute_child(self, args: list[str], *given: Any) -> None:
        """Stands where Popen forks and executes; `given` are, from the ninth on, both ends of the
        pipes for stdin, stdout and stderr."""
        preexec, cwd, env, pipes, session = (
            given[1],
            given[4] or os.getcwd(),
            given[5] or os.environ,
            given[9:15],
            given[20],
        )
        request = json.dumps(
            {
                "words": args[len(COMMAND) :],
                "env": dict(env),
                "cwd": str(cwd),
                "cores": sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else [],
            }
        ).encode()
        if (
            sys.platform != "linux"
            or preexec
            or session
            or len(request) > MOST_BYTES
            or not (server := _server(self.kind)).fits(env)
        ):
            return super()._execute_child(args, *given)  # type: ignore[misc, no-any-return]
        streams = [
            given_end if given_end != -1 else stream
            for stream, given_end in enumerate((pipes[0], pipes[3], pipes[5]))
        ]
        self.pid = server.fork(request, streams)
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


class _Server:
    """The process that forks, as long as this one lives."""

    def __init__(self, kind: str) -> None:
        if ctypes.CDLL(None, use_errno=True).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
        self._lock = threading.Lock()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        code = (
            f"from tests.support.fork_server import serve; serve({theirs.fileno()}, {kind!r}); from"
            " orch.cli.main import main; main()"
        )
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=ENVIRONMENT,
            )
        atexit.register(self.close)

    def fits(self, environment: Any) -> bool:
        """Whether modules that were imported under the server's environment are what they would be
        under this one."""
        differ = {name for name, _ in set(environment.items()) ^ set(ENVIRONMENT.items())}
        return all(name.startswith(OWN) for name in differ)

    def fork(self, request: bytes, streams: list[int]) -> int:
        """The id of a new child of this process."""
        with self._lock:
            socket.send_fds(self._channel, [request], streams)
            return int(self._channel.recv(32))

    def close(self) -> None:
        """Ends it."""
        self._channel.close()
        self._process.wait()


@cache
def _server(kind: str) -> _Server:
    return _Server(kind)


def run(
    *words: str, stdin: bytes | None = None, timeout_s: float = 120
) -> subprocess.CompletedProcess[bytes]:
    """Runs orch to its end; without `stdin` it is /dev/null."""
    source = subprocess.DEVNULL if stdin is None else subprocess.PIPE
    with Forked(*words, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            stdout, stderr = process.communicate(stdin, timeout=timeout_s)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
