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
import os
import platform
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from statistics import correlation, fmean

from orch.routing.known_models.derive import KINDS, read_models, units_of
from orch.routing.known_models.regression import Unit, cross_validate

ROOT = Path(__file__).parents[2]


def report(units: Sequence[Unit]) -> list[str]:
    """A Markdown table of rank correlations."""
    lines, rows = (
        [
            (
                "| kind | models and modes | by size alone | formula | formula, where kin is known"
                " | and the kin |"
            ),
            "|---|---|---|---|---|---|",
        ],
        [],
    )
    for kind in KINDS:
        told = cross_validate(units, kind)
        by_size = [units[u].features[1] for u in told]
        values, formula = (
            [each.value for each in told.values()],
            [each.formula for each in told.values()],
        )
        kin = [each for each in told.values() if each.kin is not None]
        known = [each.value for each in kin]
        row = (
            _ranks(by_size, values),
            _ranks(formula, values),
            _ranks([e.formula for e in kin], known),
            _ranks([e.formula + (e.kin or 0) for e in kin], known),
        )
        rows.append(row)
        lines.append(f"| {kind} | {len(told)} | {' | '.join(f'{value:.2f}' for value in row)} |")
    means = " | ".join(f"{fmean(column):.2f}" for column in zip(*rows, strict=True))
    return [*lines, f"| mean | | {means} |"]


def _ranks(these: Sequence[float], those: Sequence[float]) -> float:
    return correlation(_ranked(these), _ranked(those))


def _ranked(values: Sequence[float]) -> list[float]:
    """Ranks; ties share theirs."""
    ordered = sorted(values)
    first = {value: place for place, value in reversed(list(enumerate(ordered)))}
    last = {value: place for place, value in enumerate(ordered)}
    return [(first[value] + last[value]) / 2 for value in values]


def main() -> None:
    """Prints the table, with machine, date and n."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=ROOT.parent / "shared" / "data" / "models", metavar="DIR"
    )
    folder = parser.parse_args().data
    if not (folder / "models.jsonl").is_file():
        raise SystemExit(f"there are no scores in {folder}; name their folder with --data")
    units = [unit for _, unit in units_of(read_models(folder))]
    print("\n".join(report(units)))
    machine = (
        f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()},"
        f" {date.today()}"
    )
    print(
        f"\n{len(units)} models and modes of {len({unit.family for unit in units})} families;"
        f" {machine}"
    )


if __name__ == "__main__":
    main()
