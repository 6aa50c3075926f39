"""`orch models recommend`: the table, one command a row, JSON, and what it says where nothing
helps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orch.routing.known_models.pullable import find_pullable
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.orch_command import orch


def test_each_row_has_a_command_with_its_reason_and_nothing_is_pulled(ollama: FakeOllama) -> None:
    done = orch("models", "recommend")
    lines = done.stdout.decode().splitlines()
    assert (done.returncode, done.stderr, ollama.pulled) == (0, b"", [])
    assert lines[0].startswith("Memory for models: ")
    commands = [line for line in lines if line.startswith("orch models pull ")]
    assert all(find_pullable(line.split()[3]) and " # " in line for line in commands)
    assert commands or any(line.startswith("Nothing to pull: ") for line in lines)


def test_json_tells_the_machine_and_the_rows(home: Path) -> None:
    told = json.loads(orch("models", "recommend", "--json", "--type", "coding").stdout)
    assert (told["v"], told["task_type"]) == (1, "coding")
    assert (told["ollama"]["provider"], told["ollama"]["runs"]) == ("ollama", False)
    for row in told["recommendations"]:
        assert {"model", "size_bytes", "fits", "tokens_per_s", "gains", "command"} <= set(row)
        assert set(row["quality"]) == {"coding"}


def test_a_context_that_nothing_holds_is_said(home: Path) -> None:
    done = orch("models", "recommend", "--ctx", "10000000")
    assert done.returncode == 0
    assert b"have a smaller context" in done.stdout


def test_beside_the_best_model_there_is_nothing_to_pull(ollama: FakeOllama) -> None:
    for name, size in (("qwen3.5:122b", "125B"), ("gemma4:31b", "30.7B")):
        ollama.add(FakeModel(name, capabilities=["completion", "thinking"], parameter_size=size))
    done = orch("models", "recommend")
    assert done.stdout.decode().splitlines()[1].startswith("Nothing to pull: ")


@pytest.mark.parametrize(
    "words", [["--type", "cooking"], ["--ctx", "0"], ["--ctx", "x"]], ids=" ".join
)
def test_invalid_arguments_are_exit_2(home: Path, words: list[str]) -> None:
    done = orch("models", "recommend", *words)
    assert (done.returncode, done.stdout) == (2, b"")
