"""A file that somebody named is read within its bound, and a device or a folder not at all: in every place where orch reads one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orch.config import source
from tests.conftest import LLAMA
from tests.fakes.ollama import FakeOllama
from tests.support.forked import run


@pytest.fixture
def huge() -> Path:
    """Half a gigabyte of nothing, which takes no room on the disk."""
    with open("huge", "wb") as stream:
        stream.truncate(500_000_000)
    return Path("huge")


PLACES = [
    ("--config", "conf", "config", "validate"),
    ("--config", "conf", "models"),
    ("run", "--schema", "FILE", "hi"),
    ("bench", "--quality", "--suite", "FILE"),
    ("replay", "--models", "FILE"),
]


@pytest.mark.parametrize("words", PLACES, ids=" ".join)
@pytest.mark.parametrize("name", ["huge", "/dev/zero"])
def test_no_command_reads_on_without_end(huge: Path, words: tuple[str, ...], name: str) -> None:
    Path("conf").mkdir()
    Path("conf/models.yaml").symlink_to(Path(name).absolute())
    done = run(*(name if word == "FILE" else word for word in words))
    assert done.returncode == 2, done.stderr
    assert b"Traceback" not in done.stderr


def test_huge_files_of_a_cloned_folder_are_ignored_with_a_word(ollama: FakeOllama, huge: Path) -> None:
    huge.rename("models.yaml")
    Path("routing.yaml").symlink_to("models.yaml")
    done = run("run", "-m", LLAMA, "hi")
    assert (done.returncode, b"models.yaml: it has over 200,000 bytes" in run("config", "validate").stderr) == (0, True)


def test_values_without_end_are_counted_before_they_are_kept() -> None:
    document = source.parse("f", f"a: [{'1,' * 490_000}]")
    assert ["too many values" in str(problem) for problem in document.problems] == [True]
    assert document.data is None


def test_a_pipe_that_nobody_writes_into_holds_no_keys() -> None:
    os.mkfifo("keys", 0o600)
    done = run("serve", "--no-ui", "--port", "0", "--api-key", "keys")
    assert (done.returncode, b"there is no key in it" in done.stderr) == (2, True)
