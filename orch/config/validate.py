"""Validates both files and reports every problem with its position. Imports YAML and pydantic, so
it is loaded only on a cache miss."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from orch.config import schema, spec, yaml_document
from orch.config.discovery import SourceFile, packaged_file, read_source
from orch.config.interpolation import fill_and_find_unset, strings_with_variables
from orch.config.trust import KEPT_UNLESS_SET, LOCAL_MAY_SET, find_overreach
from orch.errors import ConfigError


def validated_data(
    sources: dict[str, SourceFile], base: dict[str, SourceFile | None], env: Mapping[str, str]
) -> dict[str, Any]:
    """The data of both files before interpolation, and under `own` the user's rules. Raises
    ConfigError with every problem."""
    result, problems = validate_sources(sources, base, env)
    if problems:
        count = f"{len(problems)} problems" if len(problems) > 1 else "a problem"
        raise ConfigError(
            f"{count} in the configuration\n" + "\n".join(f"  {problem}" for problem in problems),
            "orch config validate checks again; orch config schema lists every key",
            problems=problems,
        )
    rules, shipped = result["routing"].get("task_types", {}), _shipped("routing")["task_types"]
    prefer = [
        name
        for name, rule in rules.items()
        if rule.get("prefer") and rule["prefer"] == shipped.get(name, {}).get("prefer")
    ]
    return {
        **result,
        "own": _own_rules(rules, shipped),
        "shipped": {"models": _rating_facts(_shipped("models")["models"]), "prefer": prefer},
    }


def _rating_facts(models: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The quality and speed facts that the shipped file states."""
    keys = ("id", "quality_rating", "speed_rating", "strengths", "weaknesses", "last_resort")
    return [{key: model[key] for key in keys if key in model} for model in models]


def _own_rules(rules: dict[str, Any], shipped: dict[str, Any]) -> dict[str, Any]:
    """The keywords and patterns of each type that are not in the shipped file."""
    own = {}
    for name, rule in rules.items():
        shipped_rule = shipped.get(name, {})
        words = {
            language: _not_shipped(
                rule.get("keywords", {}).get(language),
                shipped_rule.get("keywords", {}).get(language),
            )
            for language in ("en", "es")
        }
        patterns = _not_shipped(rule.get("patterns"), shipped_rule.get("patterns"))
        if any((*words.values(), patterns)):
            own[name] = {"keywords": words, "patterns": patterns}
    return own


def _not_shipped(own: list[str] | None, shipped: list[str] | None) -> list[str]:
    return [each for each in own or [] if each not in (shipped or [])]


def validate_sources(
    sources: dict[str, SourceFile], base: dict[str, SourceFile | None], env: Mapping[str, str]
) -> tuple[dict[str, Any], list[str]]:
    """The data of both files before interpolation, and every problem as file:line:column: path:
    message."""
    result: dict[str, Any] = {}
    problems: list[yaml_document.Problem] = []
    for which, file in sources.items():
        document = yaml_document.parse_yaml(
            str(file.path), file.text, shipped=file.origin == "package"
        )
        raw = schema.expand_short_forms(which, document.data)
        if not document.problems:
            document.problems += _faults(which, document, raw, env).problems
        above = base.get(which)
        if above is not None and not document.problems:
            document.problems += find_overreach(
                which, document, raw, (_parsed(which, above), _shipped(which))
            )
            document.problems += _faults_of_kept(which, raw, above, env)
        problems += document.problems
        if not document.problems:
            result[which] = _cacheable(which, document, raw, above)
    return result, [str(problem) for problem in problems]


class _Faults(NamedTuple):
    """Every problem of one file, and whether its data have the right form all the same."""

    problems: list[yaml_document.Problem]
    is_readable: bool


def _faults(
    which: str, document: yaml_document.YamlDocument, raw: Any, env: Mapping[str, str]
) -> _Faults:
    filled, unset = fill_and_find_unset(raw, env)
    problems = [
        document.problem(
            path, f"the environment variable {name} is not set; write ${{{name}:-default}}"
        )
        for path, name in unset
    ]
    merged = _over_shipped(filled) if which == "routing" else filled
    checked, faults = schema.validate_document(which, document, merged)
    return _Faults(problems + faults, is_readable=bool(checked) and not unset)


def _faults_of_kept(
    which: str, raw: dict[str, Any], base: SourceFile, env: Mapping[str, str]
) -> list[yaml_document.Problem]:
    """What keeps the settings of the trusted file that count here from being read. Those that only
    do not fit the models of the other file are none."""
    document = yaml_document.parse_yaml(str(base.path), base.text)
    faults = _faults(which, document, _with_kept(which, raw, base), env)
    return [] if faults.is_readable else faults.problems


def _with_kept(which: str, raw: dict[str, Any], base: SourceFile) -> dict[str, Any]:
    """What a file of the working directory may set, over what the trusted file sets."""
    kept = {
        key: value
        for key, value in _parsed(which, base).items()
        if key not in LOCAL_MAY_SET[which] or key in KEPT_UNLESS_SET
    }
    return kept | {key: value for key, value in raw.items() if key in LOCAL_MAY_SET[which]}


def _cacheable(
    which: str, document: yaml_document.YamlDocument, raw: dict[str, Any], base: SourceFile | None
) -> dict[str, Any]:
    """Validated data for the cache. `${…}` stays as text: it is interpolated at every load."""
    if base is not None:
        raw = _with_kept(which, raw, base)
    merged = _over_shipped(raw) if which == "routing" else raw
    if next(strings_with_variables(merged), None) is None:
        checked, _ = schema.validate_document(which, document, merged)
        return dict(checked)
    return dict(merged)


def _parsed(which: str, file: SourceFile | None) -> dict[str, Any]:
    if file is None:
        return {}
    data = schema.expand_short_forms(
        which,
        yaml_document.parse_yaml(str(file.path), file.text, shipped=file.origin == "package").data,
    )
    return data if isinstance(data, dict) else {}


def _over_shipped(data: Any) -> Any:
    """Fills the missing keys of a routing.yaml from the shipped one; lists and weights are replaced
    whole."""
    if not isinstance(data, dict):
        return data
    return _merge(_shipped("routing"), data)


def _shipped(which: str) -> dict[str, Any]:
    return _parsed_shipped(read_source(which, packaged_file(which), "package"))


@lru_cache(maxsize=2)
def _parsed_shipped(file: SourceFile) -> dict[str, Any]:
    """Parsed once: parsing takes 50 ms, and each validation needs it three times. Callers must not
    change the result."""
    return _parsed(file.which, file)


def _merge(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        beneath = under.get(key)
        whole = key == "weights" or (isinstance(beneath, dict) and set(beneath) == set(spec.TERMS))
        merged[key] = (
            _merge(beneath, value)
            if isinstance(beneath, dict) and isinstance(value, dict) and not whole
            else value
        )
    return merged
