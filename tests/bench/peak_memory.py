"""Starts a program so that its own peak memory can be read.

Linux hands the peak of a process on to the program that it starts: `exec` keeps the larger of the
two (kernel/exec.c, exec_mmap), and a child that was made by vfork shares its parent's memory until
then. So a small process stands between.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO

_BETWEEN = """
import os, sys
report = int(sys.argv[1])
os.set_inheritable(report, False)
_, status, usage = os.wait4(os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ), 0)
os.write(report, b"%d" % usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


class MeasuredProcess:
    """A program whose output is read from `stdout`; `wait` gives its exit code and its peak."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        self._report, there = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-E", "-c", _BETWEEN, str(there), *command],
                env=env,
                pass_fds=(there,),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        finally:
            os.close(there)
        assert self._process.stdout is not None
        self.stdout: IO[bytes] = self._process.stdout

    def wait(self) -> tuple[int, int]:
        """The exit code (negative for a signal) and the peak memory in bytes."""
        self.stdout.close()
        code, peak = self._process.wait(), int(os.read(self._report, 32) or 0)
        os.close(self._report)
        # ru_maxrss is in kilobytes on Linux, in bytes on macOS
        return code, peak * (1 if sys.platform == "darwin" else 1024)
