"""Addresses: which are on this machine, and what OLLAMA_HOST means (pure)."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from orch.errors import ConfigError

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def is_loopback(url: str) -> bool:
    """Whether an address is on this machine."""
    host = urlsplit(url).hostname or ""
    return host in _LOOPBACK or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None


def is_host(name: str) -> bool:
    """Whether a name can be a host's: letters, digits and their like, or an international name."""
    if name.isascii():
        return re.fullmatch(r"[A-Za-z0-9._:%-]+", name) is not None
    import idna  # httpx brings it

    try:
        idna.encode(name, uts46=True)
    except idna.IDNAError:
        return False
    return True


def ollama_url(host: str) -> str:
    """The address that OLLAMA_HOST means: scheme and port filled in, 0.0.0.0 read as this machine. Raises ConfigError."""
    scheme, _, rest = host.rpartition("://")
    try:
        parts = urlsplit(f"//{rest}")
        port = parts.port or {"http": 80, "https": 443}.get(scheme, 11434)
    except ValueError:
        raise ConfigError(f"OLLAMA_HOST: {host!r} is not an address", "it looks like 127.0.0.1:11434") from None
    name = parts.hostname or "127.0.0.1"
    if not is_host(name):
        raise ConfigError(f"OLLAMA_HOST: {host!r} is not an address", "it looks like 127.0.0.1:11434")
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(name, name)
    return f"{scheme or 'http'}://{f'[{name}]' if ':' in name else name}:{port}{parts.path.rstrip('/')}"
