"""Secrets in the columns of tables are redacted by the name of their column; other cells stay."""

from __future__ import annotations

import pytest

from orch.text.redact import Redactor
from orch.text.redact.tables import HEADING_CHARS

REDACTOR = Redactor({})
SECRET = "hunter2" + "secret"
OTHER = "Zx9kQ7vLw2" + "Rt5mNb8c"
MARK = "[redacted: assignment]"
FORMS = (
    "| user | password |\n|---|---|\n| bob | %s |\n| eve | %s |\n",
    "user | **password**\n--- | ---\nbob | `%s`\neve | %s\n",
    "| API key | user |\n| :-- | --: |\n| x | x |\n".replace("API key", "api_key")
    + "| %s | bob |\n| %s | eve |\n",
    "user,password,age\nbob,%s,7\neve,%s,8\n",
    '"id","secret"\r\n1,%s\r\n2,%s\r\n',
    "INSERT INTO users (name, password) VALUES ('bob', '%s'), ('eve', '%s');",
    "insert into `a`.`b` (`age`, `password`, `name`) values\n  (7, N'%s', 'x'),\n  (8, '%s', 'y')",
)


@pytest.mark.parametrize("form", FORMS)
def test_every_row_under_the_name_of_a_secret_is_redacted(form: str) -> None:
    assert REDACTOR.redact(form % (SECRET, OTHER)) == form % (MARK, MARK)


@pytest.mark.parametrize(
    "text",
    [
        "| user | password |\n|---|---|\n| bob | yes |\n| eve | <password> |\n",
        "| key | meaning |\n|---|---|\n| hunter2secret | a word |\n",
        "a sentence, with a password, and\nhunter2secret, more, words\n",
        "user,password\nbob,hunter2secret,more\n".replace("hunter2secret", "optional"),
        "INSERT INTO users (name, age) VALUES ('hunter2secret', 7);",
        "INSERT INTO users (name, password) VALUES (?, ?);",
    ],
)
def test_cells_that_are_no_secrets_stay(text: str) -> None:
    assert REDACTOR.redact(text) == text


def test_the_table_ends_with_its_last_row() -> None:
    text = f"user,password\nbob,{SECRET}\n\nbob,{SECRET}\n"
    assert REDACTOR.redact(text) == f"user,password\nbob,{MARK}\n\nbob,{SECRET}\n"


def test_a_heading_is_not_longer_than_a_line_of_names() -> None:
    long = "name," * (HEADING_CHARS // 5 + 1)
    text = f"{long}password\n{'x,' * long.count(',')}{SECRET}\n"
    assert REDACTOR.redact(text) == text
