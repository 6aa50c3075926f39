"""What is known about a model as plain values, and a model by the name that people give it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from orch.config.spec import canonical
from orch.errors import OrchError
from orch.registry import Survey
from orch.router import ModelState


def find(survey: Survey, name: str) -> ModelState:
    """The model of that id, alias, display name or PROVIDER/ID. Raises OrchError with what was probably meant."""
    import difflib  # only for people who mistype

    for state in survey.states:
        spec = state.spec
        if canonical(name) in (canonical(each) for each in (spec.id, *spec.aliases, spec.name, f"{spec.provider}/{spec.id}")):
            return state
    near = difflib.get_close_matches(name, [state.spec.id for state in survey.states], n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else "orch models lists what is there"
    raise OrchError(f"no model is called {name!r}", hint, code="model_not_found")


def facts(state: ModelState) -> dict[str, Any]:
    """Everything known about a model, as plain values. Sizes in bytes, times in seconds."""
    spec, measured = state.spec, state.measured
    return {
        "id": spec.id,
        "name": spec.label,
        "provider": spec.provider,
        "installed": state.is_there,
        "unavailable": state.unavailable[1] if state.unavailable else None,
        "resident": state.resident,
        "unlisted": state.unlisted,
        "last_resort": spec.last_resort,
        "remote": bool(state.remote_host),
        "remote_host": state.remote_host or None,
        "size_bytes": state.size_bytes or None,
        "context_window": state.context_window,
        "num_ctx": state.num_ctx,
        "capabilities": sorted(state.capabilities) if state.capabilities is not None else None,
        "strengths": list(spec.strengths),
        "weaknesses": list(spec.weaknesses),
        "quality_rating": spec.quality_rating,
        "speed_rating": spec.speed_rating,
        "measured": asdict(measured) if measured else None,
        "digest": state.digest or None,
    }
