"""A value beside a secret's name is redacted in every documented form; other values stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from orch.text.redact import Redactor

REDACTOR = Redactor({})
WORD = "hunter2" + "secret"
LONG = "Zx9kQ7vLw2" + "Rt5mNb8c"
FORMS = [
    line.replace("\\n", "\n")
    for line in (Path(__file__).parent / "assignments.txt").read_text(encoding="utf-8").splitlines()
]
"""§ stands for the secret."""
WORDS = "correct horse battery staple"

JSON = (
    '{"password": "%s"}',
    '{"db": {"DB_PASSWORD" : "%s"}}',
    '{"password":\n  "%s"}',
    r"{\"password\":\"%s\"}",
    r'"{\\\"accessKey\\\": \\\"%s\\\"}"',
    r'"{\\\\\\\"secret\\\\\\\":\\\\\\\"%s\\\\\\\"}"',
    '{"name": "DB_PASSWORD", "value": "%s"}',
    "{&quot;password&quot;:&quot;%s&quot;}",
    '{"Cookie": "session=%s"}',
    '{"cookies": {"session": "%s"}}',
    '{"kty": "RSA", "e": "AQAB", "d": "%s"}',
)
FILES = (
    "DB_PASSWORD=%s",
    "export PGPASSWORD=%s",
    "MYSQL_PWD=%s",
    "PGPASS=%s",
    "ENCRYPTION_KEY=%s",
    "STRIPE_KEY=%s",
    "X_KEY=%s",
    "db.password = %s",
    "spring.datasource.password=%s",
    "[mail]\nuser = bob\npass_phrase = x\npassword = %s",
    'api_key = "%s"',
    "password: %s",
    "password: >-\n  %s",
    "login:\n  passwd: |\n    %s\n  user: bob",
    "- name: DB_PASSWORD\n  value: %s",
    "kind: Secret\ndata:\n  anything: %s",
    "machine api.example.com login bob password %s",
    "machine api.example.com\n  login bob\n  password %s",
    "db.example.com:5432:shop:bob:%s",
    "requirepass %s",
    "//registry.example.org/:_authToken=%s",
    "ENV DB_PASSWORD %s",
    "<password>%s</password>",
    '<add key="DbPassword" value="%s"/>',
    '<string name="api_key">%s</string>',
    "<key>password</key>\n<string>%s</string>",
    '<wsse:Password Type="text">%s</wsse:Password>',
    "| password | %s |",
    "| **password** | `%s` |",
    "**Password:** `%s`",
    "- **API key**: %s",
    "contraseña: %s",
    "contrasen\u0303a: %s",
    "clave secreta: %s",
    "la clave de acceso es %s",
)
CODE = (
    'password := "%s"',
    "$password => '%s'",
    "'password' => '%s',",
    'os.environ["DB_PASSWORD"] = "%s"',
    'process.env.API_KEY = "%s";',
    'setenv("DB_PASSWORD", "%s", 1);',
    "define('DB_PASSWORD', '%s');",
    'props.put("password", "%s");',
    'private static final String PASSWORD = "%s";',
    'let password: &str = "%s";',
    'let secret = String::from("%s");',
    'var password string = "%s"',
    'const apiKey: string = "%s";',
    'char password[] = "%s";',
    'password = b"%s"',
    'connect(host="x", password="%s")',
    'builder.password("%s")',
    'if password == "%s":',
    "CREATE USER bob IDENTIFIED BY '%s'",
    "ALTER ROLE bob WITH PASSWORD '%s'",
    "CREATE LOGIN bob WITH PASSWORD = N'%s'",
    'ConvertTo-SecureString "%s" -AsPlainText',
    'password = """%s"""',
    '$env:API_KEY = "%s"',
)
SENTENCES = (
    "my password is %s, what now?",
    "the password for the db is %s",
    "mi contraseña es %s",
    "la contraseña del wifi es %s",
    "secret: %s",
    "passphrase = %s",
)


@pytest.mark.parametrize("form", [*JSON, *FILES, *CODE, *SENTENCES])
@pytest.mark.parametrize("secret", [WORD, LONG])
def test_a_secret_is_redacted(form: str, secret: str) -> None:
    clean = REDACTOR.redact(form % secret)
    assert secret not in clean
    assert "[redacted: " in clean
    assert REDACTOR.redact(clean) == clean


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_redacted_in_a_form_of_the_list(form: str) -> None:
    for secret in (WORD, LONG, "Tr0ub4dor" + "&3xyz"):
        assert secret not in REDACTOR.redact(form.replace("§", secret))


@pytest.mark.parametrize(
    "form",
    [
        'password = "%s"',
        '{"passphrase": "%s"}',
        "DB_PASSWORD='%s'",
        'contraseña: "%s"',
        "tool --password '%s'",
        "<password>%s</password>",
    ],
)
def test_a_password_of_several_words_is_redacted_whole(form: str) -> None:
    clean = REDACTOR.redact(form % WORDS)
    assert not any(word in clean for word in WORDS.split())


@pytest.mark.parametrize(
    "name",
    [
        "accessKey",
        "API_KEY_PROD",
        "clientSecret",
        "DbPassword",
        "x-api-key",
        "userPwd",
        "awsSecretAccessKey",
        "credential",
        "authToken",
    ],
)
def test_a_name_may_have_affixes(name: str) -> None:
    assert REDACTOR.redact(f'"{name}": "{LONG}"') == f'"{name}": "[redacted: assignment]"'


def test_the_text_around_a_secret_stays() -> None:
    assert (
        REDACTOR.redact(f'a = 1\npassword = "{WORD}"  # mine\nb = 2')
        == 'a = 1\npassword = "[redacted: assignment]"  # mine\nb = 2'
    )


@pytest.mark.parametrize("sign", ["", "x" * 70_000 + " ", "\n" * 65_530])
def test_a_secret_at_the_boundary_of_two_pieces_is_found(sign: str) -> None:
    assert WORD not in REDACTOR.redact(f"{sign}password={WORD}")


def test_a_secret_longer_than_a_piece_is_redacted_whole() -> None:
    clean = REDACTOR.redact(f"API_KEY={'a1B2' * 50_000} and more")
    assert clean == "API_KEY=[redacted: assignment] and more"
