"""Measures the cells of a speed bench and stores each at once, so that an interruption loses
nothing."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from orch.bench.speed_plan import (
    COLD,
    SHORT,
    STAYS_LOADED,
    TOGETHER,
    TOO_LONG,
    SpeedCell,
    bench_num_ctx,
    context_for_size,
    make_prompt,
    new_tokens,
    prompt_tokens,
    remaining_cells,
)
from orch.errors import ProviderError
from orch.execution.attempt import ModelCall
from orch.providers import Loads, ProviderClient
from orch.providers.chat import ChatRequest, Completion
from orch.providers.installed_models import InstalledModel
from orch.routing.model_state import ModelState
from orch.storage.journal import Journal
from orch.storage.timings import BenchmarkSample
from orch.text.model_names import full_name
from orch.types import Candidate, ModelKey

OPTIONS = {"temperature": 0, "seed": 7, "keep_alive": "5m"}
"""keep_alive: with a configured 0 no cell would be warm."""
UNLOAD_S, POLL_S = 20.0, 0.1
"""Timeout for a server to unload a model, and the polling interval."""
OPEN_FACT, RESUME_WITHIN_S = "bench_open", 24 * 3600.0
"""An unfinished bench can be resumed for a day; later figures would not be comparable."""
MAX_ERROR_CHARS = 200


@dataclass(frozen=True, slots=True)
class BenchStep:
    """Progress of a bench: the remaining cells, the next one first, and their expected seconds
    (None: unknown)."""

    todo: Sequence[SpeedCell]
    left_s: float | None


class SpeedMeter:
    """Measures models for one bench. `rows`: all samples so far, including those of resumed
    calls."""

    def __init__(
        self,
        bench: str,
        states: Sequence[ModelState],
        sizes: Sequence[str],
        backends: Mapping[str, ProviderClient],
        journal: Journal,
        servers: Mapping[str, str] = {},
    ) -> None:
        """`servers`: the name and version of each provider's server, as far as known."""
        self.rows = journal.timings.samples_of(bench)
        self.num_ctx = {state.key: bench_num_ctx(state, sizes) for state in states}
        self._bench, self._backends, self._journal = bench, backends, journal
        self._states = {state.key: state for state in states}
        self._servers = servers
        self._warm: ModelKey | None = None

    @property
    def never_cold(self) -> frozenset[ModelKey]:
        """The models whose provider can't unload them, or runs them on another machine."""
        return frozenset(
            key
            for key, state in self._states.items()
            if state.remote_host or not isinstance(self._backends[key[0]], Loads)
        )

    async def measure(
        self, cells: Sequence[SpeedCell], budget_s: float | None = None
    ) -> AsyncGenerator[BenchStep]:
        """Measures the remaining cells and yields before each. Stops before a cell that would
        probably end after `budget_s` seconds."""
        begun, count = time.monotonic(), 0
        while todo := remaining_cells(cells, self.rows):
            gone_s = time.monotonic() - begun
            mean_s = gone_s / count if count else None
            if budget_s is not None and mean_s is not None and gone_s + mean_s > budget_s:
                return
            yield BenchStep(todo, mean_s * len(todo) if mean_s is not None else None)
            rows = await self._cell(todo[0])
            self._journal.timings.add_samples(rows)
            self.rows += rows
            count += 1

    async def _cell(self, cell: SpeedCell) -> list[BenchmarkSample]:
        row = self._row(cell)
        if context_for_size(cell.size) > self.num_ctx[cell.model]:
            return [row._replace(error=TOO_LONG)]
        if cell.kind == COLD and not await self._unload(cell.model):
            return [row._replace(error=STAYS_LOADED)]
        if cell.kind != COLD and self._warm != cell.model:
            row = await self._answer(
                replace(cell, size=SHORT), row
            )  # not stored: this request may have loaded the model
        rows = (
            [row]
            if row.error
            else await asyncio.gather(
                *(self._answer(cell, self._row(cell)) for _ in range(cell.concurrency))
            )
        )
        self._warm = None if any(each.error for each in rows) else cell.model
        now = await self._installed(cell.model)
        return [
            each._replace(resident_bytes=now.resident_bytes or None if now else None)
            for each in rows
        ]

    def _row(self, cell: SpeedCell) -> BenchmarkSample:
        provider, model = cell.model
        digest = self._states[cell.model].digest
        return BenchmarkSample(
            time.time(),
            self._bench,
            cell.name,
            cell.round,
            model,
            provider,
            digest,
            cell.kind,
            cell.size,
            cell.concurrency,
            "clock",
            server=self._servers.get(provider, ""),
        )

    # ------------------------------------------------------------ one answer

    async def _answer(self, cell: SpeedCell, row: BenchmarkSample) -> BenchmarkSample:
        asking, begun, first_at = self._asking(cell), time.perf_counter(), 0.0
        try:
            async for _ in asking.events():
                first_at = first_at or time.perf_counter()
        except ProviderError as failure:
            if failure.code == "context_overflow":
                return row._replace(error=TOO_LONG)
            if not (
                failure.code == "empty" and asking.thinking
            ):  # thoughts are generated as fast as answers
                return row._replace(error=failure.message[:MAX_ERROR_CHARS])
        first_s = first_at - begun if first_at else None
        return _timed(row, asking, first_s, time.perf_counter() - begun)

    def _asking(self, cell: SpeedCell) -> ModelCall:
        state = self._states[cell.model]
        spec = state.spec
        request = ChatRequest(
            model=spec.id,
            messages=[{"role": "user", "content": make_prompt(cell.size, os.urandom(8).hex())}],
            options={**spec.options, **OPTIONS},
            num_ctx=None if state.fixed_ctx else self.num_ctx[cell.model],
            max_tokens=new_tokens(cell.size),
        )
        return ModelCall(
            Candidate(spec.id, spec.label, spec.provider),
            state,
            self._backends[spec.provider],
            request,
            prompt_tokens(cell.size),
        )

    # ------------------------------------------------------------ what is loaded

    async def _unload(self, key: ModelKey) -> bool:
        """Unloads the model and waits for it; returns whether it is unloaded."""
        backend, deadline = self._backends[key[0]], time.monotonic() + UNLOAD_S
        assert isinstance(backend, Loads)
        try:
            # also where it seems not to be loaded: old servers do not report that
            await backend.unload(key[1])
        except ProviderError:
            return False
        while (now := await self._installed(key)) and now.resident:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_S)
        return True

    async def _installed(self, key: ModelKey) -> InstalledModel | None:
        try:
            there = await self._backends[key[0]].installed()
        except ProviderError:
            return None  # the next request to the model reports the error
        return next(
            (item for item in there if full_name(item.name) == full_name(key[1])),
            None,
        )


def _timed(
    row: BenchmarkSample, asking: ModelCall, first_s: float | None, total_s: float
) -> BenchmarkSample:
    """The sample with its figures: the provider's if it reports them, else those of the clock,
    where prefill ends with the first token."""
    done = asking.completion or Completion()
    own = done.prefill_s is not None and done.decode_s is not None
    alone = first_s is not None and row.kind not in (COLD, TOGETHER)
    return row._replace(
        timed_by="provider" if own else "clock",
        prompt_tokens=done.prompt_tokens,
        completion_tokens=done.completion_tokens,
        load_s=done.load_s if row.kind != TOGETHER else None,
        prefill_s=done.prefill_s if own else first_s if alone else None,
        decode_s=done.decode_s if own else total_s - first_s if first_s is not None else None,
        ttft_s=asking.as_attempt("ok").ttft_s,
        total_s=total_s,
    )


# ---------------------------------------------------------------- unfinished benches


@dataclass(frozen=True, slots=True)
class OpenBench:
    """An unfinished bench in the journal: its options and the models that they selected. `at` in
    seconds since the epoch."""

    name: str
    at: float
    asked: dict[str, Any]
    models: tuple[ModelKey, ...]


def find_open_bench(journal: Journal, asked: dict[str, Any]) -> OpenBench | None:
    """The unfinished bench of the same options, started within a day."""
    try:
        kept = json.loads(journal.fact(OPEN_FACT) or "{}")
        bench = OpenBench(
            kept["name"],
            float(kept["at"]),
            kept["asked"],
            tuple(ModelKey(*key) for key in kept["models"]),
        )
    except (ValueError, KeyError, TypeError):
        return None  # none, or one of another version
    return bench if bench.asked == asked and time.time() - bench.at < RESUME_WITHIN_S else None


def save_open_bench(journal: Journal, bench: OpenBench) -> None:
    """Stores the bench, so that the same command resumes it."""
    journal.set_fact(OPEN_FACT, json.dumps(asdict(bench)))


def close_bench(journal: Journal) -> None:
    """Marks the bench as finished."""
    journal.set_fact(OPEN_FACT, "")


# ---------------------------------------------------------------- the machine


def machine_facts() -> dict[str, Any]:
    """System, processor, cores and memory in bytes (None if unknown), which speed figures depend
    on."""
    try:
        memory: int | None = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        memory = None
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": memory,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
