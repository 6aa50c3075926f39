"""The journal survives full disks and kills, stores no secrets, deletes old runs, and gives
statistics."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from orch import get_orchestrator
from orch.execution.run import new_run_id
from orch.storage.journal import DAY_S, Journal
from orch.text.redact import Redactor
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault
from tests.support.forked import COMMAND, Forked
from tests.support.journal_file import answered_run, count_runs, files_containing, query
from tests.support.orch_command import orch

TASK = "Write a Python function that sorts a list"


def start(*words: str) -> subprocess.Popen[bytes]:
    """Starts a run."""
    return Forked(*words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def move_back_a_day(home: Path) -> None:
    """Makes every recorded run a day older."""
    for table in ("runs", "attempts"):
        query(home, f"UPDATE {table} SET at = at - 90000")
    query(home, "UPDATE facts SET value = value - 90000 WHERE name = 'pruned_at'")


def config(routing: str) -> str:
    """A folder for --config with only that in its routing.yaml."""
    Path("config").mkdir()
    Path("config/routing.yaml").write_text(f"version: 1\n{routing}\n")
    return "config"


# ---------------------------------------------------------------- full disks


def run_on_a_disk_with(blocks: int) -> subprocess.CompletedProcess[bytes]:
    """A run whose files can't be longer than that many blocks of 512 bytes."""
    command = ["sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh", *COMMAND, "run", "hi"]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
    )


@pytest.mark.parametrize("blocks", [0, 8, 40, 80])
def test_a_full_disk_fails_no_run_and_is_a_warning(
    ollama: FakeOllama, home: Path, blocks: int
) -> None:
    done = run_on_a_disk_with(blocks)
    assert (done.returncode, done.stdout) == (0, b"Hello world")
    assert b"nothing is recorded" in done.stderr
    assert b"Traceback" not in done.stderr
    assert (orch("run", "hi").returncode, count_runs(home)) == (0, 1)


def test_a_disk_that_fills_up_later_loses_no_earlier_run(ollama: FakeOllama, home: Path) -> None:
    orch("run", "hi")
    assert b"nothing is recorded" in run_on_a_disk_with(8).stderr
    assert query(home, "PRAGMA integrity_check") == [("ok",)]
    orch("run", "hi")
    assert count_runs(home) == 2


# ---------------------------------------------------------------- kill -9

Moment = Callable[[FakeOllama, "subprocess.Popen[bytes]"], object]


def read(process: subprocess.Popen[bytes], count: int) -> bytes:
    """Reads that many bytes of the answer."""
    assert process.stdout is not None
    return process.stdout.read(count)


MOMENTS: dict[str, Moment] = {
    "at once": lambda ollama, process: None,
    "while it asks which models are there": lambda ollama, process: ollama.wait_for(
        lambda: bool(ollama.requests)
    ),
    "while the model loads": lambda ollama, process: ollama.wait_for(lambda: bool(ollama.chats())),
    "at the first token": lambda ollama, process: read(process, 1),
    "in the middle": lambda ollama, process: read(process, 25),
    "after the last token": lambda ollama, process: read(process, 50),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_leaves_an_intact_journal(ollama: FakeOllama, home: Path, moment: str) -> None:
    ollama.add(FakeModel("victim", reply=["tick "] * 10, load_s=0.1, chunk_delay_s=0.02))
    with start("run", "-m", "victim", "go") as process:
        MOMENTS[moment](ollama, process)
        process.kill()
    assert orch("run", "hello").returncode == 0
    assert query(home, "PRAGMA integrity_check") == [("ok",)]
    assert query(home, "SELECT task, status FROM runs ORDER BY seq DESC LIMIT 1") == [
        ("hello", "ok")
    ]


def test_a_run_that_is_killed_after_its_end_was_shown_is_recorded(
    ollama: FakeOllama, home: Path
) -> None:
    with start("run", "hi") as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("→".encode())
        process.kill()
    assert query(home, "SELECT task, answer, status FROM runs") == [("hi", "Hello world", "ok")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_is_recorded_with_its_partial_answer(
    ollama: FakeOllama, home: Path, number: signal.Signals
) -> None:
    ollama.add(FakeModel("slow", reply=["tick "] * 1000, chunk_delay_s=0.02))
    with start("run", "-m", "slow", "go") as process:
        read(process, 5)
        process.send_signal(number)
    assert query(home, "SELECT status, substr(answer, 1, 5) FROM runs") == [
        ("interrupted", "tick ")
    ]
    assert query(home, "SELECT model, outcome, code FROM attempts") == [
        ("slow:latest", "partial", "interrupted")
    ]


@pytest.mark.parametrize("words", [[], ["--json"], ["--no-stream"]])
def test_a_failed_run_is_recorded_with_every_attempt(
    ollama: FakeOllama, home: Path, words: list[str]
) -> None:
    for model in ollama.models.values():
        model.faults.append(Fault("status"))
    assert orch("run", *words, TASK).returncode == 7
    assert query(home, "SELECT status, error_code, task_type FROM runs") == [
        ("failed", "all_failed", "coding")
    ]
    assert query(home, "SELECT model, outcome, code FROM attempts ORDER BY n") == [
        (m, "failed", "server_error") for m in (CODER, LLAMA)
    ]


# ---------------------------------------------------------------- secrets

SECRET = "HUNTER2" + "SECRETXYZ"
TEXTS = {
    "an API key": f"sk-{SECRET}abcdef",
    "an AWS key": f"AKIA{SECRET}",
    "a GitHub token": f"ghp_{SECRET}abcdefghij",
    "a bearer token": f'curl -H "Authorization: Bearer {SECRET}" localhost',
    "an assignment": f"export API_KEY={SECRET}\nls",
    "a quoted assignment": f'password = "{SECRET}"',
    "JSON": json.dumps({"user": "me", "password": SECRET}),
    "a URL": f"postgres://me:{SECRET}@db/x",
    "Spanish": f"mi contraseña es {SECRET}",
    "a private key": (
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\nabc\n-----END OPENSSH PRIVATE KEY-----"
    ),
}
WHERE: dict[str, Callable[[str], tuple[list[str], bytes | None]]] = {
    "task": lambda text: (["what is this?\n" + text], None),
    "stdin": lambda text: (["what is this?"], text.encode()),
    "system": lambda text: (["-s", text, "hi"], None),
    "context": lambda text: (["--context", text, "hi"], None),
}


@pytest.mark.parametrize("where", ["task", "stdin"])
@pytest.mark.parametrize("text", TEXTS)
def test_a_secret_in_a_task_is_never_written(
    ollama: FakeOllama, home: Path, text: str, where: str
) -> None:
    words, stdin = WHERE[where](TEXTS[text])
    assert orch("run", *words, stdin=stdin).returncode == 0
    assert SECRET in str(ollama.chats()[-1].body["messages"])
    assert count_runs(home) == 1
    assert files_containing(home, SECRET) == []


@pytest.mark.parametrize("where", ["system", "context"])
def test_a_secret_beside_the_task_is_never_written(
    ollama: FakeOllama, home: Path, where: str
) -> None:
    orch("run", *WHERE[where](TEXTS["JSON"])[0])
    assert files_containing(home, SECRET) == []


def test_a_secret_in_an_answer_is_shown_but_not_written(ollama: FakeOllama, home: Path) -> None:
    answer = "\n".join(TEXTS.values())
    ollama.add(FakeModel("leaky", reply=[answer[at : at + 3] for at in range(0, len(answer), 3)]))
    assert orch("run", "-m", "leaky", "hi").stdout.decode() == answer
    assert files_containing(home, SECRET) == []


def test_a_secret_in_a_servers_error_is_never_written(ollama: FakeOllama, home: Path) -> None:
    ollama.models[LLAMA].faults.append(
        Fault("status", status=401, message=f"Incorrect API key provided: {TEXTS['an API key']}")
    )
    assert orch("run", "-m", LLAMA, "hi").returncode == 7
    assert count_runs(home) == 1
    assert files_containing(home, SECRET) == []


# ---------------------------------------------------------------- how much is kept, and for whom


def test_mode_meta_stores_figures_and_no_text(ollama: FakeOllama, home: Path) -> None:
    ollama.add(FakeModel("poet", reply=["an ", "unlikely word"]))
    folder = config("journal: {mode: meta}")
    orch("--config", folder, "run", "-m", "poet", "-s", "a strange wish", "some odd task")
    assert query(home, "SELECT task, system, messages, answer, model FROM runs") == [
        (None, None, None, None, "poet:latest")
    ]
    assert [
        files_containing(home, text) for text in ("unlikely word", "strange wish", "odd task")
    ] == [
        [],
        [],
        [],
    ]
    assert (
        json.loads(orch("--config", folder, "stats", "--json").stdout)["models"]["poet:latest"][
            "runs"
        ]
        == 1
    )


def test_mode_off_stores_nothing_and_stats_say_so(ollama: FakeOllama, home: Path) -> None:
    folder = config("journal: off")
    assert orch("--config", folder, "run", "some odd task").returncode == 0
    assert (
        count_runs(home),
        query(home, "SELECT count(*) FROM attempts"),
        files_containing(home, "odd task"),
    ) == (0, [(0,)], [])
    done = orch("--config", folder, "stats")
    assert (done.returncode, b"journal" in done.stderr) == (2, True)


def test_runs_older_than_keep_are_deleted(ollama: FakeOllama, home: Path) -> None:
    folder = config("journal: {keep: 1d}")
    orch("--config", folder, "run", "old")
    move_back_a_day(home)
    orch("--config", folder, "run", "new")
    move_back_a_day(home)
    orch("--config", folder, "run", "newer")
    assert query(home, "SELECT task FROM runs ORDER BY seq") == [("new",), ("newer",)]
    assert query(home, "SELECT count(*) FROM attempts") == [(2,)]


def test_a_clock_that_jumps_years_ahead_deletes_nothing(home: Path) -> None:
    journal = Journal(home / "journal.sqlite3", Redactor({}), keep_s=DAY_S)
    today = 20_000 * DAY_S
    for name, at in [
        ("before", today),
        ("ahead", today + 800 * DAY_S),
        ("ahead again", today + 800 * DAY_S + 3_600),
        ("set right", today + 60),
    ]:
        journal.record(answered_run(name, at))
    assert {run["run_id"] for run in journal.history.runs()} == {
        "before",
        "ahead",
        "ahead again",
        "set right",
    }
    journal.record(answered_run("a day later", today + 801 * DAY_S))
    assert {run["run_id"] for run in journal.history.runs()} == {
        "ahead",
        "ahead again",
        "a day later",
    }
    journal.close()


def test_a_run_id_of_a_time_before_1970_is_not_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: -1e9)
    assert new_run_id().startswith("000000000000")


def test_every_file_is_private_also_while_it_is_written(ollama: FakeOllama, home: Path) -> None:
    ollama.add(FakeModel("slow", reply=["tick "] * 1000, chunk_delay_s=0.02))
    with start("run", "-m", "slow", "go") as process:
        read(process, 5)
        modes = {(path.is_dir(), path.stat().st_mode & 0o777) for path in (home, *home.rglob("*"))}
        process.kill()
    assert modes == {(True, 0o700), (False, 0o600)}


# ---------------------------------------------------------------- stats


def test_stats_are_those_of_the_library_by_model_and_by_type(ollama: FakeOllama) -> None:
    ollama.models[CODER].faults.append(Fault("status"))
    orch("run", TASK)
    stats = json.loads(orch("stats", "--json").stdout)
    assert stats["models"] == get_orchestrator().get_stats()
    assert [
        (name, stats["models"][name]["errors"], stats["models"][name]["fallbacks"])
        for name in (CODER, LLAMA)
    ] == [(CODER, 1, 1), (LLAMA, 0, 0)]
    assert (stats["types"].keys(), stats["types"]["coding"]["runs"]) == ({"coding"}, 2)


def test_stats_since_a_time_leave_out_earlier_runs(ollama: FakeOllama, home: Path) -> None:
    orch("run", "-m", LLAMA, "hi")
    query(home, "UPDATE attempts SET at = at - 200000")
    orch("run", "-m", CODER, "hi")
    assert json.loads(orch("stats", "--since", "1d", "--json").stdout)["models"].keys() == {CODER}
    assert json.loads(orch("stats", "--since", "2020-01-01", "--json").stdout)["models"].keys() == {
        CODER,
        LLAMA,
    }


def test_stats_are_tables_for_people(ollama: FakeOllama) -> None:
    orch("run", TASK)
    lines = [line.split() for line in orch("stats").stdout.decode().splitlines()]
    assert [line[:2] for line in lines] == [
        ["model", "runs"],
        [CODER, "1"],
        [],
        ["type", "runs"],
        ["coding", "1"],
    ]
