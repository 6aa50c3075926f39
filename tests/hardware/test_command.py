"""Commands of the system that report about devices."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from orch.hardware import command
from orch.hardware.command import command_output


def put(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    file = folder / "reports"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")


def test_its_output_comes_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, monkeypatch, 'echo "$1 é"; printf "\\377"; echo hidden >&2')
    assert command_output("reports", "two words") == "two words é\n\ufffd"


def test_one_that_is_not_installed_says_nothing() -> None:
    assert command_output("no-such-command-of-orch") == ""


def test_one_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hung = no_hung(monkeypatch)
    monkeypatch.setattr(command, "TIMEOUT_S", 0.05)
    put(tmp_path, monkeypatch, "exec sleep 60")
    assert command_output("reports") == ""
    assert hung["reports"].wait(30) != 0


def test_one_that_can_t_even_be_killed_is_left_alone_and_not_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung = no_hung(monkeypatch)
    monkeypatch.setattr(command, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(subprocess.Popen, "kill", lambda self: None)  # as one in state D takes it
    put(tmp_path, monkeypatch, "exec sleep 60")
    assert command_output("reports") == ""
    first = hung["reports"]
    assert [command_output("reports") for _ in range(2)] == ["", ""]
    monkeypatch.undo()
    assert (first.poll(), hung) == (None, {"reports": first})
    first.kill()
    first.wait()


def no_hung(monkeypatch: pytest.MonkeyPatch) -> dict[str, subprocess.Popen[bytes]]:
    """The commands that hang from now on."""
    hung: dict[str, subprocess.Popen[bytes]] = {}
    monkeypatch.setattr(command, "_HUNG", hung)
    return hung
