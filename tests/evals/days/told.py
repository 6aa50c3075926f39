"""What orch knows of the models' quality: the content of a known_models.yaml that replaces the
package's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orch.routing.known_models.derive import derive
from tests.evals.days.quality import Column, Halves, Table, stem


def half(known: Halves) -> dict[str, Any]:
    """Derived from half A's scores alone by the package's own script; replaces the package's
    file."""
    return derive(
        [
            {**facts, "scores": _kept(facts["scores"], known.dealt, "A")}
            for facts in known.facts.values()
        ]
    )


def truth(known: Halves) -> dict[str, Any]:
    """The truth itself, for every model that has one: remaining misses are not the prior's."""
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
