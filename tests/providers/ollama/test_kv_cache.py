"""The KV cache of a model by the metadata of its file: dense, hybrid, latent, with a sliding
window."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.providers.ollama.kv_cache import MOST_LAYERS, KvCache, kv_cache
from orch.providers.read_limits import positive_int

DENSE: dict[str, Any] = {
    "block_count": 32,
    "embedding_length": 4_096,
    "attention.head_count": 32,
    "attention.head_count_kv": 8,
}
LENGTHS = {"attention.key_length": 256, "attention.value_length": 256}


def cache_of(arch: str = "llama", /, **facts: Any) -> KvCache | None:
    """The cache of a dense model of that architecture with other facts; None takes one away."""
    named = {**DENSE, **facts}
    return kv_cache({f"{arch}.{name}": value for name, value in named.items()}, arch)


def test_a_dense_model_keeps_key_and_value_of_every_layer() -> None:
    # 32 layers x 8 heads x (128 + 128) x 2 bytes
    assert cache_of() == KvCache(131_072)


def test_the_figure_is_that_of_llama_cpps_log() -> None:
    # SmolLM2 135M in Ollama 0.32.15: "llama_kv_cache: size = 180.00 MiB (8192 cells, 30 layers"
    facts = {"block_count": 30, "embedding_length": 576}
    heads = {"attention.head_count": 9, "attention.head_count_kv": 3}
    cache = cache_of(**facts, **heads)
    assert cache is not None
    assert cache.bytes_per_token * 8_192 == 180 << 20


def test_sliding_layers_have_the_cells_of_llama_cpps_log() -> None:
    # Gemma 2 with six layers of random numbers in llama-server b10488 at 8,192: "size = 12.00 MiB
    # (8192 cells, 3 layers" and "size = 2.25 MiB (1536 cells, 3 layers"
    heads = {"attention.head_count": 4, "attention.head_count_kv": 2}
    lengths = {"attention.key_length": 64, "attention.value_length": 64}
    window = {"attention.sliding_window": 1_000}
    cache = cache_of("gemma2", block_count=6, embedding_length=128, **heads, **lengths, **window)
    assert cache is not None
    assert cache.window_tokens == 1_536
    assert cache.bytes_per_token * 8_192 == 12 << 20
    assert cache.window_bytes * cache.window_tokens == 2.25 * (1 << 20)


def test_layers_without_attention_keep_nothing() -> None:
    heads = [0, 0, 0, 8] * 8
    assert cache_of("jamba", **{"attention.head_count_kv": heads}) == KvCache(131_072 // 4)


def test_a_hybrid_that_names_an_interval_has_attention_in_one_layer_of_it() -> None:
    assert cache_of("qwen35", full_attention_interval=8) == KvCache(131_072 // 8)
    assert cache_of("qwen3next") == KvCache(131_072 // 4)
    recurrent = [True] * 30 + [False] * 2
    assert cache_of("x", **{"attention.recurrent_layers": recurrent}) == KvCache(131_072 // 16)


def test_layers_with_a_sliding_window_keep_the_window_and_a_batch() -> None:
    # of 26 layers every sixth keeps all
    gemma = {**LENGTHS, "block_count": 26, "attention.head_count_kv": 1}
    cache = cache_of("gemma3", **gemma, **{"attention.sliding_window": 512})
    assert cache == KvCache(4 * 1_024, 22 * 1_024, 1_024)


def test_the_file_says_which_layers_slide_where_it_does() -> None:
    window = {"attention.sliding_window": 1_000}
    pattern = {"attention.sliding_window_pattern": [True] * 31 + [False]}
    assert cache_of("gemma4", **window, **pattern) == KvCache(4_096, 31 * 4_096, 1_536)
    every = {"attention.sliding_window_pattern": 2}
    assert cache_of("any", **window, **every) == KvCache(65_536, 65_536, 1_536)


def test_a_window_that_llama_cpp_does_not_use_is_not_counted() -> None:
    assert cache_of("qwen2", **{"attention.sliding_window": 4_096}) == KvCache(131_072)


def test_sliding_layers_may_have_shorter_heads() -> None:
    short = {"attention.key_length_swa": 64, "attention.value_length_swa": 64}
    cache = cache_of("gptoss", **{"attention.sliding_window": 128}, **LENGTHS, **short)
    assert cache == KvCache(16 * 8 * 512 * 2, 16 * 8 * 128 * 2, 768)


def test_layers_that_share_an_earlier_ones_cache_have_none() -> None:
    assert cache_of("x", **{"attention.shared_kv_layers": 16}) == KvCache(65_536)
    assert cache_of("x", **{"attention.shared_kv_layers": 99}) == KvCache(4_096)


def test_latent_attention_keeps_the_key_alone() -> None:
    latent = {
        "attention.head_count_kv": 1,
        "attention.key_length": 576,
        "attention.value_length": 512,
        "attention.key_length_mla": 192,
        "attention.value_length_mla": 128,
    }
    assert cache_of("deepseek2", **latent) == KvCache(32 * 576 * 2)


@pytest.mark.parametrize(
    "facts",
    [
        {"block_count": None},
        {"block_count": 10**12},
        {"block_count": True},
        {"embedding_length": "wide"},
        {"attention.head_count": {}, "attention.head_count_kv": None},
        {"attention.head_count": [], "attention.head_count_kv": []},
    ],
)
def test_what_a_file_does_not_tell_is_unknown(facts: dict[str, Any]) -> None:
    assert cache_of(**facts) is None


NUMBERS = st.integers(-1, 300) | st.none() | st.text(max_size=2) | st.booleans() | st.floats()
VALUES = NUMBERS | st.lists(NUMBERS, max_size=40)
NAMES = (
    *DENSE,
    *LENGTHS,
    "attention.sliding_window",
    "attention.sliding_window_pattern",
    "attention.shared_kv_layers",
    "attention.recurrent_layers",
    "attention.key_length_swa",
    "attention.value_length_swa",
    "full_attention_interval",
)
ARCHS = st.sampled_from(["llama", "gemma3", "gemma3n", "gptoss", "qwen3next", "llama4", ""])


@settings(deadline=None)
@given(ARCHS, st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_fields_of_any_type_never_fail_nor_count_more_than_all_layers(
    arch: str, facts: dict[str, Any]
) -> None:
    cache = cache_of(arch, **facts)
    if cache is None:
        return
    named = {**DENSE, **facts}
    heads = [named["attention.head_count_kv"], named["attention.head_count"]]
    most = max(
        number
        for value in heads
        for each in (value if isinstance(value, list) else [value])
        if (number := positive_int(each))
    )
    width = max(
        number * 2
        for name in ("embedding_length", *LENGTHS)
        if (number := positive_int(named.get(name)))
    )
    layers = positive_int(named["block_count"]) or 0
    assert 0 <= cache.bytes_per_token + cache.window_bytes <= layers * most * width * 2
    assert layers <= MOST_LAYERS
