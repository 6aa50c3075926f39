"""Validates the formula of the known models: `uv run python tests/evals/priors.py --data DIR`,
where DIR has models.jsonl. Ten seconds.

Each family is left out in turn: its models' values, mostly determined by their scores, are
predicted by a regression fitted without it, and ranked (Spearman). The baseline is the earlier
guess from size alone. If a relative of a model is known, the rest of its family's advantage is
added. Where old and new models share few tests, their values depend on the regression too, so that
the figures are somewhat optimistic.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from statistics import correlation, fmean

from orch.routing.known_models.derive import KINDS, read_models, units_of
from orch.routing.known_models.regression import Unit, cross_validate

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Correlations:
    """Rank correlations of one kind of benchmark, over the models and modes with a value."""

    n: int
    by_size: float
    formula: float
    formula_with_relatives: float
    """The formula alone, where a relative of the model is known."""
    relatives: float
    """The formula and what the rest of the family is better by, at the same models."""

    def figures(self) -> tuple[float, ...]:
        """The correlations in the order of the table."""
        return self.by_size, self.formula, self.formula_with_relatives, self.relatives


def measured(units: Sequence[Unit]) -> dict[str, Correlations]:
    """The correlations by kind."""
    return {kind: _correlations(units, kind) for kind in KINDS}


def _correlations(units: Sequence[Unit], kind: str) -> Correlations:
    predicted = cross_validate(units, kind)
    values = [each.value for each in predicted.values()]
    related = [each for each in predicted.values() if each.offset is not None]
    known = [each.value for each in related]
    return Correlations(
        len(predicted),
        _ranks([units[index].features[1] for index in predicted], values),
        _ranks([each.formula for each in predicted.values()], values),
        _ranks([each.formula for each in related], known),
        _ranks([each.formula + (each.offset or 0) for each in related], known),
    )


def table(rows: Mapping[str, Correlations]) -> list[str]:
    """A Markdown table of the correlations and their means."""
    return [
        "| kind | models and modes | by size | formula | formula, relative known | relatives |",
        "|---|---|---|---|---|---|",
        *(
            f"| {kind} | {row.n} | {' | '.join(f'{each:.2f}' for each in row.figures())} |"
            for kind, row in rows.items()
        ),
        f"| mean | | {' | '.join(f'{each:.2f}' for each in means(rows))} |",
    ]


def means(rows: Mapping[str, Correlations]) -> list[float]:
    """The mean of each correlation over the kinds."""
    return [fmean(column) for column in zip(*(row.figures() for row in rows.values()), strict=True)]


def _ranks(these: Sequence[float], those: Sequence[float]) -> float:
    return correlation(_ranked(these), _ranked(those))


def _ranked(values: Sequence[float]) -> list[float]:
    """Ranks; ties share theirs."""
    ordered = sorted(values)
    first = {value: place for place, value in reversed(list(enumerate(ordered)))}
    last = {value: place for place, value in enumerate(ordered)}
    return [(first[value] + last[value]) / 2 for value in values]


def main() -> None:
    """Prints the table, with machine, date and n; with `--json` one object alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=ROOT.parent / "shared" / "data" / "models", metavar="DIR"
    )
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    asked = parser.parse_args()
    if not (asked.data / "models.jsonl").is_file():
        raise SystemExit(f"there are no scores in {asked.data}; name their folder with --data")
    units = [unit for _, unit in units_of(read_models(asked.data))]
    rows = measured(units)
    if asked.json:
        print(json.dumps({kind: asdict(row) for kind, row in rows.items()}))
        return
    machine = (
        f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()},"
        f" {date.today()}"
    )
    families = len({unit.family for unit in units})
    print("\n".join(table(rows)))
    print(f"\n{len(units)} models and modes of {families} families; {machine}")


if __name__ == "__main__":
    main()
