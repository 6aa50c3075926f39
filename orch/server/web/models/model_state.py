"""What the list says of a model's state, and of what its server leaves open (pure)."""

from __future__ import annotations

from orch.providers.remote_models import display_host
from orch.routing.model_state import UNKNOWN_CTX, ModelState
from orch.routing.wording import Words


def where_text(page: Words, state: ModelState) -> str:
    """Whether the model is loaded, installed or elsewhere."""
    if state.remote_host and state.is_installed:
        return page("remote, {host}", host=display_host(state.remote_host))
    if is_missing(state):
        return page("not installed")
    if state.unavailable:
        return page("provider not available")
    if state.status == "failed":
        return page("its last load failed")
    if state.resident is None:
        return page("installed, loaded: ?")
    return page("loaded") if state.resident else page("installed")


def is_missing(state: ModelState) -> bool:
    """Whether its provider answers and does not have it."""
    return state.unavailable is not None and state.unavailable.code == "not_installed"


def context_text(page: Words, state: ModelState) -> str:
    """The longest context; that it is unknown, of a model that is there."""
    if state.context_window < UNKNOWN_CTX:
        return page("{tokens} tokens of context", tokens=page.number(state.context_window))
    return page("context: ?") if state.is_installed else ""
