"""Answers that a client may refer to, in the journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from orch.storage.journal import Journal
from orch.storage.responses import drop_response, find_response
from orch.text.redact import Redactor
from tests.support.journal_file import JOURNAL, answered_run

STORED = {"metadata": {"a": "password = hunter2hunter2"}, "tool_calls": []}


@pytest.fixture
def journal(home: Path) -> Journal:
    return Journal(home / JOURNAL, Redactor({}))


def test_only_its_own_client_finds_a_response_by_its_whole_id(journal: Journal) -> None:
    journal.record(answered_run("abc", 1.0)._replace(response=STORED, client="laptop"))
    row = find_response(journal.database, "abc", "laptop")
    assert row is not None
    assert (row["answer"], row["response"]["tool_calls"], row["redacted"]) == ("answer", [], 1)
    assert "hunter2" not in str(row)
    for run_id, client in (("abc", ""), ("abc", "ci"), ("ab", "laptop"), ("", "laptop")):
        assert find_response(journal.database, run_id, client) is None


def test_a_run_that_was_not_stored_or_not_answered_is_not_found(journal: Journal) -> None:
    journal.record(answered_run("plain", 1.0))
    journal.record(answered_run("failed", 1.0)._replace(response=STORED, status="failed"))
    assert find_response(journal.database, "plain", "") is None
    assert find_response(journal.database, "failed", "") is None


def test_a_dropped_response_is_not_found_and_its_run_stays(journal: Journal) -> None:
    journal.record(answered_run("abc", 1.0)._replace(response=STORED))
    drop_response(journal.database, "abc")
    assert find_response(journal.database, "abc", "") is None
    assert [run["answer"] for run in journal.history.runs()] == ["answer"]


def test_a_journal_without_texts_keeps_no_response(home: Path) -> None:
    journal = Journal(home / JOURNAL, Redactor({}), "meta")
    journal.record(answered_run("abc", 1.0)._replace(response=STORED))
    assert find_response(journal.database, "abc", "") is None
