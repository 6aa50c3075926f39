"""Every option of `orch run` does what its help says, and stdin is read by the rules."""

from __future__ import annotations

import base64
import inspect
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from orch.cli.options import CHAT_OPTIONS, task_options
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault
from tests.support.forked import COMMAND, Forked
from tests.support.orch_command import orch

TASK = "Write a Python function that sorts a list"
TABLE = "| a | b |\n|---|---|\n"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)


def asked(ollama: FakeOllama) -> dict[str, Any]:
    """The body of the last chat request."""
    return ollama.chats()[-1].body


def lines(output: bytes) -> list[dict[str, Any]]:
    """The chunks of --jsonl; split at \\n alone, since an answer may hold other line separators."""
    return [json.loads(line) for line in output.split(b"\n")[:-1]]


def start(*words: str) -> subprocess.Popen[bytes]:
    """Begins a run with pipes on every side."""
    return Forked(*words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture
def open_pipe() -> Iterator[int]:
    """The reading end of a pipe that nobody writes to and nobody closes."""
    reading, writing = os.pipe()
    yield reading
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("run", tuple(inspect.signature(task_options).parameters)),
        ("route", tuple(inspect.signature(task_options).parameters)),
        ("chat", CHAT_OPTIONS),
    ],
)
def test_shared_options_are_the_declared_ones_in_their_order(
    name: str, expected: tuple[str, ...]
) -> None:
    command = get_command(import_module(f"orch.cli.commands.{name}").app)
    assert tuple(param.name for param in command.params)[: len(expected)] == expected


# ---------------------------------------------------------------- forms of output


def test_jsonl_is_metadata_first_done_last_and_the_text_itself(ollama: FakeOllama) -> None:
    ollama.add(FakeModel("poet", reply=["año ", "\N{LINE SEPARATOR}", 'a\n"b"\\', "🦙"]))
    chunks = lines(orch("run", "--jsonl", "-m", "poet", "hi").stdout)
    text = "".join(chunk["chunk"] for chunk in chunks if chunk["type"] == "content")
    assert (chunks[0]["type"], chunks[-1]["type"]) == ("metadata", "done")
    assert text == chunks[-1]["result"]["answer"] == 'año \N{LINE SEPARATOR}a\n"b"\\🦙'


def test_jsonl_goes_on_after_a_cut_and_tells_where(ollama: FakeOllama) -> None:
    ollama.models[CODER].faults.append(Fault("cut", after=2))
    chunks = lines(orch("run", "--jsonl", TASK).stdout)
    assert next(chunk["offset"] for chunk in chunks if chunk["type"] == "fallback") == len(
        "def f(): "
    )
    assert chunks[-1]["result"]["answer"] == "def f(): Hello world"


@pytest.mark.parametrize("words", [["-m", "nope"], ["-m", LLAMA], ["-t", "codng"]])
def test_jsonl_ends_with_an_error_chunk_after_any_failure(
    ollama: FakeOllama, words: list[str]
) -> None:
    ollama.models[LLAMA].faults.append(Fault("status"))
    done = orch("run", "--jsonl", *words, "hi")
    chunks = lines(done.stdout)
    assert [chunk["type"] for chunk in chunks if chunk["type"] in ("done", "error")] == ["error"]
    assert chunks[-1]["error"].keys() >= {"code", "message", "hint"}


def test_json_on_failure_is_one_object_that_keeps_every_attempt(ollama: FakeOllama) -> None:
    for model in ollama.models.values():
        model.faults.append(Fault("status", status=500))
    done = orch("run", "--json", TASK)
    told = json.loads(done.stdout)
    assert (done.returncode, told["v"], told["ok"], told["error"]["code"]) == (
        7,
        1,
        False,
        "all_failed",
    )
    assert told.keys() >= {"error", "partial", "attempts", "warnings", "run_id"}
    assert [(a["model"], a["outcome"], a["code"]) for a in told["attempts"]] == [
        (m, "failed", "server_error") for m in (CODER, LLAMA)
    ]
    assert told["attempts"][0].keys() >= {"provider", "message", "offset", "total_s"}


@pytest.mark.parametrize(
    ("form", "number", "code"),
    [("--json", signal.SIGINT, "interrupted"), ("--jsonl", signal.SIGTERM, "terminated")],
)
def test_an_interruption_is_reported_in_the_requested_form(
    ollama: FakeOllama, form: str, number: signal.Signals, code: str
) -> None:
    ollama.add(FakeModel("slow", reply=["tick "] * 1000, chunk_delay_s=0.02))
    with start("run", form, "--no-stdin", "-m", "slow", "go") as process:
        ollama.wait_for(lambda: bool(ollama.chats()))
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert lines(output)[-1]["error"]["code"] == code


@pytest.mark.parametrize(
    "words", [["models"], ["health"], ["route", "hi"], ["run", "--json", "hi"], ["config", "show"]]
)
def test_a_reader_that_is_gone_ends_any_command_with_141(
    ollama: FakeOllama, words: list[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, *words],
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, b"Traceback" in done.stderr) == (141, False)


def test_continue_partial_lets_the_next_model_go_on_into_a_pipe(ollama: FakeOllama) -> None:
    ollama.models[CODER].faults.append(Fault("cut", after=2))
    done = orch("run", "--continue-partial", TASK)
    assert (done.returncode, done.stdout) == (0, b"def f(): Hello world")
    assert asked(ollama)["messages"][-1] == {"role": "assistant", "content": "def f(): "}


def test_without_streaming_a_failed_models_text_is_dropped(ollama: FakeOllama) -> None:
    ollama.models[CODER].faults.append(Fault("cut", after=2))
    done = orch("run", "--no-stream", TASK)
    assert (done.returncode, done.stdout) == (0, b"Hello world")


def test_the_first_words_reach_a_pipe_while_the_model_is_generating(ollama: FakeOllama) -> None:
    ollama.add(FakeModel("slow", reply=["tick "] * 1000, chunk_delay_s=0.02))
    with start("run", "--no-stdin", "-m", "slow", "go") as process:
        assert process.stdout is not None
        first = os.read(process.stdout.fileno(), 100_000)
        process.terminate()
    assert b"tick" in first
    ollama.wait_for(lambda: ollama.chats()[-1].aborted)


def test_thinking_is_never_part_of_the_answer(ollama: FakeOllama) -> None:
    ollama.add(FakeModel("thinker", thinking=["Hmm, ", "let me see"], reply=["42"]))
    quiet, loud = (
        orch("run", "-m", "thinker", "hi"),
        orch("run", "--show-thinking", "-m", "thinker", "hi"),
    )
    assert (quiet.stdout, loud.stdout) == (b"42", b"42")
    assert b"let me see" not in quiet.stderr
    assert b"Hmm, let me see" in loud.stderr


def test_quiet_leaves_stderr_empty_also_after_a_fallback(ollama: FakeOllama) -> None:
    ollama.models[CODER].faults.append(Fault("status"))
    done = orch("run", "-q", TASK)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"Hello world", b"")


def test_a_dry_run_says_what_route_says_and_runs_nothing(ollama: FakeOllama) -> None:
    dry, route = orch("run", "--dry-run", "--json", TASK), orch("route", "--json", TASK)
    assert json.loads(dry.stdout) == json.loads(route.stdout)
    assert not ollama.chats()


# ---------------------------------------------------------------- what the model gets


def test_a_schema_becomes_ollamas_format(ollama: FakeOllama) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    Path("schema.json").write_text(json.dumps(schema))
    ollama.add(FakeModel("exact", reply=['{"a"', ": 1}"]))
    assert json.loads(orch("run", "--schema", "schema.json", "-m", "exact", "hi").stdout) == {
        "a": 1
    }
    assert asked(ollama)["format"] == schema


def test_a_file_is_fenced_apart_from_the_task(ollama: FakeOllama) -> None:
    Path("notes.md").write_text(f"```sh\nls\n```\n{TABLE}")
    assert orch("run", "-f", "notes.md", "explain").returncode == 0
    assert (
        asked(ollama)["messages"][-1]["content"]
        == f"explain\n\nFile notes.md:\n````\n```sh\nls\n```\n{TABLE}````"
    )


def test_an_image_goes_as_an_image_to_a_model_that_can_see(ollama: FakeOllama) -> None:
    Path("shot").write_bytes(PNG)
    ollama.add(FakeModel("eyes", reply=["a llama"], capabilities=["completion", "vision"]))
    answer = json.loads(orch("run", "--json", "-f", "shot", "what is this?").stdout)
    out = {c["model_id"]: c["eliminated"] for c in answer["decision"]["candidates"]}
    assert (answer["answer"], "vision" in out[CODER], "vision" in out[LLAMA]) == (
        "a llama",
        True,
        True,
    )
    assert asked(ollama)["messages"][-1]["images"] == [base64.b64encode(PNG).decode()]


def test_context_system_and_options_reach_the_model(ollama: FakeOllama) -> None:
    done = orch(
        "run",
        "--context",
        "10M rows",
        "--context",
        "no index",
        "-s",
        "You are terse",
        "-o",
        "temperature=0",
        "-o",
        "stop=END",
        "why?",
    )
    body = asked(ollama)
    assert done.returncode == 0
    assert body["messages"][0] == {"role": "system", "content": "You are terse"}
    assert body["messages"][1]["content"] == "why?\n\nContext:\n```\n- 10M rows\n- no index\n```"
    assert (body["options"]["temperature"], body["options"]["stop"]) == (0, ["END"])


def test_a_given_type_replaces_the_detected_one(ollama: FakeOllama) -> None:
    assert json.loads(orch("route", "--json", TASK).stdout)["task_type"] == "coding"
    assert (
        json.loads(orch("run", "--json", "-t", "creative", TASK).stdout)["task_type"] == "creative"
    )


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_no_proxy_is_asked_for_this_machine(
    ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for bypass in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(bypass, raising=False)
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert orch("run", "-m", LLAMA, "hi").stdout == b"Hello world"


# ---------------------------------------------------------------- which model, and for how long


@pytest.mark.parametrize(
    "words",
    [
        ["--speed", "--quality"],
        ["--speed", "--dial", "5"],
        ["--quality", "--profile", "speed"],
        ["--profile", "speed", "--dial", "0"],
    ],
)
def test_two_ways_to_say_what_counts_are_refused(ollama: FakeOllama, words: list[str]) -> None:
    done = orch("run", *words, "hi")
    assert done.returncode == 2
    assert all(word in done.stderr.decode() for word in words if word.startswith("--"))
    assert not ollama.chats()


def test_a_model_too_slow_to_begin_ends_the_run_with_6(ollama: FakeOllama) -> None:
    ollama.models[LLAMA].faults.append(Fault("slow", seconds=60))
    done = orch("run", "-m", LLAMA, "--timeout", "0.3", "hi")
    assert (done.returncode, done.stdout) == (6, b"")
    assert b"--timeout SECONDS" in done.stderr


def test_a_pinned_model_is_replaced_only_where_fallback_is_asked_for(ollama: FakeOllama) -> None:
    ollama.models[LLAMA].faults += [Fault("status"), Fault("status")]
    alone, helped = orch("run", "-m", LLAMA, "hi"), orch("run", "-m", LLAMA, "--fallback", "hi")
    assert (alone.returncode, alone.stdout) == (7, b"")
    assert (helped.returncode, helped.stdout) == (0, b"def f(): pass")


@pytest.mark.parametrize(
    ("words", "meant"),
    [(["run", "--modle", "x", "hi"], "--model"), (["runn", "hi"], "run"), (["modles"], "models")],
)
def test_a_misspelt_command_or_option_gets_a_suggestion(
    ollama: FakeOllama, words: list[str], meant: str
) -> None:
    done = orch(*words)
    assert done.returncode == 2
    assert re.search(rf"(?<![\w-]){meant}\b", done.stderr.decode().split("Error:")[-1])
    assert b"Traceback" not in done.stderr


# ---------------------------------------------------------------- the original's names, and colour


def test_the_originals_models_and_health_still_work(ollama: FakeOllama) -> None:
    assert orch("--models").stdout == orch("models").stdout
    health = orch("--health")
    assert health.returncode == 0
    assert b"provider ollama" in health.stdout


@pytest.mark.parametrize(
    ("given", "coloured"),
    [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)],
)
def test_tables_are_coloured_as_the_environment_says(
    ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], coloured: bool
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    found = re.search(rb"\x1b\[[0-9;]*3[0-7]m", orch("health").stdout)
    assert bool(found) is coloured


# ---------------------------------------------------------------- stdin


def test_a_dash_alone_makes_stdin_the_task(ollama: FakeOllama) -> None:
    assert orch("run", "-", stdin="¿Qué es un mutex?\n".encode()).returncode == 0
    assert asked(ollama)["messages"][-1]["content"].strip() == "¿Qué es un mutex?"


def test_a_dash_beside_a_task_is_fenced_like_any_pipe(ollama: FakeOllama) -> None:
    assert orch("run", "review this", "-", stdin=b"+ a\n- b\n").returncode == 0
    assert asked(ollama)["messages"][-1]["content"] == "review this\n\nInput:\n```\n+ a\n- b\n```"


def test_no_stdin_runs_beside_a_pipe_that_never_ends(ollama: FakeOllama, open_pipe: int) -> None:
    done = subprocess.run(
        [*COMMAND, "run", "--no-stdin", "-m", LLAMA, "hi"],
        stdin=open_pipe,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"Hello world")


def test_a_slow_producer_is_waited_for_and_a_note_says_so(ollama: FakeOllama) -> None:
    with start("run", "-m", LLAMA, "why?") as process:
        assert process.stdin is not None
        assert process.stderr is not None
        assert b"--no-stdin" in process.stderr.readline()
        process.stdin.write(b"late, but there")
        answer, _ = process.communicate(timeout=60)
    assert answer == b"Hello world"
    assert "late, but there" in asked(ollama)["messages"][-1]["content"]
