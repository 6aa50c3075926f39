"""How far a corrected type sways the same and similar tasks."""

from __future__ import annotations

import pytest

from orch import classify
from orch.classifier.classifier import Classifier
from orch.classifier.corrections import correction_votes
from orch.types import TaskType

PLAIN = "What is the capital of France?"


def test_a_correction_moves_the_same_and_similar_tasks_only() -> None:
    corrections = [("rank the candidates for the job in madrid", "analysis")]
    same, similar, other = (
        Classifier({}).classify(text, None, corrections)
        for text in (corrections[0][0], "rank the candidates for the job in paris", PLAIN)
    )
    assert (same.task_type, similar.task_type) == ("analysis", "analysis")
    assert other.task_type == classify(PLAIN).task_type


def test_a_correction_of_the_very_same_text_always_wins() -> None:
    assert Classifier({}).classify(PLAIN, None, [(PLAIN, "coding")]).task_type is TaskType.CODING


@pytest.mark.parametrize(
    ("text", "logits"),
    [
        ("sort these invoices by date", [16.0]),
        ("SORT these invoices, by date!", [16.0]),
        ("sort these receipts by date", [8.0 * 4 / 6]),
        ("write a poem", []),
        ("", []),
    ],
)
def test_similarity_scales_the_vote(text: str, logits: list[float]) -> None:
    votes = correction_votes(text, [("sort these invoices by date", "analysis")])
    assert [vote.weight for vote in votes] == pytest.approx(logits)


def test_the_most_similar_correction_votes_and_unknown_types_are_ignored() -> None:
    corrections = [("sort the list by date", "coding"), ("sort the list by name", "gone")]
    [vote] = correction_votes("sort the list by date now", corrections)
    assert (vote.task_type, vote.feature) == (TaskType.CODING, "sort the list by date")
    assert not list(correction_votes("sort the list by name", corrections[1:]))
