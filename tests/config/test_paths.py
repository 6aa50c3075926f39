"""Where orch keeps its files, and how it writes them: for their owner only, and whole or not at
all."""

from __future__ import annotations

import os
import pwd
from contextlib import suppress
from pathlib import Path

import pytest

from orch.config import paths

HOME = Path("/home/ana")


@pytest.mark.parametrize(
    ("env", "config", "data", "cache"),
    [
        ({"ORCH_HOME": "/srv/orch"}, "/srv/orch", "/srv/orch", "/srv/orch/cache"),
        ({"ORCH_HOME": "~/o"}, HOME / "o", HOME / "o", HOME / "o/cache"),
        ({}, HOME / ".config/orch", HOME / ".local/share/orch", HOME / ".cache/orch"),
        (
            {"XDG_CONFIG_HOME": "/c", "XDG_DATA_HOME": "/d", "XDG_CACHE_HOME": "/e"},
            "/c/orch",
            "/d/orch",
            "/e/orch",
        ),
        (
            {"XDG_CONFIG_HOME": "c", "XDG_DATA_HOME": ""},
            HOME / ".config/orch",
            HOME / ".local/share/orch",
            HOME / ".cache/orch",
        ),
        (
            {"ORCH_HOME": "/srv/orch", "XDG_CONFIG_HOME": "/c"},
            "/srv/orch",
            "/srv/orch",
            "/srv/orch/cache",
        ),
    ],
)
def test_one_home_holds_all_and_otherwise_xdg_says_where(
    env: dict[str, str],
    config: Path | str,
    data: Path | str,
    cache: Path | str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", str(HOME))
    folders = (paths.config_dir(env), paths.data_dir(env), paths.cache_dir(env))
    assert folders == (Path(config), Path(data), Path(cache))


def test_an_empty_home_is_not_the_root_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "")
    assert paths.data_dir({}) == Path(pwd.getpwuid(os.getuid()).pw_dir, ".local/share/orch")


def test_folders_are_created_for_their_owner_only(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir(mode=0o755)
    paths.make_private(tmp_path / "old" / "new" / "deep")
    paths.make_private(tmp_path / "old")
    modes = [
        (tmp_path / each).stat().st_mode & 0o777 for each in ("old", "old/new", "old/new/deep")
    ]
    assert modes == [0o755, 0o700, 0o700]


def test_a_touched_file_is_its_owners_and_keeps_what_it_has(tmp_path: Path) -> None:
    file = tmp_path / "new" / "file"
    paths.touch_private(file)
    assert (file.stat().st_mode & 0o777, file.read_text()) == (0o600, "")
    file.write_text("kept")
    paths.touch_private(file)
    assert file.read_text() == "kept"


def test_a_written_file_is_its_owners_whatever_it_was(tmp_path: Path) -> None:
    file = tmp_path / "new" / "file"
    paths.write_private(file, "ñ\n")
    file.chmod(0o644)
    paths.write_private(file, "más\n")
    assert (file.stat().st_mode & 0o777, file.read_bytes()) == (0o600, "más\n".encode())


def test_a_users_file_keeps_its_mode_and_its_link(tmp_path: Path) -> None:
    file, link = tmp_path / "dotfiles.yaml", tmp_path / "link"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    paths.replace_content(link, b"new\r\n")
    assert (link.is_symlink(), file.read_bytes()) == (True, b"new\r\n")
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_failed_write_leaves_the_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    with suppress(ZeroDivisionError), paths.open_private(file) as stream:
        stream.write("half")
        stream.flush()
        assert file.read_text() == "old"
        raise ZeroDivisionError
    assert file.read_text() == "old"
    assert list(tmp_path.glob(".*")) == []


def test_a_file_that_is_not_there_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        paths.replace_content(tmp_path / "none", b"x")
    assert list(tmp_path.glob("*none*")) == []
