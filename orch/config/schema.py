"""Validates a parsed file against the keys in `spec` and generates the JSON Schemas. Reports every
problem, with allowed values and suggestions.

Loaded only on a cache miss: it imports pydantic.
"""

from __future__ import annotations

import typing
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import Any

import pydantic

from orch.config import known_models as known
from orch.config import spec
from orch.config.consistency import CHECKS, KNOWN, MODELS, ROUTING
from orch.config.secrets import SECRET_MAPPINGS, is_secret_key, mask_secrets
from orch.config.yaml_document import KeyPath, Problem, YamlDocument
from orch.text.suggestion import did_you_mean

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
    return checked, list(CHECKS[which](document, checked))


# ---------------------------------------------------------------- pydantic's faults in our words


def _problem(
    document: YamlDocument, root: type[pydantic.BaseModel], fault: dict[str, Any]
) -> Problem:
    path = _file_path(document, fault["loc"])
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == "extra_forbidden":
        allowed_keys = _known_keys(root, path[:-1])
        return document.problem(
            path,
            f"unknown key{did_you_mean(str(path[-1]), allowed_keys)};"
            f" allowed: {', '.join(allowed_keys)}",
        )
    if kind == "missing":
        return document.problem(path, "is missing")
    if kind in ("literal_error", "enum"):
        allowed = str(context["expected"]).replace("'", "")
        words = [word.strip() for word in allowed.replace(" or ", ",").split(",")]
        return document.problem(
            path,
            f"{_shown_value(path, fault['input'])} is not"
            f" allowed{did_you_mean(str(fault['input']), words)}; allowed: {allowed}",
        )
    message = (
        fault["msg"]
        .replace("Input should be", "must be")
        .replace("a valid tuple", "a list")
        .replace("a valid dictionary", "a mapping of keys")
    )
    return document.problem(
        path, f"{message[0].lower()}{message[1:]}, not {_shown_value(path, fault['input'])}"
    )


def _file_path(document: YamlDocument, loc: tuple[str | int, ...]) -> KeyPath:
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


def _shown_value(path: KeyPath, value: Any) -> str:
    """A value as errors show it: no secrets, and shortened."""
    words = [part for part in path if isinstance(part, str)]
    secret = is_secret_key(words[-1] if words else "") or not set(words).isdisjoint(SECRET_MAPPINGS)
    text = "the value" if secret and value is not None else repr(mask_secrets(value))
    return text if len(text) <= 60 else text[:57] + "..."
