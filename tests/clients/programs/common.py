"""What the programs of the Python libraries share: run as `python NAME.py CHECK URL`, with another
library's Python, so that nothing of orch or of the tests is imported here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

QUESTION = "What is a mutex?"
SECOND = "And what is a semaphore?"
EDIT = "Write the file made.txt."
CHECK, URL = sys.argv[1], sys.argv[2]
MOST_STEPS = 5
Messages = list[dict[str, str]]


def write_file(path: str, content: str) -> str:
    """Writes a file.

    Args:
        path: The name of the file.
        content: What it holds.
    """
    Path(path).write_text(content)
    return "written"


SCHEMA = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "content": {"type": "string"}},
    "required": ["path", "content"],
}
FUNCTION = {"name": "write_file", "description": "Writes a file", "parameters": SCHEMA}


def run(stream: Callable[[Messages], Iterable[str]], edit: Callable[[str], object]) -> None:
    """Puts the check to a library: `stream` answers a conversation, `edit` has the model call
    `write_file`."""
    if CHECK == "edit":
        edit(EDIT)
        return
    check, _, turns = CHECK.partition(":")
    long = sys.stdin.read()
    question, *later = {
        "turns": [QUESTION, SECOND],
        "conversation": [QUESTION, *[long] * int(turns or 0)],
        "long": [long],
        "talk": long.splitlines(),
    }.get(check, [QUESTION])
    messages = [{"role": "user", "content": question}]
    answer = show(stream(messages))
    for text in later:
        said = {"role": "assistant", "content": answer}
        messages = [*messages, said, {"role": "user", "content": text}]
        answer = show(stream(messages))


def show(pieces: Iterable[str]) -> str:
    """Prints an answer while it comes."""
    text = ""
    for piece in pieces:
        print(piece, end="", flush=True)
        text += piece
    print()
    return text
