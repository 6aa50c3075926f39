"""One client's surroundings: a scripted Ollama, a real `orch serve` in front of it that records
what it is sent, and a home and a working folder of their own."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.clients.recording import FOLDER_VARIABLE
from tests.support.fake_ollama import FakeModel, FakeOllama

ROOT = Path(__file__).parents[2]
ORCH = [sys.executable, "-c", "from orch.cli.main import main; main()"]
CONTEXT = 131_072
"""What the model holds, in tokens: enough for the longest instructions of an agent."""
ANSWER = ("A mutex is a lock", " that one thread holds at a time.")
STOP_S = 10
NOWHERE = "http://127.0.0.1:9"
"""A proxy that nobody is behind: a request beyond loopback fails at once."""


class Numbered(list[str]):
    """The chunks of an answer, with a number behind them, so that none repeats another: orch
    takes away what repeats the beginning that a client gave."""

    given = 0

    def __iter__(self) -> Iterator[str]:
        self.given += 1
        return iter([*ANSWER, f" ({self.given})"])


@dataclass
class Ended:
    """A program that ended, or was ended after its time."""

    code: int
    output: str
    errors: str
    in_time: bool = True

    @property
    def last_words(self) -> str:
        """The last line that it said, for a table."""
        lines = [line.strip() for line in (self.errors + "\n" + self.output).splitlines()]
        said = [line for line in lines if line] or ["no word"]
        return said[-1][:120]


class Post(NamedTuple):
    """One POST as the server received it; the names of its headers are in lower case."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Scene:
    """What a client is run in."""

    ollama: FakeOllama
    model: FakeModel
    folder: Path
    url: str
    path: Sequence[Path] = ()
    deadline: float = math.inf
    """The time of the monotonic clock at which its programs are ended."""
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def work(self) -> Path:
        """The working folder, a Git repository."""
        return self.folder / "work"

    @property
    def home(self) -> Path:
        """HOME."""
        return self.folder / "home"

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a client: nothing of whoever runs the tests, and no way but loopback."""
        folders = [*map(str, self.path), str(Path(sys.executable).parent), "/usr/bin", "/bin"]
        proxies = {name: NOWHERE for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")}
        own = {
            "PATH": os.pathsep.join(folders),
            "HOME": str(self.home),
            "ORCH_HOME": str(self.folder / "orch"),
            "OLLAMA_HOST": self.ollama.url,
            "TERM": "dumb",
            "LANG": "C.UTF-8",
            "NO_PROXY": "127.0.0.1,localhost",
            **proxies,
        }
        lower = {name.lower(): value for name, value in proxies.items()}
        return {**own, **lower, "no_proxy": own["NO_PROXY"], **self.variables}

    def start(self, words: Sequence[str], stdin: str = "") -> subprocess.Popen[str]:
        """Starts a program as the leader of a session of its own."""
        paths = {name: self.folder / name for name in ("stdin", "stdout", "stderr")}
        paths["stdin"].write_text(stdin)
        with contextlib.ExitStack() as opened:
            streams: dict[str, Any] = {
                name: opened.enter_context(path.open("r" if name == "stdin" else "w"))
                for name, path in paths.items()
            }
            return subprocess.Popen(
                words,
                cwd=self.work,
                env=self.environment,
                text=True,
                start_new_session=True,
                preexec_fn=_take_interrupts,
                **streams,
            )

    def wait(self, process: subprocess.Popen[str], timeout_s: float) -> Ended:
        """Waits for its end, and ends it with all that it started."""
        in_time = True
        try:
            process.wait(max(0, min(timeout_s, self.deadline - time.monotonic())))
        except subprocess.TimeoutExpired:
            in_time = False
        end_session(process)
        output, errors = (
            (self.folder / name).read_text("utf-8", "replace") for name in ("stdout", "stderr")
        )
        return Ended(process.returncode, output, errors, in_time)

    def run(self, words: Sequence[str], stdin: str = "", timeout_s: float = 120) -> Ended:
        """Runs a program to its end."""
        return self.wait(self.start(words, stdin), timeout_s)

    def posts(self) -> list[Post]:
        """Each POST so far."""
        pairs = [path.read_bytes().split(b"\n", 1) for path in sorted(self._records.iterdir())]
        heads = [(json.loads(head), json.loads(body or b"null")) for head, body in pairs]
        return [Post(path, headers, body) for (path, headers), body in heads]

    @property
    def _records(self) -> Path:
        return self.folder / "bodies"


def _take_interrupts() -> None:
    """Undoes what a shell does to a command that it starts with `&`: all that it starts would
    ignore an interrupt."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def end_session(process: subprocess.Popen[Any]) -> None:
    """Ends a process and all of its session."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)


@contextlib.contextmanager
def scene(settings: str = "") -> Iterator[Scene]:
    """A scene with one model that can call tools; all of it is gone at the end of the block.
    `settings` are more lines of routing.yaml."""
    model = FakeModel(
        "agent:8b",
        reply=Numbered(ANSWER),
        capabilities=["completion", "tools"],
        context_length=CONTEXT,
        calls_once_offered=True,
    )
    with (
        tempfile.TemporaryDirectory(prefix="orch-client-", ignore_cleanup_errors=True) as folder,
        FakeOllama([model]) as ollama,
    ):
        made = Scene(ollama, model, Path(folder), "")
        for name in ("home", "work", "orch", "bodies"):
            (made.folder / name).mkdir()
        (made.folder / "orch" / "routing.yaml").write_text(
            f"version: 1\nmemory_budget_gb: 100\n{settings}"
        )
        subprocess.run(["git", "init", "-q", str(made.work)], check=True)
        with _served(made) as made.url:
            yield made


@contextlib.contextmanager
def _served(made: Scene) -> Iterator[str]:
    """The URL of the server."""
    records: Mapping[str, str] = {FOLDER_VARIABLE: str(made.folder / "bodies")}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.clients.recording", "serve", "--port", "0"],
        cwd=ROOT,
        env={**made.environment, **records},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said.startswith("orch serves at http://"), said
            yield said.split()[-1]
        finally:
            end_session(process)


def until(deadline: float) -> Iterator[None]:
    """Yields until that time of the monotonic clock, a while apart."""
    while time.monotonic() < deadline:
        yield
        time.sleep(0.05)
