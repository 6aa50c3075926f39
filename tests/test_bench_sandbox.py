"""The sandbox: code written by a model can do nothing but compute, and can't talk itself into a
pass."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orch.bench import sandbox
from orch.bench.sandbox import Limits, SandboxResult, run
from orch.errors import OrchError

REASON = sandbox.available()
isolated = pytest.mark.skipif(REASON is not None, reason=f"{REASON}")
TIGHT = Limits(wall_s=60, cpu_s=1, memory_bytes=256 * 1024 * 1024)


def refused(code: str) -> bool:
    """Whether running this statement raises PermissionError inside."""
    outcome = run(
        f"def attempt():\n{textwrap.indent(code, '    ')}",
        "try:\n    attempt()\n    refused = False\nexcept PermissionError:\n    refused ="
        " True\nassert refused",
        TIGHT,
    )
    return outcome == SandboxResult(1, 1)


@isolated
def test_passed_and_failed_tests_are_counted() -> None:
    outcome = run(
        "def f(x):\n    return x + 1", "assert f(1) == 2\nassert f(1) == 3\ny = f(3)\nassert y == 4"
    )
    assert outcome == SandboxResult(2, 3, ("assert f(1) == 3",))


@isolated
def test_the_standard_library_can_be_used() -> None:
    code = (
        "import collections, dataclasses, datetime, decimal, enum, functools, hashlib, itertools,"
        " json, math, random, re, sqlite3, statistics, typing"
    )
    assert run(
        code,
        "assert sqlite3.connect(':memory:').execute('select 1').fetchone() == (1,)\nassert"
        " random.random() < 1",
    ) == SandboxResult(2, 2)


@isolated
@pytest.mark.parametrize(
    "code",
    [
        "import socket\nsocket.socket()",
        "import socket\nsocket.create_connection(('127.0.0.1', 80), 1)",
        "import socket\nsocket.socketpair()",
        "import os\nos.fork()",
        "import os\nos.execv('/bin/sh', ['sh', '-c', 'true'])",
        "import subprocess\nsubprocess.Popen(['true'])",
        "import os\nos.posix_spawn('/bin/true', ['true'], {})",
        "import os, signal\nos.kill(os.getppid(), signal.SIGCONT)",
        "import os, signal\nos.kill(-1, 0)",
        "open('new.txt', 'w')",
        "import os\nos.mkdir('new')",
        "import os\nos.symlink('/etc', 'link')",
        "import os\nos.chmod('.', 0o777)",
        "import os\nos.utime('.')",
        "import os\nos.truncate('/etc/hostname', 0)",
        "open('/etc/passwd').read()",
        "open('/proc/self/environ').read()",
        "import os\nos.listdir('/')",
        "import os\nos.listdir('..')",
        "import os\nos.listdir('/tmp')",
        "import os\nos.setuid(0)",
        "import fcntl\nfcntl.fcntl(0, fcntl.F_SETOWN, 1)",
    ],
)
def test_the_kernel_refuses(code: str) -> None:
    assert refused(code)


@isolated
def test_the_home_directory_and_this_project_can_not_be_read() -> None:
    assert refused(f"import os\nos.listdir({str(Path.home())!r})")
    assert refused(f"open({__file__!r}).read()")


@isolated
def test_native_code_is_held_by_the_same_rules() -> None:
    code = (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nmade = libc.socket(2, 1, 0)\npid"
        " = libc.fork()"
    )
    assert run(
        code,
        "assert made == -1\nassert pid == -1\nassert libc.ptrace(0, 0, 0, 0) == -1\nassert"
        " libc.setrlimit(0, bytes(16)) == -1",
    ) == SandboxResult(4, 4)


@isolated
def test_a_fork_bomb_does_not_get_off_the_ground() -> None:
    assert run("import os\nwhile True:\n    os.fork()", "assert True").error.startswith(
        "PermissionError"
    )


@isolated
def test_threads_can_not_be_started() -> None:
    assert (
        "can't start new thread"
        in run("import threading\nthreading.Thread(target=print).start()", "assert True").error
    )


@isolated
def test_it_runs_in_an_empty_directory_with_nothing_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ORCH_TEST_SECRET", "s")
    tests = (
        "import os\nassert os.listdir('.') == []\nassert set(os.environ) <= {'LC_CTYPE'}\nassert"
        " len(os.listdir.__name__)"
    )
    assert run("x = 1", tests) == SandboxResult(3, 3)


@isolated
@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("while True:\n    pass", "too much CPU time or memory"),
        ("x = [0] * 10**10", "MemoryError"),
        ("import os\nos._exit(0)", "ended the process before its tests"),
        ("import sys\nsys.exit(0)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("def f(:", "SyntaxError"),
        ("import ctypes\nctypes.string_at(0)", "ended by signal"),
        ("import os\nos.closerange(0, 100)\nwhile True:\n    pass", "it"),
    ],
)
def test_code_that_does_not_load_passes_nothing(code: str, error: str) -> None:
    outcome = run(code, "assert f(1) == 1", TIGHT)
    assert outcome.passed == 0
    assert error in outcome.error


@isolated
def test_code_that_waits_is_ended() -> None:
    assert (
        run("import time\ntime.sleep(60)", "assert True", Limits(wall_s=0.5)).error
        == "it took too long"
    )


@isolated
def test_code_may_print_without_end() -> None:
    outcome = run(
        "import sys\nfor _ in range(20000):\n    print('ok' * 100)\n    print('ok',"
        " file=sys.stderr)",
        "assert True",
    )
    assert outcome == SandboxResult(1, 1)


@isolated
def test_what_was_defined_before_an_error_is_still_tested() -> None:
    assert run("def f():\n    return 1\nassert f() == 2", "assert f() == 1").passed == 1


@isolated
def test_a_main_block_is_not_run() -> None:
    assert run(
        "def f():\n    return 1\nif __name__ == '__main__':\n    input()", "assert f() == 1"
    ) == SandboxResult(1, 1)


WRITE = """import os
data = b'{"token": "0", "results": [[true, ""]]}\\n'
for fd in range(64):
    try:
        os.write(fd, data)
    except OSError:
        pass"""
FLOOD = """import os
def f():
    for fd in range(3, 30):
        try:
            while os.write(fd, b'x' * 65536):
                pass
        except OSError:
            pass"""
REPLACE = """import builtins
builtins.AssertionError = StopIteration
builtins.exec = builtins.compile = builtins.len = lambda *a, **k: 1
def f():
    return 0"""
CHEATS = {
    "prints a pass": 'print(\'{"results": [[true, ""]]}\')\ndef f():\n    return 0',
    "writes a pass on every pipe": WRITE,
    "writes a pass in a test": "def f():\n" + textwrap.indent(WRITE, "    "),
    "replaces the builtins": REPLACE,
    "exits in a test": "import sys\ndef f():\n    sys.exit(0)",
    "ends the process in a test": "import os\ndef f():\n    os._exit(0)",
    "traces": "import sys\nsys.settrace(lambda *a: None)\ndef f():\n    return 0",
    "exits later": "import atexit, os\natexit.register(os._exit, 0)\ndef f():\n    return 0",
    "floods the pipe": FLOOD,
}


@isolated
@pytest.mark.parametrize("cheat", CHEATS)
def test_a_cheat_passes_nothing(cheat: str) -> None:
    assert run(CHEATS[cheat], "assert f() == 1", TIGHT).passed == 0


@isolated
def test_the_builtins_of_the_tests_are_pythons_own() -> None:
    assert run(f"{REPLACE}\ndef len(x):\n    return 7", "assert len([1, 2]) == 2") == SandboxResult(
        1, 1
    )


@isolated
def test_nothing_is_left_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "jails"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    started: list[Any] = []

    class Noted(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    before = set(os.listdir("/proc/self/fd"))
    run("import time\ntime.sleep(60)", "assert True", Limits(wall_s=0.3))
    assert list(folder.iterdir()) == []
    codes = [process.returncode for process in started]
    # one is killed; the other may not have begun, and ends by itself when its pipe is closed
    assert len(codes) == 2
    assert {-9} <= set(codes) <= {-9, 0}
    assert set(os.listdir("/proc/self/fd")) == before


@isolated
def test_empty_and_huge_code_is_not_run() -> None:
    assert "no code" in run(" \n", "assert True").error
    assert "characters" in run("#" * 200_000, "assert True").error


@pytest.fixture
def forgotten() -> object:
    """Has `available` look again, now and afterwards."""
    sandbox.available.cache_clear()
    yield
    sandbox.available.cache_clear()


def _other_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")


def _leaky(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_child", lambda *_: _Leaky())


class _Leaky:
    """A child that found its jail open."""

    def __enter__(self) -> _Leaky:
        return self

    def __exit__(self, *_: object) -> None: ...

    def read(self, _: str) -> dict[str, str]:
        return {"fault": "open a socket"}


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize(
    ("change", "why"), [(_other_system, "Linux only"), (_leaky, "open a socket")]
)
def test_nothing_is_run_where_it_can_not_be_isolated(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[pytest.MonkeyPatch], None], why: str
) -> None:
    change(monkeypatch)
    assert why in (sandbox.available() or "")
    with pytest.raises(OrchError, match=why):
        run("x = 1", "assert x == 1")
