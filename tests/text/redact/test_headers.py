"""Credentials in HTTP headers are redacted in any scheme; words about headers stay."""

from __future__ import annotations

import pytest

from orch.text.redact import Redactor

REDACTOR = Redactor({})
SECRETS = ("hunter2" + "secret", "Zx9kQ7vLw2" + "Rt5mNb8c")
HEADERS = (
    "Authorization: Bearer %s",
    "Authorization: Basic %s",
    "Authorization: token %s",
    "Authorization: ApiKey %s",
    'Authorization: Digest username="bob", realm="x", response="%s"',
    "Proxy-Authorization: Basic %s",
    "headers = {'Authorization': 'Bearer %s'}",
    "X-Auth-Token: %s",
    "PRIVATE-TOKEN: %s",
    "Cookie: theme=dark1; session=%s",
    "Set-Cookie: session=%s; HttpOnly",
)


@pytest.mark.parametrize("form", HEADERS)
@pytest.mark.parametrize("secret", SECRETS)
def test_a_credential_in_a_header_is_redacted(form: str, secret: str) -> None:
    clean = REDACTOR.redact(form % secret)
    assert secret not in clean
    assert "[redacted: " in clean
    assert REDACTOR.redact(clean) == clean


@pytest.mark.parametrize(
    ("header", "clean"),
    [
        ("Authorization: Basic Ym9iOnNlY3JldDE=", "Authorization: Basic [redacted: basic_auth]"),
        ("authorization: Bearer a1b2c3d4e5f6", "authorization: Bearer [redacted: authorization]"),
        (
            'Authorization: Digest username="bob", response="a1b2c3d4e5f6"',
            'Authorization: Digest [redacted: authorization]"',
        ),
        ("use bearer a1b2c3d4e5f6 here", "use bearer [redacted: bearer] here"),
        ("Cookie: theme=dark; sid=a1b2c3d4e5", "Cookie: [redacted: cookie]"),
        ("cookies = {'sid': 'Zx9kQ7vLw2Rt'}", "cookies = {'sid': '[redacted: cookie]'}"),
    ],
)
def test_the_scheme_and_the_name_of_the_header_stay(header: str, clean: str) -> None:
    assert REDACTOR.redact(header) == clean


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: none",
        "Authorization: Bearer $TOKEN",
        'headers = {"Authorization": f"Bearer {token}"}',
        "Authorization: required for every request",
        "the bearer authentication scheme",
        "Cookie: a small sweet",
        "Cookie: a=b",
        "cookies = {'theme': 'dark-blue'}",
    ],
)
def test_a_header_without_a_credential_stays(text: str) -> None:
    assert REDACTOR.redact(text) == text
