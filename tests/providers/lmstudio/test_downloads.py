"""Downloads into LM Studio: followed to their end, in the form of Ollama's progress."""

from __future__ import annotations

from typing import Any

import pytest

from orch.errors import ProviderError
from orch.providers.lmstudio import downloads
from orch.providers.lmstudio.downloads import PATH, download, progress, request_body

RUNNING = {"job_id": "job_1", "status": "downloading", "total_size_bytes": 100}


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "POLL_S", 0)


async def followed(*answers: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    left, paths = list(answers), []

    async def ask(method: str, path: str, *_: Any, **__: Any) -> dict[str, Any]:
        paths.append(f"{method} {path}")
        return left.pop(0)

    return [line async for line in download(ask, "qwen/qwen3-4b")], paths


async def test_a_download_is_followed_to_its_end() -> None:
    half, whole = {**RUNNING, "downloaded_bytes": 50}, {**RUNNING, "status": "completed"}
    lines, paths = await followed(RUNNING, half, whole)
    assert [(line["status"], line["completed"]) for line in lines] == [
        ("downloading", 0),
        ("downloading", 50),
        ("success", 100),
    ]
    assert paths == [f"POST {PATH}", *[f"GET {PATH}/status/job_1"] * 2]


@pytest.mark.parametrize("status", ["failed", "paused", "", None, 7])
async def test_a_download_that_does_not_go_on_is_an_error(status: Any) -> None:
    with pytest.raises(ProviderError, match="the download is"):
        await followed(RUNNING, {**RUNNING, "status": status})


@pytest.mark.parametrize("job", ["../../x", "a/b", "", None, 7, "x" * 101])
async def test_an_id_that_is_none_becomes_no_path(job: Any) -> None:
    with pytest.raises(ProviderError, match="can be followed"):
        await followed({**RUNNING, "job_id": job})


@pytest.mark.parametrize("size", [None, -1, "x", [], 1e30])
def test_absurd_sizes_are_left_out(size: Any) -> None:
    assert progress({**RUNNING, "total_size_bytes": size}) == {"status": "downloading"}


def test_names_of_hugging_face_become_addresses() -> None:
    assert request_body("qwen/qwen3-4b") == {"model": "qwen/qwen3-4b"}
    assert request_body("hf.co/a/b") == {"model": "https://huggingface.co/a/b"}
    assert request_body("https://huggingface.co/a/b:Q8_0") == {
        "model": "https://huggingface.co/a/b",
        "quantization": "Q8_0",
    }
