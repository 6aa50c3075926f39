"""Loading the configuration, with and without its cache."""

from __future__ import annotations

from orch.config.load import load_config


def test_the_cached_config_is_the_same_config() -> None:
    assert load_config() == load_config()
