"""Entries of `/v1/models`: what each kind of server tells in its own."""

from __future__ import annotations

from typing import Any

import pytest

from orch.providers.installed_models import InstalledModel
from orch.providers.model_lists.entries import parse_entries, parse_entry
from tests.support.server_lists import FORMS


def listed(form: str, at: int = 0) -> InstalledModel:
    return parse_entries(FORMS[form]["/v1/models"]["data"])[at]


def test_vllm_lists_what_it_has_loaded_with_its_context() -> None:
    base, adapter = listed("vllm"), listed("vllm", 1)
    assert (base.resident, base.context_window) == (True, 32_768)
    assert (adapter.resident, adapter.context_window) == (True, 32_768)
    assert base.capabilities is None


def test_sglang_lists_what_it_has_loaded_with_its_context() -> None:
    model = listed("sglang")
    assert (model.resident, model.context_window) == (True, 16_384)


def test_tgi_lists_what_it_has_loaded() -> None:
    assert (listed("tgi").resident, listed("tgi").context_window) == (True, None)


def test_lm_studio_tells_names_alone_by_openais_api() -> None:
    assert listed("lmstudio") == InstalledModel("qwen2-vl-7b-instruct", resident=None)


def test_lm_studios_own_list_has_state_context_and_type() -> None:
    vision, text, embeds = parse_entries(FORMS["lmstudio"]["/api/v0/models"]["data"])
    assert (vision.resident, vision.context_window, vision.resident_ctx) == (False, 32_768, None)
    assert vision.capabilities == ("completion", "vision")
    assert (text.resident, text.context_window, text.resident_ctx) == (True, 131_072, 8_192)
    assert (text.quantization, text.family, text.status) == ("Q4_K_M", "llama", "loaded")
    assert text.capabilities == ("completion", "tools")
    assert embeds.capabilities == ("embedding",)


def test_lemonade_tells_sizes_in_gigabytes_and_what_each_is_made_for() -> None:
    chat, vision, image, cloud = parse_entries(FORMS["lemonade"]["/v1/models"]["data"])
    assert (chat.size_bytes, chat.context_window, chat.resident) == (380_000_000, 8_192, None)
    assert chat.capabilities == ("completion", "thinking")
    assert vision.capabilities == ("completion", "vision")
    assert (image.capabilities, image.size_bytes) == (("image",), 5_200_000_000)
    assert cloud.remote_host == "fireworks"


def test_llamacpps_server_tells_parameters_and_size() -> None:
    model = listed("llamacpp")
    assert (model.parameters_b, model.size_bytes) == (8.030261312, 4_912_898_048)
    assert (model.context_window, model.resident) == (131_072, None)


def test_a_gateway_tells_context_modalities_and_parameters_of_requests() -> None:
    model = listed("openrouter")
    assert (model.context_window, model.resident) == (65_536, None)
    assert (model.capabilities, model.untold) == (("completion", "thinking", "vision"), ())


@pytest.mark.parametrize("form", ["localai", "tabby", "koboldcpp", "mlx", "omlx", "ollama"])
def test_other_lists_have_names_alone(form: str) -> None:
    name = FORMS[form]["/v1/models"]["data"][0]["id"]
    assert listed(form) == InstalledModel(name, resident=None)


@pytest.mark.parametrize(
    ("state", "status", "resident"),
    [
        ({"status": {"value": "loaded"}}, "loaded", True),
        ({"status": {"value": "unloaded"}}, "unloaded", False),
        ({"status": {"value": "unloaded", "failed": True, "exit_code": 1}}, "failed", False),
        ({"status": {"value": "sleeping"}}, "sleeping", False),
        ({"status": "downloading"}, "downloading", False),
        ({"state": "not-loaded"}, "unloaded", False),
        ({"state": "ready"}, "loaded", True),
        ({"state": "starting"}, "loading", False),
        ({"loaded": True}, "", True),
        ({"loaded": False}, "", False),
        ({"loaded": "yes"}, "", None),
        ({"status": "ok"}, "", None),
        ({"state": ["loaded"]}, "", None),
        ({}, "", None),
    ],
)
def test_whether_a_model_is_loaded(state: Any, status: str, resident: bool | None) -> None:
    model = parse_entry({"id": "m", **state})
    assert (model.status, model.resident) == (status, resident)


@pytest.mark.parametrize("wrong", [None, "many", -1, 0, 1e30, [], {}, True, "9" * 400, [[[]]]])
def test_values_of_other_types_and_absurd_ones_are_unknown(wrong: Any) -> None:
    keys = (
        *("max_model_len", "context_length", "size", "size_bytes", "parameters", "meta"),
        *("n_params", "loaded_context_length", "top_provider", "details", "arch", "quantization"),
        *("owned_by", "created", "parent", "status", "state", "recipe"),
    )
    model = parse_entries([{"id": "m", **dict.fromkeys(keys, wrong)}])[0]
    expected = InstalledModel("m", resident=None)
    assert model._replace(family="", quantization="") == expected


def test_digits_in_strings_are_numbers() -> None:
    model = parse_entry({"id": "m", "max_model_len": "8192", "size": "4912898048"})
    assert (model.context_window, model.size_bytes) == (8_192, 4_912_898_048)
