"""Finds passwords and tokens in URLs: in the user information and in the query."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orch.text.redact.lazy_pattern import text_rule
from orch.text.redact.secret_names import Kind
from orch.text.redact.secret_values import Style, is_secret
from orch.text.redact.text_view import Span, View
from orch.text.redact.vendors import is_dense

_USER_INFO = text_rule(
    r"://([^\s/:@\"'`<>\[\](){}]{0,200}):([^\s@\"'`<>]{1,300}(?:@[^\s@/\"'`<>,;]{1,200})*)@(?=[\w.\[-])"
)
_ALONE = text_rule(r"://([A-Za-z0-9_.~%+&!$*=-]{16,300})(?::x-oauth-basic)?@(?=[\w.-])")
_ORACLE = text_rule(r"(?i)\bjdbc:oracle:thin:([\w.$#]{1,60})/([^\s@\"'`]{1,100})@")
_SIGNATURE = text_rule(
    r"(?i)[?&;](?:sig|signature|x-amz-signature|x-amz-security-token|x-goog-signature|hmac|code|st)=([A-Za-z0-9%+/_=-]{20,2000})"
)


def found(view: View) -> Iterator[Span]:
    """The secrets in the URLs of a text."""
    if b"@" in view.low:
        for match in _USER_INFO.finditer(view.text):
            if _is_password(match.group(2)):
                yield match.start(2), match.end(2), "url_password"
        for match in _ALONE.finditer(view.text):
            if is_dense(match.group(1)):
                yield match.start(1), match.end(1), "url_password"
        if b"oracle:thin" in view.low:
            for match in _ORACLE.finditer(view.text):
                yield match.start(2), match.end(2), "url_password"
    if b"?" in view.low:
        for match in _SIGNATURE.finditer(view.text):
            if is_dense(match.group(1)):
                yield match.start(1), match.end(1), "url_signature"


def _is_password(value: str) -> bool:
    """Not the port and path of `http://host:80/@user`, nor a placeholder."""
    if re.match(r"\d{1,5}(?:[/?#,;]|$)", value) and (
        "/" in value or "," in value or (value.isdigit() and len(value) < 4)
    ):
        return False
    return (
        (len(value) < 4 and value.isalnum())
        or is_secret(value, Kind.PASSWORD, Style.TIGHT)
        or _holds_code(value)
    )


def _holds_code(value: str) -> bool:
    """What looks like a call in code is a password here."""
    return "(" in value and is_secret(
        value.replace("(", "_").replace("[", "_"), Kind.PASSWORD, Style.TIGHT
    )
