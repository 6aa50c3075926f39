"""The results of one run of `python -m tests.clients`: kept in a file after each client, so that a
run that was stopped goes on, and shown as a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

KEPT = Path(__file__).parent / "run.json"
"""The run that docs/clients shows."""
NOT_RUN = "not run"


@dataclass
class Row:
    """One client: its version, or why it is not installed, and the result of each check."""

    title: str
    version: str
    results: dict[str, str]
    seconds: float = 0


@dataclass
class Results:
    """One run: what it was run with, and the rows so far by the client's name."""

    orch: str
    machine: str
    node: str
    date: str
    resumed: int = 0
    clients: dict[str, Row] = field(default_factory=dict)

    @property
    def head(self) -> str:
        """What it was run with, on one line."""
        return f"orch {self.orch} · {self.machine} · Node {self.node} · {self.date}"

    def store(self, path: Path) -> None:
        """Writes the file anew."""
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        unfinished.write_text(json.dumps(asdict(self), indent=1) + "\n", "utf-8")
        unfinished.replace(path)

    def resume(self, path: Path) -> None:
        """Takes over the rows of a stopped run of the same orch on the same machine, if the file
        has one, and its date."""
        before = read(path) if path.exists() else self
        if before is not self and (before.orch, before.machine) == (self.orch, self.machine):
            self.clients, self.date = before.clients, before.date
            self.resumed = before.resumed + 1


def read(path: Path) -> Results:
    """The run in a file."""
    stored = json.loads(path.read_text("utf-8"))
    rows = {name: Row(**row) for name, row in stored.pop("clients").items()}
    return Results(**stored, clients=rows)


def completed(
    results: Results,
    names: Iterable[str],
    run: Callable[[str], Row],
    keep: Callable[[Results], object],
) -> Iterator[Row]:
    """The rows of these clients: those that are there, and the others as they are run; `keep` is
    called after each of them."""
    for name in names:
        if name not in results.clients:
            results.clients[name] = run(name)
            keep(results)
        yield results.clients[name]


def head_lines(checks: Iterable[str]) -> list[str]:
    """The first two lines of the table."""
    heads = ["client", "version", *checks]
    return [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]


def line(row: Row, checks: Iterable[str]) -> str:
    """A client's line of the table."""
    cells = [row.title, row.version, *(row.results.get(check, NOT_RUN) for check in checks)]
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
