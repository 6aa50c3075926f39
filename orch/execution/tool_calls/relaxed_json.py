"""Rewrites what a model wrote for a JSON object as JSON, where it can be read in one way (pure).

Nothing is guessed: a string that does not end, an escape that languages read differently, quotes
within a string and a missing value have no repair. Each character is looked at once.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

MAX_CHARS = 200_000
"""Longer text is not repaired, which takes half a second at this size (2026-11-30)."""
MAX_DEPTH = 100
"""Levels of nesting, as in `message_formats`."""
_FENCE_BEGIN = re.compile(
    r"\s*(?:`{3,}|~{3,})[ \t]*(?:json5?|jsonc|javascript|js|python)?[ \t]*\n?"
)
_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\n]+)
    |(?P<written_blank>(?:\\[nrt])+)
    |(?P<comment>//[^\n]*+\n|/\*(?:[^*]|\*(?!/))*+\*/)
    |(?P<double>"(?:[^"\\]|\\.)*+")
    |(?P<single>'(?:[^'\\]|\\.)*+')
    |(?P<curly>\u201c[^"\\\u201c\u201d]*+\u201d)
    |(?P<number>-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-]))
    |(?P<word>[A-Za-z_$][\w$]*+)
    |(?P<sign>[{}\[\]:,])""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_BLANKS = {"written_blank": "escape", "comment": "comment"}
"""What stands between tokens beside blanks, and is left out."""
_LONE_BACKSLASH = re.compile(r"\\[A-Zac-eg-mo-qswyz]")
"""Before a letter with which no escape of any language begins: a path or a pattern."""
_LITERALS = {"true": "true", "false": "false", "null": "null"}
_PYTHON_LITERALS = {"True": "true", "False": "false", "None": "null"}
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f]")
_CLOSES = {"{": "}", "[": "]"}
_SURPLUS = re.compile(r"[\s}\]]*")
_WORDS = re.compile(r"[ \t]*\n\s*[^\s{}\[\]\"':,`<][^{}\[\]\"`<]*")
"""What a model says on the lines behind its arguments."""


class Rewritten(NamedTuple):
    """JSON of an object, and in which ways the text differed from it; none if it did not."""

    text: str
    repairs: tuple[str, ...]


class LostValueError(ValueError):
    """JSON that cannot be written again without losing something of it."""


def parse_strictly(text: str) -> Any:
    """The value of JSON text. Raises ValueError, also for NaN and for too deep a nesting."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parse_whole(text: str) -> Any:
    """As `parse_strictly`, for what is written again. Raises LostValueError for a key that stands
    twice, and for a number that no float holds."""
    try:
        return json.loads(
            text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_unique
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise LostValueError("a number is too large")
    return value


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def rewrite(text: str, *, top: str = "{", talks: bool = False) -> Rewritten | None:
    """The object that the text can only mean, or with a `top` of `{[` the list; None where that is
    not certain. `talks`: words on the lines behind it are left out."""
    if len(text) > MAX_CHARS:
        return None
    body, repairs = _without_fence(text.removeprefix("\ufeff"))
    writer = _Writer(body, top)
    if not writer.run():
        return None
    repairs |= writer.repairs
    if "words_behind" in repairs and not talks:
        return None
    try:
        parse_whole(writer.text) if repairs else parse_strictly(writer.text)
    except ValueError:
        return None
    return Rewritten(writer.text, tuple(repairs))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise LostValueError("a key stands twice")
    return value


def _without_fence(text: str) -> tuple[str, dict[str, None]]:
    begin = _FENCE_BEGIN.match(text)
    body = text[begin.end() :] if begin else text
    stripped = body.rstrip()
    core = stripped.rstrip(stripped[-1:]) if stripped.endswith(("```", "~~~")) else body
    return core, ({} if len(core) == len(text) else {"fence": None})


class _Writer:
    """A state machine over tokens. `state` is what may come next."""

    def __init__(self, source: str, top: str) -> None:
        self._source, self._top, self._out = source, top, list[str]()
        self._stack: list[str] = []
        self._comma_at = -1
        self.state = "value"
        self.repairs: dict[str, None] = {}

    @property
    def text(self) -> str:
        return "".join(self._out)

    def run(self) -> bool:
        """Whether the source is an object that can be read in one way."""
        at, source = 0, self._source
        while at < len(source):
            if self.state == "end":
                return self._takes_surplus(at)
            token = _TOKEN.match(source, at)
            if token is None or not self._add(str(token.lastgroup), token[0]):
                return False
            at = token.end()
        return self.state == "end" or self._closes_open()

    def _takes_surplus(self, at: int) -> bool:
        rest = self._source[at:]
        if _WORDS.fullmatch(rest):
            self.repairs["words_behind"] = None
            return True
        if not _SURPLUS.fullmatch(rest):
            return False
        if rest.strip():
            self.repairs["surplus_brace"] = None
        return True

    def _closes_open(self) -> bool:
        """Closes what is open at the end, behind a complete value."""
        if self.state != "comma" or not self._stack or "comment" in self.repairs:
            return False
        self._out += [_CLOSES[open_] for open_ in reversed(self._stack)]
        self.repairs["missing_brace"] = None
        return True

    def _add(self, kind: str, token: str) -> bool:
        if kind == "blank":
            self._out.append(token)
            return True
        if word := _BLANKS.get(kind):
            self.repairs[word] = None
            return True
        if kind == "sign":
            return _SIGNS[token](self, token)
        if self.state in ("key", "first_key"):
            return self._add_key(kind, token)
        if self.state not in ("value", "item", "first_item") or not self._stack:
            return False
        return self._add_scalar(kind, token)

    def _add_key(self, kind: str, token: str) -> bool:
        if kind == "word":
            self.repairs["unquoted_key"] = None
            key: str | None = f'"{token}"'
        else:
            key = self._string(kind, token)
        if key is None:
            return False
        self._out.append(key)
        self.state = "colon"
        return True

    def _add_scalar(self, kind: str, token: str) -> bool:
        value = token if kind == "number" else self._string(kind, token)
        if kind == "word":
            value = _LITERALS.get(token) or _PYTHON_LITERALS.get(token)
            if token in _PYTHON_LITERALS:
                self.repairs["python_literal"] = None
        if value is None:
            return False
        self._out.append(value)
        self.state = "comma"
        return True

    def _string(self, kind: str, token: str) -> str | None:
        """The string in JSON's form; None where an escape has no certain meaning."""
        if kind not in ("double", "single", "curly"):
            return None
        body = self._with_backslashes(token[1:-1])
        if kind == "curly":
            self.repairs["curly_quotes"] = None
        if "\\" in body:
            escapes = set(_ESCAPE.findall(body))
            if any(each[1] not in "\"\\/bfnrt'" and len(each) < 6 for each in escapes):
                return None
            if "\\'" in escapes:
                body = _ESCAPE.sub(lambda match: match[0] if match[0] != "\\'" else "'", body)
                self.repairs["escape" if kind == "double" else "single_quotes"] = None
        if kind == "single":
            self.repairs["single_quotes"] = None
            body = _with_double_quotes(body)
        if _CONTROL.search(body):
            self.repairs["control_character"] = None
            body = _CONTROL.sub(lambda match: json.dumps(match[0])[1:-1], body)
        return f'"{body}"'

    def _with_backslashes(self, body: str) -> str:
        """A string in which each backslash stands before a letter that no escape begins with, and
        so means itself: `\\d+`, `C:\\Users`. Beside other escapes it might be one of those."""
        escapes = set(_ESCAPE.findall(body)) if "\\" in body else set()
        if not escapes or not all(map(_LONE_BACKSLASH.fullmatch, escapes)):
            return body
        self.repairs["backslash"] = None
        return body.replace("\\", "\\\\")

    # ------------------------------------------------------------ signs

    def open_(self, sign: str) -> bool:
        if self.state not in ("value", "item", "first_item") or len(self._stack) >= MAX_DEPTH:
            return False
        if not self._stack and sign not in self._top:
            return False
        self._stack.append(sign)
        self._out.append(sign)
        self.state = "first_key" if sign == "{" else "first_item"
        return True

    def close(self, sign: str) -> bool:
        if not self._stack or _CLOSES[self._stack[-1]] != sign:
            return False
        if self.state in ("key", "item"):
            self._out[self._comma_at] = ""
            self.repairs["trailing_comma"] = None
        elif self.state not in ("comma", "first_key", "first_item"):
            return False
        self._stack.pop()
        self._out.append(sign)
        self.state = "comma" if self._stack else "end"
        return True

    def comma(self, sign: str) -> bool:
        if self.state != "comma":
            return False
        self._comma_at = len(self._out)
        self._out.append(sign)
        self.state = "key" if self._stack[-1] == "{" else "item"
        return True

    def colon(self, sign: str) -> bool:
        if self.state != "colon":
            return False
        self._out.append(sign)
        self.state = "value"
        return True


_SIGNS: dict[str, Callable[[_Writer, str], bool]] = {
    "{": _Writer.open_,
    "[": _Writer.open_,
    "}": _Writer.close,
    "]": _Writer.close,
    ",": _Writer.comma,
    ":": _Writer.colon,
}


def _with_double_quotes(body: str) -> str:
    """The content of a string in single quotes, for one in double quotes."""
    bare = _ESCAPE.split(body)
    if not any('"' in part for part in bare):
        return body
    pieces = re.split(r"(\\.)", body, flags=re.DOTALL)
    return "".join(
        piece if piece.startswith("\\") else piece.replace('"', '\\"') for piece in pieces
    )
