"""Guarded servers that the tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orch.server.http.keys import ApiKeys
from orch.server.http.rules import Rules
from tests.support.guarded_app import KEY, OTHER, PAGE, GuardedServer, run_guarded


@pytest.fixture(scope="session")
def keys() -> ApiKeys:
    return ApiKeys([("laptop", KEY), ("ci", OTHER)])


@pytest.fixture(scope="module")
def server() -> Iterator[GuardedServer]:
    """No keys, one more host, one allowed origin, default limits except for a small body."""
    with run_guarded(
        Rules(
            allowed_hosts=frozenset({"localhost", "127.0.0.1", "::1", "nas.local"}),
            allowed_origins=frozenset({PAGE}),
            max_body_bytes=1000,
            linger_s=0.1,
        )
    ) as there:
        yield there


@pytest.fixture(scope="module")
def locked(keys: ApiKeys) -> Iterator[GuardedServer]:
    """Keys, one allowed origin, one public path."""
    with run_guarded(
        Rules(keys=keys, allowed_origins=frozenset({PAGE}), public_paths=frozenset({"/public"}))
    ) as there:
        yield there
