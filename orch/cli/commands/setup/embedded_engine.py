"""Tests a model file in orch's own engine and builds its entry in models.yaml."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orch.config.edit import models as edit_models
from orch.config.edit.file_change import FileChange
from orch.config.spec import ModelSpec
from orch.errors import OrchError, ProviderError
from orch.providers.chat import ChatRequest, Completion
from orch.providers.llamacpp import LlamaCppClient

NUM_CTX, SMALL_NUM_CTX = 8_192, 4_096
FREE_MEMORY_BYTES = 2_500_000_000
"""Memory that must stay free beside the weights for the larger context: 8,192 tokens of qwen3:4b
take 1.2 GB."""
MAX_TOKENS = 2_048
_TRIAL_PROMPT = "Say hello in one short sentence."
_TRIAL_TOKENS = 24


@dataclass(frozen=True, slots=True)
class EngineTrial:
    """The result of a test: seconds to load, tokens per second, trained context window, billions of
    parameters."""

    load_s: float
    tokens_per_s: float | None
    context_window: int | None
    parameters_b: float | None


def engine_num_ctx(size_bytes: int, free_bytes: int | None) -> int:
    """The context size that fits the free memory."""
    return (
        NUM_CTX
        if free_bytes is None or size_bytes + FREE_MEMORY_BYTES <= free_bytes
        else SMALL_NUM_CTX
    )


async def try_file(file: Path, num_ctx: int) -> EngineTrial:
    """Loads the file and generates a sentence. Raises OrchError if the engine can't use it."""
    backend = LlamaCppClient(
        [ModelSpec(id="trial", provider="trial", gguf=str(file), num_ctx=num_ctx)]
    )
    try:
        done = await _complete(backend)
        info = await backend.info("trial")
    except ProviderError as failure:
        raise OrchError(
            f"orch's engine can't use this file: {failure.message}",
            "orch setup offers others; Ollama may be able to",
        ) from None
    finally:
        await backend.aclose()
    tokens_per_s = (
        done.completion_tokens / done.decode_s if done.completion_tokens and done.decode_s else None
    )
    return EngineTrial(done.load_s or 0.0, tokens_per_s, info.context_window, info.parameters_b)


async def _complete(backend: LlamaCppClient) -> Completion:
    asked = ChatRequest(
        "trial",
        [{"role": "user", "content": _TRIAL_PROMPT}],
        {"temperature": 0},
        max_tokens=_TRIAL_TOKENS,
    )
    done = Completion()
    async with aclosing(backend.chat(asked)) as deltas:
        async for delta in deltas:
            done = delta.completion or done
    return done


def models_yaml_entry(
    name: str, file: Path, num_ctx: int, window: int | None = None
) -> dict[str, Any]:
    """The entry of the file in models.yaml."""
    return {
        "id": name,
        "gguf": str(file),
        "context_window": window,
        "num_ctx": min(num_ctx, window or num_ctx),
        "max_tokens": MAX_TOKENS,
        "memory_gb": round(file.stat().st_size * 1.1 / 1e9, 1) if file.is_file() else None,
    }


def proposed_change(config_dir: Path | None, values: dict[str, Any]) -> FileChange:
    """The change of models.yaml that adds the entry or replaces one of its id; writes nothing.

    Raises ConfigError.
    """
    return edit_models.propose_embedded_model(
        config_dir, {key: value for key, value in values.items() if value is not None}
    )
