"""Where a running server listens for its owner's commands: a Unix socket in the runtime directory;
knows nothing of the server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from orch.config import paths

MOST_BYTES = 100
"""A socket's path may have 107 bytes on Linux and 103 on macOS."""


def socket_path(env: Mapping[str, str] = os.environ) -> Path:
    """One for each ORCH_HOME: in it, in XDG_RUNTIME_DIR, or in a folder of the user's own among the
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
    import hashlib  # few paths are so long
    import tempfile

    name = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"orch-{_user()}" / f"{name}.sock"


def is_private_folder(folder: Path) -> bool:
    """Whether a folder is the user's and nobody else can write into it: others could put a socket
    of their own there.

    A link to one is the user's or root's too: another's could lead elsewhere in a moment.
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
