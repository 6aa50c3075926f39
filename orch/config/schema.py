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

from orch.config import spec
from orch.config.consistency import CHECKS, KNOWN, MODELS, ROUTING
from orch.config.schema_problems import schema_problems
from orch.config.spec import known_models as known
from orch.config.yaml_document import Problem, YamlDocument

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
    """Expands the short form `journal: off` to `journal: {mode: off}`, an empty `models:` or
    `aliases:` to an empty value, and the seconds of keep_alive to text."""
    if not isinstance(data, dict):
        return data
    if which == ROUTING:
        return {
            key: {"mode": value}
            if key in ("journal", "cache") and isinstance(value, (str, bool))
            else value
            for key, value in data.items()
        }
    if which == MODELS:
        return _with_models(data)
    return data


def _with_models(data: dict[str, Any]) -> dict[str, Any]:
    for key, empty in (("models", list), ("aliases", dict)):
        if key in data and data[key] is None:
            data = {**data, key: empty()}
    providers = data.get("providers")
    if isinstance(providers, dict):
        data = {**data, "providers": {name: _with_text(each) for name, each in providers.items()}}
    return data


def _with_text(provider: Any) -> Any:
    """The provider with keep_alive as text: `-1` and `300` need no quotes."""
    keep_alive = provider.get("keep_alive") if isinstance(provider, dict) else None
    if isinstance(keep_alive, (int, float)):
        return {**provider, "keep_alive": str(keep_alive).lower()}
    return provider


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
        return {}, list(schema_problems(document, root, error))
    return checked, list(CHECKS[which](document, checked))
