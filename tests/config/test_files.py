"""A file that the user names is read up to its limit, wherever orch reads one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orch.config import yaml_document
from tests.conftest import LLAMA
from tests.support.fake_ollama import FakeOllama
from tests.support.forked import run


@pytest.fixture
def huge() -> Path:
    """A sparse file of zeros: large, but small enough for a broken limit to fail quickly."""
    with open("huge", "wb") as stream:
        stream.truncate(50_000_000)
    return Path("huge")


PLACES = [
    (("--config", "conf", "models"), b"larger than 1,000,000 bytes"),
    (("run", "--schema", "FILE", "hi"), b"over 8 MB"),
    (("bench", "--quality", "--suite", "FILE"), b"over 4 MB"),
    (("replay", "--models", "FILE"), b"larger than 1,000,000 bytes"),
]


@pytest.mark.parametrize(
    ("words", "message"), PLACES, ids=lambda each: " ".join(each) if isinstance(each, tuple) else ""
)
def test_no_command_reads_more_than_its_limit(
    huge: Path, words: tuple[str, ...], message: bytes
) -> None:
    Path("conf").mkdir()
    Path("conf/models.yaml").symlink_to(huge.absolute())
    done = run(*("huge" if word == "FILE" else word for word in words))
    assert (done.returncode, message in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    PLACES[1:],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_an_endless_device_is_read_up_to_the_limit(words: tuple[str, ...], message: bytes) -> None:
    done = run(*("/dev/zero" if word == "FILE" else word for word in words))
    assert (done.returncode, message in done.stderr) == (2, True), done.stderr


def test_huge_files_of_a_cloned_folder_are_ignored_with_a_note(
    ollama: FakeOllama, huge: Path
) -> None:
    huge.rename("models.yaml")
    Path("routing.yaml").symlink_to("models.yaml")
    done = run("run", "-m", LLAMA, "hi")
    assert (
        done.returncode,
        b"models.yaml: larger than 200,000 bytes" in run("config", "validate").stderr,
    ) == (0, True)


def test_values_are_counted_before_they_are_stored() -> None:
    document = yaml_document.parse_yaml("f", f"a: [{'1,' * 490_000}]")
    assert ["too many values" in str(problem) for problem in document.problems] == [True]
    assert document.data is None


def test_a_pipe_without_a_writer_is_not_a_key_file() -> None:
    os.mkfifo("keys", 0o600)
    done = run("serve", "--no-ui", "--port", "0", "--api-key", "keys")
    assert (done.returncode, b"there is no key in it" in done.stderr) == (2, True)
