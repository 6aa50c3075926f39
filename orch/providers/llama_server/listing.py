"""Parses the lists of models of llama-server, alone and as a router, and of llama-swap (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from orch.providers.installed_models import InstalledModel
from orch.providers.llama_server.properties import MAX_SLOTS, positive
from orch.providers.remote_models import UNNAMED_HOST
from orch.text.lines import is_valid_name

LLAMA_SERVER, LLAMA_SWAP = "llamacpp", "llama-swap"
"""Their words in `owned_by`."""
READY = "loaded"
_RESIDENT = {
    READY: True,
    **dict.fromkeys(("loading", "sleeping", "downloading", "downloaded", "unloaded"), False),
}
"""Whether a model is in memory, by the server's word for its state. A sleeping one is not: its
process stays, its weights and its cache are freed."""
MAX_BYTES = 1 << 50
"""Above, a size is an error of the server."""
MAX_ARGUMENTS = 1_000
_ENTRIES_OF_OTHERS = ("alias", "selector", "profile")
"""Kinds of llama-swap's entries that are names of other models."""


class ListedModel(NamedTuple):
    """A model of the list, and the file of its weights on the server's machine, where its arguments
    name one."""

    model: InstalledModel
    path: str = ""
    exit_code: int | None = None
    """Why its last load failed, where it did."""


class LaunchArguments(NamedTuple):
    """What a router would start a model with; None or empty where it leaves that open."""

    path: str = ""
    num_ctx: int | None = None
    """Tokens of context of one slot."""
    slots: int | None = None
    capabilities: tuple[str, ...] | None = None
    """Set for models that do not chat."""


def is_llama_server(entries: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a list of models is that of llama-server or llama-swap."""
    return any(entry.get("owned_by") in (LLAMA_SERVER, LLAMA_SWAP) for entry in entries)


def is_swap(entries: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a list of models is that of llama-swap."""
    return any(entry.get("owned_by") == LLAMA_SWAP for entry in entries)


def has_states(entries: Iterable[Mapping[str, Any]]) -> bool:
    """Whether each model has a state of its own: that of a router, or of llama-swap."""
    return any(isinstance(entry.get("status"), dict) for entry in entries)


def parse_models(entries: Sequence[Mapping[str, Any]]) -> list[ListedModel]:
    """The models of a list whose entries have names. Any other field may be missing or of another
    type."""
    return [_parse(entry) for entry in entries if _kind(entry) not in _ENTRIES_OF_OTHERS]


def _parse(entry: Mapping[str, Any]) -> ListedModel:
    status = entry.get("status")
    state = status if isinstance(status, dict) else {}
    word, resident = _state(entry, state)
    launch = parse_arguments(state.get("args"))
    meta = entry.get("meta") if isinstance(entry.get("meta"), dict) else {}
    loaded_ctx = positive((meta or {}).get("n_ctx"))
    other_task = launch.capabilities
    capabilities, untold = _capabilities(entry) if other_task is None else (other_task, ())
    parameters = positive((meta or {}).get("n_params"), MAX_BYTES)
    model = InstalledModel(
        name=entry["id"],
        size_bytes=positive((meta or {}).get("size"), MAX_BYTES) or 0,
        resident=resident,
        resident_ctx=loaded_ctx if resident else None,
        capabilities=capabilities,
        untold=untold,
        remote_host=_peer(entry),
        context_window=loaded_ctx or positive(entry.get("context_length")) or launch.num_ctx,
        parameters_b=parameters / 1e9 if parameters else None,
        slots=launch.slots,
        status=word,
        # a router's input and output are text, and `/props` has a template, whatever the model is
        assumes_chat=other_task is None
        and (entry.get("owned_by") == LLAMA_SERVER or capabilities is None),
    )
    code = state.get("exit_code")
    return ListedModel(model, launch.path, code if word == "failed" and _is_int(code) else None)


def _state(entry: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[str, bool | None]:
    """The server's word for a model's state, and whether it is in memory. A server of one model
    has no word for it: its list is there once it is loaded."""
    if "status" not in entry:
        if entry.get("owned_by") != LLAMA_SERVER:
            return "", None
        is_loading = "meta" in entry and entry["meta"] is None
        return ("loading", False) if is_loading else (READY, True)
    word = status.get("value")
    if not isinstance(word, str) or word not in _RESIDENT or _peer(entry):
        return "", None
    if word == "unloaded" and status.get("failed") is True:
        return "failed", False
    return word, _RESIDENT[word]


def _capabilities(
    entry: Mapping[str, Any],
) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """What the list tells of what a model can do, and what it is silent about."""
    architecture = entry.get("architecture")
    inputs = architecture.get("input_modalities") if isinstance(architecture, dict) else None
    own = entry.get("capabilities")
    calls = own.get("function_calling") is True if isinstance(own, dict) else False
    if isinstance(own, dict) and own.get("reranker") is True:
        return (), ()
    if not isinstance(inputs, list) or "text" not in inputs:
        return (("completion", "tools"), ("thinking", "vision")) if calls else (None, ())
    can = ("completion", *(["vision"] if "image" in inputs else []), *(["tools"] if calls else []))
    return can, ("thinking",) if calls else ("thinking", "tools")


def _kind(entry: Mapping[str, Any]) -> str:
    """llama-swap's word for what an entry is: model, alias, selector, profile or peer."""
    own = _swap_metadata(entry).get("type")
    return own if isinstance(own, str) else ""


def _peer(entry: Mapping[str, Any]) -> str:
    """The peer that runs the model for llama-swap: another server, whose address it does not
    tell."""
    if _kind(entry) != "peer":
        return ""
    peer = _swap_metadata(entry).get("peerID")
    return peer if isinstance(peer, str) and is_valid_name(peer) else UNNAMED_HOST


def _swap_metadata(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = entry.get("meta")
    own = meta.get("llamaswap") if isinstance(meta, dict) else None
    return own if isinstance(own, dict) else {}


# ---------------------------------------------------------------- arguments


def parse_arguments(arguments: Any) -> LaunchArguments:
    """Parses the arguments that a router starts a model with, such as `--ctx-size 8192`.

    The context is that of all slots together, unless they share it (`--kv-unified`, and wherever
    their number is left to the server)."""
    if not isinstance(arguments, list):
        return LaunchArguments()
    words = [word if isinstance(word, str) else "" for word in arguments[:MAX_ARGUMENTS]]
    slots = positive(_value(words, "--parallel", "-np"), MAX_SLOTS)
    total = positive(_value(words, "--ctx-size", "-c"))
    shares = slots is None or "--kv-unified" in words or "-kvu" in words
    return LaunchArguments(
        path=_value(words, "--model", "-m"),
        num_ctx=total if total is None or shares else (total // (slots or 1)) or None,
        slots=slots,
        capabilities=_other_task(words),
    )


def _value(words: Sequence[str], *names: str) -> str:
    """The value of an option; the last one counts. Empty if it is not there."""
    values = [value for name, value in pairwise(words) if name in names]
    return values[-1] if values else ""


def _other_task(words: Sequence[str]) -> tuple[str, ...] | None:
    """The capabilities of a model that is started to embed or to rank; None for others."""
    if "--reranking" in words or "--rerank" in words:
        return ()
    return ("embedding",) if "--embeddings" in words or "--embedding" in words else None


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
