"""Keeps a client's own number of a slot from llama.cpp's server (pure)."""

from __future__ import annotations

from dataclasses import replace

from orch.providers.chat import ChatRequest

NO_OWN_SLOT = "does not take id_slot from a request: a slot that answers another would spoil both"
"""What a client is told, behind the name of the model."""


def names_slot(request: ChatRequest) -> bool:
    """Whether the client names a slot."""
    return "id_slot" in request.extra or "id_slot" in request.options


def without_own_slot(request: ChatRequest) -> ChatRequest:
    """The request without a slot that its client names; the same one if it names none.

    llama.cpp (b10488) puts a request into the slot that it names even while that answers another,
    which then goes on with the text of this one.
    """
    if not names_slot(request):
        return request
    extra = {key: value for key, value in request.extra.items() if key != "id_slot"}
    options = {key: value for key, value in request.options.items() if key != "id_slot"}
    return replace(request, extra=extra, options=options)
