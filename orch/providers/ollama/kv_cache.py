"""Computes the KV cache of a model from the metadata of its GGUF file: bytes per token, and what
layers with a sliding window keep (pure).

The rules are those of llama.cpp b10488, which Ollama has run since 0.30 (src/llama-kv-cache.cpp,
llama-kv-cache-iswa.cpp, llama-hparams.cpp, src/models/*.cpp). Cache values count two bytes (f16),
the default of both: no list tells whether OLLAMA_KV_CACHE_TYPE or flash attention make them
smaller. Compared with logs at a context of 8,192: Ollama 0.32.15, 180 MiB for SmolLM2 135M;
llama-server b10488, 12.00 and 2.25 MiB for six layers of Gemma 2 with a window of 1,000.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from orch.providers.read_limits import positive_int

VALUE_BYTES = 2
MOST_LAYERS = 10_000
"""No model has a tenth of that; more is a fault of the file."""
_PERIODS = {
    "gemma2": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "gpt-oss": 2,
    "gptoss": 2,
    "cohere2": 4,
    "olmo2": 4,
    "exaone4": 4,
    "exaone-moe": 4,
    "plamo3": 8,
    "llama4": 4,
    "afmoe": 4,
}
"""One layer in so many sees the whole context, where the file does not say which (the `swa_period`
of src/models/*.cpp)."""
_WINDOWS = {"gemma2": 4_096, "llama4": 8_192}
"""Tokens of the window, where the file does not say."""
_INTERVALS = {"qwen3next": 4, "qwen35": 4, "qwen35moe": 4}
"""One layer in so many has attention at all; the others keep a state of fixed size."""
_SHARED_FROM = {"gemma3n": 20}
"""The layers behind this one use the cache of an earlier one."""
_BATCH, _PADDING = 512, 256
"""A window's cache holds one batch more (`n_ubatch`), rounded up."""


class KvCache(NamedTuple):
    """What a context takes: `bytes_per_token` of the layers that keep all of it, and
    `window_bytes` per token of those that keep the last `window_tokens` alone."""

    bytes_per_token: int
    window_bytes: int = 0
    window_tokens: int = 0


def kv_cache(facts: Mapping[str, Any], arch: str) -> KvCache | None:
    """The KV cache by `model_info` of `/api/show`; None where it does not say enough. A field of
    another type than llama.cpp's counts as missing."""
    layers = positive_int(facts.get(f"{arch}.block_count"))
    heads = _Layers(facts, arch, layers).heads() if layers and layers <= MOST_LAYERS else None
    if not layers or heads is None:
        return None
    size, window_size = _head_bytes(facts, arch, ""), _head_bytes(facts, arch, "_swa")
    if size is None:
        return None
    window = positive_int(facts.get(f"{arch}.attention.sliding_window")) or _WINDOWS.get(arch, 0)
    sliding = _sliding_layers(facts, arch, layers) if window else [False] * layers
    inside = sum(count for count, slides in zip(heads, sliding, strict=True) if slides)
    cells = -(-(window + _BATCH) // _PADDING) * _PADDING if inside else 0
    return KvCache((sum(heads) - inside) * size, inside * min(window_size or size, size), cells)


class _Layers:
    """The KV heads of each layer."""

    def __init__(self, facts: Mapping[str, Any], arch: str, count: int) -> None:
        self._facts, self._arch, self._count = facts, arch, count

    def heads(self) -> list[int] | None:
        """The heads that each layer caches: 0 for layers without attention, and for those that use
        the cache of an earlier one; None if unknown."""
        told = self._told("head_count_kv") or self._told("head_count")
        if told is None:
            return None
        for at, recurrent in enumerate(self._recurrent()):
            if recurrent:
                told[at] = 0
        return [*told[: self._own()], *[0] * (self._count - self._own())]

    def _told(self, name: str) -> list[int] | None:
        """A number for all layers, or one for each (hybrids have zeros in it)."""
        value = self._facts.get(f"{self._arch}.attention.{name}")
        if isinstance(value, list):
            numbers = [positive_int(each) or 0 for each in value[: self._count]]
            numbers += [max(numbers, default=0)] * (self._count - len(numbers))
            return numbers if any(numbers) else None
        number = positive_int(value)
        return [number] * self._count if number else None

    def _recurrent(self) -> list[bool]:
        told = self._facts.get(f"{self._arch}.attention.recurrent_layers")
        if isinstance(told, list):
            return [bool(each) for each in told[: self._count]]
        interval = positive_int(self._facts.get(f"{self._arch}.full_attention_interval"))
        interval = interval or _INTERVALS.get(self._arch)
        return [(at + 1) % interval != 0 for at in range(self._count)] if interval else []

    def _own(self) -> int:
        """How many of the first layers have a cache of their own."""
        shared = positive_int(self._facts.get(f"{self._arch}.attention.shared_kv_layers")) or 0
        return min(_SHARED_FROM.get(self._arch, self._count), max(self._count - shared, 1))


def _head_bytes(facts: Mapping[str, Any], arch: str, kind: str) -> int | None:
    """Bytes of key and value of one head and token. Multi-head latent attention (DeepSeek) caches
    the key alone, of which the value is a part."""
    lengths = f"{arch}.attention.key_length", f"{arch}.attention.value_length"
    key, value = (positive_int(facts.get(f"{name}{kind}")) for name in lengths)
    if not kind and not (key and value):
        width = positive_int(facts.get(f"{arch}.embedding_length"))
        heads = _most(facts.get(f"{arch}.attention.head_count"))
        own = width // heads if width and heads else None
        key, value = key or own, value or own
    if not (key and value):
        return None
    is_latent = all(positive_int(facts.get(f"{name}_mla")) for name in lengths)
    return (key if is_latent else key + value) * VALUE_BYTES


def _most(value: Any) -> int | None:
    """A number, or the largest of a list."""
    if isinstance(value, list):
        return max((positive_int(each) or 0 for each in value), default=0) or None
    return positive_int(value)


def _sliding_layers(facts: Mapping[str, Any], arch: str, count: int) -> list[bool]:
    """Which layers see a window alone: as the file says, else as llama.cpp knows the architecture,
    else none."""
    told = facts.get(f"{arch}.attention.sliding_window_pattern")
    if isinstance(told, list):
        return [bool(each) for each in told[:count]] + [False] * (count - len(told))
    period = positive_int(told) or _PERIODS.get(arch)
    return [period is not None and at % period < period - 1 for at in range(count)]
