"""The views of a text have one byte a character, at the same positions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.text.redact.text_view import TOKEN_RUN, TextView
from tests.support.secret_samples import key_of


@given(st.text(max_size=60))
def test_every_view_has_a_byte_for_each_character(text: str) -> None:
    view = TextView(text)
    assert len(view.lowered) == len(view.name_mask) == len(view.token_mask) == len(text)
    assert set(view.name_mask + view.token_mask) <= set(b"a ")


@pytest.mark.parametrize(
    ("text", "lowered"),
    [
        ("PassWord", b"password"),
        ("CONTRASEÑA", "contraseña".encode("latin-1")),
        ("a—b → c", b"a\x80b \x80 c"),
        ("“x”：‘y’", b"\"x\":'y'"),
        ("密码 x", b"?? x"),
        ("contrasen\u0303a", b"contrasen\x7fa"),
    ],
)
def test_a_text_is_lowered_and_typographic_signs_are_plain(text: str, lowered: bytes) -> None:
    assert TextView(text).lowered == lowered


def test_a_name_has_letters_digits_and_three_signs() -> None:
    assert TextView("db_pass-1.x=ñ: a²").name_mask == b"aaaaaaaaaaa a  a "


def test_a_key_may_have_more_signs_but_no_letters_beyond_ascii() -> None:
    assert TextView("a+/=~:|%$.-_1").token_mask == b"a" * 13
    assert TextView("ñ(a),").token_mask == b"  a  "


def test_a_vendor_key_is_a_run_and_a_short_word_is_none() -> None:
    assert TOKEN_RUN in TextView(f"see {key_of('ghp_{A36}')}").token_mask
    assert TOKEN_RUN not in TextView("an ordinary text of words").token_mask
