"""CPU time by length: every function that takes text, on twenty kinds of hostile text, in this
process."""

from __future__ import annotations

import gc
import json
import math
import random
import statistics
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import cache
from io import StringIO

from rich.console import Console

from orch.bench import answer_parsing
from orch.bench.answer_json import find_json
from orch.bench.grading import grade
from orch.bench.suite import SuiteTask as Graded
from orch.bench.suite import load_suite as suite
from orch.classifier.classifier import Classifier
from orch.classifier.keyword_rules import RuleClassifier
from orch.cli.run_display import TerminalDisplay
from orch.config.load import load_config
from orch.errors import ProviderError
from orch.memory import bm25 as memory_text
from orch.memory import chunking
from orch.memory.fusion import asks_for_latest
from orch.memory.notes import parse_export
from orch.providers.context_overflow import parse_overflow
from orch.providers.streams.lines import LineSplitter
from orch.providers.streams.reader import StreamReader
from orch.providers.streams.sse import Event
from orch.providers.streams.thinking_markers import ThinkingSplitter
from orch.providers.streams.tool_calls import ToolCalls
from orch.providers.streams.values import parse_text as wire_text
from orch.quality.features import hash_text
from orch.server.conversations.opening import opening_of
from orch.server.web.components.markdown_html import render_blocks
from orch.server.web.components.stream_text import split_tail
from orch.storage.answers import answer_key
from orch.text.equivalence.guards import is_equivalent
from orch.text.equivalence.tokenize import without_accents
from orch.text.language import detect_language, fold
from orch.text.lines import truncate_line
from orch.text.markdown import BlockSplitter
from orch.text.prompt import Task, estimate_text_tokens, fenced_block, message_text, prepare_task
from orch.text.redact import Redactor
from orch.text.terminal import sanitize_text

SIZES = (2_000, 8_000, 32_000, 128_000, 512_000, 2_000_000)
"""Characters."""
MOST_GROWTH = 1.2
"""The exponent above which a function fails: n log n measures as 1.1, the rest is noise."""
STOP_S = 0.25
"""A kind slower than this at one length is not tried at the next: quadratic growth would take
sixteen times as long there."""
WORTH_S, FREEZES_S = 0.003, 0.1
"""Below the first, times are noise and no growth is computed; a function that takes less than the
second for 2 MB blocks nothing noticeably."""
PIECE_CHARS = 4
"""The size of a stream's chunks: about a token."""
Work = Callable[[str], object]


def report(_: int) -> list[str]:
    """Prints a Markdown table: for each function, the kind with the fastest growth. Exits with
    status 1 if one exceeds the bound."""
    print(
        "| function | worst kind | exponent | longest tried | ms there |\n|---|---|---|---|---|",
        flush=True,
    )
    beyond = [name for name, work in functions().items() if _row(name, work)]
    if beyond:
        print(f"\nbeyond {MOST_GROWTH}: {', '.join(beyond)}")
        raise SystemExit(1)
    return [
        f"\nall of {len(functions())} functions grow by at most {MOST_GROWTH} on {len(KINDS)} kinds"
        " of text"
    ]


def _row(name: str, work: Work) -> bool:
    """Measures and prints one function; returns whether it grows too fast."""
    found = {kind: measured(work, kind) for kind in KINDS}
    worst = max(
        found,
        key=lambda kind: (found[kind][-1][1] > FREEZES_S, growth(found[kind]), found[kind][-1][1]),
    )
    size, seconds = found[worst][-1]
    exponent = growth(found[worst])
    said = f"{exponent:.2f}" if exponent else "too fast to tell"
    print(f"| {name} | {worst} | {said} | {size:,} | {seconds * 1000:.0f} |", flush=True)
    if exponent <= MOST_GROWTH or seconds <= FREEZES_S:
        return False
    return (
        growth(measured(work, worst)) > MOST_GROWTH
    )  # once more: a busy machine's caches make a step of some 30 %


def measured(work: Work, kind: str) -> list[tuple[int, float]]:
    """Lengths and CPU seconds, the best of three for short times."""
    points: list[tuple[int, float]] = []
    for size in SIZES:
        text = made(kind, size)
        seconds = _seconds(work, text)
        if seconds < STOP_S / 4:
            seconds = min(seconds, _seconds(work, text), _seconds(work, text))
        points.append((size, seconds))
        if seconds > STOP_S:
            break
    return points


def _seconds(work: Work, text: str) -> float:
    gc.collect()
    gc.disable()  # it looks at everything that is alive, which is no affair of the function's
    try:
        begun = time.process_time()
        work(text)
        return time.process_time() - begun
    finally:
        gc.enable()


def growth(points: list[tuple[int, float]]) -> float:
    """The exponent fitted over the last 64-fold of length, or the measurable part of it; 0 if
    nothing is measurable."""
    worth = [(math.log(size), math.log(seconds)) for size, seconds in points if seconds >= WORTH_S][
        -4:
    ]
    return statistics.linear_regression(*zip(*worth, strict=True)).slope if len(worth) > 1 else 0.0


# ---------------------------------------------------------------- the text


def _noise(length: int) -> str:
    return b64encode(random.Random(1).randbytes(length)).decode()[:length]


KINDS: dict[str, str | Callable[[int], str]] = {
    "words": "the quick brown fox asks why ",
    "one long word": "a",
    "blanks": " ",
    "blank lines": "\n\t ",
    "digits": "1",
    "numbers": "1,234.5 ",
    "base64": _noise,
    "combining marks": "\u0301\u0316",
    "han": "漢字",
    "emoji": "👩\u200d💻",
    "private key heads": "-----BEGIN PRIVATE KEY-----",
    "names without values": "password=token: ",
    "tokens cut off": "eyJhbGciOiJI.eyJ",
    "addresses": "http://a:b@c.d/ ",
    "quotes and backslashes": "\\\"'",
    "brackets": "[",
    "emphasis": "*_",
    "fences": "```\n~~~\n",
    "lists and tables": "- a | b\n|-|-|\n",
    "tags": "<think>< a='{",
}
"""A string to repeat, or a function of the length."""


@cache
def made(kind: str, size: int) -> str:
    """A text of that kind and length."""
    unit = KINDS[kind]
    return (unit * (size // len(unit) + 1))[:size] if isinstance(unit, str) else unit(size)


# ---------------------------------------------------------------- the functions


@cache
def functions() -> dict[str, Work]:
    """Functions by module-qualified name."""
    config = load_config()
    redactor, classifier = Redactor(config.routing.redaction.patterns), Classifier({})
    rules = RuleClassifier(config.routing.task_types)
    return {
        "redact": redactor.redact,
        "redact values": lambda text: redactor.redact_all(
            {"a": text, "messages": [{"content": text}]}
        ),
        "classifier": classifier.classify,
        "classifier with corrections": lambda text: classifier.classify(
            text, None, [(text, "coding")] * 3
        ),
        "keywords and patterns": rules.classify,
        "language": detect_language,
        "fold": fold,
        "near: bare": without_accents,
        "near: same answer": lambda text: is_equivalent(text, f"{text}!", 1.0),
        "near: same answer, of 400 characters": lambda text: is_equivalent(
            text[:399], f"{text[:399]}!", 1.0
        ),
        "quality's words": hash_text,
        "token estimate": estimate_text_tokens,
        "fences of prompts": lambda text: fenced_block("Input", text),
        "message text": lambda text: message_text(
            {"content": [{"type": "text", "text": part} for part in text.split("\n")]}
        ),
        "cache key": lambda text: answer_key(prepare_task(Task(text=text)), ""),
        "conversation key": lambda text: opening_of(
            [{"role": role, "content": text} for role in ("user", "assistant", "user")], ""
        ),
        "Markdown blocks, by line": lambda text: _streamed(
            BlockSplitter().feed, text.splitlines(keepends=True)
        ),
        "Markdown blocks, in pieces": lambda text: _streamed(BlockSplitter().feed, _pieces(text)),
        "Markdown's tail": _tailed,
        "page: segments": split_tail,
        "page: rendered": render_blocks,
        "page: rendered code": lambda text: [
            render_blocks(f"```{name}\n{text}\n```") for name in ("python", "js", "perl", "html")
        ],
        "terminal: harmless": sanitize_text,
        "terminal: drawn": _drawn,
        "wire: lines, in pieces": lambda text: _lines(text.encode()),
        "wire: thinking, in pieces": lambda text: _streamed(ThinkingSplitter().feed, _pieces(text)),
        "wire: thinking goes on": lambda text: _streamed(
            ThinkingSplitter().feed, ["<think>", *_pieces(text)]
        ),
        "wire: text": wire_text,
        "wire: an event": lambda text: _read(f"data: {json.dumps({'a': text})}\n\n"),
        "wire: a document": lambda text: _read(json.dumps({"a": [text] * 3}, indent=1)),
        "wire: any lines": lambda text: _read(text),
        "wire: any lines of data": lambda text: _read("data: " + text.replace("\n", "\ndata: ")),
        "wire: a call in pieces": _called,
        "overflow's words": lambda text: parse_overflow(text, text.encode()),
        "memory: pieces": chunking.split_text,
        "memory: of a run": lambda text: chunking.run_chunks(text, text),
        "memory: shortened": lambda text: truncate_line(text, 400),
        "memory: document weights": memory_text.document_weights,
        "memory: query weights": memory_text.query_weights,
        "memory: speaker": memory_text.transcript_speaker,
        "memory: latest": asks_for_latest,
        "memory: export": parse_export,
        "bench: JSON in an answer": find_json,
        "bench: visible": answer_parsing.visible_answer,
        **{f"grade: {kind}": _grading(task) for kind, task in _tasks().items()},
    }


def _tasks() -> dict[str, Graded]:
    """The suite's first task of each grader, except those that run code."""
    return {
        type(check).__name__: task
        for task in reversed(suite().tasks)
        for check in task.checks
        if type(check).__name__ != "UnitTests"
    }


def _grading(task: Graded) -> Work:
    return lambda text: grade(task, text)


def _pieces(text: str) -> Iterator[str]:
    return (text[at : at + PIECE_CHARS] for at in range(0, len(text), PIECE_CHARS))


def _streamed(feed: Work, parts: Iterator[str] | list[str]) -> None:
    for part in parts:
        feed(part)


def _tailed(text: str) -> None:
    blocks = BlockSplitter()
    for part in _pieces(text):
        blocks.feed(part)
    for _ in range(12):  # a second of a terminal's
        blocks.tail(50)


def _lines(data: bytes) -> None:
    splitter = LineSplitter()
    for at in range(0, len(data), 64):
        splitter.feed(data[at : at + 64])
    splitter.flush()


def _read(text: str) -> None:
    """Reads a stream in chunks of 4,096 bytes, up to its first error."""
    reader, events, data = StreamReader(), list[Event](), text.encode("utf-8", "replace")
    try:
        for at in range(0, len(data), 4_096):
            reader.feed(data[at : at + 4_096], events)
        reader.flush(events)
    except ProviderError:
        return


def _called(text: str) -> None:
    """Assembles a tool call whose name stands in each fragment."""
    calls = ToolCalls()
    for part in _pieces(text):
        calls.add_all([{"index": 0, "function": {"name": "f", "arguments": part}}])
    calls.finish()


def _drawn(text: str) -> None:
    """Displays an answer on a terminal in a hundred chunks."""
    screen = TerminalDisplay(
        thinking=False,
        quiet=True,
        out=Console(file=StringIO(), width=80, height=24),
        notes=Console(file=StringIO()),
    )
    step = max(len(text) // 100, 1)
    for at in range(0, len(text), step):
        screen.show({"type": "content", "chunk": text[at : at + step]})
    screen.close()
