"""The wiring: every part is constructed once, and constructing touches neither disk nor network."""

from __future__ import annotations

from pathlib import Path

import pytest

from orch.config.load import config_from_data
from orch.execution.runtime import Runtime
from orch.wiring import Wiring


@pytest.fixture
def runtime(home: Path) -> Runtime:
    """The parts of the shipped configuration."""
    return Wiring().build(config_from_data(None, None))


def test_constructing_writes_nothing(home: Path, runtime: Runtime) -> None:
    assert [path for path in home.rglob("*") if path.is_file()] == []


def test_every_part_shares_the_others(runtime: Runtime) -> None:
    assert runtime.router.registry is runtime.registry
    assert runtime.router.classifier is runtime.classifier
    assert runtime.router.estimator is runtime.estimator
    assert runtime.router.admission is runtime.admission
    assert runtime.loader.registry is runtime.registry
    assert runtime.loader.providers is runtime.providers


def test_there_is_a_client_for_each_provider(runtime: Runtime) -> None:
    assert [*runtime.providers] == [*runtime.config.models.providers]
