"""Parses YAML text to plain data with the position of every value. Never raises, for any input.

Follows YAML 1.2 (`off` and `yes` are strings, not booleans), without tags; rejects duplicate keys
and bounds depth and aliases.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orch.text.lines import one_line

MAX_BYTES = 1_000_000
MAX_DEPTH = 30
MAX_NODES = 100_000
_TOO_MANY = "too many values, or an alias that contains itself"

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem in a file. `line` and `column` count from 1; `path` is the path of the key."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        return one_line(
            f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"
        )


@dataclass(slots=True)
class YamlDocument:
    """A parsed file: its data, the position of each value and key, the words of those that are not
    text, and its syntax problems."""

    file: str
    data: Any = None
    positions: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    scalars: dict[KeyPath, str] = field(default_factory=dict)
    """Numbers, booleans and null as they are written: 3.10, which is 3.1."""
    problems: list[Problem] = field(default_factory=list)

    def problem(self, path: KeyPath, message: str) -> Problem:
        """A problem at the position of the value, or of the nearest parent that has one."""
        nearest = path
        while nearest and nearest not in self.positions:
            nearest = nearest[:-1]
        line, column = self.positions.get(nearest, (1, 1))
        return Problem(self.file, line, column, format_key_path(path), message)


def format_key_path(path: KeyPath) -> str:
    """A path as written by people: models[0].speed_rating."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def parse_yaml(file: str, text: str, *, shipped: bool = False) -> YamlDocument:
    """Parses one YAML document. Does not raise: errors are in `problems`."""
    import yaml  # 3x `python -c pass`: loaded only on a cache miss

    # libyaml is 8x as fast, but accepts tabs and `?` where PyYAML does not: only for the shipped
    # files
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader) if shipped else yaml.SafeLoader
    document = YamlDocument(file)
    if len(text) > MAX_BYTES:
        document.problems.append(
            Problem(file, 1, 1, "", f"the file has over {MAX_BYTES:,} characters")
        )
        return document
    try:
        _check_depth(yaml, text, loader)
        root = yaml.compose(text, Loader=loader)
        document.data = _NodeReader(document).read(root, ()) if root is not None else {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        message = " ".join(str(error.problem or error.context or error).split())
        document.problems.append(Problem(file, line, column, "", f"not valid YAML: {message}"))
    except RecursionError:
        document.problems.append(Problem(file, 1, 1, "", f"not valid YAML: {_TOO_MANY}"))
    except (yaml.YAMLError, ValueError) as error:
        document.problems.append(Problem(file, 1, 1, "", f"not valid YAML: {error}"))
    return document


def _check_depth(yaml: Any, text: str, loader: Any) -> None:
    """Counts parser events before nodes are built, so that no nesting can exhaust the stack."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=loader)):
        if count > 2 * MAX_NODES:  # one event for each value, two for a mapping or a list
            raise ValueError("too many values")
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            depth += 1
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            depth -= 1
        if depth > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH} levels")


class _NodeReader:
    """Turns nodes into data. Counts them, since aliases can make a small file huge."""

    def __init__(self, document: YamlDocument) -> None:
        self.document = document
        self.nodes = 0

    def read(self, node: Any, path: KeyPath) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES or len(path) > MAX_DEPTH:
            raise ValueError(_TOO_MANY)
        self.document.positions.setdefault(path, _position(node))
        if node.id == "mapping":
            return self._mapping(node, path)
        if node.id == "sequence":
            return [self.read(child, (*path, index)) for index, child in enumerate(node.value)]
        value = _scalar(node)
        if not isinstance(value, str):
            self.document.scalars.setdefault(path, node.value)
        return value

    def _mapping(self, node: Any, path: KeyPath) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if _is_merge(key_node):
                data = {**self._merged(value_node, path), **data}
        keys: set[str] = set()
        for key_node, value_node in node.value:
            if key_node.id != "scalar":
                self._fault(key_node, path, "a key must be a word")
                continue
            key = str(key_node.value)
            if key in keys:
                self._fault(key_node, (*path, key), "appears twice")
            keys.add(key)
            if not _is_merge(key_node):
                self.document.positions[(*path, key)] = _position(key_node)
                data[key] = self.read(value_node, (*path, key))
        return data

    def _merged(self, node: Any, path: KeyPath) -> dict[str, Any]:
        """The keys that `<<` takes from a mapping, or from a list of mappings, of which the first
        one counts."""
        data: dict[str, Any] = {}
        for each in node.value if node.id == "sequence" else [node]:
            if each.id != "mapping":
                self._fault(each, (*path, "<<"), "takes a mapping, or a list of mappings")
                continue
            data = {**self.read(each, path), **data}
        return data

    def _fault(self, node: Any, path: KeyPath, message: str) -> None:
        line, column = _position(node)
        self.document.problems.append(
            Problem(self.document.file, line, column, format_key_path(path), message)
        )


def _is_merge(key_node: Any) -> bool:
    """Whether a key is YAML's merge key, `<<` without quotes."""
    return key_node.id == "scalar" and key_node.value == "<<" and not key_node.style


def _position(node: Any) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _scalar(node: Any) -> Any:
    text, tag = node.value, node.tag.rsplit(":", 1)[-1]
    if node.style and tag == "str":  # a plain scalar has None, from libyaml ""
        return text
    if tag == "null":
        return None
    if tag == "bool" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if tag in ("int", "float"):
        return _number(text)
    return text


def _number(text: str) -> Any:
    plain = text.replace("_", "")
    for convert in (int, float):
        try:
            return convert(plain)
        except ValueError:
            continue
    # sexagesimal and octal numbers of YAML 1.1 are strings here
    return text
