"""Plays the sessions and prints what each turn read anew, as Markdown."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tests.bench.session.agent import AgentSession
from tests.bench.session.playing import Turn, ask_chore, ask_title, play, play_both
from tests.bench.session.servers import (
    LAYERS,
    Start,
    llama_alone,
    llama_without_ram,
    orch_before_llama,
    orch_before_slots,
    orch_embedded,
    write_model,
)

GOAL = 1.2
"""Tokens read in a turn, of those that it adds to the prompt."""
SERVERS: dict[str, tuple[Start, bool, bool]] = {
    "llama-server alone": (llama_alone, True, True),
    "llama-server alone, without the line": (llama_alone, True, False),
    "orch, llama-server": (orch_before_llama, True, True),
    "llama-server alone, slots only, without the line": (llama_without_ram, True, False),
    "orch, llama-server, slots only": (orch_before_slots, True, True),
    "orch, embedded engine": (orch_embedded, False, True),
}
"""By name: how it is started, whether its model takes tools, and whether the first line of the
system prompt is sent that differs with every request."""
RESENT = "llama-server alone"
"""Reads every prompt whole, which takes long: asked in the first scene only."""
Play = Callable[[str, AgentSession], list[list[Turn]]]


def _alone(url: str, session: AgentSession) -> list[list[Turn]]:
    return [play(url, session)]


def _with_chores_between(url: str, session: AgentSession) -> list[list[Turn]]:
    return [play(url, session, between=[ask_title(session), ask_chore])]


def _with_chores_beside(url: str, session: AgentSession) -> list[list[Turn]]:
    return [play(url, session, beside=[ask_chore])]


def _with_another(url: str, session: AgentSession) -> list[list[Turn]]:
    return play_both(url, [session, AgentSession("atlas", session.tools, session.line)])


SCENES: dict[str, tuple[int, Play]] = {
    "alone": (2, _alone),
    "chores between the turns": (2, _with_chores_between),
    "chores at the same moment": (2, _with_chores_beside),
    "a second session in turns": (2, _with_another),
    "one slot, alone": (1, _alone),
    "one slot, chores at the same moment": (1, _with_chores_beside),
}
"""By name: the slots of the server, and what it is asked."""


class Figures(NamedTuple):
    """What the turns after the first took: tokens added and read, ratios of the two, and the median
    of a turn's seconds."""

    prompt: int
    added: int
    read: int
    median: float
    worst: float
    seconds: float


def added_tokens(turns: Sequence[Turn]) -> list[int]:
    """The tokens that each turn adds to the prompt of the one before it."""
    return [later.prompt - earlier.prompt for earlier, later in pairwise(turns)]


def figures(turns: Sequence[Turn]) -> Figures:
    """Sums up a session. The first turn is not counted: all of it is new."""
    added, later = added_tokens(turns), turns[1:]
    ratios = [turn.read / new for turn, new in zip(later, added, strict=True)]
    return Figures(
        turns[-1].prompt,
        sum(added),
        sum(turn.read for turn in later),
        statistics.median(ratios),
        max(ratios),
        statistics.median(turn.seconds for turn in later),
    )


def rows(scene: str, played: Sequence[tuple[str, Sequence[Turn]]], base: float) -> Iterator[str]:
    """The rows of a scene; `base` are the seconds of a turn that counts as one."""
    for server, turns in played:
        each = figures(turns)
        yield (
            f"| {scene} | {server} | {each.prompt:,} | {each.added:,} | {each.read:,}"
            f" | {each.median:.2f} | {each.worst:.2f} | {each.seconds / base:.2f}x |"
        )


def turn_line(turns: Sequence[Turn]) -> str:
    """Tokens read of those added, turn by turn."""
    added = added_tokens(turns)
    return " ".join(f"{turn.read}/{new}" for turn, new in zip(turns[1:], added, strict=True))


def report(rounds: int) -> list[str]:
    """A table of all scenes and servers, and each turn of the sessions. One session each; `rounds`
    is not used: the counts are the same every time."""
    lines = [
        "| scene | server | prompt at the end | added | read | median | worst | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    details: list[str] = []
    base = 0.0
    with tempfile.TemporaryDirectory(prefix="orch-session-") as name:
        folder = Path(name)
        write_model(folder)
        for scene, (slots, run) in SCENES.items():
            played = list(_played(folder, slots, run, scene))
            base = base or figures(played[0][1]).seconds
            lines += rows(scene, played, base)
            details += (f"- {scene}, {server}: {turn_line(turns)}" for server, turns in played)
    return [*lines, "", f"{LAYERS} layers. Tokens read of those added, by turn:", "", *details]


def _played(folder: Path, slots: int, run: Play, scene: str) -> Iterator[tuple[str, list[Turn]]]:
    """Each server's sessions."""
    for server, (start, tools, line) in SERVERS.items():
        if server == RESENT and scene != next(iter(SCENES)):
            continue
        with start(folder, slots) as url:
            for turns in run(url, AgentSession("inventory", tools, line)):
                yield server, turns
