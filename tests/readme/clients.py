"""The generated parts of docs/clients: what a run of `python -m tests.clients` found."""

from __future__ import annotations

from collections.abc import Sequence

from tests.clients.checks import CHECKS
from tests.clients.results import KEPT, Results, head_lines, line, read

PAGES = {
    "claude-code": ("claude",),
    "codex": ("codex",),
    "opencode": ("opencode",),
    "qwen-code": ("qwen",),
    "continue": ("continue",),
    "aider": ("aider",),
    "open-webui": ("open-webui",),
    "llm": ("llm",),
    "libraries": (
        *("anthropic", "openai", "openai-responses", "openai-parse", "ollama"),
        *("langchain-openai", "langchain-ollama", "pydantic-ai", "instructor", "smolagents"),
        *("litellm", "litellm-ollama"),
    ),
}
"""Each page that shows results, and whose, by the names of the command line."""


def whole() -> str:
    """The table of all clients."""
    results = read(KEPT)
    return f"{_head(results)}:\n\n{_table(results, tuple(results.clients))}"


def of_page(page: str) -> str:
    """The table of a page's clients."""
    results = read(KEPT)
    head = f"[What was run](index.md#what-was-run) on {results.date}"
    return f"{head}:\n\n{_table(results, PAGES[page])}"


def _head(results: Results) -> str:
    again = f", in {results.resumed + 1} parts" if results.resumed else ""
    return f"One run{again}: {results.head}"


def _table(results: Results, names: Sequence[str]) -> str:
    rows = [line(results.clients[name], CHECKS) for name in names]
    return "\n".join([*head_lines(CHECKS), *rows])
