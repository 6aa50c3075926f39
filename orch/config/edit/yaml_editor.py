"""Edits YAML text by splicing: only the bytes of the edited value change, and comments, order,
quotes, anchors and line ends stay.

After each edit the text is parsed again. If it does not hold exactly the edited data, the edit is
refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from orch.config.edit.yaml_nodes import Entry, Node, NodeTree
from orch.config.edit.yaml_writing import (
    entry_lines,
    flow_entry,
    flow_item,
    inline_text,
    item_lines,
    plain_data,
)
from orch.config.yaml_document import KeyPath, format_key_path, parse_yaml
from orch.errors import ConfigError

Splice = tuple[int, int, str]
"""Begin and end of the text that is replaced, and the new text."""


@dataclass(frozen=True, slots=True)
class EditableYaml:
    """A YAML file that is a mapping of keys: its text, and the data in it. An edit returns a new
    one, or raises ConfigError."""

    file: str
    text: str
    data: dict[str, Any]
    tree: NodeTree

    @classmethod
    def parse(cls, file: str, text: str) -> EditableYaml:
        """Parses the text of a file. Raises ConfigError with every problem."""
        document = parse_yaml(file, text)
        if document.problems:
            problems = [str(problem) for problem in document.problems]
            raise ConfigError(
                "\n".join(problems), "orch config validate shows what is wrong", problems=problems
            )
        if not isinstance(document.data, dict):
            raise ConfigError(
                f"{file} is not a mapping of keys", "orch config validate shows what is wrong"
            )
        return cls(file, text, document.data, NodeTree(text))

    def source(self, path: KeyPath) -> str | None:
        """A value as it is written; None if it does not stand at this path."""
        node = self.tree.find(path)
        return None if node is None else self.text[node.body : self.tree.content_end(node)]

    def spliced(self, values: Mapping[KeyPath, Any]) -> str:
        """The text with other values at paths that exist. Not verified: `with_values` does that."""
        splices = (self._value_splices(path, value) for path, value in values.items())
        return _apply(self.text, [splice for each in splices for splice in each])

    def with_values(self, values: Mapping[KeyPath, Any]) -> EditableYaml:
        """Replaces values at paths that exist."""
        text, data = self.spliced(values), deepcopy(self.data)
        for path, value in values.items():
            _parent(data, path)[path[-1]] = plain_data(value)
        return self._verified(text, data, next(iter(values), ()))

    def with_entry(
        self,
        path: KeyPath,
        value: Any,
        at: int | None = None,
        comments: Mapping[str, str] | None = None,
    ) -> EditableYaml:
        """Sets the value under a key, whether or not it is there. A new key becomes entry number
        `at` of its mapping, or the last one."""
        if self.tree.find(path) is not None:
            return self.with_values({path: value})
        parent, key = self.tree.find(path[:-1]), str(path[-1])
        lines = entry_lines(key, value, comments or {})
        splices = self._insertion(path[:-1], parent, lines, flow_entry(key, value), at)
        data = deepcopy(self.data)
        holder = _filled(data, path[:-1], {})
        if not isinstance(holder, dict):
            raise self._refusal(path)
        holder[key] = plain_data(value)
        return self._verified(_apply(self.text, splices), data, path)

    def with_item(
        self, path: KeyPath, item: Any, comments: Mapping[str, str] | None = None
    ) -> EditableYaml:
        """Appends an item to a list. Where the key is missing, it is added. `comments` are put
        behind the keys of the item."""
        parent = self.tree.find(path)
        if parent is None:
            return self.with_entry(path, [item], comments=comments)
        notes = comments or {}
        text = flow_item(item, notes, self._indent_of(parent) + "  ", self._newline)
        splices = self._insertion(path, parent, item_lines(item, notes), text, None)
        data = deepcopy(self.data)
        items = _filled(data, path, [])
        if not isinstance(items, list):
            raise self._refusal(path)
        items.append(plain_data(item))
        return self._verified(_apply(self.text, splices), data, path)

    def without(self, path: KeyPath) -> EditableYaml:
        """Removes an entry of a mapping or an item of a list."""
        parent, entry = self._entry(path)
        data = deepcopy(self.data)
        del _parent(data, path)[path[-1]]
        if len(parent.entries) == 1 and not parent.is_flow:
            empty: Any = [] if parent.kind == "list" else {}
            splices = self._value_splices(path[:-1], empty)
        elif parent.is_flow:
            splices = self._flow_removal(parent, entry)
        else:
            splices = [self._block_removal(parent, entry)]
        return self._verified(_apply(self.text, splices), data, path)

    # ------------------------------------------------------------ where things are

    @property
    def _newline(self) -> str:
        ending = re.search(r"\r\n|\n|\r", self.text)
        return ending.group() if ending else "\n"

    def _indent_of(self, node: Node) -> str:
        """The indentation of the line on which a value begins."""
        line = self.text[self.tree.line_start(node.start) : node.start]
        return line[: len(line) - len(line.lstrip(" "))]

    def _refusal(self, path: KeyPath) -> ConfigError:
        key = format_key_path(path) or "this"
        return ConfigError(
            f"{self.file}: {key} is written in a way that only a person can change, such as an"
            " anchor",
            f"edit {self.file} in an editor, then type: orch config validate",
        )

    def _entry(self, path: KeyPath) -> tuple[Node, Entry]:
        """The entry at a path, and the mapping or list that it stands in."""
        parent = self.tree.find(path[:-1])
        entry = parent.entry(path[-1]) if parent else None
        if parent is None or entry is None:
            raise self._refusal(path)
        return parent, entry

    def _verified(self, text: str, data: Any, path: KeyPath) -> EditableYaml:
        """The edited text, if it holds the edited data."""
        document = parse_yaml(self.file, text)
        if document.problems or not _is_same(document.data, data):
            raise self._refusal(path)
        return EditableYaml(self.file, text, document.data, NodeTree(text))

    # ------------------------------------------------------------ values

    def _value_splices(self, path: KeyPath, value: Any) -> list[Splice]:
        if not path:
            root = self.tree.root
            assert root is not None
            return [(root.start, self.tree.content_end(root), inline_text(value, in_flow=False))]
        parent, entry = self._entry(path)
        text = inline_text(value, in_flow=parent.is_flow)
        node = entry.value
        if node.is_empty:
            place = self.tree.value_place(entry, parent)
            where = place if place is not None else node.start
            return [(where, where, f" {text}" if place is not None else f": {text}")]
        end = self.tree.content_end(node)
        place = self.tree.value_place(entry, parent)
        if node.is_flow or place is None or self._is_beside(node, place):
            return [
                (node.body if node.is_flow and node.kind == "scalar" else node.start, end, text)
            ]
        lines = self.tree.line_start(self.tree.start(node.entries[0], node))
        return [(place, place, f" {text}"), (lines, self.tree.next_line(end), "")]

    def _is_beside(self, node: Node, place: int) -> bool:
        """Whether a block value begins on the line of its key or dash."""
        first = self.tree.start(node.entries[0], node)
        return self.tree.line_start(first) == self.tree.line_start(place)

    # ------------------------------------------------------------ insertions

    def _insertion(
        self, path: KeyPath, parent: Node | None, lines: list[str], flow: str, at: int | None
    ) -> list[Splice]:
        """Inserts an entry into a mapping or a list: as lines or, in flow style, as text."""
        if parent is None and not path:  # a file of comments alone
            return [self._lines_after(len(self.text), lines, 0)]
        if parent is None or parent.kind == "alias":
            raise self._refusal(path)
        if path and not parent.entries and not self._entry(path)[0].is_flow:
            return self._first_entry(path, parent, lines)
        if parent.kind == "scalar":
            raise self._refusal(path)
        number = len(parent.entries) if at is None else min(at, len(parent.entries))
        if parent.is_flow:
            return [self._flow_insertion(parent, flow, number)]
        column = self.tree.column(parent)
        if number == 0:
            start = self.tree.start(parent.entries[0], parent)
            indent = " " * column
            return [(start, start, "".join(f"{line}{self._newline}{indent}" for line in lines))]
        end = self.tree.entry_end(parent.entries[number - 1])
        return [self._lines_after(self.tree.last_line_end(end, column), lines, column)]

    def _first_entry(self, path: KeyPath, node: Node, lines: list[str]) -> list[Splice]:
        """Inserts the first entry under a key of a block mapping, in place of nothing, `null` or
        empty brackets."""
        parent, entry = self._entry(path)
        place = self.tree.value_place(entry, parent)
        if (node.kind == "scalar" and node.name not in ("", "~", "null")) or place is None:
            raise self._refusal(path)
        column = self.tree.column(parent) + 2
        return [
            (place, node.end, ""),
            self._lines_after(self.tree.line_end(node.end), lines, column),
        ]

    def _flow_insertion(self, parent: Node, text: str, number: int) -> Splice:
        if not parent.entries:
            return parent.body, parent.body, text
        if number == 0:
            start = self.tree.start(parent.entries[0], parent)
            return start, start, f"{text}, "
        end = self.tree.entry_end(parent.entries[number - 1])
        return end, end, f", {text}"

    def _lines_after(self, end: int, lines: Iterable[str], column: int) -> Splice:
        """Lines after the line that ends at a position."""
        text = "".join(f"{self._newline}{' ' * column}{line}" for line in lines)
        if end == self.tree.line_start(end):  # the text is empty, or ends with a line break
            text = text.removeprefix(self._newline) + self._newline
        elif end == len(self.text):
            text += self._newline
        return end, end, text

    # ------------------------------------------------------------ removals

    def _flow_removal(self, parent: Node, entry: Entry) -> list[Splice]:
        """Removes an entry with one comma: the one after it, or else the one before."""
        number = parent.entries.index(entry)
        start, end = self.tree.start(entry, parent), self.tree.entry_end(entry)
        after = parent.entries[number + 1 :]
        limit = self.tree.start(after[0], parent) if after else parent.end
        if (comma := self.tree.comma(end, limit)) is not None:
            blanks = re.compile(r" *(?![ #])").match(self.text, comma + 1)
            return [(start, blanks.end() if blanks else comma + 1, "")]
        if number == 0:
            return [(start, end, "")]
        before = self.tree.entry_end(parent.entries[number - 1])
        comma = self.tree.comma(before, start)
        assert comma is not None
        if not self.text[comma + 1 : start].strip(" "):
            return [(comma, end, "")]
        return [(comma, comma + 1, ""), (start, end, "")]

    def _block_removal(self, parent: Node, entry: Entry) -> Splice:
        """Removes the lines of an entry. The first one may stand on the line of a dash."""
        start, end = self.tree.start(entry, parent), self.tree.entry_end(entry)
        begin = self.tree.line_start(start)
        if not self.text[begin:start].strip(" "):
            last = self.tree.last_line_end(end, self.tree.column(parent))
            return begin, self.tree.next_line(last), ""
        following = self.tree.start(parent.entries[1], parent)
        return start, end if "#" in self.text[end:following] else following, ""


def _parent(data: Any, path: KeyPath) -> Any:
    for part in path[:-1]:
        data = data[part]
    return data


def _filled(data: Any, path: KeyPath, empty: Any) -> Any:
    """The mapping or list at a path, which is created in place of null."""
    if not path:
        return data
    holder = _parent(data, path)
    if holder[path[-1]] is None:
        holder[path[-1]] = empty
    return holder[path[-1]]


def _apply(text: str, splices: Iterable[Splice]) -> str:
    for begin, end, new in sorted(splices, reverse=True):
        text = text[:begin] + new + text[end:]
    return text


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values are equal and of the same types: 1, 1.0 and true differ."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_is_same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return bool(one == other or (one != one and other != other))
