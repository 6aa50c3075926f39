"""Limits of connections: how many, how large a request's head may be, how long each step may
take."""

from __future__ import annotations

from dataclasses import dataclass

_SPARE_FILES = 256


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one server accepts from its connections."""

    max_connections: int = 2048
    max_head_bytes: int = 32 * 1024
    """Request line and headers; also what a chunked body may spend on extensions and trailers,
    beyond its own size again."""
    max_pipelined: int = 16
    """Requests of one connection that may wait for an earlier response."""
    head_timeout_s: float = 10.0
    """From the connection's start, or from a request's first byte, to the end of its headers."""
    flush_timeout_s: float = 30.0
    """For a client to read the rest of a finished response."""
    linger_s: float = 1.0
    """For a refused client to read the reason."""


def fit_open_files(connections: int) -> int:
    """How many connections fit under this process's limit of open files, which is raised as far as
    permitted (usually 1,024, less than the default number of connections)."""
    try:
        import resource  # not on Windows
    except ImportError:
        return connections
    soft, hard = (
        connections + _SPARE_FILES if limit == resource.RLIM_INFINITY else limit
        for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    wanted = min(connections + _SPARE_FILES, hard)
    if soft < wanted:
        try:
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
            )
        except (OSError, ValueError):
            wanted = soft
    return max(1, min(connections, max(soft, wanted) - _SPARE_FILES))
