"""Recognizes by their names models that are not made for chat: embedders, rerankers, models of
speech, images and decisions."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from orch.routing.known_models.names import VENDORS

FILE = Path(__file__).with_name("other_tasks.yaml")
_SPLIT = re.compile(r"[-_/:\s]+|\.(?!\d)|(?<!\d)\.")
"""A point within a number is part of a word: sd3.5."""
MOST_CHARS = 300


@lru_cache(maxsize=4_096)
def task_by_name(name: str) -> str:
    """The capability of a model with that name, such as embedding; empty if it is none of the
    kinds of the file. Cached: an inventory asks for the same names each time."""
    words, own = _words(name)
    for rule in rules():
        if any(f" {word} " in words for word in rule.get("unless", ())):
            continue
        if any(_matches(each, words, own) for each in rule["names"]):
            return str(rule["capability"])
    return ""


def _words(name: str) -> tuple[str, str]:
    """The words of the model's own name between blanks, with one before and behind; and those
    behind its maker's. The folders of a path and the owner of a repository tell nothing."""
    last = name.rsplit("/", 1)[-1][:MOST_CHARS].lower()
    own = words = [word for word in _SPLIT.split(last) if word]
    while len(own) > 1 and own[0] in VENDORS:
        own = own[1:]
    return f" {' '.join(words)} ", f"{' '.join(own)} "


def _matches(rule: str, words: str, own: str) -> bool:
    if rule.startswith("^"):
        return own.startswith(f"{rule[1:]} ")
    return f" {rule} " in words


@lru_cache(maxsize=1)
def rules() -> list[dict[str, Any]]:
    """The rules of the file: capability, names, words that speak against it, source."""
    text = FILE.read_text(encoding="utf-8")
    content = "".join(line for line in text.splitlines(True) if not line.startswith("#"))
    found: list[dict[str, Any]] = json.loads(content)["rules"]
    return found
