"""`orch bench`: what is measured in which order, that nothing measured is lost, and that what fails
says so."""

from __future__ import annotations

import gc
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from orch.bench.speed import OpenBench, close_bench, find_open_bench, save_open_bench
from orch.bench.speed_plan import (
    COLD,
    TOGETHER,
    TOO_LONG,
    WARM,
)
from orch.cli.commands.bench.command import SpeedBenchOptions
from orch.cli.main import command
from orch.errors import UsageError
from orch.storage.journal import Journal
from orch.text.redact import Redactor
from tests.support.bench_samples import ONE, TWO
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault
from tests.support.forked import COMMAND
from tests.support.orch_command import orch

QUICK = ("--sizes", "short", "--concurrency", "1")
SMALL = 1_000_000
ONLY_OLLAMA = "providers:\n  ollama: {kind: ollama, base_url: http://127.0.0.1:11434}\n"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOllama]:
    """An Ollama with two small models that nobody listed."""
    models = [
        FakeModel(name, reply=["tick "] * 12, size=SMALL, load_s=0.15) for _, name in (ONE, TWO)
    ]
    with FakeOllama(models) as fake:
        monkeypatch.setenv("OLLAMA_HOST", fake.url)
        yield fake


def benched(*words: str, code: int = 0) -> Any:
    """`orch bench --json` in this process: one object, and what was said on stderr as `said`."""
    out, said = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with redirect_stdout(out), redirect_stderr(said), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["orch", "bench", "--json", *words])
        patch.setattr(
            gc, "set_threshold", lambda *_: None
        )  # of this process it is none of its business
        assert command() == code, said.buffer.getvalue().decode()
    return json.loads(out.buffer.getvalue()) | {"said": said.buffer.getvalue().decode()}


def kinds(answer: Any) -> list[tuple[str, str, int]]:
    """What was measured, in order."""
    return [(cell["model"], cell["kind"], cell["concurrency"]) for cell in answer["cells"]]


# ---------------------------------------------------------------- which models


@pytest.mark.parametrize("words", [(), ("nope",)])
def test_without_a_model_it_says_what_to_fetch(
    server: FakeOllama, home: Path, words: tuple[str, ...]
) -> None:
    home.mkdir()
    (home / "models.yaml").write_text(ONLY_OLLAMA)
    server.models.clear()
    done = orch("bench", *words)
    assert (done.returncode, done.stdout) == (4, b"")
    assert b"orch models" in done.stderr


def test_without_a_provider_it_says_how_to_get_one(home: Path) -> None:
    home.mkdir()
    (home / "models.yaml").write_text(ONLY_OLLAMA)
    done = orch("bench")
    assert done.returncode == 3
    assert b"ollama serve" in done.stderr


PARAMS = {
    "models": [],
    "rounds": 3,
    "sizes": "short",
    "concurrency": "1",
    "budget": "",
    "new": False,
    "fresh": False,
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"sizes": "long"},
        {"sizes": ""},
        {"concurrency": "0"},
        {"concurrency": "65"},
        {"budget": "soon"},
        {"budget": "0s"},
    ],
)
def test_invalid_option_values_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        SpeedBenchOptions.from_params(PARAMS | wrong)


@pytest.mark.parametrize("words", [("--json", "--md"), ("--svg", "no/where.svg")])
def test_invalid_options_are_refused_before_any_request(
    server: FakeOllama, words: tuple[str, ...]
) -> None:
    assert orch("bench", *words).returncode == 2
    assert not server.requests


# ---------------------------------------------------------------- measuring


def test_every_cell_is_measured_kept_and_used(server: FakeOllama) -> None:
    answer = benched("-n", "2", "--sizes", "short,1k", "--concurrency", "1,2")
    turn = [(COLD, 1), (WARM, 1), (WARM, 1), (TOGETHER, 2), (TOGETHER, 2)]
    assert kinds(answer) == [
        (model, *each) for _ in (1, 2) for _, model in (ONE, TWO) for each in turn
    ]
    assert all(cell["error"] is None and cell["timed_by"] == "provider" for cell in answer["cells"])
    assert {cell["resident_bytes"] for cell in answer["cells"]} == {SMALL}
    assert "round 2 of 2" in answer["said"]
    measured = {
        model["id"]: model["measured"]
        for model in json.loads(orch("models", "--json").stdout)["models"]
    }
    assert measured["one:1b"]["decode_tps"] > 0
    assert measured["one:1b"]["load_s"] > 0.1


def test_cold_cells_load_and_warm_ones_find_the_model_loaded(server: FakeOllama) -> None:
    benched("-n", "1", "--sizes", "short,4k", "--concurrency", "1")
    posts = [
        (request.path, request.body.get("keep_alive"))
        for request in server.requests
        if request.method == "POST" and request.path != "/api/show"
    ]
    assert posts == [("/api/generate", 0), *[("/api/chat", "5m")] * 3] * 2
    chats = [request.body for request in server.chats()]
    assert {chat["options"]["num_ctx"] for chat in chats} == {8192}
    assert [chat["options"]["num_predict"] for chat in chats] == [128, 128, 64] * 2
    assert len({chat["messages"][0]["content"][:16] for chat in chats}) == len(chats)
    assert not server.pulled


def test_a_size_beyond_the_window_says_so_and_the_others_are_measured(server: FakeOllama) -> None:
    server.models["one:1b"].context_length = 2048
    cells = benched("-n", "1", "one:1b", "--sizes", "4k,short", "--concurrency", "1")["cells"]
    assert [(cell["kind"], cell["size"], cell["error"]) for cell in cells] == [
        (COLD, "short", None),
        (WARM, "4k", TOO_LONG),
        (WARM, "short", None),
    ]


def test_a_model_that_fails_in_the_middle_says_so_and_the_others_go_on(server: FakeOllama) -> None:
    server.models["one:1b"].reply = []
    answer = benched("-n", "2", *QUICK)
    assert [model for model, *_ in kinds(answer)] == ["one:1b", "two:1b", "two:1b"] * 2
    assert [model["error"] for model in answer["models"]] == ["the answer was empty", None]
    assert [line["note"] for line in answer["models"][0]["lines"]] == [
        "failed in round 1: the answer was empty"
    ]


def test_a_model_that_failed_once_is_asked_again_in_the_next_round(server: FakeOllama) -> None:
    server.models["one:1b"].faults.append(Fault("status", status=500))
    answer = benched("-n", "2", "one:1b", *QUICK)
    assert [cell["error"] is None for cell in answer["cells"]] == [False, True, True]


def test_when_every_model_fails_the_exit_code_is_7(server: FakeOllama) -> None:
    for model in server.models.values():
        model.faults.append(Fault("status", status=500, times=-1))
    answer = benched("-n", "1", *QUICK, code=7)
    assert "no model could be measured: status 500" in answer["said"]
    assert answer["left"] == 0


def test_a_model_that_only_thinks_is_as_fast_as_it_thinks(server: FakeOllama) -> None:
    server.models["one:1b"].thinking = ["hm "] * 500
    cells = benched("-n", "1", "one:1b", *QUICK)["cells"]
    assert [(cell["error"], cell["ttft_s"], cell["completion_tokens"]) for cell in cells] == [
        (None, None, 128)
    ] * 2


def test_a_server_without_timings_is_timed_by_the_clock_and_never_cold(
    server: FakeOllama, home: Path
) -> None:
    home.mkdir()
    (home / "models.yaml").write_text(
        f"providers:\n  other: {{kind: openai, base_url: {server.url}}}\n"
    )
    answer = benched("-n", "1", "one:1b", *QUICK)
    (cell,) = answer["cells"]
    assert (cell["kind"], cell["timed_by"], cell["completion_tokens"]) == (WARM, "clock", 12)
    assert len(server.chats()) == 2  # the first one only warms it up


# ---------------------------------------------------------------- ended early


def test_ctrl_c_keeps_the_samples_and_the_next_call_resumes(server: FakeOllama) -> None:
    server.models["two:1b"].chunk_delay_s = 0.5
    words = [*COMMAND, "bench", "--json", "-n", "1", *QUICK]
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    server.wait_for(lambda: len(server.chats()) == 3)
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert kinds(json.loads(out)) == [("one:1b", COLD, 1), ("one:1b", WARM, 1)]
    assert b"2 of 4 cells are measured and kept" in said
    server.models["two:1b"].chunk_delay_s = 0.0
    answer = benched("-n", "1", *QUICK)
    assert "resuming the bench" in answer["said"]
    assert kinds(answer) == [(model, kind, 1) for _, model in (ONE, TWO) for kind in (COLD, WARM)]


def test_the_budget_stops_in_time_and_fresh_starts_over(server: FakeOllama) -> None:
    for model in server.models.values():
        model.chunk_delay_s = 0.05  # 0.6 s an answer: no second one would end within a second
    words = ("-n", "1", *QUICK, "--budget", "1s")
    answer = benched(*words)
    assert (len(answer["cells"]), answer["left"]) == (1, 3)
    assert "the budget is used up: 3 cells remain" in answer["said"]
    assert benched(*words, "--fresh")["bench"] != answer["bench"]


@pytest.mark.parametrize(
    ("asked", "age_s", "goes_on"),
    [({"rounds": 1}, 60.0, True), ({"rounds": 2}, 60.0, False), ({"rounds": 1}, 90_000.0, False)],
)
def test_only_the_same_options_resume_and_only_for_a_day(
    tmp_path: Path, asked: dict[str, int], age_s: float, goes_on: bool
) -> None:
    journal = Journal(tmp_path / "journal.sqlite3", Redactor({}))
    bench = OpenBench("b", time.time() - age_s, {"rounds": 1}, (ONE,))
    save_open_bench(journal, bench)
    assert find_open_bench(journal, asked) == (bench if goes_on else None)
    close_bench(journal)
    assert find_open_bench(journal, asked) is None
    journal.close()


def test_new_measures_what_was_never_measured(server: FakeOllama) -> None:
    benched("-n", "1", "one:1b", *QUICK)
    assert {model for model, *_ in kinds(benched("-n", "1", "--new", *QUICK))} == {"two:1b"}
    before = len(server.chats())
    answer = benched("-n", "1", "--new", *QUICK)
    assert (answer["cells"], len(server.chats())) == ([], before)
    assert "nothing to measure" in answer["said"]


def test_measurements_of_another_version_of_the_server_are_told(server: FakeOllama) -> None:
    server.version = "0.32.9"
    for model in server.models.values():
        model.chunk_delay_s = 0.05
    words = ("-n", "1", *QUICK, "--budget", "1s")
    benched(*words)
    assert "answers" not in benched(*words)["said"]
    server.version = "0.32.15"
    assert "are of ollama 0.32.9, now ollama 0.32.15 answers" in benched(*words)["said"]
    shown = json.loads(orch("models", "show", "one:1b", "--json").stdout)
    assert "ollama 0.32.9" in shown["speed_measured_with"]
    assert shown["graded_with"] == []


# ---------------------------------------------------------------- shown


def test_tables_say_medians_whose_timings_and_where(server: FakeOllama, tmp_path: Path) -> None:
    done = orch(
        "bench",
        "-n",
        "2",
        "--sizes",
        "short",
        "--concurrency",
        "1,2",
        "--svg",
        str(tmp_path / "speed.svg"),
    )
    shown = done.stdout.decode()
    assert done.returncode == 0
    assert shown.startswith("model")
    assert " ± " in shown
    assert "2 at once" in shown
    assert "as the provider timed them" in shown
    assert f"{os.cpu_count()} cores" in shown
    assert "█" not in shown
    assert ElementTree.parse(tmp_path / "speed.svg").getroot().tag.endswith("svg")


def test_markdown_has_a_row_for_each_kind_of_cell_and_a_line_with_machine_date_and_n(
    server: FakeOllama,
) -> None:
    shown = orch("bench", "--md", "-n", "1", "one:1b", *QUICK).stdout.decode()
    assert [row.split("|")[1:3] for row in shown.splitlines()[2:4]] == [
        [" one:1b ", " short, cold "],
        [" one:1b ", " short "],
    ]
    assert "; n = 1" in shown


# ---------------------------------------------------------------- real


@pytest.mark.real
def test_the_embedded_model_is_measured_cold_and_warm() -> None:
    done = orch("bench", "smollm2-135m-instruct", "--json", "-n", "1", *QUICK)
    cells = json.loads(done.stdout)["cells"]
    assert [(cell["kind"], cell["error"], cell["timed_by"]) for cell in cells] == [
        (COLD, None, "provider"),
        (WARM, None, "provider"),
    ]
    assert cells[0]["load_s"] > cells[1]["load_s"] == 0.0
    assert cells[0]["prefill_s"] > 0
