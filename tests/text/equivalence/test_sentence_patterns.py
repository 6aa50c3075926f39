"""Politeness is removed, and synonymous idioms get one wording."""

from __future__ import annotations

import re

import pytest

from orch.text.equivalence.sentence_patterns import (
    CONTRACTIONS,
    IDIOMS,
    POLITE,
    normalize_wording,
)


@pytest.mark.parametrize(
    ("text", "wording"),
    [
        ("please tell me what a mutex is", "what a mutex is"),
        ("hi , could you please explain it", "explain it"),
        ("i'd like to know why", "why"),
        ("me puedes decir que es git", "que es git"),
        ("explain git to me please", "explain git"),
        ("in python , how can i sort", "how can i sort in python"),
        ("please", "please"),
    ],
)
def test_politeness_is_removed(text: str, wording: str) -> None:
    assert normalize_wording(text) == wording


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("what's a mutex", "what is a mutex"),
        ("i can't run it", "i cannot run it"),
        ("how much does a car weigh", "cuanto pesa a car"),
        ("how old is rome", "que edad tiene rome"),
        ("turn on wifi", "enable wifi"),
        ("how do tcp and udp differ", "what is the difference between tcp and udp"),
        ("second world war", "segunda guerra mundial"),
        ("how many km are in 5 miles", "cuantos km son 5 miles"),
        ("2 plus 3", "2 mas 3"),
        ("who is the author of x", "quien es el autor de x"),
    ],
)
def test_idioms_of_one_meaning_get_one_wording(one: str, other: str) -> None:
    assert normalize_wording(one) == normalize_wording(other)


@pytest.mark.parametrize("table", [CONTRACTIONS, POLITE, IDIOMS])
def test_every_pattern_compiles_and_its_replacement_names_its_groups(
    table: list[tuple[str, str]],
) -> None:
    for pattern, to in table:
        groups = re.compile(pattern).groups
        assert all(int(number) <= groups for number in re.findall(r"\\(\d)", to)), pattern
    assert len({pattern for pattern, _ in table}) == len(table)
