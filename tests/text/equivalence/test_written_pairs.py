"""The guards on the written pairs of tasks, and the command that measures them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.evals.near_cache import OWN, Pair, Tally, main, measure, read, total

PAIRS = read(OWN)


@pytest.mark.parametrize("split", ["dev", "test"])
def test_guards_alone_are_precise_on_the_written_pairs(split: str) -> None:
    whole = total(measure((pair for pair in PAIRS if pair.split == split), lambda a, b: 1.0)[0])
    assert whole.precision >= 0.99
    assert whole.right >= 0.75 * whole.same_pairs


def test_the_written_pairs_are_many_and_distinct() -> None:
    assert len({frozenset((pair.a, pair.b)) for pair in PAIRS}) == len(PAIRS) >= 320
    assert 0.35 < sum(pair.same_answer for pair in PAIRS) / len(PAIRS) < 0.45


def test_no_suggestions_count_as_precise() -> None:
    assert Tally().precision == 1.0


def test_the_measure_prints_the_figures_of_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = [
        Pair("What is recursion?", "Explain recursion", True),
        Pair("Is Go fast?", "Is Go slow?", False),
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text(
        "\n".join(
            json.dumps({"a": pair.a, "b": pair.b, "same_answer": pair.same_answer})
            for pair in pairs
        ),
        encoding="utf-8",
    )
    assert main(["--data", str(path), "--json", "--no-embedding"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "precision": 1.0,
        "right": 1,
        "wrong": 0,
        "same_pairs": 1,
        "n": 2,
    }
