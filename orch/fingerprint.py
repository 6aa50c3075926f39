"""What two processes must have in common to speak for each other: version, folders, configuration and the variables it reads (pure)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

from orch import paths
from orch.config.find import Source
from orch.version import VERSION

_VARIABLE = re.compile(r"\$\{(\w+)")


def fingerprint(sources: Iterable[Source], env: Mapping[str, str]) -> str:
    """A hash of orch's version, its folders, both files as they were found, and the values of OLLAMA_HOST and of each `${…}` in them."""
    digest = hashlib.sha256(f"{VERSION}\0{paths.data_dir(env)}\0{paths.config_dir(env)}\0{paths.cache_dir(env)}".encode())
    names = {"OLLAMA_HOST"}
    for source in sources:
        digest.update(f"\0{source.which}\0{source.place}\0{source.text}".encode())
        names.update(_VARIABLE.findall(source.text))
    for name in sorted(names):
        digest.update(f"\0{name}={env.get(name, '')}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]
