"""Cores and memory of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from orch.hardware import devices


def test_free_memory_is_not_more_than_all_memory() -> None:
    free, total = devices.free_memory_bytes(), devices.total_memory_bytes()
    assert free is not None
    assert total is not None
    assert 0 < free <= total


def test_there_is_a_core() -> None:
    assert devices.core_count() >= 1


def test_gpus_are_those_that_nvidia_smi_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "nvidia-smi"
    command.write_text("#!/bin/sh\necho 'RTX, 4090, 24564'\necho\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert ("RTX, 4090", 24_564 * 1024**2) in devices.gpus()
    assert devices.gpu_memory_bytes() >= 24_564 * 1024**2


@pytest.mark.parametrize("script", ["exit 9", "echo nothing", "echo 'RTX, many'"])
def test_an_nvidia_smi_that_fails_has_no_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    command = tmp_path / "nvidia-smi"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert not any("RTX" in name for name, _ in devices.gpus())
