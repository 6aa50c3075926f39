"""Parses an entry of `/v1/models`: what vLLM, SGLang, LM Studio, Lemonade, TabbyAPI, llama.cpp's
server, gateways such as OpenRouter and others add to a model's name (pure).

What an entry does not tell, or tells in another type, is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orch.providers.installed_models import InstalledModel
from orch.providers.model_lists.abilities import parse_abilities
from orch.providers.model_lists.values import (
    MOST_BYTES,
    MOST_SLOTS,
    MOST_TOKENS,
    billions,
    flag,
    number,
    whole,
    word,
)
from orch.providers.read_limits import metadata_word
from orch.providers.remote_models import UNNAMED_HOST, remote_host_of

WINDOW_KEYS = (
    "max_model_len",  # vLLM, SGLang
    "context_length",  # OpenRouter, Lemonade, orch
    "context_window",
    "max_context_length",  # LM Studio
    "max_context_window",  # Lemonade
    "max_seq_len",  # TabbyAPI
    "n_ctx",  # llama.cpp's server, llama-swap
    "n_ctx_train",
)
"""The names of a context's length in tokens. Of several, the least counts: what a model was trained
with is more than what it is served with."""
SIZE_KEYS = ("size_bytes", "size")
PARAMETER_KEYS = ("params_string", "parameter_size", "parameter_count", "n_params", "parameters")
STATES: Mapping[str, str] = {
    **dict.fromkeys(("loaded", "ready", "running"), "loaded"),
    **dict.fromkeys(("loading", "starting"), "loading"),
    **dict.fromkeys(("not-loaded", "unloaded", "stopped", "stopping"), "unloaded"),
    **dict.fromkeys(("sleeping", "downloading", "failed"), ""),
}
"""The servers' words for a model's state, and orch's where it is another."""
ONLY_LOADED = ("vllm", "sglang")
"""Owners whose servers list what they have loaded and nothing else."""
GB = 1e9
LEAST_BYTES = 1_000_000
"""A smaller size is not one in bytes."""


def parse_entries(entries: Sequence[Mapping[str, Any]]) -> list[InstalledModel]:
    """The models of a list. An adapter has the context of the model that it names as its
    parent."""
    windows = {entry.get("id"): _window(entry) for entry in entries if _is_hashable(entry, "id")}
    models = (parse_entry(entry) for entry in entries)
    return [
        model._replace(context_window=windows.get(entry.get("parent")))
        if model.context_window is None and _is_hashable(entry, "parent")
        else model
        for entry, model in zip(entries, models, strict=True)
    ]


def _is_hashable(entry: Mapping[str, Any], key: str) -> bool:
    return isinstance(entry.get(key), str)


def parse_entry(entry: Mapping[str, Any]) -> InstalledModel:
    """What one entry tells."""
    status, abilities = state_of(entry), parse_abilities(entry)
    parameters_b, active_b = _parameters(entry)
    resident = is_loaded(entry, status)
    return InstalledModel(
        name=entry["id"],
        size_bytes=_size_bytes(entry) or 0,
        family=metadata_word(entry.get("arch")),
        quantization=metadata_word(entry.get("quantization")),
        resident=resident,
        resident_ctx=whole(entry.get("loaded_context_length"), MOST_TOKENS) if resident else None,
        capabilities=abilities.capabilities,
        untold=abilities.untold,
        remote_host=_remote_host(entry),
        context_window=_window(entry),
        parameters_b=parameters_b,
        active_b=active_b,
        slots=_slots(entry),
        status=status,
    )


def owner_of(entry: Mapping[str, Any]) -> str:
    """The owner that an entry names; empty if it names none."""
    return metadata_word(entry.get("owned_by"))


def state_of(entry: Mapping[str, Any]) -> str:
    """orch's word for the state; empty if the entry does not say."""
    for key in ("status", "state"):
        value = entry.get(key)
        if isinstance(value, dict):  # llama.cpp's router, llama-swap
            value = "failed" if value.get("failed") is True else value.get("value")
        if (state := word(value)) in STATES:
            return STATES[state] or state
    return ""


def is_loaded(entry: Mapping[str, Any], status: str) -> bool | None:
    """Whether the model is loaded: the server says so, or lists only what is."""
    if status:
        return status == "loaded"
    if (loaded := flag(entry.get("loaded"))) is not None:
        return loaded
    owner = entry.get("owned_by")
    if owner in ONLY_LOADED or is_of_tgi(entry):
        return True
    return None


def is_of_tgi(entry: Mapping[str, Any]) -> bool:
    """Whether TGI listed it (its router/src/server.rs), which has one model, as its owner too, and
    no time of creation."""
    return entry.get("owned_by") == entry.get("id") and entry.get("created") == 0


def _places(entry: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The entry, and the objects in it that have facts of the model."""
    yield entry
    for key in ("meta", "parameters", "top_provider", "details"):
        if isinstance(place := entry.get(key), dict):
            yield place


def _window(entry: Mapping[str, Any]) -> int | None:
    found = (whole(place.get(key), MOST_TOKENS) for place in _places(entry) for key in WINDOW_KEYS)
    return min((window for window in found if window), default=None)


def _size_bytes(entry: Mapping[str, Any]) -> int | None:
    """The weights' bytes. Lemonade counts in GB."""
    if entry.get("owned_by") == "lemonade":
        gigabytes = number(entry.get("size"), MOST_BYTES / GB)
        return int(gigabytes * GB) if gigabytes else None
    found = (whole(place.get(key), MOST_BYTES) for place in _places(entry) for key in SIZE_KEYS)
    return next((size for size in found if size and size >= LEAST_BYTES), None)


def _parameters(entry: Mapping[str, Any]) -> tuple[float | None, float | None]:
    found = (billions(place.get(key)) for place in _places(entry) for key in PARAMETER_KEYS)
    return next((sizes for sizes in found if sizes[0]), (None, None))


def _slots(entry: Mapping[str, Any]) -> int | None:
    """TabbyAPI's batch, if it has the model loaded."""
    parameters = entry.get("parameters")
    batch = parameters.get("max_batch_size") if isinstance(parameters, dict) else None
    return whole(batch, MOST_SLOTS)


def _remote_host(entry: Mapping[str, Any]) -> str:
    """Where another machine runs it: Lemonade names the provider of a cloud model."""
    if host := remote_host_of(entry):
        return host
    if entry.get("recipe") == "cloud" or entry.get("cloud_provider"):
        return metadata_word(entry.get("cloud_provider")) or UNNAMED_HOST
    return ""
