"""User feedback and grades in the journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orch.storage.feedback import RERUN, FeedbackStore, GradedAnswer, is_evidence
from orch.storage.journal import Journal
from orch.text.redact import Redactor
from orch.types import ModelKey
from tests.support.journal_file import answered_run

RUN: dict[str, Any] = {"run_id": "r1", "task": "What is a mutex?", "task_type": "simple"}
GRADE = GradedAnswer(1.0, "t", "h", "coding", "en", "prompt", "m", "p", "d", "a", 0.5, "executed")


@pytest.fixture
def feedback(tmp_path: Path) -> FeedbackStore:
    return Journal(tmp_path / "journal.sqlite3", Redactor({})).feedback


def test_a_new_rating_of_a_run_replaces_the_former(feedback: FeedbackStore) -> None:
    assert feedback.set_ratings(RUN, {ModelKey("p", "m"): 0.0}, "word")
    assert feedback.set_ratings(RUN, {ModelKey("p", "m"): 1.0}, "word")
    (rating,) = feedback.ratings()
    assert (rating.model, rating.score, rating.kind) == ("m", 1.0, "word")
    assert (feedback.ratings(after=rating.id), feedback.count_ratings_up_to(rating.id)) == ([], 1)


def test_grades_are_read_as_they_were_written(feedback: FeedbackStore) -> None:
    looked_at = GRADE._replace(task_id="t2", how="static", score=1.0)
    assert feedback.add_grades([GRADE, looked_at])
    assert feedback.graded_answers() == [GRADE, looked_at]
    assert feedback.mean_grades() == {ModelKey("p", "m"): (0.5, 1)}
    assert [is_evidence(each) for each in (GRADE, looked_at)] == [True, False]


def test_the_last_ids_change_with_the_evidence(feedback: FeedbackStore) -> None:
    before = feedback.last_ids()
    feedback.add_grades([GRADE])
    assert feedback.last_ids() != before


def test_corrections_are_cached_until_this_process_changes_them(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    cached = Journal(path, Redactor({}), cache_s=60.0).feedback
    other = Journal(path, Redactor({})).feedback
    assert cached.corrections() == []
    other.set_correction(RUN, "coding")
    assert (cached.corrections(), cached.count_corrections(0.0)) == ([], 1)
    cached.set_correction({**RUN, "run_id": "r2"}, "coding")
    assert len(cached.corrections()) == 2


def test_without_texts_there_are_no_corrections(tmp_path: Path) -> None:
    feedback = Journal(tmp_path / "journal.sqlite3", Redactor({}), mode="meta").feedback
    assert (feedback.corrections(), feedback.count_corrections(0.0)) == ([], 0)


@pytest.mark.parametrize(
    ("task", "model", "later_s", "expected"),
    [
        ("task", ("p", "other"), 60, True),
        ("task", (None, None), 60, False),
        ("another task", ("p", "other"), 60, False),
        ("task", ("p", "other"), 7200, False),
    ],
)
def test_the_same_task_with_another_model_is_weak_evidence(
    tmp_path: Path, task: str, model: Any, later_s: float, expected: bool
) -> None:
    journal = Journal(tmp_path / "journal.sqlite3", Redactor({}))
    journal.record(answered_run("r1", 1000.0))
    journal.database.run(lambda c: c.execute("UPDATE runs SET model = 'm', provider = 'p'"))
    second = ModelKey(*model) if model[0] else ModelKey("p", "m")
    assert journal.feedback.record_rerun(task, second, 1000.0 + later_s) is expected
    assert [each.kind for each in journal.feedback.ratings()] == ([RERUN] if expected else [])


def test_a_fitted_model_is_kept_with_its_stamp(feedback: FeedbackStore) -> None:
    assert feedback.load_learned("quality") is None
    feedback.save_learned("quality", "1-2", b"\0\1")
    assert feedback.load_learned("quality") == ("1-2", b"\0\1")
