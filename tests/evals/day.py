"""Days of 60 tasks through orch's own decisions: `uv run python tests/evals/day.py [--json] [--pool
NAME] [--profile P] [--room 1|2] [--quick] [--random N]`.

A day is 60 tasks in the order in which one person asks (`tests/evals/days/tasks.py`). Each goes
through `Orchestrator.execute` as it is: classifier, registry (`/api/tags`, `/api/ps` and
`/api/show` of a scripted Ollama, each time), router, journal; after each answer the journal holds
the seconds that Ollama would report, so that measured speeds take over during the day. Nothing
waits: seconds are computed.

- Memory: room for one model or for two, by `memory_budget_gb` (what the largest, or the two
  largest, need) and OLLAMA_MAX_LOADED_MODELS, which stands in orch's environment too; what was used
  longest ago is unloaded (`--evicts name`: as Ollama 0.32 chooses, by the name of the file).
- True seconds: tokens/s = bandwidth (GPU 400 GB/s, CPU 60) / active gigabytes, prefill ten times as
  fast, a load .5 s + size / 1.2 GB/s, answers of 80 to 600 tokens by true type. Thinking costs
  nothing, unless `--thinking-tokens N` lets every model that thinks write N tokens more.
- True quality and what orch is told of it come from two halves of the benchmarks
  (`tests/evals/days/quality.py`). `--told half` (default): orch knows what half A says; `package`:
  its own known_models.yaml, which knows half B too; `truth`: half B itself, so that what is still
  missed is the policy's doing.
- Beside `auto`: each model kept loaded all day, and an oracle that knows all tasks, seconds and
  qualities (dynamic programming over what is loaded; it maximises the profile's own quality and
  speed weights, with no model at a task for which a floor rules it out).

- Where a person rated models (the shipped four, pools with a models.yaml), what he wrote is the
  truth of these (the rating at a strength, .05 less at other types), and the others' scores are
  moved to that scale; `--by-scores` holds orch to the scores there too, which contradict the
  ratings.

Goals are printed as reached or missed; exit code 1 where one is missed. To use it while working on
the router: `--pool coder-pair --profile balanced --room 1 --machine gpu` takes a second and names
the decisions to blame; `--random 24` draws pools; `--list` names the pools; `--steps` prints every
decision of a day; `--set swap_margin=0.05` tries a value.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from orch.types import Candidate
from tests.evals.days import told
from tests.evals.days.goals import Check, checks
from tests.evals.days.pools import Makes, Pool, drawn, named
from tests.evals.days.quality import halves, unscored
from tests.evals.days.tasks import day
from tests.evals.days.world import Day, World, spent

DATA = Path(__file__).parents[3] / "shared" / "data" / "models"
PROFILES, ROOMS, MACHINES = ("balanced", "speed", "quality"), (1, 2), ("gpu", "cpu")


def main() -> None:
    asked = _arguments()
    if not (asked.data / "models.jsonl").is_file():
        print(
            f"skipped: there are no scores in {asked.data}; name their folder with --data",
            file=sys.stderr,
        )
        raise SystemExit(2)
    make = Makes(halves(asked.data, asked.split), by_scores=asked.by_scores)
    pools = _pools(make, asked)
    if asked.list:
        print(
            "\n".join(
                f"{pool.name}: {', '.join('='.join(model.names) for model in pool.models)}"
                for pool in pools
            )
        )
        return
    begin = time.process_time()
    days = [spent(world) for world in worlds(pools, make, asked)]
    report = measured(days, pools, make, asked) | {"seconds": round(time.process_time() - begin, 1)}
    print(
        json.dumps(report, indent=2, ensure_ascii=False)
        if asked.json
        else rendered(days, report, asked)
    )
    raise SystemExit(1 if report["missed"] else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    parser.add_argument("--list", action="store_true", help="the pools, and nothing else")
    parser.add_argument("--pool", action="append", help="this pool alone; can be repeated")
    parser.add_argument("--profile", choices=PROFILES)
    parser.add_argument("--room", type=int, choices=ROOMS)
    parser.add_argument("--machine", choices=MACHINES)
    parser.add_argument(
        "--random",
        type=int,
        default=0,
        metavar="N",
        help="N random pools in place of the named ones",
    )
    parser.add_argument("--seed", type=int, default=0, help="number of the first random pool")
    parser.add_argument(
        "--split", type=int, default=0, help="how the benchmarks are dealt into halves"
    )
    parser.add_argument("--day", type=int, default=0, help="which day's tasks")
    parser.add_argument("--told", choices=("half", "package", "truth"), default="half")
    parser.add_argument(
        "--by-scores",
        action="store_true",
        help="scores are the truth also of models that a person rated",
    )
    parser.add_argument(
        "--evicts",
        choices=("lru", "name"),
        default="lru",
        help="what the server unloads: the least recently used, or as Ollama 0.32 by file",
    )
    parser.add_argument("--thinking-tokens", type=int, default=0, metavar="N")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a key of routing.yaml, such as swap_margin=0.05",
    )
    parser.add_argument(
        "--quick", action="store_true", help="room for one, a GPU, the balanced profile"
    )
    parser.add_argument("--steps", action="store_true", help="every decision")
    return parser.parse_args()


def _pools(make: Makes, asked: argparse.Namespace) -> list[Pool]:
    found = [drawn(make, asked.seed + at) for at in range(asked.random)] or list(named(make))
    chosen = [pool for pool in found if not asked.pool or pool.name in asked.pool]
    if not chosen:
        print(
            f"there is no such pool; there are: {', '.join(pool.name for pool in found)}",
            file=sys.stderr,
        )
        raise SystemExit(2)
    return chosen


def worlds(pools: Sequence[Pool], make: Makes, asked: argparse.Namespace) -> Iterator[World]:
    """Simulates every requested pool, room, machine and profile."""
    tasks = day(asked.day)
    known = {"half": told.half, "truth": told.truth}.get(asked.told, lambda _: {})(make.known)
    quick = asked.quick
    routing = {
        key: json.loads(value) for key, _, value in (each.partition("=") for each in asked.set)
    }
    for pool in pools:
        for room in (asked.room,) if asked.room else (1,) if quick else ROOMS:
            for machine in (asked.machine,) if asked.machine else ("gpu",) if quick else MACHINES:
                for profile in (
                    (asked.profile,) if asked.profile else ("balanced",) if quick else PROFILES
                ):
                    yield World(
                        pool,
                        room,
                        machine,
                        profile,
                        tasks,
                        asked.thinking_tokens,
                        known,
                        asked.evicts == "name",
                        routing=routing,
                    )


# ---------------------------------------------------------------- the report


def measured(
    days: Sequence[Day], pools: Sequence[Pool], make: Makes, asked: argparse.Namespace
) -> dict[str, Any]:
    """All figures."""
    found = [_figures(each, checks(each)) for each in days]
    cells, without = unscored(
        make.known, {model.canonical for pool in pools for model in pool.models}
    )
    return {
        "date": date.today().isoformat(),
        "machine": (
            f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
        ),
        "n": len(days),
        "told": asked.told,
        "split": asked.split,
        "day": asked.day,
        "thinking_tokens": asked.thinking_tokens,
        "evicts": asked.evicts,
        "cells": cells,
        "cells_without_a_score": without,
        "missed": sum(not check["reached"] for each in found for check in each["checks"]),
        "days": found,
    }


def _figures(each: Day, found: Sequence[Check]) -> dict[str, Any]:
    world = each.world
    behind = {
        "quality": round(each.oracle.quality - each.auto.quality, 4),
        "seconds": round(each.auto.seconds - each.oracle.seconds, 1),
    }
    return {
        "pool": world.pool.name,
        "room": world.room,
        "machine": world.machine,
        "profile": world.profile,
        "auto": asdict(each.auto),
        "kept": {name: asdict(totals) for name, totals in each.kept.items()},
        "best_kept": best_kept(each),
        "oracle": asdict(each.oracle),
        "behind_the_oracle": behind,
        "checks": [check.as_dict() for check in found],
    }


def rendered(days: Sequence[Day], report: dict[str, Any], asked: argparse.Namespace) -> str:
    """Prints the figures."""
    lines = [
        f"{'pool':24}{'room':>5}{'':>5} {'profile':10}{'auto':>18} "
        f" {'best model kept':44}{'oracle':>18}   missed"
    ]
    for each, figures in zip(days, report["days"], strict=True):
        lines.append(_line(each, figures))
        if asked.steps:
            lines += _steps(each)
    lines += ["", *_missed(report), ""]
    goals = [check for each in report["days"] for check in each["checks"]]
    names = dict.fromkeys(check["goal"] for check in goals)
    for name in names:
        of = [check["reached"] for check in goals if check["goal"] == name]
        lines.append(
            f"reached on {sum(of)} of {len(of)} days{'' if all(of) else ', MISSED'}: {name}"
        )
    lines.append(
        f"{report['n']} days of {len(days[0].steps)} tasks, {report['machine']}, {report['date']},"
        f" {report['seconds']} s of CPU; told: {report['told']}; {report['cells_without_a_score']}"
        f" of {report['cells']} cells of true quality without a score of their own"
    )
    return "\n".join(lines)


def _line(each: Day, figures: dict[str, Any]) -> str:
    world, best = each.world, best_kept(each)
    kept = each.kept[best]
    missed = sum(not check["reached"] for check in figures["checks"])
    return (
        f"{world.pool.name:24}{world.room:>5}{world.machine:>5}"
        f" {world.profile:10}{_totals(each.auto):>18}  {best[-28:]:28}"
        f" {_totals(kept):>15}{_totals(each.oracle):>18}   {missed or ''}"
    )


def best_kept(each: Day) -> str:
    """The kept model with the best answers."""
    return max(each.kept, key=lambda name: (each.kept[name].quality, -each.kept[name].seconds))


def _totals(totals: Any) -> str:
    return f"{totals.quality:.3f} {totals.seconds:.0f} {totals.loads}"


def _missed(report: dict[str, Any]) -> Iterator[str]:
    for each in report["days"]:
        for check in each["checks"]:
            if not check["reached"]:
                where = (
                    f"{each['pool']}, room for {each['room']}, {each['machine']}, {each['profile']}"
                )
                by = (
                    f"{check['figure']:.3f} for {check['limit']:.3f}, missed by"
                    f" {check['missed_by']:.3f}"
                )
                yield f"MISSED {where}: {check['goal']}: {by}. {check['about']}"
                yield from (f"    {said}" for said in check["blamed"])


def _steps(each: Day) -> Iterator[str]:
    for number, step in enumerate(each.steps, 1):
        decision = step.decision
        shown = "; ".join(_candidate(c) for c in decision.candidates if not c.eliminated)
        loaded = "+".join(step.before) or "-"
        yield (
            f"  {number:2} {step.task.label:11} told {decision.task_type:11}"
            f" {decision.confidence:.2f} loaded {loaded} -> {decision.model_id} {step.quality:.3f}"
            f" {step.answer.seconds:.1f} s ({decision.reason}) | {shown}"
        )


def _candidate(candidate: Candidate) -> str:
    terms = " ".join(f"{name[0]}{value:.3f}" for name, value in candidate.terms.items())
    return (
        f"{candidate.model_id} {candidate.score:.3f} = {terms}, {candidate.expected_s:.1f}"
        f" s{_parts(candidate.seconds)}"
    )


def _parts(seconds: dict[str, float]) -> str:
    return (
        f" ({', '.join(f'{name} {value:.1f}' for name, value in seconds.items())})"
        if seconds
        else ""
    )


if __name__ == "__main__":
    main()
