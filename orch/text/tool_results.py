"""Finds the call that each tool's result answers, and puts it behind that call (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from orch.types import Message

Call = dict[str, Any]


class _Result(NamedTuple):
    position: int
    message: Message
    run: _Run


class _Run:
    """Answers side by side, which become one: the calls without a result, the ids of the others,
    and the results by their position."""

    def __init__(self) -> None:
        self.open: list[Call] = []
        self.answered: set[Any] = set()
        self.results: dict[int, Message] = {}

    def take(self, position: int, message: Message, call: Call) -> None:
        """Makes a message the result of a call of this run, in the form that names that call."""
        del self.open[next(n for n, each in enumerate(self.open) if each is call)]
        self.answered.add(call.get("id"))
        self.results[position] = _naming(message, call)


def results_behind_calls(
    messages: Sequence[Message], as_user: Callable[[Message], Message]
) -> Iterator[Message]:
    """The messages with each result behind the answer that calls for it. A result of no call, or a
    second one, is put in its place as a user's text."""
    runs = _runs(messages)
    results = [
        _Result(position, message, runs[position])
        for position, message in enumerate(messages)
        if message["role"] == "tool"
    ]
    left = list(_without_foreign_ids(_without_id(_with_ids(results, runs))))
    foreign = {each.position for each in left}
    for position, message in enumerate(messages):
        if message["role"] != "tool":
            yield message
        elif position in foreign:
            yield as_user(message)
        if message["role"] == "assistant" and not _goes_on(messages, position):
            yield from (result for _, result in sorted(runs[position].results.items()))


def _goes_on(messages: Sequence[Message], position: int) -> bool:
    return position + 1 < len(messages) and messages[position + 1]["role"] == "assistant"


def _runs(messages: Sequence[Message]) -> list[_Run]:
    """The last run of answers up to each message."""
    runs: list[_Run] = []
    run, before = _Run(), ""
    for message in messages:
        if message["role"] == "assistant":
            run = run if before == "assistant" else _Run()
            run.open += message.get("tool_calls") or ()
        before = message["role"]
        runs.append(run)
    return runs


def _with_ids(results: Sequence[_Result], runs: Sequence[_Run]) -> Iterator[_Result]:
    """Matches the results that name the id of an open call before them; yields the others."""
    calls: dict[str, list[tuple[_Run, Call]]] = {}
    known: _Run | None = None
    start = 0
    for result in results:
        for run in runs[start : result.position]:
            if run is not known:
                for call in run.open:
                    calls.setdefault(str(call.get("id") or ""), []).append((run, call))
            known = run
        start = result.position
        same = calls.get(str(result.message.get("tool_call_id") or ""), [])
        if not result.message.get("tool_call_id") or not same:
            yield result
            continue
        latest = same[-1][0]
        place = next(n for n, (run, _) in enumerate(same) if run is latest)
        run, call = same.pop(place)
        run.take(result.position, result.message, call)


def _without_id(results: Iterator[_Result]) -> Iterator[_Result]:
    """Matches the results without an id by the tool's name, else by their order."""
    for result in list(results):
        if not result.message.get("tool_call_id") and result.run.open:
            call = _named(result.run.open, result.message)
            result.run.take(result.position, result.message, call)
        else:
            yield result


def _without_foreign_ids(results: Iterator[_Result]) -> Iterator[_Result]:
    """Matches results to calls without an id, and the only result to the only open call, whatever
    its id."""
    left: dict[int, list[_Result]] = {}
    for result in list(results):
        message, run = result.message, result.run
        unnamed = [call for call in run.open if not call.get("id")]
        if unnamed:
            run.take(result.position, message, _named(unnamed, message))
        elif message.get("tool_call_id") and message["tool_call_id"] not in run.answered:
            left.setdefault(id(run), []).append(result)
        else:
            yield result
    for each in left.values():
        run = each[0].run
        if len(each) == len(run.open) == 1:
            run.take(each[0].position, each[0].message, run.open[0])
        else:
            yield from each


def _named(calls: Sequence[Call], result: Message) -> Call:
    """The call of the tool that a result names, else the first one."""
    name = result.get("tool_name") or result.get("name")
    return next((call for call in calls if name and _tool(call) == name), calls[0])


def _tool(call: Call) -> str:
    return str((call.get("function") or {}).get("name") or "")


def _naming(result: Message, call: Call) -> Message:
    """The result with the id of its call, or where that has none with the tool's name."""
    if call.get("id"):
        return {**result, "tool_call_id": call["id"]}
    known = {key: value for key, value in result.items() if key != "tool_call_id"}
    return {"tool_name": _tool(call), **known} if _tool(call) and "name" not in known else known
