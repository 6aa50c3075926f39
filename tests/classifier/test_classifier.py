"""The user's rules over the trained classifier, and the commands that show and take feedback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orch import classify
from orch.classifier.classifier import Classifier
from orch.config.spec import Keywords, TaskTypeRule
from orch.types import TaskType
from tests.conftest import CODER
from tests.support.fake_ollama import FakeOllama
from tests.support.orch_command import orch

PLAIN = "What is the capital of France?"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Write a Python function that sorts a list", "coding"),
        ("Escribe una función en Python que ordene una lista", "coding"),
        ("What is the capital of Peru?", "simple"),
        ("Escribe un poema sobre el mar", "creative"),
        ("Write a short story about a dragon who is afraid of fire", "creative"),
        ("Write an email to my landlord asking for a repair", "writing"),
        ("Find all Python files that import requests", "exploration"),
    ],
)
def test_plain_tasks_are_classified(text: str, wanted: str) -> None:
    result = classify(text)
    assert result.task_type == wanted
    assert sum(result.scores.values()) == pytest.approx(1)


def test_a_keyword_of_the_users_own_is_a_strong_vote_and_evidence() -> None:
    own = {TaskType.ANALYSIS: TaskTypeRule(keywords=Keywords(en=("frobnicate",)))}
    without, result = (
        classify("frobnicate the budget"),
        Classifier(own).classify("frobnicate the budget"),
    )
    assert result.scores[TaskType.ANALYSIS] > without.scores[TaskType.ANALYSIS]
    assert ("keyword", "frobnicate") in [(each.kind, each.feature) for each in result.evidence]


def test_two_own_rules_outvote_the_trained_classifier() -> None:
    own = {
        TaskType.RESEARCH: TaskTypeRule(
            keywords=Keywords(en=("capital", "france")), patterns=(r"\bcapital of\b",)
        )
    }
    assert Classifier(own).classify(PLAIN).task_type is TaskType.RESEARCH


def test_the_shipped_rules_are_not_the_users_own(home: Path) -> None:
    home.mkdir()
    (home / "routing.yaml").write_text(
        "version: 1\ntask_types: {creative: {keywords: {en: [poem, frobnicate]}}}\n"
    )
    done = json.loads(orch("classify", "--json", "frobnicate this poem").stdout)
    assert [each["feature"] for each in done["evidence"] if each["kind"] == "keyword"] == [
        "frobnicate"
    ]


def test_rating_the_last_run_counts_at_once(ollama: FakeOllama) -> None:
    orch("run", "-m", CODER, "-t", "coding", "do the quarterly thing for the board")
    assert orch("rate", "last", "--type", "research").returncode == 0
    decided = json.loads(orch("route", "--json", "do the quarterly thing for the board").stdout)
    assert decided["task_type"] == "research"
    assert json.loads(orch("stats", "--json").stdout)["corrected"] == 1


@pytest.mark.parametrize(
    "words", [["last"], ["last", "--type", "codng"], ["nope", "--type", "coding"]]
)
def test_an_invalid_rating_is_refused(ollama: FakeOllama, words: list[str]) -> None:
    done = orch("rate", *words)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


def test_why_shows_the_evidence_for_the_first_two_types(ollama: FakeOllama) -> None:
    shown = orch("route", "--why", "Debug this Python function").stdout.decode()
    assert shown.count("\nfor ") == 2
    assert "learned" in shown


def test_a_file_is_labelled_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_text(
        "".join(
            json.dumps({"id": number, "text": text}) + "\n"
            for number, text in enumerate(("fix this bug", PLAIN))
        )
    )
    rows = [json.loads(line) for line in orch("classify", str(file)).stdout.splitlines()]
    assert [(row["id"], row["task_type"] in tuple(TaskType)) for row in rows] == [
        (0, True),
        (1, True),
    ]


@pytest.mark.parametrize("content", ["nonsense\n", "[]\n", '{"text": 3}\n'])
def test_a_broken_line_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "tasks.jsonl").write_text(content)
    done = orch("classify", str(tmp_path / "tasks.jsonl"))
    assert done.returncode == 2
    assert b"line 1" in done.stderr
