"""Signals cancel a run with their own error code."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from orch.cli.signals import INTERRUPTION_CODES, SIGNAL_CODES, cancel_on_signals, on_first_signal
from orch.errors import EXIT_CODES


@pytest.mark.parametrize("name", SIGNAL_CODES)
async def test_a_signal_cancels_the_task_and_leaves_its_code(name: str) -> None:
    codes: list[str] = []

    async def run() -> None:
        codes.append("running")
        received = cancel_on_signals()
        os.kill(os.getpid(), getattr(signal, name))
        try:
            await asyncio.Event().wait()
        finally:
            codes.extend(received)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(run())
    assert codes == ["running", SIGNAL_CODES[name]]
    asyncio.get_running_loop().remove_signal_handler(getattr(signal, name))


def test_the_first_signal_is_handled_and_handlers_are_restored() -> None:
    codes: list[str] = []
    before = signal.getsignal(signal.SIGTERM)
    with on_first_signal(codes.append):
        os.kill(os.getpid(), signal.SIGTERM)
        after_first = signal.getsignal(signal.SIGTERM)
    assert codes == ["terminated"]
    assert after_first == signal.SIG_DFL  # a second one ends the process
    assert signal.getsignal(signal.SIGTERM) == before


def test_every_interruption_has_an_exit_code() -> None:
    assert [EXIT_CODES[code] for code in INTERRUPTION_CODES] == [130, 143, 129]
