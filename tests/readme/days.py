"""The README's table of simulated days: `uv run python tests/evals/day.py --json | uv run python -m
tests.readme.days` keeps its figures in days.json.

It keeps the goals alone of a report with `--told truth`.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("days.json")
SHOWN = {"room": 1, "machine": "gpu", "profile": "balanced"}
"""The days that the table shows; the line below it counts the goals of all."""
NAMES = {
    "shipped-four": (
        "the shipped four, with their ratings",
        "los cuatro de serie, con sus valoraciones",
    ),
    "six-of-2026": ("six of 2026", "seis de 2026"),
    "old-and-new": ("old and new", "viejos y nuevos"),
    "moe-and-dense": ("sparse and dense, 20 to 30 B", "dispersos y densos, de 20 a 30 B"),
    "laptop": ("a laptop's, 3 to 4 B", "los de un portátil, de 3 a 4 B"),
    "coder-pair": ("qwen3:8b and a 7 B coder of 2024", "qwen3:8b y uno de código de 7 B de 2024"),
    "general-and-maths": ("a general and a maths model", "uno general y uno de matemáticas"),
    "maths-of-2024": (
        "qwen3:8b and a maths model of 2024",
        "qwen3:8b y uno de matemáticas de 2024",
    ),
    "big-and-small": ("32 B, 3 B and 1 B", "32 B, 3 B y 1 B"),
    "shipped-and-unlisted": ("the shipped four and two more", "los cuatro de serie y dos más"),
    "aliases": ("two names of one model, and others", "dos nombres de un modelo, y otros"),
    "rated-by-a-person": (
        "three rated by a person, two not",
        "tres valorados por una persona, dos no",
    ),
    "quantised-fine-tune": (
        "a 3-bit fine-tune of 2024, and others",
        "un ajuste fino de 3 bits de 2024, y otros",
    ),
    "one-alone": ("one alone", "uno solo"),
}
WORDS: dict[str, dict[str, Any]] = {
    "en": {
        "head": ("models", "before", "`auto`", "best one kept loaded", "oracle"),
        "said": (
            "Mean true quality, seconds, loads of a day of 60 tasks; room for one model, a GPU,"
            " `balanced`; before: without known models, and judging each load alone."
        ),
        "goals": (
            "Goals reached, over both rooms, a GPU and a CPU, all profiles [where orch is told the"
            " truth itself]"
        ),
        "goal": {
            "no kept model is better and sooner": (
                "no kept model is better by .002 at .98 of the seconds"
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
        },
    },
    "es": {
        "head": ("modelos", "antes", "`auto`", "el mejor, siempre cargado", "oráculo"),
        "said": (
            "Calidad verdadera media, segundos y cargas de un día de 60 tareas; sitio para un"
            " modelo, una GPU, `balanced`; antes: sin modelos conocidos, cada carga juzgada sola."
        ),
        "goals": (
            "Metas alcanzadas, con sitio para uno y para dos, GPU y CPU, todos los perfiles [si"
            " orch conoce la verdad misma]"
        ),
        "goal": {
            "no kept model is better and sooner": (
                "ninguno siempre cargado es mejor en .002 con .98 de los segundos"
            ),
            "round trips that lose time and quality": (
                "como mucho tres idas y vueltas que pierden tiempo y calidad"
            ),
            "loads as a share of tasks": (
                "cargas, como mucho el 40 % de las tareas (20 % con sitio para dos)"
            ),
            "decisions that leave a loaded model for a slower one that is no better": (
                "ninguno cargado se deja por otro más lento que no es mejor"
            ),
            "seconds beside the fastest kept model that is nearly as good": (
                "`--speed`, como mucho 1,20 veces el más rápido casi igual de bueno"
            ),
            "quality beside the best kept model": (
                "`--quality`, como mucho .02 por debajo del mejor"
            ),
        },
    },
}


def section(language: str) -> str:
    """The table and what stands below it."""
    kept = json.loads(FILE.read_text(encoding="utf-8"))
    place, words = ("en", "es").index(language), WORDS[language]
    lines = [_row(words["head"]), "|---" * 5 + "|"]
    for pool, names in NAMES.items():
        row = kept["rows"][pool]
        lines.append(
            _row(
                (
                    names[place],
                    kept["before"].get(pool, "-"),
                    row["auto"],
                    row["kept"],
                    row["oracle"],
                )
            )
        )
    reached = "; ".join(
        f"{said} {kept['goals'][goal]} [{kept['truth'][goal]}]"
        for goal, said in words["goal"].items()
    )
    return "\n".join(
        [
            *lines,
            "",
            (
                f"{words['said']} {words['goals']}: {reached}. ({kept['machine']}, {kept['date']},"
                f" n={kept['n']})"
            ),
        ]
    )


def _row(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"


def kept_of(report: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """What the README shows: of this report, and what is known from others."""
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
    found: dict[str, list[tuple[str, bool]]] = {}
    for day in report["days"]:
        for check in day["checks"]:
            found.setdefault(check["goal"], []).append((day["pool"], check["reached"]))
    return {
        goal: f"{sum(reached for _, reached in of)}/{len(of)}{_missed(of) if places else ''}"
        for goal, of in found.items()
    }


def _missed(of: Iterable[tuple[str, bool]]) -> str:
    pools = Counter(pool for pool, reached in of if not reached)
    return f" ({', '.join(f'{pool} -{times}' for pool, times in pools.items())})" if pools else ""


def _best(day: Mapping[str, Any]) -> str:
    return f"{day['best_kept']} {_totals(day['kept'][day['best_kept']], loads=False)}"


def _totals(totals: Mapping[str, Any], *, loads: bool = True) -> str:
    said = f"{totals['quality']:.3f} {totals['seconds']:,.0f} s".removeprefix("0")
    return f"{said} {totals['loads']}" if loads else said


if __name__ == "__main__":
    made = kept_of(json.load(sys.stdin), json.loads(FILE.read_text(encoding="utf-8")))
    FILE.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
