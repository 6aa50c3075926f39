"""LM Studio's lists: every field, in every type."""

from __future__ import annotations

from typing import Any

import pytest

from orch.providers.installed_models import InstalledModel
from orch.providers.lmstudio.lists import (
    Instance,
    instance_for,
    parse_instances,
    parse_v0,
    parse_v1,
)
from tests.support.fake_lmstudio import EMBEDDER, GEMMA, MODELS, QWEN, FakeLMStudio
from tests.support.server_lists import FORMS


def listed(**loaded: int) -> dict[str, InstalledModel]:
    server = FakeLMStudio(**loaded)
    return {each.item.name: each.item for each in parse_v1(server.answers[MODELS])}


def test_each_field_of_a_model() -> None:
    model = listed(qwen=16_384)[QWEN]
    assert (model.resident, model.resident_ctx, model.context_window) == (True, 16_384, 40_960)
    assert (model.size_bytes, model.parameters_b, model.quantization) == (
        4_700_000_000,
        8,
        "Q4_K_M",
    )
    assert (model.capabilities, model.untold) == (("completion", "tools"), ("thinking",))
    assert (model.slots, model.status, model.family) == (4, "loaded", "qwen3")


def test_a_model_that_is_not_loaded() -> None:
    model = listed()[GEMMA]
    assert (model.resident, model.resident_ctx, model.slots) == (False, None, None)
    assert (model.capabilities, model.status) == (("completion", "vision"), "unloaded")
    assert model.context_window == 131_072


@pytest.mark.parametrize(
    ("name", "is_foreign"),
    [
        (QWEN, False),
        (f"{QWEN}:2", False),
        (f"{QWEN}:two", True),
        (f"{QWEN}:", True),
        ("2", True),
        ("mine", True),
    ],
)
def test_an_instance_of_another_name_is_another_programs(name: str, is_foreign: bool) -> None:
    assert Instance(name).is_foreign(QWEN) is is_foreign
    server = FakeLMStudio()
    server.add_instance(QWEN, 4_096, name)
    (model,) = (each.item for each in parse_v1(server.answers[MODELS]) if each.item.name == QWEN)
    assert (model.foreign, model.context_window) == (is_foreign, 4_096 if is_foreign else 40_960)


def test_an_embedder_is_one() -> None:
    assert listed()[EMBEDDER].capabilities == ("embedding",)


def test_a_decision_model_is_not_for_chat() -> None:
    (model,) = parse_v1({"models": [{"key": "jev", "type": "decision"}]})
    assert model.item.capabilities == ("decision",)


@pytest.mark.parametrize("wrong", [None, 7, -1, 1e30, "x", [], {}, [[]], True])
def test_fields_of_other_types_are_unknown(wrong: Any) -> None:
    keys = ("type", "size_bytes", "params_string", "max_context_length", "capabilities", "format")
    more = ("quantization", "architecture", "publisher")
    entry = {"key": "m", "loaded_instances": "?", **dict.fromkeys((*keys, *more), wrong)}
    (model,) = parse_v1({"models": [entry]})
    unknown = InstalledModel("m", resident=None)
    size = 7 if wrong == 7 else 0
    window = 7 if wrong == 7 else None
    assert model.item._replace(family="") == unknown._replace(
        size_bytes=size, context_window=window
    )


@pytest.mark.parametrize("answer", [{}, {"models": None}, {"models": {}}, {"models": "x"}])
def test_an_answer_without_a_list_is_an_error(answer: Any) -> None:
    with pytest.raises(TypeError):
        parse_v1(answer)
    with pytest.raises(TypeError):
        parse_v0(answer)


def test_the_older_list_names_no_instances() -> None:
    models = parse_v0(FORMS["lmstudio"]["/api/v0/models"])
    assert [each.instances for each in models] == [
        (),
        (Instance("llama-3.1-8b-instruct", 8_192),),
        (),
    ]


def test_instances_of_any_type_are_read_within_bounds() -> None:
    assert parse_instances(None) == parse_instances([7, {}, {"id": ""}, {"id": ["x"]}]) == ()
    config = {"context_length": -4, "parallel": "many"}
    assert parse_instances([{"id": "a", "config": config}, {"id": "b", "config": 3}]) == (
        Instance("a"),
        Instance("b"),
    )
    assert len(parse_instances([{"id": f"m{n}"} for n in range(10_000)])) == 100


def test_a_request_goes_to_an_instance_that_holds_it() -> None:
    short, long = Instance("m", 4_096), Instance("m:2", 32_768)
    assert instance_for("m", (long, short), 2_048) == short
    assert instance_for("m", (long, short), 8_192) == long
    assert instance_for("m", (long, short), 65_536) is None
    assert instance_for("m", (Instance("own"),), 65_536) == Instance("own")
    assert instance_for("m", (), None) is None
