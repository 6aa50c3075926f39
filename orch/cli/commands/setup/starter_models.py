"""A short list of models to start with, one or two for each size of machine (pure).

Holds facts only; quality comes from the known models.
"""

from __future__ import annotations

from dataclasses import dataclass

from orch.text.model_names import is_same_model


@dataclass(frozen=True, slots=True)
class StarterModel:
    """A tag in Ollama's library. `active_share`: share of the weights read per token; `in_engine`:
    orch's own engine loads its file."""

    name: str
    size_bytes: int
    params_b: float
    licence: str = "Apache-2.0"
    active_share: float = 1.0
    thinks: bool = False
    in_engine: bool = False

    @property
    def memory_bytes(self) -> int:
        """Memory when loaded: weights and buffers as the router counts them, and the context."""
        return int(self.size_bytes * 1.1) + CONTEXT_BYTES


CONTEXT_BYTES = 500_000_000
"""The KV cache of 4,096 tokens, about: qwen3:4b takes .6 GB, gpt-oss:20b .2."""
STARTER_MODELS = (
    StarterModel("qwen2.5:1.5b", 986_061_892, 1.54, in_engine=True),
    StarterModel("qwen3:4b-instruct", 2_497_293_803, 4.02, in_engine=True),
    StarterModel("qwen3.5:4b", 3_389_983_735, 4.66, thinks=True),
    StarterModel("ministral-3:8b", 6_022_236_616, 8.9),
    StarterModel("qwen3.5:9b", 6_594_474_711, 9.65, thinks=True),
    StarterModel("gemma4:e4b", 9_608_350_718, 8.0, active_share=0.56, thinks=True),
    StarterModel("gpt-oss:20b", 13_793_441_244, 20.9, active_share=0.17, thinks=True),
    StarterModel("qwen3.6:27b", 17_420_432_739, 27.8, thinks=True),
    StarterModel("qwen3-coder:30b", 18_556_701_140, 30.5, active_share=0.11),
)
"""Sizes are those of `/api/tags` of Ollama servers in 2025 and 2026 (several listings agree),
parameters and licences those of the publishers.

All are default tags, 4-bit. Those `in_engine` are text models in an architecture that llama.cpp
itself converts (qwen2, qwen3); Ollama's files of vision models have another format.
"""


def find_starter_model(name: str) -> StarterModel | None:
    """The starter model of that name, if any."""
    return next(
        (each for each in STARTER_MODELS if is_same_model(each.name, name)),
        None,
    )
