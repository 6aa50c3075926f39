"""Each detector runs wherever its secrets may be, and nowhere else."""

from __future__ import annotations

import pytest

from orch.text.redact import (
    assignments,
    commands,
    detectors,
    headers,
    private_keys,
    tables,
    urls,
    vendor_key_detector,
)
from orch.text.redact.detectors import find_multiline_secrets, find_secrets
from orch.text.redact.text_view import TextView
from tests.support.secret_samples import key_of

KEY = key_of("ghp_{A36}")
PLAIN = "Write a haiku about the sea, in three lines. 5 > 3: true."
BY_LINE = {
    vendor_key_detector.find_vendor_keys: f"see {KEY}",
    urls.find_url_secrets: "http://bob:a1b2c3d4@x/",
    headers.find_header_secrets: "Cookie: sid=a1b2c3d4e5",
    assignments.find_assignments: "password = a1b2c3d4",
    commands.find_command_passwords: "mysql -u root -pa1b2c3d4",
}
WHOLE = {
    private_keys.find_private_keys: f"-----BEGIN PRIVATE KEY-----\n{key_of('{A64}')}\n",
    tables.find_table_secrets: "user,password\nbob,a1b2c3d4\n",
}


@pytest.mark.parametrize("text", BY_LINE.values())
def test_a_secret_is_found_by_its_own_detector_at_least(text: str) -> None:
    [alone] = {
        span for find, its in BY_LINE.items() if its == text for span in find(TextView(text))
    }
    assert alone in set(find_secrets(text))


@pytest.mark.parametrize("text", WHOLE.values())
def test_a_secret_of_several_lines_is_found_in_the_whole_text(text: str) -> None:
    [alone] = {span for find, its in WHOLE.items() if its == text for span in find(text)}
    assert list(find_multiline_secrets(text)) == [alone]
    assert list(find_multiline_secrets(text.splitlines()[0])) == []


@pytest.mark.parametrize("text", [PLAIN, "", "What is a token of a model?"])
def test_no_detector_runs_on_a_plain_text(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise AssertionError(text)

    for find in (*BY_LINE, *WHOLE):
        monkeypatch.setattr(f"{find.__module__}.{find.__name__}", fail)
    assert list(find_secrets(text)) == list(find_multiline_secrets(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "password\n=\nx",
        "the password for the db is x",
        "password, x",
        "password 'x'",
        '("password", "x")',
        "--password x",
        "machine a login b password x",
        "password → x",
        "name: password\nvalue: x",
        "contraseña es: x",
    ],
)
def test_a_name_with_a_sign_of_a_value_needs_a_search(text: str) -> None:
    assert detectors._has_named_value(TextView(text)) is (text != "password, x")


@pytest.mark.parametrize("text", ["a password manager", "keyboard", "tokens and words", "secret"])
def test_a_name_alone_needs_no_search(text: str) -> None:
    assert not detectors._has_named_value(TextView(text))
