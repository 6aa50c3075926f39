"""NVIDIA's GPUs: by NVML where nvidia-ml-py is installed, else by nvidia-smi."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from orch.hardware import command
from orch.hardware.device import Gpu, parse_size

if TYPE_CHECKING:
    from threading import Thread

_Result = TypeVar("_Result")
QUERY = "uuid,memory.total,memory.free,name"
UNREPORTED = "[N/A]"
"""GB10 (DGX Spark) and Jetson have no memory of their own, and report none
(docs.nvidia.com/dgx/dgx-spark/known-issues.html)."""
MIB = 1 << 20
MOST_GPUS = 64
_HUNG: list[Thread] = []
"""Threads whose driver did not answer in time."""


def read_nvidia() -> tuple[Gpu, ...]:
    """Every GPU of NVIDIA, in the driver's order."""
    found = _by_nvml()
    if found is not None:
        return found
    arguments = f"--query-gpu={QUERY}", "--format=csv,noheader,nounits"
    return parse_smi(command.command_output("nvidia-smi", *arguments))


def parse_smi(output: str) -> tuple[Gpu, ...]:
    """Lines of `nvidia-smi --query-gpu=uuid,memory.total,memory.free,name
    --format=csv,noheader,nounits`, in MiB. Lines of another form, such as errors, are left out."""
    rows = (line.split(",", 3) for line in output.splitlines()[:MOST_GPUS])
    found = (_gpu(*map(str.strip, row)) for row in rows if len(row) == 4)
    return tuple(gpu for gpu in found if gpu is not None)


def _gpu(id: str, total: str, free: str, name: str) -> Gpu | None:
    if not id.startswith("GPU-"):
        return None
    if total == UNREPORTED:
        return Gpu(name, shared=True, id=id)
    return Gpu(name, _bytes(total), _bytes(free), id=id)


def _bytes(mib: str) -> int | None:
    """`[Unknown Error]` and other words are not known."""
    size = parse_size(mib)
    return None if size is None else size * MIB


def _by_nvml() -> tuple[Gpu, ...] | None:
    """None where nvidia-ml-py or the driver's library is not there, or fails; empty for a driver
    that does not answer in time, which nvidia-smi would wait for as well.

    Nothing ends a thread that waits for a driver: until it is done, no other one asks. It does not
    hold up the end of the process, unless the system can't end it either.
    """
    try:
        pynvml = import_module("pynvml")  # 28 ms
    except ImportError:
        return None
    from threading import Thread  # few have the module

    _HUNG[:] = [each for each in _HUNG if each.is_alive()]
    if _HUNG:
        return ()
    answers: list[tuple[Gpu, ...] | None] = []
    thread = Thread(target=lambda: answers.append(_ask_nvml(pynvml)), name="nvml", daemon=True)
    thread.start()
    thread.join(command.TIMEOUT_S)
    if not answers:
        _HUNG.append(thread)
        return ()
    return answers[0]


def _ask_nvml(nvml: Any) -> tuple[Gpu, ...] | None:
    try:
        nvml.nvmlInit()
    except Exception:  # NVMLError, or what a library of another version raises
        return None
    try:
        return nvml_gpus(nvml)
    except Exception:
        return None
    finally:
        _quietly(nvml.nvmlShutdown)


def nvml_gpus(nvml: Any) -> tuple[Gpu, ...]:
    """The GPUs as an initialized NVML reports them. Raises what NVML raises where it can't count
    them; a GPU that can't be reached is left out."""
    count = min(nvml.nvmlDeviceGetCount(), MOST_GPUS)
    found = [_quietly(partial(_nvml_gpu, nvml, at)) for at in range(count)]
    return tuple(gpu for gpu in found if gpu is not None)


def _nvml_gpu(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    name = _text(nvml.nvmlDeviceGetName(handle))
    id = _text(_quietly(partial(nvml.nvmlDeviceGetUUID, handle)))
    try:
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    except nvml.NVMLError as error:
        # what nvidia-smi writes as [N/A]
        unsupported = getattr(error, "value", None) == nvml.NVML_ERROR_NOT_SUPPORTED
        return Gpu(name, shared=unsupported, id=id)
    return Gpu(name, int(memory.total), int(memory.free), id=id)


def _text(value: Any) -> str:
    """Names are bytes before nvidia-ml-py 12."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")


def _quietly(call: Callable[[], _Result]) -> _Result | None:
    """None where NVML fails: its errors are of many classes."""
    try:
        return call()
    except Exception:
        return None
