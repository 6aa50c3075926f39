"""Runs Claude Code, Codex and OpenCode in a session of four questions and 20 calls, against a
llama-server alone and against orch, and prints as Markdown what each step read anew.

The answers are scripted; each prompt is read by a real llama-server, whose counts are shown.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from orch import __version__
from tests.bench.__main__ import machine
from tests.clients.installation import install_npm
from tests.clients.session import fronts
from tests.clients.session.figures import HEAD, Session, row, step_line
from tests.clients.session.fronts import Front
from tests.clients.session.scripts import CLAUDE, CODEX, OPENCODE, QUESTIONS, Calls

QUESTION_S = 600


class Agent(NamedTuple):
    """An agent: its package, the words before the first question and before the others, and the
    calls by its own tools."""

    package: str
    first: tuple[str, ...]
    again: tuple[str, ...]
    calls: Calls


_CLAUDE = ("--permission-mode", "acceptEdits", "--allowedTools", "Bash,Read,Edit,Write", "-p")
AGENTS = {
    "claude": Agent("@anthropic-ai/claude-code", _CLAUDE, ("--continue", *_CLAUDE), CLAUDE),
    "codex": Agent(
        "@openai/codex",
        ("exec", "--sandbox", "workspace-write"),
        ("exec", "--sandbox", "workspace-write", "resume", "--last"),
        CODEX,
    ),
    "opencode": Agent("opencode-ai", ("run",), ("run", "--continue"), OPENCODE),
}
Open = Callable[[str, Calls], AbstractContextManager[Front]]
AGAINST: dict[str, Open] = {
    "llama-server": lambda name, calls: fronts.bare(name, calls, chores=False),
    "llama-server, with the line": lambda name, calls: fronts.bare(
        name, calls, chores=False, keeps_line=True
    ),
    "llama-server, with chores": lambda name, calls: fronts.bare(name, calls, chores=True),
    "orch": lambda name, calls: fronts.orch(name, calls, chores=False),
    "orch, with chores": lambda name, calls: fronts.orch(name, calls, chores=True),
}
"""By name; chores are those of Open WebUI, one after each call."""


def run(name: str, opened: Open, keep: Path | None) -> Session:
    """Runs a session of that agent."""
    agent = AGENTS[name]
    installed = install_npm(agent.package)
    with opened(name, agent.calls) as front:
        front.scene.path = installed.path
        began = time.perf_counter()
        faults = list(_questions(agent, front))
        seconds = time.perf_counter() - began
        for shadow in front.shadows:
            shadow.settle()
        session = _session(front, seconds, faults)
        if keep is not None:
            _write(front, keep)
        return session


def _questions(agent: Agent, front: Front) -> Iterator[str]:
    """Asks all questions; yields what went wrong."""
    for number, question in enumerate(QUESTIONS):
        words = agent.again if number else agent.first
        ended = front.scene.run([*front.launch, *words, question], timeout_s=QUESTION_S)
        if ended.code or not ended.in_time:
            yield f"question {number + 1}: exit {ended.code}, {ended.last_words}"


def _session(front: Front, seconds: float, faults: list[str]) -> Session:
    asked = [(shadow.name, each) for shadow in front.shadows for each in shadow.asked]
    asked.sort(key=lambda pair: pair[1].at)
    steps = [pair for pair in asked if pair[1].is_step]
    chores = [pair for pair in asked if not pair[1].is_step]
    return Session(steps, chores, seconds, faults)


def _write(front: Front, folder: Path) -> None:
    """Writes what each server was sent, for a closer look."""
    for shadow in front.shadows:
        for number, asked in enumerate(shadow.asked):
            kept = {"path": asked.path, "at": asked.at, "read": asked.read, "body": asked.body}
            path = folder / f"{shadow.name}-{number:03}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(kept, indent=1))
    for name in ("stdout", "stderr", "orch.log"):
        if (front.scene.folder / name).exists():
            (folder / name).write_bytes((front.scene.folder / name).read_bytes())


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m tests.clients.session", description=__doc__)
    parser.add_argument("which", nargs="*", help=f"Of {', '.join(AGENTS)}. Default: all.")
    parser.add_argument("--against", action="append", choices=AGAINST, default=[])
    parser.add_argument("--keep", type=Path, help="A folder for all that the servers were sent.")
    args = parser.parse_args()
    print(f"orch {__version__} · {machine()} · {datetime.now(UTC).date()}\n\n{HEAD}", flush=True)
    lines = []
    for name in args.which or AGENTS:
        for against in args.against or AGAINST:
            if "the line" in against and name != "claude":
                continue
            keep = args.keep / name / against.replace(", ", "-") if args.keep else None
            session = run(name, AGAINST[against], keep)
            print(row(name, against, session), flush=True)
            lines.append(f"- {name}, {against}: {step_line(session)}")
    print("\nTokens read of those added, by step:\n\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
