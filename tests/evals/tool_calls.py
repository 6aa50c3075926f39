"""Measures the checks of tool calls: `uv run python tests/evals/tool_calls.py [--data FOLDER]
[--json] [--wire N] [--random N]`.

The cases are forms of answers that public reports show, with words of our own: valid ones that look
odd (to be passed on as they are), broken ones whose repair is certain, and broken ones that the
model has to be asked for again. `--wire N` also sends N of them through a real `orch serve`, to
the clients of OpenAI, Anthropic and Ollama, streamed and whole. `--random N` draws N schemas and
values for each way of writing them wrongly: the very value has to come back, or a fault. Exit code
1 where a value reached a client that no model wrote.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from tests.evals.tool_call_cases.verdicts import (  # noqa: E402 - also as a script
    Case,
    Outcome,
    Settle,
    Tally,
    read,
    tally,
)

MOST_NAMED = 40
OWN = HERE / "tool_call_cases"
NAMES: dict[Outcome, str] = {
    "repaired": "repaired rightly",
    "ask_again": "asked again rightly",
    "as_is": "passed on untouched",
}


def main() -> int:
    """Prints a table for each case file, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", "--cases", type=Path, default=OWN, metavar="FOLDER")
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    parser.add_argument("--wire", type=int, default=0, metavar="N", help="cases to send for real")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="values for each way")
    asked = parser.parse_args()
    files = [asked.data] if asked.data.is_file() else sorted(asked.data.glob("*.jsonl"))
    cases = {file.stem: read(file) for file in files}
    report = {name: summary(rows, product()) for name, rows in cases.items()}
    if asked.random:
        from tests.execution.tool_calls.measured.rendering import random_cases

        report["random"] = summary(random_cases(asked.random), product())
    if asked.wire:
        from tests.evals.tool_call_cases.clients import through_all_clients

        every = [case for rows in cases.values() for case in rows]
        report["wire"] = through_all_clients(sample(every, asked.wire))
    print(json.dumps(report, indent=2) if asked.json else table(report))
    return int(any(part["wrongly_touched"] for part in report.values()))


def product() -> Settle:
    """What orch does with an answer."""
    from orch.execution.tool_calls import settle

    return settle


def summary(cases: Iterable[Case], settle: Settle) -> dict[str, Any]:
    """Counts overall, by expected outcome and by kind, and the cases that were not right."""
    tallies = tally(cases, settle)
    parts: dict[str, Any] = {"n": sum(each.n for each in tallies.values())}
    for outcome, name in NAMES.items():
        of = [each for (expected, _), each in tallies.items() if expected == outcome]
        parts[name] = [sum(each.right for each in of), sum(each.n for each in of)]
    parts["wrongly_touched"] = [id_ for each in tallies.values() for id_ in each.wrong]
    parts["missed"] = [id_ for each in tallies.values() for id_ in each.missed]
    parts["kinds"] = {f"{outcome} {kind}": _row(each) for (outcome, kind), each in tallies.items()}
    return parts


def _row(each: Tally) -> list[int]:
    return [each.right, len(each.missed), len(each.wrong), each.n]


def sample(cases: list[Case], n: int) -> list[Case]:
    """Every so many-th case."""
    step = max(1, len(cases) // n)
    return cases[::step][:n]


def table(report: dict[str, Any]) -> str:
    """The counts as text."""
    lines = []
    for name, parts in report.items():
        lines.append(f"{name}: {parts['n']}")
        for part, value in parts.items():
            if part in NAMES.values():
                lines.append(f"  {part}: {value[0]} of {value[1]}")
        lines.append(f"  wrongly touched: {len(parts['wrongly_touched'])}")
        lines += [f"    {each}" for each in parts["wrongly_touched"]]
        lines.append(f"  missed: {len(parts['missed'])}")
        lines += [f"    {each}" for each in parts["missed"][:MOST_NAMED]]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
