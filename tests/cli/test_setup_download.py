"""Downloads of `orch setup`: resumed, checked before they have their name, over https alone, and
nothing is left of what is wrong."""

from __future__ import annotations

import shutil
import stat
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orch.cli.commands.setup import web
from orch.cli.commands.setup.download import Artifact, download_file
from orch.cli.commands.setup.model_library import (
    REGISTRY,
    REGISTRY_VARIABLE,
    RegistryPath,
    file_name,
    find_artifact,
    registry_path,
)
from orch.errors import OrchError, UsageError
from tests.support.fake_registry import WEIGHTS, FakeRegistry

DATA = bytes(range(256)) * 4096
NAME = "tiny:1b"


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    """One that announces a file of a megabyte."""
    with FakeRegistry() as there:
        there.add(NAME, DATA)
        yield there


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where it belongs."""
    return tmp_path / "models" / "tiny.gguf"


def found(registry: FakeRegistry, name: str = NAME) -> Artifact:
    """What the registry tells of it."""
    return find_artifact(name, env={REGISTRY_VARIABLE: registry.url})


def fetched(registry: FakeRegistry, target: Path) -> list[int]:
    """Downloads it; the bytes that were told on the way."""
    told: list[int] = []
    download_file(found(registry), target, lambda done, total: told.append(done))
    return told


def refusal(registry: FakeRegistry, target: Path) -> OrchError:
    """The error of a download that fails."""
    with pytest.raises(OrchError) as caught:
        fetched(registry, target)
    return caught.value


def part(target: Path) -> Path:
    """What came so far."""
    return target.with_name(f"{target.name}.part")


# ---------------------------------------------------------------- whole


def test_a_file_is_downloaded_and_private(registry: FakeRegistry, target: Path) -> None:
    assert fetched(registry, target)[-1] == len(DATA)
    assert (target.read_bytes(), stat.S_IMODE(target.stat().st_mode), part(target).exists()) == (
        DATA,
        0o600,
        False,
    )


def test_what_is_there_already_is_not_asked_for_again(registry: FakeRegistry, target: Path) -> None:
    fetched(registry, target)
    fetched(registry, target)
    assert registry.blobs() == [""]


def test_a_file_that_was_changed_here_is_brought_again(
    registry: FakeRegistry, target: Path
) -> None:
    fetched(registry, target)
    target.write_bytes(DATA[::-1])
    fetched(registry, target)
    assert target.read_bytes() == DATA


# ---------------------------------------------------------------- cut


def test_a_broken_connection_is_resumed_where_it_broke(
    registry: FakeRegistry, target: Path
) -> None:
    registry.cuts = [1000, 5000]
    fetched(registry, target)
    assert (target.read_bytes(), registry.blobs()) == (DATA, ["", "bytes=1000-", "bytes=6000-"])


def test_what_came_before_is_kept_for_the_next_call(registry: FakeRegistry, target: Path) -> None:
    registry.cuts = [1000, 0]
    error = refusal(registry, target)
    assert "resumes it" in error.hint
    assert part(target).read_bytes() == DATA[:1000]
    assert stat.S_IMODE(part(target).stat().st_mode) == 0o600
    fetched(registry, target)
    assert (target.read_bytes(), registry.blobs()[-1]) == (DATA, "bytes=1000-")


def test_a_connection_that_always_breaks_is_given_up(registry: FakeRegistry, target: Path) -> None:
    registry.cuts = [10] * 100
    assert "broke off" in refusal(registry, target).message
    assert len(registry.blobs()) < 10


def test_a_server_without_ranges_sends_the_file_again(registry: FakeRegistry, target: Path) -> None:
    registry.ranges, registry.cuts = False, [1000]
    fetched(registry, target)
    assert target.read_bytes() == DATA


def test_ctrl_c_keeps_what_came(registry: FakeRegistry, target: Path) -> None:
    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(OrchError) as caught:
        download_file(found(registry), target, stop)
    assert (caught.value.code, caught.value.exit_code, part(target).stat().st_size > 0) == (
        "interrupted",
        130,
        True,
    )


# ---------------------------------------------------------------- wrong


def test_a_file_with_another_checksum_never_gets_its_name(
    registry: FakeRegistry, target: Path
) -> None:
    registry.corrupt = True
    error = refusal(registry, target)
    assert (error.exit_code, "SHA-256" in error.message, bool(error.hint)) == (1, True, True)
    assert list(target.parent.iterdir()) == []


def test_more_bytes_than_were_announced_are_not_kept(registry: FakeRegistry, target: Path) -> None:
    short = Artifact(found(registry).url, found(registry).sha256, 1000)
    with pytest.raises(OrchError, match="more bytes than announced"):
        download_file(short, target, lambda done, total: None)
    assert (target.exists(), part(target).stat().st_size) == (False, 0)


def test_a_full_disk_is_reported_before_a_byte_is_written(
    registry: FakeRegistry, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 500_000_000))
    error = refusal(registry, target)
    assert (error.exit_code, "free some space" in error.hint, part(target).stat().st_size) == (
        1,
        True,
        0,
    )


def test_a_disk_that_fills_up_keeps_what_came(
    registry: FakeRegistry, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Any, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("orch.cli.commands.setup.download._PartialFile.add", full)
    error = refusal(registry, target)
    assert (
        error.exit_code,
        "No space left" in error.message,
        "run the same command again to resume" in error.hint,
    ) == (1, True, True)


def test_a_second_process_does_not_write_into_the_same_part(
    registry: FakeRegistry, target: Path
) -> None:
    def again(done: int, total: int | None) -> None:
        download_file(found(registry), target, lambda done, total: None)

    with pytest.raises(OrchError, match="another orch process"):
        download_file(found(registry), target, again)


# ---------------------------------------------------------------- where it goes


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/x.gguf",
        "ftp://example.com/x",
        "file:///etc/passwd",
        "https://",
        "https://127.0.0.1/x",
        "https://me:pw@example.com/x",
    ],
)
def test_only_https_on_the_web_is_asked_and_without_credentials(url: str) -> None:
    with pytest.raises(OrchError) as caught:
        web.check_url(url, may_be_here=False)
    assert "pw" not in caught.value.message


@pytest.mark.parametrize(
    "place", ["http://example.com/x", "ftp://127.0.0.1/x", "https://me:pw@example.com/x"]
)
def test_a_redirect_that_leads_elsewhere_is_refused(
    registry: FakeRegistry, target: Path, place: str
) -> None:
    registry.redirect = place
    error = refusal(registry, target)
    assert (error.exit_code, target.exists()) == (1, False)


def test_a_redirect_on_this_machine_is_followed_for_mirrors(
    registry: FakeRegistry, target: Path
) -> None:
    with FakeRegistry() as other:
        digest = other.add(NAME, DATA)
        registry.redirect = f"{other.url}/v2/library/tiny/blobs/sha256:{digest}"
        fetched(registry, target)
    assert target.read_bytes() == DATA


def test_a_circle_of_redirects_ends(registry: FakeRegistry, target: Path) -> None:
    registry.redirect = found(registry).url
    assert "redirects more than" in refusal(registry, target).message


def test_neither_proxies_nor_keys_of_the_environment_see_a_mirror_on_this_machine(
    registry: FakeRegistry, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://me:pw@127.0.0.1:9")
    fetched(registry, target)
    assert not [
        each
        for each in registry.headers
        if {"authorization", "proxy-authorization", "cookie"} & set(each)
    ]


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("qwen3", RegistryPath(f"{REGISTRY}/v2/library/qwen3", "latest")),
        ("qwen3:4b-instruct", RegistryPath(f"{REGISTRY}/v2/library/qwen3", "4b-instruct")),
        ("someone/model:q4_K_M", RegistryPath(f"{REGISTRY}/v2/someone/model", "q4_K_M")),
        (
            "hf.co/unsloth/Qwen3-4B-GGUF:Q4_K_M",
            RegistryPath("https://hf.co/v2/unsloth/Qwen3-4B-GGUF", "Q4_K_M"),
        ),
    ],
)
def test_a_name_is_looked_up_where_ollama_would(name: str, place: RegistryPath) -> None:
    assert registry_path(name, {}) == place


@pytest.mark.parametrize(
    "name", ["", "a b", "../etc", "a/../b", "x:", ":x", "a/b/c/d", "-x", "x:y:z", "http//x"]
)
def test_what_is_no_name_is_asked_nowhere(name: str) -> None:
    with pytest.raises(UsageError):
        registry_path(name, {})


@pytest.mark.parametrize("sha256", ["", "abc", "g" * 64])
def test_an_address_needs_its_checksum(sha256: str) -> None:
    with pytest.raises(UsageError, match="SHA-256"):
        find_artifact("https://example.com/x.gguf", sha256)


def test_a_file_of_an_address_is_called_after_it_and_its_checksum() -> None:
    artifact = find_artifact("https://example.com/a/My%20Model-Q4.gguf?x=1", "AB" * 32)
    assert (
        file_name("https://example.com/a/../My Model-Q4.gguf", artifact)
        == f"My_Model-Q4-{'ab' * 6}.gguf"
    )


def test_a_name_unknown_to_the_registry_is_an_error(registry: FakeRegistry) -> None:
    with pytest.raises(OrchError, match="status 404") as caught:
        found(registry, "nosuch:1b")
    assert "ollama.com/library" in caught.value.hint


@pytest.mark.parametrize(
    "manifest",
    [
        [],
        {"layers": None},
        {"layers": [1, {"mediaType": WEIGHTS, "digest": "sha256:../../x", "size": 5}]},
        {"layers": [{"mediaType": WEIGHTS, "digest": f"sha256:{'a' * 64}", "size": -1}]},
        {"layers": [{"mediaType": WEIGHTS, "digest": f"sha256:{'a' * 64}", "size": 1}] * 2},
    ],
    ids=["list", "none", "digest", "size", "two"],
)
def test_a_manifest_without_a_single_model_file_is_an_error(
    registry: FakeRegistry, manifest: Any
) -> None:
    registry.manifests[f"library/{NAME}"] = manifest
    with pytest.raises(OrchError) as caught:
        found(registry)
    assert caught.value.exit_code == 1


def test_a_manifest_without_end_is_not_read_to_its_end(registry: FakeRegistry) -> None:
    registry.manifests[f"library/{NAME}"] = "x" * 2_000_000
    with pytest.raises(OrchError, match="too long"):
        found(registry)
