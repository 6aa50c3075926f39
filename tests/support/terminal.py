"""Runs the orch command on a pseudo-terminal and shows what a person would see on it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Iterator

from tests.support.forked import COMMAND

SHELL = """
import os, signal, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
child = os.fork()
if not child:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
while child:
    _, status = os.waitpid(child, os.WUNTRACED)
    os.tcsetpgrp(0, os.getpgrp())
    if not os.WIFSTOPPED(status):
        os._exit(os.waitstatus_to_exitcode(status))
    print("job stopped", flush=True)
    if sys.stdin.readline() == "fg\\n":
        os.tcsetpgrp(0, child)
    os.killpg(child, signal.SIGCONT)
"""
"""A shell with job control: runs what follows as its job, and reads `fg` or `bg` once it stops."""


class Terminal:
    """orch on a pseudo-terminal that is its controlling one, as in a shell; `prelude` is code that
    runs before it."""

    def __init__(
        self,
        *words: str,
        columns: int = 80,
        height: int = 24,
        term: str = "xterm-256color",
        prelude: str = "",
    ) -> None:
        self._mine, theirs = pty.openpty()
        self.raw, self._size = b"", (columns, height)
        self.resize(columns, height)
        env = {
            key: value
            for key, value in os.environ.items()
            if key not in ("COLUMNS", "LINES", "FORCE_COLOR")
        } | {"TERM": term}
        command = [
            COMMAND[0],
            "-c",
            f"import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n{prelude}\n{COMMAND[2]}",
            *words,
        ]
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True
        )
        os.close(theirs)

    def resize(self, columns: int, height: int) -> None:
        """Gives the window another size; the kernel tells orch."""
        fcntl.ioctl(self._mine, termios.TIOCSWINSZ, struct.pack("HHHH", height, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        """Presses keys."""
        os.write(self._mine, keys)

    def pieces(self) -> Iterator[bytes]:
        """What orch writes, until it closes the terminal."""
        while True:
            try:
                piece = os.read(self._mine, 65536)
            except OSError:
                return
            self.raw += piece
            yield piece

    def read_until(self, text: bytes) -> None:
        """Reads until the text was shown."""
        assert any(text in self.raw for _ in self.pieces()), self.raw

    def end(self) -> int:
        """Reads the rest and gives the exit code."""
        for _ in self.pieces():
            pass
        os.close(self._mine)
        return self.process.wait(timeout=60)

    def lines(self) -> list[str]:
        """What a person sees in the end, scrolled back to the beginning: carriage return, cursor
        up, erasing and wrapping obeyed."""
        columns, height = self._size
        rows, row, column = [""], 0, 0
        for piece in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|.", self.raw.decode(), re.DOTALL):
            if piece == "\n" or (column == columns and not piece.startswith(("\x1b", "\r"))):
                row, column = row + 1, column if piece == "\n" else 0
                rows += [""] * (row == len(rows))
            if piece == "\r":
                column = 0
            elif piece == "\x1b[2K":
                rows[row] = ""
            elif piece.startswith("\x1b") and piece.endswith("A"):
                row = max(row - int(piece[2:-1] or 1), len(rows) - height, 0)
            elif not piece.startswith("\x1b") and piece != "\n":
                rows[row] = rows[row].ljust(column)[:column] + piece + rows[row][column + 1 :]
                column += 1
        return [line.rstrip() for line in rows]
