"""`orch stats`: what ran, and clients' chores apart from the types of tasks."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

from orch.storage.journal import Journal, RunRecord
from orch.text.redact import Redactor
from orch.types import Attempt
from orch.wiring import JOURNAL_FILE
from tests.conftest import CODER
from tests.support.fake_ollama import FakeOllama
from tests.support.orch_command import orch


def test_stats_tell_clients_chores_apart(ollama: FakeOllama, home: Path) -> None:
    orch("run", "Write a Python function that sorts a list")
    with closing(Journal(home / JOURNAL_FILE, Redactor({}))) as journal:
        row = journal.history.runs()[0]
        attempt = Attempt(CODER, "ollama", "ok")
        chore = RunRecord(
            run_id="c",
            task="Title it",
            system=None,
            messages=[],
            answer="Sorting",
            task_type=None,
            confidence=None,
            decision=None,
            attempts=[attempt],
            chore="title",
            at=row["at"],
            face="openai",
            status="ok",
            model=CODER,
            provider="ollama",
        )
        assert journal.record(chore)
    told = json.loads(orch("stats", "--json").stdout)
    assert (told["chores"], told["models"][CODER]["runs"]) == ({"title": 1}, 2)
    assert [each["runs"] for each in told["types"].values()] == [1]
    assert b"clients' chores, of no type: title 1" in orch("stats").stdout
