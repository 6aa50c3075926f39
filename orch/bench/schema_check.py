"""Checks data against what it should look like: the JSON of an answer against a small subset of JSON Schema, a suite's keys against their form (pure)."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import pydantic

from orch.config import patterns
from orch.config.schema import model_of
from orch.config.source import Document, Path, Problem

_FENCE = re.compile(r"```[\w+-]*[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def find_json(text: str) -> tuple[bool, Any]:
    """Whether there is an object or list, and it: the whole text, else the last fence that holds one, else the largest inside the text."""
    for candidate in (text, *reversed(_FENCE.findall(text))):
        found, value = _parsed(candidate)
        if found:
            return True, value
    spans = list(_inside(text))
    return (True, max(spans, key=lambda span: span[0])[1]) if spans else (False, None)


def _parsed(text: str) -> tuple[bool, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False, None
    return isinstance(value, (dict, list)), value


def _inside(text: str) -> Iterator[tuple[int, Any]]:
    """Every JSON value that begins with a bracket, with its length; those inside another are passed over."""
    decoder, at = json.JSONDecoder(), 0
    for _ in range(200):
        start = min((place for place in (text.find("{", at), text.find("[", at)) if place >= 0), default=-1)
        if start < 0:
            return
        try:
            value, at = decoder.raw_decode(text, start)
            yield at - start, value
        except (ValueError, RecursionError):
            at = start + 1


# ---------------------------------------------------------------- checking a value


def _is(value: Any, name: str) -> bool:
    if name in ("integer", "number") and isinstance(value, bool):
        return False
    return isinstance(value, _TYPES[name]) or (name == "integer" and isinstance(value, float) and value.is_integer())


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: true is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _type(schema: Any, value: Any) -> str:
    names = [schema] if isinstance(schema, str) else schema
    return "" if any(_is(value, name) for name in names) else f"is not of type {' or '.join(names)}"


def _required(names: Any, value: Any) -> str:
    missing = [name for name in names if isinstance(value, dict) and name not in value]
    return f"lacks {', '.join(missing)}" if missing else ""


def _measure(value: Any, kind: str) -> float | None:
    """What a bound is about: the number itself or a length; None where the keyword says nothing of such a value."""
    if kind == "number":
        return value if _is(value, "number") else None
    return len(value) if isinstance(value, str if kind == "text" else list) else None


def _bound(kind: str, sign: int) -> Callable[[Any, Any], str]:
    def check(bound: Any, value: Any) -> str:
        size = _measure(value, kind)
        return "" if size is None or sign * size >= sign * bound else f"is {'under' if sign > 0 else 'over'} {bound}"

    return check


def _matches(pattern: Any, value: Any) -> str:
    fits = not isinstance(value, str) or re.search(pattern, value[: patterns.READ_CHARS])
    return "" if fits else f"does not match {pattern}"


_SIMPLE: dict[str, Callable[[Any, Any], str]] = {
    "type": _type,
    "required": _required,
    "enum": lambda allowed, value: "" if any(_same(value, each) for each in allowed) else "is none of the allowed values",
    "const": lambda wanted, value: "" if _same(value, wanted) else f"is not {wanted!r}",
    "minimum": _bound("number", 1),
    "maximum": _bound("number", -1),
    "minItems": _bound("list", 1),
    "maxItems": _bound("list", -1),
    "minLength": _bound("text", 1),
    "maxLength": _bound("text", -1),
    "pattern": _matches,
}
KEYWORDS = (*_SIMPLE, "properties", "items", "additionalProperties", "anyOf")


def faults(schema: dict[str, Any], value: Any, where: str = "it") -> Iterator[str]:
    """What of a value does not fit a schema that `schema_faults` found nothing wrong with."""
    for keyword, check in _SIMPLE.items():
        if keyword in schema and (said := check(schema[keyword], value)):
            yield f"{where} {said}"
    if "anyOf" in schema and all(any(faults(each, value)) for each in schema["anyOf"]):
        yield f"{where} fits none of anyOf"
    if isinstance(value, list) and "items" in schema:
        for index, each in enumerate(value):
            yield from faults(schema["items"], each, f"{where}[{index}]")
    if isinstance(value, dict):
        yield from _object_faults(schema, value, where)


def _object_faults(schema: dict[str, Any], value: dict[str, Any], where: str) -> Iterator[str]:
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name, each in value.items():
        if name in known:
            yield from faults(known[name], each, f"{where}.{name}")
        elif others is False:
            yield f"{where} has {name}, which is not allowed"
        elif isinstance(others, dict):
            yield from faults(others, each, f"{where}.{name}")


# ---------------------------------------------------------------- checking a schema


def schema_faults(schema: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """What is wrong with a schema of a suite, each with its place inside."""
    if not isinstance(schema, dict):
        yield path, "a schema must be a mapping of keys"
        return
    for keyword, value in schema.items():
        if keyword not in KEYWORDS:
            yield (*path, keyword), f"unknown keyword; known are {', '.join(sorted(KEYWORDS))}"
        elif fault := _value_fault(keyword, value):
            yield (*path, keyword), fault
        else:
            for inner, at in _inner(keyword, value):
                yield from schema_faults(inner, (*path, keyword, *at))


def _inner(keyword: str, value: Any) -> Iterator[tuple[Any, Path]]:
    if keyword == "properties":
        yield from ((each, (name,)) for name, each in value.items())
    elif keyword == "anyOf":
        yield from ((each, (index,)) for index, each in enumerate(value))
    elif keyword == "items" or (keyword == "additionalProperties" and not isinstance(value, bool)):
        yield value, ()


def _value_fault(keyword: str, value: Any) -> str:
    if keyword == "type":
        names = value if isinstance(value, list) else [value]
        wrong = [str(name) for name in names if not isinstance(name, str) or name not in _TYPES]
        return f"unknown type {', '.join(wrong)}; known are {', '.join(_TYPES)}" if wrong or not names else ""
    if keyword == "pattern":
        return (patterns.problem(value) or "") if isinstance(value, str) else "must be a regular expression"
    if keyword in ("enum", "required", "anyOf"):
        return "" if isinstance(value, list) and value else "must be a list with something in it"
    if keyword == "properties":
        return "" if isinstance(value, dict) else "must be a mapping of keys"
    if keyword.startswith(("min", "max")):
        return "" if _is(value, "number") else "must be a number"
    return ""


# ---------------------------------------------------------------- expected values


def at_path(value: Any, path: str) -> tuple[bool, Any]:
    """Whether there is a value at a path such as orders[0].total, and it."""
    for part in re.findall(r"[^.\[\]]+", path):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return False, None
    return True, value


# ---------------------------------------------------------------- data of a suite against its form


def lists(form: type[Any], data: Any) -> Any:
    """One word where a list may stand is a list of one, and a number where a word must stand is a word."""
    if not isinstance(data, dict):
        return data
    depth = {f.name: str(f.type).count("tuple[") for f in fields(form)}
    return {key: _nested(value, depth.get(key, 0)) for key, value in data.items()}


def _nested(value: Any, depth: int) -> Any:
    if depth == 0:
        return value
    each = value if isinstance(value, list) else [value]
    return [_nested(one, depth - 1) if depth > 1 else json.dumps(one) if isinstance(one, (int, float)) else one for one in each]


def checked(document: Document, path: Path, form: type[Any], data: Any) -> dict[str, Any] | None:
    """The values of a form (a frozen dataclass), or None with every fault among the document's problems."""
    try:
        model = model_of(form)  # type: ignore[arg-type]  # a class can be hashed
        return model.model_validate(data).model_dump()
    except pydantic.ValidationError as error:
        document.problems += [_problem(document, path, form, dict(fault)) for fault in error.errors()]
        return None


def _problem(document: Document, path: Path, form: type[Any], fault: dict[str, Any]) -> Problem:
    """pydantic's fault in our words, as `config.schema` says them."""
    at, kind, given = (*path, *fault["loc"]), fault["type"], fault.get("input")
    if kind == "extra_forbidden":
        known = [f.name for f in fields(form)]
        return document.problem(at, f"unknown key{did_you_mean(str(at[-1]), known)}; allowed: {', '.join(known)}")
    if kind == "missing":
        return document.problem(at, "is missing")
    if kind in ("literal_error", "enum"):
        allowed = str(fault["ctx"]["expected"]).replace("'", "")
        words = allowed.replace(" or ", ", ").split(", ")
        return document.problem(at, f"{given!r} is not allowed{did_you_mean(str(given), words)}; allowed: {allowed}")
    if kind == "model_type":
        return document.problem(at, "must be a mapping of keys")
    said = fault["msg"].replace("Input should be", "must be").replace("a valid tuple", "a list").replace("a valid dictionary", "a mapping of keys")
    return document.problem(at, f"{said[0].lower()}{said[1:]}, not {repr(given)[:60]}")


def did_you_mean(word: str, known: list[str]) -> str:
    """The nearest known word, as the end of a message."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f", did you mean {near[0]}?" if near else ""
