"""Names of secrets in every spelling, and names that only look like them."""

from __future__ import annotations

import pytest

from orch.text.redact.secret_names import NameKind, classify_name, split_identifier


@pytest.mark.parametrize(
    "name", ["dbPassword", "DB_PASSWORD", "db-password", "DbPassword", "db.password"]
)
def test_an_identifier_has_the_same_words_in_every_spelling(name: str) -> None:
    assert split_identifier(name) == ["db", "password"]


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (
            NameKind.PASSWORD,
            "password passwd DB_PASSWORD dbpassword userPwd PGPASS MYSQL_PWD contraseña passphrase"
            " db_pass PASS password_prod password2 clave_secreta ADMIN_PASSWORD_2",
        ),
        (
            NameKind.KEY,
            "api_key apiKey API-KEY accountkey client_secret X_KEY awsSecretAccessKey csrf_token"
            " authToken api_key_prod secreto STRIPE_KEY",
        ),
        (NameKind.WEAK, "key token clave auth credentials creds sessionid pw some_key secrets"),
        (
            NameKind.NONE,
            "primary_key sort_key cache_key keyboard tokens max_tokens eos_token next_token"
            " passport palabra_clave password_reset password_hint token_count secret_name key_path"
            " compass author monkey turkey bypass",
        ),
    ],
)
def test_a_name_says_what_its_value_may_be(kind: NameKind, names: str) -> None:
    assert {name: classify_name(name) for name in names.split()} == dict.fromkeys(
        names.split(), kind
    )


def test_a_word_after_the_name_of_a_secret_makes_it_weak() -> None:
    assert classify_name("password_field_a") == classify_name("api_key_foo") == NameKind.WEAK
    assert classify_name("password_field") is NameKind.NONE


def test_the_kinds_are_ordered_by_how_little_a_value_must_look_like_a_secret() -> None:
    assert NameKind.NONE < NameKind.WEAK < NameKind.KEY < NameKind.PASSWORD
    assert not NameKind.NONE
