"""What orch is told of the models' quality: the content of a known_models.yaml, which replaces all
that the package's own says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orch.routing.known_models.derive import derive
from tests.evals.days.quality import Column, Halves, Table, stem


def half(known: Halves) -> dict[str, Any]:
    """What the package's own script derives from half A's scores alone; it replaces all that the
    package's file says."""
    return derive(
        [
            {**facts, "scores": _kept(facts["scores"], known.dealt, "A")}
            for facts in known.facts.values()
        ]
    )


def truth(known: Halves) -> dict[str, Any]:
    """The truth itself, for every model that has one: with it, what is missed is not the prior's
    fault."""
    content = derive(list(known.facts.values()))
    return {**content, "models": [_with_modes(entry, known.true) for entry in content["models"]]}


def _kept(
    scores: Sequence[Mapping[str, Any]], dealt: Mapping[Column, str], wanted: str
) -> list[Mapping[str, Any]]:
    return [
        score for score in scores if dealt.get((score["kind"], stem(score["benchmark"]))) == wanted
    ]


def _with_modes(entry: Mapping[str, Any], true: Table) -> dict[str, Any]:
    told = {
        mode: {"scores": 1, "newest": "2026-07"} | _in_tenths(by_type)
        for (name, mode), by_type in true.items()
        if name == entry["name"]
    }
    return {**entry, "modes": told} if told else dict(entry)


def _in_tenths(quality: Mapping[Any, float]) -> dict[str, float]:
    return {str(kind): round(value * 10, 2) for kind, value in quality.items()}
