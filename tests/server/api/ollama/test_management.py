"""Models managed through the endpoint by Ollama's own client, over a real socket."""

from __future__ import annotations

import hashlib
import json
import os
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import ollama as theirs
import pytest

from orch.server.http.keys import ApiKeys
from orch.server.http.rules import Rules
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault
from tests.support.http_server import served
from tests.support.own_models import Write
from tests.support.peers import Uids

NEW = "gemma:2b"
CLOUD = "gpt-oss:120b-cloud"
KEY = "a-key-that-nobody-guesses"
MUTATIONS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("POST", "/api/pull", {"model": NEW}),
    ("POST", "/api/copy", {"source": LLAMA, "destination": "copied"}),
    ("DELETE", "/api/delete", {"model": LLAMA}),
    ("POST", "/api/create", {"model": "made", "from": LLAMA}),
    ("POST", "/api/push", {"model": LLAMA}),
    ("POST", "/api/me", {}),
    ("POST", f"/api/blobs/sha256:{'0' * 64}", {}),
)


@contextmanager
def connected(url: str) -> Iterator[theirs.Client]:
    client = theirs.Client(host=url)
    try:
        yield client
    finally:
        client._client.close()  # it has no method for it


@pytest.fixture
def client(url: str) -> Iterator[theirs.Client]:
    with connected(url) as client:
        yield client


@pytest.fixture
def second(own: Write, ollama: FakeOllama) -> Iterator[FakeOllama]:
    """Another Ollama beside the first, which has one model of its own and one that both have."""
    with FakeOllama([FakeModel("second:1b"), FakeModel(LLAMA)]) as other:
        own(f"""version: 1
providers:
  near: {{kind: ollama, base_url: "{ollama.url}"}}
  far: {{kind: ollama, base_url: "{other.url}"}}
models: []
""")
        yield other


def changes(ollama: FakeOllama) -> list[str]:
    """The requests that changed something."""
    paths = {path for _, path, _ in MUTATIONS}
    return [each.path for each in ollama.requests if each.path in paths]


# ---------------------------------------------------------------- pull


def test_a_pull_is_streamed_layer_by_layer(client: theirs.Client, ollama: FakeOllama) -> None:
    steps = list(client.pull(NEW, stream=True))
    assert (steps[0].status, steps[-1].status) == ("pulling manifest", "success")
    (digest,) = {step.digest for step in steps if step.digest}
    layer = [(step.completed, step.total) for step in steps if step.digest]
    assert (layer[0], layer[-1]) == ((0, 4_700_000_000), (4_700_000_000, 4_700_000_000))
    assert (digest or "").startswith("sha256:")
    assert ollama.pulled == [NEW]
    assert NEW in {model.model for model in client.list().models}


def test_a_pull_may_answer_once(client: theirs.Client, ollama: FakeOllama) -> None:
    assert client.pull(NEW).status == "success"
    assert ollama.pulled == [NEW]


def test_the_cause_of_a_failed_pull_arrives(client: theirs.Client) -> None:
    for ask in (client.pull, lambda name: list(client.pull(name, stream=True))):
        with pytest.raises(theirs.ResponseError, match="file does not exist"):
            ask("missing:1b")


def test_a_pull_is_cancelled_when_its_client_leaves(url: str, ollama: FakeOllama) -> None:
    ollama.pull_fault = Fault("stall", after=1, seconds=60, times=-1)
    with httpx.stream("POST", f"{url}/api/pull", json={"model": NEW}) as answer:
        assert "pulling manifest" in next(answer.iter_lines())
    ollama.wait_for(lambda: any(each.aborted for each in ollama.requests))
    assert ollama.pulled == []


def test_a_pull_that_answers_once_is_cancelled_too(url: str, ollama: FakeOllama) -> None:
    ollama.pull_fault = Fault("stall", after=1, seconds=60, times=-1)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{url}/api/pull", json={"model": NEW, "stream": False}, timeout=1)
    ollama.wait_for(lambda: any(each.aborted for each in ollama.requests))


# ---------------------------------------------------------------- copy, delete, create, push


def test_a_model_is_copied_and_deleted(client: theirs.Client, ollama: FakeOllama) -> None:
    assert client.copy(LLAMA, "copied").status == "success"
    assert "copied:latest" in {model.model for model in client.list().models}
    assert client.delete("copied").status == "success"
    assert "copied:latest" not in {model.model for model in client.list().models}
    assert "copied:latest" not in ollama.models


def test_a_missing_model_is_reported_in_ollamas_words(client: theirs.Client) -> None:
    for ask in (client.delete, client.push, lambda name: client.copy(name, "x")):
        with pytest.raises(theirs.ResponseError, match="model 'nosuch' not found") as refused:
            ask("nosuch")
        assert refused.value.status_code == 404


def test_a_model_is_made_of_another(client: theirs.Client, ollama: FakeOllama) -> None:
    steps = list(client.create("made", from_=LLAMA, system="Be brief", stream=True))
    assert [step.status for step in steps] == ["writing manifest", "success"]
    (sent,) = [each.body for each in ollama.requests if each.path == "/api/create"]
    assert sent == {"model": "made", "from": LLAMA, "system": "Be brief", "stream": True}
    assert "made:latest" in ollama.models


def test_a_model_is_made_of_a_file(
    client: theirs.Client, ollama: FakeOllama, tmp_path: Path
) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF" * 1000)
    digest = client.create_blob(tmp_path / "x.gguf")
    assert ollama.blobs == {digest: 4000}
    assert client.create_blob(tmp_path / "x.gguf") == digest  # it is there already
    assert client.create("made", files={"x.gguf": digest}).status == "success"
    with pytest.raises(theirs.ResponseError, match="blob sha256:0 not found"):
        client.create("other", files={"x.gguf": "sha256:0"})


def test_the_error_of_a_push_arrives(client: theirs.Client, ollama: FakeOllama) -> None:
    with pytest.raises(theirs.ResponseError, match="no account"):
        list(client.push(LLAMA, stream=True))
    assert ollama.pushed == [LLAMA]


def test_an_account_is_told_with_its_status_and_body(url: str) -> None:
    answer = httpx.post(f"{url}/api/me")
    assert (answer.status_code, answer.json()["signin_url"]) == (401, "https://ollama.com/connect")


def test_models_of_the_cloud_are_neither_pulled_nor_made_unasked(
    client: theirs.Client, ollama: FakeOllama, own: Write
) -> None:
    for ask in (client.pull, lambda name: client.create("made", from_=name)):
        with pytest.raises(theirs.ResponseError, match="remote: allow") as refused:
            ask(CLOUD)
        assert refused.value.status_code == 400
    assert changes(ollama) == []
    own(f"""version: 1
providers:
  ollama: {{kind: ollama, base_url: "{ollama.url}"}}
models:
  - id: {CLOUD}
    provider: ollama
    remote: allow
""")
    with served() as there, connected(there) as client:
        assert client.pull(CLOUD).status == "success"


@pytest.mark.parametrize(
    "fields",
    [
        {"From": CLOUD},
        {"Remote_Host": "http://elsewhere"},
        {"remote_ho\N{LATIN SMALL LETTER LONG S}t": "x"},
    ],
    ids=str,
)
def test_no_spelling_of_a_field_that_ollama_takes_makes_a_remote_model(
    url: str, ollama: FakeOllama, fields: dict[str, str]
) -> None:
    answer = httpx.post(f"{url}/api/create", json={"model": "made", "from": LLAMA} | fields)
    assert (answer.status_code, "remote: allow" in answer.json()["error"]) == (400, True)
    assert changes(ollama) == []


# ---------------------------------------------------------------- blobs


def test_blobs_are_asked_for_by_digest(url: str, ollama: FakeOllama) -> None:
    digest = f"sha256:{'a' * 64}"
    assert httpx.head(f"{url}/api/blobs/{digest}").status_code == 404
    ollama.blobs[digest] = 1
    assert httpx.head(f"{url}/api/blobs/{digest}").status_code == 200
    for wrong in ("sha256:abc", "..", "md5:0", f"sha256:{'g' * 64}"):
        assert httpx.head(f"{url}/api/blobs/{wrong}").status_code in (400, 404)
        answer = httpx.post(f"{url}/api/blobs/{wrong}", content=b"x")
        assert (answer.status_code, "error" in answer.json()) in ((400, True), (404, True))
    answer = httpx.post(f"{url}/api/blobs/{digest[:-1]}b", content=b"x")
    assert (answer.status_code, "digest mismatch" in answer.json()["error"]) == (400, True)


def test_a_file_larger_than_any_body_is_passed_on_in_little_memory(ollama: FakeOllama) -> None:
    part, count = os.urandom(1_000_000), 40
    digest = f"sha256:{hashlib.sha256(part * count).hexdigest()}"
    with served(Rules(max_body_bytes=1_000_000)) as there:
        httpx.get(f"{there}/api/tags")
        tracemalloc.start()
        try:
            sent = httpx.post(f"{there}/api/blobs/{digest}", content=iter([part] * count))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert (sent.status_code, ollama.blobs) == (201, {digest: 40_000_000})
        assert peak < 8_000_000, peak  # of client, server and fake together
        assert httpx.post(f"{there}/api/tags", content=bytes(1_000_001)).status_code == 413


def test_a_client_that_leaves_in_the_middle_of_a_file_stores_nothing(
    url: str, ollama: FakeOllama
) -> None:
    def cut() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        httpx.post(f"{url}/api/blobs/sha256:{'1' * 64}", content=cut())
    assert httpx.get(f"{url}/api/version").status_code == 200
    assert ollama.blobs == {}


# ---------------------------------------------------------------- who, and where


def test_strangers_change_no_models(ollama: FakeOllama) -> None:
    with served(Rules(uid_of=Uids(os.geteuid() + 1))) as there:
        assert httpx.get(f"{there}/api/tags").status_code == 200
        for method, path, body in MUTATIONS:
            answer = httpx.request(method, there + path, json=body)
            assert (answer.status_code, "only the account" in answer.json()["error"]) == (403, True)
    assert changes(ollama) == []


def test_pages_change_no_models(url: str, ollama: FakeOllama) -> None:
    for headers in ({"origin": "https://example.com"}, {"sec-fetch-site": "cross-site"}):
        for method, path, body in MUTATIONS:
            answer = httpx.request(method, url + path, json=body, headers=headers)
            assert (answer.status_code, "error" in answer.json()) == (403, True)
    assert changes(ollama) == []


def test_with_keys_set_they_need_one(ollama: FakeOllama) -> None:
    with served(Rules(keys=ApiKeys([("me", KEY)]))) as there:
        for method, path, body in MUTATIONS:
            assert httpx.request(method, there + path, json=body).status_code == 401
        assert changes(ollama) == []
        body = {"source": LLAMA, "destination": "copied"}
        bearer = {"authorization": f"Bearer {KEY}"}
        answer = httpx.post(f"{there}/api/copy", json=body, headers=bearer)
        assert (answer.status_code, "copied:latest" in ollama.models) == (200, True)


def test_where_several_could_be_meant_none_is_asked(second: FakeOllama, ollama: FakeOllama) -> None:
    with served() as there, connected(there) as client:
        for ask in (client.delete, client.push, lambda name: client.copy(name, "x")):
            with pytest.raises(theirs.ResponseError, match=r"near/.*, far/") as refused:
                ask(LLAMA)
            assert refused.value.status_code == 400
        with pytest.raises(theirs.ResponseError, match=r"near/.*, far/"):
            client.pull(NEW)
        refusal = httpx.post(f"{there}/api/blobs/sha256:{'0' * 64}", content=b"x")
        assert (refusal.status_code, "near, far" in refusal.json()["error"]) == (400, True)
        assert changes(ollama) + changes(second) == []
        with pytest.raises(theirs.ResponseError, match="within one Ollama"):
            client.copy("second:1b", "near/x")
        with pytest.raises(theirs.ResponseError, match="within one Ollama"):
            client.create("near/x", from_="far/second:1b")
        assert changes(ollama) + changes(second) == []
        client.delete("second:1b")
        client.delete(f"far/{LLAMA}")
        client.pull(f"far/{NEW}")
        there_alone = {"x-orch-provider": "far"}
        httpx.post(f"{there}/api/pull", json={"model": CODER}, headers=there_alone)
        assert (ollama.pulled, second.pulled) == ([], [NEW, CODER])
        assert (set(second.models), LLAMA in ollama.models) == ({NEW, CODER}, True)


def test_of_several_addresses_none_is_asked(own: Write, ollama: FakeOllama) -> None:
    with FakeOllama([FakeModel(LLAMA)]) as other:
        own(f"""version: 1
providers:
  ollama: {{kind: ollama, base_urls: ["{ollama.url}", "{other.url}"]}}
models: []
""")
        with served() as there, connected(there) as client:
            with pytest.raises(theirs.ResponseError, match="several addresses") as refused:
                client.delete(LLAMA)
            assert (refused.value.status_code, other.url in refused.value.error) == (400, True)
        assert changes(ollama) + changes(other) == []


def test_what_is_missing_is_said_in_ollamas_form(url: str, ollama: FakeOllama) -> None:
    for method, path, _ in MUTATIONS[:5]:
        answer = httpx.request(method, url + path, json={})
        assert (answer.status_code, "error" in answer.json()) == (400, True)
        answer = httpx.request(method, url + path, content=b"{")
        assert (answer.status_code, "error" in answer.json()) == (400, True)
    ollama.stop()
    for method, path, body in MUTATIONS:
        answer = httpx.request(method, url + path, json=body)
        error = json.loads(answer.text.splitlines()[-1])["error"]
        assert (answer.status_code, bool(error)) == (503, True), path
