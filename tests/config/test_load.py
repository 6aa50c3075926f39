"""Loading the configuration, with and without its cache."""

from __future__ import annotations

from typing import Any

import pytest

from orch.config.load import config_from_data, load_config


def test_the_cached_config_is_the_same_config() -> None:
    assert load_config() == load_config()


@pytest.mark.parametrize(
    "text", ["un ratón 🐭", "\u2028", "\x7f\x9b\ufeff", "\\ud83d", '"', "a\tb\n"], ids=ascii
)
def test_a_text_of_parsed_data_stays_as_it_is(text: str) -> None:
    data: dict[str, Any] = {
        "providers": {"p": {"kind": "llamacpp"}},
        "models": [{"id": "m", "provider": "p", "system": text}],
    }
    assert config_from_data(data, None).models.models[0].system == text
