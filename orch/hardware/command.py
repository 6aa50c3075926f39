"""Runs a command of the system that reports about devices, within a time limit."""

from __future__ import annotations

import shutil

TIMEOUT_S = 3.0
"""nvidia-smi takes up to two seconds where it has to initialize the driver first."""
MOST_CHARS = 1_000_000


def command_output(command: str, *arguments: str) -> str:
    """What the command writes to stdout; empty if it is not installed, or fails and writes
    nothing."""
    path = shutil.which(command)
    if path is None:
        return ""
    import subprocess  # 8 ms, and most runs need no command

    try:
        done = subprocess.run(
            [path, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout[:MOST_CHARS].decode("utf-8", "replace")
