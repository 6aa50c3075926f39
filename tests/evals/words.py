"""How often a plain sentence with one of the original's words gets that word's type first or
second: `uv run python tests/evals/words.py [--json]`.

`words.jsonl` holds ten sentences in English and ten in Spanish for each word, labelled twice by the
rubric with the word's type. None is trained on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from orch import classify
from orch.types import TaskType

SENTENCES = Path(__file__).with_name("words.jsonl")
GOAL = 0.95


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, its word of the original, and that word's type."""

    word: str
    lang: str
    kind: TaskType
    text: str


@dataclass(frozen=True, slots=True)
class Placed:
    """A sentence, and the rank of its type among the eight: 1 is the first."""

    sentence: Sentence
    place: int

    @property
    def right(self) -> bool:
        return self.place <= 2


def sentences(file: Path = SENTENCES) -> list[Sentence]:
    """All sentences of a file, in order."""
    rows = map(json.loads, file.read_text("utf-8").splitlines())
    return [Sentence(row["word"], row["lang"], TaskType(row["type"]), row["text"]) for row in rows]


def placed(file: Path = SENTENCES) -> list[Placed]:
    """Every sentence of a file, classified."""
    return [Placed(each, _place(each)) for each in sentences(file)]


def _place(sentence: Sentence) -> int:
    scores = classify(sentence.text).scores
    return 1 + sum(score > scores[sentence.kind] for score in scores.values())


def share(all_of_them: Iterable[Placed]) -> float:
    """The share with their type first or second."""
    right = [each.right for each in all_of_them]
    return sum(right) / len(right)


def by_word(found: list[Placed]) -> dict[str, int]:
    """How many of its ten sentences are right, by word and language."""
    groups = groupby(found, lambda each: f"{each.sentence.word} ({each.sentence.lang})")
    return {word: sum(each.right for each in held) for word, held in groups}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=SENTENCES, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="one object on one line")
    asked = parser.parse_args()
    found = placed(asked.data)
    first = sum(each.place == 1 for each in found) / len(found)
    report = {
        "n": len(found),
        "first_or_second": round(share(found), 4),
        "first": round(first, 4),
        "goal": GOAL,
        "by_word": by_word(found),
    }
    print(
        json.dumps(
            report | {"missed": [each.sentence.text for each in found if not each.right]},
            indent=None if asked.json else 2,
            ensure_ascii=False,
        )
    )


if __name__ == "__main__":
    main()
