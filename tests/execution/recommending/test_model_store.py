"""Where Ollama keeps its models: the folder of the environment, the home's, or the service's; what
is free there, and what unfinished downloads hold."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orch.execution.recommending.model_store import RESERVE_BYTES, ModelStore, find_model_store

GB = 10**9


def test_the_folder_of_the_environment_comes_first(tmp_path: Path) -> None:
    named, own = tmp_path / "named", tmp_path / ".ollama" / "models"
    named.mkdir()
    own.mkdir(parents=True)
    env = {"OLLAMA_MODELS": str(named), "HOME": str(tmp_path)}
    found = find_model_store(env)
    assert found is not None
    assert (found.folder, found.free_bytes > 0) == (named, True)
    assert find_model_store(env | {"OLLAMA_MODELS": str(tmp_path / "none")}) is None


def test_else_the_homes_or_that_of_the_service(tmp_path: Path) -> None:
    service = tmp_path / "service"
    service.mkdir()
    env = {"HOME": str(tmp_path / "me")}
    assert find_model_store(env, ()) is None
    by_service = find_model_store(env, (str(service),))
    assert by_service is not None
    assert by_service.folder == service
    own = tmp_path / "me" / ".ollama" / "models"
    own.mkdir(parents=True)
    by_home = find_model_store(env, (str(service),))
    assert by_home is not None
    assert by_home.folder == own


@pytest.mark.skipif(not hasattr(os.stat_result, "st_blocks"), reason="no blocks on Windows")
def test_unfinished_downloads_count_with_what_they_hold_not_with_their_holes(
    tmp_path: Path,
) -> None:
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    with (blobs / "sha256-aa-partial").open("wb") as file:
        file.write(b"x" * 200_000)
        file.truncate(50_000_000)
    (blobs / "sha256-bb").write_bytes(b"y" * 400_000)
    (blobs / "sha256-aa-partial-0").write_text("{}")
    found = find_model_store({"OLLAMA_MODELS": str(tmp_path)})
    assert found is not None
    assert 200_000 <= found.partial_bytes < 1_000_000


def test_what_is_there_already_is_not_lacking() -> None:
    store = ModelStore(Path("/x"), 3 * GB + RESERVE_BYTES, 2 * GB)
    assert store.room_bytes == 3 * GB
    assert (store.lacks_bytes(5 * GB), store.lacks_bytes(6 * GB)) == (0, GB)
    assert ModelStore(Path("/x"), 5).room_bytes == 0


def test_the_folder_of_a_user_who_is_not_there_is_not_known() -> None:
    assert find_model_store({"OLLAMA_MODELS": "~nobody-of-that-name/models"}) is None


def test_a_folder_that_nobody_named_is_a_guess(tmp_path: Path) -> None:
    (tmp_path / ".ollama" / "models").mkdir(parents=True)
    named = find_model_store({"OLLAMA_MODELS": str(tmp_path)})
    guessed = find_model_store({"HOME": str(tmp_path)}, ())
    assert named is not None
    assert guessed is not None
    assert (named.is_guess, guessed.is_guess) == (False, True)
