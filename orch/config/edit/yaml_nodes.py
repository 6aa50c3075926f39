"""Parses YAML text to nodes that know where they stand in it, down to each dash, colon and comma.

PyYAML's own nodes don't: an alias has the position of its anchor, and the indicators have none.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from orch.config.yaml_document import KeyPath

_ANCHOR = re.compile(r"&\S+[ \t]*")
_INDICATORS = (yaml.BlockEntryToken, yaml.ValueToken, yaml.FlowEntryToken)
LINE_BREAKS = "\r\n\x85\u2028\u2029"
"""What PyYAML takes for the end of a line."""


@dataclass(slots=True)
class Node:
    """A value in the text, from `start` (with its anchor) to `end`. `body` is where its content
    begins: after the anchor, or after the opening bracket."""

    kind: Literal["scalar", "alias", "mapping", "list"]
    start: int
    body: int
    end: int
    is_flow: bool = True
    style: str | None = None
    name: str = ""
    """The value of a scalar."""
    entries: list[Entry] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether the value is left out, as in `key:`."""
        return self.kind == "scalar" and self.start == self.end

    def entry(self, part: str | int) -> Entry | None:
        """The entry under a key or an index."""
        if self.kind == "list":
            at = part if isinstance(part, int) else -1
            return self.entries[at] if 0 <= at < len(self.entries) else None
        return next((each for each in self.entries if each.key and each.key.name == part), None)


@dataclass(slots=True)
class Entry:
    """An entry of a mapping, or of a list: then without a key."""

    value: Node
    key: Node | None = None


class _RecordingLoader(yaml.SafeLoader):
    """PyYAML's loader, which also records where the indicators stand."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text
        self.indicators: dict[type[Any], list[int]] = {kind: [] for kind in _INDICATORS}

    def get_token(self) -> Any:
        token = super().get_token()  # type: ignore[no-untyped-call]
        if type(token) in self.indicators:
            self.indicators[type(token)].append(token.start_mark.index)
        return token

    def next_event(self) -> Any:
        """The next event of the parser."""
        return self.get_event()  # type: ignore[no-untyped-call]


class NodeTree:
    """The nodes of a text. Expects valid YAML: `parse_yaml` reports what is not."""

    def __init__(self, text: str) -> None:
        self.text = text
        loader = _RecordingLoader(text)
        try:
            self.root = _read_root(loader)
        finally:
            loader.dispose()
        self._dashes, self._colons, self._commas = (loader.indicators[kind] for kind in _INDICATORS)

    def find(self, path: KeyPath) -> Node | None:
        """The value at a path. None if it is missing, or stands elsewhere: at an anchor, or in a
        mapping that is merged."""
        node = self.root
        for part in path:
            entry = node.entry(part) if node else None
            node = entry.value if entry else None
        return node

    def start(self, entry: Entry, parent: Node) -> int:
        """Where an entry begins: at its key, at its dash, or in a flow list at its value."""
        if entry.key is not None:
            return entry.key.start
        return entry.value.start if parent.is_flow else self.dash(entry.value)

    def column(self, node: Node) -> int:
        """The column in which the entries of a block mapping or list begin."""
        first = self.start(node.entries[0], node)
        return first - self.line_start(first)

    def dash(self, item: Node) -> int:
        """Where the dash of an item of a block list stands."""
        return self._dashes[bisect_left(self._dashes, item.start) - 1]

    def value_place(self, entry: Entry, parent: Node) -> int | None:
        """Where a value may begin: after the colon or the dash. None for a key alone, as in
        `{key}`."""
        if entry.key is None:
            return entry.value.start if parent.is_flow else self.dash(entry.value) + 1
        colon = _first_from(self._colons, entry.key.end)
        # a value that is left out stands after its colon, if there is one
        return None if colon is None or colon > entry.value.start else colon + 1

    def comma(self, begin: int, end: int) -> int | None:
        """Where the first comma stands in a range between two values of a flow collection."""
        at = _first_from(self._commas, begin)
        return at if at is not None and at < end else None

    def content_end(self, node: Node) -> int:
        """Where the text of a value ends, without the comments and blank lines after it."""
        if not node.is_flow:
            return self.entry_end(node.entries[-1])
        content = self.text[node.body : node.end]
        if node.style not in ("|", ">"):
            return node.end
        if "+" in content.splitlines()[0].partition("#")[0]:  # its blank lines belong to it
            return node.end - (2 if content.endswith("\r\n") else content[-1:] in LINE_BREAKS)
        return node.body + len(content.rstrip())

    def entry_end(self, entry: Entry) -> int:
        """Where the text of an entry ends."""
        return max(self.content_end(entry.value), entry.key.end if entry.key else 0)

    # ------------------------------------------------------------ lines

    def line_start(self, index: int) -> int:
        """Where the line of a position begins, after a byte order mark."""
        while index > 0 and self.text[index - 1] not in LINE_BREAKS:
            index -= 1
        return index + self.text.startswith("\ufeff", index)

    def line_end(self, index: int) -> int:
        """Where the line of a position ends, before its line break."""
        while index < len(self.text) and self.text[index] not in LINE_BREAKS:
            index += 1
        return index

    def next_line(self, index: int) -> int:
        """Where the next line begins, or the text ends."""
        end = self.line_end(index)
        return min(len(self.text), end + (2 if self.text.startswith("\r\n", end) else 1))

    def last_line_end(self, end: int, column: int) -> int:
        """The end of the last line of an entry: comments that are indented deeper belong to it."""
        last = self.line_end(end)
        begin = self.next_line(last)
        while begin < len(self.text):
            line = self.text[begin : self.line_end(begin)]
            content = line.lstrip(" ")
            if content and not (content.startswith("#") and len(line) - len(content) > column):
                break
            last = self.line_end(begin) if content else last
            begin = self.next_line(begin)
        return last


def _first_from(indexes: list[int], begin: int) -> int | None:
    at = bisect_left(indexes, begin)
    return indexes[at] if at < len(indexes) else None


def _read_root(loader: _RecordingLoader) -> Node | None:
    """The root of the document; None if there is none."""
    while not isinstance(event := loader.next_event(), yaml.DocumentStartEvent):
        if isinstance(event, yaml.StreamEndEvent):
            return None
    root = _read_node(loader, loader.next_event())
    while not isinstance(loader.next_event(), yaml.StreamEndEvent):
        pass
    return root


def _read_node(loader: _RecordingLoader, event: Any) -> Node:
    start: Any = event.start_mark
    end: Any = event.end_mark
    if isinstance(event, yaml.AliasEvent):
        return Node("alias", start.index, start.index, end.index)
    if isinstance(event, yaml.ScalarEvent):
        body = _after_anchor(loader.text, event)
        return Node("scalar", start.index, body, end.index, True, event.style, event.value)
    kind: Literal["list", "mapping"] = (
        "list" if isinstance(event, yaml.SequenceStartEvent) else "mapping"
    )
    node = Node(kind, start.index, end.index, end.index, bool(event.flow_style))
    _read_entries(loader, node)
    return node


def _read_entries(loader: _RecordingLoader, node: Node) -> None:
    while not isinstance(event := loader.next_event(), yaml.CollectionEndEvent):
        first = _read_node(loader, event)
        if node.kind == "list":
            node.entries.append(Entry(first))
        else:
            node.entries.append(Entry(_read_node(loader, loader.next_event()), first))
    end: Any = event.end_mark
    node.end = end.index


def _after_anchor(text: str, event: Any) -> int:
    """Where a scalar begins after its anchor."""
    start: int = event.start_mark.index
    anchor = _ANCHOR.match(text, start) if event.anchor else None
    return anchor.end() if anchor else start
