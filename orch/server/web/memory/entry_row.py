"""One entry of memory in a few words."""

from __future__ import annotations

from typing import Any

from orch.server.web.components.page import Page

Row = dict[str, Any]
"""As memory's operations give it."""


def entry_title(row: Row) -> str:
    """What an entry is called: its title, or how it begins."""
    return " ".join(str(row["title"] or row["task"]).split())[:200]


def entry_summary(page: Page, row: Row) -> str:
    """When, what kind, by which model, and how well it fits a search."""
    score = (
        page("score {score}", score=page.translator.number(row["score"], 2))
        if "score" in row
        else ""
    )
    kind = page("note") if row["note"] else row["task_type"]
    return " · ".join(filter(None, (entry_date(row), kind, row["model"], score)))


def entry_date(row: Row) -> str:
    """The day and time of this machine."""
    return str(row["date"]).replace("T", " ")
