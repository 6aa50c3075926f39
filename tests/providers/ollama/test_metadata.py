"""Ollama's model metadata, parsed from `/api/tags`, `/api/ps` and `/api/show`."""

from __future__ import annotations

from typing import Any

import pytest

from orch.providers.ollama.metadata import LoadedModels, parse_installed, parse_model_info

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
