"""`orch replay`: which decisions change under another configuration, honestly and without running
anything."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from orch.classifier.classifier import Classifier
from orch.orchestrator import Orchestrator
from orch.routing.replaying.recorded_decisions import RecordedDecision, recorded_decisions
from orch.routing.replaying.replay import (
    DecisionReplayer,
    NewDecision,
    Replay,
    known_means,
    replay_decisions,
)
from orch.types import Candidate, Classification, ModelKey, TaskType
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeOllama, Fault
from tests.support.journal_rows import journal_row
from tests.support.orch_command import orch

CODE, CAPITAL = "Write a Python function that sorts a list", "What is the capital of France?"
SPEED_ALONE = "version: 1\nweights: {fit: 0, quality: 0, speed: 1, confidence: 0}\n"


@pytest.fixture
def history(ollama: FakeOllama) -> FakeOllama:
    """Two runs: one that went to the coder, one to the general model."""
    for task in (CODE, CAPITAL):
        assert orch("run", task).returncode == 0
        ollama.resident.clear()  # else the second goes to what the first has loaded
    return ollama


def _replay(*words: str) -> dict[str, Any]:
    done = orch("replay", "--json", *words)
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _models(
    path: Path, url: str = "http://127.0.0.1:11434", provider: str = "ollama", coder: float = 2.0
) -> str:
    path.write_text(
        f"version: 1\nproviders: {{{provider}: {{kind: ollama, base_url: '{url}'}}}}\nmodels:\n"
        f"  - {{id: '{CODER}', provider: {provider}, quality_rating: {coder}, speed_rating: 8}}\n"
        f"  - {{id: '{LLAMA}', provider: {provider}, quality_rating: 9, speed_rating: 8}}\n"
    )
    return str(path)


def _set_journal(home: Path, mode: str) -> None:
    home.mkdir(exist_ok=True)
    (home / "routing.yaml").write_text(f"version: 1\njournal: {mode}\n")


# ---------------------------------------------------------------- what changes


def test_the_same_configuration_changes_nothing(history: FakeOllama) -> None:
    found = _replay()
    assert (found["runs"], found["changed"], found["changes"]) == (2, 0, [])


def test_other_weights_change_the_right_decision_and_list_it(
    history: FakeOllama, tmp_path: Path
) -> None:
    (tmp_path / "speed.yaml").write_text(SPEED_ALONE)
    with closing(
        sqlite3.connect(tmp_path / "home" / "journal.sqlite3", isolation_level=None)
    ) as connection:
        # a machine on which the coder is slow
        connection.execute(
            "UPDATE attempts SET decode_s = 100, completion_tokens = 100, load_s = 60 WHERE"
            " model = ?",
            (CODER,),
        )
        connection.execute(
            "UPDATE attempts SET decode_s = 1, completion_tokens = 100, load_s = 0 WHERE model = ?",
            (LLAMA,),
        )
    [change] = _replay("--routing", str(tmp_path / "speed.yaml"))["changes"]
    assert (change["task"], change["before"], change["after"]) == (CODE, CODER, LLAMA)
    assert change["seconds"][1] < change["seconds"][0]


def test_other_facts_change_the_right_decision_and_say_what_is_gained(
    history: FakeOllama, tmp_path: Path
) -> None:
    found = _replay("--models", _models(tmp_path / "other.yaml"))
    [change] = found["changes"]
    assert (change["task"], change["before"], change["after"]) == (CODE, CODER, LLAMA)
    assert change["quality"] == [0.2, 0.9]
    coding = found["types"]["coding"]
    assert (coding["runs"], coding["changed"], coding["quality"]) == (1, 1, [0.2, 0.9])


def test_a_folder_may_be_named_too(history: FakeOllama, tmp_path: Path) -> None:
    folder = tmp_path / "trial"
    folder.mkdir()
    _models(folder / "models.yaml")
    assert _replay("--models", str(folder))["changed"] == 1


def test_for_people_it_is_a_sentence_a_table_and_a_list(
    history: FakeOllama, tmp_path: Path
) -> None:
    said = orch("replay", "--models", _models(tmp_path / "other.yaml")).stdout.decode()
    assert said.startswith("1 of 2 decisions change\n")
    assert "0.20 → 0.90" in said
    assert f"{CODER} → {LLAMA}" in said
    assert "quality +0.70, " in said


def test_a_keyword_of_the_new_file_classifies_anew(history: FakeOllama, tmp_path: Path) -> None:
    (tmp_path / "new.yaml").write_text(
        "version: 1\ntask_types: {research: {keywords: {en: [capital, france, capital of france]},"
        " patterns: ['capital of', 'of F']}}\n"
    )
    assert list(_replay("--routing", str(tmp_path / "new.yaml"))["types"]) == ["coding", "research"]


def test_a_word_of_the_user_counts_for_the_past_too(history: FakeOllama) -> None:
    orch("run", CODE, "--fresh")
    orch("rate", "last", "bad")
    before, _ = _replay()["types"]["coding"]["quality"]
    assert before < 0.8


def test_a_profile_keeps_its_name_and_gets_its_new_weights(
    ollama: FakeOllama, tmp_path: Path
) -> None:
    orch("run", "--profile", "quality", CODE)
    models = _models(tmp_path / "models.yaml", coder=5)
    assert _replay("--models", models)["changed"] == 1
    (tmp_path / "new.yaml").write_text(
        "version: 1\nprofiles: {quality: {fit: 0, quality: 0, speed: 1, confidence: 0}}\n"
    )
    # the coder is loaded, the better model is not
    assert _replay("--models", models, "--routing", str(tmp_path / "new.yaml"))["changed"] == 0


# ---------------------------------------------------------------- what was decided then


def test_nothing_is_run_and_the_provider_is_asked_once(history: FakeOllama) -> None:
    before, asked = (
        len(history.chats()),
        len([r for r in history.requests if r.path == "/api/tags"]),
    )
    _replay()
    assert len(history.chats()) == before
    assert len([r for r in history.requests if r.path == "/api/tags"]) == asked + 1


def test_what_was_decided_counts_and_not_the_fallback_that_answered(ollama: FakeOllama) -> None:
    ollama.models[CODER].faults.append(Fault("status", status=500))
    orch("run", CODE)
    assert len(ollama.chats()) == 2
    assert _replay()["changed"] == 0


def test_pinned_and_cached_runs_are_not_orchs_decisions(ollama: FakeOllama) -> None:
    orch("run", "-m", LLAMA, CODE)
    orch("run", CAPITAL)
    orch("run", CAPITAL)
    found = _replay()
    assert (found["runs"], found["left_out"]) == (1, 2)


def test_a_forced_type_stays_forced(ollama: FakeOllama) -> None:
    orch("run", "-t", "coding", CAPITAL)
    assert list(_replay()["types"]) == ["coding"]


class _Hesitant:
    """A classifier that goes by the former turn, else by what looks like code, and is never sure:
    the trained one is trained again and again."""

    def classify(
        self,
        text: str,
        previous: TaskType | None = None,
        corrections: object = (),
        *,
        explained: bool = True,
    ) -> Classification:
        code = "def " in text
        kind = previous or (TaskType.CODING if code else TaskType.SIMPLE)
        return Classification(kind, 0.4 if code else 0.3, {kind: 1.0}, unsure=True)


async def _told_again(orchestrator: Orchestrator) -> list[str]:
    """The types of the journal's tasks as a hesitant classifier tells them, newest first."""
    runtime = orchestrator.runtime
    types = replace(runtime.router.task_types, classifier=cast(Classifier, _Hesitant()))
    router = replace(runtime.router, task_types=types)
    replayer = DecisionReplayer(router, await runtime.registry.snapshot())
    recorded = recorded_decisions(runtime.journal.history.runs())
    return [each.task_type for each in replay_decisions(recorded, replayer.decide).decisions]


async def test_what_was_piped_in_helps_to_tell_the_type_again(ollama: FakeOllama) -> None:
    orch("run", "and this?", stdin=b"def f(x):\n    return x\n")
    orch("run", "and this?", stdin=b"a poem\n")
    async with Orchestrator() as orchestrator:
        assert await _told_again(orchestrator) == ["simple", "coding"]


async def test_the_turn_before_helps_to_tell_the_type_again(ollama: FakeOllama) -> None:
    async with Orchestrator() as orchestrator:
        await orchestrator.execute("yes", session="talk", task_type="research")
        await orchestrator.execute("and now?", session="talk")
        assert await _told_again(orchestrator) == ["research", "research"]


def test_an_image_still_needs_eyes(ollama: FakeOllama, tmp_path: Path) -> None:
    ollama.models[LLAMA].capabilities = ["completion", "vision"]
    (tmp_path / "picture.png").write_bytes(b"\x89PNG" + bytes(20))
    assert (
        orch(
            "run", "-f", str(tmp_path / "picture.png"), "Debug the Python code in this picture"
        ).returncode
        == 0
    )
    found = _replay()
    assert (found["runs"], found["changed"]) == (1, 0)


def test_only_the_last_days_are_looked_at(history: FakeOllama, home: Path) -> None:
    with closing(sqlite3.connect(home / "journal.sqlite3", isolation_level=None)) as connection:
        connection.execute("UPDATE runs SET at = at - 86400 * 8 WHERE task = ?", (CODE,))
    assert list(_replay("--since", "7d")["types"]) == ["simple"]
    assert orch("replay", "--since", "soon").returncode == 2


# ---------------------------------------------------------------- what is there now


def test_a_provider_that_is_down_today_does_not_change_the_past(
    history: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    done = orch("replay", "--json")
    found = json.loads(done.stdout)
    assert (found["runs"], found["taken_for_installed"]) == (2, ["ollama"])
    assert done.stderr.decode().count("\n") == 1
    assert "ollama can't be reached" in done.stderr.decode()


def test_a_provider_with_another_name_is_no_other_model(
    history: FakeOllama, tmp_path: Path
) -> None:
    found = _replay(
        "--models", _models(tmp_path / "named.yaml", history.url, provider="mine", coder=9.5)
    )
    assert (found["runs"], found["changed"]) == (2, found["types"]["simple"]["changed"])


def test_a_model_that_is_gone_is_compared_with_nothing(history: FakeOllama, tmp_path: Path) -> None:
    where = "{ollama: {kind: ollama, base_url: 'http://127.0.0.1:11434'}}"
    (tmp_path / "one.yaml").write_text(
        f"version: 1\nunlisted: ignore\nproviders: {where}\nmodels: [{{id: '{LLAMA}', provider:"
        " ollama, quality_rating: 6}]\n"
    )
    [change] = _replay("--models", str(tmp_path / "one.yaml"))["changes"]
    assert (change["before"], change["after"], change["quality"]) == (CODER, LLAMA, [None, 0.6])


def test_what_was_learned_under_the_present_files_stays(
    history: FakeOllama, home: Path, tmp_path: Path
) -> None:
    orch("rate", "last", "good")
    with closing(sqlite3.connect(home / "journal.sqlite3")) as connection:
        before = connection.execute("SELECT * FROM learned").fetchall()
        assert _replay("--models", _models(tmp_path / "other.yaml"))["changed"] == 1
        assert connection.execute("SELECT * FROM learned").fetchall() == before


# ---------------------------------------------------------------- what can't be done


def test_a_file_with_faults_is_told_with_its_line(history: FakeOllama, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("version: 1\nweigths: {}\n")
    done = orch("replay", "--routing", str(tmp_path / "bad.yaml"))
    assert done.returncode == 2
    assert "bad.yaml:2:1" in done.stderr.decode()


def test_a_missing_file_is_an_error(ollama: FakeOllama) -> None:
    done = orch("replay", "--routing", "none.yaml")
    assert done.returncode == 2
    assert "none.yaml" in done.stderr.decode()


def test_no_runs_yet_is_no_fault(ollama: FakeOllama) -> None:
    done = orch("replay")
    assert (done.returncode, done.stdout) == (0, b"no runs yet\n")


def test_runs_without_a_text_are_counted(ollama: FakeOllama, home: Path) -> None:
    _set_journal(home, "meta")
    orch("run", CODE)
    assert b"1 have no text" in orch("replay").stdout
    _set_journal(home, "full")
    orch("run", CODE)
    said = orch("replay").stdout.decode()
    assert said.startswith("0 of 1 decisions change")
    assert "1 more run has no text" in said


def test_a_journal_that_is_off_is_exit_2_and_one_that_would_be_is_not(
    history: FakeOllama, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "off.yaml").write_text("version: 1\njournal: off\n")
    assert _replay("--routing", str(tmp_path / "off.yaml"))["runs"] == 2
    _set_journal(home, "off")
    done = orch("replay")
    assert (done.returncode, b"journal.mode is off" in done.stderr) == (2, True)


# ---------------------------------------------------------------- the core


def _b_takes_all(past: RecordedDecision) -> NewDecision:
    candidates = (
        Candidate("b", "B", "there", expected_s=2.0, reason="it is b"),
        Candidate("a", "A", "there", expected_s=5.0),
    )
    return NewDecision(
        TaskType.CODING, candidates, {ModelKey("there", "a"): 0.4, ModelKey("there", "b"): 0.6}
    )


def _again(rows: list[dict[str, Any]]) -> Replay:
    return replay_decisions(recorded_decisions(rows), _b_takes_all)


def test_both_choices_are_weighed_by_what_is_known_now() -> None:
    [again] = _again([journal_row()]).changes
    assert (again.before, again.after, again.quality, again.seconds, again.reason) == (
        "a",
        "b",
        (0.4, 0.6),
        (5.0, 2.0),
        "it is b",
    )


def test_a_type_that_is_sure_but_not_forced_is_classified_again(
    ollama: FakeOllama, home: Path, tmp_path: Path
) -> None:
    home.mkdir(exist_ok=True)
    words = ", ".join(f"zork{n}" for n in range(30))
    rule = f"task_types: {{research: {{keywords: {{en: [{words}]}}}}}}\n"
    (home / "routing.yaml").write_text(f"version: 1\n{rule}")
    assert orch("run", words).returncode == 0
    with closing(sqlite3.connect(home / "journal.sqlite3")) as connection:
        [(confidence,)] = connection.execute("SELECT confidence FROM runs").fetchall()
    assert confidence == 1.0
    (tmp_path / "other.yaml").write_text(f"version: 1\n{rule.replace('research', 'creative')}")
    assert list(_replay("--routing", str(tmp_path / "other.yaml"))["types"]) == ["creative"]


def test_means_are_of_what_is_known_on_both_sides() -> None:
    assert known_means([(0.2, 0.4), (0.4, 0.8), (None, 1.0)]) == pytest.approx((0.3, 0.6))
    assert known_means([(None, 1.0)]) is None
