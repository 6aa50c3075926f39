"""A command that is forked does what one does that Python starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import LLAMA
from tests.support.fake_ollama import FakeOllama
from tests.support.forked import COMMAND, Forked, run


@pytest.mark.parametrize(
    "words",
    [
        ("--version",),
        ("nonsense",),
        ("route", "hi"),
        ("run", "-m", LLAMA, "hi"),
        ("run", "-m", "gone", "hi"),
        ("config", "show"),
    ],
)
def test_words_bytes_and_exit_code_are_the_same(ollama: FakeOllama, words: tuple[str, ...]) -> None:
    real = subprocess.run(
        [*COMMAND, *words], capture_output=True, stdin=subprocess.DEVNULL, check=False
    )
    done = run(*words)
    assert (done.returncode, done.stdout) == (real.returncode, real.stdout)
    assert done.stderr.split()[:3] == real.stderr.split()[:3]


def test_stdin_is_its_own(ollama: FakeOllama) -> None:
    run("run", "-m", LLAMA, "summarize", stdin=b"xylophone")
    assert "xylophone" in str(ollama.chats()[-1])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Python starts anew")
def test_it_is_forked_from_what_has_imported_orch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as memory's embedder leaves it behind
    monkeypatch.setenv(
        "PYTHONSAFEPATH", "1"
    )  # as a command does that a test called in this process
    with Forked("serve", "--port", "0", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        words = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        process.kill()
    assert b"fork_server" in words


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Python starts anew")
def test_it_runs_on_the_cores_of_its_caller() -> None:
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        with Forked("serve", "--port", "0", stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            assert os.sched_getaffinity(process.pid) == {max(cores)}
            process.kill()
    finally:
        os.sched_setaffinity(0, cores)


def test_a_signal_ends_it_and_its_parent_knows() -> None:
    with Forked("serve", "--port", "0", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"orch serves at")
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def test_python_starts_where_a_variable_may_matter_to_an_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os; os._exit(42)", encoding="utf-8")
    assert run("--version").returncode == 0
    monkeypatch.setenv("PYTHONPATH", os.fspath(tmp_path))
    assert run("--version").returncode == 42
