"""Finds credentials in HTTP headers: Authorization in any scheme, and cookies."""

from __future__ import annotations

from collections.abc import Iterator

from orch.text.redact.lazy_pattern import text_rule
from orch.text.redact.secret_names import Kind
from orch.text.redact.secret_values import Style, is_random, is_secret
from orch.text.redact.text_view import Span, View
from orch.text.redact.vendors import is_dense

_Q = r"(?:\\{0,16}[\"'`])"
_AUTHORIZATION = text_rule(
    rf"(?i)\b(?:proxy-)?authorization{_Q}?\]?\s{{0,4}}(?:[:=,]|=>|\()\s{{0,4}}([brf]?{_Q}|)([^\n]{{4,4000}})"
)
_SCHEME = text_rule(r"(?i)([a-z][\w-]{1,30})\s{1,4}(?=\S)")
_KNOWN = frozenset(
    "basic bearer digest token apikey api-key negotiate ntlm hawk oauth mutual hoba"
    " aws4-hmac-sha256 splunk sso-key genie-key".split()
)
_OF_PARTS = frozenset("digest hawk oauth aws4-hmac-sha256 mutual hoba".split())
_BEARER = text_rule(r"(?i)\bbearer\s{1,4}([A-Za-z0-9._~+/=-]{12,})")
_COOKIE = text_rule(
    rf"(?i)\b(?:set-)?cookies?{_Q}?\]?\s{{0,4}}(?:[:=,]|=>)\s{{0,4}}{_Q}?([A-Za-z0-9_.$%-]{{1,100}}=[^\n\"'`\\<>${{]{{3,4000}})"
)
_JAR = text_rule(r"(?i)\bcookies?[\"']?\s{0,4}[:=]\s{0,4}\{([^{}]{1,2000})\}")
_JAR_VALUE = text_rule(r":\s{0,4}([\"'])([^\"'\n]{6,1000})\1")


def found(view: View) -> Iterator[Span]:
    """The secrets in the headers of a text."""
    if b"authorization" in view.low:
        yield from _authorization(view.text)
    if b"bearer" in view.low:
        for match in _BEARER.finditer(view.text):
            if is_dense(match.group(1)) or any(map(str.isdigit, match.group(1))):
                yield match.start(1), match.end(1), "bearer"
    if b"cookie" in view.low:
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
        elif (name and name not in _KNOWN and not is_dense(first)) or (
            not name and not is_random(first)
        ):
            continue
        else:
            stop = begin + len(first.rstrip(",;\"'`\\"))
        if is_secret(first, Kind.PASSWORD if name else Kind.KEY, Style.TIGHT) and (
            name in _OF_PARTS or not first.isalpha() or is_dense(first)
        ):
            yield (
                match.start(2) + begin,
                match.start(2) + stop,
                "basic_auth" if name == "basic" else "authorization",
            )


def _cookies(text: str) -> Iterator[Span]:
    for match in _COOKIE.finditer(text):
        values = [pair.partition("=")[2] for pair in match.group(1).split(";")[:50]]
        if any(is_secret(value, Kind.PASSWORD, Style.TIGHT) for value in values):
            yield match.start(1), match.end(1), "cookie"
    for jar in _JAR.finditer(text):
        for match in _JAR_VALUE.finditer(text, jar.start(1), jar.end(1)):
            if is_random(match.group(2)) and is_secret(match.group(2), Kind.KEY, Style.QUOTED):
                yield match.start(2), match.end(2), "cookie"
