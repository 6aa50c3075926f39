"""Cores and memory of this machine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orch.hardware import devices


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cards, as nvidia-smi lists them."""
    command = tmp_path / "nvidia-smi"
    lines = "GPU-a, 24564, 20000, RTX 4090\nGPU-b, 8192, 100, RTX 3050\nGPU-c, [N/A], [N/A], GB10"
    command.write_text(f"#!/bin/sh\necho '{lines}'\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_free_memory_is_not_more_than_all_memory() -> None:
    free, total = devices.free_memory_bytes(), devices.total_memory_bytes()
    assert free is not None
    assert total is not None
    assert 0 < free <= total


def test_there_is_a_core() -> None:
    assert devices.core_count() >= 1


@pytest.mark.usefixtures("nvidia_smi")
def test_gpus_with_memory_of_their_own_are_added_up() -> None:
    assert ("RTX 4090", 24_564 << 20) in devices.gpus()
    assert devices.gpu_memory_bytes() >= (24_564 + 8192) << 20
    assert "GB10" not in dict(devices.gpus())


@pytest.mark.usefixtures("nvidia_smi")
def test_all_devices_are_read_together() -> None:
    here = devices.read_devices({"CUDA_VISIBLE_DEVICES": "1,2"})
    assert here.main.total_bytes == devices.total_memory_bytes()
    nvidia = [gpu for gpu in here.gpus if gpu.id.startswith("GPU-")]
    assert [(gpu.name, gpu.shared) for gpu in nvidia] == [("RTX 3050", False), ("GB10", True)]


def test_reading_main_memory_imports_no_other_source() -> None:
    code = (
        "import sys; from orch.hardware import devices; devices.free_memory_bytes();"
        "print(sorted({'subprocess', 'pynvml', 'ctypes'} & set(sys.modules)))"
    )
    import subprocess

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
