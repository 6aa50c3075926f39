"""The entry of models.yaml for an installed model (pure)."""

from __future__ import annotations

from typing import Any

from orch.routing.model_state import UNKNOWN_CTX, ModelState

MIN_CTX = 256
"""The minimum num_ctx in models.yaml."""


def model_entry(state: ModelState) -> dict[str, Any]:
    """The entry of an installed model, with the facts that its provider reports."""
    spec = state.spec
    values = {
        "id": spec.id,
        "name": spec.name or None,
        "provider": spec.provider,
        "strengths": list(spec.strengths) or None,
        "context_window": state.context_window if state.context_window < UNKNOWN_CTX else None,
        "num_ctx": state.modelfile_ctx if (state.modelfile_ctx or 0) >= MIN_CTX else None,
        "speed_rating": spec.speed_rating,
        "quality_rating": spec.quality_rating,
        "memory_gb": round(state.size_bytes * 1.1 / 1e9, 1)
        if state.size_bytes and not state.remote_host
        else None,
    }
    return {key: value for key, value in values.items() if value is not None}
