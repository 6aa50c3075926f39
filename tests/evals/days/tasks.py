"""Days of 60 tasks in the order in which one person asks: several of one type, then a change."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

from orch.types import TaskType

PROMPTS = Path(__file__).with_name("prompts.jsonl")
"""120 prompts written for this eval (35 % coding, 20 % simple; English and Spanish): no classifier
was trained on them."""
DAYS, LONGEST_RUN = 2, 6
ANSWER_TOKENS = {
    TaskType.SIMPLE: 80,
    TaskType.EXPLORATION: 200,
    TaskType.CODING: 400,
    TaskType.ANALYSIS: 420,
    TaskType.REASONING: 480,
    TaskType.CREATIVE: 480,
    TaskType.WRITING: 520,
    TaskType.RESEARCH: 600,
}
"""Tokens of an answer by true type, varied by a third either way. orch does not know them: it
starts from routing.yaml, then measures."""
_PASTED = (
    "2026-11-29 09:14:07 worker-3 batch 118 of 240 done, 37 rows skipped, next at offset 40960\n"
)
_TOKENS_A_LINE = 38


@dataclass(frozen=True, slots=True)
class DayTask:
    """One task: its prompt, its true type, and the tokens of an answer without thinking."""

    text: str
    label: TaskType
    pasted: tuple[str, ...]
    answer_tokens: int


def day(number: int) -> tuple[DayTask, ...]:
    """A day's tasks in order: every second prompt of each type, in runs of one type."""
    chance = random.Random(number)
    by_type: dict[TaskType, list[DayTask]] = {}
    for place, row in enumerate(_rows()):
        if place % DAYS == number % DAYS:
            by_type.setdefault(TaskType(row["label"]), []).append(_task(row, chance))
    for tasks in by_type.values():
        chance.shuffle(tasks)
    return tuple(_in_runs(by_type, chance))


def _in_runs(by_type: dict[TaskType, list[DayTask]], chance: random.Random) -> list[DayTask]:
    order: list[DayTask] = []
    while left := [kind for kind, tasks in by_type.items() if tasks]:
        others = [kind for kind in left if not order or kind != order[-1].label] or left
        kind = chance.choices(others, [len(by_type[each]) for each in others])[0]
        run = chance.randint(1, LONGEST_RUN)
        order += by_type[kind][:run]
        del by_type[kind][:run]
    return order


def _rows() -> list[dict[str, str]]:
    rows = [json.loads(line) for line in PROMPTS.read_text(encoding="utf-8").splitlines()]
    return sorted(
        rows, key=lambda row: row["label"]
    )  # so that every day has its share of each type


def _task(row: dict[str, str], chance: random.Random) -> DayTask:
    label = TaskType(row["label"])
    lines = int(row.get("pasted_tokens", 0)) // _TOKENS_A_LINE
    answer = round(ANSWER_TOKENS[label] * chance.uniform(2 / 3, 4 / 3))
    return DayTask(row["text"], label, (_PASTED * lines,) if lines else (), answer)
