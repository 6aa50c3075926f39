"""Identifies the user at the other end of a TCP connection from Linux's socket tables; the server's
own user is the owner."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
import sys
from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Literal

from orch.config.urls import Ip, parse_ip

IDENTIFIES_PEERS = sys.platform == "linux"
"""Whether this system reports whose a connection is. Elsewhere the page needs a login link, and
programs the Unix socket or a key."""
TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
MAX_TABLE_BYTES = 64 * 1024 * 1024
"""Of a table: 400,000 sockets. Sockets beyond that belong to an unknown user."""
_NETLINK, _SOCK_DIAG, _BY_FAMILY, _REQUEST, _ERROR, _LISTENS = 16, 4, 20, 1, 2, 10
"""linux/netlink.h, linux/sock_diag.h, net/tcp_states.h."""
TABLE_READS = 3
"""A table is read in pages and changes between them, so a row can be missed once."""
SocketAddress = tuple[str, int]
PeerIdentity = Literal["owner", "stranger", "unknown"]
_Row = tuple[bytes, bytes]


def identify_user(uid: int | None) -> PeerIdentity:
    """Whether a user is the server's own. root is not, unless the server runs as root: it can read
    the files anyway."""
    own, nobody = os.geteuid() if os.name == "posix" else -1, _overflow_uid()
    if uid is None or uid == own == nobody:
        # every user of another namespace has this id, strangers too
        return "unknown"
    return "owner" if uid == own else "stranger"


@cache
def _overflow_uid() -> int:
    """The id that stands for all users without one in this namespace; read once."""
    try:
        with open("/proc/sys/kernel/overflowuid", "rb") as stream:
            return int(stream.read(32))
    except (OSError, ValueError):
        return 65_534


class SocketOwners:
    """Looks up the users of sockets: by the kernel's diagnosis of one socket (0.01 ms), as ss does,
    else in the tables of all sockets.

    The tables of 4,600 sockets take 20 ms: they are read in a thread, and all requests that arrive
    meanwhile share the next reading. Belongs to one event loop.
    """

    def __init__(
        self,
        diagnose: Callable[[SocketAddress, SocketAddress], int | None] | None = None,
        read: Callable[[str], bytes] | None = None,
    ) -> None:
        self._diagnose, self._read = diagnose or query_sock_diag, read or _read
        self._asked: list[tuple[frozenset[_Row], asyncio.Future[int | None]]] = []
        self._working: asyncio.Task[None] | None = None

    async def uid_of(
        self, client: SocketAddress | None, server: SocketAddress | None
    ) -> int | None:
        """The user of the client's socket; None if the system does not report it or it is on
        another machine."""
        rows = table_rows_of(client, server)
        if not rows or client is None or server is None:
            return None
        try:
            return self._diagnose(client, server)
        except (OSError, struct.error):
            # no such diagnosis in this kernel, or not for us: the tables are there all the same
            pass
        future: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._asked.append((rows, future))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while self._asked:
            requested, self._asked = self._asked, []
            uids = await asyncio.to_thread(self._look_up, [rows for rows, _ in requested])
            for (_, future), uid in zip(requested, uids, strict=True):
                if not future.done():
                    future.set_result(uid)

    def _look_up(self, requested: list[frozenset[_Row]]) -> list[int | None]:
        uids: dict[_Row, int] = {}
        for _ in range(TABLE_READS):
            missing = [rows for rows in requested if not any(row in uids for row in rows)]
            if not missing:
                break
            for table in TABLES:
                uids.update(parse_socket_table(self._read(table), frozenset().union(*missing)))
        return [next((uids[row] for row in rows if row in uids), None) for rows in requested]


def query_sock_diag(client: SocketAddress, server: SocketAddress) -> int | None:
    """The user of one socket as the kernel reports it (sock_diag(7)). Raises OSError if it does
    not."""
    ends = [parse_ip(end[0]) for end in (client, server)]
    family = (
        socket.AF_INET6
        if any(end is not None and end.version == 6 for end in ends)
        else socket.AF_INET
    )
    ports = struct.pack("!HH", client[1], server[1])
    places = b"".join(end.packed.ljust(16, b"\0") for end in ends if end is not None)
    requested = (
        struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF)
        + ports
        + places
        + struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
    )
    with socket.socket(
        _NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, _SOCK_DIAG
    ) as kernel:
        kernel.send(
            struct.pack("=IHHII", 16 + len(requested), _BY_FAMILY, _REQUEST, 0, 0) + requested
        )
        response = kernel.recv(8192)
    return _user_in(response, ports)


def _user_in(response: bytes, ports: bytes) -> int | None:
    """The user in the kernel's response, if it is about exactly this socket and its process still
    has it. Raises OSError."""
    if struct.unpack_from("=H", response, 4)[0] == _ERROR:
        (number,) = struct.unpack_from("=i", response, 16)
        if number == -errno.ENOENT:
            return None
        raise OSError(-number, "sock_diag")
    uid, inode = struct.unpack_from("=II", response, 16 + 4 + 48 + 12)
    # in the place of one that is gone comes one that listens at its port
    return uid if inode and response[17] != _LISTENS and response[20:24] == ports else None


def _read(table: str) -> bytes:
    try:
        with open(table, "rb") as stream:
            return stream.read(MAX_TABLE_BYTES)
    except OSError:
        return b""


def parse_socket_table(table: bytes, wanted: Collection[_Row]) -> Mapping[_Row, int]:
    """The users of the wanted rows of a table. A row without an inode is a socket that its process
    has closed: its user is shown as 0, which does not mean root."""
    uids: dict[_Row, int] = {}
    for line in table.splitlines()[1:]:
        columns = line.split(None, 10)
        if (
            len(columns) > 9
            and (columns[1], columns[2]) in wanted
            and columns[9] != b"0"
            and columns[7].isdigit()
        ):
            uids[columns[1], columns[2]] = int(columns[7])
    return uids


def table_rows_of(client: SocketAddress | None, server: SocketAddress | None) -> frozenset[_Row]:
    """The forms in which the client's own socket can appear in the tables: an IPv6 socket may speak
    IPv4. Empty for a connection that is not over loopback."""
    ends = [
        (parse_ip(end[0]), end[1])
        for end in (client, server)
        if end is not None and end[1] is not None
    ]
    if len(ends) != 2 or not all(
        address is not None and address.is_loopback for address, _ in ends
    ):
        return frozenset()
    forms = [
        [_hex(address, port, mapped=mapped) for address, port in ends if address is not None]
        for mapped in (False, True)
    ]
    return frozenset((local, remote) for local, remote in forms)


def _hex(address: Ip, port: int, *, mapped: bool) -> bytes:
    packed = address.packed
    if mapped and address.version == 4:
        packed = b"\0" * 10 + b"\xff\xff" + packed
    # the kernel prints each word of four bytes as a number of this machine
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return ("".join(f"{word:08X}" for word in words) + f":{port:04X}").encode()
