"""Judges what orch makes of an answer with tool calls, against what the case expects.

A line of a case file: `{id, kind, source, tools, answer: {content, tool_calls}, expect: {outcome,
calls, text?}}`. `source` is the public report that shows the kind (repository and number), not the
origin of the words, which are ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn, Protocol

Json = dict[str, Any]
Outcome = Literal["as_is", "repaired", "ask_again"]
Verdict = Literal["right", "missed", "wrong"]
"""`wrong`: a valid answer was changed or refused, or a value reached the client that is not the
expected one. `missed`: a broken answer was asked for again where a repair was certain, or was
passed on broken."""


@dataclass(frozen=True, slots=True)
class Case:
    """An answer of a model, the tools that were offered, and what is expected."""

    id: str
    kind: str
    source: str
    tools: list[Json]
    text: str
    calls: list[Json]
    """In OpenAI's form; `arguments` is a string or an object."""
    outcome: Outcome
    expected: list[tuple[str, Json]]
    """Name and arguments of the calls that must reach the client."""
    rest: str | None = None
    """The text that is left beside calls that were written as text."""


class Settlement(Protocol):
    """What the product says of an answer."""

    @property
    def text(self) -> str:
        """The text that is left."""

    @property
    def calls(self) -> Any:
        """The calls in the form they were given in."""

    @property
    def repairs(self) -> Any:
        """A word for each repair."""

    @property
    def fault(self) -> str:
        """Why the model has to be asked again; empty if it need not be."""


Settle = Callable[[str, list[Json], list[Json]], Settlement]


@dataclass(slots=True)
class Tally:
    """Verdicts of a kind, and the cases that were not judged right."""

    n: int = 0
    right: int = 0
    missed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, case: Case, verdict: Verdict) -> None:
        self.n += 1
        if verdict == "right":
            self.right += 1
        else:
            (self.missed if verdict == "missed" else self.wrong).append(case.id)


def read(path: Path) -> list[Case]:
    """The cases of a file, one JSON object per line."""
    with path.open(encoding="utf-8") as lines:
        return [parse(json.loads(line)) for line in lines]


def parse(row: Json) -> Case:
    """One line of a case file."""
    answer, expect = row["answer"], row["expect"]
    calls = [
        {"id": f"call_{index}", "type": "function", "function": dict(call["function"])}
        for index, call in enumerate(answer["tool_calls"])
    ]
    expected = [(call["name"], call["arguments"]) for call in expect["calls"]]
    return Case(
        id=row["id"],
        kind=row["kind"],
        source=row["source"],
        tools=row["tools"],
        text=answer["content"] or "",
        calls=calls,
        outcome=expect["outcome"],
        expected=expected,
        rest=expect.get("text"),
    )


def judge(case: Case, settled: Settlement) -> Verdict:
    """What a settlement of that case is worth."""
    if settled.fault:
        return {"ask_again": "right", "repaired": "missed", "as_is": "wrong"}[case.outcome]  # type: ignore[return-value]  # a table of the three verdicts
    given, got = read_calls(case.calls), read_calls(settled.calls)
    unchanged = is_same(got, given) and settled.text == case.text
    if case.outcome == "as_is":
        return "right" if unchanged and not settled.repairs else "wrong"
    if case.outcome == "ask_again":
        return "missed" if unchanged else "wrong"
    rest = case.text if case.rest is None else case.rest
    if is_same(got, case.expected) and settled.text.strip() == rest:
        return "right"
    return "missed" if unchanged else "wrong"


def tally(cases: Iterable[Case], settle: Settle) -> dict[tuple[Outcome, str], Tally]:
    """The verdicts by expected outcome and kind."""
    tallies: dict[tuple[Outcome, str], Tally] = {}
    for case in cases:
        calls = json.loads(json.dumps(case.calls))
        verdict = judge(case, settle(case.text, calls, case.tools))
        tallies.setdefault((case.outcome, case.kind), Tally()).add(case, verdict)
    return tallies


def is_same(a: Any, b: Any) -> bool:
    """Whether two JSON values are the same: 3 is 3.0, but not true, and no text."""
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(is_same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(is_same(a[key], b[key]) for key in a)
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a == b
    return type(a) is type(b) and bool(a == b)


def read_calls(calls: Iterable[Json]) -> list[tuple[str, Any]]:
    """Names and arguments; arguments that are no JSON stay text."""
    functions = [call["function"] for call in calls]
    return [(each["name"], read_arguments(each["arguments"])) for each in functions]


def read_arguments(arguments: Any) -> Any:
    """Arguments that were sent as text, read; text that is no JSON stays text."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments, parse_constant=_refuse)
    except ValueError:
        return arguments


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
