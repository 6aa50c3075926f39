"""Sizes of the files of weights that a server on this machine names in its arguments."""

from __future__ import annotations

import os
import re
import stat

MAX_PARTS = 1_000
_PART = re.compile(r"(.*)-00001-of-(\d{5})\.gguf", re.DOTALL)
"""The first file of weights in several parts, as llama.cpp's gguf-split names them."""


def weights_bytes(path: str) -> int:
    """The bytes of a GGUF file, with all its parts; 0 for anything else, and where a part is
    missing, as when the server sees another file system."""
    if not (os.path.isabs(path) and path.endswith(".gguf")):
        return 0
    match = _PART.fullmatch(path)
    if match is None:
        return _file_bytes(path)
    count = int(match[2])
    if not 0 < count <= MAX_PARTS:
        return 0
    sizes = [_file_bytes(f"{match[1]}-{n:05}-of-{match[2]}.gguf") for n in range(1, count + 1)]
    return sum(sizes) if all(sizes) else 0


def _file_bytes(path: str) -> int:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0
