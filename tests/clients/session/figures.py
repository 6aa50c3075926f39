"""What a session's steps took, and what went wrong in it (pure)."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from tests.bench.session.playing import Turn
from tests.bench.session.report import added_tokens
from tests.clients.session.scripts import QUESTIONS, STEPS
from tests.clients.session.shadow import Asked


class Session(NamedTuple):
    """A session that was run: the steps and the chores in the order in which they were asked, each
    with the name of its model, the seconds that it took, and the programs' faults."""

    steps: Sequence[tuple[str, Asked]]
    chores: Sequence[tuple[str, Asked]]
    seconds: float
    faults: Sequence[str]


HEAD = (
    "| client | against | steps | prompt at the end | added | read | median | worst | s/step"
    " | models | chores | faults |\n|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def row(client: str, against: str, session: Session) -> str:
    """The session's line of the table."""
    turns = [Turn(*asked.read, 0.0) for _, asked in session.steps]
    later = [each for each in zip(added_tokens(turns), turns[1:], strict=True) if each[0] > 0]
    ratios = [turn.read / new for new, turn in later] or [0.0]
    cells = (
        client,
        against,
        str(len(turns)),
        f"{turns[-1].prompt if turns else 0:,}",
        f"{sum(new for new, _ in later):,}",
        f"{sum(turn.read for _, turn in later):,}",
        f"{statistics.median(ratios):.2f}",
        f"{max(ratios):.2f}",
        f"{session.seconds / max(len(turns), 1):.1f}",
        str(len({model for model, _ in session.steps})),
        str(len(session.chores)),
        "; ".join((*session.faults, *faults_of(session))) or "none",
    )
    return f"| {' | '.join(cells)} |"


def faults_of(session: Session) -> Iterator[str]:
    """What a whole session does not have: refused prompts, another model in its middle, a prompt
    that is shorter than the one before, a call asked for twice, too few steps."""
    for model, asked in (*session.steps, *session.chores):
        if asked.fault:
            yield f"{model} refused step {asked.results}: {asked.fault[:120]}"
    for (before, earlier), (after, later) in pairwise(session.steps):
        if before != after:
            yield f"step {later.results} went from {before} to {after}"
        if later.read.prompt < earlier.read.prompt:
            yield f"step {later.results} has a shorter prompt than the step before"
    asked_for = [asked.results for _, asked in session.steps if asked.reply and asked.reply.tool]
    if doubled := sorted({each for each in asked_for if asked_for.count(each) > 1}):
        yield f"asked twice: {doubled}"
    expected = len(QUESTIONS) * (STEPS + 1)
    if len(session.steps) != expected:
        yield f"{len(session.steps)} steps, not {expected}"


def step_line(session: Session) -> str:
    """Tokens read of those added, step by step; of the first, all."""
    turns = [Turn(*asked.read, 0.0) for _, asked in session.steps]
    added = [turns[0].prompt if turns else 0, *added_tokens(turns)]
    return " ".join(f"{turn.read}/{new}" for turn, new in zip(turns, added, strict=False))
