"""Finds secrets by the name of their column: in Markdown tables, CSV and INSERT statements."""

from __future__ import annotations

from collections.abc import Iterator

from orch.text.redact.lazy_pattern import lazy_pattern
from orch.text.redact.secret_names import NameKind, classify_name
from orch.text.redact.secret_values import ValueStyle, is_secret_value
from orch.text.redact.text_view import Span

_RULED = lazy_pattern(r"^[ \t]*\|?[ \t]*:?-{1,200}:?[ \t]*\|[-:| \t]*$")
_INSERT = lazy_pattern(
    r"(?i)\binsert\s{1,4}into\s{1,4}[\w.`\"\[\]]{1,100}\s{0,4}\(([^()]{1,1000})\)\s{0,4}values\s{0,4}"
)
_VALUES = lazy_pattern(r"\s{0,40},?\s{0,40}\(((?:[^()'\n]|'(?:[^'\n]|'')*+')*+)\)")
_FIELD = lazy_pattern(r"\s*+[nN]?'((?:[^'\n]|'')*+)'|[^,']++")
_NAME = lazy_pattern(r" ?[\"']?[A-Za-zñÑ_-]{1,40}[\"']? ?")
HEADING_CHARS = 400


def find_table_secrets(text: str) -> Iterator[Span]:
    """The secrets in the tables of a whole text."""
    yield from _lines(text)
    for match in _INSERT.finditer(text):
        yield from _inserted(text, match.end(), _kinds(match.group(1), ","))


def _lines(text: str) -> Iterator[Span]:
    """Rows under a heading that names a secret: split at | under a ruled line, or at commas in
    lines with as many fields."""
    start, sign, kinds, count = 0, "", {}, 0
    before = ""
    for line in text.splitlines(keepends=True):
        bare = line.rstrip("\r\n")
        if _RULED.match(bare) and 0 < len(before) <= HEADING_CHARS:
            sign, kinds, count = "|", _kinds(before, "|"), before.count("|")
        elif sign and bare.count(sign) >= (1 if sign == "|" else count):
            yield from _cells(bare, start, sign, kinds)
        elif _is_heading(bare):
            sign, kinds, count = ",", _kinds(bare, ","), bare.count(",")
        else:
            sign, kinds = "", {}
        before, start = bare, start + len(line)


def _is_heading(line: str) -> bool:
    """Whether a line may be the heading of CSV: names alone."""
    return (
        "," in line
        and len(line) <= HEADING_CHARS
        and all(_NAME.fullmatch(part) for part in line.split(","))
    )


def _kinds(heading: str, sign: str) -> dict[int, NameKind]:
    """The columns whose name is that of a secret."""
    names = [name.strip().strip("*`\"'[]_ ") for name in heading.split(sign)]
    return {
        place: kind
        for place, name in enumerate(names)
        if name and " " not in name and (kind := classify_name(name)) > NameKind.WEAK
    }


def _cells(line: str, start: int, sign: str, kinds: dict[int, NameKind]) -> Iterator[Span]:
    if not kinds:
        return
    at = start
    for place, cell in enumerate(line.split(sign)):
        inner = cell.strip().strip("*`\"'")
        if place in kinds and is_secret_value(inner, kinds[place], ValueStyle.WORD):
            begin = at + cell.index(inner)
            yield begin, begin + len(inner), "assignment"
        at += len(cell) + len(sign)


def _inserted(text: str, at: int, kinds: dict[int, NameKind]) -> Iterator[Span]:
    while kinds and (row := _VALUES.match(text, at)):
        fields = [
            field
            for field in _FIELD.finditer(text, row.start(1), row.end(1))
            if field.group().strip()
        ]
        for place, kind in kinds.items():
            if (
                place < len(fields)
                and fields[place].group(1)
                and is_secret_value(fields[place].group(1), kind, ValueStyle.QUOTED)
            ):
                yield fields[place].start(1), fields[place].end(1), "assignment"
        at = row.end()
