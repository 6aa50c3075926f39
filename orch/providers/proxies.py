"""Finds the proxy that the environment sets for an address, the variable that names it, and why it
can't be used.

httpx reads all of them for any address: `HTTPS_PROXY=ftp://x` would fail for plain HTTP, and a
`socks://` of Clash or V2Ray also where NO_PROXY has the
host. Ranges of addresses in NO_PROXY (`192.168.0.0/16`), which Ollama's own programs know, it does
not know.
"""

from __future__ import annotations

import ipaddress
import os
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from orch.config.urls import display_url, is_hostname, is_loopback

HTTP_SCHEMES = ("http", "https")
SOCKS_SCHEMES = ("socks5", "socks5h")
"""What httpx speaks where socksio is installed."""


class Proxy(NamedTuple):
    """A proxy, and the variable that names it (empty where the system's settings do)."""

    url: str
    variable: str

    @property
    def scheme(self) -> str:
        """Small letters."""
        return self.url.partition("://")[0].lower()

    @property
    def display_url(self) -> str:
        """Without a user and a password."""
        return display_url(self.url)

    @property
    def source(self) -> str:
        """The variable, or what else names it."""
        return self.variable or "the system's settings"


def proxy_for(url: str) -> Proxy | None:
    """The proxy for an address; None for one on this machine, and for one that NO_PROXY has."""
    if is_loopback(url):
        return None
    from urllib.request import getproxies  # 20 ms, which an address on this machine does not cost

    known = getproxies()
    found = next(
        (name for name in (url.partition("://")[0].lower(), "all") if known.get(name)), None
    )
    if found is None or _is_left_out(url, known.get("no", "")):
        return None
    address = known[found].strip()
    return Proxy(address if "://" in address else f"http://{address}", _variable(found))


def _variable(name: str) -> str:
    """As it is written in the environment; of two, the one in small letters counts, as
    everywhere."""
    return next(
        (each for each in (f"{name}_proxy", f"{name.upper()}_PROXY") if os.environ.get(each)), ""
    )


def _is_left_out(url: str, no_proxy: str) -> bool:
    """Whether NO_PROXY has the host: by name, as a part of a domain, by address, by a range of
    addresses, each also with a port; `*` has all."""
    try:
        parts = urlsplit(url)
        host, port = (
            (parts.hostname or "").rstrip("."),
            parts.port or {"https": 443}.get(parts.scheme, 80),
        )
    except ValueError:
        return False
    return any(_has(entry, host, port) for entry in re.split(r"[,\s]+", no_proxy.lower()) if entry)


def _has(entry: str, host: str, port: int) -> bool:
    entry = entry.rpartition("://")[2]
    name, _, ending = entry.rpartition(":")
    if not ending.isdigit() or (":" in name and not name.endswith("]")):
        name, ending = entry, ""
    if ending and int(ending) != port:
        return False
    name = name.strip("[]")
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False)
    except ValueError:
        domain = name.removeprefix("*").lstrip(".")
        return name == "*" or (domain != "" and (host == domain or host.endswith(f".{domain}")))


def proxy_fault(proxy: Proxy, url: str) -> str:
    """Why a proxy can't be used, and what to type; empty where nothing is known against it."""
    host = urlsplit(url).hostname
    without = f"set NO_PROXY={host} to ask {host} without it"
    other = f"or {proxy.variable or 'HTTP_PROXY'}=http://… where it speaks HTTP too"
    if proxy.scheme in SOCKS_SCHEMES and not _speaks_socks():
        return (
            f"{proxy.source} names a SOCKS proxy ({proxy.display_url}), which orch speaks only with"
            f" socksio: {without}, {other}"
        )
    if proxy.scheme not in (*HTTP_SCHEMES, *SOCKS_SCHEMES):
        return (
            f"{proxy.source} names a proxy that orch does not speak ({proxy.display_url}):"
            f" {without}, {other}"
        )
    try:
        parts = urlsplit(proxy.url)
        usable = is_hostname(parts.hostname or "") and parts.port != 0
    except ValueError:
        usable = False
    return (
        ""
        if usable
        else (
            f"{proxy.source} names no address of a proxy ({proxy.display_url}): {without}, or put"
            " it right, such as http://127.0.0.1:3128"
        )
    )


def _speaks_socks() -> bool:
    from importlib.util import find_spec

    return find_spec("socksio") is not None
