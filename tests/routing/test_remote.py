"""A model that its server runs on another machine is out unless models.yaml allows it, whichever
way it is told and whatever is wished."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from orch import OrchError, Orchestrator
from orch.providers.remote_models import UNNAMED_HOST, display_host, is_cloud_name, remote_host_of
from orch.routing.model_state import required_memory
from orch.routing.scoring.expected_time import load_seconds
from orch.types import RunResult
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault

CLOUD, LOCAL, HOST = "gpt-oss:120b-cloud", "llama3.2:3b", "https://ollama.com:443"
TASK = "Prove that the square root of two is irrational"
ALLOWED: list[dict[str, Any]] = [{"id": CLOUD, "remote": "allow"}]


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    """An Ollama with a cloud model, which by its size looks far better, and a small one of its
    own."""
    cloud = FakeModel(
        CLOUD,
        reply=["From", " afar"],
        remote_host=HOST,
        size=384,
        parameter_size="116.8B",
        context_length=131_072,
    )
    with FakeOllama(
        [cloud, FakeModel(LOCAL, reply=["From", " here"], parameter_size="3.2B")]
    ) as fake:
        yield fake


def orchestrator(
    server: FakeOllama,
    listed: list[dict[str, Any]] | None = None,
    *,
    unlisted: str = "use",
    **provider: Any,
) -> Orchestrator:
    """An orchestrator on it."""
    models = {
        "unlisted": unlisted,
        "providers": {"ollama": {"kind": "ollama", "base_url": server.url, **provider}},
        "models": listed or [],
    }
    return Orchestrator(models, {"version": 1, "memory_budget_gb": 100, "cache": "off"})


async def ask(
    server: FakeOllama,
    listed: list[dict[str, Any]] | None = None,
    provider: dict[str, Any] | None = None,
    **wishes: Any,
) -> RunResult:
    """The whole answer to TASK."""
    async with orchestrator(server, listed, **(provider or {})) as made:
        return await made.execute(TASK, **wishes)


async def refused(
    server: FakeOllama, listed: list[dict[str, Any]] | None = None, **wishes: Any
) -> OrchError:
    """The error of a run for which nobody was asked."""
    with pytest.raises(OrchError) as caught:
        await ask(server, listed, **wishes)
    assert not server.chats()
    return caught.value


# ---------------------------------------------------------------- how it is told


@pytest.mark.parametrize(
    "name",
    [
        "kimi-k2:cloud",
        "gpt-oss:120b-cloud",
        "gpt-oss:20b:cloud",
        "deepseek-cloud",
        "DeepSeek-Cloud:latest",
        "me/x:1t-CLOUD",
        "kimi-k2: cloud ",
        "Registry.Ollama.ai/library/gpt-oss:20b:Cloud",
    ],
)
def test_a_cloud_name_alone_makes_a_model_remote(name: str) -> None:
    assert is_cloud_name(name)


@pytest.mark.parametrize(
    "name", ["llama3.2:3b", "cloud:8b", "wordcloud", "qwen-cloud:7b", "cloud/llama:8b"]
)
def test_other_names_do_not(name: str) -> None:
    assert not is_cloud_name(name)


@pytest.mark.parametrize(
    ("entry", "host"),
    [
        ({}, ""),
        ({"remote_host": ""}, ""),
        ({"remote_host": HOST}, HOST),
        ({"remote_model": "x"}, UNNAMED_HOST),
    ],
)
def test_a_row_says_where_its_model_runs(entry: dict[str, str], host: str) -> None:
    assert remote_host_of(entry) == host


def test_no_control_character_of_a_server_reaches_a_terminal() -> None:
    assert remote_host_of({"remote_host": "https://a\x1b[2J.b\n"}) == "https://a[2J.b"


@pytest.mark.parametrize(
    ("host", "read"),
    [
        (HOST, "ollama.com"),
        ("http://10.0.0.7:11434", "10.0.0.7:11434"),
        ("ollama.com", "ollama.com"),
        (UNNAMED_HOST, UNNAMED_HOST),
        ("[", "["),
    ],
)
def test_people_read_a_host_without_what_everybody_uses(host: str, read: str) -> None:
    assert display_host(host) == read


@pytest.mark.parametrize("where", ["tags", "show", "ps"])
async def test_it_is_out_wherever_its_server_says_it(server: FakeOllama, where: str) -> None:
    server.add(
        FakeModel(
            "big:120b", remote_host=HOST, parameter_size="116.8B", says_remote_in=frozenset({where})
        )
    )
    server.resident["big:120b"] = 4096
    async with orchestrator(server) as made:
        out = {
            each.model_id: each
            for each in (await made.execute(TASK, profile="quality")).decision.candidates
            if each.eliminated
        }
    assert (out["big:120b"].eliminated_code, out["big:120b"].remote_host) == ("remote", HOST)
    assert "ollama.com" in (out["big:120b"].eliminated or "")


async def test_it_is_out_by_its_name_where_its_server_says_nothing(server: FakeOllama) -> None:
    server.models[CLOUD].says_remote_in = frozenset()
    assert UNNAMED_HOST in (await refused(server, model=CLOUD)).message


async def test_what_an_older_orch_kept_of_a_model_hides_nothing(server: FakeOllama) -> None:
    server.add(
        FakeModel(
            "big:120b",
            remote_host=HOST,
            parameter_size="116.8B",
            says_remote_in=frozenset({"show"}),
        )
    )
    old = {
        "capabilities": ["completion"],
        "context_window": 8192,
        "parameters_b": 120.0,
        "kv_bytes_per_token": None,
        "family": "llama",
    }
    async with orchestrator(server) as made:
        row = (server.models["big:120b"].digest, 1.0, json.dumps(old))
        made.runtime.journal.database.run_or_default(
            lambda c: c.execute("INSERT INTO model_info VALUES (?, ?, ?)", row), None
        )
        assert (await made.execute(TASK, profile="quality")).decision.model_id == LOCAL
        assert (
            made.runtime.journal.database.rows(
                "SELECT at FROM model_info WHERE digest = ?", row[:1]
            )[0]["at"]
            == 1.0
        )


async def test_nothing_is_asked_about_a_model_that_is_out(server: FakeOllama) -> None:
    await ask(server)
    assert not [request for request in server.requests if CLOUD in json.dumps(request.body)]


# ---------------------------------------------------------------- it is never asked


@pytest.mark.parametrize(
    "wishes",
    [
        {"profile": "speed"},
        {"profile": "quality"},
        {"dial": 10},
        {"task_type": "coding"},
        {"task_type": "reasoning"},
    ],
    ids=str,
)
async def test_no_wish_chooses_it(server: FakeOllama, wishes: dict[str, Any]) -> None:
    assert (await ask(server, **wishes)).decision.model_id == LOCAL
    assert not server.asked(CLOUD)


@pytest.mark.parametrize("wishes", [{}, {"model": LOCAL}], ids=str)
async def test_it_takes_over_from_no_model_that_failed(
    server: FakeOllama, wishes: dict[str, Any]
) -> None:
    server.models[LOCAL].faults.append(Fault("status", status=500, times=-1))
    with pytest.raises(OrchError):
        await ask(server, **wishes)
    assert not server.asked(CLOUD)


@pytest.mark.parametrize("unlisted", ["use", "ignore"])
@pytest.mark.parametrize(
    "listed",
    [[], [{"id": CLOUD}], [{"id": CLOUD, "aliases": ["big"]}]],
    ids=["unlisted", "listed", "alias"],
)
async def test_named_it_is_refused_with_what_to_write(
    server: FakeOllama, listed: list[dict[str, Any]], unlisted: str
) -> None:
    error = await refused(
        server,
        listed,
        model="big" if listed and "aliases" in listed[0] else CLOUD,
        provider={"unlisted": unlisted},
    )
    assert (error.code, error.exit_code) == ("remote", 2)
    assert "its text would go to ollama.com" in error.message
    assert f"- id: {CLOUD}\n      remote: allow" in error.hint


SPELLINGS = ("GPT-OSS:120b-Cloud", "gpt-oss:120b:cloud", "registry.ollama.ai/library/" + CLOUD)


@pytest.mark.parametrize("name", SPELLINGS)
async def test_another_spelling_is_refused_alike(server: FakeOllama, name: str) -> None:
    for listed in ([], [{"id": name}]):
        assert (await refused(server, listed, model=name)).code == "remote"


async def test_where_nothing_else_is_there_the_error_says_so(server: FakeOllama) -> None:
    server.remove(LOCAL)
    error = await refused(server)
    assert error.code == "model_not_found"
    assert error.hint.endswith("orch models pull llama3.1:8b fetches this one")
    assert f"{CLOUD} runs at ollama.com" in error.message


async def test_where_the_others_can_not_be_reached_the_error_says_both(server: FakeOllama) -> None:
    providers = {
        name: {"kind": "ollama", "base_url": url}
        for name, url in {"ollama": server.url, "gone": "http://127.0.0.1:1"}.items()
    }
    server.remove(LOCAL)
    async with Orchestrator(
        {"providers": providers, "models": [{"id": "x", "provider": "gone"}]}, {"version": 1}
    ) as made:
        with pytest.raises(OrchError, match=f"gone: .*; {CLOUD} runs at ollama.com") as caught:
            await made.execute(TASK)
    assert caught.value.code == "no_provider"


async def test_a_provider_that_is_down_may_have_unlisted_models_that_are_missing(
    server: FakeOllama,
) -> None:
    providers = {
        "ollama": {"kind": "ollama", "base_url": server.url},
        "gone": {"kind": "ollama", "base_url": "http://127.0.0.1:1"},
    }
    server.remove(LOCAL)
    async with Orchestrator({"providers": providers}, {"version": 1}) as made:
        with pytest.raises(
            OrchError,
            match=(
                f"no model is installed where orch could look.*gone: .*; {CLOUD} runs at ollama.com"
            ),
        ) as caught:
            await made.execute(TASK)
    assert caught.value.code == "no_provider"


async def test_a_model_that_is_loaded_elsewhere_takes_no_memory_and_is_not_loaded(
    server: FakeOllama,
) -> None:
    async with orchestrator(server, ALLOWED) as made:
        far = next(
            each
            for each in (await made.runtime.registry.snapshot()).states
            if each.spec.id == CLOUD
        )
    far = far._replace(size_bytes=90_000_000_000)
    assert (far.local, required_memory(far, 8192), load_seconds(far, 8192)) == (False, 0, 0.0)


# ---------------------------------------------------------------- it is allowed


@pytest.mark.parametrize(
    ("listed", "provider"),
    [(ALLOWED, {}), ([], {"remote": "allow"}), ([{"id": CLOUD}], {"remote": "allow"})],
    ids=str,
)
async def test_allowed_at_the_model_or_at_its_provider_it_answers(
    server: FakeOllama, listed: list[dict[str, Any]], provider: dict[str, Any]
) -> None:
    result = await ask(server, listed, provider, model=CLOUD)
    assert (result.response.content, result.decision.remote_host) == ("From afar", HOST)
    assert result.decision.reason == "named by you, remote, ollama.com"


@pytest.mark.parametrize("name", SPELLINGS)
async def test_it_may_be_allowed_in_another_spelling(server: FakeOllama, name: str) -> None:
    result = await ask(server, [{"id": name, "remote": "allow"}], model=CLOUD)
    assert result.decision.model_id == CLOUD


async def test_allowed_it_is_chosen_and_the_reason_says_where_the_text_goes(
    server: FakeOllama,
) -> None:
    result = await ask(server, ALLOWED, profile="quality")
    assert result.decision.model_id == CLOUD
    assert result.decision.reason == "general, remote, ollama.com"


async def test_a_models_own_word_goes_before_its_providers(server: FakeOllama) -> None:
    assert (
        await refused(
            server, [{"id": CLOUD, "remote": "deny"}], model=CLOUD, provider={"remote": "allow"}
        )
    ).code == "remote"


async def test_a_word_for_one_model_allows_no_other(server: FakeOllama) -> None:
    server.add(FakeModel("kimi:cloud", remote_host=HOST))
    assert (await refused(server, ALLOWED, model="kimi:cloud")).code == "remote"
