"""Says what is wrong with a value of a configuration file and how to write it: pydantic's faults in
orch's words (pure)."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from typing import Any

import pydantic

from orch.config.secrets import SECRET_MAPPINGS, is_secret_key, mask_secrets
from orch.config.spec import DURATION_PATTERN
from orch.config.yaml_document import KeyPath, Problem, YamlDocument
from orch.text.suggestion import did_you_mean

_NUMBER_TYPES = ("float_parsing", "float_type")
_INTEGER_TYPES = ("int_parsing", "int_type", "int_from_float")
_MESSAGES: Mapping[str, str] = {
    **dict.fromkeys(_NUMBER_TYPES, "must be a number without a unit, not {shown}"),
    **dict.fromkeys(_INTEGER_TYPES, "must be a whole number without a unit, not {shown}"),
    "finite_number": "must be a finite number, not {shown}",
    "bool_parsing": "must be true or false, not {shown}",
    "bool_type": "must be true or false, not {shown}",
    "model_type": "must be a mapping of keys, not {shown}",
    "dict_type": "must be a mapping of keys, not {shown}",
    "tuple_type": "must be a list, not {shown}",
}


def schema_problems(
    document: YamlDocument, root: type[pydantic.BaseModel], error: pydantic.ValidationError
) -> Iterator[Problem]:
    """One problem for each value that is not valid."""
    by_path: dict[KeyPath, list[dict[str, Any]]] = {}
    for fault in error.errors():
        by_path.setdefault(_file_path(document, fault["loc"]), []).append(dict(fault))
    for path, faults in by_path.items():
        message = _message(document, root, path, faults[0])
        if len(faults) > 1 and faults[-1]["type"] in _NUMBER_TYPES:  # a word, or a number
            message += ", or a number without a unit"
        yield document.problem(path, message)


def _message(
    document: YamlDocument, root: type[pydantic.BaseModel], path: KeyPath, fault: dict[str, Any]
) -> str:
    kind, value, shown = fault["type"], fault["input"], _shown_value(path, fault["input"])
    if kind == "extra_forbidden":
        allowed_keys = _known_keys(root, path[:-1])
        near = did_you_mean(str(path[-1]), allowed_keys)
        return f"unknown key{near}; allowed: {', '.join(allowed_keys)}"
    if kind == "missing":
        return "is missing"
    if kind in ("literal_error", "enum"):
        return _not_allowed(fault, shown)
    if kind in ("string_type", "string_pattern_mismatch") and _is_duration(root, path):
        return f"{shown} is not a duration; write a number with s, m, h, d or w, such as 24h"
    if kind == "string_type":
        return _not_text(path, value, document.scalars.get(path), shown)
    if kind in _MESSAGES:
        return _MESSAGES[kind].format(shown=shown)
    message = fault["msg"].replace("Input should be", "must be")
    return f"{message[0].lower()}{message[1:]}, not {shown}"


def _not_allowed(fault: dict[str, Any], shown: str) -> str:
    allowed = str(fault["ctx"]["expected"]).replace("'", "")
    words = [word.strip() for word in allowed.replace(" or ", ",").split(",")]
    return f"{shown} is not allowed{did_you_mean(str(fault['input']), words)}; allowed: {allowed}"


def _not_text(path: KeyPath, value: Any, written: str | None, shown: str) -> str:
    """What to write instead of a value that YAML reads as a number, a boolean or nothing:
    `id: 3.10` is the number 3.1, `id: "3.10"` the name."""
    if isinstance(value, (dict, list)):
        return f"must be text, not {shown}"
    if not written:
        return "has no value"
    if _is_secret(path):
        return "must be text, which the value is in quotes"
    before = "" if isinstance(path[-1], int) else f"{path[-1]}: "
    return f'must be text, which {written} is in quotes: {before}"{written}"'


def _is_duration(root: type[pydantic.BaseModel], path: KeyPath) -> bool:
    model = _type_at(root, path[:-1])
    if not _is_model(model):
        return False
    field = model.model_fields.get(str(path[-1]))
    patterns = (getattr(each, "pattern", None) for each in field.metadata) if field else ()
    return DURATION_PATTERN in patterns


# ---------------------------------------------------------------- where


def _file_path(document: YamlDocument, loc: tuple[str | int, ...]) -> KeyPath:
    """pydantic's location without the parts that are not keys of the file (branches of a union,
    `[key]`)."""
    path: KeyPath = ()
    for index, part in enumerate(loc):
        last_is_new = (
            index == len(loc) - 1
            and part not in ("[key]", "bool", "float", "int", "str")
            and not str(part).startswith("literal[")
        )
        if (*path, part) in document.positions or last_is_new:
            path = (*path, part)
    return path


def _is_model(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, pydantic.BaseModel)


def _type_at(root: type[pydantic.BaseModel], path: KeyPath) -> Any:
    """The type of the value at a path, below lists and mappings."""
    model: Any = root
    for part in path:
        if _is_model(model):
            model = model.model_fields[str(part)].annotation
        else:
            model = typing.get_args(model)[0 if typing.get_origin(model) is tuple else 1]
    return model


def _known_keys(root: type[pydantic.BaseModel], path: KeyPath) -> list[str]:
    model = _type_at(root, path)
    return list(model.model_fields) if _is_model(model) else []


def _is_secret(path: KeyPath) -> bool:
    words = [part for part in path if isinstance(part, str)]
    return is_secret_key(words[-1] if words else "") or not set(words).isdisjoint(SECRET_MAPPINGS)


def _shown_value(path: KeyPath, value: Any) -> str:
    """A value as errors show it: no secrets, and shortened."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = "the value" if _is_secret(path) else repr(mask_secrets(value))
    return text if len(text) <= 60 else text[:57] + "..."
