"""Parses host names and addresses of requests and options (pure)."""

from __future__ import annotations

import ipaddress
import re

from orch.config.urls import parse_ip
from orch.errors import UsageError

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)\.?(?::[0-9]{0,5})?")


def client_network(address: str) -> str:
    """The address; for IPv6 its /64 network, since one machine has all of its addresses."""
    ip = parse_ip(address)
    if ip is None:
        return address
    return str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else str(ip)


def parse_host(host: str) -> str:
    """The name in a Host header, in lower case, without port and trailing dot; an IPv6 address
    compressed and in brackets. Empty if it is invalid."""
    match = _HOST.fullmatch(host)
    if match is None:
        return ""
    name = match[1].lower()
    if name[0] != "[":
        return name
    try:
        return f"[{ipaddress.IPv6Address(name[1:-1])}]"
    except ValueError:
        return ""


def validate_host(host: str) -> str:
    """A host name in the form that is compared. Raises UsageError for one that could never
    match."""
    bare = f"[{host}]" if host.count(":") > 1 and host[0] != "[" else host
    name = parse_host(bare)
    if not name or bare.rpartition("]")[2].count(":"):
        raise UsageError(
            f"{host!r} is not a host name",
            "give the full name without a port, such as nas.local or 192.168.1.5",
        )
    return name
