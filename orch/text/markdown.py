"""Splits streamed Markdown into complete blocks and a tail that may still change (pure)."""

from __future__ import annotations

import re

_FENCE = re.compile(r"(`{3,})[^`]*|(~{3,}).*")
"""A line that opens a code block (CommonMark 0.31, 4.5): a line of backticks holds no others."""


class BlockSplitter:
    """Takes text as it arrives. A blank line ends a block, except inside a code fence or a list.
    Every line is read once."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._partial: list[str] = []
        self._opening = self._fence = ""
        self._after_blank = False

    def feed(self, text: str) -> str:
        """The blocks that this text completes; usually empty."""
        head, newline, rest = text.partition("\n")
        # joined when the line is complete: joining each piece would copy a long line every time
        self._partial.append(head)
        if not newline:
            return ""
        *lines, partial = rest.split("\n")
        whole, self._partial = "".join(self._partial), [partial]
        return "".join([self._take(f"{line}\n") for line in (whole, *lines)])

    def _take(self, line: str) -> str:
        ready, stripped = "", line.strip()
        if self._after_blank and stripped and not line[0].isspace() and not _is_item(line):
            ready, self._lines = "".join(self._lines), []
        self._lines.append(line)
        if not self._fence:
            self._fence = opening_fence(stripped)
            self._opening = line if self._fence else ""
        elif closes_fence(stripped, self._fence):
            self._opening = self._fence = ""
        self._after_blank = not stripped and not self._fence
        return ready

    def tail(self, lines: int, most_chars: int | None = None) -> str:
        """The end of the incomplete part, up to some lines and characters; a truncated code block
        starts with its fence again."""
        self._partial = ["".join(self._partial)]  # called several times a second while a line grows
        shown = "".join(
            (
                *self._lines[-lines:],
                self._partial[0][-most_chars:] if most_chars else self._partial[0],
            )
        )
        shown = shown[-most_chars:] if most_chars else shown
        return self._opening + shown if self._opening and self._opening not in shown else shown

    def flush(self) -> str:
        """The incomplete part; empty afterwards."""
        rest = "".join(self._lines) + "".join(self._partial)
        self.__init__()  # type: ignore[misc]
        return rest


def opening_fence(line: str) -> str:
    """The fence of a stripped line that opens a code block; empty if it opens none."""
    match = _FENCE.fullmatch(line)
    return match[1] or match[2] if match else ""


def closes_fence(line: str, fence: str) -> bool:
    """Whether a stripped line closes a code block: only characters of its fence, and at least as
    many."""
    return len(line) >= len(fence) and line == fence[0] * len(line)


def _is_item(line: str) -> bool:
    head = line.split(" ", 1)[0].strip()
    return head in ("-", "*", "+") or head.rstrip(".)").isdigit()
