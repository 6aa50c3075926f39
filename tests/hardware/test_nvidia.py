"""NVIDIA's GPUs, as NVML and nvidia-smi report them.

The lines have the form of `nvidia-smi --query-gpu=… --format=csv,noheader,nounits`; those of GB10
are recorded in unslothai/unsloth#10703 and in NVIDIA's page of known issues of the DGX Spark.
"""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Event
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from orch.hardware.device import Gpu
from orch.hardware.nvidia import _HUNG, nvml_gpus, parse_smi, read_nvidia

MIB = 1 << 20
ONE = "GPU-1f2e, 24564, 20110, NVIDIA GeForce RTX 4090\n"


def test_each_line_is_a_gpu_with_what_is_free() -> None:
    other = "GPU-77aa, 12288, 16, NVIDIA GeForce RTX 3060\n"
    assert parse_smi(ONE + other) == (
        Gpu("NVIDIA GeForce RTX 4090", 24_564 * MIB, 20_110 * MIB, id="GPU-1f2e"),
        Gpu("NVIDIA GeForce RTX 3060", 12_288 * MIB, 16 * MIB, id="GPU-77aa"),
    )


def test_a_gpu_that_reports_no_memory_shares_that_of_the_machine() -> None:
    assert parse_smi("GPU-0a, [N/A], [N/A], NVIDIA GB10\n") == (
        Gpu("NVIDIA GB10", shared=True, id="GPU-0a"),
    )


def test_what_the_driver_can_not_say_is_unknown() -> None:
    (gpu,) = parse_smi("GPU-0a, 8192, [Unknown Error], Quadro, with a comma\n")
    assert gpu == Gpu("Quadro, with a comma", 8192 * MIB, None, id="GPU-0a")


@pytest.mark.parametrize(
    "output",
    [
        "",
        "No devices were found\n",
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n",
        "Unable to determine the device handle for GPU0000:01:00.0: Unknown Error, a, b, c\n",
        "24564, 1\n",
    ],
)
def test_lines_of_another_form_are_no_gpus(output: str) -> None:
    assert parse_smi(output) == ()


class NvmlError(Exception):
    def __init__(self, value: int) -> None:
        self.value = value


class FakeNvml(ModuleType):
    """The functions of nvidia-ml-py that orch calls; a GPU is (name, memory or an error)."""

    NVMLError = NvmlError
    NVML_ERROR_NOT_SUPPORTED = 3

    def __init__(self, *gpus: tuple[Any, Any], broken: bool = False) -> None:
        super().__init__("pynvml")
        self._gpus, self._broken, self.shut_down = gpus, broken, False

    def nvmlInit(self) -> None:
        if self._broken:
            raise NvmlError(12)  # the driver's library is not there

    def nvmlShutdown(self) -> None:
        self.shut_down = True

    def nvmlDeviceGetCount(self) -> int:
        return len(self._gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> tuple[Any, Any]:
        if self._gpus[index][0] is None:
            raise NvmlError(15)  # it has fallen off the bus
        return self._gpus[index]

    def nvmlDeviceGetName(self, handle: tuple[Any, Any]) -> Any:
        return handle[0]

    def nvmlDeviceGetUUID(self, handle: tuple[Any, Any]) -> str:
        raise NvmlError(3)

    def nvmlDeviceGetMemoryInfo(self, handle: tuple[Any, Any]) -> Any:
        if isinstance(handle[1], Exception):
            raise handle[1]
        return SimpleNamespace(total=handle[1][0], free=handle[1][1], used=0)


def test_nvml_tells_the_same() -> None:
    nvml = FakeNvml(
        (b"Tesla T4", (16 << 30, 5 << 30)),
        (None, None),
        ("NVIDIA GB10", NvmlError(3)),
        ("lost", NvmlError(999)),
    )
    assert nvml_gpus(nvml) == (
        Gpu("Tesla T4", 16 << 30, 5 << 30),
        Gpu("NVIDIA GB10", shared=True),
        Gpu("lost"),
    )


def put_nvidia_smi(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    command = folder / "nvidia-smi"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")


def test_nvml_is_asked_first_and_shut_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = FakeNvml(("Tesla T4", (16 << 30, 5 << 30)))
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    put_nvidia_smi(tmp_path, monkeypatch, f"echo '{ONE}'")
    assert [gpu.name for gpu in read_nvidia()] == ["Tesla T4"]
    assert nvml.shut_down


class HangingNvml(FakeNvml):
    """Waits for its driver until that `answers`."""

    def __init__(self) -> None:
        super().__init__(("Tesla T4", (16 << 30, 5 << 30)))
        self.answers, self.asked = Event(), 0

    def nvmlInit(self) -> None:
        self.asked += 1
        self.answers.wait()


def test_a_driver_that_does_not_answer_is_not_waited_for_and_asked_again_once_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvml = HangingNvml()
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setattr("orch.hardware.command.TIMEOUT_S", 0.01)
    put_nvidia_smi(tmp_path, monkeypatch, f"echo '{ONE}'")
    assert (read_nvidia(), read_nvidia()) == ((), ())
    assert nvml.asked == 1
    nvml.answers.set()
    _HUNG[0].join()
    monkeypatch.setattr("orch.hardware.command.TIMEOUT_S", 60)
    assert [gpu.name for gpu in read_nvidia()] == ["Tesla T4"]


@pytest.mark.parametrize("nvml", [FakeNvml(broken=True), None])
def test_without_nvml_the_command_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nvml: Any
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    put_nvidia_smi(tmp_path, monkeypatch, f"echo '{ONE}'")
    assert read_nvidia() == parse_smi(ONE)


@pytest.mark.parametrize("script", ["exit 9", "echo nothing", "echo 'GPU-1, many, RTX'"])
def test_a_command_that_fails_has_no_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    put_nvidia_smi(tmp_path, monkeypatch, script)
    assert read_nvidia() == ()
