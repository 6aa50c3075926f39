"""The command as a process: bytes on stdout, words on stderr, exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault
from tests.support.forked import COMMAND
from tests.support.orch_command import orch

NO_FIGURES = dict.fromkeys(
    ("ttft_p50_s", "ttft_p95_s", "total_p50_s", "total_p95_s", "tokens_per_s")
) | dict.fromkeys(("errors", "fallbacks", "takeovers", "tokens"), 0)


@pytest.mark.real
def test_the_embedded_model_answers_on_a_fresh_machine() -> None:
    done = orch("run", "--json", "What is a mutex?")
    answer = json.loads(done.stdout)
    assert done.returncode == 0
    assert (answer["degraded"], answer["warnings"]) == (
        True,
        ["a built-in demonstration of 135M parameters, often wrong; better: orch setup"],
    )
    assert "mutex" in answer["answer"].lower()


def test_a_coding_task_goes_to_the_coder_and_stdout_is_the_answer_alone(ollama: FakeOllama) -> None:
    done = orch("run", "Write a Python function that sorts a list")
    assert (done.returncode, done.stdout) == (0, b"def f(): pass")
    assert "Qwen 2.5 Coder 7B · coding" in done.stderr.decode()


def test_a_failed_model_is_replaced_and_both_attempts_are_listed(ollama: FakeOllama) -> None:
    ollama.models[CODER].faults.append(Fault("status", status=500))
    answer = json.loads(orch("run", "--json", "Write a Python function that sorts a list").stdout)
    assert [(a["model"], a["outcome"]) for a in answer["attempts"]] == [
        (CODER, "failed"),
        (LLAMA, "ok"),
    ]


def test_without_fallback_one_model_is_asked_and_its_failure_ends_the_run(
    ollama: FakeOllama,
) -> None:
    ollama.models[CODER].faults.append(Fault("status", status=500))
    done = orch("run", "--no-fallback", "--json", "Write a Python function that sorts a list")
    assert (done.returncode, [each["model"] for each in json.loads(done.stdout)["attempts"]]) == (
        7,
        [CODER],
    )


def test_a_fallback_to_a_namesake_names_both_providers(ollama: FakeOllama, home: Path) -> None:
    ollama.models[LLAMA].faults.append(Fault("cut", after=1))
    with FakeOllama([FakeModel(LLAMA)]) as other:
        home.mkdir()
        providers = (
            f"  one: {{kind: ollama, base_url: {ollama.url}}}\n  other: {{kind: ollama, base_url:"
            f" {other.url}}}\n"
        )
        models = f"  - {{id: {LLAMA}, provider: one, quality_rating: 9.9, speed_rating: 9.9}}\n"
        (home / "models.yaml").write_text(f"version: 1\nproviders:\n{providers}models:\n{models}")
        done = orch("run", "--no-stream", "What is a mutex?")
    assert (done.returncode, done.stdout) == (0, b"Hello world")
    assert f"! one/{LLAMA} failed: " in done.stderr.decode()
    assert f"; other/{LLAMA} takes over" in done.stderr.decode()


def test_a_cut_answer_into_a_pipe_keeps_the_partial_text_and_exits_7(ollama: FakeOllama) -> None:
    ollama.models[CODER].faults.append(Fault("cut", after=2))
    done = orch("run", "Write a Python function that sorts a list")
    assert (done.returncode, done.stdout) == (7, b"def f(): ")


def test_piped_text_is_fenced_apart_from_the_instruction(ollama: FakeOllama) -> None:
    assert orch("run", "why did it stop?", stdin=b"line one\n```\nline two\n").returncode == 0
    assert (
        ollama.chats()[-1].body["messages"][-1]["content"]
        == "why did it stop?\n\nInput:\n````\nline one\n```\nline two\n````"
    )


def test_too_long_a_prompt_is_never_cut(ollama: FakeOllama) -> None:
    done = orch("run", "summarize", stdin=b"word " * 400_000)
    assert done.returncode == 5
    assert b"tokens of context, it holds" in done.stderr
    assert not ollama.chats()


def test_an_unknown_model_names_the_next_step(ollama: FakeOllama) -> None:
    done = orch("run", "-m", "nope", "hi")
    assert done.returncode == 4
    assert b"orch models pull nope" in done.stderr


def test_without_any_provider_the_exact_lines_are_printed(home: object) -> None:
    done = orch("run", "-m", LLAMA, "hi")
    assert done.returncode == 3
    assert b"ollama serve" in done.stderr


@pytest.mark.parametrize("stdin", [b"", b"   \n"])
def test_empty_stdin_without_a_task_calls_no_model(ollama: FakeOllama, stdin: bytes) -> None:
    assert orch("run", "-", stdin=stdin).returncode == 2
    assert not ollama.chats()


def test_binary_stdin_is_a_clear_error(ollama: FakeOllama) -> None:
    done = orch("run", "what is this?", stdin=b"\x7fELF\0\0\1\2\xff")
    assert done.returncode == 2
    assert b"binary" in done.stderr


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_keeps_the_partial_text_and_ends_generation(
    ollama: FakeOllama, number: signal.Signals, code: int
) -> None:
    ollama.add(FakeModel("slow", reply=["tick "] * 500, chunk_delay_s=0.05))
    process = subprocess.Popen(
        [*COMMAND, "run", "-m", "slow", "go"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert os.read(process.stdout.fileno(), 100).startswith(b"tick")
    process.send_signal(number)
    _, words = process.communicate(timeout=20)
    assert process.returncode == code
    assert b"Traceback" not in words
    ollama.wait_for(lambda: ollama.chats()[-1].aborted)
    assert json.loads(orch("stats", "--json").stdout)["models"]["slow:latest"] == {
        **NO_FIGURES,
        "runs": 1,
    }


def test_a_reader_that_leaves_ends_the_run_with_141(ollama: FakeOllama) -> None:
    ollama.add(FakeModel("long", reply=["line\n"] * 50_000))
    process = subprocess.Popen(
        [*COMMAND, "run", "-m", "long", "go"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    with process.stderr as stream:
        words = stream.read()
    assert process.wait(timeout=20) == 141
    assert b"Traceback" not in words


def test_route_runs_nothing(ollama: FakeOllama) -> None:
    decided = json.loads(orch("route", "--json", "Debug this Python function").stdout)
    assert (decided["task_type"], decided["model"]) == ("coding", CODER)
    assert not ollama.chats()


def test_stats_show_what_ran(ollama: FakeOllama) -> None:
    orch("run", "Write a Python function that sorts a list")
    assert json.loads(orch("stats", "--json").stdout)["models"][CODER]["runs"] == 1


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["models"], ["run", "hi"]])
def test_a_command_imports_nothing_heavy(ollama: FakeOllama, words: list[str]) -> None:
    orch(*words)  # fills the cache of the parsed config
    heavy = (
        "qdrant_client",
        "qdrant_edge",
        "numpy",
        "fastapi",
        "rich",
        "pydantic",
        "yaml",
        "filelock",
        "orch.routing.known_models.model_list",
        "orch.text.continuation",
    )
    code = (
        f"import sys\nsys.argv = ['orch', *{words!r}]\nfrom orch.cli.main import"
        " command\ncommand()\n"
    )
    code += f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    assert done.stderr.decode().splitlines()[-1] == "[]"
