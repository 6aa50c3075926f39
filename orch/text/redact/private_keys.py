"""Finds multi-line private keys: PEM, OpenSSH, PGP, SSH2, PuTTY and JWK, whole or truncated, of any
length."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator

from orch.text.redact.lazy_pattern import lazy_pattern

MARK = "private_key"

_BEGIN = lazy_pattern(r"-{4,5} ?BEGIN [A-Z0-9 -]{0,60}PRIVATE KEY(?: BLOCK)? ?-{4,5}")
_END = lazy_pattern(r"-{4,5} ?END [A-Z0-9 -]{0,60}KEY(?: BLOCK)? ?-{4,5}")
_HEADER = (
    r"(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset|MessageID|Subject|x-[\w-]+): [^\n]{0,400}"
)
_BETWEEN = r"[\s\"'`+,>|#*;()\\-]|\\{1,16}[nrt]|<br ?/?>|\d{1,5}(?=[ \t]*[|:\t])[|:]?"
_BODY = lazy_pattern(
    rf"(?:{_BETWEEN})*+[A-Za-z0-9+/=]*+(?:(?:{_BETWEEN})++(?:{_HEADER}|[A-Za-z0-9+/=]{{16,}}+|={{1,2}}[A-Za-z0-9+/]{{4}}(?![A-Za-z0-9])))*+"
)
_LAST = lazy_pattern(rf"(?:{_BETWEEN}){{1,200}}+[A-Za-z0-9+/=]{{1,15}}+(?=\W*(?:-|\Z))")
_LONG = lazy_pattern(r"[A-Za-z0-9+/=]{20}")
_PUTTY = lazy_pattern(r"PuTTY-User-Key-File-\d:")
_PUTTY_END = lazy_pattern(r"Private-MAC: ?[0-9a-f]*")
_JWK = lazy_pattern(
    r"\\{0,16}[\"'](?:d|p|q|dp|dq|qi|k)\\{0,16}[\"']\s{0,40}:\s{0,40}\\{0,16}[\"']([A-Za-z0-9_=-]{8,})"
)
_ENCODED = lazy_pattern(r"LS0tL[A-Za-z0-9+/]{16,}={0,2}")
_DATA = lazy_pattern(r"^(?:string)?[dD]ata:[ \t]*\r?\n((?:[ \t]+[^\n]*\n?|\r?\n)+)", re.MULTILINE)
_ENTRY = lazy_pattern(
    r"^[ \t]+[\w./-]+:[ \t]*[\"']?([A-Za-z0-9+/=_!@$%^&*.-]{4,}[^\s\"'#]*)[\"']?[ \t]*$",
    re.MULTILINE,
)

MOST_CHARS = 200
"""The most text between BEGIN and END that may be something other than a key, such as words about
the two lines."""


def find_private_keys(text: str) -> Iterator[tuple[int, int, str]]:
    """The private keys in a whole text."""
    if "PRIVATE KEY" in text:
        yield from _pem(text)
    if "PuTTY-User-Key-File" in text:
        yield from _putty(text)
    if "kty" in text:
        for match in _JWK.finditer(text):
            yield match.start(1), match.end(1), MARK
    if "kind: Secret" in text:
        yield from _kubernetes(text)
    if "LS0tL" in text:
        for match in _ENCODED.finditer(text):
            if b"PRIVATE KEY" in b64decode(match.group()[:64][: len(match.group()) // 4 * 4]):
                yield match.start(), match.end(), MARK


def _kubernetes(text: str) -> Iterator[tuple[int, int, str]]:
    """The entries of a Kubernetes Secret, under any name."""
    for data in _DATA.finditer(text):
        for entry in _ENTRY.finditer(text, data.start(1), data.end(1)):
            yield entry.start(1), entry.end(1), "kubernetes_secret"


def _pem(text: str) -> Iterator[tuple[int, int, str]]:
    ends = _END.finditer(text)
    end = next(ends, None)
    begins = list(_BEGIN.finditer(text))
    for begin, following in zip(
        begins, [*(each.start() for each in begins), len(text)][1:], strict=True
    ):
        while end is not None and end.start() < begin.end():
            end = next(ends, None)
        if end is not None and end.start() <= following and _is_key(text, begin.end(), end.start()):
            yield begin.start(), end.end(), MARK
        elif (stop := _truncated_end(text, begin.end())) > begin.end():
            yield begin.start(), stop, MARK


def _is_key(text: str, start: int, stop: int) -> bool:
    """Whether the text between BEGIN and END is a key: a long run of base64, or too short for
    anything else."""
    body = text[start:stop]
    return bool(_LONG.search(body)) or (
        len(body.strip()) > 0 and stop - start <= MOST_CHARS and " " not in body.strip()
    )


def _truncated_end(text: str, start: int) -> int:
    """The end of a key without an END line."""
    body = _BODY.match(text, start)
    stop = body.end() if body else start
    last = _LAST.match(text, stop)
    stop = last.end() if last else stop
    material = re.sub(
        r"[^A-Za-z0-9+/=]", "", text[start : min(stop, start + 4_000)].replace("\\n", "")
    )
    return (
        start + len(text[start:stop].rstrip(" \t\r\n\"'`,;()->")) if len(material) >= 16 else start
    )


def _putty(text: str) -> Iterator[tuple[int, int, str]]:
    begins = list(_PUTTY.finditer(text))
    ends = _PUTTY_END.finditer(text)
    end = next(ends, None)
    for begin, following in zip(
        begins, [*(each.start() for each in begins), len(text)][1:], strict=True
    ):
        while end is not None and end.start() < begin.end():
            end = next(ends, None)
        if end is not None and end.start() <= following:
            yield begin.start(), end.end(), MARK
        elif (private := text.find("Private-Lines:", begin.end(), following)) >= 0:
            stop = text.find("\n\n", private, following)
            yield begin.start(), stop if stop >= 0 else following, MARK
