"""Validates a parsed file against the keys in `spec` and generates the JSON Schemas. Reports every
problem, with allowed values and suggestions.

Loaded only on a cache miss: it imports pydantic.
"""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import Any

import pydantic

from orch.config import known_models as known
from orch.config import regex_limits, spec
from orch.config.secrets import is_secret_key, mask_secrets
from orch.config.urls import url_problem
from orch.config.yaml_document import KeyPath, Problem, YamlDocument
from orch.text.redact import is_retired_pattern
from orch.text.redact.vendor_forms import FORM_NAMES

MODELS, ROUTING, KNOWN = "models", "routing", "known_models"
MAX_SECRET_CHARS = 200
"""How far a redaction pattern is assumed to read from one position: no secret is longer."""
_ROOTS: dict[str, Any] = {MODELS: spec.Models, ROUTING: spec.Routing, KNOWN: known.KnownModels}


@cache
def pydantic_model(cls: type[Any]) -> type[pydantic.BaseModel]:
    """The pydantic model of a `spec` dataclass: same fields, bounds and descriptions; unknown keys
    are refused."""
    hints = typing.get_type_hints(cls)
    members: dict[str, Any] = {
        f.name: (_annotation(hints[f.name]), _field_info(f)) for f in fields(cls)
    }
    config = pydantic.ConfigDict(extra="forbid", protected_namespaces=(), allow_inf_nan=False)
    return pydantic.create_model(cls.__name__, __config__=config, __doc__=cls.__doc__, **members)


def _field_info(f: Field[Any]) -> Any:
    bounds = dict(f.metadata)
    if f.default is not MISSING:
        return pydantic.Field(f.default, **bounds)
    if f.default_factory is not MISSING:
        factory = f.default_factory
        return pydantic.Field(
            default_factory=pydantic_model(factory) if is_dataclass(factory) else factory, **bounds
        )
    return pydantic.Field(**bounds)


def _annotation(hint: Any) -> Any:
    if is_dataclass(hint):
        return pydantic_model(hint)  # type: ignore[arg-type]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is dict:
        return dict[arguments[0], _annotation(arguments[1])]  # type: ignore[misc,valid-type]
    if origin is tuple:
        return tuple[_annotation(arguments[0]), ...]  # type: ignore[misc]
    return hint


def json_schema(which: str) -> dict[str, Any]:
    """The JSON Schema of models.yaml (`models`), routing.yaml (`routing`) or known_models.yaml
    (`known_models`)."""
    schema = pydantic_model(_ROOTS[which]).model_json_schema()
    title = f"orch {which}.yaml"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}


def expand_short_forms(which: str, data: Any) -> Any:
    """Expands the short form `journal: off` to `journal: {mode: off}`, and an empty `models:` to an
    empty list."""
    if which == ROUTING and isinstance(data, dict):
        return {
            key: (
                {"mode": value} if key in ("journal", "cache") and isinstance(value, str) else value
            )
            for key, value in data.items()
        }
    if which == MODELS and isinstance(data, dict) and "models" in data and data["models"] is None:
        return {**data, "models": []}
    return data


def validate_document(
    which: str, document: YamlDocument, data: Any
) -> tuple[dict[str, Any], list[Problem]]:
    """The validated data without defaults, and every problem of one file."""
    if not isinstance(data, dict):
        return {}, [
            document.problem((), f"{which}.yaml must be a mapping of keys, such as `version: 1`")
        ]
    root = pydantic_model(_ROOTS[which])
    try:
        checked = root.model_validate(data).model_dump(mode="json", exclude_unset=True)
    except pydantic.ValidationError as error:
        return {}, [_problem(document, root, dict(fault)) for fault in error.errors()]
    return checked, list(_MORE[which](document, checked))


# ---------------------------------------------------------------- pydantic's faults in our words


def _problem(
    document: YamlDocument, root: type[pydantic.BaseModel], fault: dict[str, Any]
) -> Problem:
    path = _in_file(document, fault["loc"])
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == "extra_forbidden":
        known = _known_keys(root, path[:-1])
        return document.problem(
            path, f"unknown key{_did_you_mean(str(path[-1]), known)}; allowed: {', '.join(known)}"
        )
    if kind == "missing":
        return document.problem(path, "is missing")
    if kind in ("literal_error", "enum"):
        allowed = str(context["expected"]).replace("'", "")
        words = [word.strip() for word in allowed.replace(" or ", ",").split(",")]
        return document.problem(
            path,
            f"{_short(path, fault['input'])} is not"
            f" allowed{_did_you_mean(str(fault['input']), words)}; allowed: {allowed}",
        )
    message = (
        fault["msg"]
        .replace("Input should be", "must be")
        .replace("a valid tuple", "a list")
        .replace("a valid dictionary", "a mapping of keys")
    )
    return document.problem(
        path, f"{message[0].lower()}{message[1:]}, not {_short(path, fault['input'])}"
    )


def _in_file(document: YamlDocument, loc: tuple[str | int, ...]) -> KeyPath:
    """pydantic's location without the parts that are not keys of the file (branches of a union,
    `[key]`)."""
    path: KeyPath = ()
    for index, part in enumerate(loc):
        last_is_new = (
            index == len(loc) - 1
            and part not in ("[key]", "float")
            and not str(part).startswith("literal[")
        )
        if (*path, part) in document.positions or last_is_new:
            path = (*path, part)
    return path


def _known_keys(root: type[pydantic.BaseModel], path: KeyPath) -> list[str]:
    model: Any = root
    for part in path:
        if isinstance(model, type) and issubclass(model, pydantic.BaseModel):
            model = model.model_fields[str(part)].annotation
        else:
            model = typing.get_args(model)[0 if typing.get_origin(model) is tuple else 1]
    return (
        list(model.model_fields)
        if isinstance(model, type) and issubclass(model, pydantic.BaseModel)
        else []
    )


def _did_you_mean(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f", did you mean {near[0]}?" if near else ""


def _short(path: KeyPath, value: Any) -> str:
    """A value as errors show it: no secrets, and shortened."""
    secret = is_secret_key(next((part for part in reversed(path) if isinstance(part, str)), ""))
    text = "what stands there" if secret and value is not None else repr(mask_secrets(value))
    return text if len(text) <= 60 else text[:57] + "..."


# ---------------------------------------------------------------- what one key says of another


def _check_models(document: YamlDocument, data: dict[str, Any]) -> Iterator[Problem]:
    providers = data.get("providers", {})
    for name, provider in providers.items():
        yield from _check_provider(document, ("providers", name), provider)
    seen: dict[str, KeyPath] = {}
    for index, model in enumerate(data.get("models", [])):
        path: KeyPath = ("models", index)
        used = model.get("provider", "ollama")
        if used not in providers:
            near = _did_you_mean(used, list(providers))
            yield document.problem(
                (*path, "provider"),
                f"no provider is called {used!r}{near}; there are:"
                f" {', '.join(providers) or 'none'}",
            )
        yield from _check_numbers(document, path, model)
        if fault := _gguf_fault(model.get("gguf") or ""):
            yield document.problem((*path, "gguf"), fault)
        for key, name in _names(path, model):
            full = spec.canonical_model_name(name)
            if full in seen and seen[full] != path:
                yield document.problem(
                    key, f"{name!r} is already a name of {_owner(data, seen[full])}"
                )
            seen.setdefault(full, path)


def _gguf_fault(gguf: str) -> str | None:
    """Why a model file can't have this name, or None."""
    if "\0" in gguf:
        return "there is a zero character in it"
    if not gguf.startswith("package:"):
        return None
    package, _, file = gguf.removeprefix("package:").partition("/")
    if (
        not package.isidentifier()
        or {"", ".", ".."} & set(file.split("/"))
        or "\\" in file
        or ":" in file
    ):
        return (
            f"{gguf!r} names no file in the folder of an installed package; it must look like"
            " package:NAME/FILE"
        )
    return None


def _names(path: KeyPath, model: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    yield (*path, "id"), model["id"]
    for number, alias in enumerate(model.get("aliases", [])):
        yield (*path, "aliases", number), alias


def _owner(data: dict[str, Any], path: KeyPath) -> str:
    return str(data["models"][path[1]]["id"])


def _check_provider(
    document: YamlDocument, path: KeyPath, provider: dict[str, Any]
) -> Iterator[Problem]:
    one, several = provider.get("base_url"), provider.get("base_urls")
    if provider["kind"] == "llamacpp":
        if one or several:
            yield document.problem(
                (*path, "base_url"), "a llamacpp provider runs inside orch and has no address"
            )
        return
    if not one and not several:
        yield document.problem(
            (*path, "base_url"),
            f"a provider of kind {provider['kind']} needs base_url, such as http://127.0.0.1:11434",
        )
    if one and several:
        yield document.problem((*path, "base_urls"), "give base_url or base_urls, not both")
    for url in [one] if one else several or []:
        if fault := url_problem(url):
            yield document.problem((*path, "base_url" if one else "base_urls"), fault)


def _check_numbers(
    document: YamlDocument, path: KeyPath, model: dict[str, Any]
) -> Iterator[Problem]:
    window, num_ctx = model.get("context_window"), model.get("num_ctx")
    if window and num_ctx and num_ctx > window:
        yield document.problem(
            (*path, "num_ctx"), f"{num_ctx} is more than context_window, {window}"
        )
    both = set(model.get("strengths", [])) & set(model.get("weaknesses", []))
    if both:
        yield document.problem(
            (*path, "weaknesses"), f"{', '.join(sorted(both))}: a strength and a weakness at once"
        )


def _check_routing(document: YamlDocument, data: dict[str, Any]) -> Iterator[Problem]:
    sets: list[tuple[KeyPath, dict[str, float]]] = [(("weights",), data["weights"])]
    sets += [(("profiles", name), weights) for name, weights in data.get("profiles", {}).items()]
    for path, weights in sets:
        total = sum(weights.values())
        if abs(total - 1) > 1e-6:
            yield document.problem(path, f"the weights sum to {total:g}, not 1")
    yield from _check_patterns(document, data.get("task_types", {}))
    url = data.get("memory", {}).get("qdrant_url")
    if url and (fault := url_problem(url)):
        yield document.problem(("memory", "qdrant_url"), fault)
    yield from _check_redaction(document, data.get("redaction", {}))


def _check_redaction(document: YamlDocument, rule: dict[str, Any]) -> Iterator[Problem]:
    """Redaction patterns read every text whole, so the sum of their costs at one position is
    bounded."""
    steps = 0
    for name, pattern in rule.get("patterns", {}).items():
        fault = regex_limits.pattern_problem(pattern, read_chars=1)
        steps += (
            0
            if fault or is_retired_pattern(pattern)
            else regex_limits.max_steps(pattern, MAX_SECRET_CHARS)
        )
        if not fault and steps > regex_limits.MAX_STEPS * MAX_SECRET_CHARS:
            fault = (
                "this pattern and those before it could take too long on some texts; bound its"
                " repeats, such as .{0,40} for .*"
            )
        if fault:
            yield document.problem(("redaction", "patterns", name), fault)
    for index, name in enumerate(rule.get("allow", ())):
        if name not in FORM_NAMES:
            yield document.problem(
                ("redaction", "allow", index),
                f"orch knows no form {name!r}; a form's name stands in its mark, such as [redacted:"
                " jwt]",
            )


def _check_patterns(document: YamlDocument, rules: dict[str, Any]) -> Iterator[Problem]:
    """Checks each pattern, and the total time of all. A total that is too high is reported at the
    slowest pattern in this file."""
    found = {
        ("task_types", name, "patterns", at): pattern
        for name, rule in rules.items()
        for at, pattern in enumerate(rule.get("patterns", []))
    }
    if len(found) > regex_limits.MAX_COUNT:
        yield document.problem(
            ("task_types",),
            f"there are {len(found):,} patterns; {regex_limits.MAX_COUNT:,} are allowed in all",
        )
        return
    faults = {
        path: fault
        for path, pattern in found.items()
        if (fault := regex_limits.pattern_problem(pattern))
    }
    yield from (document.problem(path, fault) for path, fault in faults.items())
    steps = {
        path: regex_limits.max_steps(pattern)
        for path, pattern in found.items()
        if path not in faults
    }
    if sum(steps.values()) > regex_limits.MAX_STEPS_IN_ALL:
        slowest = max(steps, key=lambda path: (path in document.positions, steps[path]))
        yield document.problem(slowest, regex_limits.TOO_MUCH_IN_ALL)


def _check_known(document: YamlDocument, data: dict[str, Any]) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, model in enumerate(data.get("models", [])):
        path: KeyPath = ("models", index)
        if model["name"] in seen:
            yield document.problem((*path, "name"), f"{model['name']!r} stands here twice")
        seen.add(model["name"])
        if model.get("active_b") and model["active_b"] > model["params_b"]:
            yield document.problem(
                (*path, "active_b"),
                f"{model['active_b']:g} is more than params_b, {model['params_b']:g}",
            )


_MORE = {MODELS: _check_models, ROUTING: _check_routing, KNOWN: _check_known}
"""Checks across keys, by file."""


def unknown_preferences(
    models: spec.Models, routing: spec.Routing, document: YamlDocument
) -> list[Problem]:
    """Ids in `prefer` that models.yaml lacks. Only warnings: many users have their own models.yaml
    with the shipped routing.yaml."""
    listed = {
        spec.canonical_model_name(name)
        for model in models.models
        for name in (model.id, *model.aliases)
    }
    return [
        document.problem(
            ("task_types", str(task_type), "prefer", index), f"models.yaml has no model {name!r}"
        )
        for task_type, rule in routing.task_types.items()
        for index, name in enumerate(rule.prefer)
        if spec.canonical_model_name(name) not in listed
    ]
