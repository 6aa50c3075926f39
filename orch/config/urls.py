"""URLs of servers: validation, scope (loopback, private network, beyond), display without secrets,
and OLLAMA_HOST (pure)."""

from __future__ import annotations

import ipaddress  # urllib.parse brings it
import re
from typing import Literal
from urllib.parse import urlsplit

from orch.errors import ConfigError

UrlScope = Literal["loopback", "private", "beyond"]
PRIVATE_NETWORKS = tuple(
    map(
        ipaddress.ip_network,
        (
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "169.254.0.0/16",
            "fc00::/7",
            "fe80::/10",
        ),
    ),
)
"""RFC 1918, link-local and IPv6 unique local addresses. Without 100.64.0.0/10, which the customers
of a carrier share. `ip.is_private` covers more, and differs between Python versions."""


Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_ip(host: str) -> Ip | None:
    """The IP address that a host is written as, or None. ::ffff:127.0.0.1 is 127.0.0.1, which
    ipaddress itself knows only from Python 3.13 on."""
    bare = host.strip("[]")
    try:
        ip = ipaddress.ip_address(bare.partition("%")[0] if ":" in bare else bare)  # IPv6 zone
    except ValueError:
        return None
    return (ip.ipv4_mapped if ip.version == 6 else None) or ip


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on a host. Names are not resolved: none but
    localhost is loopback."""
    ip = parse_ip(host)
    return host.lower() == "localhost" if ip is None else ip.is_loopback


def is_local_url(url: str) -> bool:
    """Whether a connection to a URL stays on this machine."""
    return url_scope(url) == "loopback"


def url_scope(url: str) -> UrlScope:
    """How far away a URL is. Names are not resolved: each one but localhost counts as beyond, and
    so does an address in a short form such as 127.1."""
    try:
        host = urlsplit(url if "//" in url else f"//{url}").hostname or ""
    except ValueError:
        return "beyond"
    if is_loopback(host):
        return "loopback"
    ip = parse_ip(host)
    if ip is None:
        return "beyond"
    if ip.is_unspecified:  # a connection to 0.0.0.0 reaches this machine
        return "loopback"
    return "private" if any(ip in network for network in PRIVATE_NETWORKS) else "beyond"


def is_hostname(name: str) -> bool:
    """Whether a name is a valid host: letters, digits, dots and hyphens, an IPv6 address, or an
    international name."""
    if name.isascii():
        return (
            re.fullmatch(r"[A-Za-z0-9._-]+|[A-Fa-f0-9.]*:[A-Fa-f0-9:.]*(%[A-Za-z0-9._-]+)?", name)
            is not None
        )
    import idna  # httpx brings it

    try:
        idna.encode(name, uts46=True)
    except idna.IDNAError:
        return False
    return True


def display_url(url: str) -> str:
    """The URL without user, password, query and fragment, for display and storage. Accepts invalid
    URLs too."""
    scheme, slashes, rest = url.partition("//") if "//" in url else ("", "", url)
    authority, path, behind = _parts(rest)
    host = authority.rpartition("@")[2]
    if "@" in path + behind:  # the rest of a password with a slash in it, or an @ in the path
        return (
            f"{scheme}{slashes}{host}/…"
            if _AUTHORITY.fullmatch(host)
            else f"{scheme}{slashes}{_parts(rest.rpartition('@')[2])[0]}"
        )
    return f"{scheme}{slashes}{host}{path}{'?…' if behind else ''}"


_PARTS = re.compile(r"([^/?#\\]*)([^?#]*)(.*)", re.DOTALL)
_AUTHORITY = re.compile(r"(\[[A-Fa-f0-9:.%]+\]|[^:]+)(:[0-9]*)?")
_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,=:-]*)*")


def _parts(rest: str) -> tuple[str, str, str]:
    """Authority, path, and query with fragment."""
    match = _PARTS.match(rest)
    assert match is not None  # it matches any text
    return match[1], match[2], match[3]


def url_problem(url: str) -> str | None:
    """Why a URL can't be the base URL of a server, or None."""
    shown = repr(display_url(url))
    if any(char.isspace() or not char.isprintable() for char in url):
        return f"{shown} is not a valid URL: it contains a blank or a control character"
    if "?" in url or "#" in url:
        return (
            f"{shown} is not a base URL: it must not contain ? or #, since the paths of the API"
            " are appended to it"
        )
    try:
        parts = urlsplit(url)
        port_is_good = parts.port != 0
    except ValueError:
        return f"{shown} is not a valid URL; an example is http://127.0.0.1:11434"
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or not port_is_good
        or not is_hostname(parts.hostname)
        or "\\" in url
    ):
        return f"{shown} is not a valid URL; an example is http://127.0.0.1:11434"
    if not _PATH.fullmatch(parts.path) or {".", ".."} & set(parts.path.split("/")):
        return (
            f"{shown} is not a base URL: its path may have letters, digits and"
            " -._~!$&'()*+,=: between slashes, and no . or .. alone"
        )
    return None


_API_PATHS = {
    "ollama": (
        *("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/models", "/v1"),
        *("/api/chat", "/api/generate", "/api/tags", "/api/embed", "/api/embeddings"),
        *("/api/show", "/api/ps", "/api/version", "/api"),
    ),
    "llama-server": (
        *("/chat/completions", "/completions", "/embeddings", "/models", "/responses"),
        *("/props", "/slots", "/running"),
    ),
    "lmstudio": (
        *("/api/v1/models", "/api/v0/models", "/api/v1", "/api/v0"),
        *("/chat/completions", "/completions", "/embeddings", "/models", "/responses"),
    ),
    "openai": ("/chat/completions", "/completions", "/embeddings", "/models", "/responses"),
}
"""Ends of paths that orch appends itself, by the kind of provider."""


def corrected_base_url(url: str, kind: str) -> str:
    """The URL without slashes at its end and without a path of the API, which people copy from
    examples: orch appends it."""
    scheme, colon, rest = url.rstrip("/").partition("://")
    host, _, path = rest.partition("/")
    path = f"/{path}".rstrip("/")
    ends = _API_PATHS.get(kind, ())
    end = next((each for each in ends if path.lower().endswith(each)), "")
    path = path[: len(path) - len(end)].rstrip("/")
    return f"{scheme}{colon}{host}{path}"


def ollama_host_url(host: str) -> str:
    """The URL that OLLAMA_HOST stands for, read as Ollama reads it (envconfig/config.go, v0.33):
    blanks and quotes around it, default scheme, host and ports, IPv6 with or without brackets, and
    the default port for an invalid one. The address of all interfaces becomes loopback. Raises
    ConfigError."""
    text = trimmed_ollama_host(host)
    scheme, separator, rest = text.partition("://")
    scheme, rest = (scheme.lower(), rest) if separator else ("http", text)
    if not separator and text.lower() == "ollama.com":
        scheme = "https"
    authority, slash, path = rest.partition("/")
    user, at, authority = authority.rpartition("@")
    name, port = _host_and_port(authority)
    default = "443" if scheme == "https" else "80" if separator and scheme == "http" else "11434"
    valid = _is_port(port)
    name = f"[{name}]" if ":" in name else name
    url = f"{scheme}://{user}{at}{name}:{port if valid else default}{slash}{path}".rstrip("/")
    if url_problem(url):
        raise ConfigError(
            f"OLLAMA_HOST: {display_url(text)!r} is not a valid address",
            "an example is 127.0.0.1:11434",
        )
    return url


def ignored_port(host: str) -> str:
    """The port of OLLAMA_HOST that is not valid, so that the default one is used; else empty."""
    rest = trimmed_ollama_host(host).rpartition("://")[2].partition("/")[0]
    port = _host_and_port(rest.rpartition("@")[2])[1]
    return port if port and not _is_port(port) else ""


def _is_port(port: str) -> bool:
    return port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) <= 65535


def trimmed_ollama_host(host: str) -> str:
    """The value without blanks and quotes around it: `setx` and env files leave them there."""
    return host.strip().strip("\"'").strip()


def _host_and_port(authority: str) -> tuple[str, str]:
    """Host and port of an address; the port is empty if there is none. A host that is missing, or
    that stands for all interfaces, is loopback."""
    name, colon, port = authority.rpartition(":")
    bare = authority.strip("[]")
    if not colon or authority.endswith("]") or ("]" not in bare and parse_ip(bare)):
        # no port: `box`, `[::1]`, `::1`
        name, port = bare, ""
    name = name.strip("[]")
    ip = parse_ip(name)
    if ip is not None and "%" not in name:
        name = str(ip)
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(name, name), port
