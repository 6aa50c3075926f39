"""The store of cached answers: expiry, eviction, deletion."""

from __future__ import annotations

from pathlib import Path

import pytest

from orch.storage import answers
from orch.storage.answers import AnswerStore, is_standalone
from orch.text.prompt import Task
from orch.types import Decision, Response, RunResult, TaskType, Timing, Usage

DECISION = Decision("m", "M", "p", TaskType.SIMPLE, 0.9, "fast", (), "balanced", {}, 10, "hash")


def result(run_id: str, content: str = "A lock.") -> RunResult:
    return RunResult(
        DECISION, TaskType.SIMPLE, 0.9, Response(content, Usage(1, 2)), Timing(), (), (), run_id
    )


@pytest.fixture
def store(tmp_path: Path) -> AnswerStore:
    return AnswerStore(tmp_path / "answers.sqlite3", ttl_s=3600)


def put(store: AnswerStore, *keys: str, content: str = "A lock.") -> None:
    for key in keys:
        store.put(key, Task(text=f"task {key}"), result(f"run {key}", content), "digest")


def test_an_answer_is_read_as_the_result_of_a_run(store: AnswerStore) -> None:
    put(store, "k1")
    answer = store.get("k1")
    assert answer is not None
    restored = answer.to_result("new", 0.0)
    assert (restored.run_id, restored.source, restored.decision) == ("new", "cache", DECISION)
    assert (restored.response.content, restored.response.usage) == ("A lock.", Usage(1, 2))


@pytest.mark.parametrize("change", ["at - 4000", "at + 4000"])
def test_expired_answers_and_those_of_the_future_are_not_used(
    store: AnswerStore, change: str
) -> None:
    put(store, "k1")
    store.database.run(lambda c: c.execute(f"UPDATE answers SET at = {change}"))
    assert store.get("k1") is None


def test_the_least_recently_used_answers_are_evicted(
    store: AnswerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, "old", "used")
    store.database.run(lambda c: c.execute("UPDATE answers SET used_at = used_at - 100"))
    store.mark_used("used")
    monkeypatch.setattr(answers, "MAX_BYTES", 2 * int(store.stats()["bytes"] / 2) + 20)
    put(store, "new")
    assert [key for key in ("old", "used", "new") if store.get(key)] == ["used", "new"]


def test_answers_are_deleted_by_key_by_run_or_all(store: AnswerStore) -> None:
    put(store, "a", "b", "c", "d")
    assert store.forget(keys=["a"]) == 1
    assert store.forget(run_ids=["run b", "run x"]) == 1
    assert store.forget(run_ids=[]) == 0
    assert store.stats()["answers"] == 2
    assert store.forget() == 2


def test_a_prefix_finds_at_most_two_answers(store: AnswerStore) -> None:
    put(store, "k1", "k2", "k3", "x")
    assert (len(store.find("k")), [each.key for each in store.find("x")]) == (2, ["x"])


def test_vectors_belong_to_one_embedder(store: AnswerStore) -> None:
    put(store, "a", "b")
    store.set_vectors("e1", [("a", b"\0")])
    assert [key for key, _ in store.tasks_without_vector("e1", 9)] == ["b"]
    assert store.vectors("e1", 9) == [("a", "task a", b"\0")]
    assert store.vectors("e2", 9) == []


def test_only_a_question_without_anything_else_is_standalone() -> None:
    assert is_standalone(Task(text="hi"))
    assert not is_standalone(Task(text="hi", system_prompt="be brief"))
