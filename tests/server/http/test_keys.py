"""API keys: where they are read from, and what is rejected without showing a key."""

from __future__ import annotations

import hmac
import os
from pathlib import Path

import pytest

from orch.errors import UsageError
from orch.server.http import keys as keys_module
from orch.server.http.keys import ApiKeys
from tests.support.guarded_app import KEY, OTHER


@pytest.mark.parametrize("presented", [KEY, OTHER, "", "nobody's"])
def test_every_key_is_compared_in_constant_time(
    keys: ApiKeys, presented: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def noting(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", noting)
    assert keys.name_of(presented) == {KEY: "laptop", OTHER: "ci"}.get(presented)
    assert compared == [(32, 32)] * 2


def test_keys_come_from_a_file_or_a_variable(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# who may ask\n\nlaptop: {KEY}\n  ci:\t{OTHER}\n")
    file.chmod(0o600)
    env = {"ORCH_API_KEY": KEY, "TEAM": f"a={KEY}, b={OTHER}", "PADDED": KEY + "=="}
    read = {source: ApiKeys.read(source, env) for source in (str(file), "TEAM", "PADDED", "")}
    assert [keys and keys.names for keys in read.values()] == [
        ("laptop", "ci"),
        ("a", "b"),
        ("default",),
        ("default",),
    ]
    assert read["PADDED"] is not None
    assert read["PADDED"].name_of(KEY + "==") == "default"
    assert ApiKeys.read("", {}) is None
    file.write_text(KEY)
    assert repr(ApiKeys.read(str(file), env)) == "ApiKeys(default)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no key"),
        ("# none", "no key"),
        ("a: short", "shorter than 16"),
        (f"a: {KEY}\nb: {KEY}", "same key"),
        (f"a: {KEY}\na: {OTHER}", "same name"),
        (f"a: {KEY}\n{OTHER}", "name: key"),
        (f"a:{KEY}", "name: key"),
        (f"a: {KEY}é", "ASCII"),
        (f"a: {KEY} {KEY}", "ASCII"),
        (f"a b: {KEY}", "a name has"),
    ],
)
def test_an_invalid_key_file_is_rejected_without_showing_keys(
    tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "keys"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    with pytest.raises(UsageError, match=message) as caught:
        ApiKeys.read(str(file), {})
    assert KEY not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("short", "shorter"),
        (f"a={KEY},b={KEY}", "same key"),
        (f"a={KEY},{OTHER}", "has no name"),
        ("é" * 20, "ASCII"),
    ],
)
def test_an_invalid_key_variable_is_rejected_without_showing_keys(value: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        ApiKeys.read("TEAM", {"TEAM": value})
    assert KEY not in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such modes")
def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(KEY)
    file.chmod(0o640)
    with pytest.raises(UsageError, match="others can") as caught:
        ApiKeys.read(str(file), {})
    assert caught.value.hint == f"chmod 600 {file}"


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such modes")
@pytest.mark.parametrize(
    ("mode", "is_read"), [(0o444, True), (0o644, True), (0o664, False), (0o646, False)]
)
def test_a_container_secret_may_be_readable_but_not_writable_by_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, is_read: bool
) -> None:
    (tmp_path / "secrets").mkdir()
    file, link, beside = (
        tmp_path / "secrets" / "keys",
        tmp_path / "link",
        tmp_path / "secrets-of-mine",
    )
    for each in (file, beside):
        each.write_text(KEY)
        each.chmod(mode)
    link.symlink_to(file)
    monkeypatch.setattr(keys_module, "SECRETS", os.path.realpath(tmp_path / "secrets"))
    assert [_is_read(str(each)) for each in (file, link, beside)] == [is_read, is_read, False]


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such modes")
def test_a_secret_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "keys"
    file.write_text(KEY)
    file.chmod(0o444)
    monkeypatch.setattr(keys_module, "SECRETS", os.path.realpath(tmp_path))
    if os.getuid() == 0:
        os.chown(file, 4_321, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert not _is_read(str(file))


def _is_read(path: str) -> bool:
    try:
        return ApiKeys.read(path, {}) is not None
    except UsageError:
        return False


@pytest.mark.parametrize("literal", [KEY, "sk-proj-abc/def+ghi", "x" * 5000, "a\0b"])
def test_a_key_on_the_command_line_is_rejected_and_not_quoted(literal: str) -> None:
    with pytest.raises(UsageError, match="every user of this machine") as caught:
        ApiKeys.read(literal, {})
    assert literal not in caught.value.message + caught.value.hint
