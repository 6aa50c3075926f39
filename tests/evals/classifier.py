"""Accuracy of the classifier: `uv run python tests/evals/classifier.py [--data FILE] [--json]`.

Rows of the JSONL file have `text`, `label`, `also`, and optionally `lang` and `difficulty`. Strict
counts the label only, lenient a defensible second type too.
"""

from __future__ import annotations

import argparse
import html
import json
import math
import random
import time
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orch import classify
from orch.classifier.keyword_rules import RuleClassifier
from orch.classifier.linear_model import LinearClassifier
from orch.config.load import load_config
from orch.types import Classification, TaskType

DATA = Path(__file__).parents[3] / "shared" / "data" / "classify" / "dev.jsonl"
TYPES = tuple(str(each) for each in TaskType)
BINS = 10
COVERAGES = (0.2, 0.4, 0.6, 0.8, 1.0)
SEED = 4
LOG = (
    "2026-05-02 09:14:11 WARN  pool: 3 of 8 connections busy\n2026-05-02 09:14:12 ERROR pool: timed"
    " out after 30 s"
)
TABLE = "date,shop,total\n2026-01-04,North,118.20\n2026-01-05,South,96.40"

Row = dict[str, Any]
Classify = Callable[[str], Classification]


@dataclass(frozen=True, slots=True)
class Judged:
    """A row with its classification."""

    row: Row
    said: str
    confidence: float

    @property
    def strict(self) -> bool:
        return bool(self.said == self.row["label"])

    @property
    def lenient(self) -> bool:
        return self.strict or self.said in self.row.get("also", ())


def main() -> None:
    asked = _arguments()
    rows = [json.loads(line) for line in asked.data.read_text("utf-8").splitlines() if line.strip()]
    chosen = _classifier(asked)
    begin = time.perf_counter()
    judged = judge(rows, chosen)
    seconds = time.perf_counter() - begin
    report = summary(judged) | {
        "ms_per_decision": round(seconds / len(rows) * 1000, 3),
        "baselines": baselines(rows),
    }
    if asked.robustness:
        report["kept"] = robustness(rows, chosen)
    if asked.svg:
        asked.svg.write_text(picture(judged), "utf-8")
    print(json.dumps(report, indent=2) if asked.json else rendered(report, judged))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    parser.add_argument("--rules", action="store_true", help="the keywords of routing.yaml instead")
    parser.add_argument("--learned", action="store_true", help="the learned part alone")
    parser.add_argument(
        "--robustness",
        action="store_true",
        help="also the share of prompts that keep their type when changed",
    )
    parser.add_argument("--svg", type=Path, help="where to write the confusion matrix as a picture")
    return parser.parse_args()


def _classifier(asked: argparse.Namespace) -> Classify:
    if asked.rules:
        return keywords()
    return LinearClassifier.shipped().classify if asked.learned else classify


def keywords() -> Classify:
    """The original's classifier: only the keyword rules of routing.yaml."""
    return RuleClassifier(load_config().routing.task_types).classify


def judge(rows: list[Row], chosen: Classify) -> list[Judged]:
    """Every row, classified."""
    found = [chosen(row["text"]) for row in rows]
    return [
        Judged(row, str(each.task_type), each.confidence)
        for row, each in zip(rows, found, strict=True)
    ]


def summary(judged: list[Judged]) -> dict[str, Any]:
    """All figures of one classifier, rounded."""
    strict, lenient = [each.strict for each in judged], [each.lenient for each in judged]
    return {
        "n": len(judged),
        "strict": _mean(strict),
        "strict_interval": wilson(strict),
        "lenient": _mean(lenient),
        "lenient_interval": wilson(lenient),
        "macro_f1": round(sum(f1(judged, kind) for kind in TYPES) / len(TYPES), 4),
        "ece": round(ece(judged), 4),
        "by_language": _split(judged, "lang"),
        "by_difficulty": _split(judged, "difficulty"),
        "coverage": coverage(judged),
    }


def baselines(rows: list[Row]) -> dict[str, dict[str, float]]:
    """Baselines: the most frequent label, and the original's keywords."""
    common = Counter(row["label"] for row in rows).most_common(1)[0][0]
    majority = [Judged(row, common, 0.0) for row in rows]
    named = {"majority": majority, "keywords": judge(rows, keywords())}
    return {
        name: {
            "strict": _mean([each.strict for each in said]),
            "lenient": _mean([each.lenient for each in said]),
        }
        for name, said in named.items()
    }


def wilson(right: list[bool], z: float = 1.96) -> tuple[float, float]:
    """95 % confidence interval of a share (Wilson, 1927)."""
    n, share = len(right), sum(right) / len(right)
    middle, half = (
        share + z * z / (2 * n),
        z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)),
    )
    return round((middle - half) / (1 + z * z / n), 4), round((middle + half) / (1 + z * z / n), 4)


def f1(judged: list[Judged], kind: str) -> float:
    """Harmonic mean of precision and recall of one type, strictly."""
    hits = sum(each.said == kind == each.row["label"] for each in judged)
    named = sum((each.said == kind) + (each.row["label"] == kind) for each in judged)
    return 2 * hits / named if named else 0.0


def ece(judged: list[Judged]) -> float:
    """Expected calibration error against lenient correctness, ten bins of equal width."""
    bins: dict[int, list[Judged]] = {}
    for each in judged:
        bins.setdefault(min(int(each.confidence * BINS), BINS - 1), []).append(each)
    return sum(
        abs(sum(each.confidence - each.lenient for each in held)) for held in bins.values()
    ) / len(judged)


def coverage(judged: list[Judged]) -> dict[str, float]:
    """Lenient accuracy of the most confident share of decisions."""
    order = sorted(judged, key=lambda each: -each.confidence)
    return {
        f"{share:.0%}": _mean([each.lenient for each in order[: max(1, round(share * len(order)))]])
        for share in COVERAGES
    }


def robustness(rows: list[Row], chosen: Classify) -> dict[str, float]:
    """Share of prompts whose type is stable under each change, and under all."""
    chance = random.Random(SEED)
    before = [chosen(row["text"]).task_type for row in rows]
    kept = {
        name: [
            chosen(change(row, chance)).task_type is kind
            for row, kind in zip(rows, before, strict=True)
        ]
        for name, change in CHANGES.items()
    }
    return {name: _mean(same) for name, same in kept.items()} | {
        "all": _mean([each for same in kept.values() for each in same])
    }


def typo(row: Row, chance: random.Random) -> str:
    """Swaps two neighbouring letters in one long word."""
    text: str = row["text"]
    spots = [at for at in range(1, len(text) - 2) if text[at - 1 : at + 3].isalpha()]
    at = chance.choice(spots) if spots else 0
    return text[:at] + text[at : at + 2][::-1] + text[at + 2 :]


def case(row: Row, chance: random.Random) -> str:
    """Lower or upper case throughout."""
    return str(row["text"].upper() if chance.random() < 0.5 else row["text"].lower())


def accents(row: Row, chance: random.Random) -> str:
    """Removes accents and tildes."""
    return "".join(
        each
        for each in unicodedata.normalize("NFD", row["text"])
        if not unicodedata.combining(each)
    )


def polite(row: Row, chance: random.Random) -> str:
    """Adds a greeting and thanks."""
    forms = (
        ("Hola, ¿me ayudas con esto? {} Gracias de antemano", "Por favor: {}")
        if row.get("lang") == "es"
        else ("Hello, {} Thank you so much!", "Please {}")
    )
    return chance.choice(forms).format(row["text"])


def pasted(row: Row, chance: random.Random) -> str:
    """Appends a log or a table."""
    return f"{row['text']}\n\n{chance.choice((LOG, TABLE))}"


CHANGES = {"typo": typo, "case": case, "accents": accents, "polite": polite, "pasted": pasted}


def _split(judged: list[Judged], name: str) -> dict[str, dict[str, Any]]:
    parts: dict[str, list[bool]] = {}
    for each in judged:
        if each.row.get(name):
            parts.setdefault(each.row[name], []).append(each.lenient)
    return {
        part: {"n": len(right), "lenient": _mean(right), "interval": wilson(right)}
        for part, right in sorted(parts.items())
    }


def _mean(right: list[bool]) -> float:
    return round(sum(right) / len(right), 4)


def confusion(judged: list[Judged]) -> list[list[int]]:
    """Counts: a row for each label, a column for each predicted type."""
    counts = Counter((each.row["label"], each.said) for each in judged)
    return [[counts[label, said] for said in TYPES] for label in TYPES]


def rendered(report: dict[str, Any], judged: list[Judged]) -> str:
    """Prints the figures."""
    lines = [f"{name:16} {json.dumps(value)}" for name, value in report.items()]
    head = " " * 13 + "".join(f"{kind[:8]:>9}" for kind in TYPES)
    table = [
        f"{label:13}" + "".join(f"{count:9}" for count in line)
        for label, line in zip(TYPES, confusion(judged), strict=True)
    ]
    return "\n".join([*lines, "", "label (down) and what was said (across)", head, *table])


def picture(judged: list[Judged]) -> str:
    """The confusion matrix as SVG; the shades of each row sum to one."""
    cells = []
    for y, (label, line) in enumerate(zip(TYPES, confusion(judged), strict=True)):
        cells.append(
            f'<text x="95" y="{y * 44 + 76}" text-anchor="end">{html.escape(label)}</text>'
        )
        cells.append(
            f'<text x="{y * 64 + 132}" y="40" text-anchor="middle">{html.escape(label)}</text>'
        )
        cells += [_cell(x, y, count, count / max(sum(line), 1)) for x, count in enumerate(line)]
    style = (
        '<style>text{font:12px sans-serif}</style><rect width="100%" height="100%" fill="white"/>'
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="630"'
        f' height="412">{style}{"".join(cells)}</svg>\n'
    )


def _cell(x: int, y: int, count: int, share: float) -> str:
    ink = "white" if share > 0.5 else "black"
    box = (
        f'<rect x="{x * 64 + 102}" y="{y * 44 + 50}" width="60" height="40" fill="#1f5fa8"'
        f' fill-opacity="{max(share, 0.04):.2f}"/>'
    )
    return (
        f'{box}<text x="{x * 64 + 132}" y="{y * 44 + 75}" text-anchor="middle"'
        f' fill="{ink}">{count}</text>'
    )


if __name__ == "__main__":
    main()
