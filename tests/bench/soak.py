"""Soak test of `orch serve`: every kind of request, good, bad and abandoned, for minutes; run by
`uv run python -m tests.bench.soak`.

Fails on an unexpected status, on growing memory, on a connection or queue slot that is not
released, and if the journal does not have exactly one row for each run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.bench.server.process import Server, environment, free_port
from tests.bench.server.prompts import TASKS, text_of
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault

WORKERS = 16
BESIDE = (
    "health", "memory add {task}", "memory search soak",
    "run --no-server --fresh -m {quick} {task}", "run --recall --fresh -m {quick} {task}", "stats",
    "models", "rate last good", "journal backup --force backup.sqlite3",
)  # fmt: skip
"""Commands run one after the other beside the requests: some use the server, others open the
journal themselves."""
QUICK, FLAKY, SLOW, BROKEN = "quick:3b", "writer:8b", "slow:8b", "broken:7b"
REPLY = ["Eight", " words", " are", " said", " by", " this", " fake", " model."]
TEXT = "".join(REPLY).encode()
FAULTS = (
    Fault("status"),
    Fault("close"),
    Fault("cut", after=2),
    Fault("error_line", after=2),
    Fault("malformed", after=2),
    Fault("empty"),
)
CHAT, OLLAMA = "/v1/chat/completions", "/api/chat"
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Tells the weather",
            "parameters": {"type": "object", "properties": {}},
        },
    }
]
GROWTH = 1.1
"""How much more memory the second half may use than the first."""
MODELS_YAML = """
version: 1
unlisted: ignore
providers:
  fake: {{kind: ollama, base_url: {url}}}
models:
  - {{id: '{quick}', provider: fake, strengths: [simple, coding, exploration], quality_rating: 7}}
  - {{id: '{flaky}', provider: fake, strengths: [writing, creative, research], quality_rating: 8}}
  - {{id: '{slow}', provider: fake, quality_rating: 2}}
  - {{id: '{broken}', provider: fake, quality_rating: 1}}
  - {{id: 'tooled:7b', provider: fake, quality_rating: 1}}
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of request: its path, its fields beside the text, the allowed statuses, and expected
    content."""

    path: str
    asks: dict[str, Any]
    statuses: tuple[int, ...] = (200,)
    says: bytes = b""
    runs: bool = True
    leaves: bool = False

    def body(self, number: int) -> bytes:
        """A request of this kind; truncated JSON if it has no fields."""
        said = [{"role": "user", "content": f"{TASKS[number % len(TASKS)]} (soak {number})"}]
        whole = json.dumps({**self.asks, "messages": said}).encode()
        return whole if self.asks else whole[:-2]


KINDS = {
    "OpenAI": Kind(CHAT, {"model": QUICK}, says=TEXT),
    "OpenAI, streamed": Kind(CHAT, {"model": QUICK, "stream": True}, says=TEXT),
    "OpenAI, routed": Kind(CHAT, {"model": "auto"}, says=TEXT),
    "OpenAI, tools": Kind(CHAT, {"model": "tooled:7b", "tools": TOOLS}, says=b"weather"),
    "OpenAI, tools, streamed": Kind(
        CHAT, {"model": "tooled:7b", "tools": TOOLS, "stream": True}, says=b"weather"
    ),
    "Ollama": Kind(OLLAMA, {"model": QUICK, "stream": False}, says=TEXT),
    "Ollama, streamed": Kind(OLLAMA, {"model": QUICK}, says=TEXT),
    "Ollama, routed": Kind(OLLAMA, {"model": "auto", "stream": False}, says=TEXT),
    "leaves OpenAI's stream": Kind(CHAT, {"model": SLOW, "stream": True}, leaves=True),
    "leaves Ollama's stream": Kind(OLLAMA, {"model": SLOW}, leaves=True),
    "a model that fails": Kind(CHAT, {"model": BROKEN}, statuses=(500, 502, 503)),
    "an unknown model": Kind(CHAT, {"model": "nobody:7b"}, statuses=(404,)),
    "an unknown model, Ollama": Kind(OLLAMA, {"model": "nobody:7b"}, statuses=(404,)),
    "malformed JSON": Kind(CHAT, {}, statuses=(400,), runs=False),
    "malformed JSON, Ollama": Kind(OLLAMA, {}, statuses=(400,), runs=False),
}


@dataclass
class Soak:
    """Results: requests by kind, errors by message, memory and open files of the server over
    time."""

    asked: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    memory: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    commands: int = 0
    own_runs: int = 0

    @property
    def runs(self) -> int:
        """Requests and commands that started a run."""
        return self.own_runs + sum(count for name, count in self.asked.items() if KINDS[name].runs)

    def halves(self) -> tuple[float, float]:
        """The median memory of the second quarter, after the warm-up, and of the last; bytes."""
        quarter = max(len(self.memory) // 4, 1)
        return statistics.median(
            self.memory[quarter : 2 * quarter] or self.memory
        ), statistics.median(self.memory[-quarter:])


def fakes() -> list[FakeModel]:
    """The models: a good one, one whose answers sometimes break, a slow one, one that always fails,
    one that calls a tool."""
    call = {"function": {"name": "weather", "arguments": {}}}
    return [
        FakeModel(QUICK, reply=REPLY),
        FakeModel(FLAKY, reply=REPLY),
        FakeModel(SLOW, reply=REPLY * 3, chunk_delay_s=0.05),
        FakeModel(BROKEN, reply=REPLY, faults=[Fault("status", times=-1)]),
        FakeModel("tooled:7b", reply=[], tool_calls=[call], capabilities=["completion", "tools"]),
    ]


async def _worker(url: str, soak: Soak, chance: random.Random, ends: float) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
        while time.monotonic() < ends:
            name = chance.choice(tuple(KINDS))
            soak.asked[name] += 1
            try:
                fault = await _fault(client, KINDS[name], sum(soak.asked.values()))
            except httpx.HTTPError as error:
                fault = f"{type(error).__name__} {error}"
            if fault:
                soak.faults[f"{name}: {fault}"] += 1


async def _fault(client: httpx.AsyncClient, kind: Kind, number: int) -> str:
    """The fault of one answer, empty if there is none."""
    async with client.stream(
        "POST", kind.path, content=kind.body(number), headers={"content-type": "application/json"}
    ) as answer:
        if answer.status_code not in kind.statuses:
            return (
                f"status {answer.status_code}:"
                f" {(await answer.aread())[:200].decode(errors='replace')}"
            )
        if kind.leaves:
            return await _first_bytes(answer)
        body = await answer.aread()
    return (
        ""
        if kind.says in body or kind.says == text_of(body)
        else f"answered {body[-200:].decode(errors='replace')}"
    )


async def _first_bytes(answer: httpx.Response) -> str:
    async for _ in answer.aiter_raw():
        return ""
    return "ended before it began"


async def _beside(home: Path, soak: Soak) -> None:
    """Runs commands in the server's home; each must succeed."""
    while True:
        kind = BESIDE[soak.commands % len(BESIDE)]
        words = [word.format(quick=QUICK, task=f"beside-{soak.commands}") for word in kind.split()]
        env = environment(ORCH_HOME=str(home / "home"))
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("orch")),
            *("--config", str(home), *words),
            env=env,
            cwd=home,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
        soak.commands += 1
        soak.own_runs += kind.startswith("run")
        if process.returncode:
            soak.faults[
                f"orch {kind}: exit {process.returncode}, {said[-200:].decode(errors='replace')}"
            ] += 1


async def _watch(server: Server, fake: FakeOllama, soak: Soak, chance: random.Random) -> None:
    """Every second: samples the server, breaks an answer or two, and clears the fake's recorded
    requests."""
    flaky = fake.models[FLAKY]
    while True:
        await asyncio.sleep(1)
        soak.memory.append(server.bytes_now())
        soak.files.append(server.files())
        with fake.changed:
            fake.requests.clear()
            flaky.faults[:] = [chance.choice(FAULTS)]


async def soaked(
    server: Server, fake: FakeOllama, seconds: float, home: Path | None = None
) -> Soak:
    """Sends requests for a while, then checks what was not released."""
    soak, chance = Soak(), random.Random(16)
    watch = asyncio.create_task(_watch(server, fake, soak, chance))
    beside = asyncio.create_task(_beside(home, soak)) if home else None
    ends = time.monotonic() + seconds
    await asyncio.gather(*(_worker(server.url, soak, chance, ends) for _ in range(WORKERS)))
    watch.cancel()
    if beside:
        await _ended(beside, soak)
    await asyncio.sleep(2)  # those who left are noticed
    soak.files.append(server.files())
    async with httpx.AsyncClient(base_url=server.url, timeout=60, trust_env=False) as client:
        soak.faults.update(left_over((await client.get("/orch/health")).json()))
    return soak


async def _ended(beside: asyncio.Task[None], soak: Soak) -> None:
    """Waits for the running command."""
    commands = soak.commands
    while soak.commands == commands and not beside.done():
        await asyncio.sleep(0.01)
    beside.cancel()


def left_over(health: dict[str, Any]) -> list[str]:
    """What `/orch/health` still counts as in flight."""
    lanes = health["queue"]["providers"]
    found = [
        f"{len(lane[kind])} {kind} at {name}"
        for name, lane in lanes.items()
        for kind in ("running", "waiting")
        if lane[kind]
    ]
    busy = [(row["url"], row["in_flight"]) for rows in health["addresses"].values() for row in rows]
    return found + [f"{count} in flight to {url}" for url, count in busy if count]


def rows(home: Path) -> int:
    """The number of runs in the journal."""
    database = sqlite3.connect(home / "journal.sqlite3")
    try:
        return int(
            database.execute("SELECT count(*) FROM runs WHERE face != 'memory'").fetchone()[0]
        )
    finally:
        database.close()


def failures(soak: Soak, written: int) -> list[str]:
    """The failures, one per line."""
    first, second = soak.halves()
    files, most = soak.files[-1], max(soak.files[:-1], default=0)
    checks = {
        f"memory grew from {first / 1e6:.0f} to {second / 1e6:.0f} MB": second > first * GROWTH,
        f"{files} files are open at the end, {most} while all asked": files > most,
        f"{written} rows in the journal for {soak.runs} runs": written != soak.runs,
    }
    return [f"{count} x {text}" for text, count in soak.faults.most_common()] + [
        text for text, failed in checks.items() if failed
    ]


def _orch(url: str, home: Path) -> Server:
    names = {"quick": QUICK, "flaky": FLAKY, "slow": SLOW, "broken": BROKEN}
    (home / "models.yaml").write_text(MODELS_YAML.format(url=url, **names), encoding="utf-8")
    (home / "routing.yaml").write_text(
        "version: 1\nweights: {fit: 0.2, quality: 0.4, speed: 0.3, confidence: 0.1}\ntask_types:"
        " {}\nmemory_budget_gb: 64\n",
        encoding="utf-8",
    )
    port = free_port()
    words = [
        str(Path(sys.executable).with_name("orch")),
        "--config",
        str(home),
        "serve",
        "--port",
        str(port),
        "--no-ui",
    ]
    return Server(words, home / "log", port=port, env=environment(ORCH_HOME=str(home / "home")))


def main() -> None:
    """Entry point; exit code 1 on failure."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="Default 10.")
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as folder, FakeOllama(fakes()) as fake:
        home = Path(folder)
        with _orch(fake.url, home) as server:
            soak = asyncio.run(soaked(server, fake, minutes * 60, home))
        found = failures(soak, rows(home / "home"))
    print("\n".join(found))
    first, second = soak.halves()
    print(
        f"soak of {minutes:g} minutes: {soak.asked.total():,} requests of {len(KINDS)} kinds,"
        f" {soak.runs:,} runs, {soak.commands:,} commands beside them, memory {first / 1e6:.0f} ->"
        f" {second / 1e6:.0f} MB, open files {max(soak.files)} -> {soak.files[-1]}:"
        f" {'FAILED' if found else 'passed'}"
    )
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
