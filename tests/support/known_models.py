"""The shipped known models, and identities of models as providers report them."""

from __future__ import annotations

from functools import cache
from typing import Any

from orch.routing.known_models.identity import Identity
from orch.routing.known_models.model_list import KnownModels, load_shipped


@cache
def known() -> KnownModels:
    """The package's."""
    return KnownModels.merge(load_shipped())


def model(
    tag: str,
    basename: str = "",
    size: str = "",
    finetune: str = "",
    version: str = "",
    params_b: float | None = None,
    **more: Any,
) -> Identity:
    """What a provider says of a model."""
    return Identity(tag, basename, size, finetune, version, params_b=params_b, **more)
