"""The tables of the vocabulary agree with one another."""

from __future__ import annotations

from collections import Counter

import pytest

from orch.text.equivalence.lexicon import lookup
from orch.text.equivalence.vocabulary import (
    ADJECTIVES,
    ALIASES,
    COMPARATIVES,
    IMPLIED_BY,
    NOUNS,
    TECH,
    UNITS,
    VERBS,
)


@pytest.mark.parametrize("table", [VERBS, ADJECTIVES, NOUNS, UNITS])
def test_a_table_names_each_concept_once(table: str) -> None:
    concepts = Counter(concept.split()[0] for concept in table.replace("|", " |").split(";"))
    assert [concept for concept, times in concepts.items() if times > 1] == []


def test_a_comparative_is_of_an_adjective() -> None:
    assert {lookup(base)[1] for base in COMPARATIVES.values()} == {"adjective"}


def test_words_that_others_imply_are_concepts() -> None:
    assert {lookup(word)[0] for word in IMPLIED_BY} == set(IMPLIED_BY)


def test_an_alias_is_of_a_tool_a_number_or_another_spelling() -> None:
    targets = {to for to in ALIASES.values() if to not in TECH and not to.isdigit()}
    assert targets == {"center", "color", "don't", "what's", "how's", "where's"}
    assert not set(ALIASES) & set(ALIASES.values())
