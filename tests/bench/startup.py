"""CPU seconds (user and system) of whole processes, as ratios to `python -c pass` in the same
interleaved rounds."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.fake_ollama import FakeModel, FakeOllama

CHUNKS = 50
MODEL = "qwen2.5-coder:7b-instruct-q4_K_M"
BY_SERVER = f"orch run by a server, {CHUNKS} chunks"
GOALS = {
    "import orch": 3.0,
    "orch --version": 8.0,
    "orch --help": 8.0,
    f"orch run, {CHUNKS} chunks": 22.0,
    BY_SERVER: 8.0,
}


def report(rounds: int) -> list[str]:
    """A Markdown table of medians and goals."""
    with (
        tempfile.TemporaryDirectory() as home,
        FakeOllama([FakeModel(MODEL, reply=["word "] * CHUNKS)]) as server,
    ):
        env = {**os.environ, "ORCH_HOME": home, "OLLAMA_HOST": server.url}
        env.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's machine keeps bytecode
        env.pop("ORCH_CONFIG", None)
        served = {**env, "ORCH_HOME": f"{home}/served"}
        _orch("serve", "--detach", "--port", "0", env=served, cwd=home)
        try:
            seconds = _interleaved(_commands(served["ORCH_HOME"]), rounds, env, Path(home))
        finally:
            _orch("serve", "stop", env=served, cwd=home)
    base = statistics.median(seconds.pop("python -c pass"))
    lines = ["| process | CPU / `python -c pass` | quartiles | goal |", "|---|---|---|---|"]
    for name, spent in seconds.items():
        low, middle, high = statistics.quantiles([value / base for value in spent], n=4)
        goal = f"{GOALS[name]:g}x" if name in GOALS else "-"
        lines.append(f"| `{name}` | {middle:.1f}x | {low:.1f}-{high:.1f} | {goal} |")
    return [*lines, "", f"`python -c pass`: {base * 1000:.1f} ms of CPU."]


def _orch(*words: str, env: dict[str, str], cwd: str) -> None:
    subprocess.run(
        [Path(sys.executable).with_name("orch"), *words],
        env=env,
        cwd=cwd,
        stdout=subprocess.DEVNULL,
        check=True,
    )


def _commands(served: str) -> dict[str, list[str]]:
    """The commands; the one that uses a server runs in that server's home."""
    python, orch = sys.executable, str(Path(sys.executable).with_name("orch"))
    task = "fix this code"
    return {
        "python -c pass": [python, "-c", "pass"],
        "import orch": [python, "-c", "import orch"],
        "orch --version": [orch, "--version"],
        "orch --help": [orch, "--help"],
        f"orch run, {CHUNKS} chunks": [orch, "run", "--fresh", task],
        BY_SERVER: ["env", f"ORCH_HOME={served}", orch, "run", "--fresh", task],
        "orch route": [orch, "route", task],
        "orch models": [orch, "models"],
    }


def _interleaved(
    commands: dict[str, list[str]], rounds: int, env: dict[str, str], cwd: Path
) -> dict[str, list[float]]:
    """CPU seconds by command. Each round runs every command once, so that drift affects all alike;
    one round warms the caches."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, words in commands.items():
            spent = _cpu_seconds(words, env, cwd)
            if number:
                seconds[name].append(spent)
    return seconds


def _cpu_seconds(words: list[str], env: dict[str, str], cwd: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        words,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
