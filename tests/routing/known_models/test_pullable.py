"""The models that can be pulled: each fact has a source, and the context's memory is what the
layers take."""

from __future__ import annotations

import re

import pytest

from orch.routing.known_models.model_list import load_shipped
from orch.routing.known_models.pullable import (
    BATCH_TOKENS,
    BUFFERS,
    PullableModel,
    find_pullable,
    load_content,
    pullable_models,
)

MODELS = pullable_models()
SOURCE = re.compile(r"https://\S+|(?P<name>[\w-]+):(?P<path>[\w./-]+)")


def by_tag(tag: str) -> PullableModel:
    found = find_pullable(tag)
    assert found is not None
    return found


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.tag)
def test_each_model_has_a_source_for_its_size_and_one_for_its_context(model: PullableModel) -> None:
    named = [SOURCE.fullmatch(source) for source in model.sources]
    names = [match and match["name"] for match in named]
    assert all(named)
    assert names[0] == "ollama-gallery"
    assert len(names) > 1
    assert {name for name in names if name} <= set(load_content()["sources"])


def test_each_source_names_its_commit_its_date_and_its_licence() -> None:
    for source in load_content()["sources"].values():
        assert re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", source["url"])
        assert re.fullmatch(r"[0-9a-f]{40}", source["commit"])
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", source["date"])
        assert source["licence"]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.tag)
def test_each_tag_is_one_of_the_known_model_with_scores(model: PullableModel) -> None:
    known = {entry["name"]: entry for entry in load_shipped()["models"]}[model.model]
    assert model.tag in known["ollama"]
    assert known["modes"]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.tag)
def test_sizes_are_those_of_four_to_eleven_bits_a_weight(model: PullableModel) -> None:
    known = {entry["name"]: entry for entry in load_shipped()["models"]}[model.model]
    bits = model.size_bytes * 8 / (known["params_b"] * 1e9)
    assert 4 <= bits <= 11.5
    assert model.context >= 16_000


def test_no_tag_stands_twice() -> None:
    assert len({model.tag for model in MODELS}) == len(MODELS) > 50


def test_a_tag_is_found_however_it_is_spelled() -> None:
    assert find_pullable("library/Qwen3:8B") == by_tag("qwen3:8b")
    assert find_pullable("qwen3:8b-of-someone") is None


def test_the_context_of_full_layers_grows_with_its_tokens() -> None:
    # 36 layers, 8 heads of 128 numbers, keys and values of two bytes each
    assert by_tag("qwen3:8b").kv_bytes(1) == 36 * 8 * 128 * 2 * 2
    assert by_tag("qwen3:8b").kv_bytes(8192) == 8192 * by_tag("qwen3:8b").kv_bytes(1)


def test_a_sliding_layer_keeps_its_window_and_one_batch() -> None:
    model = PullableModel("a", "a", 10**9, 10**6, ((1, 1, 100, 512), (1, 1, 100)))
    kept = 512 + BATCH_TOKENS
    assert model.kv_bytes(100) == 2 * 100 * 400
    assert model.kv_bytes(10_000) == (kept + 10_000) * 400


def test_memory_is_weights_with_buffers_and_context() -> None:
    model = by_tag("qwen3:8b")
    assert model.memory_bytes(4096) == int(model.size_bytes * BUFFERS) + model.kv_bytes(4096)
