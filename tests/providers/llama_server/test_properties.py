"""What llama-server tells of a running model: half of it, lies, other types."""

from __future__ import annotations

from typing import Any

import pytest

from orch.providers.llama_server.properties import (
    ServerProps,
    SlotUse,
    parse_props,
    parse_slots,
)

PROPS: dict[str, Any] = {
    "default_generation_settings": {"n_ctx": 4096, "params": {}},
    "total_slots": 3,
    "modalities": {"vision": True, "audio": False},
    "chat_template": "{% if enable_thinking %}",
    "chat_template_caps": {"supports_tools": True, "supports_tool_calls": True},
    "build_info": "b10488-abc",
    "is_sleeping": False,
}


def test_a_whole_answer_is_read() -> None:
    props = parse_props(PROPS)
    assert (props.num_ctx, props.slots, props.version) == (4096, 3, "b10488-abc")
    assert set(props.capabilities or ()) == {"completion", "tools", "thinking", "vision"}
    assert (props.untold, props.is_sleeping, props.is_router) == ((), False, False)


def test_a_router_tells_how_many_models_it_keeps() -> None:
    router = {"role": "router", "max_instances": 4, "default_generation_settings": {"n_ctx": 0}}
    props = parse_props(router)
    assert (props.is_router, props.max_loaded, props.num_ctx) == (True, 4, None)
    assert parse_props(router | {"max_instances": -1}).max_loaded is None


@pytest.mark.parametrize("value", [None, 5, "x", [], [1], {}, {"n_ctx": {}}, -3, 1e300, True])
def test_any_field_may_have_any_type(value: Any) -> None:
    for name in PROPS:
        props = parse_props(PROPS | {name: value})
        assert props.num_ctx in (None, 4096)
        assert props.slots in (None, 3, 5)
    assert parse_props(dict.fromkeys(PROPS, value)).num_ctx is None


def test_an_empty_answer_tells_nothing() -> None:
    assert parse_props({}) == ServerProps()


def test_a_server_without_template_caps_is_silent_about_tools_and_thinking() -> None:
    props = parse_props({"modalities": {"vision": False}})
    assert props.capabilities == ("completion",)
    assert set(props.untold) == {"thinking", "tools"}


def test_a_server_that_names_no_modalities_is_silent_about_images() -> None:
    props = parse_props({"chat_template_caps": {"supports_tools": False}})
    assert (props.capabilities, props.untold) == (("completion",), ("vision",))


@pytest.mark.parametrize(
    ("caps", "template", "thinks"),
    [
        ({"supports_tools": True}, "plain", False),
        ({"supports_reasoning_effort": True}, "plain", True),
        ({"supports_tools": True}, "a <think> b", True),
        ({"supports_tools": True}, 5, False),
    ],
)
def test_a_model_thinks_if_its_template_has_a_place_for_it(
    caps: Any, template: Any, thinks: bool
) -> None:
    props = parse_props({"chat_template_caps": caps, "chat_template": template})
    assert ("thinking" in (props.capabilities or ())) is thinks


def test_busy_slots_are_counted() -> None:
    assert parse_slots([{"is_processing": True}, {"is_processing": False}]) == SlotUse(2, 1)


@pytest.mark.parametrize(
    "value", [None, {}, [], "busy", [1, 2], [{"is_processing": "yes"}], [{}], [{}] * 20_000]
)
def test_no_list_of_slots_is_none(value: Any) -> None:
    assert parse_slots(value) is None
