"""The rules of the data file are whole, and a rule that would match everything is refused."""

from __future__ import annotations

import re

import pytest

from orch.server.chores.rule_list import FILE, parse_rules, shipped_rules

RULE = 'rules:\n  - {client: X, chore: title, user: {starts: ["Title:"]}, source: x}\n'


def test_every_rule_names_its_source_and_a_chore() -> None:
    for rule in shipped_rules().rules:
        assert len(rule.source) > 15, rule
        assert re.fullmatch("[a-z][a-z0-9_]+", rule.chore.name), rule


def test_the_words_of_a_rule_are_long_enough_to_be_a_programs() -> None:
    for rule in shipped_rules().rules:
        words = [*(rule.system or ()), *(rule.user or ())]
        assert max(len(word) for each in words for word in each) >= 14, rule


def test_a_summary_inside_a_turn_never_waits_for_the_turns_end() -> None:
    own_thread = "it runs in a thread of its own"
    for rule in shipped_rules().rules:
        if rule.chore.joins_session and rule.chore.name == "summary":
            assert rule.chore.in_turn, rule
        assert not (rule.chore.in_turn and own_thread in rule.source)


def test_a_rule_is_read_with_its_defaults() -> None:
    (rule,) = parse_rules(RULE).rules
    assert (rule.chore.name, rule.chore.joins_session, rule.chore.in_turn) == (
        "title",
        False,
        False,
    )
    assert (rule.user is not None and rule.user.starts, rule.system, rule.tools) == (
        ("Title:",),
        None,
        False,
    )


@pytest.mark.parametrize(
    "text",
    [
        RULE.replace('{starts: ["Title:"]}', "{}"),
        RULE.replace("source: x", "source: x, tool: true"),
        RULE.replace("source: x", "source: x, prompt: mine"),
        RULE.replace("  - ", "  - ["),
    ],
)
def test_a_rule_that_matches_anything_or_has_unknown_keys_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a rule|chore_rules\.yaml"):
        parse_rules(text)


def test_the_file_explains_its_keys() -> None:
    head = FILE.read_text("utf-8").partition("version:")[0]
    for key in ("starts", "has", "ends", "alone", "max_tokens", "prompt: session", "in_turn: true"):
        assert key in head
