"""Intel's cards, as far as their driver tells in /sys: i915 with the files of Intel's own releases.

The xe driver has no file for the size of a card's memory. Such a card is known once a server
reports a model on it; GPUs inside a processor use main memory, which is counted as such.
"""

from __future__ import annotations

from pathlib import Path

from orch.hardware.device import Gpu, parse_size

TOTAL, FREE = "lmem_total_bytes", "lmem_avail_bytes"


def read_intel(root: Path = Path("/sys/class/drm")) -> tuple[Gpu, ...]:
    """Every card of Intel whose memory is told."""
    found = (_gpu(file.parent) for file in sorted(root.glob(f"card*/{TOTAL}")))
    return tuple(gpu for gpu in found if gpu is not None)


def _gpu(folder: Path) -> Gpu | None:
    total = _number(folder / TOTAL)
    return Gpu("Intel GPU", total, _number(folder / FREE)) if total else None


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except (OSError, ValueError):
        return None
    return parse_size(text)
