"""What an Ollama does with its models other than run them, asked over a real socket."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import pytest

from orch.config.spec import Provider
from orch.errors import ProviderError
from orch.providers.ollama.client import OllamaClient
from orch.providers.ollama.management import OllamaManagement
from tests.conftest import LLAMA
from tests.support.fake_ollama import FakeOllama, Fault

CONTENT = b"GGUF" * 50_000
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"

pytestmark = pytest.mark.usefixtures("both_transports")


@pytest.fixture
async def store(ollama: FakeOllama) -> AsyncIterator[OllamaManagement]:
    client = OllamaClient(Provider(kind="ollama", base_url=ollama.url))
    yield client.management()
    await client.aclose()


async def parts(taken: list[int]) -> AsyncIterator[bytes]:
    for start in range(0, len(CONTENT), 1000):
        taken.append(start)
        yield CONTENT[start : start + 1000]


async def test_a_blob_is_sent_in_parts(store: OllamaManagement, ollama: FakeOllama) -> None:
    assert not await store.has_blob(DIGEST)
    assert await store.upload_blob(DIGEST, parts([])) == 201
    assert ollama.blobs == {DIGEST: len(CONTENT)}
    assert await store.has_blob(DIGEST)


async def test_a_blob_that_is_there_is_not_sent_again_but_read(
    store: OllamaManagement, ollama: FakeOllama
) -> None:
    taken: list[int] = []
    ollama.blobs[DIGEST] = 1
    assert await store.upload_blob(DIGEST, parts(taken)) == 200
    assert (len(taken), ollama.blobs) == (200, {DIGEST: 1})


@pytest.mark.parametrize("digest", ["", "..", "sha256:abc", f"{DIGEST}/../../api/delete"])
async def test_nothing_else_becomes_part_of_a_path(
    store: OllamaManagement, ollama: FakeOllama, digest: str
) -> None:
    for ask in (store.has_blob(digest), store.upload_blob(digest, parts([]))):
        with pytest.raises(ProviderError, match="invalid digest format"):
            await ask
    assert ollama.requests == []


async def test_an_error_inside_the_progress_is_raised(store: OllamaManagement) -> None:
    progress = store.progress("/api/push", {"model": LLAMA})
    assert await anext(progress) == {"status": "retrieving manifest"}
    with pytest.raises(ProviderError, match="no account"):
        await anext(progress)


async def test_a_refusal_is_raised(store: OllamaManagement) -> None:
    with pytest.raises(ProviderError) as refused:
        await store.store("DELETE", "/api/delete", {"model": "nosuch"})
    assert refused.value.code == "model_not_found"


async def test_an_account_is_told_whatever_its_status(store: OllamaManagement) -> None:
    status, body = await store.account()
    assert (status, b"signin_url" in body) == (401, True)


async def test_a_server_that_breaks_or_is_gone_is_a_failure(
    store: OllamaManagement, ollama: FakeOllama
) -> None:
    ollama.server_status = Fault("status", status=500, times=-1)
    for ask in (store.has_blob(DIGEST), store.upload_blob(DIGEST, parts([]))):
        with pytest.raises(ProviderError) as failed:
            await ask
        assert failed.value.code == "server_error"
    ollama.stop()
    for ask in (store.has_blob(DIGEST), store.upload_blob(DIGEST, parts([]))):
        with pytest.raises(ProviderError) as failed:
            await ask
        assert failed.value.code == "connect"
    with pytest.raises(ProviderError) as failed:
        await store.account()
    assert failed.value.code == "connect"
