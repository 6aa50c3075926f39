"""Renders the memory of devices as text: what is free, what models hold and what other programs do
(pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from orch.routing.machine.placement import MAIN, REPORTED, DeviceMemory, MachineMemory, MemoryPart
from orch.routing.wording import English, Words

TOGETHER = "GPUs together"
DEVICE_TEXTS = {
    "free": "{free} of {total} GB free",
    "total": "{total} GB",
    "unknown": "size unknown",
    "part_of_main": "uses main memory",
    "part_of_main_up_to": "uses up to {total} GB of main memory",
    "models": "models hold {models} GB",
    "others": "other programs {others} GB",
}


class DeviceLine(NamedTuple):
    """One device as it is shown: its name, what its memory is, and the same in bytes: total, free,
    models, others (None where it is unknown)."""

    name: str
    text: str
    sizes: Mapping[str, int | None] = {}


def device_templates() -> tuple[str, ...]:
    """Every English text that is translated."""
    return MAIN, TOGETHER, *DEVICE_TEXTS.values()


def device_lines(memory: MachineMemory, words: Words = English()) -> list[DeviceLine]:
    """Main memory, each GPU, and where there are several what is held on all of them: a server
    tells only that a model is on GPUs, not on which. GPUs of one name are numbered, from 1."""
    lines = list(_lines(memory, words))
    names = [line.name for line in lines]
    return [
        line._replace(name=f"{line.name} ({names[: at + 1].count(line.name)})")
        if names.count(line.name) > 1
        else line
        for at, line in enumerate(lines)
    ]


def _lines(memory: MachineMemory, words: Words) -> Iterator[DeviceLine]:
    own = [each for each in memory.devices if each.is_gpu and not each.shared]
    for each in memory.devices:
        alone = len(own) == 1 and each is own[0]
        part = memory.gpus if alone else None if each.is_gpu else memory.main
        yield _line(each, part, words)
    if len(own) > 1 and memory.gpus is not None:
        total = _sum([each.total_bytes for each in own])
        free = _sum([each.free_bytes for each in own])
        yield _line(DeviceMemory(TOGETHER, total, free), memory.gpus, words)


def _sum(sizes: Sequence[int | None]) -> int | None:
    """None where one is unknown."""
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def _line(device: DeviceMemory, part: MemoryPart | None, words: Words) -> DeviceLine:
    is_ours = device.name in (MAIN, TOGETHER, REPORTED)
    name = words(device.name) if is_ours else device.name
    texts = [_size(device, words)]
    if part is not None:
        texts.append(_held(part, words))
    sizes = {
        "total": device.total_bytes,
        "free": device.free_bytes,
        "models": part and part.models_bytes,
        "others": part and part.others_bytes,
    }
    return DeviceLine(name, "; ".join(texts), sizes)


def _size(device: DeviceMemory, words: Words) -> str:
    total, free = (_gb(each, words) for each in (device.total_bytes, device.free_bytes))
    if device.shared:
        code = "part_of_main_up_to" if total else "part_of_main"
    else:
        code = "unknown" if not total else "free" if free else "total"
    return words(DEVICE_TEXTS[code], **{k: v for k, v in (("total", total), ("free", free)) if v})


def _held(part: MemoryPart, words: Words) -> str:
    models = words(DEVICE_TEXTS["models"], models=_gb(part.models_bytes, words))
    others = _gb(part.others_bytes, words)
    return f"{models}, {words(DEVICE_TEXTS['others'], others=others)}" if others else models


def _gb(size: int | None, words: Words) -> str:
    return "" if size is None else words.number(size / 1e9, 1)
