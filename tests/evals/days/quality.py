"""True quality and what orch is told of it, from two halves of the benchmarks: what one half says
was not fitted on the other.

`split` deals the benchmarks of each kind into two halves, so that both have tests of old and of new
models; scores of one test by two sources, and all
votes of the arena, go together. From each half's scores alone come values per model, mode and kind,
by the data folder's own `prior.py`: a factor over
the benchmarks, shrunk to a regression on size, active size, date, thinking and coder, which is
fitted on that half too. Half B is the truth; half A is
what orch is told, derived by the package's own script (`told.py`), so that recognition and the
formula for what is unknown take part.

What is not independent: both regressions see the same sizes and dates, so a model without a score
of half B in a kind has for truth what B's regression
says (`unscored` tells how many cells these are); where a half has fewer than 40 scored models of a
kind (long context, tools), it takes the regression
that was fitted on both; and the scale (mean 6, 1.6 a standard deviation over all models, in tenths)
is that of both together.
"""

from __future__ import annotations

import random
import re
import types
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

from orch.types import TaskType

LEAST_SCORED = 40
_SAME_TEST = re.compile(r"^(arena|livebench|gpqa|mmlu_pro|livecodebench|aime_2025).*")
TOGETHER = ("arena",)
"""Votes of the same people: one half has them in every kind."""
Column = tuple[str, str]
"""Kind and test."""
Unit = tuple[str, str]
"""A model of the data and its mode: on (thinking) or off."""
Table = dict[Unit, dict[TaskType, float]]


@dataclass(frozen=True, slots=True)
class Halves:
    """True qualities, from 0 to 1; `scored` is, for half B, the weight of a type's kinds in which
    the model has a score."""

    true: Table
    scored: Table
    facts: dict[str, dict[str, Any]]
    """The data's own lines, by model."""
    dealt: Mapping[Column, str]
    """Half A or B, by kind and test."""


def halves(folder: Path, seed: int) -> Halves:
    """Both halves of the data in a folder (models.jsonl and prior.py)."""
    prior = module(folder)
    units = prior.units_of(prior.load())
    dealt = split(_dates(prior, units), seed)
    true, scored = _table(prior, units, {key for key, half in dealt.items() if half == "B"})
    return Halves(true, scored, {line["model"]: line for line in prior.load()}, dealt)


def module(folder: Path) -> Any:
    """The data folder's `prior.py` without the call that prints its figures."""
    file = folder / "prior.py"
    made = types.ModuleType("prior")
    made.__file__ = str(file)
    exec(
        compile(
            file.read_text(encoding="utf-8").rstrip().removesuffix("main()"), str(file), "exec"
        ),
        made.__dict__,
    )
    return made


def split(dates: Mapping[Column, Sequence[float]], seed: int) -> dict[Column, str]:
    """Assigns half A or B to every test of every kind, by the dates of the tested models: two tests
    of models of one time go to different halves."""
    chance = random.Random(seed)
    shared = {test: chance.choice("AB") for test in TOGETHER}
    dealt: dict[Column, str] = {}
    for kind in sorted({kind for kind, _ in dates}):
        tests = sorted(
            (test for of, test in dates if of == kind),
            key=lambda test: (
                len(dates[kind, test]) < LEAST_SCORED,
                -fmean(dates[kind, test]),
                test,
            ),
        )
        for pair in (tests[at : at + 2] for at in range(0, len(tests), 2)):
            fixed = next(
                (
                    ("AB", "BA")[(shared[test] == "B") ^ (place == 1)]
                    for place, test in enumerate(pair)
                    if test in shared
                ),
                None,
            )
            for test, half in zip(pair, fixed or chance.choice(("AB", "BA")), strict=False):
                dealt[kind, test] = half
    return dealt


def _dates(prior: Any, units: list[dict[str, Any]]) -> dict[Column, list[float]]:
    found: dict[Column, list[float]] = {}
    for unit in units:
        for key in {(kind, stem(column)) for kind, column in unit["cells"]}:
            found.setdefault(key, []).append(unit["date"])
    return found


def stem(column: str) -> str:
    """A test identified by its benchmark: several sources or releases of one are one test."""
    return _SAME_TEST.sub(r"\1", column.partition("|")[0])


def _table(prior: Any, units: list[dict[str, Any]], kept: set[Column]) -> tuple[Table, Table]:
    """Qualities from one half's scores, and how much of each type these scores cover."""
    kinds = {kind for mix in prior.TASKS.values() for kind in mix}
    part = [
        unit | {"cells": {c: v for c, v in unit["cells"].items() if (c[0], stem(c[1])) in kept}}
        for unit in units
    ]
    values, has = {}, {}
    for kind in kinds:
        values[kind] = _values(prior, units, part, kind)
        has[kind] = [any(of == kind for of, _ in unit["cells"]) for unit in part]
    quality: Table = {}
    scored: Table = {}
    for at, unit in enumerate(units):
        key = (unit["model"], unit["mode"])
        sums = {
            task: sum(weight * values[kind][at] for kind, weight in mix.items())
            for task, mix in prior.TASKS.items()
        }
        quality[key] = {
            TaskType(task): min(max(prior.CENTRE + prior.SPREAD * value, 1.0), 9.5) / 10
            for task, value in sums.items()
        }
        scored[key] = {
            TaskType(task): sum(w for kind, w in mix.items() if has[kind][at])
            for task, mix in prior.TASKS.items()
        }
    return quality, scored


def _values(
    prior: Any, whole: list[dict[str, Any]], part: list[dict[str, Any]], kind: str
) -> list[float]:
    """A half's value of every unit, on the common scale."""
    columns, all_columns = prior.columns(part, kind), prior.columns(whole, kind)
    par, tau2, _, mu, _ = prior.fit(whole, all_columns)
    reference, _ = prior.posterior(all_columns, par, mu, tau2, True)
    if len({unit for cells in columns.values() for unit in cells}) >= LEAST_SCORED:
        par, tau2, _, mu, _ = prior.fit(part, columns)
    found, _ = prior.posterior(columns, par, mu, tau2, True)
    own, goal = [found[at] for at in range(len(part))], list(reference.values())
    stretch = pstdev(goal) / pstdev(own)
    return [fmean(goal) + (value - fmean(own)) * stretch for value in own]


def unscored(known: Halves, models: Collection[str]) -> tuple[int, int]:
    """Cells (model, mode and type) of true quality, and those without a score in half B: there the
    regression is the truth."""
    cells = [
        share
        for (model, _), shares in known.scored.items()
        if model in models
        for share in shares.values()
    ]
    return len(cells), sum(share == 0 for share in cells)
