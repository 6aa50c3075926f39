"""Which GPUs a program may use, by the variables of CUDA and ROCm (pure)."""

from __future__ import annotations

from collections.abc import Mapping

from orch.hardware.device import Gpu

NVIDIA = ("CUDA_VISIBLE_DEVICES",)
AMD = ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
"""The second counts among what the first leaves."""


def visible_gpus(
    gpus: tuple[Gpu, ...], env: Mapping[str, str], variables: tuple[str, ...]
) -> tuple[Gpu, ...]:
    """The GPUs that these variables leave; all where none is set. orch's own environment counts: a
    server that was started elsewhere may have another."""
    for variable in variables:
        if variable in env:
            gpus = _chosen(gpus, env[variable])
    return gpus


def _chosen(gpus: tuple[Gpu, ...], value: str) -> tuple[Gpu, ...]:
    """By number, or by the beginning of an id. What follows an entry that names none is hidden, as
    CUDA does it; a part of a GPU (`MIG-…`) can't be told from the others, so that all stay."""
    chosen = dict[int, Gpu]()  # by number: two GPUs may be the same in all that is known
    for entry in map(str.strip, value.split(",")):
        if entry.startswith("MIG-"):
            return gpus
        at = _number(gpus, entry)
        if at is None:
            break
        chosen[at] = gpus[at]
    return tuple(chosen.values())


def _number(gpus: tuple[Gpu, ...], entry: str) -> int | None:
    """The number of the GPU that an entry names, if there is one."""
    if entry.isdecimal():
        at = int(entry) if len(entry) < 4 else len(gpus)
        return at if at < len(gpus) else None
    wanted = entry.casefold()
    if not wanted.startswith("gpu-"):
        return None
    ids = (at for at, gpu in enumerate(gpus) if gpu.id and _full_id(gpu).startswith(wanted))
    return next(ids, None)


def _full_id(gpu: Gpu) -> str:
    """ROCm writes `GPU-` before the number that the driver gives without it."""
    return f"gpu-{gpu.id.casefold().removeprefix('gpu-').removeprefix('0x')}"
