"""Fixtures: a separate ORCH_HOME for every test, and a fake Ollama on a real socket."""

from __future__ import annotations

import compileall
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import disk_usage
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.forked import UNSET

if TYPE_CHECKING:
    from openai import OpenAI
    from playwright.sync_api import Browser

    from tests.support.browser import Visit
    from tests.support.own_models import Write

CODER = "qwen2.5-coder:7b-instruct-q4_K_M"
LLAMA = "llama3.1:8b-instruct-q4_K_M"
ROOM = "version: 1\nmemory_budget_gb: 100\n"
"""A routing.yaml under which every model fits in memory, whatever else runs on the machine."""


MEMORY_FILES, LEAST_FREE_BYTES = Path("/dev/shm"), 4_000_000_000
"""Linux's files in memory, and what must be free there: a run takes a tenth of it."""


def pytest_configure(config: pytest.Config) -> None:
    """Compiles orch once, before workers and hundreds of processes start that would each do it
    again where PYTHONDONTWRITEBYTECODE is set.

    Sets the environment that those processes would have in a terminal, and puts the folders of
    tests into memory where there is room: thousands of journals wait for the disk as they close.
    """
    if os.access(MEMORY_FILES, os.W_OK) and disk_usage(MEMORY_FILES).free > LEAST_FREE_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY_FILES))
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # a shell's `&` does that, and every process that a test interrupts would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(config.rootpath / "orch", quiet=1)
    elif hasattr(os, "sched_setaffinity"):
        # one core for each worker and its processes: llama.cpp's threads spin, and those of two
        # tests would block each other (seen: an answer in two minutes)
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(
            0, {cores[int(config.workerinput["workerid"].removeprefix("gw")) % len(cores)]}
        )


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """A single file ends before workers have started; otherwise there is one for each core."""
    return 0 if len(config.args) == 1 and ".py" in config.args[0] else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Reruns a failed browser test once, which the closing line counts: on a busy machine a frame
    may take seconds."""
    for item in items:
        if "visit" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sets ORCH_HOME to an empty folder, with an empty working directory and without the machine's
    Ollama."""
    folder = tmp_path / "home"
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setenv("ORCH_HOME", str(folder))
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    for name in UNSET:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(work)
    return folder


@pytest.fixture(autouse=True)
def _one_core(request: pytest.FixtureRequest) -> Iterator[None]:
    """Runs a test of the real model on one core, as every worker does: llama.cpp's threads spin,
    and on two busy cores they wait for one another for minutes."""
    if "real" not in request.keywords or not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    yield
    os.sched_setaffinity(0, cores)


@pytest.fixture(params=[False, True], ids=["httpx", "aiohttp"])
def concurrent(request: pytest.FixtureRequest) -> bool:
    """Runs a test twice: over httpx, as the commands do, and over aiohttp, as `orch serve` does."""
    return bool(request.param)


@pytest.fixture
def both_transports(concurrent: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs a test twice, whichever transport its clients choose. For tests over a socket: respx
    answers in httpx's place alone."""
    from orch.providers import client
    from orch.providers.http.transport import Endpoint, Transport, open_transport

    def open_chosen(endpoint: Endpoint, **_: Any) -> Transport:
        return open_transport(endpoint, concurrent=concurrent)

    monkeypatch.setattr(client, "open_transport", open_chosen)


@pytest.fixture
def own(home: Path) -> Write:
    """Writes the user's own models.yaml."""

    def write(text: str) -> Path:
        home.mkdir(exist_ok=True)
        (home / "models.yaml").write_text(text)
        return home / "models.yaml"

    return write


@pytest.fixture
def ollama(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOllama]:
    """A fake Ollama with a coder and a general model, named by OLLAMA_HOST."""
    models = [
        FakeModel(CODER, reply=["def ", "f(): ", "pass"]),
        FakeModel(LLAMA, reply=["Hello", " ", "world"]),
    ]
    with FakeOllama(models) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        yield server


@pytest.fixture
def url(ollama: FakeOllama, home: Path) -> Iterator[str]:
    """The server in front of that fake Ollama, with memory for all its models."""
    from tests.support.http_server import served  # FastAPI and uvicorn, which few tests need

    home.mkdir(exist_ok=True)
    (home / "routing.yaml").write_text(ROOM)
    with served() as there:
        yield there


@pytest.fixture
def client(url: str) -> Iterator[OpenAI]:
    """OpenAI's own client for that server."""
    import openai

    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=30) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the tests of a file: while it exists, an event loop runs in this thread, and
    asynchronous tests are impossible."""
    from tests.support.browser import chromium  # Playwright, which few tests need

    with chromium() as one:
        yield one


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Opens pages in it."""
    from tests.support.browser import visits

    with visits(browser) as opened:
        yield opened


@pytest.fixture
def site(ollama: FakeOllama, home: Path) -> Iterator[str]:
    """The URL of an `orch serve` with the page, in front of the fake Ollama."""
    from tests.support.browser import orch_serve

    with orch_serve() as (url, _):
        yield url
