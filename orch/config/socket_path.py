"""The Unix socket on which a running server accepts its owner's commands. Knows nothing of the
server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from orch.config import paths

MOST_BYTES = 100
"""A socket path may have 107 bytes on Linux and 103 on macOS."""


def socket_path(env: Mapping[str, str] = os.environ) -> Path:
    """One path for each ORCH_HOME: in it, in XDG_RUNTIME_DIR, or in a folder of the user among the
    temporary files."""
    home = env.get("ORCH_HOME")
    runtime = env.get("XDG_RUNTIME_DIR")
    if home:
        wanted = paths.data_dir(env).absolute() / "serve.sock"
    elif runtime and os.path.isabs(runtime):
        wanted = Path(runtime) / "orch" / "serve.sock"
    else:
        wanted = paths.data_dir(env) / "serve.sock"
    if len(os.fsencode(wanted)) <= MOST_BYTES:
        return wanted
    import hashlib  # few paths are that long
    import tempfile

    name = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"orch-{_user()}" / f"{name}.sock"


def is_private_folder(folder: Path) -> bool:
    """Whether a folder belongs to the user and nobody else can write to it, so that nobody else can
    place a socket there.

    A link to it must belong to the user or root too: anybody else could redirect it.
    """
    try:
        link, facts = folder.lstat(), folder.stat()
    except OSError:
        return False
    return os.name == "nt" or (
        link.st_uid in (0, os.getuid())
        and facts.st_uid == os.getuid()
        and not facts.st_mode & 0o022
    )


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else "user"
