"""Lets a process and those that it starts speak to this machine alone; writes down what was tried.
Python imports it from a folder on PYTHONPATH."""

from __future__ import annotations

import os
import sys
from typing import Any

HERE = ("", "localhost", "::1", "::", "0.0.0.0")
ADDRESSES = ("socket.connect", "socket.sendto", "socket.sendmsg")
NAMES = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")


def host_of(event: str, arguments: tuple[Any, ...]) -> Any:
    """The host that is meant; None where none is. The address of a Unix socket is a path, no
    tuple."""
    if event in NAMES:
        return arguments[0]
    address = (
        arguments[1]
        if event in ADDRESSES
        else arguments[0]
        if event == "socket.getnameinfo"
        else None
    )
    return address[0] if isinstance(address, tuple) else None


def fence(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: sees every such call, whichever library makes it."""
    if not event.startswith("socket."):
        return
    host = host_of(event, arguments)
    said = host.decode() if isinstance(host, bytes) else host
    if said is None or said in HERE or said.startswith("127."):
        return
    with open(os.environ["ORCH_FENCE"], "a", encoding="utf-8") as tried:
        tried.write(f"{event} {said} by {sys.argv}\n")
    raise PermissionError(f"{event} to {said} is fenced off")


sys.addaudithook(fence)
