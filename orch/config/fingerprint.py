"""Fingerprint of a process's setup: two processes with the same version, folders, configuration and
variables can act for each other (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from zlib import crc32

from orch.config import paths
from orch.config.discovery import SourceFile
from orch.config.version import VERSION

_VARIABLE = re.compile(r"\$\{(\w+)")


def fingerprint(sources: Iterable[SourceFile], notes: Iterable[str], env: Mapping[str, str]) -> str:
    """orch's version, with a checksum and the length of everything that matters.

    That is: the folders, both files with their notes, and the values of OLLAMA_HOST and of each
    `${…}` in the files. It detects changes, not forgeries (both sides belong to one user): hashlib
    would cost a thin client half a `python -c pass`.
    """
    parts = [str(folder(env)) for folder in (paths.data_dir, paths.config_dir, paths.cache_dir)]
    names = {"OLLAMA_HOST"}
    for source in sources:
        parts += [source.which, source.origin, source.text]
        names.update(_VARIABLE.findall(source.text))
    parts += [*notes, *(f"{name}={env.get(name, '')}" for name in sorted(names))]
    data = "\0".join(parts).encode("utf-8", "surrogateescape")
    return f"{VERSION}-{crc32(data):08x}-{len(data)}"
