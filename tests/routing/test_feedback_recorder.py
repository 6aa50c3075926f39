"""The user's word on answers: what is kept, what follows from it, and what makes no sense."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orch.orchestrator import Orchestrator
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeOllama, Fault
from tests.support.orch_command import orch

TASK = "Write a Python function that sorts a list"


def _route(task: str = TASK) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(orch("route", "--json", task).stdout)
    return found


def _candidate(decided: dict[str, Any], model: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        each for each in decided["decision"]["candidates"] if each["model_id"] == model
    )
    return found


def _sql(home: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(home / "journal.sqlite3", isolation_level=None)) as connection:
        return connection.execute(query).fetchall()


def _ratings(home: Path) -> list[tuple[str, float, str]]:
    return _sql(home, "SELECT model, score, kind FROM ratings ORDER BY id")


def _keeps_no_texts(home: Path, mode: str) -> None:
    home.mkdir(exist_ok=True)
    (home / "routing.yaml").write_text(f"version: 1\njournal: {mode}\n")


# ---------------------------------------------------------------- what is kept, and what follows


def test_good_raises_and_bad_lowers_the_quality_and_its_source_is_told(ollama: FakeOllama) -> None:
    orch("run", TASK)
    before = _candidate(_route(), CODER)["terms"]["quality"]
    assert orch("rate", "last", "good").returncode == 0
    good = _candidate(_route(), CODER)
    assert orch("rate", "last", "bad").returncode == 0
    bad = _candidate(_route(), CODER)
    assert bad["terms"]["quality"] < before < good["terms"]["quality"]
    assert good["provenance"]["quality"] == "measured and rated (n=1)"


def test_one_line_says_what_is_believed_now(ollama: FakeOllama) -> None:
    orch("run", TASK)
    said = orch("rate", "last", "good").stdout.decode()
    quality = _candidate(_route(), CODER)["terms"]["quality"] / 0.4
    assert (
        said
        == f"'{TASK}': {CODER} was good; quality here {quality:.2f} (measured and rated, n=1)\n"
    )


def test_words_on_tasks_that_differ_by_a_space_are_both_kept(
    ollama: FakeOllama, home: Path
) -> None:
    for space, word in (("", "good"), (" ", "bad")):
        orch("run", f"What is a mutex?{space}")
        done = orch("rate", "last", word)
        assert done.returncode == 0, done.stderr.decode()
    assert [score for _, score, _ in _ratings(home)] == [1.0, 0.0]
    assert orch("route", "What is a mutex?").returncode == 0


def test_enough_bad_words_change_the_decision(ollama: FakeOllama) -> None:
    assert _route()["model"] == CODER
    for number in range(5):
        orch("run", "-m", CODER, f"Write a Python function that sorts list number {number}")
        orch("rate", "last", "bad")
    assert _route()["model"] == LLAMA


@pytest.mark.parametrize("name", [LLAMA, "Llama 3.1 8B", f"ollama/{LLAMA}"])
def test_naming_a_better_model_moves_both(ollama: FakeOllama, home: Path, name: str) -> None:
    orch("run", TASK)
    done = orch("rate", "last", "--better", name)
    assert done.returncode == 0, done.stderr.decode()
    assert _ratings(home) == [(CODER, 0.3, "better"), (LLAMA, 0.9, "better")]
    assert f"{LLAMA} is better than {CODER}; quality here of {CODER} 0." in done.stdout.decode()


def test_a_bad_answer_and_a_better_model_go_together(ollama: FakeOllama, home: Path) -> None:
    orch("run", TASK)
    orch("rate", "last", "bad", "--better", LLAMA)
    assert _ratings(home) == [(CODER, 0.0, "better"), (LLAMA, 0.9, "better")]


def test_the_last_word_on_a_run_counts(ollama: FakeOllama, home: Path) -> None:
    orch("run", TASK)
    orch("rate", "last", "bad")
    orch("rate", "last", "good")
    assert _ratings(home) == [(CODER, 1.0, "word")]


def test_a_cached_answer_is_the_word_on_the_model_that_gave_it(
    ollama: FakeOllama, home: Path
) -> None:
    for _ in range(2):
        orch("run", TASK)
    assert _sql(home, "SELECT source FROM runs ORDER BY seq DESC LIMIT 1") == [("cache",)]
    assert orch("rate", "last", "bad").returncode == 0
    assert _ratings(home) == [(CODER, 0.0, "word")]


def test_type_and_word_go_together(ollama: FakeOllama) -> None:
    orch("run", TASK)
    said = orch("rate", "last", "good", "--type", "analysis").stdout.decode()
    assert "is analysis, not coding" in said
    assert "was good" in said


def test_a_forgotten_run_takes_its_rating_along(ollama: FakeOllama, home: Path) -> None:
    orch("run", TASK)
    orch("rate", "last", "bad")
    rated = _candidate(_route(), CODER)["terms"]["quality"]
    _sql(home, "DELETE FROM runs")
    assert _candidate(_route(), CODER)["terms"]["quality"] > rated


# ---------------------------------------------------------------- a task that is run again


def test_a_rerun_with_another_model_is_weak_evidence(ollama: FakeOllama, home: Path) -> None:
    orch("run", TASK)
    orch("run", "-m", LLAMA, TASK)
    assert _ratings(home) == [(CODER, 0.4, "rerun")]


def test_a_rerun_does_not_overrule_the_users_word(ollama: FakeOllama, home: Path) -> None:
    orch("run", TASK)
    orch("rate", "last", "good")
    orch("run", "-m", LLAMA, TASK)
    assert _ratings(home) == [(CODER, 1.0, "word")]


@pytest.mark.parametrize(
    "words", [["-m", CODER, TASK], ["--fresh", TASK], ["-m", LLAMA, "What is the capital of Peru?"]]
)
def test_the_same_model_or_another_task_is_no_rerun(
    ollama: FakeOllama, home: Path, words: list[str]
) -> None:
    orch("run", TASK)
    orch("run", *words)
    assert _ratings(home) == []


def test_the_same_words_over_another_input_are_no_rerun(ollama: FakeOllama, home: Path) -> None:
    orch("run", "Summarize this", stdin=b"the first text")
    first = _sql(home, "SELECT model FROM runs")[0][0]
    orch(
        "run", "-m", LLAMA if first == CODER else CODER, "Summarize this", stdin=b"the second text"
    )
    assert _ratings(home) == []


@pytest.mark.parametrize("mode", ["meta", "off"])
def test_where_no_texts_are_kept_no_rerun_is_noted(
    ollama: FakeOllama, home: Path, mode: str
) -> None:
    _keeps_no_texts(home, mode)
    orch("run", TASK)
    assert orch("run", "-m", LLAMA, TASK).returncode == 0
    assert _ratings(home) == []


def test_a_journal_that_cannot_note_a_rerun_does_not_fail_the_run(
    ollama: FakeOllama, home: Path
) -> None:
    orch("run", TASK)
    _sql(home, "DROP TABLE ratings")
    done = orch("run", "-m", LLAMA, TASK)
    assert (done.returncode, done.stdout) == (0, b"Hello world")


async def test_half_a_character_is_no_hindrance(ollama: FakeOllama, home: Path) -> None:
    async with Orchestrator() as orchestrator:
        for model in (CODER, LLAMA):
            await orchestrator.execute("sort \ud800 this", model=model)
    assert _ratings(home) == [(CODER, 0.4, "rerun")]


# ---------------------------------------------------------------- what makes no sense


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["last"], "nothing to record"),
        (["last", "fine"], "neither good nor bad"),
        (["last", "good", "--better", LLAMA], "contradict"),
        (["last", "--better", CODER], "is the model that answered"),
        (["nope", "good"], "no run is called"),
        (["n\udcffpe", "good"], "is not UTF-8"),
        (["last", "--type", "codng"], "not a task type"),
    ],
)
def test_invalid_arguments_are_an_error(
    ollama: FakeOllama, home: Path, words: list[str], said: str
) -> None:
    orch("run", TASK)
    done = orch("rate", *words)
    assert (done.returncode, said in done.stderr.decode()) == (2, True)
    assert _ratings(home) == []


def test_an_unknown_better_model_is_exit_4_and_nothing_is_kept(
    ollama: FakeOllama, home: Path
) -> None:
    orch("run", TASK)
    done = orch("rate", "last", "--better", "llama3.1:8b-instruct", "--type", "analysis")
    assert (done.returncode, f"did you mean {LLAMA}?" in done.stderr.decode()) == (4, True)
    assert _ratings(home) == _sql(home, "SELECT * FROM corrections") == []


def test_an_empty_journal_is_told(ollama: FakeOllama) -> None:
    done = orch("rate", "last", "good")
    assert (done.returncode, b"no answered run yet" in done.stderr) == (2, True)


def test_a_run_that_failed_has_no_answer_to_rate(ollama: FakeOllama, home: Path) -> None:
    for model in (CODER, LLAMA):
        ollama.models[model].faults.append(Fault("status", status=500, times=-1))
    orch("run", TASK)
    [(run_id,)] = _sql(home, "SELECT run_id FROM runs")
    assert b"no answered run yet" in orch("rate", "last", "good").stderr
    done = orch("rate", run_id, "good")
    assert (done.returncode, b"no model answered" in done.stderr) == (2, True)


@pytest.mark.parametrize("mode", ["meta", "off"])
def test_without_texts_nothing_is_rated(ollama: FakeOllama, home: Path, mode: str) -> None:
    _keeps_no_texts(home, mode)
    orch("run", TASK)
    done = orch("rate", "last", "good")
    assert (done.returncode, f"journal.mode is {mode}" in done.stderr.decode()) == (2, True)


def test_a_run_whose_text_was_not_kept_is_told_so(ollama: FakeOllama, home: Path) -> None:
    _keeps_no_texts(home, "meta")
    orch("run", TASK)
    (home / "routing.yaml").unlink()
    done = orch("rate", "last", "good")
    assert (done.returncode, b"was not kept" in done.stderr) == (2, True)


def test_another_word_on_a_run_takes_back_all_of_the_first(ollama: FakeOllama, home: Path) -> None:
    orch("run", TASK)
    orch("rate", "last", "--better", LLAMA)
    orch("rate", "last", "good")
    with closing(sqlite3.connect(home / "journal.sqlite3")) as connection:
        assert connection.execute("SELECT model, score FROM ratings").fetchall() == [(CODER, 1.0)]


def test_a_bad_answer_is_not_given_again_from_the_cache(ollama: FakeOllama) -> None:
    orch("run", TASK)
    orch("rate", "last", "bad")
    asked = len(ollama.chats())
    orch("run", TASK)
    assert len(ollama.chats()) == asked + 1
