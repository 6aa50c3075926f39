"""Private keys are redacted whole, even truncated or very long; words about keys stay."""

from __future__ import annotations

import pytest

from orch.text.redact import Redactor
from tests.support.secret_samples import key_of

REDACTOR = Redactor({})
LINE = key_of("{A64}")
LINES = "\n".join([LINE] * 5)
KINDS = (
    "PRIVATE KEY",
    "RSA PRIVATE KEY",
    "EC PRIVATE KEY",
    "DSA PRIVATE KEY",
    "OPENSSH PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "PGP PRIVATE KEY BLOCK",
)


def pem(kind: str, body: str) -> str:
    return f"-----BEGIN {kind}-----\n{body}\n-----END {kind}-----"


@pytest.mark.parametrize("kind", KINDS)
def test_a_pem_key_is_redacted_whole(kind: str) -> None:
    assert (
        REDACTOR.redact(f"mine:\n{pem(kind, LINES)}\nis it strong?")
        == "mine:\n[redacted: private_key]\nis it strong?"
    )


@pytest.mark.parametrize("lines", [1, 2_000])
def test_a_key_may_be_short_or_very_long(lines: int) -> None:
    assert (
        REDACTOR.redact(pem("PRIVATE KEY", "\n".join([LINE] * lines))) == "[redacted: private_key]"
    )


@pytest.mark.parametrize("kept", [80, 150, 300])
def test_a_truncated_key_is_redacted_to_its_end(kept: int) -> None:
    assert REDACTOR.redact(pem("RSA PRIVATE KEY", LINES)[:kept]) == "[redacted: private_key]"


def test_a_question_after_a_truncated_key_stays() -> None:
    cut = "\n".join(pem("RSA PRIVATE KEY", LINES).splitlines()[:3])
    assert REDACTOR.redact(f"{cut}\n\nwhat is this?") == "[redacted: private_key]\n\nwhat is this?"


@pytest.mark.parametrize("between", ["\\n", "\\\\n", "\n> ", "\n+", '",\n"', "\r\n"])
def test_lines_may_be_escaped_quoted_or_of_a_diff(between: str) -> None:
    clean = REDACTOR.redact(pem("PRIVATE KEY", LINES).replace("\n", between))
    assert LINE not in clean


def test_headers_inside_a_key_are_redacted() -> None:
    body = f"Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00FF\n\n{LINES}"
    assert REDACTOR.redact(pem("RSA PRIVATE KEY", body)) == "[redacted: private_key]"


def test_ssh2_and_putty_keys_are_redacted() -> None:
    ssh2 = (
        f'---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: "x"\n{LINES}\n---- END SSH2'
        " ENCRYPTED PRIVATE KEY ----"
    )
    putty = (
        "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPublic-Lines:"
        f" 1\n{LINE}\nPrivate-Lines: 5\n{LINES}\nPrivate-MAC: 00ff"
    )
    assert REDACTOR.redact(ssh2) == REDACTOR.redact(putty) == "[redacted: private_key]"


def test_words_between_two_keys_stay() -> None:
    clean = REDACTOR.redact(f"{pem('PRIVATE KEY', LINES)}\nand\n{pem('PRIVATE KEY', LINES)}")
    assert clean == "[redacted: private_key]\nand\n[redacted: private_key]"


@pytest.mark.parametrize(
    "text",
    [
        (
            "Which tool reads a file that begins with -----BEGIN PRIVATE KEY----- and ends with"
            " -----END PRIVATE KEY-----?"
        ),
        'if line == "-----BEGIN RSA PRIVATE KEY-----":\n    load(line)\n',
        "-----BEGIN CERTIFICATE-----\n" + LINES + "\n-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----\n" + LINES + "\n-----END PUBLIC KEY-----",
    ],
)
def test_words_about_keys_and_public_ones_stay(text: str) -> None:
    assert REDACTOR.redact(text) == text
