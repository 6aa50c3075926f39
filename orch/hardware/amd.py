"""AMD's GPUs, from what the amdgpu driver tells in /sys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orch.hardware.device import Gpu, parse_size

FILES = (
    "mem_info_vram_total",
    "mem_info_vram_used",
    "mem_info_gtt_total",
    "mem_info_gtt_used",
    "mem_info_vram_vendor",
    "product_name",
    "unique_id",
)
"""Of a device's folder (docs.kernel.org/gpu/amdgpu/driver-misc.html). GTT is main memory that the
GPU may use."""
MOST_VRAM_OF_APU, LEAST_GTT_OF_APU = 4 << 30, 8 << 30
"""An APU has a small share of main memory as its own, and may use much more by GTT. The bounds are
those of Ollama (discover/amd.go); cards also name the vendor of their memory."""


def read_amd(root: Path = Path("/sys/class/drm")) -> tuple[Gpu, ...]:
    """Every GPU of AMD, in the order of its card."""
    cards = root.glob("card*/device/mem_info_vram_total")
    folders = sorted((file.parent for file in cards), key=lambda each: _number(each.parent.name))
    found = (parse_amdgpu(_files(folder)) for folder in folders)
    return tuple(gpu for gpu in found if gpu is not None)


def parse_amdgpu(files: Mapping[str, str]) -> Gpu | None:
    """The texts of a device's files, as far as it has them; None where the memory is not told."""
    total, used = _size(files, "mem_info_vram_total"), _size(files, "mem_info_vram_used")
    gtt, gtt_used = _size(files, "mem_info_gtt_total"), _size(files, "mem_info_gtt_used")
    if total is None:
        return None
    name, id = files.get("product_name") or "AMD GPU", files.get("unique_id", "")
    is_small = total <= MOST_VRAM_OF_APU and not files.get("mem_info_vram_vendor")
    if is_small and gtt is not None and gtt >= max(LEAST_GTT_OF_APU, 4 * total):
        return Gpu(name, gtt, _less(gtt, gtt_used), shared=True, id=id)
    return Gpu(name, total, _less(total, used), id=id)


def _less(total: int, used: int | None) -> int | None:
    return None if used is None else max(total - used, 0)


def _files(folder: Path) -> dict[str, str]:
    texts = {}
    for name in FILES:
        try:
            texts[name] = (folder / name).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            continue
    return texts


def _size(files: Mapping[str, str], name: str) -> int | None:
    return parse_size(files.get(name, ""))


def _number(card: str) -> int:
    """card10 comes behind card2."""
    digits = card.removeprefix("card")
    return int(digits) if digits.isdecimal() else 0
