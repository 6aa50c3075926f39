"""The picture of the READMEs: a real run and a real decision, as a terminal shows them, drawn by
rich."""

from __future__ import annotations

import asyncio
import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from orch.cli import run_display
from orch.execution import serialize
from orch.orchestrator import Orchestrator, build_task
from tests.support.fake_ollama import FakeModel, FakeOllama

FILE = Path(__file__).parents[2] / "docs" / "images" / "run.svg"
QUESTION, DECISION = "What is a mutex?", "Debug this Python function"
WIDTH = 130


def write() -> None:
    """Asks the embedded model, decides among the four shipped models, and writes the picture."""
    console = Console(
        record=True,
        file=io.StringIO(),
        width=WIDTH,
        force_terminal=False,
        color_system="truecolor",
        highlight=False,
    )
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(ORCH_HOME=home, OLLAMA_HOST="127.0.0.1:1")
        _prompt(console, f'orch run "{QUESTION}"')
        asyncio.run(_run(console))
        _prompt(console, f'orch route "{DECISION}"')
        _decide(console)
    # rich names a font on the web: a picture must fetch nothing
    FILE.write_text(
        re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="orch"), flags=re.DOTALL),
        encoding="utf-8",
    )


def _prompt(console: Console, command: str) -> None:
    console.print(Text(f"$ {command}", style="bold"))


async def _run(console: Console) -> None:
    screen = run_display.TerminalDisplay(thinking=False, quiet=False, out=console, notes=console)
    async with Orchestrator() as orchestrator:
        task = build_task(QUESTION, options={"temperature": 0})
        async for event in orchestrator.start_run(task, "continue").events():
            screen.show(serialize.event_to_json(event))
    screen.close()
    console.print()


def _decide(console: Console) -> None:
    names = (
        "llama3.1:8b-instruct-q4_K_M",
        "qwen2.5:14b-instruct-q4_K_M",
        "qwen2.5-coder:7b-instruct-q4_K_M",
        "ministral-3:8b",
    )
    with FakeOllama([FakeModel(name) for name in names]) as server:
        env = {**os.environ, "OLLAMA_HOST": server.url, "FORCE_COLOR": "1", "COLUMNS": str(WIDTH)}
        orch = str(Path(sys.executable).with_name("orch"))
        done = subprocess.run(
            [orch, "route", DECISION],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        )
    console.print(Text.from_ansi(done.stdout.decode().rstrip()))
