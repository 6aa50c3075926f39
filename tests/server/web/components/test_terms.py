"""The terms of the score as the page shows them."""

from __future__ import annotations

from orch.config.spec import TERMS
from orch.server.web.components.terms import TERM_LABELS, term_css


def test_no_two_terms_look_alike_on_a_light_or_a_dark_page() -> None:
    assert len({each.name for each in TERM_LABELS.values()}) == len(TERMS)
    assert len({each.color for each in TERM_LABELS.values()}) == len(TERMS)
    assert len({each.dark_color for each in TERM_LABELS.values()}) == len(TERMS)


def test_the_bar_of_each_term_has_its_color_on_both_pages() -> None:
    rules = term_css().splitlines()
    for rule, term in zip(rules, TERMS, strict=True):
        light, dark = rule.split("} ")
        assert light.startswith(f".orch-decision-{term} ")
        assert TERM_LABELS[term].color in light
        assert f".body--dark .orch-decision-{term} " in dark
        assert TERM_LABELS[term].dark_color in dark
