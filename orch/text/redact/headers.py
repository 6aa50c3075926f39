"""Finds credentials in HTTP headers: Authorization in any scheme, and cookies."""

from __future__ import annotations

from collections.abc import Iterator

from orch.text.redact.lazy_pattern import lazy_pattern
from orch.text.redact.secret_names import NameKind
from orch.text.redact.secret_values import ValueStyle, is_secret_value, looks_random
from orch.text.redact.text_view import Span, TextView
from orch.text.redact.vendor_key_detector import looks_like_key_material

_Q = r"(?:\\{0,16}[\"'`])"
_AUTHORIZATION = lazy_pattern(
    rf"(?i)\b(?:proxy-)?authorization{_Q}?\]?\s{{0,4}}(?:[:=,]|=>|\()\s{{0,4}}([brf]?{_Q}|)([^\n]{{4,4000}})"
)
_SCHEME = lazy_pattern(r"(?i)([a-z][\w-]{1,30})\s{1,4}(?=\S)")
_KNOWN = frozenset(
    "basic bearer digest token apikey api-key negotiate ntlm hawk oauth mutual hoba"
    " aws4-hmac-sha256 splunk sso-key genie-key".split()
)
_OF_PARTS = frozenset("digest hawk oauth aws4-hmac-sha256 mutual hoba".split())
_BEARER = lazy_pattern(r"(?i)\bbearer\s{1,4}([A-Za-z0-9._~+/=-]{12,})")
_COOKIE = lazy_pattern(
    rf"(?i)\b(?:set-)?cookies?{_Q}?\]?\s{{0,4}}(?:[:=,]|=>)\s{{0,4}}{_Q}?([A-Za-z0-9_.$%-]{{1,100}}=[^\n\"'`\\<>${{]{{3,4000}})"
)
_JAR = lazy_pattern(r"(?i)\bcookies?[\"']?\s{0,4}[:=]\s{0,4}\{([^{}]{1,2000})\}")
_JAR_VALUE = lazy_pattern(r":\s{0,4}([\"'])([^\"'\n]{6,1000})\1")


def find_header_secrets(view: TextView) -> Iterator[Span]:
    """The secrets in the headers of a text."""
    if b"authorization" in view.lowered:
        yield from _authorization(view.text)
    if b"bearer" in view.lowered:
        for match in _BEARER.finditer(view.text):
            if looks_like_key_material(match.group(1)) or any(map(str.isdigit, match.group(1))):
                yield match.start(1), match.end(1), "bearer"
    if b"cookie" in view.lowered:
        yield from _cookies(view.text)


def _authorization(text: str) -> Iterator[Span]:
    for match in _AUTHORIZATION.finditer(text):
        quote, value = match.group(1).lstrip("brf"), match.group(2)
        value = (value.split(quote)[0] if quote else value).rstrip(" ,;)]}\"'`\r\\")
        scheme = _SCHEME.match(value)
        name = scheme.group(1).lower() if scheme else ""
        begin = scheme.end() if scheme else 0
        first = value[begin:].partition(" ")[0]
        if name in _OF_PARTS and "=" in value:
            stop = len(value)
        elif (name and name not in _KNOWN and not looks_like_key_material(first)) or (
            not name and not looks_random(first)
        ):
            continue
        else:
            stop = begin + len(first.rstrip(",;\"'`\\"))
        if is_secret_value(
            first, NameKind.PASSWORD if name else NameKind.KEY, ValueStyle.TIGHT
        ) and (name in _OF_PARTS or not first.isalpha() or looks_like_key_material(first)):
            yield (
                match.start(2) + begin,
                match.start(2) + stop,
                "basic_auth" if name == "basic" else "authorization",
            )


def _cookies(text: str) -> Iterator[Span]:
    for match in _COOKIE.finditer(text):
        values = [pair.partition("=")[2] for pair in match.group(1).split(";")[:50]]
        if any(is_secret_value(value, NameKind.PASSWORD, ValueStyle.TIGHT) for value in values):
            yield match.start(1), match.end(1), "cookie"
    for jar in _JAR.finditer(text):
        for match in _JAR_VALUE.finditer(text, jar.start(1), jar.end(1)):
            if looks_random(match.group(2)) and is_secret_value(
                match.group(2), NameKind.KEY, ValueStyle.QUOTED
            ):
                yield match.start(2), match.end(2), "cookie"
