"""Sizes of weights in files."""

from __future__ import annotations

import os
from pathlib import Path

from orch.providers.llama_server.weights import weights_bytes


def write(folder: Path, name: str, size: int) -> str:
    path = folder / name
    path.write_bytes(b"x" * size)
    return str(path)


def test_a_file_has_its_size(tmp_path: Path) -> None:
    assert weights_bytes(write(tmp_path, "a.gguf", 7)) == 7


def test_the_parts_of_one_model_are_added_up(tmp_path: Path) -> None:
    first = write(tmp_path, "big-00001-of-00002.gguf", 7)
    assert weights_bytes(first) == 0  # a part is missing
    write(tmp_path, "big-00002-of-00002.gguf", 5)
    assert weights_bytes(first) == 12


def test_what_is_not_a_file_of_weights_has_no_size(tmp_path: Path) -> None:
    write(tmp_path, "notes.txt", 7)
    (tmp_path / "folder.gguf").mkdir()
    os.mkfifo(tmp_path / "pipe.gguf")
    names = ("notes.txt", "folder.gguf", "pipe.gguf", "missing.gguf", "a\0b.gguf")
    assert [weights_bytes(f"{tmp_path}/{name}") for name in names] == [0] * len(names)
    assert weights_bytes("a.gguf") == 0
    assert weights_bytes("/x-00001-of-99999.gguf") == 0
