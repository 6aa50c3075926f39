"""What is known of the devices that hold models: main memory and GPUs, in bytes (pure)."""

from __future__ import annotations

from typing import NamedTuple

MOST_DIGITS = 18
"""Of a size that is believed: int refuses thousands of digits, and float hundreds."""


def parse_size(text: str) -> int | None:
    """A number as a driver writes it; None for words, and for one that no device has."""
    return int(text) if text.isdecimal() and len(text) <= MOST_DIGITS else None


class MainMemory(NamedTuple):
    """Main memory within the limit of this process's container; None where the system does not
    tell."""

    total_bytes: int | None = None
    free_bytes: int | None = None
    """What can be taken without swapping; None on macOS, which compresses and swaps freely."""


class Gpu(NamedTuple):
    """One GPU. Memory that its driver does not report is None."""

    name: str
    total_bytes: int | None = None
    free_bytes: int | None = None
    shared: bool = False
    """Whether it uses main memory instead of memory of its own; then `total_bytes` is how much of
    it, None for all."""
    id: str = ""
    """The driver's id, which environment variables may name."""


class Devices(NamedTuple):
    """Main memory and the GPUs that this process may use."""

    main: MainMemory = MainMemory()
    gpus: tuple[Gpu, ...] = ()
