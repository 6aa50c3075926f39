"""The suite of graded tasks: parses YAML or JSON lines and reports every fault of a user's file at
once, each with its position."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from orch.bench.check_forms import CHECK_FORMS, Check
from orch.bench.suite_check import check_faults, coerce_lists, validate_form
from orch.config import files
from orch.config.yaml_document import MAX_BYTES, KeyPath, Problem, YamlDocument, parse_yaml
from orch.errors import ConfigError
from orch.text.suggestion import did_you_mean
from orch.types import TaskType

SHIPPED_SUITE = Path(__file__).with_name("tasks.yaml")
DEFAULT_MAX_TOKENS = 400
_INSIDE = ("tests", "rubric")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Root:
    version: Literal[1] = 1
    extends: Literal["shipped"] | None = None
    tasks: list[Any] = field(metadata={"min_length": 1})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    id: str = field(metadata={"min_length": 1, "max_length": 100})
    type: TaskType
    lang: Literal["en", "es"]
    prompt: str
    system: str | None = None
    max_tokens: int = field(default=DEFAULT_MAX_TOKENS, metadata={"ge": 1, "le": 32_000})
    grade: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SuiteTask:
    """A task of the suite; the score of several checks is their mean."""

    id: str
    type: TaskType
    lang: str
    prompt: str
    checks: tuple[Check, ...]
    system: str | None = None
    max_tokens: int = DEFAULT_MAX_TOKENS


@dataclass(frozen=True, slots=True)
class Suite:
    """The tasks in their order; `name` is shipped or the file's name, `digest` the SHA-256 of all
    that was read, which tells suites apart."""

    name: str
    tasks: tuple[SuiteTask, ...]
    digest: str


def load_suite(path: Path | None = None) -> Suite:
    """Loads the suite of a file, or the shipped one. Raises ConfigError with every fault."""
    text = _read(path or SHIPPED_SUITE)
    document = (
        _parse_lines(str(path), text)
        if path and path.suffix == ".jsonl"
        else parse_yaml(str(path or SHIPPED_SUITE), text)
    )
    tasks, extends = _tasks(document)
    if document.problems:
        raise _error(document.problems)
    digest = hashlib.sha256(text.encode()).hexdigest()
    if not extends:
        return Suite(path.name if path else "shipped", tuple(tasks), digest)
    base, own = load_suite(), {task.id for task in tasks}
    kept = tuple(task for task in base.tasks if task.id not in own)
    return Suite(
        f"shipped + {path.name if path else ''}",
        (*kept, *tasks),
        hashlib.sha256(f"{base.digest} {digest}".encode()).hexdigest(),
    )


def _error(problems: list[Problem]) -> ConfigError:
    lines = [
        str(problem)
        for problem in sorted(problems, key=lambda problem: (problem.line, problem.column))
    ]
    count = f"{len(lines)} problems" if len(lines) > 1 else "a problem"
    return ConfigError(
        f"{count} in the suite\n" + "\n".join(f"  {each}" for each in lines),
        f"{SHIPPED_SUITE} shows the form",
        problems=lines,
    )


def _read(path: Path) -> str:
    try:
        return files.read_bounded(path, 4 * MAX_BYTES).decode("utf-8-sig")
    except files.FileTooLongError:
        raise ConfigError(
            f"{path}: over {4 * MAX_BYTES // 1_000_000} MB",
            "--suite takes a YAML or JSONL file of tasks",
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: not UTF-8 text (byte {error.start})", "save the file as UTF-8"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror or error}", "--suite takes a YAML or JSONL file of tasks"
        ) from None


def _parse_lines(file: str, text: str) -> YamlDocument:
    """Parses one task per line; a first line without `id` may have `version` and `extends`."""
    document = YamlDocument(file, {"tasks": []})
    if len(text) > MAX_BYTES:
        document.problems.append(
            Problem(file, 1, 1, "", f"the file has over {MAX_BYTES:,} characters")
        )
        return document
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
        except (ValueError, RecursionError) as error:
            column = error.colno if isinstance(error, json.JSONDecodeError) else 1
            document.problems.append(Problem(file, number, column, "", f"not valid JSON: {error}"))
            continue
        if (
            number == 1
            and isinstance(data, dict)
            and "id" not in data
            and data.keys() & {"version", "extends"}
        ):
            document.data |= data
        else:
            document.positions["tasks", len(document.data["tasks"])] = (number, 1)
            document.data["tasks"].append(data)
    return document


# ---------------------------------------------------------------- from data to tasks


def _tasks(document: YamlDocument) -> tuple[list[SuiteTask], bool]:
    """The valid tasks, and whether they extend the shipped ones; faults are added to the document's
    problems."""
    root = validate_form(document, (), _Root, document.data) if document.data is not None else None
    if root is None:
        return [], False
    tasks = [
        task
        for index, entry in enumerate(root["tasks"])
        if (task := _task(document, ("tasks", index), entry))
    ]
    seen: dict[str, int] = {}
    for index, entry in enumerate(root["tasks"]):
        name = entry.get("id") if isinstance(entry, dict) else None
        if isinstance(name, str) and seen.setdefault(name, index) != index:
            document.problems.append(
                document.problem(
                    ("tasks", index, "id"), f"{name!r} is already the id of tasks[{seen[name]}]"
                )
            )
    return tasks, root["extends"] is not None


def _task(document: YamlDocument, path: KeyPath, data: Any) -> SuiteTask | None:
    entry = validate_form(document, path, _Entry, data)
    if entry is None:
        grade = data.get("grade") if isinstance(data, dict) else None
        if isinstance(grade, dict):
            _checks(document, (*path, "grade"), grade)
        return None
    if not entry["prompt"].strip():
        document.problems.append(document.problem((*path, "prompt"), "is empty"))
    checks = _checks(document, (*path, "grade"), entry.pop("grade"))
    return SuiteTask(**{**entry, "prompt": entry["prompt"].strip()}, checks=checks)


def _checks(document: YamlDocument, path: KeyPath, grade: dict[str, Any]) -> tuple[Check, ...]:
    if "all" not in grade:
        checks = [_check(document, path, grade)]
    elif len(grade) > 1 or not isinstance(grade["all"], list) or not grade["all"]:
        document.problems.append(
            document.problem((*path, "all"), "must be a list of graders, with nothing beside it")
        )
        checks = []
    else:
        checks = [
            _check(document, (*path, "all", index), each) for index, each in enumerate(grade["all"])
        ]
    return tuple(check for check in checks if check is not None)


def _check(document: YamlDocument, path: KeyPath, grade: Any) -> Check | None:
    """One check; None where it is invalid, with the fault added to the problems."""
    names = [name for name in CHECK_FORMS if isinstance(grade, dict) and name in grade]
    if len(names) != 1:
        near = (
            "".join(did_you_mean(key, list(CHECK_FORMS)) for key in grade)
            if isinstance(grade, dict) and not names
            else ""
        )
        what = (
            f"two graders, {' and '.join(names)}; write them under `all`"
            if names
            else f"no grader{near}"
        )
        document.problems.append(
            document.problem(path, f"{what}; one of: {', '.join(CHECK_FORMS)}, all")
        )
        return None
    name = names[0]
    if name in _INSIDE and len(grade) > 1:
        other = next(key for key in grade if key != name)
        document.problems.append(
            document.problem((*path, other), f"unknown key; the keys of {name} stand inside it")
        )
    inside, data = ((*path, name), grade[name]) if name in _INSIDE else (path, grade)
    values = validate_form(
        document, inside, CHECK_FORMS[name], coerce_lists(CHECK_FORMS[name], data)
    )
    if values is None:
        return None
    check: Check = CHECK_FORMS[name](**values)
    document.problems += [
        document.problem((*inside, *at), fault) for at, fault in check_faults(check)
    ]
    return check
