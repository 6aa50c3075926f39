"""The fingerprint of a setup changes with everything that matters, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from orch.config.discovery import SourceFile
from orch.config.fingerprint import fingerprint

SOURCE = SourceFile("models", Path("/a/models.yaml"), "user", "key: ${KEY}\n")
ENV = {"ORCH_HOME": "/o", "KEY": "1", "OTHER": "1"}


def test_other_variables_and_paths_change_nothing() -> None:
    moved = SourceFile("models", Path("/b/models.yaml"), "user", SOURCE.text)
    assert fingerprint([moved], [], ENV | {"OTHER": "2"}) == fingerprint([SOURCE], [], ENV)


@pytest.mark.parametrize(
    "env", [{"KEY": "2"}, {"OLLAMA_HOST": "box"}, {"ORCH_HOME": "/p"}], ids=str
)
def test_a_variable_that_matters_changes_it(env: dict[str, str]) -> None:
    assert fingerprint([SOURCE], [], ENV | env) != fingerprint([SOURCE], [], ENV)


def test_the_text_and_the_notes_change_it() -> None:
    other = SourceFile("models", SOURCE.path, "user", "key: x\n")
    one = fingerprint([SOURCE], [], ENV)
    assert one not in (fingerprint([other], [], ENV), fingerprint([SOURCE], ["note"], ENV))
