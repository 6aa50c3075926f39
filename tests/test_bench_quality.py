"""`orch bench --quality`: answers are graded and kept, the report is honest, and what was learned
decides."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from orch.bench.quality import pending_jobs
from orch.bench.suite import load_suite
from orch.config.spec import ModelSpec
from orch.routing.model_state import ModelState
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault
from tests.support.forked import COMMAND
from tests.support.journal_file import query
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


SUITE = "suite.jsonl"
BENCH = ("bench", "--quality", "--suite", SUITE)


class Benched(NamedTuple):
    """A finished bench of two models: its folders, its output, and how often a model was asked."""

    home: Path
    work: Path
    done: subprocess.CompletedProcess[bytes]
    asked: int


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Benched:
    """A bench in which the coder is always right, the other model never."""
    folder = tmp_path_factory.mktemp("benched")
    models = [FakeModel(CODER, reply=["Paris"]), FakeModel(LLAMA, reply=["London"])]
    with FakeOllama(models) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORCH_HOME", str(folder / "home"))
        patch.setenv("OLLAMA_HOST", server.url)
        (folder / "work").mkdir()
        patch.chdir(folder / "work")
        write_suite()
        done = orch(*BENCH, "--json", "--svg", "curve.svg")
        return Benched(folder / "home", folder / "work", done, len(server.chats()))


@pytest.fixture
def benched(finished: Benched, home: Path) -> Benched:
    """That bench, in this test's own home."""
    shutil.copytree(finished.home, home, ignore=shutil.ignore_patterns("*.sock"))
    write_suite()
    return finished


@pytest.fixture
def suite() -> Path:
    """The suite, in this test's working directory."""
    return write_suite()


def write_suite() -> Path:
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
    path = Path(SUITE)
    path.write_text("".join(json.dumps(task) + "\n" for task in tasks))
    return path


def test_the_model_that_answers_right_is_chosen_from_then_on(
    ollama: FakeOllama, benched: Benched, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    after = json.loads(orch("route", "--json", "What is the capital of Spain?").stdout)
    monkeypatch.setenv("ORCH_HOME", str(home.with_name("fresh")))
    before = json.loads(orch("route", "--json", "What is the capital of Spain?").stdout)
    assert benched.done.returncode == 0, benched.done.stderr.decode()
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


def test_the_report_has_the_router_the_best_single_model_and_the_oracle(benched: Benched) -> None:
    report = json.loads(benched.done.stdout)
    assert [(line["name"].split(":")[0], line["quality"]) for line in report["lines"]] == [
        ("router", 1.0),
        ("best single", 1.0),
        ("oracle", 1.0),
    ]
    assert report["best"] == CODER
    assert "one model is enough" in report["sentence"]
    assert len(report["curve"]) == 11
    assert ET.parse(benched.work / "curve.svg").getroot().tag.endswith("svg")


def test_answers_are_stored_and_not_requested_again(ollama: FakeOllama, benched: Benched) -> None:
    assert orch(*BENCH).returncode == 0
    assert (benched.asked, len(ollama.chats())) == (20, 0)


def test_the_report_is_the_same_while_the_provider_is_down(benched: Benched) -> None:
    report = json.loads(orch("bench", "--report", "--suite", SUITE, "--json").stdout)
    assert report["lines"] == json.loads(benched.done.stdout)["lines"]


def test_regrading_calls_no_model_and_uses_the_present_graders(
    ollama: FakeOllama, benched: Benched
) -> None:
    Path(SUITE).write_text(Path(SUITE).read_text().replace('"Paris"', '"Rome"'))
    done = orch("bench", "--regrade", "--suite", SUITE)
    assert "10 scores changed" in done.stderr.decode()
    assert not ollama.chats()


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
    assert query(home, "SELECT count(*) FROM graded WHERE score IS NOT NULL") == [(20,)]


def test_a_failing_model_is_reported_and_the_others_continue(
    ollama: FakeOllama, suite: Path, home: Path
) -> None:
    ollama.models[CODER].faults.append(
        Fault("status", status=500, message="out of memory", times=-1)
    )
    done = orch("bench", "--quality", "--suite", str(suite))
    assert done.returncode == 0
    assert f"! {CODER}: " in done.stderr.decode()
    rows = query(
        home, "SELECT model, count(score), count(error) FROM graded GROUP BY model ORDER BY model"
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
