"""Generates known_models.yaml from benchmark scores: `uv run python -m
orch.routing.known_models.derive --data DIR`, where DIR contains models.jsonl.

The file does not contain the scores themselves. Uses the standard library only, takes one second,
and is deterministic.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

from orch.routing.known_models.estimate import soft_clamp
from orch.routing.known_models.model_list import FILE, parse_month
from orch.routing.known_models.names import is_coder
from orch.routing.known_models.regression import EPOCH, FEATURES, YEAR, KindFit, Unit, fit_kind
from orch.types import TaskType

KINDS = (
    "coding",
    "reasoning",
    "knowledge",
    "instruction",
    "chat",
    "long_context",
    "tools",
    "multilingual",
)
TASKS: Mapping[str, Mapping[str, float]] = {
    "coding": {"coding": 0.8, "instruction": 0.1, "tools": 0.1},
    "reasoning": {"reasoning": 0.7, "knowledge": 0.2, "instruction": 0.1},
    "exploration": {"instruction": 0.35, "long_context": 0.35, "tools": 0.3},
    "writing": {"chat": 0.6, "instruction": 0.3, "multilingual": 0.1},
    "simple": {"knowledge": 0.5, "chat": 0.25, "instruction": 0.25},
    "analysis": {"reasoning": 0.35, "knowledge": 0.25, "instruction": 0.2, "long_context": 0.2},
    "creative": {"chat": 0.8, "instruction": 0.2},
    "research": {"knowledge": 0.5, "long_context": 0.25, "reasoning": 0.25},
}
"""The share of each kind of benchmark in the quality at a task type: a judgement."""
CENTRE, SPREAD = 6.0, 1.6
"""Quality (0 to 10) = CENTRE + SPREAD * value of the regression."""
UNDATED = 2024.0
"""The assumed year of a model without a date whose family has none either: such models are old."""
SOURCES = (
    (
        "Artificial Analysis",
        "oolong-tea-2026/artificial-analysis-leaderboards",
        "2026-07",
        "MIT; attribution to Artificial Analysis required",
    ),
    (
        "Artificial Analysis",
        "yuvalluria/Test_AA",
        "2025-11",
        "attribution to Artificial Analysis required",
    ),
    ("Open LLM Leaderboard 2", "chenjy16/modelrank_ai", "2025-04", "MIT"),
    ("LMArena", "lmarena/arena-catalog", "2025-12", ""),
    ("LMArena", "oolong-tea-2026/arena-ai-leaderboards", "2026-04", "MIT"),
    ("llm-stats", "leonardogrig/llm-leaderboard", "2025-10", "CC BY 4.0"),
    ("LiveBench", "LiveBench/livebench.github.io", "2026-01", ""),
    ("EuroEval", "EuroEval/leaderboards", "2026-04", "MIT"),
    ("BigCodeBench", "bigcode-bench/bigcode-bench.github.io", "2025-04", ""),
    ("EvalPlus", "evalplus/evalplus.github.io", "2024-12", "Apache-2.0"),
    ("ZeroEval", "WildEval/ZeroEval", "2025-04", "Apache-2.0"),
    ("Berkeley Function-Calling Leaderboard 4", "ShishirPatil/gorilla", "2026-04", "Apache-2.0"),
    ("Aider", "Aider-AI/aider", "2025-12", "Apache-2.0"),
    ("vendors' own figures", "yiyuanli939/LLM-Benchmark-Reported-Data", "2026-01", ""),
    ("41 LLMs on 19 benchmarks", "sirus20x6/41-llms-evaluated-on-19-benchmarks", "2025-09", ""),
    ("AlpacaEval 2", "tatsu-lab/alpaca_eval", "2025-08", "Apache-2.0"),
    ("Arena-Hard 2", "lmarena/arena-hard-auto", "2025-06", "Apache-2.0"),
    ("RULER", "NVIDIA/RULER", "2026-07", "Apache-2.0"),
)
"""The publisher of the scores, the repository they come from, the month of its figures, and its
licence if it names one."""
HEAD = """\
# What published benchmarks say of open models. Made by `python -m
# orch.routing.known_models.derive`: not to be edited.
# Yours goes beside your models.yaml, as known_models.yaml in the same form: its models add to these
# or replace them by name.
# Every key: `orch config schema known-models`. This file is JSON but for these lines, so that
# reading it takes two milliseconds.
"""
Model = dict[str, Any]


def derive(models: Sequence[Model]) -> dict[str, Any]:
    """The content of known_models.yaml."""
    chatting = _chatting(models)
    dates, units = _dates(chatting), units_of(models)
    kinds = {kind: fit_kind([unit for _, unit in units], kind) for kind in KINDS}
    modes: dict[str, dict[str, Any]] = {}
    for at, (mode, unit) in enumerate(units):
        modes.setdefault(unit.model, {})[mode] = _qualities(at, kinds)
    return {
        "version": 1,
        "sources": [
            {
                "name": name,
                "url": f"https://github.com/{place}",
                "newest": newest,
                "licence": licence,
            }
            for name, place, newest, licence in SOURCES
        ],
        "formula": {task: _formula(mix, kinds) for task, mix in TASKS.items()},
        "families": {name: _family(name, dates[name], kinds) for name in sorted(dates)},
        "models": [
            _entry(model, modes.get(model["model"], {}))
            for model in sorted(chatting, key=lambda each: str(each["model"]))
        ],
    }


def format_file(content: Mapping[str, Any]) -> str:
    """The file's text: the head, then JSON with one model a line."""
    parts = [f"{_json(key)}: {_lines(value)}" for key, value in content.items()]
    return HEAD + "{\n" + ",\n".join(parts) + "\n}\n"


def read_models(folder: Path) -> list[Model]:
    """The models of DIR/models.jsonl."""
    with (folder / "models.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _lines(value: Any) -> str:
    if isinstance(value, list):
        return "[\n" + ",\n".join(f"  {_json(each)}" for each in value) + "\n]"
    if isinstance(value, dict):
        return (
            "{\n"
            + ",\n".join(f"  {_json(key)}: {_json(each)}" for key, each in value.items())
            + "\n}"
        )
    return _json(value)


# ---------------------------------------------------------------- from scores to units


def units_of(models: Sequence[Model]) -> list[tuple[str, Unit]]:
    """Every chat model with scores, once for each of its modes."""
    chatting = _chatting(models)
    dates = _dates(chatting)
    return [unit for model in chatting for unit in _units(model, dates)]


def _chatting(models: Sequence[Model]) -> list[Model]:
    """The models that are not embedders."""
    return [model for model in models if "embedding" not in model["capabilities"]]


def _dates(models: Iterable[Model]) -> dict[str, float | None]:
    """The year of each family: the median over its models with a date."""
    dates: dict[str, list[float]] = {}
    for model in models:
        dates.setdefault(model["family"], []).extend(
            [parse_month(model["released"])] if model["released"] else []
        )
    return {family: median(years) if years else None for family, years in dates.items()}


def _units(model: Model, dates: Mapping[str, float | None]) -> list[tuple[str, Unit]]:
    """The model once for each mode with scores; empty for base models."""
    if not model["params_b"] or not model["scores"] or model["general"] == "base":
        return []
    date = (
        parse_month(model["released"]) if model["released"] else dates[model["family"]] or UNDATED
    )
    size, active = math.log(model["params_b"]), math.log(model["active_b"] or model["params_b"])
    coder = float(is_coder(model["model"]))
    return [
        (
            mode,
            Unit(
                model["model"],
                model["family"],
                (1.0, size, active, date - EPOCH, float(mode == "on"), coder),
                _cells(model, mode),
            ),
        )
        for mode in sorted({score["mode"] for score in model["scores"]} - {None}) or ["off"]
    ]


def _cells(model: Model, mode: str) -> dict[tuple[str, str], float]:
    """The mean score by kind and benchmark, those published by the vendor separately. A score
    without a mode counts for every mode."""
    cells: dict[tuple[str, str], list[float]] = {}
    for score in model["scores"]:
        if score["mode"] in (None, mode):
            cells.setdefault((score["kind"], f"{score['benchmark']}|{score['by'][0]}"), []).append(
                _linear_score(score)
            )
    return {cell: fmean(values) for cell, values in cells.items()}


def _linear_score(score: Mapping[str, Any]) -> float:
    """Hundreds of Elo points, else the log odds of the percentage."""
    value: float = score["value"]
    return (
        value / 100
        if score["setting"].startswith("Elo")
        else math.log((max(value, -1) + 2) / (102 - value))
    )


# ---------------------------------------------------------------- from values to qualities


def _qualities(at: int, kinds: Mapping[str, KindFit]) -> dict[str, float]:
    """The quality of a unit by task type, 0 to 10."""
    values = {
        task: CENTRE + SPREAD * sum(share * kinds[kind].values[at] for kind, share in mix.items())
        for task, mix in TASKS.items()
    }
    return {str(task): round(soft_clamp(values[task]), 2) for task in TaskType}


def _formula(mix: Mapping[str, float], kinds: Mapping[str, KindFit]) -> dict[str, Any]:
    """The regression of a task type: the weighted sum of those of its kinds, and the date beyond
    which no growth is assumed (those of its kinds, weighted by their slopes)."""

    def mixed(weights: Mapping[str, Sequence[float]]) -> list[float]:
        return [
            SPREAD * sum(share * weights[kind][at] for kind, share in mix.items())
            for at in range(len(next(iter(weights.values()))))
        ]

    dated, undated = (
        mixed({kind: fit.dated for kind, fit in kinds.items()}),
        mixed({kind: fit.undated for kind, fit in kinds.items()}),
    )
    last = (
        sum(share * kinds[kind].dated[YEAR] * kinds[kind].last for kind, share in mix.items())
        * SPREAD
        / dated[YEAR]
        + EPOCH
    )
    names = [name for name in FEATURES if name != "year"]
    return {
        "last": round(last, 2),
        "dated": {
            name: round(value + (CENTRE if name == "base" else 0), 3)
            for name, value in zip(FEATURES, dated, strict=True)
        },
        "undated": {
            name: round(value + (CENTRE if name == "base" else 0), 3)
            for name, value in zip(names, undated, strict=True)
        },
    }


def _family(name: str, date: float | None, kinds: Mapping[str, KindFit]) -> dict[str, Any]:
    """The release date of a family (`UNDATED` if unknown), and how far its members exceed the
    regression at each task type."""
    offsets = {
        task: (
            SPREAD
            * sum(share * kinds[kind].offsets.get(name, 0.0) for kind, share in TASKS[task].items())
        )
        for task in map(str, TaskType)
    }
    date = UNDATED if date is None else date
    return {
        "released": f"{int(date)}-{round(date % 1 * 12) + 1:02d}",
        "offset": {task: round(value, 2) for task, value in offsets.items()},
    }


def _entry(model: Model, qualities: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    facts = {
        "name": model["model"],
        "family": model["family"],
        "ollama": model["ollama"],
        "params_b": model["params_b"],
        "active_b": model["active_b"],
        "released": model["released"],
        "coder": is_coder(model["model"]),
    }
    modes = {
        mode: {**evidence, **by_type}
        for mode, by_type in qualities.items()
        if (evidence := _evidence(model, mode))
    }
    return {key: value for key, value in facts.items() if value} | (
        {"modes": modes} if modes else {}
    )


def _evidence(model: Model, mode: str) -> dict[str, Any]:
    """The number of scores behind the qualities, and the month of the newest; empty without
    scores."""
    scores = [
        score
        for score in model["scores"]
        if score["mode"] in (None, mode) and score["kind"] in KINDS
    ]
    return {"scores": len(scores), "newest": max(map(_month, scores))} if scores else {}


def _month(score: Mapping[str, Any]) -> str:
    """The month of a score: of its release, else of its source's figures."""
    release = re.search(r"(20\d\d)_(\d\d)$", score["benchmark"])
    if release:  # LiveBench names its release
        return f"{release[1]}-{release[2]}"
    if score["benchmark"] == "aider_edit":
        return "2024-12"
    repository = score["source"].partition(":")[0]
    return next(newest for _, place, newest, _ in SOURCES if place == repository)


def main() -> None:
    """Writes known_models.yaml beside this module."""
    parser = argparse.ArgumentParser(
        prog="python -m orch.routing.known_models.derive", description=__doc__
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="The folder of models.jsonl."
    )
    content = derive(read_models(parser.parse_args().data))
    FILE.write_text(format_file(content), encoding="utf-8")
    print(
        f"{FILE}: {len(content['models'])} models,"
        f" {sum(len(model.get('modes', {})) for model in content['models'])} with their modes"
    )


if __name__ == "__main__":
    main()
