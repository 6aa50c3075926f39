"""The server process before it serves: its lock, its two sockets, and what it says at the start."""

from __future__ import annotations

import os
import socket

import pytest

from orch.config.socket_path import socket_path
from orch.errors import OrchError, UsageError
from orch.server import process
from orch.server.http.keys import ApiKeys
from orch.server.http.rules import Rules
from orch.server.http.sessions import LoginSessions
from orch.server.instance_lock import hold_lock
from orch.server.process import (
    ListenAddress,
    _hold_instance_lock,
    _listen,
    _prepare_owner_socket,
    _startup_message,
)


def test_an_ipv6_address_is_bracketed_in_its_url() -> None:
    assert ListenAddress("127.0.0.1", 80).url == "http://127.0.0.1:80"
    assert ListenAddress("::1", 80).url == "http://[::1]:80"


def test_a_port_of_another_program_is_an_error_that_names_the_next() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        taken = ListenAddress("127.0.0.1", port)
        with pytest.raises(OrchError, match=f"port {port} is taken") as caught, _listen(taken):
            pass
    assert caught.value.hint == f"orch serve --port {port + 1}"


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_an_address_of_another_machine_is_an_error(host: str) -> None:
    with pytest.raises(UsageError), _listen(ListenAddress(host, 0)):
        pass


def test_a_second_server_of_the_same_home_is_refused() -> None:
    error = rf"serves already.* \(process {os.getpid()}\)"
    with _hold_instance_lock(), pytest.raises(OrchError, match=error), _hold_instance_lock():
        pass
    with hold_lock() as is_free:
        assert is_free


def test_the_socket_that_a_killed_server_left_is_removed() -> None:
    path = socket_path()
    with _prepare_owner_socket() as own, socket.socket(socket.AF_UNIX) as left:
        assert own == path
        left.bind(str(path))
        with _prepare_owner_socket():
            assert not path.exists()


def test_the_socket_is_removed_at_the_end() -> None:
    with _prepare_owner_socket() as own, socket.socket(socket.AF_UNIX) as server:
        assert own is not None
        server.bind(str(own))
    assert not own.exists()


def test_another_file_in_place_of_the_socket_is_kept() -> None:
    path = socket_path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text("mine")
    with pytest.raises(OrchError, match="is in the way"), _prepare_owner_socket():
        pass
    assert path.read_text() == "mine"
    path.unlink()


def test_the_page_is_announced_with_a_link_where_its_owner_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_page, url = Rules(logins=LoginSessions(None)), "http://127.0.0.1:1"
    monkeypatch.setattr(process, "IDENTIFIES_PEERS", False)
    assert f"valid once: {url}/login?link=" in _startup_message(url, with_page)
    assert _startup_message(url, Rules()) == f"orch serves at {url}"
    keys = ApiKeys([("a", "k" * 16)])
    locked = Rules(keys=keys, logins=LoginSessions(keys))
    assert _startup_message(url, locked) == f"orch serves at {url}"
    monkeypatch.setattr(process, "IDENTIFIES_PEERS", True)
    assert _startup_message(url, with_page) == f"orch serves at {url}"
