"""Passwords of commands are redacted by their position; flags, users and variables stay."""

from __future__ import annotations

import pytest

from orch.text.redact import Redactor
from orch.text.redact.commands import COMMANDS as RULES
from orch.text.redact.text_view import TextView

REDACTOR = Redactor({})
SECRETS = ("hunter2" + "secret", "Zx9kQ7vLw2" + "Rt5mNb8c")
COMMANDS = (
    "curl -u bob:%s https://x.example",
    "curl --user 'bob:%s' https://x.example",
    "curl -b 'sid=%s' https://x.example",
    "curl -H 'X-Api-Key: %s' https://x.example",
    "docker login -u bob -p %s",
    "echo %s | docker login -u bob --password-stdin",
    "mysql -u root -p%s shop",
    "mysqldump --password=%s shop",
    "sshpass -p %s ssh bob@x",
    "sshpass -p '%s' ssh bob@x",
    "tool --password %s",
    "tool --token=%s",
    "tool --db-password '%s' run",
    "redis-cli -h x -a %s ping",
    "wget --http-password=%s https://x.example",
    "sqlcmd -S x -U sa -P %s",
    "openssl rsa -passin pass:%s -in k",
    "echo 'bob:%s' | chpasswd",
    "PGPASSWORD=%s psql -h x",
    "aws configure set aws_secret_access_key %s",
    "helm install x --set auth.password=%s",
    "mongosh -u bob -p %s",
    "smbclient //x/y -U bob%%%s",
)


@pytest.mark.parametrize("form", COMMANDS)
@pytest.mark.parametrize("secret", SECRETS)
def test_a_password_of_a_command_is_redacted(form: str, secret: str) -> None:
    clean = REDACTOR.redact(form % secret)
    assert secret not in clean
    assert "[redacted: " in clean
    assert REDACTOR.redact(clean) == clean


@pytest.mark.parametrize(
    ("command", "clean"),
    [
        ("mysql -u root -ps3cret9 shop", "mysql -u root -p[redacted: mysql_password] shop"),
        ("curl -u 'bob:s3cret9' x", "curl -u 'bob:[redacted: command_password]' x"),
        ('auth=("bob", "s3cret9")', 'auth=("bob", "[redacted: command_password]")'),
        ("sqlplus scott/s3cret9@db", "sqlplus scott/[redacted: command_password]@db"),
        ("new PDO($dsn, 'bob', 's3cret9')", "new PDO($dsn, 'bob', '[redacted: command_password]')"),
    ],
)
def test_the_rest_of_the_command_stays(command: str, clean: str) -> None:
    assert REDACTOR.redact(command) == clean


@pytest.mark.parametrize(
    "command",
    [
        "docker run -p 8080:80 -u 1000:1000 nginx",
        "curl -u $USER:$PASS https://x.example",
        "mkdir -p build/out",
        "docker login -u bob --password-stdin < file",
        "unzip -P $PASSWORD a.zip",
        "ssh -p 2222 bob@x",
        "net user bob /delete",
    ],
)
def test_a_command_without_a_password_stays(command: str) -> None:
    assert REDACTOR.redact(command) == command


def test_the_literal_of_a_rule_is_lower_case_as_the_view_is() -> None:
    assert [literal for literal, _ in RULES if TextView(literal).lowered.decode() != literal] == []
