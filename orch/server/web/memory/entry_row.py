"""A memory entry in a few words."""

from __future__ import annotations

from typing import Any

from orch.server.web.components.labels import task_type_label
from orch.server.web.components.page import Page

TITLE_CHARS = 200
Row = dict[str, Any]
"""An entry as the memory operations return it."""


def entry_title(row: Row) -> str:
    """The title of an entry, or the beginning of its text."""
    return " ".join(str(row["title"] or row["task"]).split())[:TITLE_CHARS]


def entry_type(page: Page, row: Row) -> str:
    """Whether the entry is a note, or the task type of its question."""
    return page("note") if row["note"] else task_type_label(page, row["task_type"] or "")


def entry_summary(page: Page, row: Row) -> str:
    """Date, type and model of an entry, and its score in a search."""
    score = page("score {n}", n=page.number(row["score"], 2)) if "score" in row else ""
    parts = (entry_date(row), entry_type(page, row), row["model"], score)
    return " · ".join(filter(None, parts))


def entry_date(row: Row) -> str:
    """The local date and time of an entry."""
    return str(row["date"]).replace("T", " ")
