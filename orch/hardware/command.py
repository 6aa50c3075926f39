"""Runs a command of the system that reports about devices, within a time limit."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

TIMEOUT_S = 3.0
"""nvidia-smi takes up to two seconds where it has to initialize the driver first."""
MOST_CHARS = 1_000_000
_HUNG: dict[str, subprocess.Popen[bytes]] = {}
"""Commands that did not end in time. One that waits for a driver can't even be killed: nobody waits
for it, and none is started beside it."""


def command_output(command: str, *arguments: str) -> str:
    """What the command writes to stdout; empty if it is not installed, or fails and writes
    nothing."""
    path, earlier = shutil.which(command), _HUNG.get(command)
    if path is None or (earlier is not None and earlier.poll() is None):
        return ""
    _HUNG.pop(command, None)
    import subprocess  # 8 ms, and most runs need no command

    try:
        process = subprocess.Popen(
            [path, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return ""
    try:
        output, _ = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        if process.stdout is not None:
            process.stdout.close()
        _HUNG[command] = process
        return ""
    return output[:MOST_CHARS].decode("utf-8", "replace")
