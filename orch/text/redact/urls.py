"""Finds passwords and tokens in URLs: in the user information and in the query."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orch.text.redact.lazy_pattern import lazy_pattern
from orch.text.redact.secret_names import NameKind
from orch.text.redact.secret_values import ValueStyle, is_secret_value
from orch.text.redact.text_view import Span, TextView
from orch.text.redact.vendor_key_detector import looks_like_key_material

_USER_INFO = lazy_pattern(
    r"://([^\s/:@\"'`<>\[\](){}]{0,200}):([^\s@\"'`<>]{1,300}(?:@[^\s@/\"'`<>,;]{1,200})*)@(?=[\w.\[-])"
)
_ALONE = lazy_pattern(r"://([A-Za-z0-9_.~%+&!$*=-]{16,300})(?::x-oauth-basic)?@(?=[\w.-])")
_ORACLE = lazy_pattern(r"(?i)\bjdbc:oracle:thin:([\w.$#]{1,60})/([^\s@\"'`]{1,100})@")
_SIGNATURE = lazy_pattern(
    r"(?i)[?&;](?:sig|signature|x-amz-signature|x-amz-security-token|x-goog-signature|hmac|code|st)=([A-Za-z0-9%+/_=-]{20,2000})"
)


def find_url_secrets(view: TextView) -> Iterator[Span]:
    """The secrets in the URLs of a text."""
    if b"@" in view.lowered:
        for match in _USER_INFO.finditer(view.text):
            if _is_password(match.group(2)):
                yield match.start(2), match.end(2), "url_password"
        for match in _ALONE.finditer(view.text):
            if looks_like_key_material(match.group(1)):
                yield match.start(1), match.end(1), "url_password"
        if b"oracle:thin" in view.lowered:
            for match in _ORACLE.finditer(view.text):
                yield match.start(2), match.end(2), "url_password"
    if b"?" in view.lowered:
        for match in _SIGNATURE.finditer(view.text):
            if looks_like_key_material(match.group(1)):
                yield match.start(1), match.end(1), "url_signature"


def _is_password(value: str) -> bool:
    """Excludes placeholders and the port and path of `http://host:80/@user`."""
    if re.match(r"\d{1,5}(?:[/?#,;]|$)", value) and (
        "/" in value or "," in value or (value.isdigit() and len(value) < 4)
    ):
        return False
    return (
        (len(value) < 4 and value.isalnum())
        or is_secret_value(value, NameKind.PASSWORD, ValueStyle.TIGHT)
        or _holds_code(value)
    )


def _holds_code(value: str) -> bool:
    """Accepts a password that looks like a call in code."""
    return "(" in value and is_secret_value(
        value.replace("(", "_").replace("[", "_"), NameKind.PASSWORD, ValueStyle.TIGHT
    )
