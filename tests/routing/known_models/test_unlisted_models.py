"""What one word, or one rerun, does to models that models.yaml does not list: the command, in front
of a fake Ollama."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orch.types import TaskType
from tests.conftest import LLAMA, ROOM
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.orch_command import orch

SMALL, LITTLE, THREE, LARGE = "smollm2:135m", "gemma3:270m", "llama3.2:3b", "qwen3:32b"


@pytest.fixture
def unlisted(ollama: FakeOllama, home: Path) -> FakeOllama:
    """Four models of several sizes, and memory for all of them."""
    home.mkdir()
    (home / "routing.yaml").write_text(ROOM)
    for name, size in ((SMALL, "134.52M"), (LITTLE, "268.10M"), (THREE, "3.2B"), (LARGE, "32.8B")):
        ollama.add(FakeModel(name, parameter_size=size))
    return ollama


def decided(task_type: str, model: str) -> tuple[str, dict[str, Any]]:
    """Which model takes a task of that type, and another one as a candidate."""
    found = json.loads(orch("route", "--json", "-t", task_type, "Give me something").stdout)
    return found["model"], next(
        each for each in found["decision"]["candidates"] if each["model_id"] == model
    )


def quality(task_type: str, model: str) -> float:
    """From 0 to 1, as the router counts it (the balanced weight is .4)."""
    return float(decided(task_type, model)[1]["terms"]["quality"]) / 0.4


def test_one_good_answer_of_a_tiny_model_turns_nothing_over(unlisted: FakeOllama) -> None:
    before = {each: decided(each, SMALL)[0] for each in ("creative", "writing", "reasoning")}
    believed = {each: quality(each, SMALL) for each in TaskType}
    orch("run", "-m", SMALL, "Give me a name for a cat")
    told = orch("rate", "last", "good").stdout.decode()
    assert "quality here 0.2" in told or "quality here 0.3" in told
    assert {each: decided(each, SMALL)[0] for each in before} == before
    assert all(quality(each, SMALL) <= believed[each] + 0.25 for each in TaskType)


def test_beside_unlisted_models_the_shipped_speeds_are_nobody_s(unlisted: FakeOllama) -> None:
    assert decided("simple", LLAMA)[1]["provenance"]["speed"] == "guessed from size"
    for name in (SMALL, LITTLE, THREE, LARGE):
        unlisted.remove(name)
    assert decided("simple", LLAMA)[1]["provenance"]["speed"] == "rated"


def test_a_rerun_raises_no_small_model(unlisted: FakeOllama) -> None:
    before = quality("simple", LITTLE)
    for model in (LITTLE, SMALL):
        orch("run", "-m", model, "hi")
    assert quality("simple", LITTLE) < before
    assert decided("coding", LITTLE)[1]["eliminated_code"] == "quality_floor"


def test_a_rerun_puts_no_large_model_under_a_floor(unlisted: FakeOllama) -> None:
    before = quality("coding", LARGE)
    for model in (LARGE, THREE):
        orch("run", "-m", model, "Name a colour")
    now = decided("coding", LARGE)[1]
    assert now["eliminated"] is None
    assert before - 0.05 < quality("coding", LARGE) < before
    assert (
        now["provenance"]["quality"] == "measured and rated (n=0)"
        or "measured" in now["provenance"]["quality"]
    )


def test_a_rerun_leaves_models_of_which_nothing_was_said_alone(unlisted: FakeOllama) -> None:
    before = quality("coding", THREE)
    for model in (LARGE, SMALL):
        orch("run", "-m", model, "Name a colour")
    assert quality("coding", THREE) == before


def test_a_floor_sees_the_guess_until_five_answers_of_the_type_were_graded(
    unlisted: FakeOllama,
) -> None:
    for number in range(6):
        assert decided("coding", LARGE)[1]["eliminated_code"] == (
            "quality_floor" if number > 4 else ""
        )
        orch(
            "run",
            "-m",
            LARGE,
            "-t",
            "coding",
            f"Write a Python function that sorts list number {number}",
        )
        orch("rate", "last", "bad")
