"""Which models.yaml and routing.yaml are used."""

from __future__ import annotations

from pathlib import Path

from orch.config.discovery import find_sources, packaged_file
from tests.support.config_folder import write_config


def test_in_a_clone_of_orch_the_users_own_files_have_precedence(home: Path) -> None:
    clone, env = packaged_file("models").parent, {"ORCH_HOME": str(home)}
    assert [find_sources(None, env, clone)[0][which].origin for which in ("models", "routing")] == [
        "package",
        "package",
    ]
    home.mkdir()
    write_config(home, "version: 1\nproviders: {}\n")
    assert [find_sources(None, env, clone)[0][which].origin for which in ("models", "routing")] == [
        "user",
        "user",
    ]
