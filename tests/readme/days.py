"""The tables of simulated days, from figures in days.json.

`uv run python tests/evals/day.py --json | uv run python -m tests.readme.days` stores them
there; of a report with `--told truth` the goals alone.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.readme.markup import table

FILE = Path(__file__).with_name("days.json")
SHOWN = {"room": 1, "machine": "gpu", "profile": "balanced"}
"""The days that the table shows; the goals below it are counted over all days."""
NAMES = {
    "shipped-four": "the shipped four, with their ratings",
    "six-of-2026": "six of 2026",
    "old-and-new": "old and new",
    "moe-and-dense": "sparse and dense, 20 to 30 B",
    "laptop": "a laptop's, 3 to 4 B",
    "coder-pair": "qwen3:8b and a 7 B coder of 2024",
    "general-and-maths": "a general and a maths model",
    "maths-of-2024": "qwen3:8b and a maths model of 2024",
    "big-and-small": "32 B, 3 B and 1 B",
    "shipped-and-unlisted": "the shipped four and two more",
    "aliases": "two names of one model, and others",
    "rated-by-a-person": "three rated by a person, two not",
    "quantised-fine-tune": "a 3-bit fine-tune of 2024, and others",
    "one-alone": "one alone",
}
HEADS = ("models", "before", "`auto`", "best one kept loaded", "oracle")
GOALS = {
    "no kept model is better and sooner": (
        "no model kept loaded is better by .002 at .98 of the seconds"
    ),
    "round trips that lose time and quality": (
        "at most three round trips that lose time and quality"
    ),
    "loads as a share of tasks": "loads at most 40 % of tasks (20 % with room for two)",
    "decisions that leave a loaded model for a slower one that is no better": (
        "no loaded model left for a slower one that is no better"
    ),
    "seconds beside the fastest kept model that is nearly as good": (
        "`--speed` within 1.20 of the fastest that is nearly as good"
    ),
    "quality beside the best kept model": "`--quality` within .02 of the best",
}
ABOUT = (
    "Each cell: mean true quality, seconds and loads of a day of 60 tasks. Room for one model, "
    "a GPU, `balanced`. Before: without known models, and each load judged alone."
)


def section() -> str:
    """Both tables, and what their figures are."""
    report = json.loads(FILE.read_text(encoding="utf-8"))
    pools = [
        (
            name,
            report["before"].get(pool, "-"),
            *(report["rows"][pool][column] for column in ("auto", "kept", "oracle")),
        )
        for pool, name in NAMES.items()
    ]
    goals = [(about, report["goals"][goal], report["truth"][goal]) for goal, about in GOALS.items()]
    machine = f"{report['machine']}, {report['date']}, n={report['n']}"
    over = "Goals over both rooms, a GPU and a CPU, and all profiles; the last column is where"
    heads = ("goal", "reached", "reached when told the truth")
    parts = (
        table(HEADS, pools),
        ABOUT,
        f"{over} orch is told the truth itself ({machine}):",
        table(heads, goals),
    )
    return "\n\n".join(parts)


def kept_of(report: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """What the benchmarks page shows: of this report, and what is known from others."""
    if report["told"] == "truth":
        return {**known, "truth": _goals(report, places=False)}
    days = [
        day for day in report["days"] if all(day[name] == value for name, value in SHOWN.items())
    ]
    rows = {
        day["pool"]: {
            "auto": _totals(day["auto"]),
            "kept": _best(day),
            "oracle": _totals(day["oracle"]),
        }
        for day in days
    }
    return {
        **known,
        **{name: report[name] for name in ("date", "machine", "n")},
        "goals": _goals(report),
        "rows": rows,
    }


def _goals(report: Mapping[str, Any], *, places: bool = True) -> dict[str, str]:
    """On how many days each goal was reached, and in which pools it was missed."""
    checks: dict[str, list[tuple[str, bool]]] = {}
    for day in report["days"]:
        for check in day["checks"]:
            checks.setdefault(check["goal"], []).append((day["pool"], check["reached"]))
    return {
        goal: f"{sum(reached for _, reached in of)}/{len(of)}{_missed(of) if places else ''}"
        for goal, of in checks.items()
    }


def _missed(of: Iterable[tuple[str, bool]]) -> str:
    pools = Counter(pool for pool, reached in of if not reached)
    return f" ({', '.join(f'{pool} -{times}' for pool, times in pools.items())})" if pools else ""


def _best(day: Mapping[str, Any]) -> str:
    return f"{day['best_kept']} {_totals(day['kept'][day['best_kept']], loads=False)}"


def _totals(totals: Mapping[str, Any], *, loads: bool = True) -> str:
    figures = f"{totals['quality']:.3f} {totals['seconds']:,.0f} s".removeprefix("0")
    return f"{figures} {totals['loads']}" if loads else figures


if __name__ == "__main__":
    kept = kept_of(json.load(sys.stdin), json.loads(FILE.read_text(encoding="utf-8")))
    FILE.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
