"""The error of a failed run, and the warnings at the end of a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from orch import OrchError
from orch.errors import EXIT_CODES, RUN_CODES
from orch.execution.results import all_failed_error
from orch.types import Attempt
from tests.support.fake_ollama import FakeOllama, Fault
from tests.support.orchestrators import fake, over

TASK = "Tell me about the sea"


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    """Two models on one server; the first one is rated higher."""
    with fake("a:1b", "b:1b") as running:
        yield running


def failed(*codes: str) -> list[Attempt]:
    """One attempt a code, each by another model."""
    return [
        Attempt(f"m{number}", "ollama", "failed", code=code, message=f"why {number}")
        for number, code in enumerate(codes)
    ]


# ---------------------------------------------------------------- the error


@pytest.mark.parametrize(
    ("codes", "code", "exit_code"),
    [
        (["connect"], "no_provider", 3),
        (["connect", "connect"], "no_provider", 3),
        (["model_not_found"], "model_not_found", 4),
        (["context_overflow", "context_overflow"], "context_overflow", 5),
        (["timeout"], "timeout", 6),
        (["busy"], "busy", 7),
        (["empty"], "all_failed", 7),
        (["timeout", "connect"], "all_failed", 7),
        (["invalid_json", "empty"], "all_failed", 7),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else None,
)
def test_the_error_has_the_code_that_all_attempts_share_else_all_failed(
    codes: list[str], code: str, exit_code: int
) -> None:
    error = all_failed_error(failed(*codes), "", has_more=False)
    assert (error.code, error.exit_code) == (code, exit_code)


def test_every_attempt_code_leads_to_an_exit_code() -> None:
    assert set(RUN_CODES.values()) <= set(EXIT_CODES)


@pytest.mark.parametrize("code", ["connect", "timeout", "context_overflow", "model_not_found"])
def test_after_visible_text_the_code_is_all_failed(code: str) -> None:
    assert all_failed_error(failed(code), "shown", has_more=False).code == "all_failed"


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("connect", "orch health shows what is reachable"),
        ("timeout", "--timeout SECONDS waits longer"),
        ("model_not_found", "orch models pull m0"),
        ("context_overflow", "shorten the input, or add a model with a larger context"),
        ("empty", "-m MODEL asks another model; -o max_tokens=N allows more, where it was cut"),
        ("server_error", "orch health shows what is wrong"),
    ],
)
def test_the_hint_is_what_to_type_next(code: str, hint: str) -> None:
    assert all_failed_error(failed(code), "", has_more=True).hint == hint


@pytest.mark.parametrize(
    "message", ["x/llama3 does not support insert", "Infill is not supported by this model"]
)
def test_a_model_that_fills_no_gaps_gets_a_hint_at_those_that_do(message: str) -> None:
    attempt = replace(failed("rejected")[0], message=message)
    assert "orch models shows which can" in all_failed_error([attempt], "", has_more=False).hint


@pytest.mark.parametrize(
    ("shown", "others", "offered"),
    [("text", True, True), ("text", False, False), ("", True, False)],
)
def test_continuing_is_suggested_if_text_was_shown_and_a_model_is_left(
    shown: str, others: bool, offered: bool
) -> None:
    assert ("--continue-partial" in all_failed_error(failed("cut"), shown, others).hint) is offered


def test_the_message_names_every_failed_model() -> None:
    assert all_failed_error(failed("empty"), "", has_more=False).message == "m0 failed: why 0"
    assert (
        all_failed_error(failed("empty", "cut"), "", has_more=False).message
        == "every model that was asked failed: m0: why 0; m1: why 1"
    )


def test_retry_after_is_passed_on() -> None:
    assert (
        all_failed_error(
            failed("rate_limited"), "", has_more=False, retry_after_s=7.0
        ).retry_after_s
        == 7.0
    )


async def test_a_failed_run_keeps_its_attempts_and_its_id(
    server: FakeOllama,
) -> None:
    for model in server.models.values():
        model.faults.append(Fault("empty", times=-1))
    async with over({"ollama": server}) as orchestrator:
        with pytest.raises(OrchError) as caught:
            await orchestrator.execute(TASK)
        (row,) = orchestrator.runtime.journal.history.runs()
        kept = orchestrator.runtime.journal.history.attempts_of(caught.value.run_id)
    assert (
        [attempt.code for attempt in caught.value.attempts]
        == [each["code"] for each in kept]
        == ["empty", "empty"]
    )
    assert (row["run_id"], row["status"], row["error_code"]) == (
        caught.value.run_id,
        "failed",
        "all_failed",
    )


# ---------------------------------------------------------------- the warnings


async def warnings_of(server: FakeOllama, text: str, bytes_per_token: float) -> tuple[str, ...]:
    """The warnings of a run whose server reports this count."""
    server.models["a:1b"].bytes_per_token = bytes_per_token
    async with over({"ollama": server}) as orchestrator:
        return (await orchestrator.execute(text)).warnings


LONG, SHORT = "sea and land " * 100, "sea and land " * 20


@pytest.mark.parametrize(
    ("text", "bytes_per_token", "phrase"),
    [
        (LONG, 4.0, ""),
        (LONG, 1.0, "were expected"),
        (LONG, 20.0, "(it may have been cut)"),
        (SHORT, 20.0, ""),
    ],
    ids=["near", "far more", "far less", "short"],
)
async def test_a_prompt_estimate_off_by_more_than_two_is_reported(
    server: FakeOllama, text: str, bytes_per_token: float, phrase: str
) -> None:
    warnings = await warnings_of(server, text, bytes_per_token)
    assert [phrase in warning for warning in warnings] == ([True] if phrase else [])
    assert all(("may have been cut" in warning) is (bytes_per_token > 4) for warning in warnings)
