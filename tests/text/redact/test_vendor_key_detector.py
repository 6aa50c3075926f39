"""Every known vendor key is redacted in any context; similar words are not."""

from __future__ import annotations

import pytest

from orch.text.redact import Redactor
from orch.text.redact.vendor_key_detector import looks_like_key_material
from orch.text.redact.vendor_keys import NAMED_KEYS
from tests.support.secret_samples import KEYS, key_of

REDACTOR = Redactor({})
AROUND = (
    "{}",
    "see {} there",
    '{{"x": "{}"}}',
    "one\\n{}\\ntwo",
    "<{}>",
    "https://a.example/x?y={}&z=1",
)


@pytest.mark.parametrize(("mark", "form"), KEYS, ids=[form for _, form in KEYS])
def test_a_key_is_redacted_in_any_context(mark: str, form: str) -> None:
    key = key_of(form)
    for around in AROUND[: 5 if "/" in key or "|" in key else 6]:
        clean = REDACTOR.redact(around.format(key))
        assert "[redacted: " in clean
        assert key[-12:] not in clean


@pytest.mark.parametrize(("mark", "form"), KEYS, ids=[form for _, form in KEYS])
def test_the_mark_names_the_form(mark: str, form: str) -> None:
    assert f"[redacted: {mark}]" in REDACTOR.redact(key_of(form))


@pytest.mark.parametrize(
    ("name", "alphabet", "least", "most"), NAMED_KEYS, ids=[row[0] for row in NAMED_KEYS]
)
def test_a_key_without_a_form_is_recognized_by_its_vendors_name(
    name: str, alphabet: str, least: int, most: int
) -> None:
    uuid = "{H8}-{H4}-{H4}-{H4}-{H12}" if most >= 36 else "{H24}"
    plain = {"[A-Fa-f0-9-]": uuid, "[a-f0-9:]": "{H8}:{H8}", "[A-Fa-f0-9]": f"{{H{least}}}"}
    key = key_of(plain.get(alphabet, f"{{A{least}}}"))
    assert key not in REDACTOR.redact(f'{name}_thing = "{key}"')


@pytest.mark.parametrize(
    "words",
    [
        "sk-fading-circle-container",
        "npm_config_registry_default",
        "task-sk-learn-tutorial",
        "pk-of-the-table-of-orders",
        "hf_hub_download",
        "s.allowStale",
    ],
)
def test_hyphenated_words_are_not_a_key(words: str) -> None:
    assert REDACTOR.redact(words) == words
    assert not looks_like_key_material("fading-circle-container")
