"""Finds values assigned to the name of a secret in JSON, YAML, env and INI files, XML, tables,
headers, flags and code."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orch.text.redact.lazy_pattern import lazy_bytes_pattern, lazy_pattern
from orch.text.redact.secret_names import NameKind, classify_name
from orch.text.redact.secret_values import ValueStyle, is_secret_value
from orch.text.redact.text_view import NAME_STEMS, Span, TextView

NAME_CHARS = 80
VALUE_CHARS, JUDGED_CHARS = 2_000, 120
"""The length that is searched for a value, and the length that is classified; a longer value is
redacted whole."""
BARE_CHARS = 150
MARK = "assignment"

Value = tuple[int, int, ValueStyle]

_Q = rb"(?:\\{0,16}[\"'`]|\\{1,16}u00(?:22|27)|&quot;|&#(?:3[49]|x2[27]);|%2[27])"
_QUOTE = lazy_bytes_pattern(_Q + rb"(?:\"\"|'')?")
_OPENS = lazy_bytes_pattern(
    rb"(?:[brufnl@]{1,2}(?=[\"'])|&(?=[\"'])"
    rb"|(?:new )?(?:secretstr|secret|string|string::from|str|bytes|some|b64decode"
    rb"|(?:aws|to|utils)\.string(?:value)?|of)\((?=[brf]?[\"']))?"
    rb"(" + _Q + rb"(?:\"\"|'')?)"
)
_FOR = (
    rb"(?:[ \t]+(?:secreta|privada|maestra|for|of|to|del?|para|in|on|at|en)(?:["
    rb" \t]+[\w.@/-]{1,30}){0,4}?)?"
)
_SIGN = lazy_bytes_pattern(
    rb"(?:"
    + _Q
    + rb")?[\])}]{0,2}(?:\[\d{0,4}\])?(?:\*\*|__|\*|</?(?:b|strong|td|th|dt)>){0,2}"
    + _FOR
    + rb"[ \t]{0,40}"
    rb"(?P<sign>:=|=>|->|<-|\x80|%3[ad]|\?\?=|\|\|=|[+?]?={1,3}|!={1,2}|::?=?|\x3f?:)"
    rb"(?:[ \t]{0,4}(?:\*\*|__|\*|</(?:b|strong|td|dt)>[ \t]{0,4}(?:<(?:td|dd|code)>)?))?"
)
_TYPED = lazy_bytes_pattern(
    rb"\??(?:[ \t]*:[ \t]*|[ \t]+)[a-z&'][\w&'<>\[\]., |?*:]{0,40}?[ \t]*:?=["
    rb" \t]*(?=[brufnl@&]{0,2}[\"'`]|string::from\(|new )"
)
_SPACE = lazy_bytes_pattern(
    rb"[ \t]{0,40}(?:!!\w{1,20}[ \t]{1,4}|\r?\n[ \t]{0,80}(?=" + _Q + rb"))?"
)
_BLOCK = lazy_bytes_pattern(rb"[ \t]*[|>][+-]?\d?[ \t]*(?:#[^\n]{0,200})?\r?\n")
_CALL = lazy_bytes_pattern(rb"[({][ \t]{0,4}(?=[brufnl@]{0,2}[\"'`])")
_COMMA = lazy_bytes_pattern(_Q + rb"[ \t]{0,8},[ \t]{0,40}(?=[brufnl@&]{0,2}\\{0,16}[\"'`])")
_PAIR = lazy_bytes_pattern(
    rb"(?:" + _Q + rb")?(?:[\s,;]{1,80}|[ \t]{0,4}\{\s{0,40}(?:(?:type|description|sensitive)["
    rb" \t]{0,40}=[^\n]{0,100}\n\s{0,40}){0,4})"
    rb"(?:"
    + _Q
    + rb")?(?:string)?(?:value|val|default|content)(?:"
    + _Q
    + rb")?[ \t]{0,8}[:=][ \t]{0,8}"
)
_PAIR_BEFORE = lazy_bytes_pattern(
    rb"(?:name|type|key|id|n|k|field|variable|var|property)(?:"
    + _Q
    + rb")?[ \t]{0,8}[:=][ \t]{0,8}(?:"
    + _Q
    + rb")?\Z"
)
_ELEMENT = lazy_bytes_pattern(rb"(?:[ \t][^<>\n]{0,120})?>[ \t\r\n]{0,40}(?:<!\[cdata\[)?")
_PLIST = lazy_bytes_pattern(
    rb"</(?:key|name|th|td|dt|param-name|label)>\s{0,40}<(?:string|value|td|dd|param-value|code)[^<>\n]{0,60}>["
    rb" \t]{0,8}"
)
_ATTRIBUTE = lazy_bytes_pattern(_Q + rb"[^<>\n]{0,120}>[ \t\r\n]{0,40}(?:<value>)?")
_CELL = lazy_bytes_pattern(rb"(?:\*\*|__|`)?[ \t]{0,60}\|[ \t]{0,60}")
_IS = lazy_bytes_pattern(_FOR + rb"[ \t]+(?:is|was|es|era|=)[ \t]{0,4}:?[ \t]{1,4}")
_WORDS_BEFORE = lazy_bytes_pattern(
    rb"(?:(?:^|[\n;&|(\"'`])[ \t]*(?:env|arg|setx|set|export)|configure set"
    rb"|\b(?:login|machine|default|user|account)\b[^\n]{1,160})["
    rb" \t]+\Z|\b(?:login|machine|account)[ \t]+[^\n]{1,160}\n[ \t]*\Z"
    rb"|\bconfig(?: set| --\w{1,20}){0,2} (?:\S{1,80}[:/])?\Z"
)
_IN_PATH = lazy_bytes_pattern(rb"[^ \t]/\Z")
_DIRECTIVES = (b"requirepass", b"masterauth")
_SQL = lazy_bytes_pattern(rb"[ \t]+(?:is[ \t]+)?(?:as[ \t]+)?(?:to[ \t]+)?[ne]?(?=['\"])")
_BARE = lazy_bytes_pattern(rb"[^\s\"'`<>\\]{1,150}")
_CUT = lazy_bytes_pattern(
    rb"[;&](?=[\w.%-]{1,40}(?:["
    rb" ]\w{1,20}){0,3}=)|[,;](?=[\w.-]{1,60}[:=])|;(?=\s|\Z)|&(?:amp;|quot;)"
)
_REST = lazy_pattern(r"[^\s\"'`<>]*")


def find_assignments(view: TextView) -> Iterator[Span]:
    """The values beside the names of secrets in a text."""
    done = 0
    for place in _stem_positions(view.lowered):
        if place < done:
            continue
        start, end = _name(view, place)
        done = end
        kind = classify_name(view.text[start:end].replace("\x7f", "").replace("\u0303", ""))
        if kind is NameKind.NONE or (
            _IN_PATH.search(view.lowered, max(0, start - 2), start)
            and view.lowered[end : end + 1] != b"="
        ):
            continue
        for begin, stop, style in _values(view, start, end):
            value = view.lowered[begin : min(stop, begin + JUDGED_CHARS)]
            if value in view.lowered[start:end] and value.replace(b"_", b"").isalpha():
                continue  # FORCE_PASSWORD = "FORCE_PASSWORD"
            if is_secret_value(
                view.text[begin : min(stop, begin + JUDGED_CHARS)],
                kind,
                style,
                ends=_ends_line(view.lowered, stop),
            ):
                stop = _value_end(view, begin, stop, style)
                yield begin, stop, MARK
                done = max(done, stop)
                break


def is_assigned_secret(name: str, value: str) -> bool:
    """Whether a value is a secret, given the name of its dict entry."""
    kind = classify_name(name) if len(name) <= NAME_CHARS else NameKind.NONE
    return kind is not NameKind.NONE and is_secret_value(value, kind, ValueStyle.QUOTED)


def _stem_positions(low: bytes) -> list[int]:
    """The positions of the stems of secret names, in order."""
    places: list[int] = []
    for stem in NAME_STEMS:
        at = low.find(stem)
        while at >= 0:
            places.append(at)
            at = low.find(stem, at + len(stem))
    return sorted(places)


def _name(view: TextView, place: int) -> tuple[int, int]:
    """Start and end of the name around a stem."""
    start = max(
        view.name_mask.rfind(b" ", max(0, place - NAME_CHARS), place) + 1, place - NAME_CHARS, 0
    )
    end = view.name_mask.find(b" ", place)
    end = len(view.name_mask) if end < 0 else end
    if (
        view.lowered[start - 1 : start] == b"\\"
        and view.lowered[start : start + 1] in (b"n", b"r", b"t")
        and start < place
    ):
        start += 1
    while end > place and view.lowered[end - 1 : end] in (b".", b"-"):
        end -= 1
    return (start, end) if end - start <= 2 * NAME_CHARS else (start, start)


def _values(view: TextView, start: int, end: int) -> Iterator[Value]:
    """The candidates for the value of a name, the likeliest first."""
    low = view.lowered
    if typed := _TYPED.match(low, end):
        yield from _quoted(view, typed.end(), ValueStyle.QUOTED)
        if b":" in typed.group():
            return
    if sign := _SIGN.match(low, end):
        yield from _after_sign(view, start, end, sign)
        return
    if low[start : start + 1] == b"-" and low[end : end + 1] in (b" ", b"\t"):
        yield from _word(view, end, ValueStyle.WORD)
    for rule, style in (
        (_COMMA, ValueStyle.LIST),
        (_CALL, ValueStyle.LIST),
        (_PLIST, ValueStyle.LOOSE),
        (_SQL, ValueStyle.QUOTED),
    ):
        if match := rule.match(low, end):
            yield from (
                _quoted(view, match.end(), style)
                if style is not ValueStyle.LOOSE
                else _element(view, match.end())
            )
    yield from _around(view, start, end)


def _after_sign(view: TextView, start: int, end: int, sign: re.Match[bytes]) -> Iterator[Value]:
    low = view.lowered
    if sign.group("sign") == b":" and (block := _BLOCK.match(low, sign.end())):
        yield from _yaml_block(view, start, block.end())
        return
    space = _SPACE.match(low, sign.end())
    at = space.end() if space else sign.end()
    yield from _quoted(view, at, ValueStyle.QUOTED)
    if _QUOTE.match(low, at) or (sign.group("sign") == b"->" and b")" in sign.group()):
        return
    is_tight = at == sign.end() and sign.group("sign") == b"=" and sign.end() - end <= 3
    before = low[max(0, start - 2) : start].strip(b" \t")
    style = (
        ValueStyle.TIGHT
        if is_tight and before[-1:] not in (b"(",) and low[start - 2 : start] != b", "
        else ValueStyle.LOOSE
    )
    yield from _word(view, at, style)


def _quoted(view: TextView, at: int, style: ValueStyle) -> Iterator[Value]:
    """The text between quotes."""
    opens = _OPENS.match(view.lowered, at)
    if not opens:
        return
    quote, begin = opens.group(1), opens.end()
    limit = begin + VALUE_CHARS
    stop = view.lowered.find(quote, begin, limit)
    while stop >= 0 and quote[:1] != b"\\" and _is_escaped(view.lowered, stop, begin):
        stop = view.lowered.find(quote, stop + 1, limit)
    line = view.lowered.find(b"\n", begin, limit)
    if stop < 0 or (0 <= line < stop and len(quote) < 3):
        yield from _word(view, begin, ValueStyle.LOOSE if style is ValueStyle.QUOTED else style)
        return
    yield begin, stop, style


def _is_escaped(low: bytes, at: int, begin: int) -> bool:
    count = 0
    while at - count > begin and low[at - count - 1 : at - count] == b"\\" and count < 20:
        count += 1
    return count % 2 == 1


def _word(view: TextView, at: int, style: ValueStyle) -> Iterator[Value]:
    """The text up to the next space, or up to a separator in a URL or a connection string."""
    while view.lowered[at : at + 1] in (b" ", b"\t") and at < len(view.lowered):
        at += 1
    if _QUOTE.match(view.lowered, at):
        yield from _quoted(view, at, ValueStyle.QUOTED)
        return
    bare = _BARE.match(view.lowered, at)
    if bare:
        cut = _CUT.search(bare.group()) if style is not ValueStyle.WORD else None
        yield at, at + cut.start() if cut else bare.end(), style


def _yaml_block(view: TextView, start: int, at: int) -> Iterator[Value]:
    """The lines under `name: >-` that are indented further than the name."""
    line = view.lowered.rfind(b"\n", max(0, start - NAME_CHARS), start) + 1
    indent = start - line
    begin, stop = -1, at
    while stop < len(view.lowered) and stop - at < VALUE_CHARS:
        newline = view.lowered.find(b"\n", stop)
        newline = len(view.lowered) if newline < 0 else newline
        text = view.lowered[stop:newline]
        if text.strip() and len(text) - len(text.lstrip()) <= indent:
            break
        if text.strip() and begin < 0:
            begin = stop + len(text) - len(text.lstrip())
        stop = newline + 1
    if begin >= 0:
        yield begin, begin + len(view.lowered[begin:stop].rstrip()), ValueStyle.QUOTED


def _element(view: TextView, at: int, style: ValueStyle = ValueStyle.LOOSE) -> Iterator[Value]:
    stop = view.lowered.find(b"<", at, at + VALUE_CHARS)
    if stop > at:
        yield at, at + len(view.lowered[at:stop].rstrip()), style


def _around(view: TextView, start: int, end: int) -> Iterator[Value]:
    """Forms in which the text before the name shows that a value follows."""
    low = view.lowered
    before = low[max(0, start - 40) : start]
    if before.endswith((b"<", b":")) and (element := _ELEMENT.match(low, end)):
        yield from _element(view, element.end(), ValueStyle.QUOTED)
    if _PAIR_BEFORE.search(before) or before.endswith(b'variable "'):
        if pair := _PAIR.match(low, end):
            yield from _quoted(view, pair.end(), ValueStyle.QUOTED)
            yield from _word(view, pair.end(), ValueStyle.LOOSE)
        elif attribute := _ATTRIBUTE.match(low, end):
            yield from _element(view, attribute.end())
    if before.rstrip(b" \t*_`").endswith(b"|") and (cell := _CELL.match(low, end)):
        yield from _cell(view, cell.end())
    if match := _IS.match(low, end):
        yield from _quoted(view, match.end(), ValueStyle.QUOTED)
        yield from _word(view, match.end(), ValueStyle.SENTENCE)
    if low[end : end + 1] in (b" ", b"\t") and (
        low[start:end] in _DIRECTIVES or _WORDS_BEFORE.search(low[max(0, start - 200) : start])
    ):
        yield from _word(view, end, ValueStyle.WORD)


def _cell(view: TextView, at: int) -> Iterator[Value]:
    newline = view.lowered.find(b"\n", at, at + VALUE_CHARS)
    stop = view.lowered.find(b"|", at, newline if newline >= 0 else at + VALUE_CHARS)
    if stop > at:
        text = view.lowered[at:stop]
        inner = text.strip(b" \t*_`")
        begin = at + text.find(inner)
        yield begin, begin + len(inner), ValueStyle.WORD


def _ends_line(low: bytes, stop: int) -> bool:
    """Whether nothing follows on the line."""
    rest = low[stop : stop + 80].partition(b"\n")[0].strip(b" \t\r\"'`*_|")
    return not rest or rest[:1] in b"#<"


def _value_end(view: TextView, begin: int, stop: int, style: ValueStyle) -> int:
    """The real end of a bare value, without the punctuation of the sentence."""
    if stop - begin >= BARE_CHARS and style is not ValueStyle.QUOTED:
        rest = _REST.match(view.text, stop)
        return rest.end() if rest else stop
    if style in (ValueStyle.LOOSE, ValueStyle.SENTENCE):
        return begin + len(view.text[begin:stop].rstrip(".,;:)]}"))
    return stop
