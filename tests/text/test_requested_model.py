"""What model names request: `auto` and its variants, aliases, models."""

from __future__ import annotations

import pytest

from orch.errors import OrchError
from orch.text.prompt import Task
from orch.text.requested_model import AUTO_NAMES, ModelNames, RequestedModel
from orch.types import TaskType

PLAIN = ModelNames()
ALIASES = {
    "gpt-4o": "auto",
    "Claude-Sonnet-4-5": "auto:coding",
    "o3-mini": "auto:quality",
    "text-embedding-3-small": "nomic-embed-text",
}
NAMES = ModelNames(ALIASES)


@pytest.mark.parametrize("name", ["auto", "auto:latest", "Auto", "AUTO:latest", "library/auto"])
def test_auto_leaves_the_choice_to_orch(name: str) -> None:
    assert PLAIN.parse(name) == RequestedModel()


def test_a_variant_of_auto_is_understood_in_any_case() -> None:
    assert PLAIN.parse("Auto:Quality") == RequestedModel(profile="quality")
    assert PLAIN.is_auto("Auto:Coding")


@pytest.mark.parametrize("target", ["orch/auto:coding", "auto:coding:latest", "AUTO:Coding"])
def test_an_alias_may_stand_for_auto_in_any_spelling(target: str) -> None:
    assert ModelNames({"gpt-4o": target}).parse("gpt-4o").task_type is TaskType.CODING
    assert PLAIN.parse(target).task_type is TaskType.CODING


@pytest.mark.parametrize("task_type", TaskType)
def test_a_task_type_can_be_requested(task_type: TaskType) -> None:
    assert PLAIN.parse(f"auto:{task_type}") == RequestedModel(task_type=task_type)


def test_a_profile_and_a_loaded_model_can_be_requested() -> None:
    assert PLAIN.parse("auto:speed").profile == "speed"
    assert PLAIN.parse("auto:quality").profile == "quality"
    assert PLAIN.parse("auto:loaded") == RequestedModel(loaded=True)


@pytest.mark.parametrize("name", ["llama3.1:8b", "automatic", "ollama/auto", "Auto-7B"])
def test_any_other_name_pins_a_model(name: str) -> None:
    assert PLAIN.parse(name) == RequestedModel(model=name)


def test_an_unknown_variant_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(OrchError) as caught:
        PLAIN.parse("auto:nonsense")
    assert caught.value.code == "model_not_found"
    assert all(name in caught.value.hint for name in AUTO_NAMES)


def test_every_listed_name_is_understood() -> None:
    assert all(PLAIN.is_auto(name) for name in AUTO_NAMES)


@pytest.mark.parametrize("name", ["orch/auto", "ORCH/Auto", "orch/auto:latest"])
def test_the_name_of_this_program_may_precede_auto(name: str) -> None:
    assert PLAIN.parse(name) == RequestedModel()
    assert PLAIN.parse(f"orch/{AUTO_NAMES[1]}").task_type is TaskType(AUTO_NAMES[1][5:])


def test_a_provider_called_orch_keeps_its_models() -> None:
    behind = ModelNames(ALIASES, ["orch"])
    assert behind.parse("orch/auto") == RequestedModel(model="orch/auto")
    assert behind.parse("orch/gpt-4o") == RequestedModel(model="orch/gpt-4o")


@pytest.mark.parametrize(
    ("name", "requested"),
    [
        ("gpt-4o", RequestedModel()),
        ("GPT-4o:latest", RequestedModel()),
        ("orch/gpt-4o", RequestedModel()),
        ("claude-sonnet-4-5", RequestedModel(task_type=TaskType.CODING)),
        ("o3-mini", RequestedModel(profile="quality")),
        ("Text-Embedding-3-Small", RequestedModel(model="nomic-embed-text")),
        ("gpt-4o-mini", RequestedModel(model="gpt-4o-mini")),
    ],
)
def test_an_alias_stands_for_its_target_in_any_case(name: str, requested: RequestedModel) -> None:
    assert NAMES.parse(name) == requested


def test_a_task_is_given_what_its_model_name_requests() -> None:
    task = NAMES.with_request(Task(text="hi", model="claude-sonnet-4-5"))
    assert (task.model, task.task_type, task.may_fall_back) == (None, TaskType.CODING, True)
    assert NAMES.with_request(Task(text="hi", model="auto:loaded")).loaded
    assert NAMES.with_request(task) is task


def test_a_task_keeps_its_own_type_profile_and_dial() -> None:
    typed = Task(text="hi", model="claude-sonnet-4-5", task_type=TaskType.WRITING)
    assert NAMES.with_request(typed).task_type is TaskType.WRITING
    assert NAMES.with_request(Task(text="hi", model="o3-mini", profile="speed")).profile == "speed"
    assert NAMES.with_request(Task(text="hi", model="o3-mini", dial=2)).profile == "balanced"
