"""The models that Ollama can pull, with the size of their files and the memory that their context
takes: facts with their sources, in pullable_models.yaml."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from orch.text.model_names import is_same_model

FILE = Path(__file__).with_name("pullable_models.yaml")
BUFFERS = 1.1
"""Memory of weights and buffers by the size of the file, as the router counts a model whose
context it does not know."""
KV_BYTES = 2
"""Bytes of a number in the KV cache: f16, the default of Ollama and llama.cpp."""
BATCH_TOKENS = 1_024
"""Tokens that a sliding layer keeps beside its window: a batch, rounded up."""


@dataclass(frozen=True, slots=True)
class PullableModel:
    """A tag in Ollama's library. `attention` has layers, KV heads and width of a head of each kind
    of layer, and the window of sliding ones; `in_engine`: orch's own engine loads its file."""

    tag: str
    model: str
    size_bytes: int
    context: int
    attention: tuple[tuple[int, ...], ...]
    licence: str = ""
    in_engine: bool = False
    sources: tuple[str, ...] = ()

    def kv_bytes(self, num_ctx: int) -> int:
        """Bytes of the KV cache at that context: keys and values of every layer."""
        return sum(
            layers * heads * width * 2 * KV_BYTES * _kept_tokens(num_ctx, window)
            for layers, heads, width, *window in self.attention
        )

    def memory_bytes(self, num_ctx: int) -> int:
        """Bytes of weights, buffers and KV cache at that context."""
        return int(self.size_bytes * BUFFERS) + self.kv_bytes(num_ctx)


def _kept_tokens(num_ctx: int, window: list[int]) -> int:
    return min(num_ctx, window[0] + BATCH_TOKENS) if window else num_ctx


@lru_cache(maxsize=1)
def load_content() -> Mapping[str, Any]:
    """The file's content, which callers must not change."""
    text = FILE.read_text(encoding="utf-8")
    lines = (line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    content: dict[str, Any] = json.loads("".join(lines))
    return content


@lru_cache(maxsize=1)
def pullable_models() -> tuple[PullableModel, ...]:
    """Every model of the file."""
    return tuple(_parse(entry) for entry in load_content()["models"])


def find_pullable(name: str) -> PullableModel | None:
    """The model of that tag, however it is spelled; None if the file lacks it."""
    return next((each for each in pullable_models() if is_same_model(each.tag, name)), None)


def _parse(entry: Mapping[str, Any]) -> PullableModel:
    return PullableModel(
        entry["tag"],
        entry["model"],
        entry["size_bytes"],
        entry["context"],
        tuple(map(tuple, entry["attention"])),
        entry.get("licence", ""),
        entry.get("engine", False),
        tuple(entry["sources"]),
    )
