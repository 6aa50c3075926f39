"""The version stands in one place: the build reads it from the package."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import orch
from orch.config.version import VERSION

ROOT = Path(__file__).parents[2]


def test_the_build_reads_the_version_of_the_package() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in settings["project"]
    assert settings["project"]["dynamic"] == ["version"]
    source = settings["tool"]["hatch"]["version"]
    found = re.search(source["pattern"], (ROOT / source["path"]).read_text(), re.MULTILINE)
    assert found is not None
    assert found["version"] == VERSION == orch.__version__
