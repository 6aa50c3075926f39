"""Ctrl-Z gives the shell a terminal with a cursor, `fg` draws on, `bg` leaves the screen alone."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator

import pytest

from orch.cli import job_control
from orch.cli.job_control import JobControl
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.terminal import SHELL, Terminal

HIDDEN, SHOWN = b"\x1b[?25l", b"\x1b[?25h"


@pytest.fixture
def stopped(ollama: FakeOllama) -> Terminal:
    """A run that Ctrl-Z stopped in the midst of its answer."""
    reply = [*(f"word{n}\n\n" for n in range(30)), "the", " end"]
    ollama.add(FakeModel("slow", reply=reply, chunk_delay_s=0.02))
    terminal = Terminal("run", "-m", "slow", "go", prelude=SHELL)
    terminal.read_until(b"word5")
    terminal.type(b"\x1a")
    terminal.read_until(b"job stopped")
    return terminal


def test_the_shell_has_a_cursor_while_a_run_is_stopped(stopped: Terminal) -> None:
    assert re.findall(rb"\x1b\[\?25[hl]", stopped.raw)[-1] == SHOWN
    stopped.type(b"fg\n")
    assert stopped.end() == 0


def test_fg_draws_the_rest_of_the_answer(stopped: Terminal) -> None:
    before = len(stopped.raw)
    stopped.type(b"fg\n")
    assert stopped.end() == 0
    assert HIDDEN in stopped.raw[before:]
    words = re.findall(r"\bword\d+|the end", "\n".join(stopped.lines()))
    # the terminal echoes ^Z into the last row, which may then stand there twice
    assert [*dict.fromkeys(words)] == [*(f"word{n}" for n in range(30)), "the end"]


def test_fg_erases_nothing_that_the_shell_printed(ollama: FakeOllama) -> None:
    ollama.add(FakeModel("slow", reply=["word " * 60, *["tick "] * 60], chunk_delay_s=0.02))
    terminal = Terminal("run", "-m", "slow", "go", prelude=SHELL)
    terminal.read_until(b"tick tick")
    terminal.type(b"\x1a")
    terminal.read_until(b"job stopped")
    terminal.type(b"fg\n")
    assert terminal.end() == 0
    assert any("job stopped" in line for line in terminal.lines())


def test_bg_prints_the_rest_and_leaves_the_cursor_alone(stopped: Terminal) -> None:
    before = len(stopped.raw)
    stopped.type(b"bg\n")
    assert stopped.end() == 0
    assert HIDDEN not in stopped.raw[before:]
    assert b"word29" in stopped.raw
    assert b"the end" in stopped.raw


# ---------------------------------------------------------------- in this process


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What happens, with a stop that this process survives."""
    happened = list[str]()
    before = signal.getsignal(signal.SIGTSTP)
    monkeypatch.setattr(job_control, "is_in_foreground", lambda: True)
    kill = os.kill
    monkeypatch.setattr(os, "kill", lambda *_: happened.append("stop"))
    job = JobControl(lambda: happened.append("leave"), lambda: happened.append("resume"))
    with job:
        kill(os.getpid(), signal.SIGTSTP)
        happened.append("drawn")
    yield happened
    job.close()
    assert signal.getsignal(signal.SIGTSTP) == before


def test_a_stop_waits_until_the_drawing_is_done(events: list[str]) -> None:
    assert events == ["drawn", "leave", "stop", "resume"]


def test_a_run_that_went_on_in_the_background_draws_again_once_fg_brings_it_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    happened, in_foreground = list[str](), [False]
    monkeypatch.setattr(job_control, "is_in_foreground", lambda: in_foreground[0])
    kill = os.kill
    monkeypatch.setattr(os, "kill", lambda *_: happened.append("stop"))
    job = JobControl(lambda: happened.append("leave"), lambda: happened.append("resume"))
    kill(os.getpid(), signal.SIGTSTP)
    for is_back in (False, True, True):
        in_foreground[0] = is_back
        with job:
            happened.append("drawn")
    job.close()
    assert happened == ["leave", "stop", "drawn", "resume", "drawn", "drawn"]


def test_a_parent_that_ignores_ctrl_z_is_obeyed() -> None:
    before = signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    try:
        JobControl(lambda: None, lambda: None).close()
        assert signal.getsignal(signal.SIGTSTP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTSTP, before)
