"""Finds the proxy that the environment sets for a URL, the variable that names it, and why it can't
be used.

httpx would read all variables for any URL: `HTTPS_PROXY=ftp://x` would fail for plain HTTP, and a
`socks://` of Clash or V2Ray even for a host in NO_PROXY. It also ignores address ranges in NO_PROXY
(`192.168.0.0/16`), which Ollama's own programs support.
"""

from __future__ import annotations

import ipaddress
import os
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from orch.config.urls import display_url, is_hostname, is_local_url

HTTP_SCHEMES = ("http", "https")
SOCKS_SCHEMES = ("socks5", "socks5h")
"""What httpx supports if socksio is installed."""


class Proxy(NamedTuple):
    """A proxy and the variable that names it, empty if the system's settings do."""

    url: str
    variable: str

    @property
    def scheme(self) -> str:
        """The URL's scheme in lower case."""
        return self.url.partition("://")[0].lower()

    @property
    def display_url(self) -> str:
        """The URL without credentials."""
        return display_url(self.url)

    @property
    def source(self) -> str:
        """What names the proxy, for messages."""
        return self.variable or "the system's settings"


def proxy_for(url: str) -> Proxy | None:
    """The proxy for a URL; None for a URL on this machine or in NO_PROXY."""
    if is_local_url(url):
        return None
    from urllib.request import getproxies  # 20 ms, not spent for URLs on this machine

    proxies = getproxies()
    schemes = (url.partition("://")[0].lower(), "all")
    scheme = next((each for each in schemes if proxies.get(each)), None)
    if scheme is None or _is_excluded(url, proxies.get("no", "")):
        return None
    address = proxies[scheme].strip()
    return Proxy(address if "://" in address else f"http://{address}", _variable(scheme))


def _variable(scheme: str) -> str:
    """The variable of a scheme that is set; the lower-case one wins, as in other programs."""
    names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY")
    return next((name for name in names if os.environ.get(name)), "")


def _is_excluded(url: str, no_proxy: str) -> bool:
    """Whether NO_PROXY contains the host: by name, domain, address or address range, each
    optionally with a port; `*` matches everything."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        port = parts.port or {"https": 443}.get(parts.scheme, 80)
    except ValueError:
        return False
    entries = re.split(r"[,\s]+", no_proxy.lower())
    return any(_matches(entry, host, port) for entry in entries if entry)


def _matches(entry: str, host: str, port: int) -> bool:
    entry = entry.rpartition("://")[2].rstrip("/")
    name, _, ending = entry.rpartition(":")
    is_port = ending.isascii() and ending.isdigit()
    if not is_port or (":" in name and not name.endswith("]")):
        name, ending = entry, ""
    if ending and ending.lstrip("0") != str(port):
        return False
    name = name.strip("[]").rstrip(".")
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False)
    except ValueError:
        domain = name.removeprefix("*").lstrip(".")
        return name == "*" or (domain != "" and (host == domain or host.endswith(f".{domain}")))


def proxy_fault(proxy: Proxy, url: str) -> str:
    """Why a proxy can't be used, and what to type; empty if it looks usable."""
    host = urlsplit(url).hostname
    bypass = f"set NO_PROXY={host} to ask {host} without it"
    other = f"or {proxy.variable or 'HTTP_PROXY'}=http://… if it speaks HTTP too"
    if proxy.scheme in SOCKS_SCHEMES and not _supports_socks():
        return (
            f"{proxy.source} names a SOCKS proxy ({proxy.display_url}), which needs the package"
            f" socksio: {bypass}, {other}"
        )
    if proxy.scheme not in (*HTTP_SCHEMES, *SOCKS_SCHEMES):
        return (
            f"{proxy.source} names a proxy of a kind that orch does not support"
            f" ({proxy.display_url}): {bypass}, {other}"
        )
    if _is_address(proxy.url):
        return ""
    return (
        f"{proxy.source} names an invalid proxy address ({proxy.display_url}): {bypass}, or correct"
        " it, such as http://127.0.0.1:3128"
    )


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return is_hostname(parts.hostname or "") and parts.port != 0
    except ValueError:
        return False


def _supports_socks() -> bool:
    from importlib.util import find_spec

    return find_spec("socksio") is not None
