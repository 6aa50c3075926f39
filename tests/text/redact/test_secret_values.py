"""Values beside the name of a secret: secrets, or placeholders, types, labels and code."""

from __future__ import annotations

import pytest

from orch.text.redact.secret_names import NameKind
from orch.text.redact.secret_values import ValueStyle, is_secret_value, looks_random

RANDOM = "Zx9kQ7vLw2" + "Rt5mNb8c"
WORD = "hunter2" + "secret"
STYLES = list(ValueStyle)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("kind", [NameKind.WEAK, NameKind.KEY, NameKind.PASSWORD])
def test_a_random_value_is_a_secret_beside_any_name(kind: NameKind, style: ValueStyle) -> None:
    assert is_secret_value(RANDOM, kind, style)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "value",
    [
        "",
        "x1",
        "${PASSWORD}",
        "$PASSWORD",
        "{{ token }}",
        "<your-password>",
        "your_password_1",
        "changeme-1-change-me",
        "********",
        "xxxxx-xxxxx1",
        "[redacted: jwt]",
        "%(password)s",
        "password",
        "new_password",
        "None",
        "string",
        "/etc/ssl/private/server.key",
        "vault:secret1/db",
        "…a1b2c3d4",
    ],
)
def test_a_placeholder_a_type_or_a_path_is_no_secret(value: str, style: ValueStyle) -> None:
    assert not is_secret_value(value, NameKind.PASSWORD, style)


@pytest.mark.parametrize(
    ("style", "value"),
    [
        (ValueStyle.TIGHT, "getpass()"),
        (ValueStyle.TIGHT, "self.password"),
        (ValueStyle.LOOSE, "os.environ['PASSWORD']"),
        (ValueStyle.LOOSE, "Optional[str]"),
        (ValueStyle.LOOSE, "config.db.password"),
        (ValueStyle.LOOSE, "null};x"),
        (ValueStyle.LIST, "username"),
        (ValueStyle.SENTENCE, "required."),
        (ValueStyle.SENTENCE, "incorrect"),
        (ValueStyle.SENTENCE, "blue"),
        (ValueStyle.QUOTED, "Enter your password:"),
        (ValueStyle.QUOTED, "This field is required."),
        (ValueStyle.QUOTED, "auth.password.label"),
        (ValueStyle.WORD, "[--token TOKEN]"),
    ],
)
def test_code_labels_and_talk_are_no_secrets(style: ValueStyle, value: str) -> None:
    assert not is_secret_value(value, NameKind.PASSWORD, style)


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        (WORD, {NameKind.WEAK, NameKind.KEY, NameKind.PASSWORD}),
        ("correct horse battery", {NameKind.PASSWORD}),
        ("umbrella", {NameKind.PASSWORD}),
        ("item12", {NameKind.PASSWORD}),
        ("2024-01-15", {NameKind.PASSWORD}),
        ("abcdefghijklmnopqrstu", {NameKind.KEY, NameKind.PASSWORD}),
    ],
)
def test_the_name_decides_what_a_quoted_value_must_look_like(
    value: str, kinds: set[NameKind]
) -> None:
    named = (NameKind.WEAK, NameKind.KEY, NameKind.PASSWORD)
    assert {kind for kind in named if is_secret_value(value, kind, ValueStyle.QUOTED)} == kinds


def test_a_word_without_quotes_is_a_password_only_at_the_end_of_its_line() -> None:
    for value, ends, secret in (
        ("umbrella", True, True),
        ("umbrella", False, False),
        ("umbrella.", True, True),
        ("umbrella,", True, False),
        ("umbrella,", False, True),
    ):
        style = ValueStyle.LOOSE
        assert is_secret_value(value, NameKind.PASSWORD, style, ends=ends) is secret, value


@pytest.mark.parametrize("value", [RANDOM, RANDOM.lower(), "a1b2c3d4", "ABCDefghIJKLmnopQRSTuv"])
def test_mixed_letters_and_digits_look_random(value: str) -> None:
    assert looks_random(value)


@pytest.mark.parametrize(
    "value",
    [
        "a1b2c3",
        "llama3.1-8b-instruct",
        "10.0.0.1:80",
        "efficiencyMetricsByGroup",
        "PKCS12PrivateKeyTypes",
        "max_tokens=100",
        "a.b.c.d.e1f2",
        "two words1",
        "garden-umbrella",
    ],
)
def test_words_versions_dates_and_identifiers_do_not(value: str) -> None:
    assert not looks_random(value)
