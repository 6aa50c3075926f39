"""The limit of a container, from files in the form of cgroup v1 and v2."""

from __future__ import annotations

from pathlib import Path

from orch.hardware.cgroup import container_memory
from orch.hardware.device import MainMemory

GIB = 1 << 30


def put(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_of_version_2(tmp_path: Path) -> None:
    put(tmp_path, memory_dot_max=f"{8 * GIB}\n", memory_dot_current=f"{5 * GIB}\n")
    assert container_memory(tmp_path) == MainMemory(8 * GIB, 3 * GIB)


def test_pages_of_files_are_free(tmp_path: Path) -> None:
    put(tmp_path, memory_dot_max=f"{8 * GIB}\n", memory_dot_current=f"{7 * GIB}\n")
    put(tmp_path, memory_dot_stat=f"anon {GIB}\ninactive_file {6 * GIB}\n")
    assert container_memory(tmp_path).free_bytes == 7 * GIB


def test_of_version_1(tmp_path: Path) -> None:
    put(
        tmp_path,
        memory__memory_dot_limit_in_bytes=f"{4 * GIB}\n",
        memory__memory_dot_usage_in_bytes=f"{3 * GIB}\n",
        memory__memory_dot_stat=f"total_inactive_file {GIB}\n",
    )
    assert container_memory(tmp_path) == MainMemory(4 * GIB, 2 * GIB)


def test_no_limit_is_none(tmp_path: Path) -> None:
    assert container_memory(tmp_path) == MainMemory()
    put(tmp_path, memory_dot_max="max\n", memory_dot_current="5\n")
    assert container_memory(tmp_path) == MainMemory()
    put(tmp_path, memory__memory_dot_limit_in_bytes="9223372036854771712\n")
    assert container_memory(tmp_path) == MainMemory()


def test_a_limit_without_a_usage_is_a_total(tmp_path: Path) -> None:
    put(tmp_path, memory_dot_max=f"{8 * GIB}\n")
    assert container_memory(tmp_path) == MainMemory(8 * GIB, None)
