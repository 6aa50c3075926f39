"""The HTTP headers of a provider: its own from models.yaml, validated, beside those that every
request has (pure)."""

from __future__ import annotations

from collections.abc import Mapping

from orch.config.version import VERSION
from orch.errors import ConfigError

MAX_VALUE_CHARS = 8_000
"""Of one value. Servers refuse longer lines (nginx: 8 KB)."""
RESERVED = frozenset(
    "accept-encoding connection content-encoding content-length content-type expect host"
    " keep-alive proxy-connection te trailer transfer-encoding upgrade".split()
)
"""What orch sets, since it describes the request itself."""
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_BASE = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": f"orch/{VERSION}"}


def header_problem(name: str, value: str) -> str | None:
    """Why a header can't be sent, or None. Does not quote the value, which may be a secret."""
    if not name or not _TOKEN.issuperset(name):
        return f"{name[:60]!r} is not the name of an HTTP header (letters, digits and hyphens)"
    if name.lower() in RESERVED:
        return f"orch sets {name} itself, since it describes the request"
    if not value.isascii() or not value.replace("\t", " ").isprintable():
        return (
            "the value contains a character that an HTTP header can't carry (a line end, an accent)"
        )
    if value != value.strip():
        return "the value begins or ends with a blank, which HTTP headers lose"
    if len(value) > MAX_VALUE_CHARS:
        return f"the value has over {MAX_VALUE_CHARS:,} characters"
    return None


def request_headers(api_key: str | None, own: Mapping[str, str] = {}) -> dict[str, str]:
    """What every request to a provider has. Its own headers replace `Accept` and `User-Agent`.

    Raises ConfigError for a key or a value that no header can carry: the variables that they come
    from are read when a provider is used.
    """
    api_key = (api_key or "").strip()  # a line end of the file that a variable was read from
    if not (api_key.isascii() and api_key.isprintable()):
        raise ConfigError(
            "an api_key contains a character that an HTTP header can't carry (a line end, an"
            " accent)",
            "check the variable it comes from",
        )
    for name, value in own.items():
        if fault := header_problem(name, value):
            raise ConfigError(f"headers, {name}: {fault}", "check the variable it comes from")
    base = _BASE | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
    replaced = {name.lower() for name in own}
    return {name: value for name, value in base.items() if name.lower() not in replaced} | {**own}
