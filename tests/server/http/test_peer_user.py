"""Which user a connection belongs to, and what other users may do."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from orch.server.http.peer_user import (
    SocketAddress,
    SocketOwners,
    identify_user,
    parse_socket_table,
    table_rows_of,
)
from orch.server.http.rules import Rules
from orch.server.local_client import request_json
from tests.conftest import CODER
from tests.support.fake_ollama import FakeOllama
from tests.support.orch_command import orch
from tests.support.orch_process import serving
from tests.support.peers import Uids

LINUX = pytest.mark.skipif(
    not os.path.exists("/proc/net/tcp"), reason="the system does not say whose a socket is"
)


def rules(uid: int | None) -> Rules:
    return Rules(uid_of=Uids(uid))


# ---------------------------------------------------------------- what the system says

TABLE = b"""  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   \
uid  timeout inode
   0: 0100007F:2CAB 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0\
 100 1 0000000000000000 100 0 0 10 0
   1: 0100007F:9C40 0100007F:2CAB 01 00000000:00000000 00:00000000 00000000  1001        0\
 101 1 0000000000000000 20 4 30 10 -1
   2: 0100007F:2CAB 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0\
 102 1 0000000000000000 20 4 30 10 -1
   3: 0100007F:9C41 0100007F:2CAB 06 00000000:00000000 03:00000F9A 00000000     0        0\
 0 3 0000000000000000
   4: 0100007F:9C42 0100007F:2CAB 05 00000000:00000000 00:00000000 00000000     0        0\
 104 1 0000000000000000
   5: torn
"""


def row(port: int) -> tuple[bytes, bytes]:
    return b"0100007F:%04X" % port, b"0100007F:2CAB"


def test_only_the_open_clients_row_of_the_table_counts() -> None:
    wanted = {row(port) for port in (40_000, 40_001, 40_002, 40_003)}
    assert parse_socket_table(TABLE, wanted) == {row(40_000): 1001, row(40_002): 0}


@pytest.mark.skipif(
    sys.byteorder != "little", reason="the rows of the tables are in the machine's order"
)
def test_an_ipv6_socket_with_an_ipv4_peer_is_found() -> None:
    mapped = b"0000000000000000FFFF00000100007F"
    assert table_rows_of(("127.0.0.1", 40_000), ("127.0.0.1", 11_435)) == {
        row(40_000),
        (mapped + b":9C40", mapped + b":2CAB"),
    }
    assert table_rows_of(
        ("::ffff:127.0.0.1", 40_000), ("::ffff:127.0.0.1", 11_435)
    ) == table_rows_of(("127.0.0.1", 40_000), ("127.0.0.1", 11_435))
    assert table_rows_of(("::1", 1), ("::1", 2)) == {
        (b"00000000000000000000000001000000:0001", b"00000000000000000000000001000000:0002")
    }


@pytest.mark.parametrize("client", [None, ("192.168.1.5", 1), ("", 1), ("fe80::1%eth0", 1)])
def test_users_on_other_machines_are_unknown(client: SocketAddress | None) -> None:
    assert (
        table_rows_of(client, ("127.0.0.1", 2))
        == table_rows_of(("127.0.0.1", 2), client)
        == frozenset()
    )


def test_root_and_nobody_are_not_taken_for_the_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert [identify_user(uid) for uid in (1000, 0, 1001, 65_534, None)] == [
        "owner",
        "stranger",
        "stranger",
        "stranger",
        "unknown",
    ]
    monkeypatch.setattr(os, "geteuid", lambda: 65_534)
    assert [identify_user(uid) for uid in (65_534, 0)] == ["unknown", "stranger"]


def undiagnosed(*_: object) -> int | None:
    """A kernel without a diagnosis of single sockets."""
    raise OSError


@LINUX
async def test_a_listener_on_a_closed_clients_port_is_not_taken_for_the_client() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        for sockets in (SocketOwners(), SocketOwners(undiagnosed)):
            assert await sockets.uid_of(other.getsockname(), server.getsockname()) is None


@LINUX
@pytest.mark.parametrize(
    ("listens", "connects"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "::ffff:127.0.0.1"),
        ("::1", "::1"),
        ("127.0.0.2", "127.0.0.2"),
    ],
)
async def test_a_socket_of_this_process_belongs_to_this_user_until_closed(
    listens: str, connects: str
) -> None:
    v6 = {True: socket.AF_INET6, False: socket.AF_INET}
    try:
        listener = socket.create_server((listens, 0), family=v6[":" in listens])
    except OSError:
        pytest.skip("no IPv6 here")
    with listener, socket.socket(v6[":" in connects]) as client:
        client.connect((connects, listener.getsockname()[1]))
        accepted, peer = listener.accept()
        with accepted:
            ends = (peer[0], peer[1]), (accepted.getsockname()[0], accepted.getsockname()[1])
            assert [
                await each.uid_of(*ends) for each in (SocketOwners(), SocketOwners(undiagnosed))
            ] == [os.geteuid()] * 2
            client.close()
            assert [
                await each.uid_of(*ends) for each in (SocketOwners(), SocketOwners(undiagnosed))
            ] == [None] * 2


async def test_concurrent_lookups_share_a_reading_and_missing_rows_are_retried() -> None:
    readings: list[str] = []

    def read(table: str) -> bytes:
        readings.append(table)
        return TABLE if len(readings) > 2 else b""

    sockets, server = SocketOwners(undiagnosed, read), ("127.0.0.1", 11_435)
    uids = await asyncio.gather(
        *(sockets.uid_of(("127.0.0.1", 40_000), server) for _ in range(500))
    )
    assert (set(uids), len(readings)) == ({1001}, 4)
    assert await sockets.uid_of(("127.0.0.1", 9), server) is None
    assert len(readings) == 4 + 2 * 3


def test_unreadable_socket_tables_give_no_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orch.server.http.peer_user.TABLES", ("/nowhere",))
    assert asyncio.run(SocketOwners(undiagnosed).uid_of(("127.0.0.1", 1), ("127.0.0.1", 2))) is None


# ---------------------------------------------------------------- another account, really


BODY: dict[str, Any] = {
    "model": CODER,
    "messages": [{"role": "user", "content": "Write a Python function that sorts a list"}],
}


@LINUX
@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv") or not shutil.which("curl"),
    reason="only root can become another account",
)
def test_another_account_can_neither_read_nor_delete(ollama: FakeOllama) -> None:
    def nobody(*words: str) -> Any:
        command = [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "curl",
            "-s",
            "-m",
            "20",
            "-w",
            "\n%{http_code}",
            *words,
        ]
        return subprocess.run(
            command, capture_output=True, text=True, check=False
        ).stdout.rpartition("\n")

    with serving() as there:
        assert httpx.post(f"{there.url}/v1/chat/completions", json=BODY).status_code == 200
        for words in (
            ["/orch/runs"],
            ["/orch/memory/forget", "-d", '{"all":true}'],
            ["/metrics"],
            ["/openapi.json"],
            ["/orch/page", "-d", "{}"],
        ):
            body, _, status = nobody(there.url + words[0], *words[1:])
            assert (status, "sorts a list" in body) == ("403", False)
        assert nobody(f"{there.url}/", "-H", "Accept: text/html")[2] == "303"  # the login
        asks = (
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Ng==",
        )
        handshake = [word for header in asks for word in ("-H", header)]
        assert (
            nobody(f"{there.url}/_nicegui_ws/socket.io/?EIO=4&transport=websocket", *handshake)[2]
            == "403"
        )
        assert nobody(f"{there.url}/v1/models")[2] == "200"
        assert len(httpx.get(f"{there.url}/orch/runs").json()["runs"]) == 1


# ---------------------------------------------------------------- orch page


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that the browser was started with."""
    browser, file = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(
        f'#!/bin/sh\necho "opens $1"; echo "$1" > {file}.part; mv {file}.part {file}\n'
    )
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    return file


@LINUX
def test_orch_page_opens_the_page_or_prints_a_link(home: Path, opened: Path) -> None:
    with serving() as there:
        assert orch("page").stdout == b""
        assert opened.read_text() == f"{there.url}/\n"
        link = orch("page", "--print").stdout.decode().strip()
        assert link.startswith(f"{there.url}/login?link=")
        first, second = httpx.get(link), httpx.get(link)
        assert (
            first.status_code,
            second.status_code,
            "orch_login" in first.cookies,
            "orch_login" in second.cookies,
        ) == (200, 403, True, False)
        assert 'http-equiv="refresh" content="0; url=/"' in first.text
        assert "no-referrer" in first.text


def test_with_keys_orch_page_logs_in_through_a_private_file(
    home: Path, opened: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCH_API_KEY", "a-key-that-is-long-enough")
    with serving() as there:
        assert orch("page").returncode == 0
        file = Path(opened.read_text().strip().removeprefix("file://"))
        assert (file.parent, file.stat().st_mode & 0o077) == (home, 0)
        link = re.findall(r'href="([^"]+)"', file.read_text())[0]
        with httpx.Client() as browser:
            assert browser.get(link).status_code == 200
            assert browser.get(f"{there.url}/orch/runs").status_code == 200
        assert httpx.get(f"{there.url}/orch/runs").status_code == 401


def test_orch_page_says_what_is_missing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    none = orch("page")
    assert (none.returncode, b"no server is running" in none.stderr) == (2, True)
    monkeypatch.setenv("BROWSER", "/nowhere/browser")
    monkeypatch.setenv("PATH", "")
    with serving() as there:
        shown = orch("page")
        assert (shown.returncode, shown.stdout.startswith(f"{there.url}/login?link=".encode())) == (
            0,
            True,
        )
        assert b"no browser" in shown.stderr
        status, page = request_json("POST", "/orch/page", {})
        assert (status, page["url"]) == (200, f"{there.url}/")
