"""The socket of a running server: one short path for each home, in a folder of the owner's."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from orch.config.socket_path import MOST_BYTES, is_private_folder, socket_path


@pytest.mark.parametrize(
    ("env", "path"),
    [
        ({"ORCH_HOME": "/srv/orch"}, "/srv/orch/serve.sock"),
        ({"ORCH_HOME": "/srv/orch", "XDG_RUNTIME_DIR": "/run/user/7"}, "/srv/orch/serve.sock"),
        ({"XDG_RUNTIME_DIR": "/run/user/7"}, "/run/user/7/orch/serve.sock"),
        ({"XDG_RUNTIME_DIR": "run", "XDG_DATA_HOME": "/d"}, "/d/orch/serve.sock"),
        ({"XDG_DATA_HOME": "/d"}, "/d/orch/serve.sock"),
    ],
)
def test_the_socket_is_in_the_home_or_where_the_system_keeps_sockets(
    env: dict[str, str], path: str
) -> None:
    assert socket_path(env) == Path(path)


def test_a_relative_home_is_the_same_socket_from_every_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert socket_path({"ORCH_HOME": "h"}) == socket_path({"ORCH_HOME": str(tmp_path / "h")})


def test_a_path_that_is_too_long_for_a_socket_is_replaced_by_a_short_one_of_its_own() -> None:
    homes = [f"/{letter * MOST_BYTES}" for letter in "abé"]
    short = [socket_path({"ORCH_HOME": home}) for home in homes]
    assert len({*short}) == len(homes)
    assert all(len(os.fsencode(path)) <= MOST_BYTES for path in short)
    assert {path.parent for path in short} == {Path(tempfile.gettempdir(), f"orch-{os.getuid()}")}
    assert short == [socket_path({"ORCH_HOME": home}) for home in homes]


@pytest.mark.parametrize(
    ("mode", "private"), [(0o700, True), (0o755, True), (0o775, False), (0o777, False)]
)
def test_a_folder_that_others_can_write_to_is_not_private(
    tmp_path: Path, mode: int, private: bool
) -> None:
    tmp_path.chmod(mode)
    assert is_private_folder(tmp_path) == private
    assert not is_private_folder(tmp_path / "missing")


def test_a_folder_behind_another_users_link_is_not_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, link = tmp_path / "own", tmp_path / "link"
    own.mkdir(mode=0o700)
    link.symlink_to(own)
    assert (is_private_folder(own), is_private_folder(link)) == (True, True)
    lstat = os.lstat

    def of_another(self: Path) -> os.stat_result:
        facts = list(lstat(self))
        facts[4] = os.getuid() + 1
        return os.stat_result(facts)

    monkeypatch.setattr(Path, "lstat", of_another)
    assert not is_private_folder(link)
