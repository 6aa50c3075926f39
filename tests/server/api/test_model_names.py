"""Model names of the endpoint: what each requests."""

from __future__ import annotations

import pytest

from orch.errors import OrchError
from orch.server.api.model_names import AUTO_NAMES, RequestedModel, is_auto, parse_model_name
from orch.types import TaskType


@pytest.mark.parametrize("name", ["auto", "auto:latest", "Auto", "AUTO:latest", "library/auto"])
def test_auto_leaves_the_choice_to_orch(name: str) -> None:
    assert parse_model_name(name) == RequestedModel()


def test_a_variant_of_auto_is_understood_in_any_case() -> None:
    assert parse_model_name("Auto:Quality") == RequestedModel(profile="quality")
    assert is_auto("Auto:Coding")
    assert not is_auto("auto:1b")


@pytest.mark.parametrize("task_type", TaskType)
def test_a_task_type_can_be_requested(task_type: TaskType) -> None:
    assert parse_model_name(f"auto:{task_type}") == RequestedModel(task_type=task_type)


def test_a_profile_and_a_loaded_model_can_be_requested() -> None:
    assert parse_model_name("auto:speed").profile == "speed"
    assert parse_model_name("auto:quality").profile == "quality"
    assert parse_model_name("auto:loaded") == RequestedModel(loaded=True)


@pytest.mark.parametrize("name", ["llama3.1:8b", "automatic", "ollama/auto", "Auto-7B"])
def test_any_other_name_pins_a_model(name: str) -> None:
    assert parse_model_name(name) == RequestedModel(model=name)


def test_an_unknown_variant_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(OrchError) as caught:
        parse_model_name("auto:nonsense")
    assert caught.value.code == "model_not_found"
    assert all(name in caught.value.hint for name in AUTO_NAMES)


def test_every_listed_name_is_understood() -> None:
    assert all(parse_model_name(name).model is None for name in AUTO_NAMES)
