"""What a server allows: hosts, origins, keys, sessions, and the size and time of a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from orch.config.urls import is_loopback
from orch.errors import UsageError
from orch.server.http.allowed_origins import NULL, validate_origin
from orch.server.http.hosts import LOOPBACK_HOSTS, validate_host
from orch.server.http.peer_user import SocketAddress, SocketOwners
from orch.server.http.wrong_key_limit import WrongKeyLimiter

if TYPE_CHECKING:
    from orch.server.http.keys import ApiKeys
    from orch.server.http.sessions import LoginSessions

_MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rules:
    """What is allowed. Hosts are names without port. Raises UsageError for one that could never
    match."""

    allowed_hosts: frozenset[str] = frozenset(LOOPBACK_HOSTS)
    allowed_origins: frozenset[str] = frozenset()
    keys: ApiKeys | None = None
    max_body_bytes: int = 32 * _MB
    body_timeout_s: float = 30.0
    """For the whole body to arrive, from the start of the request."""
    request_timeout_s: float = 3600.0
    """For the whole request and response."""
    write_timeout_s: float = 30.0
    """For the client to read one part of a response."""
    linger_s: float = 1.0
    """For a refused client to read the reason, while its body is discarded."""
    public_paths: frozenset[str] = frozenset()
    """Paths that need no key."""
    logins: LoginSessions | None = None
    """Sessions of pages, which can't send a key. A browser without one is redirected to log in."""
    wrong_keys: WrongKeyLimiter = field(default_factory=WrongKeyLimiter, compare=False)
    """Counts wrong keys by source."""
    uid_of: Callable[[SocketAddress | None, SocketAddress | None], Awaitable[int | None]] = field(
        default_factory=lambda: SocketOwners().uid_of, compare=False
    )
    """Looks up the user of a client's socket."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "allowed_hosts", frozenset(map(validate_host, self.allowed_hosts)))
        object.__setattr__(
            self, "allowed_origins", frozenset(map(validate_origin, self.allowed_origins))
        )
        if NULL in self.allowed_origins and self.keys is None:
            raise UsageError(
                f"--allow-origin {NULL} lets in any page of the web, by a sandboxed frame",
                "give --api-key FILE too, or allow what the program has: file://, app://*",
            )

    @classmethod
    def for_host(
        cls,
        address: str,
        *,
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
        keys: ApiKeys | None = None,
        **limits: Any,
    ) -> Self:
        """The rules of a server that listens at an address. Raises UsageError if that is not
        loopback and there are no keys."""
        if keys is None and not is_loopback(address):
            raise UsageError(
                f"--host {address or '(all addresses)'} lets other machines in, and there is no"
                " API key",
                "give --api-key FILE or set ORCH_API_KEY, or stay on 127.0.0.1",
            )
        named = frozenset((*LOOPBACK_HOSTS, address or "0.0.0.0", *hosts))
        return cls(allowed_hosts=named, allowed_origins=frozenset(origins), keys=keys, **limits)
