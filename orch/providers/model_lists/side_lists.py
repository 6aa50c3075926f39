"""What servers tell beside their model list: the request that each one understands, recognised by
its list's owner, and what its answer adds (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from orch.providers.installed_models import InstalledModel
from orch.providers.model_lists.entries import is_of_tgi, parse_entry
from orch.providers.model_lists.values import MOST_BYTES, MOST_TOKENS, flag, whole
from orch.providers.read_limits import model_entries

MOST_READ = 100
"""Entries whose owners are read."""
Models = list[InstalledModel]
Answer = Mapping[str, Any]


class SideList(NamedTuple):
    """A request beside `/v1/models`; `add` returns the models with what its answer tells. `add`
    raises TypeError for an answer of another form."""

    path: str
    """Behind the server's address if it begins with a slash, else behind `/v1`."""
    add: Callable[[Models, Answer], Models]
    tells_hosts: bool = False
    """Whether it alone tells which models run elsewhere."""


def side_lists_of(entries: Sequence[Mapping[str, Any]]) -> tuple[SideList, ...]:
    """The requests that the server of a list understands, in order; empty if it is not recognised,
    or has told all that it knows."""
    for entry in entries[:MOST_READ]:
        owner = entry.get("owned_by")
        if isinstance(owner, str) and owner in SIDE_LISTS:
            return SIDE_LISTS[owner]
    if any(map(is_of_tgi, entries[:1])):
        return _TGI
    return _LOCALAI if any(entry.keys() == {"id", "object"} for entry in entries[:1]) else ()


# ---------------------------------------------------------------- what the answers add


def _by_name(answer: Answer, key: str, name: str) -> dict[str, dict[str, Any]]:
    """The entries of a list in an answer by their names. Raises TypeError if there is no list."""
    if not isinstance(answer.get(key), list):
        raise TypeError(f"no list of {key}")
    return {entry[name]: entry for entry in model_entries(answer[key], name) if entry.get(name)}


def add_lemonade(models: Models, health: Answer) -> Models:
    """Lemonade's `/v1/health` lists every loaded model, each with its options."""
    loaded = _by_name(health, "all_models_loaded", "model_name")
    return [
        model._replace(
            resident=model.name in loaded,
            resident_ctx=_option(loaded.get(model.name, {}), "ctx_size"),
        )
        for model in models
    ]


def _option(loaded: Mapping[str, Any], name: str) -> int | None:
    options = loaded.get("recipe_options")
    return whole(options.get(name), MOST_TOKENS) if isinstance(options, dict) else None


def add_entries(models: Models, answer: Answer) -> Models:
    """The same models in a longer form: LM Studio's `/api/v0/models`, LocalAI's
    `/v1/models/capabilities`."""
    more = _by_name(answer, "data", "id")
    return [parse_entry(more[model.name]) if model.name in more else model for model in models]


def add_tabby(models: Models, card: Answer) -> Models:
    """TabbyAPI's `/v1/model` describes the only model that it has loaded."""
    loaded = parse_entry({**card, "id": _text(card, "id")})
    return [
        loaded._replace(resident=True, resident_ctx=loaded.context_window)
        if model.name == loaded.name
        else model._replace(resident=False)
        for model in models
    ]


def _text(answer: Answer, key: str) -> str:
    value = answer.get(key)
    if not isinstance(value, str):
        raise TypeError(f"no {key}")
    return value


def add_koboldcpp(models: Models, answer: Answer) -> Models:
    """KoboldCpp tells the context of the model that it has loaded, 0 if it has none; a list of
    several is that of its router, which does not say which one that is."""
    context = whole(answer.get("value"), MOST_TOKENS)
    if context is None or len(models) != 1:
        return models
    return [models[0]._replace(resident=True, resident_ctx=context, context_window=context)]


def add_omlx(models: Models, status: Answer) -> Models:
    """oMLX's `/v1/models/status`: what is loaded, the sizes, and what each model is made for."""
    told = _by_name(status, "models", "id")
    return [
        _with_omlx(model, told[model.name]) if model.name in told else model for model in models
    ]


def _with_omlx(model: InstalledModel, entry: Mapping[str, Any]) -> InstalledModel:
    more = parse_entry(entry)
    loading = flag(entry.get("is_loading")) is True and more.resident is False
    return model._replace(
        resident=more.resident,
        status="loading" if loading else more.status,
        size_bytes=whole(entry.get("estimated_size"), MOST_BYTES) or 0,
        resident_bytes=(whole(entry.get("actual_size"), MOST_BYTES) or 0) if more.resident else 0,
        context_window=more.context_window or model.context_window,
        capabilities=more.capabilities or model.capabilities,
        untold=more.untold if more.capabilities else model.untold,
    )


def add_tgi(models: Models, info: Answer) -> Models:
    """TGI's `/info`: the tokens that prompt and answer may have together."""
    context = whole(info.get("max_total_tokens"), MOST_TOKENS)
    return [model._replace(context_window=context or model.context_window) for model in models]


def add_ollama_tags(models: Models, answer: Answer) -> Models:
    """Ollama's `/api/tags`: sizes, abilities since 0.30, and which models it runs elsewhere, whose
    names need not tell."""
    more = _by_name(answer, "models", "name")
    return [
        parse_entry({**more[model.name], "id": model.name}) if model.name in more else model
        for model in models
    ]


def add_ollama_loaded(models: Models, answer: Answer) -> Models:
    """Ollama's `/api/ps` lists what is loaded."""
    loaded = _by_name(answer, "models", "name")
    return [
        model._replace(
            resident=model.name in loaded,
            resident_ctx=whole(loaded.get(model.name, {}).get("context_length"), MOST_TOKENS),
            resident_bytes=whole(loaded.get(model.name, {}).get("size"), MOST_BYTES) or 0,
        )
        for model in models
    ]


_TGI = (SideList("/info", add_tgi),)
_LOCALAI = (SideList("models/capabilities", add_entries),)
"""LocalAI is recognised by entries without an owner."""
SIDE_LISTS: Mapping[str, tuple[SideList, ...]] = {
    "lemonade": (SideList("health", add_lemonade),),
    "organization_owner": (SideList("/api/v0/models", add_entries),),  # LM Studio
    "tabbyAPI": (SideList("model", add_tabby),),
    "koboldcpp": (SideList("/api/extra/true_max_context_length", add_koboldcpp),),
    "omlx": (SideList("models/status", add_omlx),),
    "library": (  # Ollama's `/v1`
        SideList("/api/tags", add_ollama_tags, tells_hosts=True),
        SideList("/api/ps", add_ollama_loaded),
    ),
}
"""By the owner that the server names in its list."""
