"""The rules of chore_rules.yaml, read once, when a server gets its first request."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from orch.config.yaml_document import parse_yaml
from orch.server.chores.recognition import Chore, Rule, Rules, Words

FILE = Path(__file__).with_name("chore_rules.yaml")
PROMPTS = ("own", "session")


@lru_cache(maxsize=1)
def shipped_rules() -> Rules:
    """The package's rules."""
    return parse_rules(FILE.read_text("utf-8"))


def parse_rules(text: str) -> Rules:
    """Rules from the text of such a file. Raises ValueError for a rule that would match anything,
    KeyError for one that lacks what it must have."""
    document = parse_yaml(FILE.name, text, shipped=True)
    if document.problems:
        raise ValueError(str(document.problems[0]))
    return Rules([_rule(entry) for entry in document.data["rules"]])


def _rule(entry: dict[str, Any]) -> Rule:
    unknown = entry.keys() - {*Rule._fields, "prompt", "in_turn"}
    prompt = entry.get("prompt", "own")
    rule = Rule(
        client=entry["client"],
        chore=Chore(entry["chore"], prompt == "session", entry.get("in_turn", False)),
        system=_words(entry.get("system")),
        user=_words(entry.get("user")),
        alone=entry.get("alone", False),
        tools=entry.get("tools", False),
        max_tokens=entry.get("max_tokens"),
        source=entry["source"],
    )
    first = rule.system or rule.user
    is_bound = first is not None and bool(first.starts or first.has)
    if unknown or prompt not in PROMPTS or not is_bound:
        raise ValueError(f"not a rule: {entry}")
    return rule


def _words(entry: dict[str, list[str]] | None) -> Words | None:
    return None if entry is None else Words(**{name: tuple(entry[name]) for name in entry})
