"""The probe of an index: a child process opens it, and hangs or crashes in place of orch."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orch.memory.edge import probe
from tests.support.damaged_index import flip_bit, index_file, write_index


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_index(tmp_path)
    return tmp_path


def test_a_sound_index_is_usable(folder: Path) -> None:
    assert probe.is_usable(folder / "index")


def test_an_index_that_hangs_the_engine_is_not_usable(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flip_bit(index_file(folder, "is_null/status.dat"), 5)
    monkeypatch.setattr(probe, "MOST_S", 2.0)
    assert not probe.is_usable(folder / "index")


def test_an_error_that_the_engine_raises_is_left_to_the_caller(folder: Path) -> None:
    index_file(folder, "segment.json").write_bytes(b"rubbish")
    assert probe.is_usable(folder / "index")


def test_an_index_that_kills_the_engine_does_not_kill_orch(folder: Path) -> None:
    os.truncate(index_file(folder, "payload_storage/page_0.dat"), 0)
    assert probe.is_usable(folder / "index") in (True, False)
