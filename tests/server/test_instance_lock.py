"""The lock of the one server of an ORCH_HOME: who holds it, and that nobody else gets it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from orch.server.instance_lock import hold_lock, lock_holder, lock_path
from tests.support.orch_command import orch


def test_only_one_holds_the_lock_and_it_names_its_process() -> None:
    assert lock_holder() is None
    with hold_lock() as first, hold_lock() as second:
        assert (first, second, lock_holder()) == (True, False, os.getpid())
    assert lock_holder() is None


def test_the_file_stays_and_the_lock_can_be_taken_again() -> None:
    for _ in range(2):
        with hold_lock() as is_held:
            assert is_held
    assert lock_path().read_text().startswith(f"{os.getpid()}\n")


def test_the_lock_is_private() -> None:
    with hold_lock():
        assert stat.S_IMODE(lock_path().stat().st_mode) == 0o600
        assert stat.S_IMODE(lock_path().parent.stat().st_mode) & 0o077 == 0


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    lock_path().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock_path().symlink_to(target)
    with pytest.raises(OSError, match="symbolic"), hold_lock():
        pass
    assert not target.exists()
    lock_path().unlink()


def test_a_content_that_names_no_process_gives_an_unknown_one() -> None:
    with hold_lock():
        lock_path().write_text("nonsense")
        assert lock_holder() == 0


def test_a_server_of_another_container_is_not_killed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hold_lock() as alone:
        assert (alone, lock_holder()) == (True, os.getpid())
        lock_path().write_text("1\nelsewhere pid:[1]\n")
        assert lock_holder() == 0
        assert b"another container" in orch("serve", "stop").stderr
