"""Decides which redirects of a model server are followed: within one server only, since the request
holds the prompt and the key (pure)."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from orch.config.urls import display_url
from orch.errors import ProviderError

KEPT = (307, 308)
"""Statuses that keep method and body; after 301, 302 and 303 clients send a GET without body."""


def redirect_target(status: int, url: str, location: str) -> str:
    """The absolute URL to which the request is sent again. Raises ProviderError if the redirect is
    not followed."""
    try:
        target = urljoin(url, location.strip())
        same = _origin(target) == _origin(url)
    except ValueError:
        target, same = "", False
    if not location or not target:
        raise redirect_error(status, url, "an address that can't be used")
    if status not in KEPT or not same:
        raise redirect_error(status, url, display_url(target))
    return _with_user_info(target, url)


def _with_user_info(target: str, url: str) -> str:
    """The target with the user name and password of the URL: a Location has none, and those that a
    server names are not taken."""
    parts, own = urlsplit(target), urlsplit(url).netloc.rpartition("@")
    netloc = "".join((*own[:2], parts.netloc.rpartition("@")[2]))
    return target if netloc == parts.netloc else parts._replace(netloc=netloc).geturl()


def redirect_error(status: int, url: str, target: str) -> ProviderError:
    """The error for a redirect that is not followed."""
    message = f"status {status}: {display_url(url)} redirects to {target}, which is not followed"
    return ProviderError("bad_response", message, cause="redirect")


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    port = default if parts.port is None else parts.port
    return parts.scheme, (parts.hostname or "").rstrip("."), port
