"""The lists of models of llama-server and llama-swap: whole, half, and with lies."""

from __future__ import annotations

from typing import Any

import pytest

from orch.providers.installed_models import InstalledModel
from orch.providers.llama_server.listing import (
    LaunchArguments,
    has_states,
    is_llama_server,
    is_swap,
    parse_arguments,
    parse_models,
)

META = {"n_ctx": 1024, "n_ctx_train": 8192, "n_params": 134_515_008, "size": 96_576_768}
ALONE: dict[str, Any] = {"id": "smol", "owned_by": "llamacpp", "meta": META}
ARGS = ["llama-server", "--ctx-size", "16384", "--model", "/models/a.gguf", "--parallel", "2"]


def routed(status: Any, **more: Any) -> dict[str, Any]:
    """An entry of a router's list."""
    return {"id": "m", "owned_by": "llamacpp", "status": status} | more


def one(entry: dict[str, Any]) -> InstalledModel:
    [listed] = parse_models([entry])
    return listed.model


def test_the_model_of_a_server_alone_is_loaded() -> None:
    model = one(ALONE)
    assert (model.resident, model.status, model.resident_ctx) == (True, "loaded", 1024)
    assert (model.size_bytes, model.context_window) == (96_576_768, 1024)
    assert model.parameters_b == pytest.approx(0.1345, abs=0.001)


def test_a_server_alone_that_has_no_metadata_yet_is_loading() -> None:
    model = one(ALONE | {"meta": None})
    assert (model.resident, model.status, model.size_bytes) == (False, "loading", 0)


@pytest.mark.parametrize(
    ("status", "word", "resident"),
    [
        ({"value": "loaded"}, "loaded", True),
        ({"value": "sleeping"}, "sleeping", False),
        ({"value": "loading"}, "loading", False),
        ({"value": "downloading", "progress": {}}, "downloading", False),
        ({"value": "unloaded"}, "unloaded", False),
        ({"value": "unloaded", "failed": True, "exit_code": 1}, "failed", False),
        ({"value": "melted"}, "", None),
        ({"value": 5}, "", None),
        ({}, "", None),
        ("loaded", "", None),
        (None, "", None),
    ],
)
def test_a_state_is_known_by_the_routers_word(status: Any, word: str, resident: Any) -> None:
    model = one(routed(status))
    assert (model.status, model.resident) == (word, resident)


def test_a_failed_load_has_its_exit_code() -> None:
    status = {"value": "unloaded", "failed": True, "exit_code": 134}
    assert parse_models([routed(status)])[0].exit_code == 134
    assert parse_models([routed(status | {"exit_code": "x"})])[0].exit_code is None


def test_what_an_unloaded_model_will_have_is_read_from_its_arguments() -> None:
    status = {"value": "unloaded", "args": ARGS}
    [listed] = parse_models([routed(status, architecture={"input_modalities": ["text"]})])
    assert listed.path == "/models/a.gguf"
    assert (listed.model.context_window, listed.model.slots) == (8192, 2)
    assert (listed.model.resident_ctx, listed.model.size_bytes) == (None, 0)
    assert listed.model.capabilities == ("completion",)
    assert set(listed.model.untold) == {"thinking", "tools"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--ctx-size", "4096"], LaunchArguments(num_ctx=4096)),
        (["-c", "4096", "-np", "4"], LaunchArguments(num_ctx=1024, slots=4)),
        (["-c", "4096", "-np", "4", "-kvu"], LaunchArguments(num_ctx=4096, slots=4)),
        (["-c", "4096", "-np", "-1"], LaunchArguments(num_ctx=4096)),
        (["-c", "0"], LaunchArguments()),
        (["-c", "1", "-np", "4"], LaunchArguments(slots=4)),
        (["-c"], LaunchArguments()),
        (["--embeddings"], LaunchArguments(capabilities=("embedding",))),
        (["--reranking", "--embeddings"], LaunchArguments(capabilities=())),
        ([5, None, "-c", "64"], LaunchArguments(num_ctx=64)),
        (None, LaunchArguments()),
        ("-c 4096", LaunchArguments()),
    ],
    ids=str,
)
def test_arguments(arguments: Any, expected: LaunchArguments) -> None:
    assert parse_arguments(arguments) == expected


@pytest.mark.parametrize("value", [None, 5, "x", [], {}, {"value": []}, -1, 1e300, float("nan")])
def test_any_field_may_have_any_type(value: Any) -> None:
    whole = routed({"value": "loaded", "args": ARGS}, meta=META, architecture={}, capabilities={})
    for name in ("status", "meta", "architecture", "capabilities", "owned_by", "context_length"):
        model = one(whole | {name: value})
        assert model.size_bytes in (0, META["size"])
    for name in META:
        model = one(ALONE | {"meta": META | {name: value}})
        assert model.context_window in (None, 5, 1024)


def test_a_lie_about_the_size_is_no_size() -> None:
    assert one(ALONE | {"meta": META | {"size": 10**30}}).size_bytes == 0
    assert one(ALONE | {"meta": META | {"n_ctx": 10**12}}).context_window is None


# ---------------------------------------------------------------- llama-swap


def swapped(kind: str, **more: Any) -> dict[str, Any]:
    """An entry of llama-swap's list."""
    own = {"llamaswap": {"type": kind, "peerID": "lab"}}
    return {
        "id": "m",
        "owned_by": "llama-swap",
        "status": {"value": "unloaded"},
        "meta": own,
    } | more


def test_a_peers_model_runs_elsewhere_and_nobody_says_whether_it_is_loaded() -> None:
    model = one(swapped("peer"))
    assert (model.remote_host, model.resident, model.status) == ("lab", None, "")
    nameless = swapped("peer") | {"meta": {"llamaswap": {"type": "peer", "peerID": "a\nb"}}}
    assert one(nameless).remote_host == "another machine"


@pytest.mark.parametrize("kind", ["alias", "selector", "profile"])
def test_another_name_of_a_model_is_no_model(kind: str) -> None:
    assert parse_models([swapped(kind)]) == []


def test_llama_swap_tells_context_and_capabilities_where_they_are_configured() -> None:
    model = one(
        swapped(
            "model",
            context_length=32768,
            architecture={"input_modalities": ["text", "image"]},
            capabilities={"vision": True, "function_calling": True},
        )
    )
    assert (model.context_window, model.untold) == (32768, ("thinking",))
    assert set(model.capabilities or ()) == {"completion", "vision", "tools"}
    assert one(swapped("model")).capabilities is None
    assert one(swapped("model", capabilities={"reranker": True})).capabilities == ()


def test_a_list_is_recognised_by_its_owner() -> None:
    assert is_llama_server([ALONE])
    assert is_llama_server([{"id": "a"}, swapped("model")])
    assert not is_llama_server([{"id": "a", "owned_by": ["llamacpp"]}, {"id": "b"}])
    assert (is_swap([ALONE]), is_swap([swapped("model")])) == (False, True)
    assert (has_states([ALONE]), has_states([routed({"value": "loaded"})])) == (False, True)
