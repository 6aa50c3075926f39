"""How fast main memory gives weights: never faster than the cores process them."""

from __future__ import annotations

import pytest

from orch.hardware import bandwidth
from orch.hardware.devices import core_count


def test_weights_are_read_as_fast_as_memory_is_copied_and_the_cores_follow() -> None:
    rate = bandwidth.main_bytes_per_s()
    assert 1e6 < rate <= core_count() * bandwidth.CORE_BYTES_PER_S


def test_many_cores_do_not_read_faster_than_memory_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bandwidth, "core_count", lambda: 10**6)
    assert bandwidth.main_bytes_per_s() < 10**6 * bandwidth.CORE_BYTES_PER_S
