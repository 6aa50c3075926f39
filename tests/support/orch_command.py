"""Runs the orch command to its end, in the home of the test."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support import forked


def orch(*words: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Runs orch; without `stdin` it is /dev/null."""
    return forked.run(*words, stdin=stdin)


def without(folder: Path, *names: str) -> dict[str, str]:
    """An environment in which those libraries are not installed."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(
        f"import sys\nsys.modules.update(dict.fromkeys({names!r}))\n", encoding="utf-8"
    )
    return {"PYTHONPATH": str(folder)}
