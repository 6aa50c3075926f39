"""Passwords and tokens in URLs are redacted; ports, paths and placeholders stay."""

from __future__ import annotations

import pytest

from orch.text.redact import Redactor

REDACTOR = Redactor({})
SECRETS = ("hunter2" + "secret", "Zx9kQ7vLw2" + "Rt5mNb8c")
ADDRESSES = (
    "redis://:%s@localhost:6379/0",
    "postgresql+psycopg://bob:%s@db/shop",
    "mongodb+srv://bob:%s@cluster0.example.net",
    "jdbc:mysql://db/shop?user=bob&password=%s&ssl=true",
    "jdbc:oracle:thin:scott/%s@//db:1521/x",
    "Server=db;User Id=sa;Password=%s;Encrypt=true",
    "Driver={X};UID=sa;PWD=%s",
    "https://api.example.com/v1?api_key=%s&q=1",
    "AccountName=shop;AccountKey=%s==;EndpointSuffix=core.example.net",
    "Endpoint=sb://x/;SharedAccessKeyName=n;SharedAccessKey=%s=",
    "dbname=shop user=bob password=%s host=db",
)


@pytest.mark.parametrize("form", ADDRESSES)
@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_in_an_address_is_redacted(form: str, secret: str) -> None:
    clean = REDACTOR.redact(form % secret)
    assert secret not in clean
    assert "[redacted: " in clean
    assert REDACTOR.redact(clean) == clean


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("http://bob:a1b@x/", "http://bob:[redacted: url_password]@x/"),
        ("ftp://bob:p@ss:w0rd@x/", "ftp://bob:[redacted: url_password]@x/"),
        ("http://bob:f(x)[1]2@x/", "http://bob:[redacted: url_password]@x/"),
        (
            "https://Zx9kQ7vLw2Rt5mNb8c@github.example/a",
            "https://[redacted: url_password]@github.example/a",
        ),
        (
            "https://x/a?sig=Zx9kQ7vLw2Rt5mNb8c1d&b=1",
            "https://x/a?sig=[redacted: url_signature]&b=1",
        ),
        (
            "jdbc:oracle:thin:scott/tiger@//db",
            "jdbc:oracle:thin:scott/[redacted: url_password]@//db",
        ),
    ],
)
def test_the_rest_of_the_address_stays(url: str, clean: str) -> None:
    assert REDACTOR.redact(url) == clean


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8080/@bob",
        "http://localhost:80,other:81/a@b",
        "https://medium.example/@someone",
        "postgres://bob:${PASSWORD}@db/x",
        "postgres://bob:<password>@db/x",
        "https://continuous-integration@x/",
        "https://x/a?code=authorization_code_grant",
        "https://x/a?page=2&sig=none",
    ],
)
def test_an_address_without_a_secret_stays(url: str) -> None:
    assert REDACTOR.redact(url) == url
