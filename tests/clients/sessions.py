"""Prints which conversations of real clients are told apart, and which are held together, with
their own ids and without: `uv run python -m tests.clients.sessions [CLIENT…]`.

The conversations are those of `conversations/recorded`; each client's run at the same time.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.clients.conversations.replay import (
    NAMES,
    Request,
    Verdict,
    interleaved,
    read,
    replay,
    verdict,
    without_ids,
)
from tests.support.fake_ollama import FakeModel, FakeOllama


def judged(requests: Sequence[Request]) -> Verdict:
    """The verdict on conversations that run at the same time."""
    from tests.support.http_server import served

    model = FakeModel("agent:8b", capabilities=["completion", "tools"], context_length=131_072)
    with tempfile.TemporaryDirectory() as folder, FakeOllama([model]) as ollama:
        os.environ |= {"ORCH_HOME": folder, "OLLAMA_HOST": ollama.url}
        (Path(folder) / "routing.yaml").write_text("version: 1\nmemory_budget_gb: 100\n")
        with served() as url:
            return verdict(replay(url, model, interleaved(requests)))


def main() -> None:
    """Entry point."""
    print("| client | requests | conversations | joined | cut | without ids: joined | cut |")
    print("|---|---|---|---|---|---|---|")
    rows = []
    for name in sys.argv[1:] or NAMES:
        requests = read(name)
        own, bare = judged(requests), judged(without_ids(requests))
        rows.append((*own, *bare[2:]))
        print(f"| {name} | {' | '.join(map(str, rows[-1]))} |", flush=True)
    print(f"| all | {' | '.join(str(sum(column)) for column in zip(*rows, strict=True))} |")


if __name__ == "__main__":
    main()
