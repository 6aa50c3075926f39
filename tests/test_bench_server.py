"""The benchmark of the server: its arithmetic, its stream checker, and that its upstream and its
load understand each other."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.peak_memory import MeasuredProcess
from tests.bench.server.figures import Spread, percentile
from tests.bench.server.held import Checker, Plan, held
from tests.bench.server.http1 import Response, chunk, post, request_in
from tests.bench.server.load import Load, load
from tests.bench.server.process import Server, module
from tests.bench.server.prompts import PINNED
from tests.bench.server.report import Figures, Goal, goals
from tests.bench.server.rounds import CELLS, Sample
from tests.bench.soak import Soak, failures, left_over

pytest.importorskip("uvloop")


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Server]:
    with Server(module("upstream"), tmp_path / "log") as server:
        yield server


@pytest.mark.parametrize(("share", "value"), [(0.5, 2), (0.99, 4), (0.0, 1), (0.75, 3)])
def test_a_percentile_is_one_of_the_values(share: float, value: int) -> None:
    assert percentile([4, 2, 1, 3], share) == value


def test_a_spread_of_one_value_is_that_value_and_of_none_no_number() -> None:
    assert Spread.of([7.0]) == Spread(7, 7, 7)
    assert math.isnan(Spread.of([]).middle)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a-0 a-1 a-2 ", ""),
        ("a-0 a-2 ", "lost"),
        ("a-0 b-1 a-2 ", "mixed"),
        ("a-0 a-0 a-1 ", "repeated"),
        ("a-0 a-1 ", "cut"),
        ("a-0 a-1 a-2", "cut"),
    ],
)
def test_the_checker_names_the_first_fault_of_a_stream(text: str, fault: str) -> None:
    checker = Checker("a", 3)
    for letter in text:
        checker.feed(letter)
    assert checker.end() == fault


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_response_in_chunks_is_the_same_however_it_arrives(size: int) -> None:
    data = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunk(b"one\r\n")
        + chunk(b"two")
        + b"0\r\n\r\n"
    )
    response = Response()
    assert (
        b"".join(response.feed(data[at : at + size]) for at in range(0, len(data), size))
        == b"one\r\ntwo"
    )
    assert response.done


def test_a_request_is_whole_only_with_its_body() -> None:
    data = post("here", "/x", b"{}")
    assert request_in(data[:-1]) is None
    found = request_in(data + b"POST")
    assert found is not None
    assert (found[0].body, found[1]) == (b"{}", b"POST")


def _sample(per_s: float, p99_ms: float) -> Sample:
    return Sample(Load(10, per_s, 1.0, p99_ms, 1.0, 1.0, {}), 1.0)


def test_ratios_are_to_the_faster_of_the_others_in_the_same_round() -> None:
    speeds = {"a": (100.0, 200.0), "b": (50.0, 800.0), "mine": (50.0, 400.0)}
    figures = Figures(
        {
            (name, CELLS[0]): [_sample(value, 1.0) for value in values]
            for name, values in speeds.items()
        }
    )
    assert figures.ratio("mine", CELLS[0], ("a", "b", "not there")).middle == 0.5


def test_a_goal_that_was_not_measured_is_not_reached() -> None:
    assert "yes" not in "".join(
        goal.row()
        for goal in goals(Figures({("upstream", cell): [_sample(1, 1)] for cell in CELLS}))
    )
    assert Goal("w", Spread(2, 3, 4), "x", 3).row().endswith("yes |")
    assert Goal("w", Spread(2, 3, 4), "x", 3, at_least=False).row().endswith("no |")


@pytest.mark.parametrize("api", ["openai", "ollama"])
@pytest.mark.parametrize("stream", [True, False])
async def test_the_upstream_gives_what_the_load_expects(
    upstream: Server, api: str, stream: bool
) -> None:
    for seconds in (0.1, 1, 10):  # longer where a busy machine let each connection ask only once
        seen = await load(
            upstream.url,
            api=api,
            model=PINNED,
            connections=3,
            seconds=seconds,
            warm_s=0,
            stream=stream,
        )
        assert not seen.errors
        if seen.asked > 3:
            return
    pytest.fail("no connection asked twice in 10 s")


async def test_the_load_counts_what_is_no_answer(upstream: Server) -> None:
    seen = await load(
        upstream.url,
        api="openai",
        model="nobody",
        connections=1,
        seconds=0.5,
        warm_s=0,
        stream=False,
    )
    assert seen.asked
    assert sum(seen.errors.values()) == seen.asked
    assert all(error.startswith("status 404") for error in seen.errors)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="memory is read from /proc")
async def test_held_streams_come_whole(upstream: Server) -> None:
    seen = await held(
        upstream, (PINNED,), Plan(20, hold_s=0.1, interval_s=0.02, ramp_s=0, settle_s=0)
    )
    assert not seen.faults
    assert seen.tokens == 100
    assert seen.peak >= seen.before > 0


def test_a_soak_fails_by_growth_by_files_by_rows_and_by_what_is_left() -> None:
    lane: dict[str, list[object]] = {"running": [{}], "waiting": []}
    assert left_over(
        {"queue": {"providers": {"p": lane}}, "addresses": {"p": [{"url": "u", "in_flight": 2}]}}
    ) == ["1 running at p", "2 in flight to u"]
    good = Soak(memory=[10] * 8, files=[5, 6, 4])
    good.asked.update({"OpenAI": 3, "malformed JSON": 2})
    assert failures(good, 3) == []
    good.memory += [20] * 4
    good.files.append(7)
    assert len(failures(good, 2)) == 3


# ---------------------------------------------------------------- peak memory

MB = 1_000_000


def measure(code: str) -> tuple[int, int]:
    process = MeasuredProcess([sys.executable, "-S", "-c", code], os.environ)
    process.stdout.read()
    return process.wait()


@pytest.mark.skipif(not hasattr(os, "posix_spawn"), reason="needs posix_spawn")
def test_the_peak_is_the_programs_own_and_not_its_starters() -> None:
    own = bytearray(200 * MB)  # this process is larger than what it starts
    assert measure("pass")[1] < 100 * MB
    assert len(own) == 200 * MB
    assert measure(f"x = bytearray({150 * MB})")[1] > 150 * MB


@pytest.mark.skipif(not hasattr(os, "posix_spawn"), reason="needs posix_spawn")
def test_the_exit_code_is_the_programs() -> None:
    assert measure("raise SystemExit(7)")[0] == 7
