"""Peers of connections whose user a test decides."""

from __future__ import annotations

from orch.server.http.peer_user import SocketAddress


class Uids:
    """Replaces the lookup of a socket's user; counts its calls in `asked`."""

    def __init__(self, uid: int | None) -> None:
        self.uid, self.asked = uid, 0

    async def __call__(
        self, client: SocketAddress | None, server: SocketAddress | None
    ) -> int | None:
        self.asked += 1
        return self.uid
