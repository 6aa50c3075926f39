"""The table of vendor key forms."""

from __future__ import annotations

import pytest

from orch.text.redact.vendor_keys import FORM_NAMES, KEY_FORMS
from tests.support.secret_samples import KEYS


@pytest.mark.parametrize(
    ("mark", "literal"), sorted({(mark, literal) for mark, _, literal, _, _ in KEY_FORMS})
)
def test_every_form_of_the_table_has_an_invented_key(mark: str, literal: str) -> None:
    assert any(mark == its and literal in form for its, form in KEYS)


def test_all_sources_are_named() -> None:
    assert {source for *_, source in KEY_FORMS} == {"g", "d", "gd", "v"}


def test_every_mark_is_a_plain_name() -> None:
    assert all(mark.replace("_", "").isalnum() and mark == mark.lower() for mark in FORM_NAMES)
