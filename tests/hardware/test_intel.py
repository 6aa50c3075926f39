"""Intel's cards, where the driver has files for their memory."""

from __future__ import annotations

from pathlib import Path

from orch.hardware.device import Gpu
from orch.hardware.intel import read_intel


def test_a_card_is_read_from_the_files_of_its_driver(tmp_path: Path) -> None:
    card = tmp_path / "card0"
    card.mkdir()
    (card / "lmem_total_bytes").write_text("17179869184\n")
    assert read_intel(tmp_path) == (Gpu("Intel GPU", 16 << 30, None),)
    (card / "lmem_avail_bytes").write_text("15032385536\n")
    assert read_intel(tmp_path) == (Gpu("Intel GPU", 16 << 30, 14 << 30),)


def test_a_gpu_within_the_processor_is_none(tmp_path: Path) -> None:
    (tmp_path / "card0").mkdir()
    (tmp_path / "card1").mkdir()
    (tmp_path / "card1" / "lmem_total_bytes").write_text("0\n")
    assert read_intel(tmp_path) == ()
