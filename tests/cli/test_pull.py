"""`orch models pull`: what it says before it begins, and that Ctrl-C leaves a download that goes
on."""

from __future__ import annotations

import signal

import pytest

from tests.support.fake_ollama import FakeModel, FakeOllama, Fault
from tests.support.forked import Forked
from tests.support.orch_command import orch


def test_what_is_known_is_said_before_the_download_begins(ollama: FakeOllama) -> None:
    lines = orch("models", "pull", "qwen3:0.6b").stderr.decode().splitlines()
    assert lines[0].startswith("qwen3:0.6b: 0.5 GB")
    assert "of memory with 8,192 tokens" in lines[0]
    assert lines[1] == "qwen3:0.6b: pulling manifest"


def test_of_an_unknown_model_that_is_said_too(ollama: FakeOllama) -> None:
    lines = orch("models", "pull", "someone/thing").stderr.decode().splitlines()
    assert lines[0].startswith("someone/thing: size unknown")


def test_a_model_too_large_for_the_memory_is_warned_of_and_pulled(ollama: FakeOllama) -> None:
    ollama.add(FakeModel("huge:1t", size=10**15))
    done = orch("models", "pull", "huge:1t")
    assert (done.returncode, ollama.pulled) == (0, ["huge:1t"])
    assert b"! huge:1t is too large for this machine" in done.stderr


def test_an_added_model_is_told_to_be_too_large(ollama: FakeOllama) -> None:
    ollama.add(FakeModel("huge:1t", size=10**15))
    done = orch("models", "add", "huge:1t")
    assert done.returncode == 0
    assert b"huge:1t: 1000000.0 GB (installed)" in done.stderr
    assert b"too large" in done.stderr


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "term"]
)
def test_a_signal_closes_the_stream_and_says_how_to_go_on(
    ollama: FakeOllama, sent: signal.Signals, code: int
) -> None:
    ollama.pull_fault = Fault("stall", after=3, seconds=120)
    words = ("models", "pull", "qwen3:4b", "--insecure")
    with Forked(*words, stdin=-3, stdout=-1, stderr=-1) as process:
        ollama.wait_for(lambda: any(r.path == "/api/pull" for r in ollama.requests))
        process.send_signal(sent)
        out, said = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, b"")
    assert b"what came is kept" in said
    assert b"try: orch models pull qwen3:4b --insecure goes on" in said
    ollama.wait_for(lambda: all(r.aborted for r in ollama.requests if r.path == "/api/pull"))
    ollama.pull_fault = None
    assert orch("models", "pull", "qwen3:4b").returncode == 0


def test_two_downloads_at_once_do_not_disturb_each_other(ollama: FakeOllama) -> None:
    words = ("models", "pull")
    with (
        Forked(*words, "qwen3:4b", stdin=-3, stdout=-1, stderr=-1) as one,
        Forked(*words, "qwen3:8b", stdin=-3, stdout=-1, stderr=-1) as other,
    ):
        assert (one.communicate(timeout=60)[0], other.communicate(timeout=60)[0]) == (
            b"qwen3:4b is installed\n",
            b"qwen3:8b is installed\n",
        )
    assert sorted(ollama.pulled) == ["qwen3:4b", "qwen3:8b"]
