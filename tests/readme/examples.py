"""Runs the README's examples, the commands of its `console` blocks, and returns what they show.

The answers are the embedded model's, on a machine without a model server. `orch route` decides
among the four models of the shipped models.yaml, which a scripted Ollama has.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from orch.config.discovery import packaged_file
from tests.readme.markup import fences
from tests.support.fake_ollama import FakeModel, FakeOllama

SHIPPED = (
    "llama3.1:8b-instruct-q4_K_M",
    "qwen2.5:14b-instruct-q4_K_M",
    "qwen2.5-coder:7b-instruct-q4_K_M",
    "ministral-3:8b",
)
WIDTH = 150
FOLD = 150
"""Answers are folded at this column, as a terminal would; tables are not."""
PORT = "11435"


def written(text: str) -> str:
    """A README whose `console` blocks hold what their commands print now."""
    with home(text) as env:
        for block in blocks(text):
            shown = "\n".join(
                f"$ {command}\n{output(command, env)}".rstrip("\n") for command in commands(block)
            )
            text = text.replace(f"```console\n{block}```", f"```console\n{shown}\n```")
    return text


def blocks(text: str) -> list[str]:
    """The `console` blocks of a README."""
    return [fence.text for fence in fences(text) if fence.language == "console"]


def commands(block: str) -> dict[str, str]:
    """The commands of a block, each with what stands below it."""
    parts = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


@contextmanager
def home(text: str) -> Iterator[dict[str, str]]:
    """The environment of a machine where orch was never used and no model server runs.

    The README's script is in `ask.py` in its working directory, `PWD`.
    """
    scripts = [fence.text for fence in fences(text) if fence.language == "python"]
    with tempfile.TemporaryDirectory(prefix="orch-") as folder:
        (Path(folder) / "ask.py").write_text(scripts[0], encoding="utf-8")
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ORCH_", "PYTEST_"))
        }
        yield {
            **kept,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PWD": folder,
            "ORCH_HOME": f"{folder}/home",
            "OLLAMA_HOST": "127.0.0.1:1",
            "PORT": _free_port(),
            "COLUMNS": str(WIDTH),
            "TERM": "dumb",
            "NO_COLOR": "1",
        }


def output(command: str, env: Mapping[str, str]) -> str:
    """What a terminal shows of a command. Raises RuntimeError where it fails."""
    if not command.startswith("orch route"):
        return _shown(command, env)
    with FakeOllama([FakeModel(name) for name in SHIPPED]) as server:
        # a home of its own: what was measured of the embedded model would move the others' seconds
        return _shown(
            command, {**env, "OLLAMA_HOST": server.url, "ORCH_HOME": f"{env['PWD']}/routing"}
        )


def _shown(command: str, env: Mapping[str, str]) -> str:
    # another server may hold the usual port
    served = command.replace("serve --detach", f"serve --detach --port {env['PORT']}").replace(
        PORT, env["PORT"]
    )
    parent, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, WIDTH, 0, 0))
    process = subprocess.Popen(
        ["bash", "-c", served],
        env=env,
        cwd=env["PWD"],
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    raw = b"".join(_read(parent))
    os.close(parent)
    text = raw.decode().replace("\r\n", "\n").replace(env["PORT"], PORT)
    if process.wait():
        raise RuntimeError(f"{command} ended with {process.returncode}:\n{text}")
    return _folded(text) if command.startswith(("orch run", "python")) else text


def _read(descriptor: int) -> Iterator[bytes]:
    # Linux ends a terminal that nobody writes to any more with an error
    with suppress(OSError):
        while data := os.read(descriptor, 65_536):
            yield data


def _folded(text: str) -> str:
    return "\n".join("\n".join(textwrap.wrap(line, FOLD)) for line in text.splitlines())


def _free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def shorten_answers(env: Mapping[str, str], tokens: int) -> None:
    """Bounds what the embedded model answers, for a test that has no use for its words.

    `n_predict` also bounds answers that are asked for with a number of tokens: llama.cpp prefers
    it to `max_tokens`, and the bench asks for 128.
    """
    folder = Path(env["ORCH_HOME"])
    folder.mkdir(mode=0o700)
    shipped = packaged_file("models").read_text(encoding="utf-8")
    short, count = re.subn(r"(repeat_penalty: [\d.]+)}", rf"\1, n_predict: {tokens}}}", shipped)
    assert count == 1, "models.yaml: the options of the embedded model have another form"
    (folder / "models.yaml").write_text(short, encoding="utf-8")


@contextmanager
def one_core() -> Iterator[None]:
    """Keeps this thread, and the processes that it starts, on one core: llama.cpp's threads spin
    while they wait for each other, for minutes where other programs want the cores (with two
    threads at a load of 17 the README's examples took 515 s, with one 84 s)."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def stable(command: str, text: str) -> list[str]:
    """The words of an output without what differs from run to run: figures, dates, ids, answers."""
    # whether the index has caught up in time is a matter of the machine
    lines = [line for line in text.splitlines() if "not indexed yet" not in line]
    text = "\n".join(lines)
    if command.startswith("orch run"):
        # how long an answer is belongs to the answer, and the test shortens it
        notes = (line for line in lines if not line.startswith("! the answer was cut at"))
        text = "\n".join(line for line in notes if line.startswith(("!", "→")))
    elif command.startswith("python"):
        text = "\n".join(lines[:2])
    without_answers = re.sub(r'"content": ?"(?:[^"\\]|\\.)*"', '"content": ""', text)
    without_figures = re.sub(r"\b(?=\w*\d)[0-9a-z]{12,}\b|\d[\d,.:-]*", "0", without_answers)
    return [word for word in without_figures.split() if not re.fullmatch(r"[-0]+", word)]
