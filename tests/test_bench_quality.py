"""`orch bench --quality`: answers are graded and kept, the report is honest, and what was learned
decides."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from orch.bench.quality import pending_jobs
from orch.bench.suite import load_suite
from orch.config.spec import ModelSpec
from orch.routing.model_state import ModelState
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeOllama, Fault
from tests.support.forked import COMMAND
from tests.support.orch_command import orch

CAPITALS = (
    "France",
    "Peru",
    "Chile",
    "Kenya",
    "Norway",
    "Egypt",
    "Ghana",
    "Cuba",
    "Nepal",
    "Malta",
)


@pytest.fixture
def suite() -> Path:
    """Ten simple questions whose right answer is always Paris."""
    tasks = [
        {
            "id": f"capital-{name}",
            "type": "simple",
            "lang": "en",
            "prompt": f"What is the capital of {name}?",
            "grade": {"exact": ["Paris"], "answer_only": True},
        }
        for name in CAPITALS
    ]
    path = Path("suite.jsonl")
    path.write_text("".join(json.dumps(task) + "\n" for task in tasks))
    return path


def _says(ollama: FakeOllama, model: str, text: str) -> None:
    ollama.models[model].reply = [text]


def test_the_model_that_answers_right_is_chosen_from_then_on(
    ollama: FakeOllama, suite: Path
) -> None:
    _says(ollama, CODER, "Paris")
    _says(ollama, LLAMA, "London")
    before = json.loads(orch("route", "--json", "What is the capital of Spain?").stdout)
    done = orch("bench", "--quality", "--suite", str(suite), "--json")
    after = json.loads(orch("route", "--json", "What is the capital of Spain?").stdout)
    assert done.returncode == 0, done.stderr.decode()
    assert before["model"] == LLAMA
    assert after["model"] == CODER
    assert _provenance(after, CODER).startswith("measured")
    assert _provenance(before, CODER) == "rated"


def _provenance(decided: dict[str, Any], model: str) -> str:
    return next(
        str(each["provenance"]["quality"])
        for each in decided["decision"]["candidates"]
        if each["model_id"] == model
    )


def test_the_report_has_the_router_the_best_single_model_and_the_oracle(
    ollama: FakeOllama, suite: Path
) -> None:
    _says(ollama, CODER, "Paris")
    _says(ollama, LLAMA, "London")
    told = json.loads(
        orch("bench", "--quality", "--suite", str(suite), "--json", "--svg", "curve.svg").stdout
    )
    assert [(line["name"].split(":")[0], line["quality"]) for line in told["lines"]] == [
        ("router", 1.0),
        ("best single", 1.0),
        ("oracle", 1.0),
    ]
    assert told["best"] == CODER
    assert "one model is enough" in told["sentence"]
    assert len(told["curve"]) == 11
    assert ET.parse("curve.svg").getroot().tag.endswith("svg")


def test_answers_are_stored_and_not_requested_again(ollama: FakeOllama, suite: Path) -> None:
    orch("bench", "--quality", "--suite", str(suite))
    asked = len(ollama.chats())
    orch("bench", "--quality", "--suite", str(suite))
    assert len(ollama.chats()) == asked == 20


def test_the_report_is_the_same_while_the_provider_is_down(
    ollama: FakeOllama, suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _says(ollama, CODER, "Paris")
    _says(ollama, LLAMA, "London")
    orch("bench", "--quality", "--suite", str(suite))
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    told = json.loads(orch("bench", "--report", "--suite", str(suite), "--json").stdout)
    assert [line["quality"] for line in told["lines"]] == [1.0, 1.0, 1.0]


def test_ctrl_c_keeps_the_grades_and_the_same_command_resumes(
    ollama: FakeOllama, suite: Path, home: Path
) -> None:
    ollama.models[CODER].chunk_delay_s = 0.2
    with subprocess.Popen(
        [*COMMAND, "bench", "--quality", "--suite", str(suite)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    ) as running:
        while len(ollama.chats()) < 3:
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=60)[1].decode()
    assert (running.returncode, "the same command resumes" in said, "Traceback" in said) == (
        130,
        True,
        False,
    )
    assert orch("bench", "--quality", "--suite", str(suite)).returncode == 0
    assert sqlite3.connect(home / "journal.sqlite3").execute(
        "SELECT count(*) FROM graded WHERE score IS NOT NULL"
    ).fetchone() == (20,)


def test_regrading_calls_no_model_and_uses_the_present_graders(
    ollama: FakeOllama, suite: Path
) -> None:
    _says(ollama, CODER, "Paris")
    orch("bench", "--quality", "--suite", str(suite))
    asked = len(ollama.chats())
    suite.write_text(suite.read_text().replace('"Paris"', '"Rome"'))
    done = orch("bench", "--regrade", "--suite", str(suite))
    assert "10 scores changed" in done.stderr.decode()
    assert len(ollama.chats()) == asked


def test_a_failing_model_is_reported_and_the_others_continue(
    ollama: FakeOllama, suite: Path, home: Path
) -> None:
    ollama.models[CODER].faults.append(
        Fault("status", status=500, message="out of memory", times=-1)
    )
    done = orch("bench", "--quality", "--suite", str(suite))
    assert done.returncode == 0
    assert f"! {CODER}: " in done.stderr.decode()
    rows = (
        sqlite3.connect(home / "journal.sqlite3")
        .execute(
            "SELECT model, count(score), count(error) FROM graded GROUP BY model ORDER BY model"
        )
        .fetchall()
    )
    assert rows == [(LLAMA, 10, 0), (CODER, 0, 3)]


def test_where_every_model_fails_the_exit_code_says_so(ollama: FakeOllama, suite: Path) -> None:
    for model in (CODER, LLAMA):
        ollama.models[model].faults.append(Fault("status", status=500, times=-1))
    assert orch("bench", "--quality", "--suite", str(suite)).returncode == 7


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--suite", "none.yaml"], 2, "none.yaml"),
        (["--regrade"], 2, "no stored answer"),
        (["nomodel:1b"], 4, "nomodel:1b"),
    ],
)
def test_invalid_arguments_are_an_error(
    ollama: FakeOllama, words: list[str], code: int, said: str
) -> None:
    done = orch("bench", "--quality", *words)
    assert done.returncode == code
    assert said in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


def test_a_suite_with_faults_names_their_lines(ollama: FakeOllama) -> None:
    Path("bad.jsonl").write_text(
        '{"id": "a", "type": "simple", "lang": "en", "prompt": "x", "grade": {"exact":'
        ' "y"}}\n{"id": "a", "type": "simpel"}\n'
    )
    done = orch("bench", "--quality", "--suite", "bad.jsonl")
    assert done.returncode == 2
    assert "bad.jsonl:2:" in done.stderr.decode()


def test_without_a_journal_of_texts_nothing_is_graded(ollama: FakeOllama, home: Path) -> None:
    home.mkdir()
    (home / "routing.yaml").write_text("version: 1\njournal: meta\n")
    assert orch("bench", "--quality").returncode == 2


def test_a_bench_that_is_cut_short_is_balanced() -> None:
    states = [ModelState(ModelSpec(id=name)) for name in ("a", "b")]
    first = pending_jobs(load_suite().tasks, states)[:16]
    assert len({job.task.type for job in first}) == 8
    assert [job.state.spec.id for job in first] == ["a"] * 8 + ["b"] * 8
