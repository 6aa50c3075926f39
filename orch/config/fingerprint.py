"""What two processes must have in common to speak for each other: version, folders, configuration
and the variables it reads (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from zlib import crc32

from orch.config import paths
from orch.config.discovery import SourceFile
from orch.config.version import VERSION

_VARIABLE = re.compile(r"\$\{(\w+)")


def fingerprint(sources: Iterable[SourceFile], notes: Iterable[str], env: Mapping[str, str]) -> str:
    """orch's version, and a checksum and the length of all that matters.

    That is: its folders, both files as they were found and what was remarked, and the values of
    OLLAMA_HOST and of each `${…}` in them. It tells
    changes, not forgeries (both sides are one user's): hashlib would cost a thin client half a
    `python -c pass`.
    """
    parts = [str(folder(env)) for folder in (paths.data_dir, paths.config_dir, paths.cache_dir)]
    names = {"OLLAMA_HOST"}
    for source in sources:
        parts += [source.which, source.origin, source.text]
        names.update(_VARIABLE.findall(source.text))
    parts += [*notes, *(f"{name}={env.get(name, '')}" for name in sorted(names))]
    data = "\0".join(parts).encode("utf-8", "surrogateescape")
    return f"{VERSION}-{crc32(data):08x}-{len(data)}"
