"""AMD's GPUs, from the files of the amdgpu driver (docs.kernel.org/gpu/amdgpu/driver-misc.html)."""

from __future__ import annotations

from pathlib import Path

import pytest

from orch.hardware.amd import parse_amdgpu, read_amd
from orch.hardware.device import Gpu

GIB = 1 << 30
CARD = {
    "mem_info_vram_total": f"{24 * GIB}",
    "mem_info_vram_used": f"{2 * GIB}",
    "mem_info_gtt_total": f"{32 * GIB}",
    "mem_info_gtt_used": "0",
    "mem_info_vram_vendor": "samsung",
    "product_name": "",
}
APU = {
    "mem_info_vram_total": f"{GIB // 2}",
    "mem_info_vram_used": "1000",
    "mem_info_gtt_total": f"{15 * GIB}",
    "mem_info_gtt_used": f"{3 * GIB}",
}


def test_a_card_has_memory_of_its_own() -> None:
    assert parse_amdgpu(CARD) == Gpu("AMD GPU", 24 * GIB, 22 * GIB)


def test_an_apu_uses_main_memory_by_gtt() -> None:
    assert parse_amdgpu(APU) == Gpu("AMD GPU", 15 * GIB, 12 * GIB, shared=True)


@pytest.mark.parametrize(
    "changed",
    [
        {"mem_info_vram_total": f"{96 * GIB}"},  # set apart for it by the firmware
        {"mem_info_gtt_total": f"{2 * GIB}"},
        {"mem_info_vram_vendor": "hynix"},
    ],
)
def test_other_gpus_are_not_taken_for_apus(changed: dict[str, str]) -> None:
    gpu = parse_amdgpu(APU | changed)
    assert gpu is not None
    assert not gpu.shared


def test_what_is_not_told_is_unknown() -> None:
    assert parse_amdgpu({"mem_info_vram_total": "8589934592"}) == Gpu("AMD GPU", 8 * GIB, None)
    assert parse_amdgpu({"mem_info_vram_used": "1"}) is None
    assert parse_amdgpu({"mem_info_vram_total": "much"}) is None


def test_the_cards_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number, name in ((10, "second"), (2, "first")):
        folder = tmp_path / f"card{number}" / "device"
        folder.mkdir(parents=True)
        for file, text in (CARD | {"product_name": name}).items():
            (folder / file).write_text(f"{text}\n")
    (tmp_path / "card3" / "device").mkdir(parents=True)
    assert [gpu.name for gpu in read_amd(tmp_path)] == ["first", "second"]
