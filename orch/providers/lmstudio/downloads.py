"""Downloads a model by LM Studio's `/api/v1/models/download`, and reports the progress as Ollama
does."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Protocol

from orch.errors import ProviderError
from orch.providers.model_lists.values import MOST_BYTES, whole, word
from orch.providers.read_limits import error_line

PATH = "/api/v1/models/download"
POLL_S = 1.0
START_TIMEOUT_S = 60.0
_JOB = re.compile(r"[A-Za-z0-9_-]{1,100}")
_HUGGING_FACE = ("hf.co/", "huggingface.co/")


class Ask(Protocol):
    """Sends a request to LM Studio's own API."""

    async def __call__(
        self, method: str, path: str, body: dict[str, Any] | None = ..., *, timeout_s: float = ...
    ) -> dict[str, Any]:
        """The answer. Raises ProviderError."""
        ...


async def download(ask: Ask, model: str) -> AsyncGenerator[dict[str, Any]]:
    """Yields `status`, and `digest`, `total` and `completed` in bytes. Raises ProviderError for a
    download that fails or is paused in LM Studio."""
    job = await ask("POST", PATH, request_body(model), timeout_s=START_TIMEOUT_S)
    while True:
        status = word(job.get("status"))
        yield progress(job)
        if status in ("completed", "already-downloaded"):
            return
        if status != "downloading":
            raise ProviderError("rejected", _ended(job))
        await asyncio.sleep(POLL_S)
        job = await ask("GET", f"{PATH}/status/{_job_id(job)}")


def request_body(model: str) -> dict[str, str]:
    """The request for a model: a name of the catalogue as it is; one of Hugging Face
    (`hf.co/owner/name:Q4_K_M`) as its address and quantization."""
    path = model.removeprefix("https://")
    if not path.startswith(_HUGGING_FACE):
        return {"model": model}
    repository, _, quantization = path.split("/", 1)[1].partition(":")
    body = {"model": f"https://huggingface.co/{repository}"}
    return {**body, "quantization": quantization} if quantization else body


def progress(job: Mapping[str, Any]) -> dict[str, Any]:
    """A status of a download in the form of Ollama's progress."""
    status = word(job.get("status"))
    is_done = status in ("completed", "already-downloaded")
    line: dict[str, Any] = {"status": "success" if is_done else status}
    total = whole(job.get("total_size_bytes"), MOST_BYTES)
    if total is not None:
        done = whole(job.get("downloaded_bytes"), total) or 0
        line |= {"digest": "model", "total": total, "completed": total if is_done else done}
    return line


def _job_id(job: Mapping[str, Any]) -> str:
    """The id of a download, which becomes part of a path."""
    found = job.get("job_id")
    if not isinstance(found, str) or not _JOB.fullmatch(found):
        raise ProviderError("bad_response", "LM Studio names no download that can be followed")
    return found


def _ended(job: Mapping[str, Any]) -> str:
    status = error_line(job.get("status") or "ended without a word")
    return f"the download is {status} in LM Studio, which shows it and goes on with it"
