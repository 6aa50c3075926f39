"""What is known about a model as plain values, and a model by the name that people give it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from orch.config.spec import ModelSpec, canonical_model_name
from orch.errors import OrchError
from orch.providers.kinds import KINDS, is_server
from orch.routing.model_state import ModelState
from orch.routing.registry import Inventory

START_OLLAMA = "start Ollama:\n  ollama serve"


def resolve_model(survey: Inventory, name: str) -> ModelState:
    """The model of that id, alias, display name or PROVIDER/ID; of namesakes one that is there.
    Raises OrchError with what was probably meant."""

    def is_called(spec: ModelSpec) -> bool:
        return canonical_model_name(name) in (
            canonical_model_name(each)
            for each in (spec.id, *spec.aliases, spec.name, f"{spec.provider}/{spec.id}")
        )

    found = [state for state in survey.states if is_called(state.spec)]
    if not found:
        raise unknown_model_error(survey, name)
    return next((state for state in found if not state.unavailable), found[0])


def unknown_model_error(survey: Inventory, name: str) -> OrchError:
    """The error for a name that no model has: `no_provider` where one that can't be asked now may
    have it."""
    import difflib  # only for people who mistype

    near = difflib.get_close_matches(
        name, [state.spec.id for state in survey.states], n=1, cutoff=0.5
    )
    down = {
        provider: why
        for provider, why in survey.unreachable.items()
        if _may_have(survey, provider, name)
    }
    if not down:
        hint = (
            f"did you mean {near[0]}?"
            if near
            else f"orch models lists what is there; {_pull(survey, name)} fetches it"
        )
        return OrchError(f"no model is called {name!r}", hint, code="model_not_found")
    why = " and ".join(
        f"provider {provider}, which may have it, is down: {said}"
        for provider, said in down.items()
    )
    hint = (
        START_OLLAMA
        if any(KINDS[survey.provider_kinds[provider]].start_command for provider in down)
        else "orch health shows what is reachable"
    )
    hint = f"did you mean {near[0]}? Or {hint}" if near else hint
    return OrchError(f"{name!r} is not in models.yaml, and {why}", hint, code="no_provider")


def _may_have(survey: Inventory, provider: str, name: str) -> bool:
    """Whether a provider may have a model of which models.yaml says nothing: those inside orch are
    all listed. `PROVIDER/ID` means one alone."""
    named = _provider_of(survey, name)
    return is_server(survey.provider_kinds.get(provider)) and named in ("", provider)


def _provider_of(survey: Inventory, name: str) -> str:
    """The provider that a name begins with, if it does."""
    first, slash, _ = name.partition("/")
    return first if slash and first in survey.provider_kinds else ""


def _pull(survey: Inventory, name: str) -> str:
    """The command that fetches a model of that name."""
    named = _provider_of(survey, name)
    return (
        f"orch models pull {name.removeprefix(f'{named}/')} --provider {named}"
        if named
        else f"orch models pull {name}"
    )


def describe(state: ModelState) -> dict[str, Any]:
    """Everything known about a model, as plain values. Sizes in bytes, times in seconds."""
    spec, measured = state.spec, state.measured
    return {
        "id": spec.id,
        "name": spec.label,
        "provider": spec.provider,
        "installed": state.is_installed,
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
        "quality": {str(each): round(value * 10, 1) for each, value in state.prior.quality.items()}
        if state.prior
        else None,
        "quality_source": state.prior.source if state.prior else None,
        "quality_rating": spec.quality_rating,
        "speed_rating": spec.speed_rating,
        "measured": asdict(measured) if measured else None,
        "digest": state.digest or None,
    }
