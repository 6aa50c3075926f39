"""Ollama's model metadata, parsed from `/api/tags`, `/api/ps` and `/api/show`."""

from __future__ import annotations

from typing import Any

import pytest

from orch.providers.ollama.metadata import LoadedModels, parse_installed, parse_model_info

COUNT = "general.parameter_count"
DENSE: dict[str, Any] = {
    "general.architecture": "llama",
    "general.parameter_count": 8_030_000_000,
    "llama.context_length": 131_072,
    "llama.block_count": 32,
    "llama.embedding_length": 4096,
    "llama.attention.head_count": 32,
    "llama.attention.head_count_kv": 8,
}


def test_a_loaded_model_has_its_size_and_context() -> None:
    entry = {"name": "a:8b", "digest": "d1", "size": 5, "details": {"family": "llama"}}
    running = {"name": "alias:8b", "digest": "sha256:d1", "size": 9, "context_length": 4096}
    model = parse_installed(entry, LoadedModels([running], {"d1"}).entry_of(entry))
    assert (model.resident, model.resident_ctx, model.resident_bytes) == (True, 4096, 9)
    assert (model.name, model.size_bytes, model.family) == ("a:8b", 5, "llama")


def test_a_loaded_model_without_a_digest_is_found_by_its_name() -> None:
    loaded = LoadedModels([{"name": "a"}], {"d1"})
    assert loaded.entry_of({"name": "a:latest", "digest": "d1"}) == {"name": "a"}
    assert loaded.entry_of({"name": "b", "digest": "d2"}) is None


def test_kv_bytes_are_those_of_the_key_value_heads() -> None:
    # 32 layers x 8 KV heads x (128 + 128) x 2 bytes
    assert parse_model_info({"model_info": DENSE}).kv_bytes_per_token == 131_072


@pytest.mark.parametrize("missing", ["llama.block_count", "llama.embedding_length"])
def test_kv_bytes_are_unknown_without_the_fields(missing: str) -> None:
    facts = {name: value for name, value in DENSE.items() if name != missing}
    assert parse_model_info({"model_info": facts}).kv_bytes_per_token is None


def test_experts_that_a_token_does_not_use_are_not_active_parameters() -> None:
    experts = {
        "llama.expert_count": 8,
        "llama.expert_used_count": 2,
        "llama.expert_feed_forward_length": 1000,
    }
    info = parse_model_info({"model_info": {**DENSE, **experts}})
    idle = 32 * 3 * 4096 * 1000 * 6
    assert info.active_b == pytest.approx((8_030_000_000 - idle) / 1e9)
    assert parse_model_info({"model_info": DENSE}).active_b is None


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("num_ctx    8192", 8192),
        ("stop  x\nnum_ctx 1\nnum_ctx 2", 2),
        ("num_ctx", None),
        ("num_ctx many", None),
        ("num_ctx 0", None),
        (f"num_ctx {'9' * 5_000}", None),
        ("", None),
    ],
)
def test_the_last_num_ctx_of_a_modelfile_counts(parameters: str, expected: int | None) -> None:
    assert parse_model_info({"parameters": parameters}).num_ctx == expected


def test_words_of_any_type_do_not_fail() -> None:
    info = parse_model_info(
        {"model_info": {"general.basename": 5, "general.size_label": "8B\n\x1b[31m"}}
    )
    assert (info.basename, info.size_label.startswith("8B")) == ("", True)


@pytest.mark.parametrize(
    ("template", "closes"),
    [
        ("{{ range .Messages }}{{ .Role }}{{ .Content }}<end>{{ end }}", True),
        ("{{ range $i, $_ := .Messages }}{{ eq (len (slice $.Messages $i)) 1 }}{{ end }}", False),
        ("{{ .System }}{{ .Prompt }}{{ .Response }}", False),
        ("{{ .Prompt }}", False),
        ("", False),
        (None, False),
        (7, False),
    ],
)
def test_a_template_that_ends_every_answer_is_told(template: object, closes: bool) -> None:
    assert parse_model_info({"template": template}).closes_answers is closes


NEW_TAG: dict[str, Any] = {
    "name": "a:8b",
    "digest": "d1",
    "size": 5,
    "details": {"family": "llama", "context_length": 131_072, "embedding_length": 4_096},
    "capabilities": ["completion", "tools"],
}


def test_lists_of_new_versions_tell_capabilities_and_window() -> None:
    model = parse_installed(NEW_TAG, None)
    assert (model.capabilities, model.context_window) == (("completion", "tools"), 131_072)
    old = parse_installed({"name": "a", "digest": "d", "details": {}}, None)
    assert (old.capabilities, old.context_window, old.needs_info) == (None, None, True)


def test_a_model_that_generates_no_text_needs_no_more_than_the_list() -> None:
    embedder = {**NEW_TAG, "capabilities": ["embedding"]}
    assert [parse_installed(tag, None).needs_info for tag in (NEW_TAG, embedder)] == [True, False]


def test_how_much_of_a_loaded_model_is_on_gpus_is_told() -> None:
    loaded = {"name": "a:8b", "digest": "d1", "size": 9}
    assert parse_installed(NEW_TAG, {**loaded, "size_vram": 7}).vram_bytes == 7
    assert parse_installed(NEW_TAG, {**loaded, "size_vram": 0}).vram_bytes == 0
    assert parse_installed(NEW_TAG, loaded).vram_bytes is None


def test_nobody_knows_what_is_loaded_where_the_list_of_loaded_models_failed() -> None:
    loaded = LoadedModels(None, {"d1"})
    assert (loaded.is_known, loaded.entry_of(NEW_TAG)) == (False, None)
    assert parse_installed(NEW_TAG, None, is_known=False).resident is None
    assert parse_installed(NEW_TAG, None).resident is False


@pytest.mark.parametrize("value", [None, "x", -1, 1.5, [], {}, True])
def test_a_field_of_another_type_is_unknown(value: Any) -> None:
    tag = {**NEW_TAG, "size": value, "details": value, "capabilities": value}
    loaded = {"name": "a:8b", "size": value, "size_vram": value, "context_length": value}
    model = parse_installed(tag, loaded)
    assert model[2:5] == (0, "", "")
    assert (model.resident_ctx, model.resident_bytes, model.vram_bytes) == (None, 0, None)
    assert (model.capabilities, model.context_window) == (None, None)
    info = parse_model_info({"model_info": value, "details": value, "parameters": value})
    assert (info.context_window, info.kv_bytes_per_token, info.num_ctx) == (None, None, None)


@pytest.mark.parametrize("lie", [10**400, 10**18, float("inf"), float("nan"), -1.0])
def test_a_number_that_no_model_has_is_unknown(lie: float) -> None:
    assert parse_model_info({"model_info": DENSE | {COUNT: lie}}).parameters_b is None
    model = parse_installed({"name": "a", "size": lie}, {"size": lie, "context_length": lie})
    assert (model.size_bytes, model.resident_bytes, model.resident_ctx) == (0, 0, None)


def test_the_window_of_sliding_layers_is_told_beside_the_bytes_per_token() -> None:
    facts = {name.replace("llama", "gemma2"): value for name, value in DENSE.items()}
    info = parse_model_info({"model_info": {**facts, "general.architecture": "gemma2"}})
    assert (info.kv_bytes_per_token, info.kv_window_bytes) == (65_536, 65_536)
    assert info.kv_window_tokens == 4_608
