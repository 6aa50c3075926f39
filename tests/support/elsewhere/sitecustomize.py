"""A system that does not say whose a socket is: what stands on the path of a server for which
nobody is known."""

import builtins
import socket
from typing import Any

_open = builtins.open


def _no_tables(file: Any, *args: Any, **options: Any) -> Any:
    if str(file).startswith("/proc/net/tcp"):
        raise FileNotFoundError(file)
    return _open(file, *args, **options)


class _NoDiagnosis(socket.socket):
    def __init__(self, family: int = -1, *args: Any, **options: Any) -> None:
        if family == 16:
            raise OSError("no netlink")
        super().__init__(family, *args, **options)


builtins.open = _no_tables
socket.socket = _NoDiagnosis  # type: ignore[misc]  # as gVisor has it
