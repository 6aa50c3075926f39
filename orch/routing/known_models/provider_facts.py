"""What a provider and the known models tell of an installed model: its identity, its capabilities,
the longest context that it can have (pure)."""

from __future__ import annotations

import re

from orch.config.spec import ModelSpec
from orch.providers.installed_models import InstalledModel, ModelInfo
from orch.routing.known_models.identity import Identity
from orch.routing.model_state import UNKNOWN_CTX

_SIZE = re.compile(r"([\d.]+)\s*([BM])\b", re.IGNORECASE)


def identity_of(item: InstalledModel, info: ModelInfo) -> Identity:
    """What identifies the model among the known ones."""
    params_b = info.parameters_b or item.parameters_b or _parameters(item.parameter_size)
    return Identity(
        tag=item.name,
        basename=info.basename,
        size_label=info.size_label,
        finetune=info.finetune,
        version=info.version,
        architecture=info.architecture or item.family,
        base_model=info.base_model,
        params_b=params_b,
        active_b=info.active_b or item.active_b,
        quantization=info.quantization or item.quantization,
        adapted=info.adapted,
        thinks=_thinks(item, info),
        size_bytes=0 if params_b else item.size_bytes,
    )


def _told_capabilities(item: InstalledModel, info: ModelInfo) -> tuple[str, ...] | None:
    """What the list says now, if it says all; else the details, which are kept by digest: another
    version of a server may find other capabilities in the same file."""
    tells_all = item.capabilities is not None and not item.untold
    return item.capabilities if tells_all or info.capabilities is None else info.capabilities


def _thinks(item: InstalledModel, info: ModelInfo) -> bool | None:
    capabilities = _told_capabilities(item, info)
    if capabilities is None or (info.capabilities is None and "thinking" in item.untold):
        return None
    return "thinking" in capabilities


def _parameters(text: str) -> float | None:
    match = _SIZE.search(text)
    if not match:
        return None
    try:
        return float(match.group(1)) / (1000 if match.group(2).upper() == "M" else 1)
    except ValueError:
        return None


def window_of(spec: ModelSpec, item: InstalledModel, info: ModelInfo, default: int | None) -> int:
    """The longest context that the model can have: as models.yaml says, at most what its provider
    tells; UNKNOWN_CTX if nobody says. `default` is for servers that set the context as they are
    asked; what another one has loaded is its limit."""
    told = info.context_window or item.context_window
    if default is None and item.resident_ctx:
        told = min(told or item.resident_ctx, item.resident_ctx)
    window = spec.context_window or told or default or UNKNOWN_CTX
    return min(window, told or window)


def capabilities_of(
    spec: ModelSpec, item: InstalledModel, info: ModelInfo
) -> frozenset[str] | None:
    """What the model can do: as its provider tells, else by its name where that is one of a model
    that is not made for chat. None if nobody says.

    A person who gave strengths or a quality in models.yaml knows that it chats.
    """
    told = _told_capabilities(item, info)
    capabilities = None if told is None else frozenset(told)
    if capabilities is not None and not item.assumes_chat:
        return capabilities
    if "bert" in item.family:
        return frozenset({"embedding"})
    if spec.strengths or spec.quality_rating is not None:
        return capabilities
    # read only where a server tells nothing: Ollama tells capabilities
    from orch.routing.known_models.other_tasks import task_by_name

    task = task_by_name(item.name)
    return frozenset({task}) if task else capabilities
